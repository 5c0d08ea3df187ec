/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/known.h"

#include "common/base/u64map.h"

#include <errno.h>

/* One generation: mark -> row. */
struct generation {
	struct pw_u64map *rows_of;
	struct known_mark *rows;
	uint32_t count;
};

struct known {
	struct images *images;
	struct generation now, before;
	uint32_t limit;
};

static void known_freep(struct known **k)
{
	known_free(*k);
}

static int generation_init(struct generation *g, uint32_t limit)
{
	g->rows = pw_alloc0(limit, sizeof(*g->rows));
	return g->rows ? pw_u64map_new(limit, &g->rows_of) : -ENOMEM;
}

static void generation_clear(struct known *k, struct generation *g)
{
	for (uint32_t i = 0; i < g->count; i++)
		image_put(k->images, g->rows[i].image);
	g->count = 0;
	if (g->rows_of)
		pw_u64map_clear(g->rows_of);
}

static void generation_done(struct known *k, struct generation *g)
{
	generation_clear(k, g);
	pw_u64map_free(g->rows_of);
	free(g->rows);
}

int known_new(uint32_t limit, struct images *images, struct known **ret)
{
	pw_cleanup(known_freep) struct known *k = pw_alloc0(1, sizeof(*k));
	int r = 0;

	if (!k)
		return -ENOMEM;
	k->images = images;
	k->limit = limit;
	r = generation_init(&k->now, limit);
	if (r == 0)
		r = generation_init(&k->before, limit);
	if (r < 0)
		return r;
	*ret = PW_TAKE(k);
	return 0;
}

void known_free(struct known *k)
{
	if (!k)
		return;
	generation_done(k, &k->now);
	generation_done(k, &k->before);
	free(k);
}

void known_rotate(struct known *k)
{
	struct generation old = k->before;

	generation_clear(k, &old);
	k->before = k->now;
	k->now = old;
}

void known_put(struct known *k, uint64_t mark, uint64_t key, struct image *image)
{
	struct generation *g = &k->now;
	const uint64_t *at = pw_u64map_find(g->rows_of, mark);

	if (at) { /* told again under the same mark: by the same process */
		g->rows[*at].key = key;
		return;
	}
	if (g->count == k->limit)
		known_rotate(k);
	if (pw_u64map_put(g->rows_of, mark, g->count) < 0)
		return;
	g->rows[g->count++] = (struct known_mark){key, image_hold(image)};
}

bool known_find(const struct known *k, uint64_t mark, struct known_mark *ret)
{
	const struct generation *generations[] = {&k->now, &k->before};

	for (size_t i = 0; i < PW_COUNT(generations); i++) {
		const uint64_t *at = pw_u64map_find(generations[i]->rows_of, mark);

		if (at) {
			*ret = generations[i]->rows[*at];
			return true;
		}
	}
	return false;
}

uint32_t known_count(const struct known *k)
{
	return k->now.count + k->before.count;
}
