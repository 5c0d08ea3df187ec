/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/analyzer.h"

#include "analyzer/engine.h"
#include "analyzer/metrics.h"
#include "analyzer/pages.h"
#include "analyzer/settings.h"
#include "common/base/log.h"
#include "common/base/loop.h"
#include "common/ops/httpd.h"
#include "common/rpc/channelz.h"

#include <signal.h>
#include <stdio.h>
#include <sys/sysinfo.h>

#define START_MS 50u /* beat until ready */
#define BEAT_MS  1000u
#define GRACE_MS 500u

struct analyzer {
	struct settings settings;
	struct settings_listen listen;
	struct pw_loop *loop;
	struct pw_timer *beat;
	struct pw_tls *tls; /* NULL = without certificates */
	struct engine *engine;
	struct metrics metrics;
	struct pw_httpd *httpd;
	bool is_ready;
	struct pw_mono leave_deadline; /* 0 = it stays */
};

static void on_signal(int signal, void *ctx)
{
	struct analyzer *a = ctx;

	if (a->leave_deadline.ns > 0 || !a->settings.advertise || a->settings.drain_ns == 0) {
		pw_log_info("analyzer", "stopping on signal %d", signal);
		pw_loop_stop(a->loop);
		return;
	}
	pw_log_info("analyzer", "signal %d: giving the pod groups to others", signal);
	a->leave_deadline.ns = pw_mono_now().ns + a->settings.drain_ns;
	pw_httpd_set_ready(a->httpd, false, "stopping");
	engine_leave(a->engine);
	pw_timer_set(a->beat, START_MS, START_MS);
}

/* Everything has gone to others, or the time is over. */
static void look_whether_left(struct analyzer *a)
{
	bool is_late = pw_mono_now().ns >= a->leave_deadline.ns;

	if (!engine_has_left(a->engine) && !is_late)
		return;
	pw_log_info("analyzer", is_late ? "stopping, not everything was taken over" : "stopping");
	pw_loop_stop(a->loop);
}

static void on_beat(void *ctx)
{
	struct analyzer *a = ctx;

	pw_httpd_beat(a->httpd);
	engine_publish(a->engine);
	if (a->leave_deadline.ns > 0) {
		look_whether_left(a);
		return;
	}
	if (a->is_ready || !engine_is_ready(a->engine))
		return;
	a->is_ready = true;
	pw_httpd_set_ready(a->httpd, true, "");
	pw_timer_set(a->beat, BEAT_MS, BEAT_MS);
}

static uint32_t shard_count(const struct settings *s)
{
	int processors = get_nprocs();

	if (s->shards > 0)
		return (uint32_t)s->shards;
	return processors < 1 ? 1 : processors > 4 ? 4 : (uint32_t)processors;
}

static int start_engine(struct analyzer *a, struct pw_err *err)
{
	struct engine_config c = {
		.name = a->settings.name,
		.listen = a->listen.items,
		.listen_count = a->listen.count,
		.policysync = a->settings.policysync,
		.advertise = a->settings.advertise,
		.shard_count = shard_count(&a->settings),
		.group_limit = (uint32_t)a->settings.groups,
		.flush_ms = a->settings.profile_flush_ns / PW_NS_PER_MS,
		.report_bytes = a->settings.report_bytes,
	};
	int r = pw_security_open(&a->settings.security, &a->tls, err);

	c.tls = a->tls;
	c.connection_age_ms = pw_security_age_ms(&a->settings.security);
	return r < 0 ? r : engine_start(&c, &a->engine, err);
}

static int start_http(struct analyzer *a, struct pw_err *err)
{
	struct pw_page pages[] = {
		{"/v1/groups", pages_groups, engine_state(a->engine)},
		{"/v1/policy", pages_policy, engine_state(a->engine)},
		{"/debug/channelz", pw_channelz_page, NULL},
	};
	int r = pw_metrics_new(
		"podward_analyzer", metrics_table, METRICS, &a->metrics.registry, err);

	if (r < 0)
		return r;
	a->metrics.state = engine_state(a->engine);
	a->metrics.tls = a->tls;
	pw_metrics_on_collect(a->metrics.registry, metrics_collect, &a->metrics);
	r = pw_httpd_start(a->settings.metrics_listen, a->metrics.registry, pages, PW_COUNT(pages),
		&a->httpd, err);
	if (r < 0)
		return pw_err_wrap(err, r, "--metrics-listen");
	pw_httpd_set_ready(
		a->httpd, false, "waiting for policysync: profiles and the first policy");
	return 0;
}

static int start(struct analyzer *a, struct pw_err *err)
{
	static const int signals[] = {SIGTERM, SIGINT};
	int r = pw_loop_new(&a->loop, err);

	for (size_t i = 0; r == 0 && i < PW_COUNT(signals); i++)
		r = pw_loop_on_signal(a->loop, signals[i], on_signal, a);
	if (r == 0)
		r = pw_timer_new(a->loop, on_beat, a, &a->beat);
	if (r == 0)
		r = start_engine(a, err);
	if (r == 0)
		r = start_http(a, err);
	if (r < 0)
		return pw_err_set(err, r, "start: %s", pw_err_text(r));
	pw_timer_set(a->beat, 0, START_MS);
	pw_log_info("analyzer", "started: name=%s listen=%s policysync=%s shards=%u",
		a->settings.name, a->settings.listen, a->settings.policysync,
		engine_state(a->engine)->shard_count);
	return 0;
}

static void stop(struct analyzer *a)
{
	/* First the HTTP thread, which reads what the engine owns. */
	if (a->httpd)
		pw_httpd_stop(a->httpd);
	engine_stop(a->engine, GRACE_MS);
	pw_tls_free(a->tls);
	pw_metrics_free(a->metrics.registry);
	pw_timer_free(a->beat);
	pw_loop_free(a->loop);
}

static int run(struct analyzer *a, struct pw_err *err)
{
	int r = settings_check(&a->settings, &a->listen, err);

	if (r < 0)
		return r;
	r = start(a, err);
	if (r == 0)
		r = pw_loop_run(a->loop, err);
	stop(a);
	return r;
}

int analyzer_main(int argc, char **argv)
{
	struct analyzer a = {.loop = NULL};
	struct pw_config *config = NULL;
	struct pw_err err = PW_ERR_INIT;
	int r = pw_config_load(&settings_spec, argc, argv, &a.settings, &config, &err);

	if (r == PW_CONFIG_RUN) {
		pw_log_setup((enum pw_log_level)a.settings.log_level,
			(enum pw_log_format)a.settings.log_format, settings_spec.program);
		r = run(&a, &err);
	} else if (r == PW_CONFIG_EXIT) {
		r = 0;
	}
	if (r < 0)
		(void)fprintf(stderr, "%s: %s\n", settings_spec.program, err.msg);
	pw_config_free(config);
	return r < 0 ? 1 : 0;
}
