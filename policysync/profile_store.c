// SPDX-License-Identifier: Apache-2.0
#include "policysync/profile_store.h"
#include "common/base/hash.h"
#include "common/wire/arena_alloc.h"
#include "common/wire/slot.h"
#include "policysync/profile_merge.h"
#include <errno.h>

#define SCRATCH_BYTES ((size_t)1 << 20)

struct profile_store {
	struct store *store;
	struct pw_arena *scratch; /* of one behaviour or state */
	struct pw_buf bytes;      /* the same */
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
	pw_buf_init(&p->bytes, SCRATCH_BYTES);
	if (pw_arena_new(4 << 10, SCRATCH_BYTES, &p->scratch) < 0)
		return pw_err_set(err, -ENOMEM, "out of memory");
	r = profile_store_reload(p, err);
	if (r < 0)
		return r;
	*ret = PW_TAKE(p);
	return 0;
}

void profile_store_free(struct profile_store *p)
{
	if (!p)
		return;
	pw_arena_free(p->scratch);
	pw_buf_done(&p->bytes);
	free(p);
}

void profile_store_get_stats(const struct profile_store *p, struct profile_stats *ret)
{
	*ret = p->stats;
}

/* What is known of the group; g is 0 when nothing is. */
struct known {
	int64_t g, entries;
	uint64_t epoch;
};

static int find_group(
	struct profile_store *p, struct pw_slice group, struct known *ret, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(
		p->store, "SELECT g, entries, epoch FROM profiles WHERE pod_group = ?1", err);
	int r;

	*ret = (struct known){0, 0, 0};
	if (!st)
		return lost(err);
	store_bind_bytes(st, 1, group);
	r = store_step(p->store, st, err);
	if (r < 0)
		return r;
	if (r == 1)
		*ret = (struct known){
			store_i64(st, 0), store_i64(st, 1), (uint64_t)store_i64(st, 2)};
	store_reset(st);
	return 0;
}

/*
 * A higher (epoch, generation) replaces the phase and its clock; the same is merged field by field
 * so that order does not matter; losses only grow within an epoch. The message as a whole is kept
 * of the highest (epoch, generation, serial), for all that has no column.
 */
#define NEWER "(excluded.epoch, excluded.generation) > (epoch, generation)"
#define SAME  "(excluded.epoch, excluded.generation) = (epoch, generation)"
#define PICK(column, join)                                                                    \
	" " column " = CASE WHEN " NEWER " THEN excluded." column " WHEN " SAME " THEN " join \
	"(" column ", excluded." column ") ELSE " column " END,"
static const char merge_state_sql[] =
	"INSERT INTO profiles(pod_group, generation, phase, learning_started, learning_duration,"
	" lost, partial_reason, epoch, serial, state)"
	" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
	" ON CONFLICT(pod_group) DO UPDATE SET" PICK("phase", "max") PICK("learning_started",
		"min") PICK("learning_duration", "max") PICK("partial_reason", "max") PICK("serial",
		"max") " state = CASE WHEN (excluded.epoch, excluded.generation, excluded.serial, "
		       "excluded.state)"
		       "  > (epoch, generation, serial, state) THEN excluded.state ELSE state END,"
		       " lost = CASE WHEN excluded.epoch > epoch THEN excluded.lost"
		       "  WHEN excluded.epoch = epoch THEN max(lost, excluded.lost) ELSE lost END,"
		       " generation = CASE WHEN " NEWER
		       " THEN excluded.generation ELSE generation END,"
		       " epoch = max(epoch, excluded.epoch)";

static int merge_state(
	struct profile_store *p, const Podward__V1__ProfileState *s, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(p->store, merge_state_sql, err);

	if (!st)
		return lost(err);
	if (profile_merge_state(s, &p->bytes) < 0)
		return pw_err_set(err, -ENOMEM, "profile state: out of memory");
	store_bind_bytes(st, 1, bin(s->pod_group));
	store_bind_i64(st, 2, (int64_t)s->generation);
	store_bind_i64(st, 3, (int64_t)s->phase);
	store_bind_i64(st, 4, s->learning_started_wall_ns);
	store_bind_i64(st, 5, (int64_t)s->learning_duration_ns);
	store_bind_i64(st, 6, (int64_t)s->lost_events);
	store_bind_bytes(st, 7, bin(s->partial_reason));
	store_bind_i64(st, 8, (int64_t)s->epoch);
	store_bind_i64(st, 9, (int64_t)s->serial);
	store_bind_bytes(st, 10, pw_buf_slice(&p->bytes));
	return store_run(p->store, st, err);
}

/* A reset: what was learned before it goes, what a user removed stays. */
static int forget(struct profile_store *p, struct known *k, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(
		p->store, "DELETE FROM behaviours WHERE g = ?1 AND (flags & 8) = 0", err);
	int64_t gone;
	int r;

	if (!st)
		return lost(err);
	store_bind_i64(st, 1, k->g);
	r = store_run(p->store, st, err);
	gone = (int64_t)store_changes(p->store);
	if (r < 0)
		return r;
	k->entries -= gone;
	p->stats.behaviours -= (uint64_t)gone;
	return 0;
}

/* What is stored of the behaviour joined with what arrived, into p->bytes. 1 = it was there. */
static int join_body(
	struct profile_store *p, int64_t g, const Podward__V1__Behaviour *b, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(
		p->store, "SELECT body FROM behaviours WHERE g = ?1 AND key = ?2", err);
	struct pw_slice stored = {NULL, 0};
	int r, e;

	if (!st)
		return lost(err);
	store_bind_i64(st, 1, g);
	store_bind_i64(st, 2, (int64_t)b->key);
	r = store_step(p->store, st, err);
	if (r < 0)
		return r;
	if (r == 1)
		stored = store_bytes(st, 0);
	pw_arena_reset(p->scratch);
	e = profile_merge_body(stored, b, p->scratch, &p->bytes);
	if (r == 1)
		store_reset(st);
	return e < 0 ? pw_err_set(err, -ENOMEM, "behaviour: out of memory") : r;
}

static int update_behaviour(
	struct profile_store *p, int64_t g, const Podward__V1__Behaviour *b, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(p->store,
		"UPDATE behaviours SET first_wall = min(first_wall, ?3), flags = flags | ?4,"
		" body = ?5 WHERE g = ?1 AND key = ?2",
		err);

	if (!st)
		return lost(err);
	store_bind_i64(st, 1, g);
	store_bind_i64(st, 2, (int64_t)b->key);
	store_bind_i64(st, 3, b->first_wall_ns);
	store_bind_i64(st, 4, (int64_t)b->flags);
	store_bind_bytes(st, 5, pw_buf_slice(&p->bytes));
	return store_run(p->store, st, err);
}

static int insert_behaviour(
	struct profile_store *p, int64_t g, const Podward__V1__Behaviour *b, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(p->store,
		"INSERT OR IGNORE INTO behaviours VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", err);

	if (!st)
		return lost(err);
	store_bind_i64(st, 1, g);
	store_bind_i64(st, 2, (int64_t)b->key);
	store_bind_i64(st, 3, (int64_t)b->dimension);
	store_bind_bytes(st, 4, bin(b->actor));
	store_bind_bytes(st, 5, bin(b->object));
	store_bind_i64(st, 6, b->first_wall_ns);
	store_bind_i64(st, 7, (int64_t)b->flags);
	store_bind_bytes(st, 8, pw_buf_slice(&p->bytes));
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

/* 1 = one more than before. */
static int merge_behaviour(struct profile_store *p, int64_t g, int64_t entries,
	const Podward__V1__Behaviour *b, struct pw_err *err)
{
	int r = join_body(p, g, b, err);

	if (r < 0)
		return r;
	if (r == 1)
		return update_behaviour(p, g, b, err);
	if (entries >= PROFILE_ENTRIES) {
		p->stats.refused_behaviours++;
		return 0;
	}
	r = insert_behaviour(p, g, b, err);
	return r < 0 ? r : 1;
}

static int merge_behaviours(struct profile_store *p, const struct known *k, int64_t before,
	const Podward__V1__ProfileDelta *delta, struct pw_err *err)
{
	int64_t entries = k->entries;
	int r = 0;

	for (size_t i = 0; i < delta->n_behaviours; i++) {
		r = merge_behaviour(p, k->g, entries, delta->behaviours[i], err);
		if (r < 0)
			return r;
		entries += r;
	}
	p->stats.behaviours += (uint64_t)(entries - k->entries);
	return entries == before ? 0 : set_entries(p, k->g, entries, err);
}

int profile_store_merge(
	struct profile_store *p, const Podward__V1__ProfileDelta *delta, struct pw_err *err)
{
	struct pw_slice group = bin(delta->state->pod_group);
	int64_t before;
	struct known k;
	int r = find_group(p, group, &k, err);

	if (r < 0)
		return r;
	if (k.g == 0 && p->stats.groups >= PROFILE_GROUPS) {
		p->stats.refused_groups++;
		return 0;
	}
	if (k.g != 0 && delta->state->epoch < k.epoch)
		return 0; /* of before a reset */
	r = merge_state(p, delta->state, err);
	if (r == 0 && k.g == 0) {
		p->stats.groups++;
		r = find_group(p, group, &k, err);
	}
	before = k.entries;
	if (r == 0 && delta->state->epoch > k.epoch)
		r = forget(p, &k, err);
	return r < 0 ? r : merge_behaviours(p, &k, before, delta, err);
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
	Podward__V1__ProfileState *s = (Podward__V1__ProfileState *)pw_unpack(
		a, &podward__v1__profile_state__descriptor, store_bytes(st, 8));
	bool failed = false;

	if (!s)
		return NULL;
	s->pod_group = copy(a, store_bytes(st, 1), &failed);
	s->generation = (uint64_t)store_i64(st, 2);
	s->phase = (Podward__V1__ProfilePhase)store_i64(st, 3);
	s->learning_started_wall_ns = store_i64(st, 4);
	s->learning_duration_ns = (uint64_t)store_i64(st, 5);
	s->lost_events = (uint64_t)store_i64(st, 6);
	s->partial_reason = copy(a, store_bytes(st, 7), &failed);
	s->epoch = (uint64_t)store_i64(st, 9);
	s->serial = (uint64_t)store_i64(st, 10);
	return failed ? NULL : s;
}

static bool is_wanted(struct pw_slice group, const struct profile_filter *f)
{
	uint32_t slot = pw_slot_of(pw_hash64(group, 0));

	if (f->slots && !pw_slots_have(f->slots, slot))
		return false;
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
		" partial_reason, state, epoch, serial FROM profiles WHERE g >= ?1 ORDER BY g",
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
	failed |= profile_merge_read(store_bytes(st, 6), a, b) < 0;
	return failed ? NULL : b;
}

/* INT64_MIN is a possible key: the page begins at the cursor's key, which is one past the last
 * sent. */
static int read_behaviours(struct profile_store *p, struct profile_cursor *c, struct pw_arena *a,
	Podward__V1__ProfileDelta *delta, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(p->store,
		"SELECT key, dimension, actor, object, first_wall, flags, body FROM behaviours"
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
