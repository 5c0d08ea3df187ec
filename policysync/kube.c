// SPDX-License-Identifier: Apache-2.0
#include "policysync/kube_private.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include <errno.h>
#include <stdio.h>

#define TICK_MS   1000
#define STATUS_MS 200
#define BODY_MAX  ((size_t)64 << 10)

static int emit(void *ctx, struct nodes_changes *changes)
{
	struct kube *k = ctx;

	return k->parts.nodes && !k->stopped ? nodes_post_changes_take(k->parts.nodes, changes)
					     : -EAGAIN;
}

/* --- policies */

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

/* body is taken over. */
static bool post_status(struct kube *k, const char *key, kube_done_fn done, struct pw_buf *body)
{
	char path[700];

	if (pw_buf_error(body) < 0 || kube_object_path(key, path, sizeof(path) - 8) < 0) {
		pw_buf_done(body);
		return false;
	}
	(void)snprintf(path + strlen(path), 8, "/status");
	return kube_writer_post_take(k->writer,
		       &(struct kube_write){.verb = KUBE_MERGE,
			       .key = key,
			       .path = path,
			       .done = done,
			       .ctx = k},
		       body) == 0;
}

static bool write_status(
	void *ctx, const char *key, const char *version, const struct kube_status *status)
{
	struct pw_buf body;

	pw_buf_init(&body, BODY_MAX);
	if (kube_status_write(status, version, &body) < 0) {
		pw_buf_done(&body);
		return false;
	}
	return post_status(ctx, key, on_written, &body);
}

struct hit_posted {
	struct kube *kube;
	uint64_t count;
	int64_t last_ns;
	char key[CRD_KEY_MAX];
};

static void take_hit(void *ctx)
{
	struct hit_posted *p = ctx;

	kube_policies_hit(p->kube->policies, p->key, p->count, p->last_ns);
	free(p);
}

/* The rpc loop's thread. A main loop that is stuck loses counts, nothing else. */
static void on_hit(void *ctx, const Podward__V1__ExclusionHit *hit)
{
	struct hit_posted *p = pw_alloc0(1, sizeof(*p));
	struct kube *k = ctx;
	enum crd_kind kind =
		hit->namespace_.len > 0 ? CRD_RUNTIME_EXCLUSION : CRD_CLUSTER_RUNTIME_EXCLUSION;

	if (p) {
		*p = (struct hit_posted){k, hit->count, hit->last_wall_ns, ""};
		(void)snprintf(p->key, sizeof(p->key), "%s/%.*s%s%.*s", crd_kind_name(kind),
			(int)hit->namespace_.len, (const char *)hit->namespace_.data,
			hit->namespace_.len > 0 ? "/" : "", (int)hit->name.len,
			(const char *)hit->name.data);
	}
	if (!p || pw_loop_post(k->loop, take_hit, p) < 0) {
		free(p);
		if (k->settings.metrics)
			pw_metric_add(
				metric(k->settings.metrics, METRIC_KUBE_LOST, "hits", NULL), 1);
	}
}

static void on_hits_written(void *ctx, const char *key, int result, const char *words)
{
	struct kube *k = ctx;

	(void)words; /* later again */
	kube_policies_hits_written(k->policies, key, result);
}

static bool write_hits(
	void *ctx, const char *key, const char *version, int64_t hits, int64_t last_ns)
{
	char last[PW_WALL_TEXT_SIZE];
	struct pw_buf body;

	pw_buf_init(&body, BODY_MAX);
	pw_wall_format((struct pw_wall){last_ns}, last);
	(void)snprintf(last + 19, sizeof(last) - 19, "Z");
	(void)pw_buf_addf(&body,
		"{\"metadata\":{\"resourceVersion\":\"%s\"},\"status\":{\"hits\":%lld,"
		"\"lastHit\":\"%s\"}}",
		version, (long long)hits, last);
	return post_status(ctx, key, on_hits_written, &body);
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
	kube_bundle_set_leads(k, leads);
	while (pw_loop_post(k->loop, leads ? take_lease : lose_lease, k) < 0)
		kube_pause_5_ms();
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
	if (k->ready && !k->stopped)
		kube_peers_tick(k);
	/* Each replica writes what its own analyzers told. */
	if (k->ready && !k->stopped)
		kube_policies_each_hit(k->policies, write_hits, k);
	pod_groups_get_stats(k->groups, &stats);
	if (!m)
		return;
	pw_metric_set(
		metric(m, METRIC_PODS, "assigned", NULL), (double)(stats.pods - stats.waiting));
	pw_metric_set(metric(m, METRIC_PODS, "waiting", NULL), (double)stats.waiting);
	pw_metric_set_counter(metric(m, METRIC_PODS_REFUSED, NULL, NULL), stats.refused);
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
	kube_watch_name(k);
	r = kube_policies_new(loop, &policies, &k->policies, err);
	if (r == 0 && (kube_bundle_init(k) < 0 || pod_groups_new(emit, k, &k->groups) < 0 ||
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
	report_on_hit(parts->report, on_hit, k);
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

	kube_watch_tell_waiting(k);
	r = kube_writer_new(k->loop, &access, k->settings.metrics, &k->writer, err);
	if (r == 0) {
		kube_profiles_set_writer(k->profiles, k->writer);
		r = kube_watch_start(k, err);
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
	kube_watch_stop(k);
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
	pw_snapshot_free(k->leading);
	free(k);
}
