/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/metrics.h"

#include "common/base/log.h"
#include "common/rpc/handshakes.h"
#include "common/rpc/tls.h"

const struct pw_metric_spec metrics_table[METRICS] = {
#define METRIC(id, name_, type_, help_, label0, label1) \
	[METRIC_##id] = {.name = name_, .type = type_, .help = help_, .labels = {label0, label1}},
#include "analyzer/metrics.def"
#undef METRIC
};

/* Sum over all shards. */
struct totals {
	struct judge_counts counts;
	uint64_t unattributed, refused_groups, behaviours, forgotten;
	uint64_t phases[6];
};

static void add_counts(struct judge_counts *to, const struct judge_counts *from)
{
	for (size_t i = 0; i < PW_COUNT(to->events); i++)
		to->events[i] += from->events[i];
	for (size_t i = 0; i < PW_COUNT(to->alerts); i++)
		to->alerts[i] += from->alerts[i];
	to->occurrences += from->occurrences;
	to->excluded += from->excluded;
	to->shadowed += from->shadowed;
	to->hits_untold += from->hits_untold;
	to->overflow += from->overflow;
	to->learned += from->learned;
	to->learn_refused += from->learn_refused;
	to->violations += from->violations;
	to->pending += from->pending;
	to->over_budget += from->over_budget;
	to->matches += from->matches;
	to->denied += from->denied;
	to->allowed += from->allowed;
}

static void sum_up(const struct state *st, struct totals *t)
{
	for (uint32_t i = 0; i < st->shard_count; i++) {
		struct pw_snapshot_ref *ref = shard_summary_get(st->shards[i]);
		const struct shard_summary *s;

		if (!ref)
			continue;
		s = pw_snapshot_value(ref);
		add_counts(&t->counts, &s->counts);
		t->unattributed += s->unattributed;
		t->refused_groups += s->refused_groups;
		t->behaviours += s->behaviours;
		t->forgotten += s->forgotten;
		for (uint32_t k = 0; k < s->group_count; k++)
			t->phases[s->rows[k].phase < 6 ? s->rows[k].phase : 0]++;
		pw_snapshot_put(ref);
	}
}

static void counter(struct metrics *m, enum metrics_id id, const char *label, uint64_t value)
{
	pw_metric_set_counter(pw_metric(m->registry, id, label, NULL, NULL), value);
}

static void gauge(struct metrics *m, enum metrics_id id, const char *label, uint64_t value)
{
	pw_metric_set(pw_metric(m->registry, id, label, NULL, NULL), (double)value);
}

static void collect_shards(struct metrics *m)
{
	static const char *const severities[] = {
		"unspecified", "info", "low", "medium", "high", "critical"};
	struct totals t = {.unattributed = 0};

	sum_up(m->state, &t);
	for (size_t i = 1; i < PW_EVENT_KINDS; i++)
		counter(m, METRIC_EVENTS, pw_event_kind_name((uint32_t)i), t.counts.events[i]);
	for (size_t i = 1; i < PW_COUNT(severities); i++)
		counter(m, METRIC_ALERTS, severities[i], t.counts.alerts[i]);
	counter(m, METRIC_UNATTRIBUTED, "no_group", t.unattributed);
	counter(m, METRIC_UNATTRIBUTED, "group_limit", t.refused_groups);
	counter(m, METRIC_MATCHES, NULL, t.counts.matches);
	counter(m, METRIC_DECISIONS, "deny", t.counts.denied);
	counter(m, METRIC_DECISIONS, "allow", t.counts.allowed);
	counter(m, METRIC_VIOLATIONS, NULL, t.counts.violations);
	counter(m, METRIC_SUMMARISED, NULL, t.counts.over_budget);
	counter(m, METRIC_PENDING, NULL, t.counts.pending);
	counter(m, METRIC_OCCURRENCES, NULL, t.counts.occurrences);
	counter(m, METRIC_SUPPRESSED, "exclusion", t.counts.excluded);
	counter(m, METRIC_SHADOWED, NULL, t.counts.shadowed);
	counter(m, METRIC_HITS_UNTOLD, NULL, t.counts.hits_untold);
	counter(m, METRIC_SUPPRESSED, "overflow", t.counts.overflow);
	counter(m, METRIC_LEARNED, NULL, t.counts.learned);
	counter(m, METRIC_LEARN_REFUSED, NULL, t.counts.learn_refused);
	counter(m, METRIC_FORGOTTEN, NULL, t.forgotten);
	gauge(m, METRIC_PROFILE_ENTRIES, NULL, t.behaviours);
	for (uint32_t i = 1; i < 6; i++)
		gauge(m, METRIC_PROFILES, learning_phase_name(i), t.phases[i]);
}

static void collect_rpc(struct metrics *m, const struct state_rpc *s)
{
	counter(m, METRIC_INGEST_BATCHES, NULL, s->intake.batches);
	counter(m, METRIC_INGEST_EVENTS, NULL, s->intake.events);
	counter(m, METRIC_INGEST_DUPLICATES, NULL, s->intake.duplicates);
	counter(m, METRIC_INGEST_REJECTED, "decode", s->intake.rejected_decode);
	counter(m, METRIC_INGEST_REJECTED, "hello", s->intake.rejected_hello);
	counter(m, METRIC_INGEST_REJECTED, "overload",
		s->intake.rejected_overload + s->intake.retried);
	counter(m, METRIC_INGEST_THROTTLED, "reports", s->intake.throttled_reports);
	counter(m, METRIC_INGEST_THROTTLED, "judging", s->intake.throttled_judging);
	counter(m, METRIC_INGEST_REJECTED, "not_owner", s->intake.not_owner);
	counter(m, METRIC_INGEST_HELD, NULL, s->intake.held);
	gauge(m, METRIC_SHARE_EPOCH, NULL, s->share.epoch);
	gauge(m, METRIC_SHARE_SLOTS, "own", s->share.own);
	gauge(m, METRIC_SHARE_SLOTS, "waiting", s->share.waiting);
	gauge(m, METRIC_INGEST_QUEUE, NULL, s->intake.waiting);
	gauge(m, METRIC_STREAMS, NULL, s->intake.streams);
	gauge(m, METRIC_SOURCES, NULL, s->sources);
	gauge(m, METRIC_REPORT_ITEMS, NULL, s->forward.items);
	gauge(m, METRIC_REPORT_BYTES, NULL, s->forward.bytes);
	counter(m, METRIC_REPORT_SENT, NULL, s->forward.sent);
	counter(m, METRIC_REPORT_RESENT, NULL, s->forward.resent);
	gauge(m, METRIC_POLICYSYNC_UP, NULL, s->forward.is_up);
	counter(m, METRIC_POLICY_SNAPSHOTS, "in_force", s->feed.snapshots - s->feed.refused);
	counter(m, METRIC_POLICY_SNAPSHOTS, "refused", s->feed.refused);
	gauge(m, METRIC_POLICY_SERIAL, NULL, s->feed.serial);
	counter(m, METRIC_CANARY_ROLLBACKS, NULL, s->feed.canary_rollbacks);
}

static void collect_connections(struct metrics *m)
{
	struct pw_connection_stats c;

	pw_connection_stats(&c);
	counter(m, METRIC_CONNECTIONS, "accepted", c.accepted);
	counter(m, METRIC_CONNECTIONS, "no_descriptor", c.no_descriptor);
	counter(m, METRIC_CONNECTIONS, "peer_limit", c.peer_limit);
	for (unsigned i = 0; i < PW_HANDSHAKE_FAILURES; i++)
		counter(m, METRIC_HANDSHAKES_FAILED,
			pw_handshake_failure_name((enum pw_handshake_failure)i), c.failed[i]);
}

static void collect_tls(struct metrics *m)
{
	struct pw_tls_stats s = {0};

	collect_connections(m);
	if (m->tls)
		pw_tls_get_stats(m->tls, &s);
	counter(m, METRIC_TLS_RELOADS, "adopted", s.adopted);
	counter(m, METRIC_TLS_RELOADS, "refused", s.refused);
	gauge(m, METRIC_TLS_EXPIRES, NULL, (uint64_t)s.expires_s);
}

void metrics_collect(void *ctx)
{
	static const char *const levels[PW_LOG_LEVELS] = {"error", "warn", "info", "debug"};
	struct metrics *m = ctx;
	struct pw_snapshot_ref *rpc = pw_snapshot_get(m->state->rpc);
	struct pw_snapshot_ref *policy = pw_snapshot_get(m->state->policy);

	collect_shards(m);
	collect_tls(m);
	if (rpc)
		collect_rpc(m, pw_snapshot_value(rpc));
	if (policy) {
		const struct policy *p = pw_snapshot_value(policy);

		gauge(m, METRIC_POLICY_PROBLEMS, NULL, p->problems.count + p->problems.dropped);
	}
	for (unsigned i = 0; i < PW_LOG_LEVELS; i++)
		counter(m, METRIC_LOG_MESSAGES, levels[i], pw_log_count((enum pw_log_level)i));
	pw_snapshot_put(rpc);
	pw_snapshot_put(policy);
}
