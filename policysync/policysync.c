// SPDX-License-Identifier: Apache-2.0
#include "policysync/policysync.h"
#include "common/base/log.h"
#include "common/rpc/handshakes.h"
#include "policysync/deliver.h"
#include "policysync/kube.h"
#include "policysync/output_kube.h"
#include "policysync/output_stdout.h"
#include "policysync/pages.h"
#include "policysync/policy_source.h"
#include "policysync/profile_command.h"
#include "policysync/report.h"
#include "policysync/runtime_api.h"
#include "policysync/shards.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define METHODS       (REPORT_METHODS + 3)
#define BEAT_MS       5000
#define STOP_GRACE_MS 2000

struct policysync {
	const struct settings *settings;
	struct settings_addresses addresses;
	struct nodes_settings nodes_settings;
	struct pw_loop *loop;
	struct pw_timer *beat_timer;
	struct pw_metrics *metrics;
	struct pw_httpd *httpd;
	struct policy_source *source; /* NULL in a cluster */
	struct kube *kube;            /* NULL outside of one */
	struct keeper *keeper;
	struct output_list outputs;
	struct deliver *delivers[OUTPUTS_MAX + 2]; /* and stdout, and Events */
	size_t deliver_count;
	struct pw_tls *tls; /* NULL = without certificates */
	struct pw_rpc_loop *rpc;
	struct pw_server *server;
	struct publish *publish;
	struct nodes *nodes;
	struct shards *shards;
	struct report *report;
	struct runtime_api *runtime;
	struct pages *pages;
	struct bundle_part *bundle;
	char bundle_objects[4096];
};

static void on_signal(int number, void *ctx)
{
	struct policysync *p = ctx;

	if (number == SIGHUP) {
		if (p->source)
			policy_source_reload(p->source);
		return;
	}
	pw_log_info("policysync", "stopping on signal %d", number);
	pw_loop_stop(p->loop);
}

static void on_beat(void *ctx)
{
	struct policysync *p = ctx;

	if (p->httpd)
		pw_httpd_beat(p->httpd);
}

static void on_alerts(void *ctx)
{
	struct policysync *p = ctx;

	for (size_t i = 0; i < p->deliver_count; i++)
		deliver_wake(p->delivers[i]);
}

static void on_trouble(void *ctx, const char *text)
{
	struct policysync *p = ctx;

	if (p->httpd)
		pw_httpd_set_ready(p->httpd, text == NULL, text ? text : "");
}

static void on_policies(void *ctx)
{
	struct policysync *p = ctx;

	if (p->publish)
		publish_changed(p->publish);
}

static void collect_connections(struct pw_metrics *m)
{
	struct pw_connection_stats c;

	pw_connection_stats(&c);
	pw_metric_set_counter(metric(m, METRIC_CONNECTIONS, "accepted", NULL), c.accepted);
	pw_metric_set_counter(
		metric(m, METRIC_CONNECTIONS, "no_descriptor", NULL), c.no_descriptor);
	pw_metric_set_counter(metric(m, METRIC_CONNECTIONS, "peer_limit", NULL), c.peer_limit);
	for (unsigned i = 0; i < PW_HANDSHAKE_FAILURES; i++)
		pw_metric_set_counter(
			metric(m, METRIC_HANDSHAKES_FAILED,
				pw_handshake_failure_name((enum pw_handshake_failure)i), NULL),
			c.failed[i]);
}

static void collect_tls(struct policysync *p)
{
	struct pw_tls_stats s = {0};

	collect_connections(p->metrics);
	if (p->tls)
		pw_tls_get_stats(p->tls, &s);
	pw_metric_set_counter(metric(p->metrics, METRIC_TLS_RELOADS, "adopted", NULL), s.adopted);
	pw_metric_set_counter(metric(p->metrics, METRIC_TLS_RELOADS, "refused", NULL), s.refused);
	pw_metric_set(metric(p->metrics, METRIC_TLS_EXPIRES, NULL, NULL), (double)s.expires_s);
}

static void reload_policies(void *ctx)
{
	struct policysync *p = ctx;

	policy_source_reload(p->source);
}

/* The bundle's thread: its objects are on disk. */
static void on_bundle(void *ctx)
{
	struct policysync *p = ctx;

	if (pw_loop_post(p->loop, reload_policies, p) < 0)
		pw_log_warn("policysync", "too busy to read the new bundle now, it waits");
}

static int start_bundle(struct policysync *p, struct pw_err *err)
{
	const struct bundle_kube_settings kube = {.kube = {.kubeconfig = p->settings->kubeconfig},
		.leads = kube_leads,
		.hold = kube_hold,
		.ctx = p->kube};

	return bundle_start(&(struct bundle_config){.settings = &p->settings->bundle,
				    .state_dir = p->settings->state_dir,
				    .cluster = p->settings->cluster,
				    .metrics = p->metrics,
				    .changed = on_bundle,
				    .ctx = p,
				    .kube = p->kube ? &kube : NULL,
				    .on_told = p->kube ? kube_bundle_told : NULL,
				    .told_ctx = p->kube},
		&p->bundle, err);
}

/* HTTP thread. */
static void on_collect(void *ctx)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};
	struct policysync *p = ctx;
	struct pw_server_stats stats;

	for (size_t i = 0; i < PW_COUNT(levels); i++)
		pw_metric_set_counter(metric(p->metrics, METRIC_LOG_MESSAGES, levels[i], NULL),
			pw_log_count((enum pw_log_level)i));
	collect_tls(p);
	pw_server_stats(p->server, &stats);
	pw_metric_set(metric(p->metrics, METRIC_RPC_CALLS, NULL, NULL), (double)stats.calls_open);
	pw_metric_set_counter(
		metric(p->metrics, METRIC_RPC_REFUSED, "unimplemented", NULL), stats.unimplemented);
	pw_metric_set_counter(metric(p->metrics, METRIC_RPC_REFUSED, "calls", NULL),
		stats.refused_calls - stats.refused_roles);
	pw_metric_set_counter(
		metric(p->metrics, METRIC_RPC_REFUSED, "role", NULL), stats.refused_roles);
	pw_metric_set_counter(
		metric(p->metrics, METRIC_RPC_REFUSED, "malformed", NULL), stats.malformed);
}

static int start_main_loop(struct policysync *p, struct pw_err *err)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	int r = pw_loop_new(&p->loop, err);

	for (size_t i = 0; r == 0 && i < PW_COUNT(signals); i++)
		r = pw_loop_on_signal(p->loop, signals[i], on_signal, p);
	if (r == 0)
		r = pw_timer_new(p->loop, on_beat, p, &p->beat_timer);
	if (r == 0)
		r = pw_metrics_new("podward_policysync", metrics_table, METRICS, &p->metrics, err);
	if (r < 0)
		return pw_err_set(err, r, "cannot start: %s", pw_err_text(r));
	pw_timer_set(p->beat_timer, 0, BEAT_MS);
	return 0;
}

static int check_settings(struct policysync *p, struct pw_err *err)
{
	const struct settings *s = p->settings;
	int r = settings_addresses(s, &p->addresses, err);

	if (r == 0)
		r = settings_check_kube(s, err);
	if (r == 0)
		r = settings_outputs(s, &p->outputs, err);
	if (r == 0 && s->analyzers)
		r = nodes_parse_analyzers(s->analyzers, &p->nodes_settings, err);
	if (r == 0 && s->runtime_socket)
		r = runtime_api_count(s->runtime_socket, &p->nodes_settings.source_count, err);
	p->nodes_settings.systemd_units = s->scope_systemd;
	p->nodes_settings.cluster = s->kube;
	return r < 0 ? r : pw_security_open(&s->security, &p->tls, err);
}

static void on_kube_ready(void *ctx, bool ready, const char *text)
{
	struct policysync *p = ctx;

	if (p->httpd)
		pw_httpd_set_ready(p->httpd, ready, text);
}

/* Two replicas on one host would share its name; their folders differ. */
static const char *replica_name(const struct settings *s)
{
	static char name[256];

	if (s->replica)
		return s->replica;
	if (gethostname(name, sizeof(name) - 1) < 0)
		(void)snprintf(name, sizeof(name), "policysync");
	return name;
}

static int open_kube(struct policysync *p, struct pw_err *err)
{
	const struct kube_settings s = {.kubeconfig = p->settings->kubeconfig,
		.identity = replica_name(p->settings),
		.lease = "podward-policysync",
		.profile_delay_ns = p->settings->profile_write_ns,
		.metrics = p->metrics,
		.on_policies = on_policies,
		.on_ready = on_kube_ready,
		.ctx = p};

	return kube_new(p->loop, &s, &p->kube, err);
}

static int start_source(struct policysync *p, struct pw_err *err)
{
	const struct policy_source_settings s = {
		.dir = p->settings->policies,
		.base = p->bundle_objects,
		.on_change = on_policies,
		.ctx = p,
		.metrics = p->metrics,
	};
	int r = bundle_objects_path(
		p->settings->state_dir, p->bundle_objects, sizeof(p->bundle_objects), err);

	if (r == 0 && p->settings->kube)
		return open_kube(p, err);
	return r < 0 ? r : policy_source_start(p->loop, &s, &p->source, err);
}

static int make_state_dir(const char *dir, struct pw_err *err)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return pw_err_set(err, -errno, "state folder %s: %s", dir, pw_err_text(errno));
	return 0;
}

static int open_keeper(struct policysync *p, struct pw_err *err)
{
	const struct settings *s = p->settings;
	const char *outputs[OUTPUTS_MAX + 2];
	struct keeper_settings k = {
		.dir = s->state_dir,
		.limits = {s->spool_size, s->spool_age_ns},
		.outputs = outputs,
		.metrics = p->metrics,
		.on_alerts = on_alerts,
		.on_trouble = on_trouble,
		.ctx = p,
	};
	int r = make_state_dir(s->state_dir, err);

	if (s->stdout_form != SETTINGS_STDOUT_OFF)
		outputs[k.output_count++] = "stdout";
	if (s->kube && s->kube_events)
		outputs[k.output_count++] = "kubernetes";
	for (size_t i = 0; i < p->outputs.count; i++) {
		outputs[k.output_count++] = p->outputs.items[i].name;
		k.want_active |= p->outputs.items[i].type == OUTPUT_ALERTMANAGER;
	}
	return r < 0 ? r : keeper_new(&k, &p->keeper, err);
}

static int add_output(struct policysync *p, const struct output *output, struct pw_err *err)
{
	static const struct deliver_limits limits = DELIVER_LIMITS_DEFAULT;
	int r = deliver_new(
		output, &limits, p->keeper, p->metrics, &p->delivers[p->deliver_count], err);

	p->deliver_count += r == 0;
	return r;
}

static int open_stdout(struct policysync *p, struct pw_err *err)
{
	const struct settings *s = p->settings;
	struct output output = {.name = "stdout"};
	int r;

	if (s->stdout_form == SETTINGS_STDOUT_OFF)
		return 0;
	r = output_stdout_new(STDOUT_FILENO,
		s->stdout_form == SETTINGS_STDOUT_JSON ? OUTPUT_JSON : OUTPUT_COMPACT,
		(enum output_color)s->color, &output);
	return r < 0 ? pw_err_set(err, r, "out of memory") : add_output(p, &output, err);
}

static int open_events(struct policysync *p, struct pw_err *err)
{
	const struct output_kube_settings settings = {
		{.kubeconfig = p->settings->kubeconfig}, p->metrics};
	struct output output = {.name = "kubernetes"};
	int r;

	if (!p->settings->kube || !p->settings->kube_events)
		return 0;
	r = output_kube_new(&settings, &output, err);
	return r < 0 ? r : add_output(p, &output, err);
}

static int open_outputs(struct policysync *p, struct pw_err *err)
{
	struct output output;
	char spool_id[33];
	int r = open_stdout(p, err);

	if (r == 0)
		r = open_events(p, err);
	spool_id_hex(keeper_spool(p->keeper), spool_id);
	for (size_t i = 0; r == 0 && i < p->outputs.count; i++) {
		r = outputs_make(
			&p->outputs.items[i], p->settings->cluster, spool_id, &output, err);
		if (r == 0)
			r = add_output(p, &output, err);
	}
	return r;
}

static void on_map(void *ctx, const Podward__V1__ShardMap *map)
{
	nodes_set_map(ctx, map);
}

static bool may_write(const void *ctx, struct pw_slice analyzer, uint64_t group_hash)
{
	return shards_may_write(ctx, analyzer, group_hash);
}

static int open_shards(struct policysync *p)
{
	struct shard_map_settings s = SHARD_MAP_SETTINGS_DEFAULT;
	int r;

	s.away_ns = p->settings->analyzer_away_ns;
	r = shards_new(p->rpc, &s, p->metrics, &p->shards);
	if (r == 0)
		shards_on_map(p->shards, on_map, p->nodes);
	return r;
}

static int open_services(struct policysync *p, struct pw_err *err)
{
	struct pw_snapshot *policies =
		p->kube ? kube_snapshot(p->kube) : policy_source_snapshot(p->source);
	int r = pw_rpc_loop_start("rpc", &p->rpc, err);

	if (r == 0)
		r = publish_new(p->rpc, policies, p->metrics, &p->publish);
	if (r == 0)
		r = nodes_new(p->rpc, &p->nodes_settings, p->metrics, &p->nodes);
	if (r == 0)
		r = open_shards(p);
	if (r == 0)
		r = report_new(p->rpc, p->keeper, p->metrics, &p->report);
	if (r == 0)
		r = pages_new(p->settings->state_dir, policies, &p->pages);
	if (r == 0 && p->kube)
		r = kube_attach(
			p->kube, &(struct kube_parts){p->nodes, p->publish, p->report, p->keeper});
	if (r < 0)
		return pw_err_set(err, r, "out of memory");
	pages_set_publish(p->pages, p->publish);
	report_fence(p->report, may_write, p->shards);
	return 0;
}

static int start_server(struct policysync *p, struct pw_err *err)
{
	struct pw_server_limits limits = PW_SERVER_LIMITS_DEFAULT;
	struct pw_method methods[METHODS];

	limits.age_ms = pw_security_age_ms(&p->settings->security);
	report_methods(p->report, methods);
	publish_method(p->publish, &methods[REPORT_METHODS]);
	nodes_method(p->nodes, &methods[REPORT_METHODS + 1]);
	shards_method(p->shards, &methods[REPORT_METHODS + 2]);
	return pw_server_start(&(struct pw_server_config){.loop = p->rpc,
				       .addresses = p->addresses.items,
				       .address_count = p->addresses.count,
				       .methods = methods,
				       .method_count = METHODS,
				       .limits = &limits,
				       .tls = p->tls},
		&p->server, err);
}

static int start_pages(struct policysync *p, struct pw_err *err)
{
	const char *address = p->settings->metrics_listen;
	struct pw_page table[PAGES_COUNT];

	if (!address || !address[0] || strcmp(address, "off") == 0)
		return 0;
	pw_metrics_on_collect(p->metrics, on_collect, p);
	pages_table(p->pages, table);
	return pw_httpd_start(address, p->metrics, table, PAGES_COUNT, &p->httpd, err);
}

static int start_threads(struct policysync *p, struct pw_err *err)
{
	int r = keeper_start(p->keeper, err);

	for (size_t i = 0; r == 0 && i < p->deliver_count; i++)
		r = deliver_start(p->delivers[i], err);
	if (r == 0 && p->kube)
		r = kube_start(p->kube, err);
	if (r == 0 && p->nodes_settings.source_count > 0)
		r = runtime_api_start(
			p->settings->runtime_socket, p->nodes, p->metrics, &p->runtime, err);
	return r;
}

/* The HTTP server is last: its pages and its collecting look at everything else. */
static int start(struct policysync *p, struct pw_err *err)
{
	static int (*const steps[])(struct policysync * p, struct pw_err * err) = {check_settings,
		start_main_loop, start_source, open_keeper, open_outputs, open_services,
		start_server, start_pages, start_threads, start_bundle};
	int r = 0;

	for (size_t i = 0; r == 0 && i < PW_COUNT(steps); i++)
		r = steps[i](p, err);
	return r;
}

/* Reverse order; the rpc loop outlives the keeper, whose jobs post to it. */
static void stop(struct policysync *p)
{
	/* What threads leave behind runs below, and with it every timer that is due. */
	if (p->beat_timer)
		pw_timer_stop(p->beat_timer);
	bundle_stop(p->bundle);
	runtime_api_stop(p->runtime);
	kube_stop(p->kube);
	if (p->httpd)
		pw_httpd_stop(p->httpd);
	p->httpd = NULL;
	if (p->server)
		pw_server_stop(p->server, STOP_GRACE_MS);
	for (size_t i = 0; i < p->deliver_count; i++)
		deliver_stop(p->delivers[i]);
	keeper_stop(p->keeper);
	for (size_t i = 0; i < p->deliver_count; i++)
		deliver_free(p->delivers[i]);
	shards_free(p->shards);
	if (p->rpc)
		pw_rpc_loop_stop(p->rpc);
	pw_tls_free(p->tls);
	pages_free(p->pages);
	report_free(p->report);
	nodes_free(p->nodes);
	publish_free(p->publish);
	keeper_free(p->keeper);
	policy_source_stop(p->source);
	kube_free(p->kube);
	if (p->beat_timer)
		pw_timer_free(p->beat_timer);
	pw_loop_free(p->loop);
	pw_metrics_free(p->metrics);
}

int policysync_run(const struct settings *settings, struct pw_err *err)
{
	struct policysync *p = pw_alloc0(1, sizeof(*p));
	int r;

	if (!p)
		return pw_err_set(err, -ENOMEM, "out of memory");
	p->settings = settings;
	r = start(p, err);
	if (r == 0) {
		if (p->httpd && !p->kube)
			pw_httpd_set_ready(p->httpd, true, "");
		pw_log_info("policysync", "ready on %s", settings->listen);
		r = pw_loop_run(p->loop, err);
	}
	stop(p);
	free(p);
	return r;
}

int policysync_main(int argc, char **argv)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct settings settings = {0};
	struct pw_config *config = NULL;
	struct pw_err err = PW_ERR_INIT;
	int r;

	(void)umask(0077);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	r = pw_config_load(&settings_spec, argc, argv, &settings, &config, &err);
	if (r == PW_CONFIG_EXIT)
		return 0;
	if (r < 0) {
		(void)fprintf(stderr, "podward-policysync: %s\n", err.msg);
		return 2;
	}
	pw_log_setup((enum pw_log_level)settings.log_level, (enum pw_log_format)settings.log_format,
		"podward-policysync");
	if (settings.export_profile)
		r = profile_command_show(settings.state_dir, settings.export_profile, &err);
	else if (settings.import_profile)
		r = profile_command_load(settings.state_dir, settings.import_profile, &err);
	else
		r = policysync_run(&settings, &err);
	if (r < 0)
		pw_log_error("policysync", "%s", err.msg);
	pw_config_free(config);
	return r < 0 ? 1 : 0;
}
