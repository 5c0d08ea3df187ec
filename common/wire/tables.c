/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire/tables.h"

#include "common/base/err.h"
#include "common/wire/container.h"

#include <errno.h>

static uint64_t value_of(void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void *find(const struct pw_u64map *m, uint32_t ref)
{
	const uint64_t *value = pw_u64map_find(m, ref);

	return value ? (void *)(uintptr_t)*value : NULL;
}

int pw_tables_init(struct pw_tables *t, const struct pw_decoder_limits *limits)
{
	struct pw_tables fresh = {0};
	int r = pw_dictionary_new(limits->strings, &fresh.dictionary);

	if (r == 0)
		r = pw_u64map_new(limits->processes, &fresh.processes);
	if (r == 0)
		r = pw_u64map_new(limits->containers, &fresh.containers);
	if (r < 0) {
		pw_tables_done(&fresh);
		return r;
	}
	*t = fresh;
	return 0;
}

void pw_tables_done(struct pw_tables *t)
{
	uint64_t value = 0;
	uint64_t ref = 0;
	size_t cursor = 0;

	while (t->processes && pw_u64map_next(t->processes, &cursor, &ref, &value))
		pw_process_put((struct pw_process *)(uintptr_t)value);
	cursor = 0;
	while (t->containers && pw_u64map_next(t->containers, &cursor, &ref, &value))
		pw_container_put((struct pw_container *)(uintptr_t)value);
	pw_u64map_free(t->processes);
	pw_u64map_free(t->containers);
	pw_dictionary_put(t->dictionary);
	*t = (struct pw_tables){0};
}

struct pw_dict_string *pw_tables_string(const struct pw_tables *t, uint32_t id)
{
	return pw_dictionary_find(t->dictionary, id);
}

struct pw_container *pw_tables_container(const struct pw_tables *t, uint32_t ref)
{
	return find(t->containers, ref);
}

struct pw_process *pw_tables_process(const struct pw_tables *t, uint32_t ref)
{
	return find(t->processes, ref);
}

static void journal_add(
	struct pw_journal *j, enum pw_journal_kind kind, uint32_t ref, struct pw_process *before)
{
	pw_assert(j->count < j->capacity);
	j->entries[j->count++] = (struct pw_journal_entry){kind, ref, before};
}

int pw_tables_add_string(
	struct pw_tables *t, struct pw_journal *j, uint32_t id, struct pw_slice bytes)
{
	struct pw_dict_string *s = NULL;
	int r = pw_dict_string_new(bytes, &s);

	if (r < 0)
		return r;
	r = pw_dictionary_add(t->dictionary, id, s);
	if (r < 0) {
		pw_dict_string_put(s);
		return r;
	}
	journal_add(j, PW_JOURNAL_STRING, id, NULL);
	return 0;
}

int pw_tables_add_container(
	struct pw_tables *t, struct pw_journal *j, const struct pw_container_def *def)
{
	struct pw_container *c = NULL;
	int r = pw_container_new(def, &c);

	if (r < 0)
		return r;
	r = pw_u64map_put(t->containers, def->ref, value_of(c));
	if (r < 0) {
		pw_container_put(c);
		return r;
	}
	t->dictionary->bytes += pw_container_text_bytes(def);
	journal_add(j, PW_JOURNAL_CONTAINER, def->ref, NULL);
	return 0;
}

/* Puts a copy with a shorter chain in the place of a process whose chain is full. */
static int cut_parent(struct pw_tables *t, struct pw_journal *j, struct pw_process **parent)
{
	struct pw_process *copy = NULL;
	uint64_t *place = pw_u64map_find(t->processes, (*parent)->def.ref);
	int r = pw_process_new_cut(*parent, PW_PROCESS_KEPT - 1, &copy);

	if (r < 0)
		return r;
	pw_assert(place && *place == value_of(*parent));
	*place = value_of(copy);
	journal_add(j, PW_JOURNAL_PROCESS, copy->def.ref, *parent); /* with the table's hold */
	*parent = copy;
	return 0;
}

int pw_tables_add_process(struct pw_tables *t, struct pw_journal *j,
	const struct pw_process_def *def, const struct pw_process_links *links)
{
	struct pw_process_links own = *links;
	struct pw_process *p = NULL;
	int r = 0;

	if (own.parent && own.parent->ancestors >= PW_PROCESS_ANCESTORS)
		r = cut_parent(t, j, &own.parent);
	if (r < 0)
		return r;
	r = pw_process_new(def, &own, &p);
	if (r < 0)
		return r;
	r = pw_u64map_put(t->processes, def->ref, value_of(p));
	if (r < 0) {
		pw_process_put(p);
		return r;
	}
	journal_add(j, PW_JOURNAL_PROCESS, def->ref, NULL);
	return 0;
}

void pw_tables_forget_process(struct pw_tables *t, uint32_t ref)
{
	uint64_t value = 0;

	if (pw_u64map_remove(t->processes, ref, &value))
		pw_process_put((struct pw_process *)(uintptr_t)value);
}

void pw_journal_commit(struct pw_journal *j)
{
	for (size_t i = 0; i < j->count; i++)
		pw_process_put(j->entries[i].before);
	j->count = 0;
}

static void undo_container(struct pw_tables *t, uint32_t ref)
{
	uint64_t value = 0;
	struct pw_container *c = NULL;

	if (!pw_u64map_remove(t->containers, ref, &value))
		return;
	c = (struct pw_container *)(uintptr_t)value;
	t->dictionary->bytes -= pw_container_text_bytes(&c->def);
	pw_container_put(c);
}

static void undo_process(struct pw_tables *t, const struct pw_journal_entry *entry)
{
	uint64_t *place = pw_u64map_find(t->processes, entry->ref);

	if (!entry->before) {
		pw_tables_forget_process(t, entry->ref);
		return;
	}
	pw_assert(place != NULL);
	pw_process_put((struct pw_process *)(uintptr_t)*place);
	*place = value_of(entry->before);
}

void pw_journal_undo(struct pw_journal *j, struct pw_tables *t)
{
	while (j->count > 0) {
		const struct pw_journal_entry *entry = &j->entries[--j->count];

		switch (entry->kind) {
		case PW_JOURNAL_STRING:
			pw_dictionary_remove(t->dictionary, entry->ref);
			break;
		case PW_JOURNAL_CONTAINER:
			undo_container(t, entry->ref);
			break;
		case PW_JOURNAL_PROCESS:
			undo_process(t, entry);
			break;
		}
	}
}
