// SPDX-License-Identifier: Apache-2.0
#include "policysync/kube_policies_private.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/wire/arena_alloc.h"
#include <errno.h>
#include <stdio.h>

/* After this long a replica whose watch works has seen a change. */
#define PEER_LAG_NS (5 * PW_NS_PER_S)

static void entry_free(struct entry *e)
{
	kube_object_free(e->newest);
	crd_object_free(e->candidate);
	crd_object_free(e->in_force);
	free(e);
}

static void destroy_set(void *value)
{
	policy_set_free(value);
}

struct entry *kube_policies_find(const struct kube_policies *k, const char *key)
{
	struct entry *e = NULL;

	HASH_FIND_STR(k->entries, key, e);
	return e;
}

static void gather(struct kube_policies *k)
{
	if (k->held)
		k->missed = true;
	if (k->gathering || k->held || !k->synced)
		return;
	k->gathering = true;
	pw_timer_set(k->timer, KUBE_POLICIES_GATHER_MS, 0);
}

void kube_policies_hold(struct kube_policies *k, bool hold)
{
	k->held = hold;
	if (hold && k->gathering) {
		pw_timer_stop(k->timer);
		k->gathering = false;
		k->missed = true;
	}
	if (hold || !k->missed || !k->synced)
		return;
	k->missed = false;
	k->gathering = true;
	pw_timer_set(k->timer, KUBE_POLICIES_SETTLE_MS, 0);
}

/* --- making a set
 * --------------------------------------------------------------------------------- */

static bool has_set(const struct kube_policies *k, ProtobufCBinaryData name)
{
	char key[CRD_KEY_MAX];
	const struct crd_object *o;
	const struct entry *e;

	(void)snprintf(key, sizeof(key), "%s/%.*s", crd_kind_name(CRD_SIGNATURE_SET), (int)name.len,
		(const char *)name.data);
	e = kube_policies_find(k, key);
	if (e && (e->candidate || e->in_force))
		return true;
	for (size_t i = 0; (o = policy_dir_default(k->defaults, i)) != NULL; i++)
		if (strcmp(o->key, key) == 0)
			return true;
	return false;
}

/* A policy that asks for a signature set that is not there would silently watch nothing. */
static int check_references(const struct kube_policies *k, struct entry *e)
{
	pw_cleanup(pw_arena_freep) struct pw_arena *a = NULL;
	const Podward__V1__Policy *policy;

	if (e->candidate->kind != CRD_RUNTIME_POLICY &&
		e->candidate->kind != CRD_CLUSTER_RUNTIME_POLICY)
		return 0;
	if (pw_arena_new(64 << 10, CRD_PACKED_MAX * 16, &a) < 0)
		return -ENOMEM;
	policy = (const Podward__V1__Policy *)pw_unpack(
		a, &podward__v1__policy__descriptor, e->candidate->packed);
	if (!policy)
		return -ENOMEM;
	for (size_t i = 0; policy->signatures && i < policy->signatures->n_sets; i++) {
		ProtobufCBinaryData name = policy->signatures->sets[i];

		if (has_set(k, name))
			continue;
		(void)snprintf(e->problem, sizeof(e->problem),
			"spec.signatures.sets[%zu]: there is no SignatureSet \"%.*s\"", i,
			(int)name.len, (const char *)name.data);
		return -ENOENT;
	}
	return 0;
}

static void take_candidates(struct kube_policies *k)
{
	struct entry *e, *tmp;

	HASH_ITER (hh, k->entries, e, tmp) {
		if (!e->candidate || check_references(k, e) < 0)
			continue;
		crd_object_free(e->in_force);
		e->in_force = PW_TAKE(e->candidate);
		e->in_force_generation = e->newest->generation;
		e->problem[0] = '\0';
		e->serial = 0;
	}
}

static size_t count_refused(const struct kube_policies *k)
{
	const struct entry *e, *tmp;
	size_t count = 0;

	HASH_ITER (hh, k->entries, e, tmp)
		count += e->problem[0] != '\0';
	return count;
}

static int make_set(struct kube_policies *k, struct policy_set **ret, struct pw_err *err)
{
	const struct crd_object **all, *o;
	const struct entry *e, *tmp, *over;
	size_t count = 0, room = HASH_COUNT(k->entries) + 1;
	int r;

	for (size_t i = 0; policy_dir_default(k->defaults, i); i++)
		room++;
	all = pw_alloc0(room, sizeof(*all));
	if (!all)
		return pw_err_set(err, -ENOMEM, "out of memory");
	HASH_ITER (hh, k->entries, e, tmp)
		if (e->in_force)
			all[count++] = e->in_force;
	for (size_t i = 0; (o = policy_dir_default(k->defaults, i)) != NULL; i++) {
		over = kube_policies_find(k, o->key);
		if (!over || !over->in_force)
			all[count++] = o;
	}
	r = policy_set_new(all, count, k->serial + 1, ret, err);
	free((void *)all);
	return r;
}

static int add_problems(const struct kube_policies *k, struct policy_set *set)
{
	struct policy_problem *list = pw_alloc0(POLICY_SET_PROBLEMS, sizeof(*list));
	const struct entry *e, *tmp;
	size_t count = 0;
	int r;

	if (!list)
		return -ENOMEM;
	HASH_ITER (hh, k->entries, e, tmp) {
		if (!e->problem[0] || count == POLICY_SET_PROBLEMS)
			continue;
		(void)snprintf(list[count].file, sizeof(list[count].file), "cluster");
		(void)snprintf(
			list[count].object, sizeof(list[count].object), "%s", e->newest->key);
		(void)snprintf(list[count].message, sizeof(list[count].message), "%s", e->problem);
		count++;
	}
	r = policy_set_add_problems(set, list, count);
	free(list);
	return r;
}

static uint64_t hash_problems(const struct policy_set *set)
{
	size_t count = 0;
	const struct policy_problem *list = policy_set_problems(set, &count);

	return count > 0 ? pw_hash64(pw_slice_of(list, count * sizeof(*list)), 1) : 0;
}

static void count_reload(struct kube_policies *k, const char *result, bool success)
{
	struct pw_metrics *m = k->settings.metrics;

	if (!m)
		return;
	pw_metric_add(metric(m, METRIC_RELOADS, result, NULL), 1);
	pw_metric_set(metric(m, METRIC_RELOAD_SUCCESS, NULL, NULL), success);
	pw_metric_set(metric(m, METRIC_RELOAD_TIME, NULL, NULL), (double)pw_wall_now().ns / 1e9);
	pw_metric_set(metric(m, METRIC_POLICY_PROBLEMS, NULL, NULL), (double)count_refused(k));
}

/* Objects that a set has for the first time. */
static void set_serials(struct kube_policies *k)
{
	struct entry *e, *tmp;

	HASH_ITER (hh, k->entries, e, tmp)
		if (e->in_force && e->serial == 0) {
			e->serial = k->serial;
			e->serial_ns = pw_mono_now().ns;
		}
}

static int publish(struct kube_policies *k, struct policy_set *set)
{
	char revision[33];
	size_t count = policy_set_object_count(set);
	struct pw_metrics *m = k->settings.metrics;
	int r;

	(void)memcpy(revision, policy_set_revision(set), sizeof(revision));
	r = pw_snapshot_publish(k->snapshot, set);
	if (r < 0)
		return r;
	k->serial++;
	memcpy(k->revision, revision, sizeof(revision));
	pw_log_info("policies", "revision %s: %zu objects", k->revision, count);
	if (m) {
		pw_metric_set(metric(m, METRIC_SNAPSHOT_SERIAL, NULL, NULL), (double)k->serial);
		pw_metric_set(metric(m, METRIC_POLICY_OBJECTS, NULL, NULL), (double)count);
	}
	return 0;
}

static void on_timer(void *ctx)
{
	pw_cleanup(policy_set_freep) struct policy_set *set = NULL;
	struct kube_policies *k = ctx;
	struct pw_err err = PW_ERR_INIT;
	uint64_t problems;
	bool changed;
	int r;

	k->gathering = false;
	take_candidates(k);
	r = make_set(k, &set, &err);
	if (r == 0)
		r = add_problems(k, set);
	if (r < 0) {
		pw_log_error("policies", "%s; what was in force before stays",
			err.msg[0] ? err.msg : pw_err_text(r));
		count_reload(k, "failed", false);
		return;
	}
	problems = hash_problems(set);
	changed = problems != k->problems || strcmp(k->revision, policy_set_revision(set)) != 0;
	if (changed && publish(k, set) < 0)
		return;
	if (changed)
		set = NULL;
	k->problems = problems;
	set_serials(k);
	count_reload(k, count_refused(k) > 0 ? "partial" : "ok", count_refused(k) == 0);
	if (changed)
		k->settings.on_change(k->settings.ctx);
}

/* --- objects
 * -------------------------------------------------------------------------------------- */

static struct entry *add(struct kube_policies *k, struct kube_object *o)
{
	struct entry *e =
		HASH_COUNT(k->entries) < POLICY_SET_OBJECTS ? pw_alloc0(1, sizeof(*e)) : NULL;

	if (!e)
		return NULL;
	e->newest = o;
	HASH_ADD_KEYPTR(hh, k->entries, e->newest->key, strlen(e->newest->key), e);
	if (map_has_added(e))
		return e;
	free(e);
	return NULL;
}

/* The key lives in newest: it is copied into the one that is kept. */
static void renew(struct entry *e, struct kube_object *o)
{
	struct crd_object *object = PW_TAKE(o->object);
	struct kube_object *kept = e->newest;

	pw_assert(strcmp(kept->key, o->key) == 0);
	*kept = *o;
	kept->object = object;
	free(o);
}

/* A status that was written changes nothing of the object itself. */
static bool is_same_object(const struct crd_object *a, const struct crd_object *b)
{
	return a && b && pw_slice_eq(a->packed, b->packed);
}

static void take_newest(struct kube_policies *k, struct entry *e)
{
	struct kube_object *o = e->newest;

	crd_object_free(e->candidate);
	e->candidate = NULL;
	if (!o->object) {
		if (strcmp(e->problem, o->problem) != 0)
			pw_log_warn("policies", "%s: %s; %s", o->key, o->problem,
				e->in_force ? "the version before stays in force"
					    : "it is not in force");
		(void)snprintf(e->problem, sizeof(e->problem), "%s", o->problem);
	} else if (is_same_object(e->in_force, o->object)) {
		crd_object_free(PW_TAKE(o->object));
		e->in_force_generation = o->generation;
		e->problem[0] = '\0';
		return;
	} else {
		e->candidate = PW_TAKE(o->object);
	}
	gather(k);
}

void kube_policies_put_take(struct kube_policies *k, struct kube_object *o)
{
	struct entry *e = kube_policies_find(k, o->key);

	if (e) {
		renew(e, o);
	} else {
		e = add(k, o);
		if (!e) {
			k->refused++;
			pw_log_limited(PW_LOG_ERROR, 2, "policies",
				"%s: too many objects or out of memory; it is not in force",
				o->key);
			kube_object_free(o);
			return;
		}
	}
	take_newest(k, e);
}

void kube_policies_remove(struct kube_policies *k, const char *key)
{
	struct entry *e = kube_policies_find(k, key);

	if (!e)
		return;
	HASH_DEL(k->entries, e);
	entry_free(e);
	gather(k);
}

void kube_policies_set_synced(struct kube_policies *k)
{
	k->synced = true;
	gather(k);
}

void kube_policies_set_progress(struct kube_policies *k, const struct publish_progress *progress)
{
	k->progress = *progress;
}

/* --- status
 * --------------------------------------------------------------------------------------- */

static void set_condition(struct kube_condition_text *c, bool holds, const char *reason,
	int64_t generation, const char *message)
{
	c->holds = holds;
	c->generation = generation;
	(void)snprintf(c->reason, sizeof(c->reason), "%s", reason);
	(void)snprintf(c->message, sizeof(c->message), "%s", message);
}

static const struct publish_problem *find_problem(const struct kube_policies *k, const char *key)
{
	for (size_t i = 0; i < k->progress.problem_count; i++)
		if (strcmp(k->progress.problems[i].object, key) == 0)
			return &k->progress.problems[i];
	return NULL;
}

static size_t count_in_force(const struct kube_policies *k, const struct entry *e)
{
	size_t count = 0;

	for (size_t i = 0; i < k->progress.analyzer_count; i++)
		count += e->serial > 0 && k->progress.serials[i] >= e->serial;
	return count;
}

static size_t count_peers(const struct kube_policies *k, const struct entry *e)
{
	return e->serial > 0 && e->agreed == e->serial ? k->peers.analyzers : 0;
}

static void set_accepted(const struct entry *e, struct kube_condition_text *c)
{
	char message[600];

	if (!e->problem[0]) {
		set_condition(c, true, "Valid", e->newest->generation, "the object is used");
		return;
	}
	(void)snprintf(message, sizeof(message), "%s%s", e->problem,
		e->in_force ? "; the version before stays in force" : "");
	set_condition(c, false, "Invalid", e->newest->generation, message);
}

static void set_programmed(
	const struct kube_policies *k, const struct entry *e, struct kube_condition_text *c)
{
	size_t all = k->progress.analyzer_count + k->peers.analyzers,
	       in_force = count_in_force(k, e) + count_peers(k, e);
	const struct publish_problem *problem = find_problem(k, e->newest->key);
	char message[600];

	(void)snprintf(message, sizeof(message), "in force at %zu of %zu analyzers", in_force, all);
	if (!e->in_force)
		set_condition(c, false, "NotAccepted", e->newest->generation,
			"no version of it was accepted");
	else if (problem) {
		(void)snprintf(message, sizeof(message), "%.200s: %.300s", problem->field,
			problem->message);
		set_condition(c, false, "AnalyzerRefused", e->in_force_generation, message);
	} else if (all == 0)
		set_condition(
			c, false, "NoAnalyzer", e->in_force_generation, "no analyzer is connected");
	else
		set_condition(c, in_force == all, in_force == all ? "InForce" : "Pending",
			e->in_force_generation, message);
}

static void wanted_status(
	const struct kube_policies *k, const struct entry *e, struct kube_status *out)
{
	const struct kube_status *now = &e->newest->status;

	*out = (struct kube_status){.generation = e->newest->generation};
	if (e->in_force)
		pw_hash128_hex(pw_hash128(e->in_force->packed, 0), out->revision);
	(void)snprintf(out->analyzers, sizeof(out->analyzers), "%zu/%zu",
		count_in_force(k, e) + count_peers(k, e),
		k->progress.analyzer_count + k->peers.analyzers);
	set_accepted(e, &out->conditions[KUBE_ACCEPTED]);
	set_programmed(k, e, &out->conditions[KUBE_PROGRAMMED]);
	for (size_t i = 0; i < KUBE_CONDITIONS; i++)
		if (now->conditions[i].holds == out->conditions[i].holds)
			memcpy(out->conditions[i].since, now->conditions[i].since,
				sizeof(out->conditions[i].since));
}

void kube_policies_each_stale(struct kube_policies *k,
	bool (*write)(
		void *ctx, const char *key, const char *version, const struct kube_status *status),
	void *ctx)
{
	struct entry *e, *tmp;

	if (k->gathering || k->held || !k->synced)
		return;
	HASH_ITER (hh, k->entries, e, tmp) {
		struct kube_status wanted;

		if (e->writing)
			continue;
		wanted_status(k, e, &wanted);
		if (!kube_status_is_same(&wanted, &e->newest->status))
			e->writing = write(ctx, e->newest->key, e->newest->version, &wanted);
	}
}

void kube_policies_written(struct kube_policies *k, const char *key)
{
	struct entry *e = kube_policies_find(k, key);

	if (e)
		e->writing = false;
}

/*
 * Others have this version when they have the same set, or (where a refused object left them with
 * another version of something else) told what they have after they must have seen it.
 */
static bool is_agreed(const struct kube_policies *k, const struct entry *e)
{
	const struct kube_policies_peers *p = &k->peers;

	return p->done && ((p->agree && strcmp(p->revision, k->revision) == 0) ||
				  p->oldest_ns > e->serial_ns + PEER_LAG_NS);
}

void kube_policies_set_peers(struct kube_policies *k, const struct kube_policies_peers *peers)
{
	bool more = peers->analyzers > k->peers.analyzers;
	struct entry *e, *tmp;

	k->peers = *peers;
	HASH_ITER (hh, k->entries, e, tmp) {
		if (more)
			e->agreed = 0; /* the new ones may not have it yet */
		if (e->serial > 0 && is_agreed(k, e))
			e->agreed = e->serial;
	}
}

void kube_policies_get_stats(const struct kube_policies *k, struct kube_policies_stats *ret)
{
	const struct entry *e, *tmp;

	*ret = (struct kube_policies_stats){
		.refused = count_refused(k), .analyzers = k->progress.analyzer_count};
	for (size_t i = 0; i < k->progress.analyzer_count; i++)
		ret->in_force += k->progress.serials[i] == k->serial;
	HASH_ITER (hh, k->entries, e, tmp)
		ret->objects += e->in_force != NULL;
	memcpy(ret->revision, k->revision, sizeof(ret->revision));
}

/* --- life
 * ----------------------------------------------------------------------------------------- */

int kube_policies_new(struct pw_loop *loop, const struct kube_policies_settings *settings,
	struct kube_policies **ret, struct pw_err *err)
{
	struct kube_policies *k = pw_alloc0(1, sizeof(*k));
	int r;

	if (!k)
		return pw_err_set(err, -ENOMEM, "out of memory");
	k->settings = *settings;
	r = policy_dir_new(NULL, &k->defaults, err);
	if (r == 0 && (pw_snapshot_new(destroy_set, &k->snapshot) < 0 ||
			      pw_timer_new(loop, on_timer, k, &k->timer) < 0))
		r = pw_err_set(err, -ENOMEM, "out of memory");
	if (r < 0) {
		kube_policies_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

void kube_policies_free(struct kube_policies *k)
{
	struct entry *e, *tmp;

	if (!k)
		return;
	HASH_ITER (hh, k->entries, e, tmp) {
		HASH_DEL(k->entries, e);
		entry_free(e);
	}
	if (k->timer)
		pw_timer_free(k->timer);
	if (k->snapshot)
		pw_snapshot_free(k->snapshot);
	policy_dir_free(k->defaults);
	free(k);
}

struct pw_snapshot *kube_policies_snapshot(struct kube_policies *k)
{
	return k->snapshot;
}
