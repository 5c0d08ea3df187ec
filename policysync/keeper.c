// SPDX-License-Identifier: Apache-2.0
#include "policysync/keeper.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include <errno.h>
#include <stdio.h>

#define GAUGES_MS   2000
#define OVERFLOW_NS (3600 * (int64_t)PW_NS_PER_S) /* one overflow alert an hour */

struct keeper {
	struct pw_loop *loop;
	struct pw_thread *thread;
	struct pw_timer *commit_timer, *gauge_timer;
	struct store *store;
	struct spool *spool;
	struct profile_store *profiles;
	struct keeper_job *first, **last;
	size_t items;
	bool timer_armed, in_trouble;
	char outputs[KEEPER_OUTPUTS_MAX][SPOOL_OUTPUT_MAX + 1];
	size_t output_count;
	struct pw_metrics *metrics;
	void (*on_alerts)(void *ctx);
	void (*on_trouble)(void *ctx, const char *text);
	void *ctx;
	struct spool_stats known; /* at the last commit */
};

struct spool *keeper_spool(struct keeper *k)
{
	return k->spool;
}

struct profile_store *keeper_profiles(struct keeper *k)
{
	return k->profiles;
}

static void finish_jobs(struct keeper *k, int result)
{
	struct keeper_job *job = k->first;

	k->first = NULL;
	k->last = &k->first;
	k->items = 0;
	while (job) {
		struct keeper_job *next = job->next;

		job->done(job, result);
		job = next;
	}
}

static void note_trouble(struct keeper *k, const struct pw_err *err)
{
	if (k->metrics)
		pw_metric_add(metric(k->metrics, METRIC_SPOOL_ERRORS, NULL, NULL), 1);
	pw_log_limited(PW_LOG_ERROR, 6, "keeper",
		"nothing is acknowledged until the database works again: %s", err->msg);
	if (!k->in_trouble && k->on_trouble)
		k->on_trouble(k->ctx, err->msg);
	k->in_trouble = true;
}

static void give_up(struct keeper *k, int result, const struct pw_err *cause)
{
	struct pw_err ignored = PW_ERR_INIT;

	store_rollback(k->store);
	if (spool_reload(k->spool, &ignored) < 0 || profile_store_reload(k->profiles, &ignored) < 0)
		pw_log_limited(PW_LOG_WARN, 6, "keeper", "figures of the spool are stale: %s",
			ignored.msg);
	note_trouble(k, cause);
	finish_jobs(k, result);
}

static void copy_dropped(struct keeper *k, const char *reason, const uint64_t *by_severity)
{
	for (int i = 0; i < SPOOL_SEVERITIES; i++) {
		static const char *const names[] = {
			"unspecified", "info", "low", "medium", "high", "critical"};

		if (by_severity[i] > 0)
			pw_metric_set_counter(
				metric(k->metrics, METRIC_SPOOL_DROPPED, reason, names[i]),
				by_severity[i]);
	}
}

static void copy_stats(struct keeper *k)
{
	struct pw_metrics *m = k->metrics;
	struct spool_stats s;
	struct profile_stats p;

	if (!m)
		return;
	spool_get_stats(k->spool, &s);
	profile_store_get_stats(k->profiles, &p);
	pw_metric_set(metric(m, METRIC_SPOOL_ALERTS, NULL, NULL), (double)s.alerts);
	pw_metric_set(metric(m, METRIC_SPOOL_BYTES, NULL, NULL), (double)s.bytes);
	pw_metric_set_counter(metric(m, METRIC_SPOOL_ADDED, NULL, NULL), s.added);
	pw_metric_set_counter(metric(m, METRIC_SPOOL_REPEATED, "alert", NULL), s.duplicates);
	pw_metric_set_counter(
		metric(m, METRIC_SPOOL_REPEATED, "occurrence", NULL), s.occurrences_repeated);
	pw_metric_set_counter(metric(m, METRIC_SPOOL_OCCURRENCES, NULL, NULL), s.occurrences);
	pw_metric_set_counter(metric(m, METRIC_SPOOL_UNKNOWN, NULL, NULL), s.occurrences_unknown);
	pw_metric_set_counter(metric(m, METRIC_SPOOL_REMOVED, NULL, NULL), s.removed_delivered);
	copy_dropped(k, "size", s.dropped_size);
	copy_dropped(k, "age", s.dropped_age);
	pw_metric_set(metric(m, METRIC_PROFILES, NULL, NULL), (double)p.groups);
	pw_metric_set(metric(m, METRIC_PROFILE_ENTRIES_STORED, NULL, NULL), (double)p.behaviours);
	pw_metric_set_counter(metric(m, METRIC_PROFILE_REFUSED, "group", NULL), p.refused_groups);
	pw_metric_set_counter(
		metric(m, METRIC_PROFILE_REFUSED, "behaviour", NULL), p.refused_behaviours);
}

static ProtobufCBinaryData text_of(char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

/* Alerts were dropped: says so with an alert of its own, once an hour, so that nobody thinks all is
 * quiet. */
static int add_overflow_alert(struct keeper *k, uint64_t dropped, struct pw_err *err)
{
	int64_t now = pw_wall_now().ns, window = now - now % OVERFLOW_NS;
	char detector[] = "podward/spool.overflow", title[] = "Alerts were dropped from the spool";
	char mode[] = "Alert", reason[200];
	struct pw_hash128 id = pw_hash128(pw_slice_of(&window, sizeof(window)), 0x73706f6f6cull);
	Podward__V1__Alert a = PODWARD__V1__ALERT__INIT;
	pw_auto_buf body;
	int r;

	(void)snprintf(reason, sizeof(reason),
		"%llu undelivered alerts were removed at once, lowest severity first: outputs are "
		"too slow or"
		" away, or --spool-size is too small",
		(unsigned long long)dropped);
	a.id = (ProtobufCBinaryData){sizeof(id), (uint8_t *)&id};
	a.first_wall_ns = now;
	a.window_wall_ns = window;
	a.severity = PODWARD__V1__SEVERITY__SEVERITY_HIGH;
	a.engine = PODWARD__V1__ENGINE__ENGINE_POLICY;
	a.detector = text_of(detector);
	a.title = text_of(title);
	a.reason = text_of(reason);
	a.mode = text_of(mode);
	pw_buf_init(&body, 4096);
	if (pw_buf_extend(&body, podward__v1__alert__get_packed_size(&a)))
		(void)podward__v1__alert__pack(&a, body.data);
	if (pw_buf_error(&body) < 0)
		return pw_err_set(err, pw_buf_error(&body), "out of memory");
	r = spool_add(k->spool, &a, pw_buf_slice(&body), err);
	return r < 0 ? r : 0;
}

static int trim(struct keeper *k, struct pw_err *err)
{
	uint64_t dropped = 0;
	int r = spool_trim(k->spool, pw_wall_now(), &dropped, err);

	if (r < 0 || dropped == 0)
		return r;
	pw_log_limited(PW_LOG_ERROR, 2, "keeper",
		"spool is over its limits: %llu undelivered alerts were removed",
		(unsigned long long)dropped);
	return add_overflow_alert(k, dropped, err);
}

static void after_commit(struct keeper *k)
{
	struct spool_stats now;

	spool_get_stats(k->spool, &now);
	copy_stats(k);
	if (k->in_trouble && k->on_trouble)
		k->on_trouble(k->ctx, NULL);
	k->in_trouble = false;
	finish_jobs(k, 0);
	if (now.added != k->known.added && k->on_alerts)
		k->on_alerts(k->ctx);
	k->known = now;
}

static void commit(struct keeper *k)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_mono start = pw_mono_now();
	int r;

	pw_timer_stop(k->commit_timer);
	k->timer_armed = false;
	if (!store_in_transaction(k->store))
		return;
	r = trim(k, &err);
	if (r == 0)
		r = store_commit(k->store, &err);
	if (r < 0) {
		give_up(k, r, &err);
		return;
	}
	if (k->metrics)
		pw_metric_observe(metric(k->metrics, METRIC_SPOOL_COMMIT, NULL, NULL),
			(double)(pw_mono_now().ns - start.ns) / 1e9);
	after_commit(k);
}

static void on_commit_timer(void *ctx)
{
	commit(ctx);
}

static void on_job(void *ctx)
{
	struct keeper_job *job = ctx;
	struct keeper *k = job->keeper;
	struct pw_err err = PW_ERR_INIT;
	int r = store_begin(k->store, &err);

	job->next = NULL;
	*k->last = job;
	k->last = &job->next;
	k->items += job->items;
	if (r == 0)
		r = job->apply(k, job, &err);
	if (r < 0) {
		give_up(k, r, &err);
		return;
	}
	if (k->items >= KEEPER_COMMIT_ITEMS) {
		commit(k);
	} else if (!k->timer_armed) {
		pw_timer_set(k->commit_timer, KEEPER_COMMIT_MS, 0);
		k->timer_armed = true;
	}
}

int keeper_write(struct keeper *k, struct keeper_job *job)
{
	job->keeper = k;
	return pw_loop_post(k->loop, on_job, job);
}

int keeper_post(struct keeper *k, void (*fn)(void *ctx), void *ctx)
{
	return pw_loop_post(k->loop, fn, ctx);
}

static void copy_output_gauges(struct keeper *k)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_wall oldest = {0};

	for (size_t i = 0; i < k->output_count; i++) {
		uint64_t lag = 0, dead = 0;

		if (spool_output_state(k->spool, k->outputs[i], &lag, &dead, &err) < 0)
			return;
		pw_metric_set(
			metric(k->metrics, METRIC_OUTPUT_LAG, k->outputs[i], NULL), (double)lag);
		pw_metric_set(
			metric(k->metrics, METRIC_OUTPUT_DEAD, k->outputs[i], NULL), (double)dead);
	}
	if (spool_oldest(k->spool, &oldest, &err) == 0)
		pw_metric_set(metric(k->metrics, METRIC_SPOOL_OLDEST, NULL, NULL),
			oldest.ns ? (double)(pw_wall_now().ns - oldest.ns) / 1e9 : 0);
}

/* Ages alerts out when nothing arrives, and brings the gauges up to date. */
static void on_gauge_timer(void *ctx)
{
	struct keeper *k = ctx;
	struct pw_err err = PW_ERR_INIT;

	if (!store_in_transaction(k->store)) {
		if (store_begin(k->store, &err) == 0)
			commit(k);
		else
			note_trouble(k, &err);
	}
	if (k->metrics)
		copy_output_gauges(k);
}

static int open_database(struct keeper *k, const struct keeper_settings *s, struct pw_err *err)
{
	int r = store_open(s->dir, &k->store, err);

	if (r == 0)
		r = spool_new(k->store, &s->limits, &k->spool, err);
	if (r == 0)
		r = profile_store_new(k->store, &k->profiles, err);
	if (r == 0)
		r = store_begin(k->store, err);
	if (r == 0)
		r = spool_output_only(k->spool, s->outputs, s->output_count, err);
	for (size_t i = 0; r == 0 && i < s->output_count; i++) {
		(void)snprintf(k->outputs[i], sizeof(k->outputs[i]), "%s", s->outputs[i]);
		r = spool_output_add(k->spool, k->outputs[i], err);
	}
	k->output_count = s->output_count;
	if (r == 0 && s->want_active)
		r = spool_want_active(k->spool, err);
	return r == 0 ? store_commit(k->store, err) : r;
}

static int make_loop(struct keeper *k, struct pw_err *err)
{
	int r = pw_loop_new(&k->loop, err);

	if (r == 0)
		r = pw_timer_new(k->loop, on_commit_timer, k, &k->commit_timer);
	if (r == 0)
		r = pw_timer_new(k->loop, on_gauge_timer, k, &k->gauge_timer);
	return r < 0 ? pw_err_set(err, r, "out of memory") : 0;
}

int keeper_new(const struct keeper_settings *s, struct keeper **ret, struct pw_err *err)
{
	struct keeper *k = pw_alloc0(1, sizeof(*k));
	int r;

	pw_assert(s->output_count <= KEEPER_OUTPUTS_MAX);
	if (!k)
		return pw_err_set(err, -ENOMEM, "out of memory");
	k->last = &k->first;
	k->metrics = s->metrics;
	k->on_alerts = s->on_alerts;
	k->on_trouble = s->on_trouble;
	k->ctx = s->ctx;
	r = open_database(k, s, err);
	if (r == 0)
		r = make_loop(k, err);
	if (r < 0) {
		keeper_free(k);
		return r;
	}
	copy_stats(k);
	*ret = k;
	return 0;
}

static void run(void *ctx)
{
	struct keeper *k = ctx;
	struct pw_err err = PW_ERR_INIT;

	pw_timer_set(k->gauge_timer, GAUGES_MS, GAUGES_MS);
	if (pw_loop_run(k->loop, &err) < 0)
		pw_log_error("keeper", "loop ended: %s", err.msg);
}

int keeper_start(struct keeper *k, struct pw_err *err)
{
	int r = pw_thread_start("keeper", run, k, &k->thread);

	return r < 0 ? pw_err_set(err, r, "cannot start the database thread") : 0;
}

static void on_stop(void *ctx)
{
	struct keeper *k = ctx;

	commit(k);
	pw_loop_stop(k->loop);
}

void keeper_stop(struct keeper *k)
{
	if (!k || !k->thread)
		return;
	if (pw_loop_post(k->loop, on_stop, k) < 0)
		pw_loop_stop(k->loop);
	pw_thread_join(k->thread);
	k->thread = NULL;
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	keeper_stop(k);
	if (k->loop) {
		pw_timer_free(k->commit_timer);
		pw_timer_free(k->gauge_timer);
	}
	pw_loop_free(k->loop);
	spool_free(k->spool);
	profile_store_free(k->profiles);
	store_close(k->store);
	free(k);
}
