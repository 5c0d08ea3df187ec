/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/intern.h"

#include "common/base/arena.h"
#include "common/base/hash.h"
#include "common/base/random.h"

#include <errno.h>

#define CHUNK_BYTES_MAX ((size_t)64 * 1024)
#define CHUNK_BYTES_MIN ((size_t)1024)

struct pw_intern {
	struct pw_slice *strings; /* by id - 1 */
	uint32_t *table;          /* open addressing: id or 0 */
	uint64_t *hashes;         /* by id - 1, so that growing never hashes again */
	struct pw_arena *bytes_arena;
	size_t table_cap, strings_cap;
	uint32_t count, limit_count;
	size_t bytes, limit_bytes;
	uint64_t seed, refused;
};

int pw_intern_new(uint32_t limit_count, size_t limit_bytes, struct pw_intern **ret)
{
	pw_auto_free struct pw_intern *t = pw_alloc0(1, sizeof(*t));
	size_t chunk = limit_bytes / 16;

	if (!t)
		return -ENOMEM;
	t->limit_count = limit_count;
	t->limit_bytes = limit_bytes;
	t->seed = pw_random_u64(); /* hostile strings must not be able to collide on purpose */
	if (chunk > CHUNK_BYTES_MAX)
		chunk = CHUNK_BYTES_MAX;
	if (chunk < CHUNK_BYTES_MIN)
		chunk = CHUNK_BYTES_MIN;
	/* The two ceilings above bound the arena; its own would also count padding and chunk ends.
	 */
	if (pw_arena_new(chunk, SIZE_MAX, &t->bytes_arena) < 0)
		return -ENOMEM;
	*ret = PW_TAKE(t);
	return 0;
}

void pw_intern_free(struct pw_intern *t)
{
	if (!t)
		return;
	pw_arena_free(t->bytes_arena);
	free(t->strings);
	free(t->hashes);
	free(t->table);
	free(t);
}

static size_t probe(const struct pw_intern *t, uint64_t hash, struct pw_slice s)
{
	size_t mask = t->table_cap - 1;
	size_t i = (size_t)hash & mask;

	for (; t->table[i]; i = (i + 1) & mask) {
		uint32_t id = t->table[i];

		if (t->hashes[id - 1] == hash && pw_slice_eq(t->strings[id - 1], s))
			break;
	}
	return i;
}

static int grow_table(struct pw_intern *t)
{
	size_t cap = t->table_cap ? t->table_cap * 2 : 64;
	uint32_t *table = pw_alloc0(cap, sizeof(*table));

	if (!table)
		return -ENOMEM;
	for (uint32_t id = 1; id <= t->count; id++) {
		size_t i = (size_t)t->hashes[id - 1] & (cap - 1);

		while (table[i])
			i = (i + 1) & (cap - 1);
		table[i] = id;
	}
	free(t->table);
	t->table = table;
	t->table_cap = cap;
	return 0;
}

static int grow_strings(struct pw_intern *t)
{
	size_t cap = t->strings_cap ? t->strings_cap * 2 : 64;
	struct pw_slice *strings = pw_realloc(t->strings, cap, sizeof(*strings));
	uint64_t *hashes;

	if (!strings)
		return -ENOMEM;
	t->strings = strings;
	hashes = pw_realloc(t->hashes, cap, sizeof(*hashes));
	if (!hashes)
		return -ENOMEM;
	t->hashes = hashes;
	t->strings_cap = cap;
	return 0;
}

static int make_room(struct pw_intern *t)
{
	if (t->count == t->strings_cap && grow_strings(t) < 0)
		return -ENOMEM;
	if (((size_t)t->count + 1) * 2 > t->table_cap && grow_table(t) < 0)
		return -ENOMEM;
	return 0;
}

uint32_t pw_intern_find(const struct pw_intern *t, struct pw_slice s)
{
	return t->table_cap ? t->table[probe(t, pw_hash64(s, t->seed), s)] : 0;
}

uint32_t pw_intern_add(struct pw_intern *t, struct pw_slice s)
{
	uint64_t hash = pw_hash64(s, t->seed);
	struct pw_slice copy;
	size_t at;

	if (t->table_cap) {
		at = probe(t, hash, s);
		if (t->table[at])
			return t->table[at];
	}
	if (t->count >= t->limit_count || s.len > t->limit_bytes - t->bytes || make_room(t) < 0)
		goto refused;
	copy = pw_arena_dup(t->bytes_arena, s);
	if (!copy.ptr)
		goto refused;
	at = probe(t, hash, s);
	t->strings[t->count] = copy;
	t->hashes[t->count] = hash;
	t->table[at] = ++t->count;
	t->bytes += s.len;
	return t->count;
refused:
	t->refused++;
	return 0;
}

struct pw_slice pw_intern_get(const struct pw_intern *t, uint32_t id)
{
	return id && id <= t->count ? t->strings[id - 1] : pw_slice_of(NULL, 0);
}

uint32_t pw_intern_count(const struct pw_intern *t)
{
	return t->count;
}

size_t pw_intern_bytes(const struct pw_intern *t)
{
	return t->bytes;
}

uint64_t pw_intern_refused(const struct pw_intern *t)
{
	return t->refused;
}

void pw_intern_clear(struct pw_intern *t)
{
	pw_arena_reset(t->bytes_arena);
	free(t->table);
	t->table = NULL;
	t->table_cap = 0;
	t->count = 0;
	t->bytes = 0;
}
