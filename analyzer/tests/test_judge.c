/* SPDX-License-Identifier: Apache-2.0 */
/* The judge through the work of one shard: batches in, reports out, no threads. */
#include "analyzer/shard_work.h"
#include "common/testing/cm.h"
#include "analyzer/tests/kit.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <stdio.h>

#define TIER(x)  PODWARD__V1__POLICY_TIER__POLICY_TIER_##x
#define DENY     PODWARD__V1__RULE_ACTION__RULE_ACTION_DENY
#define ALLOW    PODWARD__V1__RULE_ACTION__RULE_ACTION_ALLOW
#define LEARN_NS (60 * PW_NS_PER_S)
#define LATER    120000u /* ms after the start: learning is over */

struct bench {
	struct pw_fake_clock clock;
	struct kit_snapshot snapshot;
	struct policy *policy;
	struct shard_work work;
	uint64_t seq;
};

static void bench_init(struct bench *b)
{
	static const struct shard_config config = {.count = 1, .group_limit = 100};

	*b = (struct bench){.clock = {.wall_ns = KIT_WALL_NS + 600ll * 1000000000ll}};
	pw_clock_fake(&b->clock);
	kit_snapshot_init(&b->snapshot, 1);
	assert_int_equal(shard_work_init(&b->work, &config), 0);
}

static void bench_done(struct bench *b)
{
	shard_work_done(&b->work);
	policy_free(b->policy);
	kit_snapshot_done(&b->snapshot);
	pw_clock_fake(NULL);
}

static int feed(struct bench *b, const struct kit_row *rows, size_t count, struct report **ret)
{
	struct shard_batch batch = {.node = "node-1", .node_len = 6, .source = "source-instance"};
	int r = kit_decode(rows, count, ++b->seq, &batch.decoded);

	*ret = NULL;
	if (r == 0)
		r = shard_work_batch(&b->work, &batch, b->policy, 1, ret);
	pw_decoded_free(batch.decoded);
	return r;
}

static struct report *judge_rows(struct bench *b, const struct kit_row *rows, size_t count)
{
	struct report *report;

	if (!b->policy)
		b->policy = kit_compile(&b->snapshot);
	assert_int_equal(feed(b, rows, count, &report), 0);
	return report;
}

/* Detectors of the alerts in one text, blanks between. */
static const char *detectors(const struct report *r, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; r && i < r->alert_count; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%.*s", i ? " " : "",
			(int)r->alerts[i]->detector.len, (const char *)r->alerts[i]->detector.data);
	return out;
}

static void expect(struct bench *b, const struct kit_row *rows, size_t count, const char *want)
{
	struct report *report = judge_rows(b, rows, count);
	char text[1024];

	assert_string_equal(detectors(report, text, sizeof(text)), want);
	report_free(report);
}

static void learn(struct bench *b, const struct kit_row *row)
{
	expect(b, row, 1, "");
}

static const struct kit_row start = {PW_EVENT_EXEC, KIT_APP, "/usr/bin/app", 0, 0, 0};

/* Each step is decided by the first that speaks; policies are switched on one after the other. */
static void the_first_decision_wins(void **state)
{
	enum {
		GUARD_DENY = 1,
		GUARD_ALLOW = 2,
		NS_DENY = 4,
		DEF_DENY = 8,
		SIG = 16,
		NS_ALLOW = 32,
		DEF_ALLOW = 64
	};
	static const struct {
		unsigned on;
		const char *want;
	} rows[] = {
		{0, "profile/exec"},
		{DEF_ALLOW, ""},
		{NS_ALLOW, ""},
		{NS_ALLOW | SIG, "sig/test/s"},
		{NS_ALLOW | SIG | DEF_DENY, "policy//def/d"},
		{SIG | DEF_DENY | NS_DENY | NS_ALLOW, "policy/shop/ns/d"},
		{SIG | DEF_DENY | NS_DENY | GUARD_ALLOW, ""},
		{SIG | GUARD_ALLOW | GUARD_DENY | NS_ALLOW, "policy//guard/d"},
		{SIG, "sig/test/s"},
	};
	static const struct kit_row attack = {PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, LATER};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct bench b;
		Podward__V1__Policy *guard, *ns, *def;

		bench_init(&b);
		guard = kit_policy(&b.snapshot, "", "guard", TIER(GUARDRAIL));
		ns = kit_policy(&b.snapshot, "shop", "ns", TIER(NAMESPACED));
		def = kit_policy(&b.snapshot, "", "def", TIER(DEFAULT));
		kit_profile(&b.snapshot, def, LEARN_NS);
#define ON(bit, policy, name, action) \
	if (rows[i].on & (bit))       \
	(void)kit_rule(&b.snapshot, policy, name, action, PW_EVENT_EXEC, "/tmp/*")
		ON(GUARD_DENY, guard, "d", DENY);
		ON(GUARD_ALLOW, guard, "a", ALLOW);
		ON(NS_DENY, ns, "d", DENY);
		ON(NS_ALLOW, ns, "a", ALLOW);
		ON(DEF_DENY, def, "d", DENY);
		ON(DEF_ALLOW, def, "a", ALLOW);
		if (rows[i].on & SIG)
			(void)kit_signature(&b.snapshot, "s", "proc.name = xmrig", false);
		learn(&b, &start);
		expect(&b, &attack, 1, rows[i].want);
		bench_done(&b);
	}
}

static void what_was_learned_is_quiet_and_what_was_not_alerts(void **state)
{
	static const struct kit_row known[] = {
		{PW_EVENT_OPEN, KIT_APP, "/etc/app.conf", KIT_READ, 3, 10},
		{PW_EVENT_CONNECT, KIT_APP, "10.0.0.1", KIT_TCP(5432), 0, 20},
	};
	static const struct kit_row later[] = {
		{PW_EVENT_OPEN, KIT_APP, "/etc/app.conf", KIT_READ, 3, LATER},
		{PW_EVENT_CONNECT, KIT_APP, "10.0.0.1", KIT_TCP(5432), 0, LATER},
		{PW_EVENT_OPEN, KIT_APP, "/etc/app.conf", KIT_WRITE, 3, LATER},
		{PW_EVENT_CONNECT, KIT_APP, "10.0.0.1", KIT_TCP(22), 0, LATER},
		{PW_EVENT_EXEC, KIT_SHELL, "/bin/sh", 0, 0, LATER},
		{PW_EVENT_OPEN, KIT_APP, "/missing", KIT_READ, -ENOENT, LATER},
	};
	struct bench b;

	(void)state;
	bench_init(&b);
	kit_profile(&b.snapshot, kit_policy(&b.snapshot, "", "d", TIER(DEFAULT)), LEARN_NS);
	expect(&b, known, PW_COUNT(known), "");
	expect(&b, later, PW_COUNT(later), "profile/file.write profile/net.egress profile/exec");
	bench_done(&b);
}

static void an_attack_while_learning_still_alerts_afterwards(void **state)
{
	static const struct kit_row rows[] = {
		{PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, 10},           /* writable layer */
		{PW_EVENT_OPEN, KIT_INTRUDER, "/etc/hosts", KIT_READ, 3, 11}, /* exec into it */
		{PW_EVENT_OPEN, KIT_APP, "/etc/shadow", KIT_READ, 3, 12},     /* signature */
		{PW_EVENT_CONNECT, KIT_APP, "6.6.6.6", KIT_TCP(1), 0, 13},    /* deny rule */
	};
	struct kit_row later[PW_COUNT(rows)];
	Podward__V1__Policy *p;
	struct bench b;

	(void)state;
	bench_init(&b);
	p = kit_policy(&b.snapshot, "", "d", TIER(DEFAULT));
	kit_profile(&b.snapshot, p, LEARN_NS);
	(void)kit_rule(&b.snapshot, p, "six", DENY, PW_EVENT_CONNECT, "6.0.0.0/8");
	(void)kit_signature(&b.snapshot, "shadow", "fd.name = /etc/shadow", false);
	learn(&b, &start);
	expect(&b, rows, PW_COUNT(rows), "sig/test/shadow policy//d/six");
	memcpy(later, rows, sizeof(rows));
	for (size_t i = 0; i < PW_COUNT(later); i++)
		later[i].at_ms = LATER + 600000;
	b.clock.wall_ns += 3600ll * 1000000000ll;
	/* The rules are gone: the baseline must know by itself. */
	policy_free(b.policy);
	b.policy = NULL;
	b.snapshot.m.n_signature_sets = 0;
	p->n_rules = 0;
	for (uint32_t i = 0; i < groups_count(b.work.groups); i++)
		groups_at(b.work.groups, i)->views[0]->version = 99;
	expect(&b, later, PW_COUNT(later),
		"profile/exec profile/file.read profile/file.read profile/net.egress");
	bench_done(&b);
}

static void suppress_if_learned_alerts_once_and_then_knows(void **state)
{
	static const struct kit_row read = {PW_EVENT_OPEN, KIT_APP, "/etc/shadow", KIT_READ, 3, 10};
	struct kit_row later = read, intruder = read;
	struct bench b;

	(void)state;
	bench_init(&b);
	kit_profile(&b.snapshot, kit_policy(&b.snapshot, "", "d", TIER(DEFAULT)), LEARN_NS);
	(void)kit_signature(&b.snapshot, "shadow", "fd.name = /etc/shadow", true);
	expect(&b, &read, 1, "sig/test/shadow");
	later.at_ms = LATER;
	expect(&b, &later, 1, "");
	intruder.process = KIT_INTRUDER;
	intruder.at_ms = LATER;
	expect(&b, &intruder, 1, "sig/test/shadow");
	bench_done(&b);
}

static void one_alert_per_window_and_one_occurrence_per_batch(void **state)
{
	struct kit_row rows[3];
	struct report *report;
	struct bench b;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		rows[i] = (struct kit_row){
			PW_EVENT_OPEN, KIT_APP, "/new", KIT_READ, 3, LATER + (uint32_t)i};
	bench_init(&b);
	kit_profile(&b.snapshot, kit_policy(&b.snapshot, "", "d", TIER(DEFAULT)), LEARN_NS);
	learn(&b, &start);
	report = judge_rows(&b, rows, 3);
	assert_int_equal(report->alert_count, 1);
	assert_int_equal(report->occurrence_count, 1);
	assert_int_equal(report->occurrences[0]->count, 3);
	assert_int_equal(report->occurrences[0]->seq, 2);
	assert_true(report->occurrences[0]->last_wall_ns == KIT_WALL_NS + (LATER + 2) * 1000000ll);
	report_free(report);
	report = judge_rows(&b, rows, 2);
	assert_int_equal(report->alert_count, 0);
	assert_int_equal(report->occurrence_count, 1);
	assert_int_equal(report->occurrences[0]->count, 2);
	report_free(report);
	rows[0].at_ms = 601000; /* the next window */
	report = judge_rows(&b, rows, 1);
	assert_int_equal(report->alert_count, 1);
	report_free(report);
	bench_done(&b);
}

static void an_exclusion_silences_and_is_counted(void **state)
{
	static const struct kit_row rows[] = {
		{PW_EVENT_OPEN, KIT_APP, "/new", KIT_READ, 3, LATER},
		{PW_EVENT_OPEN, KIT_APP, "/other", KIT_READ, 3, LATER},
		{PW_EVENT_CONNECT, KIT_APP, "10.0.0.9", KIT_TCP(1), 0, LATER},
	};
	struct bench b;

	(void)state;
	bench_init(&b);
	kit_profile(&b.snapshot, kit_policy(&b.snapshot, "", "d", TIER(DEFAULT)), LEARN_NS);
	(void)kit_exclusion(&b.snapshot, "profile/file.read", "/new");
	(void)kit_exclusion(&b.snapshot, "profile/net.egress", "10.0.0.*");
	learn(&b, &start);
	expect(&b, rows, PW_COUNT(rows), "profile/file.read");
	assert_int_equal(b.work.judge->counts.excluded, 2);
	bench_done(&b);
}

static void an_exclusion_in_the_shadow_counts_and_silences_nothing(void **state)
{
	static const struct kit_row rows[] = {
		{PW_EVENT_OPEN, KIT_APP, "/new", KIT_READ, 3, LATER},
		{PW_EVENT_OPEN, KIT_APP, "/new", KIT_READ, 3, LATER},
	};
	struct report *report;
	struct bench b;
	char text[256];

	(void)state;
	bench_init(&b);
	kit_profile(&b.snapshot, kit_policy(&b.snapshot, "", "d", TIER(DEFAULT)), LEARN_NS);
	kit_exclusion(&b.snapshot, "profile/file.read", "/new")->shadow = true;
	learn(&b, &start);
	report = judge_rows(&b, rows, PW_COUNT(rows));
	assert_string_equal(detectors(report, text, sizeof(text)), "profile/file.read");
	assert_int_equal(b.work.judge->counts.shadowed, 2);
	assert_int_equal(b.work.judge->counts.excluded, 0);
	assert_int_equal(report->hit_count, 1);
	assert_int_equal(report->hits[0]->count, 2);
	assert_true(report->hits[0]->name.len > 0);
	report_free(report);
	bench_done(&b);
}

static bool has(ProtobufCBinaryData b, const char *text)
{
	return pw_slice_find(pw_slice_of(b.data, b.len), pw_slice_str(text)) >= 0;
}

static void an_alert_explains_itself(void **state)
{
	static const struct kit_row known = {
		PW_EVENT_OPEN, KIT_SHELL, "/etc/passwd", KIT_READ, 3, 10};
	static const struct kit_row attack[] = {
		{PW_EVENT_OPEN, KIT_SHELL, "/etc/shadow", KIT_READ, 3, LATER},
		{PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, LATER},
	};
	const Podward__V1__Alert *a;
	struct report *report;
	struct bench b;

	(void)state;
	bench_init(&b);
	kit_profile(&b.snapshot, kit_policy(&b.snapshot, "", "d", TIER(DEFAULT)), LEARN_NS);
	(void)kit_signature(&b.snapshot, "miner", "proc.name = xmrig", false);
	b.snapshot.m.signature_sets[0]->rules[0]->output =
		kit_bytes("%proc.cmdline by %proc.pname");
	learn(&b, &known);
	report = judge_rows(&b, attack, PW_COUNT(attack));
	assert_int_equal(report->alert_count, 2);
	a = report->alerts[0];
	assert_true(has(a->title, "File never read before: /etc/shadow"));
	assert_true(has(a->reason, "/bin/sh opened /etc/shadow (pid 101"));
	assert_true(has(a->reason, KIT_GROUP_WEB));
	assert_true(has(a->reason, "Nearest known: file.read /etc/passwd by /bin/sh"));
	assert_true(has(a->baseline, "generation 2, Protected since"));
	assert_true(has(a->baseline, "1 behaviours learned in 1m from 1 containers, complete"));
	assert_true(has(a->exclusion, "detectors: [\"profile/file.read\"]"));
	assert_true(has(a->exclusion, "objects: [\"/etc/shadow\"]"));
	assert_true(has(a->exclusion, "namespace: \"shop\""));
	assert_true(has(a->mode, "Alert"));
	assert_true(has(a->node, "node-1"));
	assert_int_equal(a->id.len, 16);
	assert_int_equal(a->n_lineage, 2);
	assert_true(has(a->lineage[1]->exe, "/usr/bin/app"));
	a = report->alerts[1];
	assert_true(has(a->reason, "xmrig -o stratum+tcp://pool:3333 by sh. Signature miner"));
	assert_int_equal(a->n_lineage, 3);
	report_free(report);
	bench_done(&b);
}

static void losses_make_the_baseline_partial(void **state)
{
	struct shard_batch batch = {.node = "node-1", .node_len = 6};
	struct pw_loss_entry loss = {.reason = 1, .count = 7};
	struct pw_decoded lost = {.seq = 9, .losses = &loss, .loss_count = 1};
	struct report *report = NULL;
	struct bench b;

	(void)state;
	bench_init(&b);
	kit_profile(&b.snapshot, kit_policy(&b.snapshot, "", "d", TIER(DEFAULT)), LEARN_NS);
	b.clock.wall_ns = KIT_WALL_NS;
	learn(&b, &start);
	batch.decoded = &lost;
	memcpy(batch.node, "node-2", 6);
	assert_int_equal(shard_work_batch(&b.work, &batch, b.policy, 1, &report), 0);
	assert_int_equal(groups_at(b.work.groups, 0)->learning.lost_events, 0);
	memcpy(batch.node, "node-1", 6);
	assert_int_equal(shard_work_batch(&b.work, &batch, b.policy, 1, &report), 0);
	assert_int_equal(groups_at(b.work.groups, 0)->learning.lost_events, 7);
	bench_done(&b);
}

static void events_outside_of_groups_are_counted_not_judged(void **state)
{
	static const struct kit_row row = {PW_EVENT_EXEC, KIT_HOST, "/usr/sbin/sshd", 0, 0, 0};
	struct bench b;

	(void)state;
	bench_init(&b);
	learn(&b, &row);
	assert_int_equal(b.work.unattributed, 1);
	assert_int_equal(groups_count(b.work.groups), 0);
	bench_done(&b);
}

/* Everything that a flush tells is given to a fresh shard: it does not learn anew. */
static void learned_state_survives_by_way_of_policysync(void **state)
{
	static const struct kit_row unknown = {PW_EVENT_OPEN, KIT_APP, "/x", KIT_READ, 3, LATER};
	struct report *flush = NULL, *none = NULL;
	struct bench b, fresh;

	(void)state;
	bench_init(&b);
	bench_init(&fresh);
	kit_profile(&b.snapshot, kit_policy(&b.snapshot, "", "d", TIER(DEFAULT)), LEARN_NS);
	kit_profile(&fresh.snapshot, kit_policy(&fresh.snapshot, "", "d", TIER(DEFAULT)), LEARN_NS);
	learn(&b, &start);
	assert_int_equal(shard_work_needs_flush(&b.work), 1);
	assert_int_equal(shard_work_flush(&b.work, &flush), 0);
	assert_int_equal(shard_work_needs_flush(&b.work), 0);
	assert_int_equal(shard_work_flush(&b.work, &none), 0);
	assert_null(none);
	assert_int_equal(flush->profile_count, 1);
	assert_int_equal(flush->profiles[0]->n_behaviours, 2); /* and its arguments */
	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(shard_work_load(&fresh.work, flush->profiles[0]), 0);
	assert_int_equal(shard_work_needs_flush(&fresh.work), 0);
	expect(&fresh, &start, 1, "");
	expect(&fresh, &unknown, 1, "profile/file.read");
	assert_int_equal(baseline_count(groups_at(fresh.work.groups, 0)->baseline), 2);
	report_free(flush);
	bench_done(&b);
	bench_done(&fresh);
}

static void large_flushes_come_in_messages_of_bounded_size(void **state)
{
	struct report *flush = NULL;
	struct group *g;
	struct bench b;
	size_t behaviours = 0;
	char path[32];

	(void)state;
	bench_init(&b);
	learn(&b, &start);
	g = groups_at(b.work.groups, 0);
	for (int i = 0; i < 5000; i++) {
		struct behaviour what = {.dimension = 2, .actor = PW_SLICE_LIT("/a")};

		(void)snprintf(path, sizeof(path), "/%d", i);
		what.object = pw_slice_str(path);
		what.key = behaviour_key(2, what.actor, what.object);
		assert_int_equal(baseline_observe(g->baseline, &what,
					 &(struct baseline_seen){.wall_ns = 1, .flags = 1}),
			1);
	}
	assert_int_equal(shard_work_flush(&b.work, &flush), 0);
	assert_int_equal(flush->profile_count, 5);
	for (size_t i = 0; i < flush->profile_count; i++) {
		assert_true(flush->profiles[i]->n_behaviours <= SHARD_DELTA_BEHAVIOURS);
		behaviours += flush->profiles[i]->n_behaviours;
	}
	assert_int_equal(behaviours, 5002);
	report_free(flush);
	bench_done(&b);
}

static void add_message(struct pw_buf *out, const ProtobufCMessage *m)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *room = pw_buf_extend(out, size);

	assert_non_null(room);
	(void)protobuf_c_message_pack(m, room);
}

/* Serialized findings of a fresh shard for the same batches. */
static void replay(struct pw_buf *out, int64_t now_shift_ns)
{
	static const struct kit_row rows[] = {
		{PW_EVENT_EXEC, KIT_APP, "/usr/bin/app", 0, 0, 0},
		{PW_EVENT_OPEN, KIT_APP, "/etc/app.conf", KIT_READ, 3, 5},
		{PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, LATER},
		{PW_EVENT_OPEN, KIT_MINER, "/etc/shadow", KIT_READ, 3, LATER + 1},
		{PW_EVENT_CONNECT, KIT_MINER, "6.6.6.6", KIT_TCP(3333), 0, LATER + 2},
		{PW_EVENT_OPEN, KIT_DB, "/var/db", KIT_READ, 3, LATER + 3},
	};
	struct bench b;

	bench_init(&b);
	b.clock.wall_ns += now_shift_ns;
	kit_profile(&b.snapshot, kit_policy(&b.snapshot, "", "d", TIER(DEFAULT)), LEARN_NS);
	(void)kit_signature(&b.snapshot, "miner", "proc.name = xmrig", false);
	for (size_t i = 0; i < PW_COUNT(rows); i += 2) {
		struct report *r = judge_rows(&b, rows + i, 2);

		for (size_t k = 0; r && k < r->alert_count; k++)
			add_message(out, &r->alerts[k]->base);
		for (size_t k = 0; r && k < r->occurrence_count; k++)
			add_message(out, &r->occurrences[k]->base);
		report_free(r);
	}
	bench_done(&b);
}

static void the_same_batches_give_byte_identical_alerts(void **state)
{
	pw_auto_buf first, second;

	(void)state;
	pw_buf_init(&first, 1 << 20);
	pw_buf_init(&second, 1 << 20);
	replay(&first, 0);
	replay(&second, 3600ll * 1000000000ll); /* judged an hour later */
	assert_true(first.len > 1000);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
}

static int judge_once(void *ctx)
{
	static const struct kit_row rows[] = {
		{PW_EVENT_OPEN, KIT_APP, "/etc/app.conf", KIT_READ, 3, 0},
		{PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, LATER},
		{PW_EVENT_OPEN, KIT_APP, "/etc/shadow", KIT_READ, 3, LATER},
	};
	static const struct shard_config config = {.count = 1, .group_limit = 100};
	struct bench *b = ctx;
	struct report *report = NULL, *flush = NULL;
	int r = shard_work_init(&b->work, &config);

	if (r == 0)
		r = feed(b, rows, PW_COUNT(rows), &report);
	if (r == 0)
		r = shard_work_flush(&b->work, &flush);
	report_free(report);
	report_free(flush);
	shard_work_done(&b->work);
	return r;
}

static void judging_survives_lack_of_memory(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	kit_profile(&b.snapshot, kit_policy(&b.snapshot, "", "d", TIER(DEFAULT)), LEARN_NS);
	(void)kit_signature(&b.snapshot, "miner", "proc.name = xmrig", false);
	b.policy = kit_compile(&b.snapshot);
	shard_work_done(&b.work);
	assert_true(pw_oom_loop(judge_once, &b) > 0);
	bench_done(&b);
}

struct again {
	struct bench bench;
	uint32_t judged; /* as a whole */
};

/* The rule of two fires with every second batch, whatever failed in between. */
static int judge_again(void *ctx)
{
	static const struct kit_row row = {PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, 0};
	struct again *a = ctx;
	struct report *report;
	int r = feed(&a->bench, &row, 1, &report);

	if (r < 0)
		return r;
	a->judged++;
	assert_int_equal(report->occurrence_count, a->judged % 2 ? 1 : 2);
	report_free(report);
	return 0;
}

static void a_batch_that_comes_again_is_counted_once(void **state)
{
	struct again a = {.judged = 0};
	struct kit_snapshot *s = &a.bench.snapshot;

	(void)state;
	bench_init(&a.bench);
	kit_profile(s, kit_policy(s, "", "d", TIER(DEFAULT)), 0);
	kit_signature(s, "twice", "proc.name = xmrig", false)->aggregate =
		kit_bytes("count within 1h >= 2");
	(void)kit_signature(s, "miner", "proc.name = xmrig", false); /* its alert needs memory */
	a.bench.policy = kit_compile(s);
	assert_true(pw_oom_loop(judge_again, &a) > 0);
	assert_true(a.judged > 0);
	bench_done(&a.bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_decision_wins),
		cmocka_unit_test(what_was_learned_is_quiet_and_what_was_not_alerts),
		cmocka_unit_test(an_attack_while_learning_still_alerts_afterwards),
		cmocka_unit_test(suppress_if_learned_alerts_once_and_then_knows),
		cmocka_unit_test(one_alert_per_window_and_one_occurrence_per_batch),
		cmocka_unit_test(an_exclusion_silences_and_is_counted),
		cmocka_unit_test(an_exclusion_in_the_shadow_counts_and_silences_nothing),
		cmocka_unit_test(an_alert_explains_itself),
		cmocka_unit_test(losses_make_the_baseline_partial),
		cmocka_unit_test(events_outside_of_groups_are_counted_not_judged),
		cmocka_unit_test(learned_state_survives_by_way_of_policysync),
		cmocka_unit_test(large_flushes_come_in_messages_of_bounded_size),
		cmocka_unit_test(the_same_batches_give_byte_identical_alerts),
		cmocka_unit_test(judging_survives_lack_of_memory),
		cmocka_unit_test(a_batch_that_comes_again_is_counted_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
