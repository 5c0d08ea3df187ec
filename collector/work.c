/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/work.h"

#include "collector/metrics.h"
#include "collector/probe.h"
#include "common/base/log.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>
#include <unistd.h>

#define MODULE             "collector"
#define DRAIN_MS           20 /* at most 50: below its fill level the ring wakes nobody */
#define REPLAY_MS          1
#define REPLAY_RECORDS     1000
#define REPLAY_BATCHES_MAX 64 /* a recording waits for the analyzer, the kernel would not */
#define REPLAY_GRACE_NS    (60 * PW_NS_PER_S)
#define SAMPLE             16 /* one record of so many is timed */
#define SWEEP_SECONDS      10
#define OUT_FLUSH_BYTES    65536
#define LOSS(name)         ((uint32_t)PODWARD__V1__LOSS_REASON__LOSS_REASON_##name)

static void begin_stop(struct state *st, uint64_t grace_ns);

static void fail(struct state *st, int r)
{
	if (st->result == 0)
		st->result = r;
	begin_stop(st, 0);
}

/* --- printing --- */

static void out_flush(struct state *st)
{
	size_t done = 0;

	while (done < st->out.len) {
		ssize_t n = write(STDOUT_FILENO, st->out.data + done, st->out.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* Who read has had enough: an ordinary end. */
			if (errno != EPIPE)
				fail(st, pw_err_set(&st->err, -errno, "standard output: %s",
						 pw_err_text(errno)));
			begin_stop(st, 0);
			break;
		}
		done += (size_t)n;
	}
	pw_buf_clear(&st->out);
}

void work_on_view(void *ctx, const struct pipeline_view *v)
{
	struct state *st = ctx;

	if (st->stopping && st->out.len == 0 && st->result < 0)
		return;
	if (!print_filter_passes(&st->print_filter, v))
		return;
	if (print_event(&st->print, v, &st->out) < 0)
		pw_log_limited(PW_LOG_WARN, 2, MODULE, "a line was too long to be shown");
	if (st->out.len >= OUT_FLUSH_BYTES || pw_buf_error(&st->out))
		out_flush(st);
}

/* --- batches --- */

void work_on_lost(void *ctx, struct pw_batch *batch)
{
	struct state *st = ctx;
	uint64_t events = 0;

	for (uint32_t i = 0; i < batch->event_count; i++)
		events += batch->events[i].count;
	pipeline_note_loss(st->pipeline, LOSS(BACKLOG), events);
	for (uint32_t i = 0; i < batch->loss_count; i++)
		if (batch->losses[i].reason != LOSS(REPAIRED))
			pipeline_note_loss(
				st->pipeline, batch->losses[i].reason, batch->losses[i].count);
	pw_batch_free(batch);
}

void work_on_batch(void *ctx, struct pw_batch *batch)
{
	struct state *st = ctx;

	if (!st->lanes)
		pw_batch_free(batch);
	else
		lanes_push(st->lanes, batch);
}

/* --- updates of policysync --- */

struct update_call {
	struct state *st;
	struct node_update *update;
};

static void use_map(struct state *st, const struct owners *map)
{
	struct pw_err err = PW_ERR_INIT;
	int r = 0;

	for (uint32_t i = 0; i < map->member_count && r == 0; i++)
		r = pw_security_check_address(&st->settings.security, "analyzers of policysync",
			map->members[i].address, &err);
	if (r == 0)
		r = lanes_use_map(st->lanes, map, &err);
	if (r < 0)
		pw_log_error(MODULE, "map of analyzers: %s", err.msg);
	else
		st->has_target = true;
}

static void use_analyzers(struct state *st, const struct node_update *update)
{
	struct pw_err err = PW_ERR_INIT;
	int owner = 0;

	if (st->settings.analyzer)
		return;
	if (update->has_map) {
		use_map(st, &update->map);
		return;
	}
	/* A map that was told once stays until the next one. */
	if (!update->full || update->analyzer_count == 0 || lanes_epoch(st->lanes) > 0)
		return;
	route_clear(&st->route);
	for (uint32_t i = 0; i < update->analyzer_count; i++)
		if (route_add(&st->route, update->analyzers[i].name, update->analyzers[i].address) <
			0)
			pw_log_warn(MODULE, "analyzer %u of the update is refused", i);
	/* Analyzers that do not share: the whole node goes to one of them. */
	owner = route_owner(&st->route, pw_slice_str(st->node));
	if (owner < 0)
		return;
	if (pw_security_check_address(&st->settings.security, "analyzers of policysync",
		    st->route.entries[owner].address, &err) < 0) {
		pw_log_error(MODULE, "address refused: %s", err.msg);
		return;
	}
	if (lanes_use_one(st->lanes, st->route.entries[owner].address, &err) < 0)
		pw_log_error(MODULE, "%s", err.msg);
	else
		st->has_target = true;
}

static void apply_update(void *ctx)
{
	struct update_call *call = ctx;
	struct state *st = call->st;
	struct node_update *u = call->update;

	if (pipeline_update(st->pipeline, u) < 0)
		pw_log_error(
			MODULE, "an update of policysync did not fit and is in force in parts");
	if (st->lanes)
		use_analyzers(st, u);
	if (!st->has_update)
		pw_log_info(MODULE, "first update of policysync: %u assignments, %u analyzers",
			u->assignment_count, u->analyzer_count);
	st->has_update = true;
	node_update_free(u);
	free(call);
}

void work_on_update(void *ctx, struct node_update *update)
{
	struct state *st = ctx;
	struct update_call *call = pw_alloc0(1, sizeof(*call));

	if (call)
		*call = (struct update_call){st, update};
	if (!call || pw_loop_post(st->loop, apply_update, call) < 0) {
		pw_log_error(MODULE, "an update of policysync is lost: out of memory");
		node_update_free(update);
		free(call);
	}
}

/* --- draining --- */

static int on_live_record(void *ctx, const void *record, size_t len)
{
	struct state *st = ctx;
	const struct abi_header *h = record;

	if (st->recorded++ % SAMPLE == 0)
		metrics_observe_delay(st->metrics, (struct pw_boot){h->boot_ns}, pw_boot_now());
	return pipeline_record(st->pipeline, record, len);
}

/* A recording brings its own time. */
static int on_replay_record(void *ctx, const void *record, size_t len)
{
	struct state *st = ctx;
	const struct abi_header *h = record;

	pipeline_tick(st->pipeline, (struct pw_boot){h->boot_ns});
	return pipeline_record(st->pipeline, record, len);
}

static void drain_live(struct state *st)
{
	if (source_consume(st->source, 0, on_live_record, st, &st->err) < 0)
		fail(st, st->err.code);
	pipeline_tick(st->pipeline, pw_boot_now());
}

/* False while somebody must be waited for, so that a replay gives the same every time. */
static bool replay_may_go_on(const struct state *st)
{
	struct uplink_stats stats;

	if (st->watch && !st->has_update)
		return false;
	if (!st->lanes)
		return true;
	lanes_get_stats(st->lanes, &stats);
	return st->has_target && stats.connected && stats.backlog_batches < REPLAY_BATCHES_MAX;
}

static void drain_replay(struct state *st)
{
	int r = 0;

	if (st->replay_ended || !replay_may_go_on(st))
		return;
	r = source_consume(st->source, REPLAY_RECORDS, on_replay_record, st, &st->err);
	if (r >= 0)
		return;
	st->replay_ended = true;
	if (r != -ENODATA) {
		fail(st, r);
		return;
	}
	pw_err_clear(&st->err);
	begin_stop(st, REPLAY_GRACE_NS);
}

static bool is_delivered(const struct state *st)
{
	struct uplink_stats stats;

	if (!st->lanes)
		return true;
	lanes_get_stats(st->lanes, &stats);
	return stats.idle;
}

static void on_drain(void *ctx)
{
	struct state *st = ctx;

	if (st->stopping) {
		if (is_delivered(st) || pw_mono_now().ns >= st->stop_deadline.ns)
			pw_loop_stop(st->loop);
		return;
	}
	if (st->info.live)
		drain_live(st);
	else
		drain_replay(st);
	if (st->out.len > 0)
		out_flush(st);
}

/* --- the end --- */

static void begin_stop(struct state *st, uint64_t grace_ns)
{
	if (st->stopping)
		return;
	st->stopping = true;
	st->stop_deadline.ns = pw_mono_now().ns + grace_ns;
	pipeline_flush(st->pipeline);
	pw_timer_set(st->drain_timer, 0, DRAIN_MS);
}

void work_on_signal(int signal, void *ctx)
{
	struct state *st = ctx;

	if (st->stopping) {
		pw_loop_stop(st->loop);
		return;
	}
	pw_log_info(MODULE, "signal %d: sending what is left", signal);
	if (st->info.live && st->result == 0)
		drain_live(st);
	out_flush(st);
	begin_stop(st, st->settings.stop_grace_ns);
}

/* --- once a second --- */

static bool is_on_wire(unsigned kind)
{
	return event_wire_kind((enum event_type)kind) != PW_EVENT_NONE;
}

static const uint32_t drop_reasons[ABI_DROP_COUNT] = {
	[ABI_DROP_RING_FULL] = LOSS(RING_FULL),
	[ABI_DROP_MAP_FULL] = LOSS(MAP_FULL),
	[ABI_DROP_READ] = LOSS(READ_FAILED),
};

/* The losses of one second, by reason: what is a container's is taken off the sum. */
struct drops {
	struct state *st;
	uint64_t left[ABI_DROP_COUNT];
	bool any;
};

/* Of all kinds that go on the wire. Forks and cgroups have no event; losing one is a gap too. */
static void sum_drops(struct drops *d, const struct source_stats *now)
{
	const struct source_stats *before = &d->st->source_before;

	for (unsigned kind = 1; kind < ABI_KIND_COUNT; kind++) {
		for (unsigned i = 0; i < ABI_DROP_COUNT; i++) {
			uint64_t lost =
				now->kernel.dropped[kind][i] - before->kernel.dropped[kind][i];

			d->any = d->any || lost > 0;
			if (is_on_wire(kind))
				d->left[i] += lost;
		}
	}
}

/* The map counts kinds without an event too, and what came after the sum was read: never more than
 * the sum is told. */
static void note_lost(void *ctx, uint64_t cgroup, const struct abi_lost *lost)
{
	struct drops *d = ctx;

	for (unsigned i = 0; i < ABI_DROP_COUNT; i++) {
		uint64_t count = lost->count[i] < d->left[i] ? lost->count[i] : d->left[i];

		if (count > 0 &&
			pipeline_note_loss_of(d->st->pipeline, cgroup, drop_reasons[i], count))
			d->left[i] -= count;
	}
}

/* What the kernel side lost since the last time. */
static void note_kernel_losses(struct state *st, const struct source_stats *now)
{
	uint64_t missed = now->recursion_misses - st->source_before.recursion_misses;
	struct drops d = {.st = st};

	sum_drops(&d, now);
	if (d.any && st->probe)
		(void)kmaps_lost_take(probe_maps(st->probe), note_lost, &d);
	for (unsigned i = 0; i < ABI_DROP_COUNT; i++)
		pipeline_note_loss(st->pipeline, drop_reasons[i], d.left[i]);
	pipeline_note_loss(st->pipeline, LOSS(RECURSION), missed);
	pipeline_note_loss(st->pipeline, LOSS(DECODE), now->refused - st->source_before.refused);
	if (d.any || missed > 0)
		pipeline_note_gap(st->pipeline);
	st->source_before = *now;
}

static void note_uplink(struct state *st, const struct uplink_stats *stats)
{
	if (stats->dropped_batches != st->dropped_before)
		pipeline_forget_told(st->pipeline);
	st->dropped_before = stats->dropped_batches;
	if (stats->max_batch_events != st->max_events && stats->max_batch_events > 0) {
		st->max_events = stats->max_batch_events;
		pipeline_set_max_events(st->pipeline, st->max_events);
	}
}

static void set_ready(struct state *st, const struct uplink_stats *stats)
{
	if (!st->httpd)
		return;
	pw_httpd_beat(st->httpd);
	if (st->stopping)
		pw_httpd_set_ready(st->httpd, false, "stopping");
	else if (st->watch && !st->has_update)
		pw_httpd_set_ready(st->httpd, false, "waits for policysync");
	else if (st->lanes && !stats->connected)
		pw_httpd_set_ready(st->httpd, false, "waits for the analyzer");
	else
		pw_httpd_set_ready(st->httpd, true, "");
}

static void publish(
	struct state *st, const struct source_stats *source, const struct uplink_stats *uplink)
{
	struct node_watch_stats watch = {0};
	struct pipeline_stats pipeline;
	struct metrics_sources sources = {
		.pipeline = &pipeline,
		.source = source,
		.uplink = st->lanes ? uplink : NULL,
		.node_watch = st->watch ? &watch : NULL,
		.probe = st->probe,
		.tls = st->tls,
	};

	pipeline_get_stats(st->pipeline, &pipeline);
	if (st->watch)
		node_watch_get_stats(st->watch, &watch);
	metrics_publish(st->metrics, &sources);
}

static void on_second(void *ctx)
{
	struct state *st = ctx;
	struct source_stats source;
	struct uplink_stats uplink = {0};
	bool has_source = source_stats(st->source, &source) == 0;

	if (has_source)
		note_kernel_losses(st, &source);
	if (st->lanes) {
		lanes_get_stats(st->lanes, &uplink);
		note_uplink(st, &uplink);
	}
	if (++st->seconds % SWEEP_SECONDS == 0 && st->info.live)
		pipeline_sweep(st->pipeline);
	publish(st, has_source ? &source : NULL, &uplink);
	set_ready(st, &uplink);
}

int work_start(struct state *st, struct pw_err *err)
{
	int fd = source_fd(st->source);
	int r = pw_timer_new(st->loop, on_drain, st, &st->drain_timer);

	if (r == 0)
		r = pw_timer_new(st->loop, on_second, st, &st->second_timer);
	if (r == 0 && fd >= 0)
		r = pw_fd_watch_new(st->loop, fd, on_drain, st, &st->ring_watch);
	if (r < 0)
		return pw_err_set(err, r, "main loop: %s", pw_err_text(r));
	pw_timer_set(st->drain_timer, 0, st->info.live ? DRAIN_MS : REPLAY_MS);
	pw_timer_set(st->second_timer, 0, 1000);
	return 0;
}

void work_done(struct state *st)
{
	pw_fd_watch_free(st->ring_watch);
	pw_timer_free(st->second_timer);
	pw_timer_free(st->drain_timer);
}
