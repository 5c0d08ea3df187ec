/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/baseline.h"

#include "common/base/intern.h"
#include "common/base/u64map.h"

#include <errno.h>

#define TEXT_BYTES (16u << 20)
#define ACCEPTED                                                         \
	((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_STARTUP | \
		(uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_STEADY)

struct baseline {
	struct pw_u64map *rows_by_key;
	struct pw_intern *texts;
	struct baseline_row *rows;
	uint32_t *changes; /* as large as rows */
	uint32_t count, cap, limit, changed;
	uint64_t refused;
};

int baseline_new(uint32_t key_limit, struct baseline **ret)
{
	struct baseline *b = pw_alloc0(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->limit = key_limit;
	if (pw_u64map_new(key_limit, &b->rows_by_key) < 0 ||
		pw_intern_new(2 * key_limit, TEXT_BYTES, &b->texts) < 0) {
		baseline_free(b);
		return -ENOMEM;
	}
	*ret = b;
	return 0;
}

void baseline_free(struct baseline *b)
{
	if (!b)
		return;
	pw_u64map_free(b->rows_by_key);
	pw_intern_free(b->texts);
	free(b->rows);
	free(b->changes);
	free(b);
}

static int grow(struct baseline *b)
{
	uint32_t want = b->cap ? b->cap * 2 : 16;
	struct baseline_row *rows;
	uint32_t *changes;

	if (b->count < b->cap)
		return 0;
	rows = pw_realloc(b->rows, want, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	b->rows = rows;
	changes = pw_realloc(b->changes, want, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	b->changes = changes;
	b->cap = want;
	return 0;
}

/* Id 0 for an empty text. The ceilings are looked at here, to tell them from being out of memory.
 */
static int intern_text(struct baseline *b, struct pw_slice s, uint32_t *ret)
{
	if (s.len == 0)
		return 0;
	if (pw_intern_bytes(b->texts) + s.len >= TEXT_BYTES - BEHAVIOUR_TEXT_BYTES)
		return -ENOSPC;
	*ret = pw_intern_add(b->texts, s);
	return *ret ? 0 : -ENOMEM;
}

static int add_row(struct baseline *b, const struct behaviour *what, struct baseline_row *row)
{
	int r = b->count >= b->limit ? -ENOSPC : grow(b);

	if (r == 0)
		r = intern_text(b, what->actor, &row->actor);
	if (r == 0)
		r = intern_text(b, what->object, &row->object);
	if (r == 0)
		r = pw_u64map_put(b->rows_by_key, what->key, b->count);
	if (r < 0) {
		b->refused += r == -ENOSPC;
		return r;
	}
	b->rows[b->count++] = *row;
	return 0;
}

static int merge(struct baseline *b, const struct behaviour *what, int64_t wall_ns, uint32_t flags,
	uint32_t *ret_row)
{
	const uint64_t *at = pw_u64map_find(b->rows_by_key, what->key);
	struct baseline_row *row, made = {
					  .key = what->key,
					  .first_wall_ns = wall_ns,
					  .flags = flags,
					  .dimension = what->dimension,
				  };
	bool news;
	int r;

	if (!at) {
		*ret_row = b->count;
		r = add_row(b, what, &made);
		return r < 0 ? r : 1;
	}
	*ret_row = (uint32_t)*at;
	row = &b->rows[*at];
	news = (row->flags | flags) != row->flags;
	row->flags |= flags;
	if (wall_ns < row->first_wall_ns)
		row->first_wall_ns = wall_ns;
	return news;
}

int baseline_observe(
	struct baseline *b, const struct behaviour *what, int64_t wall_ns, uint32_t flags)
{
	uint32_t at;
	int r = merge(b, what, wall_ns, flags, &at);

	if (r <= 0 || b->rows[at].changed)
		return r;
	b->rows[at].changed = true;
	b->changes[b->changed++] = at;
	return r;
}

int baseline_restore(
	struct baseline *b, const struct behaviour *what, int64_t wall_ns, uint32_t flags)
{
	uint32_t at;

	return merge(b, what, wall_ns, flags, &at);
}

const struct baseline_row *baseline_find(const struct baseline *b, uint64_t key)
{
	const uint64_t *at = pw_u64map_find(b->rows_by_key, key);

	return at ? &b->rows[*at] : NULL;
}

bool baseline_accepts(const struct baseline_row *row)
{
	return row && (row->flags & ACCEPTED) != 0;
}

static size_t common_prefix(struct pw_slice a, struct pw_slice b)
{
	size_t i = 0;

	while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i])
		i++;
	return i;
}

const struct baseline_row *baseline_nearest(const struct baseline *b, const struct behaviour *what)
{
	uint32_t actor = what->actor.len ? pw_intern_find(b->texts, what->actor) : 0;
	const struct baseline_row *best = NULL;
	size_t best_score = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		const struct baseline_row *row = &b->rows[i];
		size_t score;

		if (row->dimension != what->dimension || !baseline_accepts(row))
			continue;
		/* The same actor outweighs any common beginning. */
		score = 1 + common_prefix(baseline_object(b, row), what->object);
		if (row->actor == actor && (actor || what->actor.len == 0))
			score += 2 * BEHAVIOUR_TEXT_BYTES;
		if (score > best_score) {
			best_score = score;
			best = row;
		}
	}
	return best;
}

struct pw_slice baseline_actor(const struct baseline *b, const struct baseline_row *row)
{
	return pw_intern_get(b->texts, row->actor);
}

struct pw_slice baseline_object(const struct baseline *b, const struct baseline_row *row)
{
	return pw_intern_get(b->texts, row->object);
}

uint32_t baseline_count(const struct baseline *b)
{
	return b->count;
}

uint32_t baseline_changed_count(const struct baseline *b)
{
	return b->changed;
}

const struct baseline_row *baseline_changed_at(const struct baseline *b, uint32_t index)
{
	return &b->rows[b->changes[index]];
}

void baseline_changes_taken(struct baseline *b)
{
	for (uint32_t i = 0; i < b->changed; i++)
		b->rows[b->changes[i]].changed = false;
	b->changed = 0;
}

uint64_t baseline_refused(const struct baseline *b)
{
	return b->refused;
}
