// SPDX-License-Identifier: Apache-2.0
#include "policysync/kube_private.h"
#include "common/base/log.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>

#define POST_TRIES 2000 /* of 5 ms */

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

void kube_pause_5_ms(void)
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
		kube_pause_5_ms();
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

/* --- policies */

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

/* --- watching */

void kube_watch_tell_waiting(struct kube *k)
{
	char text[128];

	for (size_t i = 0; i < KUBE_KINDS; i++) {
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
	for (size_t i = 0; i < KUBE_KINDS; i++)
		if (!k->kinds[i].synced) {
			kube_watch_tell_waiting(k);
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

static void on_protection(void *ctx, const struct pw_json *object)
{
	struct kind *kind = ctx;

	kube_peers_post(kind->kube, object);
}

static void on_protection_gone(void *ctx, const char *key, const char *uid)
{
	(void)ctx, (void)key, (void)uid; /* it is made again */
}

int kube_watch_start(struct kube *k, struct pw_err *err)
{
	static const struct watch protections = {"/apis/" CRD_API_VERSION "/runtimeprotections",
		"RuntimeProtection", false, 16, on_protection, on_protection_gone};
	static const struct watch profiles = {"/apis/" CRD_API_VERSION "/runtimeprofiles",
		"RuntimeProfile", false, PROFILE_GROUPS, on_profile, on_profile_gone};
	static const struct watch pods[1 + KUBE_PARENTS] = {
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
	if (r == 0)
		r = start_watch(k, KUBE_KINDS - 2, &protections, err);
	return r < 0 ? r : start_watch(k, KUBE_KINDS - 1, &profiles, err);
}

void kube_watch_name(struct kube *k)
{
	static const char *const pods[1 + KUBE_PARENTS] = {"pods", "replicasets", "jobs"};

	for (size_t i = 0; i < KUBE_KINDS; i++)
		k->kinds[i] = (struct kind){.kube = k,
			.name = i < PW_COUNT(pods)    ? pods[i]
				: i == KUBE_KINDS - 1 ? "RuntimeProfile"
				: i == KUBE_KINDS - 2
					? "RuntimeProtection"
					: crd_kind_name((enum crd_kind)(i - PW_COUNT(pods)))};
}

void kube_watch_stop(struct kube *k)
{
	for (size_t i = 0; i < KUBE_KINDS; i++) {
		pw_reflector_stop(k->kinds[i].reflector);
		k->kinds[i].reflector = NULL;
	}
}
