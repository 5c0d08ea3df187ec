/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/seen.h"

#include "collector/known.h"
#include "common/base/hash.h"
#include "common/base/random.h"
#include "common/base/u64map.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>
#include <utlist.h>

#define MARKS_MAX 32768u /* their images are held: far below the ceiling of images */

struct seen_entry {
	struct seen_entry *prev, *next;    /* of all open folds */
	const struct container *container; /* compared only */
	uint64_t key;
	struct occurrence
		fold; /* count 0 = no open fold; image held while count > 0; object below */
	struct pw_boot last;
};

struct seen {
	struct images *images;
	struct pw_u64map *map;
	struct seen_entry *open;
	struct known *known;
	uint32_t limit;
	uint64_t seed;
	struct seen_stats stats;
};

static void seen_freep(struct seen **s)
{
	seen_free(*s);
}

int seen_new(uint32_t limit, struct images *images, struct seen **ret)
{
	pw_cleanup(seen_freep) struct seen *s = pw_alloc0(1, sizeof(*s));
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->images = images;
	s->limit = limit;
	s->seed = pw_random_u64();
	r = pw_u64map_new(limit, &s->map);
	if (r == 0)
		r = known_new(limit < MARKS_MAX ? limit : MARKS_MAX, images, &s->known);
	if (r < 0)
		return r;
	*ret = PW_TAKE(s);
	return 0;
}

/* The fold is no longer open. */
static void fold_close(struct seen *s, struct seen_entry *e)
{
	struct image *image = e->fold.image;

	DL_DELETE(s->open, e);
	e->fold.count = 0;
	e->fold.image = NULL;
	image_put(s->images, image);
}

static void fold_open(struct seen *s, struct seen_entry *e, struct image *image)
{
	e->fold.image = image_hold(image);
	DL_APPEND(s->open, e);
}

void seen_free(struct seen *s)
{
	uint64_t key = 0;
	uint64_t value = 0;
	size_t cursor = 0;

	if (!s)
		return;
	while (s->open)
		fold_close(s, s->open);
	if (s->map)
		while (pw_u64map_next(s->map, &cursor, &key, &value))
			free((struct seen_entry *)(uintptr_t)value);
	pw_u64map_free(s->map);
	known_free(s->known);
	free(s);
}

/* "In progress" is how a non-blocking success looks: outcomes are compared by error otherwise. */
static int32_t outcome_of(const struct occurrence *o)
{
	if (o->kind == PW_EVENT_EXIT)
		return o->ret;
	return o->ret >= 0 || o->ret == -EINPROGRESS ? 0 : o->ret;
}

static uint64_t key_of(const struct seen *s, const struct occurrence *o)
{
	const struct image *i = o->image;
	uint64_t h = pw_hash64(o->object, s->seed);

	if (o->object2.len > 0)
		h = pw_hash_mix(h, pw_hash64(o->object2, s->seed));
	h = pw_hash_mix(h, (uintptr_t)i->container);
	h = pw_hash_mix(h, i->program->identity);
	h = pw_hash_mix(h, (uint64_t)i->uid << 32 | i->flags);
	h = pw_hash_mix(h, (uint64_t)o->aux << 32 | (uint32_t)outcome_of(o));
	h = pw_hash_mix(h, o->extra);
	h = pw_hash_mix(h, o->arg);
	return pw_hash_mix(h, (uint64_t)o->kind << 8 | o->flags);
}

static struct seen_entry *entry_new(const struct occurrence *o, uint64_t key)
{
	struct seen_entry *e = pw_alloc0(1, sizeof(*e) + o->object.len + o->object2.len);

	if (!e)
		return NULL;
	e->key = key;
	e->container = o->image->container;
	e->fold = *o;
	e->fold.image = NULL;
	e->fold.target = NULL; /* may be another's each time */
	e->fold.count = 0;
	occurrence_keep_texts(&e->fold, e + 1);
	e->last = o->time;
	return e;
}

static enum seen_result note_new(struct seen *s, const struct occurrence *o, uint64_t key)
{
	struct seen_entry *e = NULL;

	if (pw_u64map_count(s->map) < s->limit)
		e = entry_new(o, key);
	if (!e || pw_u64map_put(s->map, key, (uintptr_t)e) < 0) {
		free(e);
		s->stats.bypassed++;
		return SEEN_BYPASS;
	}
	return SEEN_NEW;
}

static void fold_add(struct seen *s, struct seen_entry *e, struct image *image, uint32_t count,
	struct pw_boot at)
{
	if (e->fold.count == 0) {
		fold_open(s, e, image);
	} else if (e->fold.image != image) {
		/* The fold goes with the latest process. */
		image_put(s->images, e->fold.image);
		e->fold.image = image_hold(image);
	}
	e->fold.count += count;
	e->fold.time = at;
	e->last = at;
	s->stats.folded += count;
}

static struct seen_entry *find(const struct seen *s, uint64_t key)
{
	const uint64_t *value = pw_u64map_find(s->map, key);

	return value ? (struct seen_entry *)(uintptr_t)*value : NULL;
}

enum seen_result seen_note(struct seen *s, const struct occurrence *o)
{
	uint64_t key = key_of(s, o);
	struct seen_entry *e = find(s, key);

	if (o->known.mark)
		known_put(s->known, o->known.mark, key, o->image);
	if (!e)
		return note_new(s, o, key);
	if (e->fold.count == UINT32_MAX) {
		s->stats.bypassed++;
		return SEEN_BYPASS;
	}
	fold_add(s, e, o->image, 1, o->time);
	e->fold.ret = o->ret;
	return SEEN_REPEAT;
}

bool seen_repeats(struct seen *s, uint64_t mark, uint64_t count, struct pw_boot now)
{
	struct known_mark m;
	struct seen_entry *e = known_find(s->known, mark, &m) ? find(s, m.key) : NULL;

	if (!e || count > UINT32_MAX - e->fold.count)
		return false;
	fold_add(s, e, m.image, (uint32_t)count, now);
	return true;
}

void seen_rotate_marks(struct seen *s)
{
	known_rotate(s->known);
}

static void fold_out(struct seen *s, struct seen_entry *e, seen_fold_fn fn, void *ctx)
{
	struct occurrence fold = e->fold;

	fold.flags |= (uint8_t)PODWARD__V1__EVENT_FLAG__EVENT_FLAG_FOLD;
	s->stats.unfolded += fold.count;
	fn(ctx, &fold);
	fold_close(s, e);
}

void seen_flush(struct seen *s, seen_fold_fn fn, void *ctx)
{
	while (s->open)
		fold_out(s, s->open, fn, ctx);
}

/* Removes the entries for which `goes` says so; the map may not change while it is walked. */
static void forget_where(
	struct seen *s, bool (*goes)(const struct seen_entry *e, const void *arg), const void *arg)
{
	pw_auto_free uint64_t *keys = pw_alloc0(pw_u64map_count(s->map) + 1, sizeof(*keys));
	uint64_t key = 0;
	uint64_t value = 0;
	size_t cursor = 0;
	size_t count = 0;

	if (!keys)
		return; /* they stay until the next time */
	while (pw_u64map_next(s->map, &cursor, &key, &value)) {
		const struct seen_entry *e = (const struct seen_entry *)(uintptr_t)value;

		if (e->fold.count == 0 && goes(e, arg))
			keys[count++] = key;
	}
	for (size_t i = 0; i < count; i++)
		if (pw_u64map_remove(s->map, keys[i], &value))
			free((struct seen_entry *)(uintptr_t)value);
}

static bool is_of_container(const struct seen_entry *e, const void *arg)
{
	return e->container == arg;
}

static bool is_any(const struct seen_entry *e, const void *arg)
{
	(void)e;
	(void)arg;
	return true;
}

static bool is_before(const struct seen_entry *e, const void *arg)
{
	const struct pw_boot *before = arg;

	return e->last.ns < before->ns;
}

void seen_flush_container(struct seen *s, const struct container *c, seen_fold_fn fn, void *ctx)
{
	struct seen_entry *e = NULL;
	struct seen_entry *next = NULL;

	DL_FOREACH_SAFE (s->open, e, next)
		if (e->container == c)
			fold_out(s, e, fn, ctx);
	forget_where(s, is_of_container, c);
}

void seen_forget(struct seen *s)
{
	forget_where(s, is_any, NULL);
}

void seen_sweep(struct seen *s, struct pw_boot before)
{
	forget_where(s, is_before, &before);
}

uint32_t seen_count(const struct seen *s)
{
	return (uint32_t)pw_u64map_count(s->map);
}

void seen_get_stats(const struct seen *s, struct seen_stats *ret)
{
	*ret = s->stats;
}
