/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/collector.h"

#include "collector/cgtree.h"
#include "collector/metrics.h"
#include "collector/privileges.h"
#include "collector/probe.h"
#include "collector/record.h"
#include "collector/replay.h"
#include "collector/selftest.h"
#include "collector/survey.h"
#include "collector/work.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "common/base/random.h"
#include "common/rpc/client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define MODULE         "collector"
#define METRICS_LISTEN "127.0.0.1:9401"
#define OUT_BYTES      (4u << 20)
#define BOOT_ID_FILE   "/proc/sys/kernel/random/boot_id"

/* --- what the kernel's scope map is told --- */

static int kernel_set(void *ctx, uint64_t cgroup, uint32_t group, uint32_t flags)
{
	struct abi_scope entry = {.group = group, .flags = flags};

	return kmaps_scope_set(ctx, cgroup, entry, NULL);
}

static int kernel_remove(void *ctx, uint64_t cgroup)
{
	return kmaps_scope_remove(ctx, cgroup);
}

static int kernel_collect(
	void *ctx, void (*fn)(void *fn_ctx, uint64_t mark, uint64_t count), void *fn_ctx)
{
	kmaps_known_take(ctx, fn, fn_ctx);
	return 0;
}

static void kernel_renew(void *ctx)
{
	if (kmaps_renew(ctx) < 0)
		pw_log_limited(PW_LOG_WARN, 2, MODULE, "the kernel's settings map is not written");
}

/* --- building, in this order --- */

/* "0123abcd-…" -> 16 bytes. False leaves them 0. */
static bool parse_boot_id(struct pw_slice text, uint8_t out[16])
{
	uint8_t bytes[16];
	size_t count = 0;

	for (size_t i = 0; i + 1 < text.len && count < sizeof(bytes); i++) {
		uint64_t value = 0;

		if (text.ptr[i] == '-')
			continue;
		if (pw_num_hex(pw_slice_sub(text, i, i + 2), 255, &value) < 0)
			return false;
		bytes[count++] = (uint8_t)value;
		i++;
	}
	if (count < sizeof(bytes))
		return false;
	memcpy(out, bytes, sizeof(bytes));
	return true;
}

static void read_boot_id(struct state *st)
{
	char text[64];
	ssize_t n = 0;
	int fd = -1;

	if (st->info.boot_id[0]) {
		(void)parse_boot_id(pw_slice_str(st->info.boot_id), st->boot_id);
		return;
	}
	fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text));
	if (n > 0)
		(void)parse_boot_id(pw_slice_of(text, (size_t)n), st->boot_id);
	(void)close(fd);
}

static int find_names(struct state *st, struct pw_err *err)
{
	const struct settings *s = &st->settings;

	if (s->node)
		(void)snprintf(st->node, sizeof(st->node), "%s", s->node);
	else if (gethostname(st->node, sizeof(st->node) - 1) < 0)
		return pw_err_set(err, -errno, "host name: %s", pw_err_text(errno));
	pw_random_bytes(st->instance, sizeof(st->instance));
	if (s->replay)
		return 0;
	if (!s->cgroup_root)
		return cgtree_find_root(st->cgroup_root, sizeof(st->cgroup_root), err);
	return cgtree_named_root(s->cgroup_root, st->cgroup_root, sizeof(st->cgroup_root), err);
}

static int open_source(struct state *st, struct pw_err *err)
{
	const struct settings *s = &st->settings;
	struct probe_options options = {
		.ring_bytes = (uint32_t)s->ring_bytes,
		.setting_flags = s->all ? SETTING_WATCH_ALL : 0,
		.level = (enum probe_level)s->hook_level,
		/* Who looks wants to see every one; what is recorded is all that a replay has. */
		.every_mask = s->print || s->record ? UINT64_MAX : 0,
	};
	int r = 0;

	if (s->replay) {
		r = replay_open(s->replay, &st->source, err);
	} else {
		r = probe_open(&options, &st->source, err);
		st->probe = st->source;
	}
	if (r == 0 && s->record)
		r = record_open(s->record, s->record_limit, st->source, &st->source, err);
	if (r == 0)
		source_info(st->source, &st->info);
	return r;
}

static int build_redaction(struct state *st, struct pw_err *err)
{
	const struct redact_settings redact = {
		.rules_file = st->settings.redact_rules,
		.key_file = st->settings.redact_key,
		.random_key = st->info.live, /* a replay repeats itself */
	};

	return redact_rules_new(&redact, &st->redact, err);
}

static int build_pipeline(struct state *st, struct pw_err *err)
{
	const struct settings *s = &st->settings;
	struct pipeline_settings p = {
		.cgroup_root = st->info.live ? st->cgroup_root : NULL,
		.all = s->all,
		.rules = {.derive_unassigned = !s->policysync, .systemd_units = s->systemd_units},
		.process_limit = (uint32_t)s->processes,
		.seen_limit = (uint32_t)s->behaviours,
		.fold_window_ns = s->fold_window_ns,
		.boot_to_wall_ns = st->info.boot_to_wall_ns,
		.batch = BATCHER_SETTINGS_DEFAULT,
		.on_view = s->print ? work_on_view : NULL,
		.view_ctx = st,
	};
	int r = build_redaction(st, err);

	if (r < 0)
		return r;
	p.redact = st->redact;
	if (st->info.live) {
		r = procfs_open("/proc", &st->procfs, err);
		if (r < 0)
			return r;
		p.procfs = st->procfs;
		p.kernel.set = kernel_set;
		p.kernel.remove = kernel_remove;
		p.kernel.ctx = (void *)(uintptr_t)probe_maps(st->probe);
		p.folds.collect = kernel_collect;
		p.folds.renew = kernel_renew;
		p.folds.ctx = p.kernel.ctx;
	}
	if (st->lanes)
		p.batch.first_epoch = lanes_first_epoch(st->lanes);
	p.batch.sink = work_on_batch;
	p.batch.sink_ctx = st;
	return pipeline_new(&p, &st->pipeline, err);
}

static int build_metrics(struct state *st, struct pw_err *err)
{
	const char *listen = st->settings.metrics_listen;
	int r = pw_metrics_new("podward_collector", metrics_table, METRICS, &st->metrics, err);

	if (r < 0)
		return r;
	if (!listen && (st->settings.policysync || st->settings.analyzer))
		listen = METRICS_LISTEN;
	if (!listen || !listen[0])
		return 0;
	r = pw_httpd_start(listen, st->metrics, NULL, 0, &st->httpd, err);
	return r < 0 ? pw_err_wrap(err, r, "--metrics-listen") : 0;
}

/* Before the pipeline, which takes its first epoch from what the file held. */
static int build_uplink(struct state *st, struct pw_err *err)
{
	const struct settings *s = &st->settings;
	struct uplink_settings u = {
		.node = pw_slice_str(st->node),
		.backlog_bytes = s->backlog_bytes,
		.state_dir = st->info.live ? s->state_dir : NULL, /* a replay begins anew */
		.live = st->info.live,
		.boot_to_wall_ns = st->info.boot_to_wall_ns,
	};
	int r = 0;

	if (!s->policysync && !s->analyzer)
		return 0;
	r = pw_security_open(&s->security, &st->tls, err);
	if (r < 0)
		return r;
	u.tls = st->tls;
	read_boot_id(st);
	memcpy(u.boot_id, st->boot_id, sizeof(u.boot_id));
	memcpy(u.instance, st->instance, sizeof(u.instance));
	r = pw_rpc_loop_start("uplink", &st->rpc, err);
	if (r == 0)
		r = lanes_new(st->rpc,
			&(struct lanes_settings){.uplink = u, .on_lost = work_on_lost, .ctx = st},
			&st->lanes, err);
	if (r == 0)
		memcpy(st->instance, lanes_instance(st->lanes), sizeof(st->instance));
	return r;
}

static int start_streams(struct state *st, struct pw_err *err)
{
	const struct settings *s = &st->settings;
	const struct pw_channel_config policysync = {
		.loop = st->rpc, .target = s->policysync, .tls = st->tls};
	int r = 0;

	if (s->analyzer) {
		r = lanes_use_one(st->lanes, s->analyzer, err);
		st->has_target = r == 0;
	}
	if (r < 0 || !s->policysync)
		return r;
	r = node_watch_new(&policysync, pw_slice_str(st->node), work_on_update, st, &st->watch);
	if (r < 0)
		return pw_err_set(err, r, "policysync: %s", pw_err_text(r));
	return node_watch_start(st->watch, st->instance, err);
}

static int build(struct state *st, struct pw_err *err)
{
	const struct settings *s = &st->settings;
	int r = settings_check(s, err);

	if (r == 0)
		r = print_filter_init(&st->print_filter, s->print_containers, s->print_kinds,
			s->print_processes, err);
	if (r == 0)
		r = find_names(st, err);
	if (r == 0)
		r = pw_loop_new(&st->loop, err);
	if (r == 0)
		r = build_metrics(st, err);
	if (r == 0)
		r = open_source(st, err);
	if (r == 0)
		r = build_uplink(st, err);
	if (r == 0)
		r = build_pipeline(st, err);
	if (r < 0)
		return r;
	st->print = (struct print_settings){
		.form = (enum print_form)s->print,
		.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
		.boot_to_wall_ns = st->info.boot_to_wall_ns,
	};
	r = pipeline_scan(st->pipeline, err);
	return r < 0 ? r : start_streams(st, err);
}

/* In reverse. Threads first, so that nobody calls into what goes. */
static void tear_down(struct state *st)
{
	struct node_watch *watch = PW_TAKE(st->watch);
	struct lanes *lanes = PW_TAKE(st->lanes);

	node_watch_free(watch);
	work_done(st);
	pw_httpd_stop(st->httpd);
	pipeline_free(st->pipeline); /* open batches have been closed and pushed */
	lanes_free(lanes);
	if (st->rpc)
		pw_rpc_loop_stop(st->rpc);
	pw_tls_free(st->tls);
	redact_rules_free(st->redact);
	procfs_close(st->procfs);
	source_close(st->source);
	pw_metrics_free(st->metrics);
	route_done(&st->route);
	pw_buf_done(&st->out);
	pw_loop_free(st->loop);
}

static void log_start(const struct state *st)
{
	struct pipeline_stats stats;

	pipeline_get_stats(st->pipeline, &stats);
	pw_log_info(MODULE, "started on node %s: source %s, %u cgroups, %u processes in containers",
		st->node, st->info.name, stats.scope.cgroups, stats.processes);
}

static int run(struct state *st, struct pw_err *err)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	int r = 0;

	pw_buf_init(&st->out, OUT_BYTES);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGXFSZ, &ignore, NULL); /* a write past the limit just fails */
	r = privileges_drop(st->settings.replay == NULL, err);
	if (r == 0)
		r = build(st, err);
	if (r == 0)
		r = pw_loop_on_signal(st->loop, SIGTERM, work_on_signal, st);
	if (r == 0)
		r = pw_loop_on_signal(st->loop, SIGINT, work_on_signal, st);
	if (r == 0)
		r = work_start(st, err);
	if (r == 0)
		r = privileges_sandbox((enum privileges_sandbox)st->settings.sandbox, err);
	if (r == 0) {
		log_start(st);
		r = pw_loop_run(st->loop, err);
	}
	if (r == 0 && st->result < 0) {
		*err = st->err;
		r = st->result;
	}
	tear_down(st);
	return r;
}

static int look_only(const struct state *st, struct pw_err *err)
{
	int r = privileges_drop(true, err);

	if (r == 0 && st->settings.self_test)
		return selftest_run(err);
	return r < 0 ? r : survey_run((enum print_form)st->settings.probe, err);
}

int collector_main(int argc, char **argv)
{
	struct state *st = pw_alloc0(1, sizeof(*st));
	struct pw_config *config = NULL;
	struct pw_err err = PW_ERR_INIT;
	int r = st ? pw_config_load(&settings_spec, argc, argv, &st->settings, &config, &err)
		   : pw_err_set(&err, -ENOMEM, "out of memory");

	if (r == PW_CONFIG_RUN) {
		pw_log_setup((enum pw_log_level)st->settings.log_level,
			(enum pw_log_format)st->settings.log_format, settings_spec.program);
		r = st->settings.probe || st->settings.self_test ? look_only(st, &err)
								 : run(st, &err);
	} else if (r == PW_CONFIG_EXIT) {
		r = 0;
	}
	if (r < 0)
		(void)fprintf(stderr, "%s: %s\n", settings_spec.program, err.msg);
	pw_config_free(config);
	free(st);
	return r < 0 ? 1 : 0;
}
