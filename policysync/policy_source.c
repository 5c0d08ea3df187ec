// SPDX-License-Identifier: Apache-2.0
#include "policysync/policy_source.h"
#include "common/base/log.h"
#include <errno.h>

#define GATHER_MS 200
#define POLL_MS   10000

struct policy_source {
	struct policy_source_settings settings;
	struct pw_loop *loop;
	struct policy_dir *dir;
	struct pw_snapshot *snapshot;
	struct pw_dir_watch *watch;
	struct pw_timer *timer;
	bool gathering, away;
	uint64_t serial;
	char revision[33];
	struct policy_problem told[POLICY_SET_PROBLEMS]; /* problems that were logged */
	size_t told_count;
};

static void destroy_set(void *value)
{
	policy_set_free(value);
}

static void count_reload(struct policy_source *s, const char *result, bool success)
{
	struct pw_metrics *m = s->settings.metrics;

	if (!m)
		return;
	pw_metric_add(metric(m, METRIC_RELOADS, result, NULL), 1);
	pw_metric_set(metric(m, METRIC_RELOAD_SUCCESS, NULL, NULL), success);
	pw_metric_set(metric(m, METRIC_RELOAD_TIME, NULL, NULL), (double)pw_wall_now().ns / 1e9);
}

/* True when the problems are not the ones that were told before. */
static bool tell_problems(struct policy_source *s)
{
	size_t count = 0;
	const struct policy_problem *list = policy_dir_problems(s->dir, &count);

	if (count == s->told_count &&
		(count == 0 || memcmp(list, s->told, count * sizeof(*list)) == 0))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct policy_problem *p = &list[i];

		pw_log_error("policies", "%s: %s%s%s%s%s; what was in force before stays", p->file,
			p->object, p->object[0] ? ": " : "", p->field, p->field[0] ? ": " : "",
			p->message);
	}
	if (count > 0)
		memcpy(s->told, list, count * sizeof(*list));
	s->told_count = count;
	if (s->settings.metrics)
		pw_metric_set(metric(s->settings.metrics, METRIC_POLICY_PROBLEMS, NULL, NULL),
			(double)count);
	return true;
}

static int publish(struct policy_source *s, struct policy_set *set)
{
	int r = pw_snapshot_publish(s->snapshot, set);

	if (r < 0)
		return r;
	s->serial++;
	(void)memcpy(s->revision, policy_set_revision(set), sizeof(s->revision));
	pw_log_info(
		"policies", "revision %s: %zu objects", s->revision, policy_set_object_count(set));
	if (s->settings.metrics) {
		pw_metric_set(metric(s->settings.metrics, METRIC_SNAPSHOT_SERIAL, NULL, NULL),
			(double)s->serial);
		pw_metric_set(metric(s->settings.metrics, METRIC_POLICY_OBJECTS, NULL, NULL),
			(double)policy_set_object_count(set));
	}
	return 0;
}

/* A bundle was checked before it got there: what is wrong now is told, and the old one stays. */
static int load_base(struct policy_source *s)
{
	struct pw_err err = PW_ERR_INIT;
	int r = 0;

	if (s->settings.base)
		r = policy_dir_load_base(s->dir, s->settings.base, &err);
	if (r < 0 && r != -ENOMEM)
		pw_log_limited(PW_LOG_ERROR, 6, "policies",
			"%s; the bundle that was in force before stays", err.msg);
	return r == -ENOMEM ? r : 0;
}

/* 1 = a new set was published, 0 = nothing changed. */
static int load(struct policy_source *s, struct pw_err *err)
{
	pw_cleanup(policy_set_freep) struct policy_set *set = NULL;
	bool problems_changed;
	int r = load_base(s);

	if (r == 0)
		r = policy_dir_load(s->dir, err);
	if (r == 0)
		r = policy_dir_make_set(s->dir, s->serial + 1, &set, err);
	if (r < 0)
		return r;
	problems_changed = tell_problems(s);
	if (!problems_changed && strcmp(s->revision, policy_set_revision(set)) == 0)
		return 0;
	r = publish(s, set);
	if (r < 0)
		return pw_err_set(err, r, "out of memory");
	set = NULL;
	return 1;
}

static void on_dir(void *ctx)
{
	struct policy_source *s = ctx;

	if (s->gathering)
		return;
	s->gathering = true;
	pw_timer_set(s->timer, GATHER_MS, POLL_MS);
}

static void watch_again(struct policy_source *s)
{
	struct pw_err err = PW_ERR_INIT;

	pw_dir_watch_free(s->watch);
	s->watch = NULL;
	if (pw_dir_watch_new(s->loop, s->settings.dir, on_dir, s, &s->watch, &err) < 0)
		pw_log_debug("policies", "not watched, read every 10 s: %s", err.msg);
}

void policy_source_reload(struct policy_source *s)
{
	struct pw_err err = PW_ERR_INIT;
	int r = load(s, &err);

	s->gathering = false;
	if (r < 0) {
		count_reload(s, "failed", false);
		if (!s->away)
			pw_log_error("policies", "%s; what was in force before stays", err.msg);
		s->away = true;
		return;
	}
	if (s->away) {
		pw_log_info("policies", "the policy folder can be read again");
		watch_again(s);
	}
	s->away = false;
	if (r == 0)
		return;
	count_reload(s, s->told_count > 0 ? "partial" : "ok", s->told_count == 0);
	s->settings.on_change(s->settings.ctx);
}

static void on_timer(void *ctx)
{
	policy_source_reload(ctx);
}

static int build(struct policy_source *s, struct pw_err *err)
{
	int r = policy_dir_new(s->settings.dir, &s->dir, err);

	if (r < 0)
		return r;
	r = pw_snapshot_new(destroy_set, &s->snapshot);
	if (r == 0)
		r = pw_timer_new(s->loop, on_timer, s, &s->timer);
	if (r < 0)
		return pw_err_set(err, r, "out of memory");
	if (s->settings.dir)
		r = pw_dir_watch_new(s->loop, s->settings.dir, on_dir, s, &s->watch, err);
	if (r < 0)
		return pw_err_wrap(err, r, "--policies %s", s->settings.dir);
	r = load(s, err);
	return r < 0 ? r : 0;
}

int policy_source_start(struct pw_loop *loop, const struct policy_source_settings *settings,
	struct policy_source **ret, struct pw_err *err)
{
	struct policy_source *s = pw_alloc0(1, sizeof(*s));
	int r;

	if (!s)
		return pw_err_set(err, -ENOMEM, "out of memory");
	s->loop = loop;
	s->settings = *settings;
	r = build(s, err);
	if (r < 0) {
		policy_source_stop(s);
		return r;
	}
	count_reload(s, s->told_count > 0 ? "partial" : "ok", s->told_count == 0);
	if (s->settings.dir)
		pw_timer_set(s->timer, POLL_MS, POLL_MS);
	*ret = s;
	return 0;
}

struct pw_snapshot *policy_source_snapshot(struct policy_source *s)
{
	return s->snapshot;
}

void policy_source_stop(struct policy_source *s)
{
	if (!s)
		return;
	pw_dir_watch_free(s->watch);
	if (s->timer)
		pw_timer_free(s->timer);
	if (s->snapshot)
		pw_snapshot_free(s->snapshot);
	policy_dir_free(s->dir);
	free(s);
}
