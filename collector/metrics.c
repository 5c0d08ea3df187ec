/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/metrics.h"

#include "collector/probe.h"
#include "common/base/log.h"
#include "common/rpc/tls.h"

static const double delay_buckets[] = {0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5};

#define SERIES_MAX             320 /* kinds of events times reasons or results */
#define BUCKETS_OF(type_)      ((type_) == PW_HISTOGRAM ? delay_buckets : NULL)
#define BUCKET_COUNT_OF(type_) ((type_) == PW_HISTOGRAM ? PW_COUNT(delay_buckets) : 0)

const struct pw_metric_spec metrics_table[METRICS] = {
#define METRIC(id, name_, type_, help_, label0, label1) \
	[METRIC_##id] = {                               \
		.name = name_,                          \
		.type = type_,                          \
		.help = help_,                          \
		.labels = {label0, label1},             \
		.series_limit = SERIES_MAX,             \
		.buckets = BUCKETS_OF(type_),           \
		.bucket_count = BUCKET_COUNT_OF(type_), \
	},
#include "collector/metrics.def"
#undef METRIC
};

static void counter(struct pw_metrics *m, enum metrics_id id, const char *label, uint64_t value)
{
	pw_metric_set_counter(pw_metric(m, id, label, NULL, NULL), value);
}

static void gauge(struct pw_metrics *m, enum metrics_id id, const char *label, uint64_t value)
{
	pw_metric_set(pw_metric(m, id, label, NULL, NULL), (double)value);
}

static void dropped(struct pw_metrics *m, const char *type, const char *reason, uint64_t value)
{
	pw_metric_set_counter(pw_metric(m, METRIC_DROPPED, type, reason, NULL), value);
}

static void publish_tables(struct pw_metrics *m, const struct pipeline_stats *s)
{
	for (unsigned i = 0; i < CONTAINER_STATES; i++)
		gauge(m, METRIC_CONTAINERS, container_state_name((enum container_state)i),
			s->containers[i]);
	counter(m, METRIC_RESOLVE_FAILURES, "unknown_cgroup", s->scope.unresolved);
	counter(m, METRIC_RESOLVE_FAILURES, "table_full", s->scope.refused + s->containers_refused);
	counter(m, METRIC_RESOLVE_FAILURES, "kernel_map", s->scope.kernel_failures);
	gauge(m, METRIC_CGROUPS, NULL, s->scope.cgroups);
	gauge(m, METRIC_ASSIGNMENTS, NULL, s->scope.assignments);
	gauge(m, METRIC_PROCESSES, NULL, s->processes);
	counter(m, METRIC_PROCESS_MISSES, NULL, s->proc.unknown);
	counter(m, METRIC_PROCESS_EVICTIONS, NULL, s->proc.evicted);
	gauge(m, METRIC_BEHAVIOURS, NULL, s->seen_entries);
	counter(m, METRIC_BYPASSED, NULL, s->seen_set.bypassed);
	gauge(m, METRIC_PENDING, NULL, s->pending.waiting);
	counter(m, METRIC_ATTRIBUTED, NULL, s->pending.late);
	counter(m, METRIC_UNATTRIBUTED, NULL, s->pending.never);
	counter(m, METRIC_SANDBOX, NULL, s->pending.sandbox);
	gauge(m, METRIC_DICT_STRINGS, NULL, s->batch.dict_strings);
	counter(m, METRIC_DICT_EPOCHS, NULL, s->batch.epochs);
	counter(m, METRIC_BATCHES, NULL, s->batch.batches);
}

static void publish_pipeline(struct pw_metrics *m, const struct pipeline_stats *s)
{
	for (unsigned i = EVENT_NONE + 1; i < EVENT_TYPES; i++)
		counter(m, METRIC_EVENTS, event_type_name((enum event_type)i), s->records[i]);
	for (unsigned i = DECODE_OK + 1; i < DECODE_RESULT_COUNT; i++)
		dropped(m, "unknown", decode_result_name((enum decode_result)i), s->refused[i]);
	for (uint32_t i = 1; i < LOSS_REASONS; i++)
		counter(m, METRIC_LOST, loss_reason_name(i), s->loss_totals[i]);
	for (unsigned i = 0; i < PIPELINE_FILTER_COUNT; i++)
		counter(m, METRIC_FILTERED, pipeline_filter_name((enum pipeline_filter)i),
			s->filtered[i]);
	counter(m, METRIC_NEW, NULL, s->told);
	counter(m, METRIC_FOLDED, NULL, s->seen_set.folded);
	publish_tables(m, s);
}

static void kernel_events(struct pw_metrics *m, unsigned kind, const char *result, uint64_t value)
{
	pw_metric_set_counter(pw_metric(m, METRIC_SEEN_IN_KERNEL,
				      event_type_name((enum event_type)kind), result, NULL),
		value);
}

/* The ledger: the first is the sum of the others. */
static void publish_ledger(struct pw_metrics *m, const struct abi_counters *k)
{
	for (unsigned kind = 1; kind < ABI_KIND_COUNT; kind++) {
		uint64_t dropped_sum = 0;

		for (unsigned i = 0; i < ABI_DROP_COUNT; i++)
			dropped_sum += k->dropped[kind][i];
		kernel_events(m, kind, "seen", k->seen[kind]);
		kernel_events(m, kind, "folded", k->folded[kind]);
		kernel_events(m, kind, "filtered", k->filtered[kind]);
		kernel_events(m, kind, "submitted", k->submitted[kind]);
		kernel_events(m, kind, "dropped", dropped_sum);
	}
}

static void publish_source(struct pw_metrics *m, const struct source_stats *s)
{
	static const char *const reasons[ABI_DROP_COUNT] = {
		[ABI_DROP_RING_FULL] = "ringbuf_full",
		[ABI_DROP_MAP_FULL] = "map_full",
		[ABI_DROP_READ] = "read_failed",
	};
	static const char *const sites[ABI_READ_SITES] = {
		[ABI_READ_TASK] = "task",
		[ABI_READ_DENTRY] = "dentry",
		[ABI_READ_NAME] = "name",
		[ABI_READ_ARGS] = "args",
		[ABI_READ_USER_PATH] = "user_path",
		[ABI_READ_SOCKET] = "socket",
		[ABI_READ_USER_ADDR] = "user_addr",
		[ABI_READ_FILE] = "file",
		[ABI_READ_ENV] = "env",
		[ABI_READ_USER_DATA] = "user_data",
		[ABI_READ_NOTE] = "note",
	};

	for (unsigned kind = 1; kind < ABI_KIND_COUNT; kind++)
		for (unsigned i = 0; i < ABI_DROP_COUNT; i++)
			dropped(m, event_type_name((enum event_type)kind), reasons[i],
				s->kernel.dropped[kind][i]);
	publish_ledger(m, &s->kernel);
	dropped(m, "unknown", "record_size", s->refused);
	for (unsigned i = 0; i < ABI_READ_SITES; i++)
		counter(m, METRIC_READ_FAILURES, sites[i], s->kernel.read_failures[i]);
}

static void publish_uplink(struct pw_metrics *m, const struct uplink_stats *s)
{
	counter(m, METRIC_SENT_BATCHES, NULL, s->sent_batches);
	counter(m, METRIC_SENT_EVENTS, NULL, s->sent_events);
	counter(m, METRIC_SENT_BYTES, NULL, s->bytes_sent);
	counter(m, METRIC_RESENT_EVENTS, NULL, s->resent_events);
	gauge(m, METRIC_UNACKED, NULL, s->unacked_events);
	gauge(m, METRIC_BACKLOG_BYTES, NULL, s->backlog_bytes);
	counter(m, METRIC_BACKLOG_DROPPED, NULL, s->dropped_events);
	gauge(m, METRIC_BACKLOG_FILE_BYTES, NULL, s->file.bytes);
	for (unsigned i = 0; i < KEEP_ERROR_COUNT; i++)
		counter(m, METRIC_BACKLOG_FILE_ERRORS, keep_error_name((enum keep_error)i),
			s->file.errors[i]);
	counter(m, METRIC_BACKLOG_RESTORED, NULL, s->restored_batches);
	counter(m, METRIC_CONNECTS, NULL, s->connects);
	counter(m, METRIC_DISCONNECTS, NULL, s->disconnects);
	counter(m, METRIC_PROTOCOL_ERRORS, NULL, s->protocol_errors);
	counter(m, METRIC_THROTTLES, NULL, s->throttles);
	counter(m, METRIC_NOT_OWNER, NULL, s->not_owner);
	gauge(m, METRIC_CONNECTED, NULL, s->connected);
}

static void publish_tls(struct pw_metrics *m, struct pw_tls *tls)
{
	struct pw_tls_stats s = {0};

	if (tls)
		pw_tls_get_stats(tls, &s);
	counter(m, METRIC_TLS_RELOADS, "adopted", s.adopted);
	counter(m, METRIC_TLS_RELOADS, "refused", s.refused);
	gauge(m, METRIC_TLS_EXPIRES, NULL, (uint64_t)s.expires_s);
}

static int publish_hook(void *ctx, const struct probe_hook *hook)
{
	struct pw_metrics *m = ctx;

	counter(m, METRIC_MISSED_RUNS, hook->program, hook->recursion_misses);
	pw_metric_set(pw_metric(m, METRIC_HOOK_INFO, hook->program, hook->hook, NULL),
		hook->attached ? 1 : 0);
	return 0;
}

void metrics_publish(struct pw_metrics *m, const struct metrics_sources *s)
{
	static const char *const levels[PW_LOG_LEVELS] = {"error", "warn", "info", "debug"};

	if (s->pipeline)
		publish_pipeline(m, s->pipeline);
	if (s->source)
		publish_source(m, s->source);
	if (s->uplink)
		publish_uplink(m, s->uplink);
	if (s->node_watch) {
		counter(m, METRIC_NODE_UPDATES, "applied", s->node_watch->updates);
		counter(m, METRIC_NODE_UPDATES, "refused", s->node_watch->refused);
	}
	publish_tls(m, s->tls);
	if (s->probe)
		(void)probe_each_hook(s->probe, publish_hook, m);
	for (unsigned i = 0; i < PW_LOG_LEVELS; i++)
		counter(m, METRIC_LOG_MESSAGES, levels[i], pw_log_count((enum pw_log_level)i));
}

void metrics_observe_delay(struct pw_metrics *m, struct pw_boot event, struct pw_boot now)
{
	uint64_t delay_ns = now.ns > event.ns ? now.ns - event.ns : 0;

	pw_metric_observe(pw_metric(m, METRIC_KERNEL_TO_USER, NULL, NULL, NULL),
		(double)delay_ns / (double)PW_NS_PER_S);
}
