/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sources.h"

#include "common/base/hash.h"
#include "common/base/u64map.h"

#include <errno.h>

struct sources {
	struct pw_u64map *by_instance; /* hash of the instance -> index */
	struct source **items;
	uint32_t count, limit;
	uint64_t clock, forgotten;
};

int sources_new(uint32_t limit, struct sources **ret)
{
	struct sources *t = pw_alloc0(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->limit = limit;
	t->items = pw_alloc0(limit, sizeof(*t->items));
	if (!t->items || pw_u64map_new(limit, &t->by_instance) < 0) {
		sources_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

void sources_free(struct sources *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->count; i++)
		free(t->items[i]);
	free(t->items);
	pw_u64map_free(t->by_instance);
	free(t);
}

static uint64_t hash_of(const uint8_t instance[16])
{
	return pw_hash64(pw_slice_of(instance, 16), 0);
}

/* The one that was quiet longest and is not in use. */
static struct source *find_victim(const struct sources *t, uint32_t *ret_index)
{
	struct source *victim = NULL;

	for (uint32_t i = 0; i < t->count; i++) {
		struct source *s = t->items[i];

		if (s->stream || s->is_busy || (victim && victim->used <= s->used))
			continue;
		victim = s;
		*ret_index = i;
	}
	return victim;
}

static int make(struct sources *t, const uint8_t instance[16], struct source **ret)
{
	uint32_t index = t->count;
	struct source *s = NULL;
	int r;

	if (t->count < t->limit) {
		s = pw_alloc0(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		r = pw_u64map_put(t->by_instance, hash_of(instance), index);
		if (r < 0) {
			free(s);
			return r;
		}
		t->items[t->count++] = s;
	} else {
		s = find_victim(t, &index);
		if (!s)
			return -ENOSPC;
		(void)pw_u64map_remove(t->by_instance, hash_of(s->instance), NULL);
		*s = (struct source){.first = 0};
		t->forgotten++;
		/* The place of the removed key is free again: this cannot need memory. */
		r = pw_u64map_put(t->by_instance, hash_of(instance), index);
		if (r < 0)
			return r;
	}
	memcpy(s->instance, instance, 16);
	*ret = s;
	return 0;
}

int sources_get(struct sources *t, const uint8_t instance[16], struct source **ret)
{
	const uint64_t *at = pw_u64map_find(t->by_instance, hash_of(instance));
	struct source *s = at ? t->items[*at] : NULL;
	int r = s ? 0 : make(t, instance, &s);

	if (r < 0)
		return r;
	s->used = ++t->clock;
	*ret = s;
	return 0;
}

uint32_t sources_count(const struct sources *t)
{
	return t->count;
}

struct source *sources_at(const struct sources *t, uint32_t index)
{
	return t->items[index];
}

uint64_t sources_forgotten(const struct sources *t)
{
	return t->forgotten;
}

static struct source_entry *entry_at(struct source *s, uint32_t n)
{
	return &s->entries[(s->first + n) % SOURCE_ENTRIES];
}

void source_judged(struct source *s, const struct source_entry *entry)
{
	struct source_entry *last;

	s->received = entry->seq;
	if (s->entry_count < SOURCE_ENTRIES) {
		*entry_at(s, s->entry_count++) = *entry;
		return;
	}
	/* Together: durable when both would be. */
	last = entry_at(s, s->entry_count - 1);
	last->seq = entry->seq;
	if (entry->report_seq > last->report_seq)
		last->report_seq = entry->report_seq;
	for (uint32_t i = 0; i < SHARDS_MAX; i++)
		if (entry->flush[i] > last->flush[i])
			last->flush[i] = entry->flush[i];
}

void source_flushed(struct source *s, uint32_t shard, uint64_t flush, uint64_t report_seq)
{
	for (uint32_t i = 0; i < s->entry_count; i++) {
		struct source_entry *e = entry_at(s, i);

		if (e->flush[shard] == 0 || e->flush[shard] > flush)
			continue;
		e->flush[shard] = 0;
		if (report_seq > e->report_seq)
			e->report_seq = report_seq;
	}
}

static bool is_durable(const struct source_entry *e, uint64_t committed)
{
	if (e->report_seq > committed)
		return false;
	for (uint32_t i = 0; i < SHARDS_MAX; i++)
		if (e->flush[i] != 0)
			return false;
	return true;
}

bool source_committed(struct source *s, uint64_t committed)
{
	bool rose = false;

	while (s->entry_count > 0 && is_durable(entry_at(s, 0), committed)) {
		s->durable = entry_at(s, 0)->seq;
		s->first = (s->first + 1) % SOURCE_ENTRIES;
		s->entry_count--;
		rose = true;
	}
	return rose;
}
