// SPDX-License-Identifier: Apache-2.0
#include "policysync/profile_store.h"
#include <errno.h>

struct profile_store {
	struct store *store;
	struct profile_stats stats;
};

static struct pw_slice bin(ProtobufCBinaryData b)
{
	return pw_slice_of(b.data, b.len);
}

static int lost(const struct pw_err *err)
{
	return err && err->code ? err->code : -EIO;
}

int profile_store_reload(struct profile_store *p, struct pw_err *err)
{
	int64_t groups = 0, behaviours = 0;
	int r = store_query_i64(p->store, "SELECT count(*) FROM profiles", 0, &groups, err);

	if (r == 0)
		r = store_query_i64(
			p->store, "SELECT sum(entries) FROM profiles", 0, &behaviours, err);
	if (r < 0)
		return r;
	p->stats.groups = (uint64_t)groups;
	p->stats.behaviours = (uint64_t)behaviours;
	return 0;
}

int profile_store_new(struct store *store, struct profile_store **ret, struct pw_err *err)
{
	pw_cleanup(profile_store_freep) struct profile_store *p = pw_alloc0(1, sizeof(*p));
	int r;

	if (!p)
		return pw_err_set(err, -ENOMEM, "out of memory");
	p->store = store;
	r = profile_store_reload(p, err);
	if (r < 0)
		return r;
	*ret = PW_TAKE(p);
	return 0;
}

void profile_store_free(struct profile_store *p)
{
	free(p);
}

void profile_store_get_stats(const struct profile_store *p, struct profile_stats *ret)
{
	*ret = p->stats;
}

/* *ret_g = 0 when the group is unknown. */
static int find_group(struct profile_store *p, struct pw_slice group, int64_t *ret_g,
	int64_t *ret_entries, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(
		p->store, "SELECT g, entries FROM profiles WHERE pod_group = ?1", err);
	int r;

	if (!st)
		return lost(err);
	store_bind_bytes(st, 1, group);
	r = store_step(p->store, st, err);
	if (r < 0)
		return r;
	*ret_g = r == 1 ? store_i64(st, 0) : 0;
	*ret_entries = r == 1 ? store_i64(st, 1) : 0;
	store_reset(st);
	return 0;
}

/*
 * A higher generation replaces the phase and its clock; the same generation is merged field by
 * field so that order does not matter; losses only grow.
 */
static const char merge_state_sql[] =
	"INSERT INTO profiles(pod_group, generation, phase, learning_started, learning_duration,"
	" lost, partial_reason) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"
	" ON CONFLICT(pod_group) DO UPDATE SET"
	" phase = CASE WHEN excluded.generation > generation THEN excluded.phase"
	"  WHEN excluded.generation = generation THEN max(phase, excluded.phase) ELSE phase END,"
	" learning_started = CASE WHEN excluded.generation > generation THEN "
	"excluded.learning_started"
	"  WHEN excluded.generation = generation THEN min(learning_started, "
	"excluded.learning_started)"
	"  ELSE learning_started END,"
	" learning_duration = CASE WHEN excluded.generation > generation THEN "
	"excluded.learning_duration"
	"  WHEN excluded.generation = generation THEN max(learning_duration, "
	"excluded.learning_duration)"
	"  ELSE learning_duration END,"
	" partial_reason = CASE WHEN excluded.generation > generation THEN excluded.partial_reason"
	"  WHEN excluded.generation = generation THEN max(partial_reason, excluded.partial_reason)"
	"  ELSE partial_reason END,"
	" lost = max(lost, excluded.lost), generation = max(generation, excluded.generation)";

static int merge_state(
	struct profile_store *p, const Podward__V1__ProfileState *s, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(p->store, merge_state_sql, err);

	if (!st)
		return lost(err);
	store_bind_bytes(st, 1, bin(s->pod_group));
	store_bind_i64(st, 2, (int64_t)s->generation);
	store_bind_i64(st, 3, (int64_t)s->phase);
	store_bind_i64(st, 4, s->learning_started_wall_ns);
	store_bind_i64(st, 5, (int64_t)s->learning_duration_ns);
	store_bind_i64(st, 6, (int64_t)s->lost_events);
	store_bind_bytes(st, 7, bin(s->partial_reason));
	return store_run(p->store, st, err);
}

/* 1 = it was there and is merged, 0 = not there. */
static int update_behaviour(
	struct profile_store *p, int64_t g, const Podward__V1__Behaviour *b, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(p->store,
		"UPDATE behaviours SET first_wall = min(first_wall, ?3), flags = flags | ?4"
		" WHERE g = ?1 AND key = ?2",
		err);
	int r;

	if (!st)
		return lost(err);
	store_bind_i64(st, 1, g);
	store_bind_i64(st, 2, (int64_t)b->key);
	store_bind_i64(st, 3, b->first_wall_ns);
	store_bind_i64(st, 4, (int64_t)b->flags);
	r = store_run(p->store, st, err);
	return r < 0 ? r : store_changes(p->store) > 0;
}

static int insert_behaviour(
	struct profile_store *p, int64_t g, const Podward__V1__Behaviour *b, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(p->store,
		"INSERT OR IGNORE INTO behaviours VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", err);

	if (!st)
		return lost(err);
	store_bind_i64(st, 1, g);
	store_bind_i64(st, 2, (int64_t)b->key);
	store_bind_i64(st, 3, (int64_t)b->dimension);
	store_bind_bytes(st, 4, bin(b->actor));
	store_bind_bytes(st, 5, bin(b->object));
	store_bind_i64(st, 6, b->first_wall_ns);
	store_bind_i64(st, 7, (int64_t)b->flags);
	return store_run(p->store, st, err);
}

static int set_entries(struct profile_store *p, int64_t g, int64_t entries, struct pw_err *err)
{
	struct sqlite3_stmt *st =
		store_statement(p->store, "UPDATE profiles SET entries = ?2 WHERE g = ?1", err);

	if (!st)
		return lost(err);
	store_bind_i64(st, 1, g);
	store_bind_i64(st, 2, entries);
	return store_run(p->store, st, err);
}

static int merge_behaviours(struct profile_store *p, int64_t g, int64_t entries,
	const Podward__V1__ProfileDelta *delta, struct pw_err *err)
{
	int64_t before = entries;
	int r = 0;

	for (size_t i = 0; i < delta->n_behaviours; i++) {
		r = update_behaviour(p, g, delta->behaviours[i], err);
		if (r < 0)
			return r;
		if (r == 1)
			continue;
		if (entries >= PROFILE_ENTRIES) {
			p->stats.refused_behaviours++;
			continue;
		}
		r = insert_behaviour(p, g, delta->behaviours[i], err);
		if (r < 0)
			return r;
		entries++;
	}
	if (entries == before)
		return 0;
	p->stats.behaviours += (uint64_t)(entries - before);
	return set_entries(p, g, entries, err);
}

int profile_store_merge(
	struct profile_store *p, const Podward__V1__ProfileDelta *delta, struct pw_err *err)
{
	struct pw_slice group = bin(delta->state->pod_group);
	int64_t g = 0, entries = 0;
	int r = find_group(p, group, &g, &entries, err);

	if (r < 0)
		return r;
	if (g == 0 && p->stats.groups >= PROFILE_GROUPS) {
		p->stats.refused_groups++;
		return 0;
	}
	r = merge_state(p, delta->state, err);
	if (r == 0 && g == 0) {
		p->stats.groups++;
		r = find_group(p, group, &g, &entries, err);
	}
	return r < 0 ? r : merge_behaviours(p, g, entries, delta, err);
}

static ProtobufCBinaryData copy(struct pw_arena *a, struct pw_slice s, bool *failed)
{
	struct pw_slice dup = pw_arena_dup(a, s);

	if (s.len == 0)
		return (ProtobufCBinaryData){0, NULL};
	*failed |= !dup.ptr;
	return (ProtobufCBinaryData){dup.ptr ? dup.len : 0, (uint8_t *)(uintptr_t)dup.ptr};
}

static Podward__V1__ProfileState *state_of(struct sqlite3_stmt *st, struct pw_arena *a)
{
	Podward__V1__ProfileState *s = pw_arena_alloc0(a, 1, sizeof(*s));
	bool failed = false;

	if (!s)
		return NULL;
	podward__v1__profile_state__init(s);
	s->pod_group = copy(a, store_bytes(st, 1), &failed);
	s->generation = (uint64_t)store_i64(st, 2);
	s->phase = (Podward__V1__ProfilePhase)store_i64(st, 3);
	s->learning_started_wall_ns = store_i64(st, 4);
	s->learning_duration_ns = (uint64_t)store_i64(st, 5);
	s->lost_events = (uint64_t)store_i64(st, 6);
	s->partial_reason = copy(a, store_bytes(st, 7), &failed);
	return failed ? NULL : s;
}

static bool is_wanted(struct pw_slice group, const struct profile_filter *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (pw_slice_eq(bin(f->groups[i]), group))
			return true;
	return f->count == 0;
}

/* The group of the cursor when in_group, else the next wanted one. 0 = no more. */
static int read_state(struct profile_store *p, struct profile_cursor *c,
	const struct profile_filter *f, struct pw_arena *a, Podward__V1__ProfileState **ret,
	struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(p->store,
		"SELECT g, pod_group, generation, phase, learning_started, learning_duration, lost,"
		" partial_reason FROM profiles WHERE g >= ?1 ORDER BY g",
		err);
	int r;

	if (!st)
		return lost(err);
	store_bind_i64(st, 1, c->in_group ? c->group : c->group + 1);
	do {
		r = store_step(p->store, st, err);
	} while (r == 1 && !is_wanted(store_bytes(st, 1), f));
	if (r != 1)
		return r;
	if (!c->in_group)
		*c = (struct profile_cursor){store_i64(st, 0), INT64_MIN, true};
	*ret = state_of(st, a);
	store_reset(st);
	return *ret ? 1 : pw_err_set(err, -ENOMEM, "out of memory");
}

static Podward__V1__Behaviour *behaviour_of(struct sqlite3_stmt *st, struct pw_arena *a)
{
	Podward__V1__Behaviour *b = pw_arena_alloc0(a, 1, sizeof(*b));
	bool failed = false;

	if (!b)
		return NULL;
	podward__v1__behaviour__init(b);
	b->key = (uint64_t)store_i64(st, 0);
	b->dimension = (Podward__V1__Dimension)store_i64(st, 1);
	b->actor = copy(a, store_bytes(st, 2), &failed);
	b->object = copy(a, store_bytes(st, 3), &failed);
	b->first_wall_ns = store_i64(st, 4);
	b->flags = (uint32_t)store_i64(st, 5);
	return failed ? NULL : b;
}

/* INT64_MIN is a possible key: the page begins at the cursor's key, which is one past the last
 * sent. */
static int read_behaviours(struct profile_store *p, struct profile_cursor *c, struct pw_arena *a,
	Podward__V1__ProfileDelta *delta, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(p->store,
		"SELECT key, dimension, actor, object, first_wall, flags FROM behaviours"
		" WHERE g = ?1 AND key >= ?2 ORDER BY key",
		err);
	size_t bytes = 0;
	int r;

	if (!st)
		return lost(err);
	store_bind_i64(st, 1, c->group);
	store_bind_i64(st, 2, c->key);
	while ((r = store_step(p->store, st, err)) == 1) {
		Podward__V1__Behaviour *b;

		c->key = store_i64(st, 0);
		if (delta->n_behaviours == PROFILE_PAGE_ROWS || bytes >= PROFILE_PAGE_BYTES)
			break;
		b = behaviour_of(st, a);
		if (!b) {
			store_reset(st);
			return pw_err_set(err, -ENOMEM, "out of memory");
		}
		bytes += b->actor.len + b->object.len + 48;
		delta->behaviours[delta->n_behaviours++] = b;
	}
	c->in_group = r == 1;
	if (r == 1)
		store_reset(st);
	return r < 0 ? r : 0;
}

int profile_store_read(struct profile_store *p, struct profile_cursor *cursor,
	const struct profile_filter *filter, struct pw_arena *arena,
	Podward__V1__ProfileDelta **ret, struct pw_err *err)
{
	Podward__V1__ProfileDelta *delta = pw_arena_alloc0(arena, 1, sizeof(*delta));
	int r;

	if (!delta)
		return pw_err_set(err, -ENOMEM, "out of memory");
	podward__v1__profile_delta__init(delta);
	delta->behaviours = pw_arena_alloc0(arena, PROFILE_PAGE_ROWS, sizeof(*delta->behaviours));
	if (!delta->behaviours)
		return pw_err_set(err, -ENOMEM, "out of memory");
	r = read_state(p, cursor, filter, arena, &delta->state, err);
	if (r <= 0)
		return r;
	r = read_behaviours(p, cursor, arena, delta, err);
	if (r < 0)
		return r;
	*ret = delta;
	return 1;
}
