/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/u64map.h"

#include "common/base/random.h"

#include <errno.h>

/* Linear probing at a load of at most 3/4; removal shifts the run back, so there are no tombstones.
 */
struct slot {
	uint64_t key, value;
};

struct pw_u64map {
	struct slot *slots;
	uint8_t *used; /* one byte a slot: key 0 is an ordinary key */
	size_t cap, count, limit;
	uint64_t seed, refused;
};

static size_t home(const struct pw_u64map *m, uint64_t key)
{
	uint64_t x = (key ^ m->seed) * 0x9e3779b97f4a7c15ull;

	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	return (size_t)(x >> 20) & (m->cap - 1);
}

int pw_u64map_new(size_t limit, struct pw_u64map **ret)
{
	struct pw_u64map *m = pw_alloc0(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->limit = limit;
	m->seed = pw_random_u64();
	*ret = m;
	return 0;
}

void pw_u64map_free(struct pw_u64map *m)
{
	if (!m)
		return;
	free(m->slots);
	free(m->used);
	free(m);
}

/* Slot of the key, or the empty slot where it belongs. cap > 0. */
static size_t probe(const struct pw_u64map *m, uint64_t key)
{
	size_t i = home(m, key);

	while (m->used[i] && m->slots[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

uint64_t *pw_u64map_find(const struct pw_u64map *m, uint64_t key)
{
	size_t i;

	if (!m->cap)
		return NULL;
	i = probe(m, key);
	return m->used[i] ? &m->slots[i].value : NULL;
}

static int grow(struct pw_u64map *m)
{
	size_t cap = m->cap ? m->cap * 2 : 16;
	pw_auto_free struct slot *slots = pw_alloc0(cap, sizeof(*slots));
	pw_auto_free uint8_t *used = pw_alloc0(cap, 1);
	struct pw_u64map old = *m;

	if (!slots || !used)
		return -ENOMEM;
	m->slots = PW_TAKE(slots);
	m->used = PW_TAKE(used);
	m->cap = cap;
	for (size_t i = 0; i < old.cap; i++) {
		if (!old.used[i])
			continue;
		size_t at = probe(m, old.slots[i].key);

		m->slots[at] = old.slots[i];
		m->used[at] = 1;
	}
	free(old.slots);
	free(old.used);
	return 0;
}

int pw_u64map_put(struct pw_u64map *m, uint64_t key, uint64_t value)
{
	uint64_t *found = pw_u64map_find(m, key);
	size_t at;

	if (found) {
		*found = value;
		return 0;
	}
	if (m->count >= m->limit) {
		m->refused++;
		return -ENOSPC;
	}
	if ((m->count + 1) * 4 > m->cap * 3 && grow(m) < 0)
		return -ENOMEM;
	at = probe(m, key);
	m->slots[at] = (struct slot){key, value};
	m->used[at] = 1;
	m->count++;
	return 1;
}

/* Moves later members of the run into the hole, so that probing never stops too early. */
static void close_hole(struct pw_u64map *m, size_t hole)
{
	size_t mask = m->cap - 1;
	size_t i = hole;

	for (;;) {
		i = (i + 1) & mask;
		if (!m->used[i])
			break;
		size_t want = home(m, m->slots[i].key);

		if (((i - want) & mask) < ((i - hole) & mask))
			continue;
		m->slots[hole] = m->slots[i];
		hole = i;
	}
	m->used[hole] = 0;
}

bool pw_u64map_remove(struct pw_u64map *m, uint64_t key, uint64_t *ret_value)
{
	size_t at;

	if (!m->cap)
		return false;
	at = probe(m, key);
	if (!m->used[at])
		return false;
	if (ret_value)
		*ret_value = m->slots[at].value;
	close_hole(m, at);
	m->count--;
	return true;
}

void pw_u64map_clear(struct pw_u64map *m)
{
	free(m->slots);
	free(m->used);
	m->slots = NULL;
	m->used = NULL;
	m->cap = m->count = 0;
}

size_t pw_u64map_count(const struct pw_u64map *m)
{
	return m->count;
}

uint64_t pw_u64map_refused(const struct pw_u64map *m)
{
	return m->refused;
}

size_t pw_u64map_bytes(const struct pw_u64map *m)
{
	return sizeof(*m) + m->cap * (sizeof(*m->slots) + 1);
}

bool pw_u64map_next(
	const struct pw_u64map *m, size_t *cursor, uint64_t *ret_key, uint64_t *ret_value)
{
	for (; *cursor < m->cap; ++*cursor) {
		if (!m->used[*cursor])
			continue;
		*ret_key = m->slots[*cursor].key;
		if (ret_value)
			*ret_value = m->slots[*cursor].value;
		++*cursor;
		return true;
	}
	return false;
}
