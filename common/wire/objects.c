/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire/objects.h"

#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/wire/container.h"

#include <errno.h>
#include <stdatomic.h>

static void hold(_Atomic uint32_t *refs)
{
	/* Relaxed: whoever holds again has a reference already. */
	(void)atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

static bool was_last(_Atomic uint32_t *refs)
{
	return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

int pw_dict_string_new(struct pw_slice bytes, struct pw_dict_string **ret)
{
	struct pw_dict_string *s = pw_alloc0(1, sizeof(*s) + bytes.len + 1);

	if (!s)
		return -ENOMEM;
	atomic_init(&s->refs, 1);
	s->len = (uint32_t)bytes.len;
	if (bytes.len > 0)
		memcpy(s->bytes, bytes.ptr, bytes.len);
	*ret = s;
	return 0;
}

void pw_dict_string_put(struct pw_dict_string *s)
{
	if (s && was_last(&s->refs))
		free(s);
}

int pw_dictionary_new(uint32_t limit, struct pw_dictionary **ret)
{
	pw_auto_free struct pw_dictionary *d = pw_alloc0(1, sizeof(*d));
	int r = 0;

	if (!d)
		return -ENOMEM;
	r = pw_u64map_new(limit, &d->strings);
	if (r < 0)
		return r;
	atomic_init(&d->refs, 1);
	d->limit = limit;
	*ret = PW_TAKE(d);
	return 0;
}

/* Room for the id in the quick array, which never grows past the limit. */
static int quick_reserve(struct pw_dictionary *d, uint32_t id)
{
	struct pw_dict_string **grown = NULL;
	uint32_t wanted = d->quick_len == 0 ? 64 : d->quick_len;

	if (id > d->limit || id < d->quick_len)
		return 0;
	while (wanted <= id)
		wanted *= 2;
	/* Ids past the limit are in the map only, also when the array grows after them. */
	wanted = wanted <= d->limit ? wanted : d->limit + 1;
	grown = pw_realloc(d->quick, wanted, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + d->quick_len, 0, (wanted - d->quick_len) * sizeof(*grown));
	d->quick = grown;
	d->quick_len = wanted;
	return 0;
}

int pw_dictionary_add(struct pw_dictionary *d, uint32_t id, struct pw_dict_string *s)
{
	int r = quick_reserve(d, id);

	if (r < 0)
		return r;
	r = pw_u64map_put(d->strings, id, (uint64_t)(uintptr_t)s);
	if (r < 0)
		return r;
	if (id < d->quick_len)
		d->quick[id] = s;
	d->bytes += s->len;
	return 0;
}

void pw_dictionary_remove(struct pw_dictionary *d, uint32_t id)
{
	uint64_t value = 0;
	struct pw_dict_string *s = NULL;

	if (!pw_u64map_remove(d->strings, id, &value))
		return;
	if (id < d->quick_len)
		d->quick[id] = NULL;
	s = (struct pw_dict_string *)(uintptr_t)value;
	d->bytes -= s->len;
	pw_dict_string_put(s);
}

struct pw_dictionary *pw_dictionary_hold(struct pw_dictionary *d)
{
	hold(&d->refs);
	return d;
}

void pw_dictionary_put(struct pw_dictionary *d)
{
	uint64_t value = 0;
	uint64_t id = 0;
	size_t cursor = 0;

	if (!d || !was_last(&d->refs))
		return;
	while (pw_u64map_next(d->strings, &cursor, &id, &value))
		pw_dict_string_put((struct pw_dict_string *)(uintptr_t)value);
	pw_u64map_free(d->strings);
	free(d->quick);
	free(d);
}

int pw_container_new(const struct pw_container_def *def, struct pw_container **ret)
{
	struct pw_container *c = NULL;
	struct pw_container_def copy = *def;
	struct pw_slice *texts[PW_CONTAINER_TEXTS];
	size_t total = 0;
	uint8_t *at = NULL;

	pw_container_texts(&copy, texts);
	for (size_t i = 0; i < PW_CONTAINER_TEXTS; i++)
		total += texts[i]->len + 1;
	c = pw_alloc0(1, sizeof(*c) + total);
	if (!c)
		return -ENOMEM;
	at = (uint8_t *)(c + 1);
	for (size_t i = 0; i < PW_CONTAINER_TEXTS; i++) {
		if (texts[i]->len > 0)
			memcpy(at, texts[i]->ptr, texts[i]->len);
		texts[i]->ptr = at;
		at += texts[i]->len + 1;
	}
	c->def = copy;
	c->group_hash = pw_hash64(copy.pod_group, 0);
	atomic_init(&c->refs, 1);
	*ret = c;
	return 0;
}

struct pw_container *pw_container_hold(struct pw_container *c)
{
	hold(&c->refs);
	return c;
}

void pw_container_put(struct pw_container *c)
{
	if (c && was_last(&c->refs))
		free(c);
}

static _Atomic uint64_t next_number = 1;

int pw_process_new(const struct pw_process_def *def, const struct pw_process_links *links,
	struct pw_process **ret)
{
	struct pw_process *p = pw_alloc0(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	atomic_init(&p->refs, 1);
	p->number = atomic_fetch_add_explicit(&next_number, 1, memory_order_relaxed);
	p->def = *def;
	p->exe = pw_dict_string_slice(links->strings[0]);
	p->args = pw_dict_string_slice(links->strings[1]);
	p->cwd = pw_dict_string_slice(links->strings[2]);
	p->comm = pw_dict_string_slice(links->strings[3]);
	p->env = pw_dict_string_slice(links->strings[4]);
	p->script = pw_dict_string_slice(links->strings[5]);
	for (size_t i = 0; i < PW_COUNT(p->strings); i++) {
		p->strings[i] = links->strings[i];
		if (p->strings[i])
			hold(&p->strings[i]->refs);
	}
	if (links->container)
		p->container = pw_container_hold(links->container);
	if (links->parent) {
		pw_assert(links->parent->ancestors < PW_PROCESS_ANCESTORS);
		p->ancestors = links->parent->ancestors + 1;
		p->parent = pw_process_hold(links->parent);
	}
	*ret = p;
	return 0;
}

static int copy_under(
	const struct pw_process *p, struct pw_process *parent, struct pw_process **ret)
{
	struct pw_process_links links = {parent, p->container, {0}};

	memcpy(links.strings, p->strings, sizeof(links.strings));
	return pw_process_new(&p->def, &links, ret);
}

int pw_process_new_cut(const struct pw_process *p, uint32_t kept, struct pw_process **ret)
{
	const struct pw_process *line[PW_PROCESS_ANCESTORS + 1];
	struct pw_process *parent = NULL;
	uint32_t count = 0;

	pw_assert(kept <= PW_PROCESS_ANCESTORS);
	for (; p && count <= kept; p = p->parent)
		line[count++] = p;
	while (count > 0) {
		struct pw_process *copy = NULL;
		int r = copy_under(line[--count], parent, &copy);

		pw_process_put(parent); /* the copy holds it */
		if (r < 0)
			return r;
		parent = copy;
	}
	*ret = parent;
	return 0;
}

struct pw_process *pw_process_hold(struct pw_process *p)
{
	hold(&p->refs);
	return p;
}

/* Up the chain in a loop: the last holder of a leaf may free all its ancestors. */
void pw_process_put(struct pw_process *p)
{
	while (p && was_last(&p->refs)) {
		struct pw_process *parent = p->parent;

		for (size_t i = 0; i < PW_COUNT(p->strings); i++)
			pw_dict_string_put(p->strings[i]);
		pw_container_put(p->container);
		free(p);
		p = parent;
	}
}
