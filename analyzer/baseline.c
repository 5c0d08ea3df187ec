/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/baseline_core.h"

#include "analyzer/baseline_rest.h"

#include <errno.h>

#define FLAG(x) BASELINE_FLAG(x)
#define SIDE    (FLAG(CANDIDATE) | FLAG(PENDING) | FLAG(OUTSIDE) | FLAG(GRAVE))

int baseline_new(uint32_t key_limit, struct baseline **ret)
{
	struct baseline *b = pw_alloc0(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->limit = key_limit;
	if (hot_new(&b->hot) < 0 || texts_new(BASELINE_TEXTS, &b->texts) < 0) {
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
	hot_free(b->hot);
	texts_free(b->texts);
	free(b->rows);
	free(b->changes);
	free(b->templates);
	baseline_packed_free(b->packed);
	free(b);
}

/* Room for one more row, and for it on the list of changes. */
static int grow(struct baseline *b)
{
	uint32_t want = b->cap + b->cap / 4 + 8;
	struct baseline_row *rows;

	if (b->count < b->cap)
		return 0;
	rows = pw_realloc(b->rows, want, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	b->rows = rows;
	b->cap = want;
	return 0;
}

static int note_change(struct baseline *b, uint32_t at)
{
	uint32_t want = b->changes_cap ? b->changes_cap * 2 : 16, *changes;

	if (b->rows[at].changed)
		return 0;
	if (b->changed == b->changes_cap) {
		changes = pw_realloc(b->changes, want, sizeof(*changes));
		if (!changes)
			return -ENOMEM;
		b->changes = changes;
		b->changes_cap = want;
	}
	b->rows[at].changed = true;
	b->changes[b->changed++] = at;
	return 0;
}

static int note_template(struct baseline *b, uint32_t at)
{
	if (!b->templates) {
		b->templates = pw_alloc0(BASELINE_TEMPLATES, sizeof(*b->templates));
		if (!b->templates)
			return -ENOMEM;
	}
	if (b->template_count == BASELINE_TEMPLATES)
		return -ENOSPC;
	b->templates[b->template_count++] = at;
	return 0;
}

static int add_row(struct baseline *b, const struct behaviour *what, struct baseline_row *row)
{
	bool template = row->flags & FLAG(TEMPLATE);
	int r = b->count >= b->limit ? -ENOSPC : grow(b);

	if (r == 0)
		r = texts_add(b->texts, what->actor, &row->actor);
	if (r == 0)
		r = texts_add(b->texts, what->object, &row->object);
	if (r == 0 && template)
		r = note_template(b, b->count);
	if (r == 0) {
		r = hot_put(b->hot, what->key, b->count);
		b->template_count -= r < 0 && template;
	}
	if (r < 0) {
		b->refused += r == -ENOSPC;
		return r;
	}
	b->rows[b->count++] = *row;
	return 0;
}

bool baseline_add_container(uint32_t containers[BASELINE_CONTAINERS], uint32_t hash)
{
	uint32_t at = 0;

	if (hash == 0)
		return false;
	while (at < BASELINE_CONTAINERS && containers[at] && containers[at] < hash)
		at++;
	if (at == BASELINE_CONTAINERS || containers[at] == hash)
		return false;
	for (uint32_t i = BASELINE_CONTAINERS - 1; i > at; i--)
		containers[i] = containers[i - 1];
	containers[at] = hash;
	return true;
}

/* What a template counts and what a plain behaviour keeps are two things: the template's stay. */
static bool join_containers(struct baseline_row *row, const struct baseline_seen *seen)
{
	bool template = seen->flags & FLAG(TEMPLATE), news = false;

	if (template && !(row->flags & FLAG(TEMPLATE)))
		memset(row->containers, 0, sizeof(row->containers));
	if (!template && (row->flags & FLAG(TEMPLATE)))
		return false;
	for (uint32_t i = 0; i < BASELINE_CONTAINERS; i++) {
		uint32_t c = seen->containers[i];

		if (!template) {
			news |= baseline_add_container(row->containers, c);
		} else if (c > row->containers[i]) {
			row->containers[i] = c;
			news = true;
		}
	}
	return news;
}

/* A removed behaviour holds nothing else: whatever comes before or after, it is the same row. */
static bool remove_row(struct baseline_row *row)
{
	bool news = !(row->flags & FLAG(REMOVED));

	memset(row->containers, 0, sizeof(row->containers));
	row->flags = (row->flags & FLAG(TEMPLATE)) | FLAG(REMOVED);
	row->versions = 0;
	row->first_wall_ns = INT64_MIN;
	return news;
}

static bool join(struct baseline_row *row, const struct baseline_seen *seen)
{
	bool news = (row->flags | seen->flags) != row->flags ||
		    (row->versions | seen->versions) != row->versions;

	if ((row->flags | seen->flags) & FLAG(REMOVED)) {
		row->flags |= (uint8_t)(seen->flags & FLAG(TEMPLATE));
		return remove_row(row);
	}
	news |= join_containers(row, seen);
	row->flags |= (uint8_t)seen->flags;
	row->versions |= seen->versions;
	if (seen->wall_ns < row->first_wall_ns)
		row->first_wall_ns = seen->wall_ns;
	return news;
}

static uint32_t row_of(const struct baseline *b, uint64_t key)
{
	const uint32_t *at = hot_find(b->hot, key);

	return !at || (*at & BASELINE_CACHED) ? UINT32_MAX : *at;
}

/* One row's worth. 1 = something new, then *ret_row is the row. */
static int take(struct baseline *b, const struct behaviour *what, const struct baseline_seen *seen,
	uint32_t *ret_row)
{
	uint32_t at = row_of(b, what->key);
	struct baseline_row made = {
		.key = what->key,
		.first_wall_ns = seen->wall_ns,
		.flags = (uint8_t)seen->flags,
		.dimension = (uint8_t)what->dimension,
		.versions = seen->versions,
	};
	int r;

	*ret_row = at;
	if ((seen->flags & (FLAG(TEMPLATE) | FLAG(REMOVED) | SIDE)) == 0 &&
		baseline_covering(b, what))
		return 0;
	if (at != UINT32_MAX) {
		bool becomes = (seen->flags & ~b->rows[at].flags) & FLAG(TEMPLATE);

		r = becomes ? note_template(b, at) : 0;
		return r < 0 ? r : join(&b->rows[at], seen);
	}
	(void)join_containers(&made, seen);
	if (seen->flags & FLAG(REMOVED))
		(void)remove_row(&made);
	*ret_row = b->count;
	r = add_row(b, what, &made);
	return r < 0 ? r : 1;
}

/* The accepted part and the rest go to rows of their own. */
static int take_parts(struct baseline *b, const struct behaviour *what,
	const struct baseline_seen *seen, bool is_change)
{
	struct behaviour part = *what;
	struct baseline_seen part_seen = *seen;
	uint32_t side = seen->flags & SIDE, own = seen->flags & ~SIDE, at;
	int r = 0, news = 0;

	if (own || (seen->versions && !(side & FLAG(PENDING))) || !side) {
		part_seen.flags = own;
		part_seen.versions = side & FLAG(PENDING) ? 0 : seen->versions;
		r = take(b, &part, &part_seen, &at);
		if (r > 0 && is_change && note_change(b, at) < 0)
			r = -ENOMEM;
		news |= r > 0;
	}
	if (r >= 0 && side) {
		part.key = baseline_side_key(what->key);
		part_seen.flags = side;
		/* In grace, the version is the one that it waits for. */
		part_seen.versions = side & FLAG(PENDING) ? seen->versions : 0;
		r = take(b, &part, &part_seen, &at);
		if (r > 0 && is_change && note_change(b, at) < 0)
			r = -ENOMEM;
		news |= r > 0;
	}
	return r < 0 ? r : news;
}

int baseline_observe(
	struct baseline *b, const struct behaviour *what, const struct baseline_seen *seen)
{
	int r = baseline_rest_wake(b);

	return r < 0 ? r : take_parts(b, what, seen, true);
}

int baseline_observe_row(
	struct baseline *b, const struct baseline_row *row, const struct baseline_seen *seen)
{
	struct pw_slice actor = baseline_actor(b, row), object = baseline_object(b, row);
	pw_auto_free char *texts = pw_alloc0(1, actor.len + object.len + 1);
	struct baseline_seen with = *seen;
	struct behaviour what = {.dimension = row->dimension};
	int r;

	if (!texts)
		return -ENOMEM;
	if (actor.len > 0)
		memcpy(texts, actor.ptr, actor.len);
	if (object.len > 0)
		memcpy(texts + actor.len, object.ptr, object.len);
	what.actor = pw_slice_of(texts, actor.len);
	what.object = pw_slice_of(texts + actor.len, object.len);
	what.key = behaviour_key(what.dimension, what.actor, what.object);
	memcpy(with.containers, row->containers, sizeof(with.containers));
	r = baseline_observe(b, &what, &with);
	return r == -ENOMEM ? r : 0;
}

int baseline_restore(
	struct baseline *b, const struct behaviour *what, const struct baseline_seen *seen)
{
	int r = baseline_rest_wake(b);

	return r < 0 ? r : take_parts(b, what, seen, false);
}

static int move_row(struct baseline *to, const struct baseline *from,
	const struct baseline_row *row, const uint32_t *bits, bool templates)
{
	struct behaviour what = {
		0, row->dimension, baseline_actor(from, row), baseline_object(from, row)};
	struct baseline_seen seen = {.wall_ns = row->first_wall_ns, .flags = row->flags};

	if (templates != ((row->flags & FLAG(TEMPLATE)) != 0))
		return 0;
	what.key = behaviour_key(what.dimension, what.actor, what.object);
	memcpy(seen.containers, row->containers, sizeof(seen.containers));
	for (uint32_t i = 0; i < from->version_count; i++)
		if ((row->versions & 1u << i) && bits[i] != BASELINE_NO_VERSION)
			seen.versions |= 1u << bits[i];
	return baseline_observe(to, &what, &seen);
}

int baseline_merge(struct baseline *b, const struct baseline *other)
{
	uint32_t bits[BASELINE_VERSIONS];
	int r = 0, worst = 0;

	pw_assert(!other->packed);
	for (uint32_t i = 0; i < other->version_count; i++)
		bits[i] = baseline_version(b, other->versions[i]);
	/* Templates first: what they stand for need not be taken in. */
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < other->count; i++) {
			r = move_row(b, other, &other->rows[i], bits, pass == 0);
			if (r == -ENOMEM)
				return r;
			if (r < 0)
				worst = r;
		}
	}
	r = baseline_sweep(b);
	return r < 0 ? r : worst;
}

static bool is_left_out(const struct baseline *b, const struct baseline_row *row)
{
	struct behaviour what = {
		row->key, row->dimension, baseline_actor(b, row), baseline_object(b, row)};

	return (row->flags & (FLAG(TEMPLATE) | FLAG(REMOVED) | SIDE)) == 0 &&
	       baseline_covering(b, &what);
}

/* A row of the old table into the new ones. */
static int keep_row(struct baseline *b, const struct baseline *old, const struct baseline_row *row)
{
	struct behaviour what = {
		row->key, row->dimension, baseline_actor(old, row), baseline_object(old, row)};
	struct baseline_row copy = *row;
	int r;

	copy.changed = false;
	r = add_row(b, &what, &copy);
	if (r == 0 && row->changed)
		r = note_change(b, b->count - 1);
	return r;
}

int baseline_sweep(struct baseline *b)
{
	struct baseline *fresh = NULL, swap;
	int r = baseline_rest_wake(b);

	if (r == 0 && b->template_count)
		r = baseline_new(b->limit, &fresh);
	if (r < 0 || !fresh)
		return r;
	memcpy(fresh->versions, b->versions, sizeof(b->versions));
	fresh->version_count = b->version_count;
	for (uint32_t i = 0; r == 0 && i < b->count; i++)
		if (!is_left_out(b, &b->rows[i]))
			r = keep_row(fresh, b, &b->rows[i]);
	if (r == 0) {
		swap = *b;
		*b = *fresh;
		*fresh = swap;
		b->refused = fresh->refused;
	}
	baseline_free(fresh);
	return r;
}

int baseline_reset(struct baseline *b)
{
	uint32_t kept = 0;
	int r = baseline_rest_wake(b);

	if (r < 0)
		return r;
	hot_clear(b->hot);
	b->template_count = b->cached = b->changed = 0;
	for (uint32_t i = 0; i < b->count; i++) {
		if (!(b->rows[i].flags & FLAG(REMOVED)))
			continue;
		b->rows[kept] = b->rows[i];
		b->rows[kept].flags = FLAG(REMOVED);
		b->rows[kept].changed = false;
		kept++;
	}
	b->count = 0;
	for (uint32_t i = 0; i < kept; i++)
		/* Smaller than before: what there is no memory for was removed for nothing. */
		if (hot_put(b->hot, b->rows[i].key, b->count) == 0)
			b->rows[b->count++] = b->rows[i];
	return 0;
}

uint32_t baseline_version(struct baseline *b, uint64_t image_hash)
{
	for (uint32_t i = 0; i < b->version_count; i++)
		if (b->versions[i] == image_hash)
			return i;
	if (b->version_count == BASELINE_VERSIONS)
		return BASELINE_NO_VERSION;
	b->versions[b->version_count] = image_hash;
	return b->version_count++;
}

uint64_t baseline_version_hash(const struct baseline *b, uint32_t bit)
{
	return b->versions[bit];
}

uint32_t baseline_version_count(const struct baseline *b)
{
	return b->version_count;
}
