// SPDX-License-Identifier: Apache-2.0
#include "policysync/kube.h"
#include "common/base/log.h"
#include "common/kube/lease.h"
#include "common/kube/reflector.h"
#include "policysync/kube_health.h"
#include "policysync/kube_profiles.h"
#include "policysync/kube_writer.h"
#include "policysync/pod_groups.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>

#define PARENTS    2
#define KINDS      (1 + PARENTS + CRD_KINDS)
#define TICK_MS    1000
#define STATUS_MS  200
#define POST_TRIES 2000 /* of 5 ms */
#define BODY_MAX   ((size_t)64 << 10)

/* One watched kind. */
struct kind {
	struct kube *kube;
	struct pw_reflector *reflector;
	const char *name;
	bool synced;
};

struct kube {
	struct kube_settings settings;
	struct pw_loop *loop;
	struct pw_timer *tick, *status_timer;
	struct kube_policies *policies;
	struct pod_groups *groups;
	struct kube_writer *writer;
	struct pw_lease *lease;
	struct kube_profiles *profiles;
	struct kube_parts parts;
	struct kind kinds[KINDS];
	bool leads, ready, stopped;
	struct kube_health health;
};

/* Something for the main loop. */
struct posted {
	struct kind *kind;
	void (*fn)(struct posted *posted);
	void *object;
	size_t count;
	char key[384];
};

static struct posted *posted_new(struct kind *kind, void (*fn)(struct posted *posted))
{
	struct posted *posted = pw_alloc0(1, sizeof(*posted));

	if (posted)
		*posted = (struct posted){.kind = kind, .fn = fn};
	return posted;
}

static void on_posted(void *ctx)
{
	struct posted *posted = ctx;

	posted->fn(posted);
	free(posted);
}

static void pause_5_ms(void)
{
	const struct timespec t = {.tv_nsec = 5 * 1000 * 1000};

	(void)nanosleep(&t, NULL);
}

static void count_lost(struct kind *kind)
{
	pw_log_limited(PW_LOG_ERROR, 2, "kube", "%s: a change was lost: out of memory or stuck",
		kind->name);
	if (kind->kube->settings.metrics)
		pw_metric_add(
			metric(kind->kube->settings.metrics, METRIC_KUBE_LOST, kind->name, NULL),
			1);
}

/* A full main loop makes the watch wait: the server's buffers are the queue. */
static bool post(struct kind *kind, struct posted *posted)
{
	for (int i = 0; posted && i < POST_TRIES; i++) {
		if (pw_loop_post(kind->kube->loop, on_posted, posted) == 0)
			return true;
		pause_5_ms();
	}
	count_lost(kind);
	free(posted);
	return false;
}

/* --- pods and their owners
 * ------------------------------------------------------------------------ */

static void put_pod(struct posted *posted)
{
	pod_groups_put_take(posted->kind->kube->groups, posted->object);
}

static void put_parent(struct posted *posted)
{
	pod_groups_parent_put_take(posted->kind->kube->groups, posted->object);
}

static void remove_pod(struct posted *posted)
{
	pod_groups_remove(posted->kind->kube->groups, posted->key);
}

static void remove_parent(struct posted *posted)
{
	pod_groups_parent_remove(posted->kind->kube->groups, posted->key);
}

static void post_object(struct kind *kind, void *object, int result, void (*fn)(struct posted *))
{
	struct posted *posted = result == 0 ? posted_new(kind, fn) : NULL;

	if (posted)
		posted->object = object;
	else if (result != -ENOMEM && result != 0)
		return; /* no name: nothing of ours */
	if (!post(kind, posted) && result == 0)
		free(object);
}

static void on_pod(void *ctx, const struct pw_json *object)
{
	struct pod *pod = NULL;
	int r = pod_read(object, &pod);

	post_object(ctx, pod, r, put_pod);
}

static void on_parent(void *ctx, const struct pw_json *object)
{
	struct pod_parent *parent = NULL;
	int r = pod_parent_read(object, &parent);

	post_object(ctx, parent, r, put_parent);
}

static void post_text(struct kind *kind, const char *text, void (*fn)(struct posted *))
{
	struct posted *posted = posted_new(kind, fn);

	if (posted)
		(void)snprintf(posted->key, sizeof(posted->key), "%s", text);
	(void)post(kind, posted);
}

static void on_pod_gone(void *ctx, const char *key, const char *uid)
{
	(void)key;
	post_text(ctx, uid, remove_pod);
}

static void on_parent_gone(void *ctx, const char *key, const char *uid)
{
	(void)key;
	post_text(ctx, uid, remove_parent);
}

static int emit(void *ctx, struct nodes_changes *changes)
{
	struct kube *k = ctx;

	return k->parts.nodes && !k->stopped ? nodes_post_changes_take(k->parts.nodes, changes)
					     : -EAGAIN;
}

/* --- policies
 * ------------------------------------------------------------------------------------- */

static void put_policy(struct posted *posted)
{
	kube_policies_put_take(posted->kind->kube->policies, posted->object);
}

static void remove_policy(struct posted *posted)
{
	kube_policies_remove(posted->kind->kube->policies, posted->key);
}

static void on_policy(void *ctx, const struct pw_json *object)
{
	struct kind *kind = ctx;
	struct kube_object *o = NULL;
	struct posted *posted;
	int r = kube_object_read(object, &o);

	if (r < 0 && r != -ENOMEM)
		return;
	posted = r == 0 ? posted_new(kind, put_policy) : NULL;
	if (posted)
		posted->object = o;
	if (!post(kind, posted))
		kube_object_free(o);
}

static void on_policy_gone(void *ctx, const char *key, const char *uid)
{
	struct kind *kind = ctx;
	char full[384];

	(void)uid;
	(void)snprintf(full, sizeof(full), "%s/%s", kind->name, key);
	post_text(kind, full, remove_policy);
}

static void on_policies(void *ctx)
{
	struct kube *k = ctx;

	if (!k->stopped)
		k->settings.on_policies(k->settings.ctx);
}

struct progress_posted {
	struct kube *kube;
	struct publish_progress progress;
};

static void take_progress(void *ctx)
{
	struct progress_posted *posted = ctx;

	kube_policies_set_progress(posted->kube->policies, &posted->progress);
	free(posted);
}

/* The rpc loop's thread. */
static void on_progress(void *ctx, const struct publish_progress *progress)
{
	struct progress_posted *posted = pw_alloc0(1, sizeof(*posted));
	struct kube *k = ctx;

	if (posted)
		*posted = (struct progress_posted){k, *progress};
	if (!posted || pw_loop_post(k->loop, take_progress, posted) < 0)
		free(posted); /* the next change tells it */
}

/* --- profiles */

static void on_profile(void *ctx, const struct pw_json *object)
{
	struct kind *kind = ctx;

	kube_profiles_merge(kind->kube->profiles, object);
}

static void remove_profile(struct posted *posted)
{
	kube_profiles_gone(posted->kind->kube->profiles, posted->key);
}

static void on_profile_gone(void *ctx, const char *key, const char *uid)
{
	(void)uid;
	post_text(ctx, key, remove_profile);
}

/* The rpc loop's thread. */
static void on_learned(void *ctx, struct pw_slice group)
{
	struct kube *k = ctx;

	kube_profiles_dirty(k->profiles, group);
}

/* --- status
 * --------------------------------------------------------------------------------------- */

static void on_written(void *ctx, const char *key, int result, const char *words)
{
	struct kube *k = ctx;

	kube_policies_written(k->policies, key);
	if (result < 0 && result != -ESTALE && result != -ECANCELED)
		pw_log_limited(PW_LOG_WARN, 4, "kube", "status of %s: %s", key, words);
}

static bool write_status(
	void *ctx, const char *key, const char *version, const struct kube_status *status)
{
	struct kube *k = ctx;
	char path[700];
	struct pw_buf body;

	pw_buf_init(&body, BODY_MAX);
	if (kube_object_path(key, path, sizeof(path) - 8) < 0 ||
		kube_status_write(status, version, &body) < 0) {
		pw_buf_done(&body);
		return false;
	}
	(void)snprintf(path + strlen(path), 8, "/status");
	return kube_writer_post_take(k->writer,
		       &(struct kube_write){.verb = KUBE_MERGE,
			       .key = key,
			       .path = path,
			       .done = on_written,
			       .ctx = k},
		       &body) == 0;
}

static void on_status_timer(void *ctx)
{
	struct kube *k = ctx;

	if (k->leads && k->ready && !k->stopped)
		kube_policies_each_stale(k->policies, write_status, k);
}

static void take_lease(void *ctx)
{
	((struct kube *)ctx)->leads = true;
}

static void lose_lease(void *ctx)
{
	((struct kube *)ctx)->leads = false;
}

/* The lease's thread. Writes carry a resourceVersion: one that is under way does no harm. */
static void on_lease(void *ctx, bool leads)
{
	struct kube *k = ctx;

	if (k->settings.metrics)
		pw_metric_set(metric(k->settings.metrics, METRIC_LEADER, NULL, NULL), leads);
	while (pw_loop_post(k->loop, leads ? take_lease : lose_lease, k) < 0)
		pause_5_ms();
}

/* --- watching
 * ------------------------------------------------------------------------------------- */

static void tell_waiting(struct kube *k)
{
	char text[128];

	for (size_t i = 0; i < KINDS; i++) {
		if (k->kinds[i].synced)
			continue;
		(void)snprintf(
			text, sizeof(text), "waiting for the API server: %s", k->kinds[i].name);
		k->settings.on_ready(k->settings.ctx, false, text);
		return;
	}
}

static void take_synced(struct posted *posted)
{
	struct kube *k = posted->kind->kube;

	if (k->settings.metrics)
		pw_metric_set(
			metric(k->settings.metrics, METRIC_KUBE_OBJECTS, posted->kind->name, NULL),
			(double)posted->count);
	posted->kind->synced = true;
	for (size_t i = 0; i < KINDS; i++)
		if (!k->kinds[i].synced) {
			tell_waiting(k);
			return;
		}
	if (k->ready || k->stopped)
		return;
	pw_log_info("kube", "everything was listed once");
	k->ready = nodes_post_ready(k->parts.nodes) == 0;
	report_post_loaded(k->parts.report);
	kube_policies_set_synced(k->policies);
	k->settings.on_ready(k->settings.ctx, true, "");
}

static void on_synced(void *ctx, size_t count)
{
	struct kind *kind = ctx;
	struct posted *posted = posted_new(kind, take_synced);

	if (posted)
		posted->count = count;
	(void)post(kind, posted);
}

static void on_count(void *ctx, enum pw_reflector_count what, uint64_t n)
{
	static const struct {
		enum metric_id id;
		const char *label;
	} rows[PW_REFLECTOR_COUNTS] = {
		[PW_REFLECTOR_EVENTS] = {METRIC_KUBE_EVENTS, NULL},
		[PW_REFLECTOR_LISTS] = {METRIC_KUBE_REQUESTS, "list"},
		[PW_REFLECTOR_WATCHES] = {METRIC_KUBE_REQUESTS, "watch"},
		[PW_REFLECTOR_FAILURES] = {METRIC_KUBE_REQUESTS, "failed"},
		[PW_REFLECTOR_EXPIRED] = {METRIC_KUBE_REQUESTS, "expired"},
		[PW_REFLECTOR_REFUSED] = {METRIC_KUBE_LOST, NULL},
	};
	struct kind *kind = ctx;

	if (kind->kube->settings.metrics)
		pw_metric_add(metric(kind->kube->settings.metrics, rows[what].id, kind->name,
				      rows[what].label),
			n);
}

static void on_tick(void *ctx)
{
	struct kube *k = ctx;
	struct pw_metrics *m = k->settings.metrics;
	struct pod_groups_stats stats;

	pod_groups_tick(k->groups);
	kube_profiles_tick(k->profiles);
	if (k->leads && k->ready && !k->stopped)
		kube_health_tick(&k->health, k->writer, k->policies, k->groups);
	pod_groups_get_stats(k->groups, &stats);
	if (!m)
		return;
	pw_metric_set(
		metric(m, METRIC_PODS, "assigned", NULL), (double)(stats.pods - stats.waiting));
	pw_metric_set(metric(m, METRIC_PODS, "waiting", NULL), (double)stats.waiting);
	pw_metric_set_counter(metric(m, METRIC_PODS_REFUSED, NULL, NULL), stats.refused);
}

struct watch {
	const char *path, *name;
	bool metadata_only;
	size_t limit;
	void (*on_object)(void *ctx, const struct pw_json *object);
	void (*on_gone)(void *ctx, const char *key, const char *uid);
};

static int start_watch(struct kube *k, size_t number, const struct watch *w, struct pw_err *err)
{
	struct kind *kind = &k->kinds[number];
	const struct pw_reflector_settings s = {.name = w->name,
		.path = w->path,
		.metadata_only = w->metadata_only,
		.limit = w->limit,
		.kube = {.kubeconfig = k->settings.kubeconfig},
		.on_object = w->on_object,
		.on_gone = w->on_gone,
		.on_synced = on_synced,
		.on_count = on_count,
		.ctx = kind};

	return pw_reflector_start(&s, &kind->reflector, err);
}

static int start_watches(struct kube *k, struct pw_err *err)
{
	static const struct watch profiles = {"/apis/" CRD_API_VERSION "/runtimeprofiles",
		"RuntimeProfile", false, PROFILE_GROUPS, on_profile, on_profile_gone};
	static const struct watch pods[1 + PARENTS] = {
		{"/api/v1/pods", "pods", false, POD_GROUPS_PODS, on_pod, on_pod_gone},
		{"/apis/apps/v1/replicasets", "replicasets", true, POD_GROUPS_PARENTS, on_parent,
			on_parent_gone},
		{"/apis/batch/v1/jobs", "jobs", true, POD_GROUPS_PARENTS, on_parent,
			on_parent_gone},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < PW_COUNT(pods); i++)
		r = start_watch(k, i, &pods[i], err);
	for (size_t i = 0; r == 0 && i < CRD_KINDS; i++) {
		const char *name = crd_kind_name((enum crd_kind)i);
		const struct watch w = {kube_kind_path((enum crd_kind)i), name, false,
			POLICY_SET_OBJECTS, on_policy, on_policy_gone};

		r = start_watch(k, PW_COUNT(pods) + i, &w, err);
	}
	return r < 0 ? r : start_watch(k, KINDS - 1, &profiles, err);
}

static void name_kinds(struct kube *k)
{
	static const char *const pods[1 + PARENTS] = {"pods", "replicasets", "jobs"};

	for (size_t i = 0; i < KINDS; i++)
		k->kinds[i] = (struct kind){.kube = k,
			.name = i < PW_COUNT(pods) ? pods[i]
				: i == KINDS - 1
					? "RuntimeProfile"
					: crd_kind_name((enum crd_kind)(i - PW_COUNT(pods)))};
}

/* --- life
 * ----------------------------------------------------------------------------------------- */

int kube_new(struct pw_loop *loop, const struct kube_settings *settings, struct kube **ret,
	struct pw_err *err)
{
	struct kube *k = pw_alloc0(1, sizeof(*k));
	struct kube_policies_settings policies = {on_policies, k, settings->metrics};
	int r;

	if (!k)
		return pw_err_set(err, -ENOMEM, "out of memory");
	k->settings = *settings;
	k->loop = loop;
	k->health.leader = settings->identity;
	name_kinds(k);
	r = kube_policies_new(loop, &policies, &k->policies, err);
	if (r == 0 && (pod_groups_new(emit, k, &k->groups) < 0 ||
			      pw_timer_new(loop, on_tick, k, &k->tick) < 0 ||
			      pw_timer_new(loop, on_status_timer, k, &k->status_timer) < 0))
		r = pw_err_set(err, -ENOMEM, "out of memory");
	if (r < 0) {
		kube_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

struct pw_snapshot *kube_snapshot(struct kube *k)
{
	return kube_policies_snapshot(k->policies);
}

int kube_attach(struct kube *k, const struct kube_parts *parts)
{
	int r = kube_profiles_new(k->loop, parts->keeper, k->settings.profile_delay_ns,
		k->settings.metrics, &k->profiles);

	if (r < 0)
		return r;
	k->parts = *parts;
	publish_on_progress(parts->publish, on_progress, k);
	report_on_learned(parts->report, on_learned, k);
	return 0;
}

int kube_start(struct kube *k, struct pw_err *err)
{
	const struct pw_kube_settings access = {.kubeconfig = k->settings.kubeconfig};
	const struct pw_lease_settings lease = {.name = k->settings.lease,
		.identity = k->settings.identity,
		.kube = access,
		.on_change = on_lease,
		.ctx = k};
	int r;

	tell_waiting(k);
	r = kube_writer_new(k->loop, &access, k->settings.metrics, &k->writer, err);
	if (r == 0) {
		kube_profiles_set_writer(k->profiles, k->writer);
		r = start_watches(k, err);
	}
	if (r == 0)
		r = pw_lease_start(&lease, &k->lease, err);
	pw_timer_set(k->tick, TICK_MS, TICK_MS);
	pw_timer_set(k->status_timer, STATUS_MS, STATUS_MS);
	return r;
}

void kube_stop(struct kube *k)
{
	if (!k)
		return;
	k->stopped = true;
	pw_timer_stop(k->tick);
	pw_timer_stop(k->status_timer);
	pw_lease_stop(k->lease);
	k->lease = NULL;
	for (size_t i = 0; i < KINDS; i++) {
		pw_reflector_stop(k->kinds[i].reflector);
		k->kinds[i].reflector = NULL;
	}
	if (k->profiles)
		kube_profiles_set_writer(k->profiles, NULL);
	kube_writer_free(k->writer);
	k->writer = NULL;
}

void kube_free(struct kube *k)
{
	if (!k)
		return;
	pw_loop_step(k->loop, 0); /* what threads posted before they ended */
	if (k->tick)
		pw_timer_free(k->tick);
	if (k->status_timer)
		pw_timer_free(k->status_timer);
	kube_profiles_free(k->profiles);
	pod_groups_free(k->groups);
	kube_policies_free(k->policies);
	free(k);
}
