/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/canary.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/escape.h"
#include "common/wire/arena_alloc.h"

#include <errno.h>
#include <stdio.h>

#define NAME_BYTES  253u
#define KEEP_CHUNK  (64u << 10)
#define WHY_BYTES   256u
#define OBJECT_SIZE (NAME_BYTES + 16u)

/* One set by name. */
struct entry {
	uint8_t name[NAME_BYTES];
	size_t name_len;
	struct pw_arena *arena; /* of kept; NULL = nothing to go back to */
	const Podward__V1__SignatureSet *kept;
	uint64_t kept_hash, trial_hash;
	bool is_on_trial, is_taken_back, is_seen;
	uint32_t percent;
	uint64_t window_ns;   /* mono, start of the window */
	uint32_t fresh, rest; /* alerts in it: of the new version, of the kept one elsewhere */
	char why[WHY_BYTES];
};

struct canary {
	struct entry entries[CANARY_SETS];
	uint32_t count;
	uint64_t rollbacks;
};

int canary_new(struct canary **ret)
{
	struct canary *c = pw_alloc0(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*ret = c;
	return 0;
}

void canary_free(struct canary *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->count; i++)
		pw_arena_free(c->entries[i].arena);
	free(c);
}

static struct pw_slice name_of(const struct entry *e)
{
	return pw_slice_of(e->name, e->name_len);
}

static struct pw_slice set_name(const Podward__V1__SignatureSet *s)
{
	return pw_slice_of(s->name.data, s->name.len);
}

static const struct entry *find(const struct canary *c, struct pw_slice name)
{
	for (uint32_t i = 0; i < c->count; i++)
		if (pw_slice_eq(name_of(&c->entries[i]), name))
			return &c->entries[i];
	return NULL;
}

static bool is_trial(const Podward__V1__SignatureSet *s)
{
	return s->canary_percent > 0 && s->canary_percent < 100;
}

/* The set's content as bytes in the arena, the same for every percentage; ptr NULL = no memory. */
static struct pw_slice pack(const Podward__V1__SignatureSet *s, struct pw_arena *arena)
{
	Podward__V1__SignatureSet plain = *s;
	uint8_t *bytes;
	size_t size;

	plain.canary_percent = plain.canary_rest_percent = 0;
	size = protobuf_c_message_get_packed_size(&plain.base);
	bytes = pw_arena_alloc(arena, size + 1);
	if (bytes)
		(void)protobuf_c_message_pack(&plain.base, bytes);
	return pw_slice_of(bytes, bytes ? size : 0);
}

/* ---- what is to run ---- */
/* 1 = this version was taken back, 0 = not, -ENOMEM. */
static int is_taken_back(
	const struct entry *e, const Podward__V1__SignatureSet *s, struct pw_arena *arena)
{
	struct pw_slice bytes;

	if (!e || !e->is_on_trial || !e->is_taken_back)
		return 0;
	bytes = pack(s, arena);
	if (!bytes.ptr)
		return -ENOMEM;
	return pw_hash64(bytes, 0) == e->trial_hash;
}

/* The kept version for the groups outside of the share; rest 0 = for all. */
static int add_kept(const struct entry *e, uint32_t rest, struct pw_arena *arena,
	Podward__V1__SignatureSet **list, size_t *count)
{
	Podward__V1__SignatureSet *copy;

	if (!e || !e->kept)
		return 0;
	copy = pw_arena_alloc(arena, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *e->kept;
	copy->canary_rest_percent = rest;
	copy->n_problems = 0; /* they were told when it was new */
	list[(*count)++] = copy;
	return 0;
}

int canary_sets(const struct canary *c, const Podward__V1__PolicySnapshot *m,
	struct pw_arena *arena, Podward__V1__SignatureSet ***ret, size_t *ret_count)
{
	size_t most = 2 * m->n_signature_sets + 1, count = 0;
	Podward__V1__SignatureSet **list =
		pw_arena_alloc0(arena, most, sizeof(Podward__V1__SignatureSet *));
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < m->n_signature_sets; i++) {
		Podward__V1__SignatureSet *s = m->signature_sets[i];
		const struct entry *e = is_trial(s) ? find(c, set_name(s)) : NULL;
		int back = is_taken_back(e, s, arena);

		if (back < 0)
			return back;
		if (!back)
			list[count++] = s;
		r = add_kept(e, back ? 0 : s->canary_percent, arena, list, &count);
	}
	if (r == 0) {
		*ret = list;
		*ret_count = count;
	}
	return r;
}

/* ---- what came into force ---- */
static struct entry *get(struct canary *c, struct pw_slice name)
{
	struct entry *e = (struct entry *)find(c, name);

	if (e || c->count == CANARY_SETS || name.len > NAME_BYTES || name.len == 0)
		return e;
	e = &c->entries[c->count++];
	*e = (struct entry){.name_len = name.len};
	memcpy(e->name, name.ptr, name.len);
	return e;
}

/* Without memory, or too large: there is no version to go back to, and the log says so. */
static void keep(struct entry *e, struct pw_slice bytes)
{
	struct pw_arena *arena = NULL;
	ProtobufCMessage *m = NULL;
	char name[OBJECT_SIZE];

	if (pw_arena_new(KEEP_CHUNK, CANARY_BYTES, &arena) == 0)
		m = pw_unpack(arena, &podward__v1__signature_set__descriptor, bytes);
	pw_arena_free(e->arena);
	e->arena = m ? arena : NULL;
	e->kept = (const Podward__V1__SignatureSet *)m;
	e->kept_hash = pw_hash64(bytes, 0);
	if (m)
		return;
	pw_arena_free(arena);
	pw_log_warn("policy", "signature set %s is not kept: a later canary has no way back",
		pw_escape_to(name_of(e), name, sizeof(name)));
}

static void start_trial(struct entry *e, uint64_t hash)
{
	e->is_on_trial = true;
	e->is_taken_back = false;
	e->trial_hash = hash;
	e->window_ns = 0;
	e->fresh = e->rest = 0;
}

static void keep_set(struct canary *c, const Podward__V1__SignatureSet *s, struct pw_arena *arena)
{
	struct entry *e = get(c, set_name(s));
	struct pw_slice bytes = pack(s, arena);

	if (!e)
		return;
	e->is_seen = true;
	if (!bytes.ptr)
		return; /* as before; the next snapshot tries again */
	if (!is_trial(s)) {
		e->is_on_trial = e->is_taken_back = false;
		if (!e->kept || e->kept_hash != pw_hash64(bytes, 0))
			keep(e, bytes);
		return;
	}
	e->percent = s->canary_percent;
	if (!e->is_on_trial || e->trial_hash != pw_hash64(bytes, 0))
		start_trial(e, pw_hash64(bytes, 0));
}

static void drop_unseen(struct canary *c)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < c->count; i++) {
		if (c->entries[i].is_seen)
			c->entries[kept++] = c->entries[i];
		else
			pw_arena_free(c->entries[i].arena);
	}
	c->count = kept;
}

void canary_keep(struct canary *c, const Podward__V1__PolicySnapshot *m)
{
	struct pw_arena *arena = NULL;

	if (pw_arena_new(KEEP_CHUNK, 2 * CANARY_BYTES, &arena) < 0)
		return;
	for (uint32_t i = 0; i < c->count; i++)
		c->entries[i].is_seen = false;
	for (size_t i = 0; i < m->n_signature_sets; i++) {
		keep_set(c, m->signature_sets[i], arena);
		pw_arena_reset(arena);
	}
	pw_arena_free(arena);
	drop_unseen(c);
}

/* ---- alerts ---- */
static struct entry *trial_of(struct canary *c, struct pw_slice detector)
{
	struct pw_slice rest = detector;

	if (!pw_slice_starts(detector, PW_SLICE_LIT("sig/")))
		return NULL;
	rest = pw_slice_sub(detector, 4, detector.len);
	for (uint32_t i = 0; i < c->count; i++) {
		struct entry *e = &c->entries[i];

		if (e->is_on_trial && !e->is_taken_back && rest.len > e->name_len &&
			rest.ptr[e->name_len] == '/' && pw_slice_starts(rest, name_of(e)))
			return e;
	}
	return NULL;
}

/* Without a version before there is nothing to compare with: any alert is one too many. */
static bool has_jumped(const struct entry *e)
{
	uint64_t share = (uint64_t)e->rest * e->percent;

	return e->fresh >= CANARY_LEAST &&
	       (uint64_t)e->fresh * (100 - e->percent) > CANARY_TIMES * share;
}

static void take_back(struct canary *c, struct entry *e)
{
	char name[OBJECT_SIZE];

	e->is_taken_back = true;
	c->rollbacks++;
	(void)snprintf(e->why, sizeof(e->why),
		"rolled back: %u alerts within 10m in %u %% of the pod groups, %u in the others; "
		"%s",
		e->fresh, e->percent, e->rest,
		e->kept ? "the version before runs for all again" : "the set does not run");
	pw_log_warn("policy", "signature set %s: %s", pw_escape_to(name_of(e), name, sizeof(name)),
		e->why);
}

bool canary_on_alert(struct canary *c, const Podward__V1__Alert *a, struct pw_mono now)
{
	struct entry *e = trial_of(c, pw_slice_of(a->detector.data, a->detector.len));

	if (!e)
		return false;
	if (e->window_ns == 0 || now.ns - e->window_ns >= CANARY_WINDOW_NS) {
		e->window_ns = now.ns;
		e->fresh = e->rest = 0;
	}
	if (!canary_has(pw_slice_of(a->pod_group.data, a->pod_group.len), name_of(e), e->percent)) {
		e->rest++;
		return false;
	}
	e->fresh++;
	if (!has_jumped(e))
		return false;
	take_back(c, e);
	return true;
}

int canary_tell(const struct canary *c, struct problems *out)
{
	char object[OBJECT_SIZE];
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < c->count; i++) {
		const struct entry *e = &c->entries[i];

		if (!e->is_on_trial || !e->is_taken_back)
			continue;
		(void)snprintf(
			object, sizeof(object), "SignatureSet/%.*s", PW_SLICE_ARG(name_of(e)));
		r = problems_add(out, pw_slice_str(object), PW_SLICE_LIT("spec.canaryPercent"),
			pw_slice_str(e->why));
	}
	return r;
}

bool canary_has_trial(const struct canary *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		if (c->entries[i].is_on_trial)
			return true;
	return false;
}

uint64_t canary_rollbacks(const struct canary *c)
{
	return c->rollbacks;
}
