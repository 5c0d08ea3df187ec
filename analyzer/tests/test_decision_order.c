/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of decision as a table, one row for each way in which two who speak can differ:
 * Guardrail Deny, Guardrail Allow, namespaced Deny, Default-tier Deny, signatures, Allow, profile;
 * exclusions last.
 */
#include "analyzer/shard_work.h"
#include "analyzer/tests/kit.h"
#include "common/testing/cm.h"

#include <stdio.h>

#define TIER(x) PODWARD__V1__POLICY_TIER__POLICY_TIER_##x
#define MODE(x) PODWARD__V1__POLICY_MODE__POLICY_MODE_##x
#define DENY    PODWARD__V1__RULE_ACTION__RULE_ACTION_DENY
#define ALLOW   PODWARD__V1__RULE_ACTION__RULE_ACTION_ALLOW

/* Who says something about the file that is read. */
enum {
	GUARD_DENY = 1,
	GUARD_ALLOW = 2,
	NS_DENY = 4,
	DEF_DENY = 8,
	SIG = 16,
	NS_ALLOW = 32,
	DEF_ALLOW = 64,
	KNOWN = 128,         /* the profile knows it */
	SIG_QUIET = 256,     /* a signature that is quiet when it was learned */
	NS_OFF = 512,        /* the namespaced policy is disabled */
	NS_ELSEWHERE = 1024, /* it is of another namespace */
	GUARD_AUDIT = 2048
};

struct row {
	unsigned on;
	const char *exclude; /* detector of an exclusion; NULL = none */
	const char *want;    /* detector of the alert; "" = quiet */
};

static const struct row rows[] = {
	{0, NULL, "profile/file.read"},
	{GUARD_DENY, NULL, "policy//guard/d"},
	{GUARD_ALLOW, NULL, ""},
	{NS_DENY, NULL, "policy/shop/ns/d"},
	{DEF_DENY, NULL, "policy//def/d"},
	{SIG, NULL, "sig/test/s"},
	{NS_ALLOW, NULL, ""},
	{DEF_ALLOW, NULL, ""},
	{GUARD_DENY | GUARD_ALLOW, NULL, "policy//guard/d"},
	{GUARD_DENY | NS_DENY, NULL, "policy//guard/d"},
	{GUARD_DENY | DEF_DENY, NULL, "policy//guard/d"},
	{GUARD_DENY | SIG, NULL, "policy//guard/d"},
	{GUARD_DENY | NS_ALLOW, NULL, "policy//guard/d"},
	{GUARD_DENY | DEF_ALLOW, NULL, "policy//guard/d"},
	{GUARD_ALLOW | NS_DENY, NULL, ""},
	{GUARD_ALLOW | DEF_DENY, NULL, ""},
	{GUARD_ALLOW | SIG, NULL, ""},
	{GUARD_ALLOW | NS_ALLOW, NULL, ""},
	{GUARD_ALLOW | DEF_ALLOW, NULL, ""},
	{NS_DENY | DEF_DENY, NULL, "policy/shop/ns/d"},
	{NS_DENY | SIG, NULL, "policy/shop/ns/d"},
	{NS_DENY | NS_ALLOW, NULL, "policy/shop/ns/d"},
	{NS_DENY | DEF_ALLOW, NULL, "policy/shop/ns/d"},
	{DEF_DENY | SIG, NULL, "policy//def/d"},
	{DEF_DENY | NS_ALLOW, NULL, "policy//def/d"},
	{DEF_DENY | DEF_ALLOW, NULL, "policy//def/d"},
	{SIG | NS_ALLOW, NULL, "sig/test/s"},
	{SIG | DEF_ALLOW, NULL, "sig/test/s"},
	{NS_ALLOW | DEF_ALLOW, NULL, ""},
	{GUARD_ALLOW | NS_DENY | DEF_DENY | SIG | NS_ALLOW | DEF_ALLOW, NULL, ""},
	{GUARD_DENY | NS_DENY | DEF_DENY | SIG | NS_ALLOW | DEF_ALLOW, NULL, "policy//guard/d"},
	{GUARD_DENY | GUARD_ALLOW | DEF_DENY | SIG | NS_ALLOW | DEF_ALLOW, NULL, "policy//guard/d"},
	{GUARD_DENY | GUARD_ALLOW | NS_DENY | SIG | NS_ALLOW | DEF_ALLOW, NULL, "policy//guard/d"},
	{GUARD_DENY | GUARD_ALLOW | NS_DENY | DEF_DENY | NS_ALLOW | DEF_ALLOW, NULL,
		"policy//guard/d"},
	{GUARD_DENY | GUARD_ALLOW | NS_DENY | DEF_DENY | SIG | DEF_ALLOW, NULL, "policy//guard/d"},
	{GUARD_DENY | GUARD_ALLOW | NS_DENY | DEF_DENY | SIG | NS_ALLOW, NULL, "policy//guard/d"},
	{GUARD_DENY | GUARD_ALLOW | NS_DENY | DEF_DENY | SIG | NS_ALLOW | DEF_ALLOW, NULL,
		"policy//guard/d"},
	{GUARD_ALLOW | NS_DENY | DEF_DENY | SIG | NS_ALLOW | DEF_ALLOW, NULL, ""},
	{NS_DENY | DEF_DENY | SIG | NS_ALLOW | DEF_ALLOW, NULL, "policy/shop/ns/d"},
	{DEF_DENY | SIG | NS_ALLOW | DEF_ALLOW, NULL, "policy//def/d"},
	{SIG | NS_ALLOW | DEF_ALLOW, NULL, "sig/test/s"},
	{NS_ALLOW | DEF_ALLOW, NULL, ""},
	{KNOWN, NULL, ""},
	{KNOWN | GUARD_DENY, NULL, "policy//guard/d"},
	{KNOWN | GUARD_ALLOW, NULL, ""},
	{KNOWN | NS_DENY, NULL, "policy/shop/ns/d"},
	{KNOWN | DEF_DENY, NULL, "policy//def/d"},
	{KNOWN | SIG, NULL, "sig/test/s"},
	{KNOWN | NS_ALLOW, NULL, ""},
	{KNOWN | DEF_ALLOW, NULL, ""},
	{SIG_QUIET, NULL, "sig/test/s"},
	{SIG_QUIET | KNOWN, NULL, ""},
	{SIG_QUIET | KNOWN | NS_DENY, NULL, "policy/shop/ns/d"},
	{SIG_QUIET | NS_ALLOW, NULL, "sig/test/s"},
	{NS_OFF | NS_DENY, NULL, "profile/file.read"},
	{NS_OFF | NS_ALLOW, NULL, "profile/file.read"},
	{NS_OFF | NS_DENY | DEF_ALLOW, NULL, ""},
	{NS_OFF | NS_ALLOW | DEF_DENY, NULL, "policy//def/d"},
	{NS_ELSEWHERE | NS_DENY, NULL, "profile/file.read"},
	{NS_ELSEWHERE | NS_ALLOW, NULL, "profile/file.read"},
	{NS_ELSEWHERE | NS_DENY | DEF_ALLOW, NULL, ""},
	{NS_ELSEWHERE | NS_ALLOW | DEF_DENY, NULL, "policy//def/d"},
	{GUARD_AUDIT | GUARD_DENY, NULL, "policy//guard/d"},
	{GUARD_AUDIT | GUARD_DENY | NS_ALLOW, NULL, "policy//guard/d"},
	{GUARD_AUDIT | GUARD_ALLOW | SIG, NULL, ""},
	{0, "profile/file.read", ""},
	{0, "profile/*", ""},
	{0, "*", ""},
	{0, "profile/file.write", "profile/file.read"},
	{0, "sig/test/s", "profile/file.read"},
	{SIG, "sig/test/s", ""},
	{SIG, "sig/*", ""},
	{SIG, "*", ""},
	{SIG, "profile/file.read", "sig/test/s"},
	{SIG, "sig/test/other", "sig/test/s"},
	{NS_DENY, "*", "policy/shop/ns/d"},
	{NS_DENY, "policy/shop/ns/d", ""},
	{NS_DENY, "policy/shop/*", ""},
	{NS_DENY, "policy//def/d", "policy/shop/ns/d"},
	{DEF_DENY, "*", "policy//def/d"},
	{DEF_DENY, "policy//def/d", ""},
	{GUARD_DENY, "*", "policy//guard/d"},
	{GUARD_DENY | SIG, "sig/test/s", "policy//guard/d"},
	{NS_DENY | SIG, "policy/shop/ns/d", ""},
	{GUARD_ALLOW, "*", ""},
};

struct bench {
	struct pw_fake_clock clock;
	struct kit_snapshot snapshot;
	Podward__V1__Policy *guard, *ns, *def;
	struct policy *policy;
	struct shard_work work;
	uint64_t seq;
};

static void bench_init(struct bench *b, const struct row *row)
{
	static const struct shard_config config = {.count = 1, .group_limit = 10};

	*b = (struct bench){.clock = {.wall_ns = KIT_WALL_NS + 600ll * 1000000000ll}};
	pw_clock_fake(&b->clock);
	kit_snapshot_init(&b->snapshot, 1);
	b->guard = kit_policy(&b->snapshot, "", "guard", TIER(GUARDRAIL));
	b->ns = kit_policy(
		&b->snapshot, row->on & NS_ELSEWHERE ? "bank" : "shop", "ns", TIER(NAMESPACED));
	b->def = kit_policy(&b->snapshot, "", "def", TIER(DEFAULT));
	kit_profile(&b->snapshot, b->def, 60 * PW_NS_PER_S);
	assert_int_equal(shard_work_init(&b->work, &config), 0);
	b->policy = kit_compile(&b->snapshot);
}

static void bench_done(struct bench *b)
{
	shard_work_done(&b->work);
	policy_free(b->policy);
	kit_snapshot_done(&b->snapshot);
	pw_clock_fake(NULL);
}

/* Detectors of the alerts of one event, blanks between. */
static void judge(struct bench *b, const struct kit_row *event, char out[256])
{
	struct shard_batch batch = {.node = "node-1", .node_len = 6, .source = "source-instance"};
	struct report *report = NULL;
	size_t len = 0;

	out[0] = '\0';
	assert_int_equal(kit_decode(event, 1, ++b->seq, &batch.decoded), 0);
	assert_int_equal(shard_work_batch(&b->work, &batch, b->policy, 1, &report), 0);
	for (size_t i = 0; report && i < report->alert_count; i++)
		len += (size_t)snprintf(out + len, 256 - len, "%s%.*s", i ? " " : "",
			(int)report->alerts[i]->detector.len,
			(const char *)report->alerts[i]->detector.data);
	report_free(report);
	pw_decoded_free(batch.decoded);
}

static void add_rule(
	struct bench *b, Podward__V1__Policy *p, const char *name, Podward__V1__RuleAction action)
{
	(void)kit_rule(&b->snapshot, p, name, action, PW_EVENT_OPEN, "/etc/*");
}

static void add_speakers(struct bench *b, const struct row *row)
{
	const struct {
		unsigned bit;
		Podward__V1__Policy *policy;
		const char *name;
		Podward__V1__RuleAction action;
	} rules[] = {
		{GUARD_DENY, b->guard, "d", DENY},
		{GUARD_ALLOW, b->guard, "a", ALLOW},
		{NS_DENY, b->ns, "d", DENY},
		{NS_ALLOW, b->ns, "a", ALLOW},
		{DEF_DENY, b->def, "d", DENY},
		{DEF_ALLOW, b->def, "a", ALLOW},
	};

	for (size_t i = 0; i < PW_COUNT(rules); i++)
		if (row->on & rules[i].bit)
			add_rule(b, rules[i].policy, rules[i].name, rules[i].action);
	if (row->on & (SIG | SIG_QUIET))
		(void)kit_signature(
			&b->snapshot, "s", "fd.name = /etc/app.conf", (row->on & SIG_QUIET) != 0);
	if (row->exclude)
		(void)kit_exclusion(&b->snapshot, row->exclude, "*");
	if (row->on & NS_OFF)
		b->ns->mode = MODE(DISABLED);
	if (row->on & GUARD_AUDIT)
		b->guard->mode = MODE(AUDIT);
}

static void recompile(struct bench *b)
{
	policy_free(b->policy);
	b->policy = kit_compile(&b->snapshot);
	for (uint32_t i = 0; i < groups_count(b->work.groups); i++)
		groups_at(b->work.groups, i)->views[0]->version = 99;
}

static void the_first_who_speaks_decides(void **state)
{
	static const struct kit_row start = {PW_EVENT_EXEC, KIT_APP, "/usr/bin/app", 0, 0, 0};
	struct kit_row event = {PW_EVENT_OPEN, KIT_APP, "/etc/app.conf", KIT_READ, 3, 10};
	char got[256];

	(void)state;
	assert_true(PW_COUNT(rows) >= 60);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct bench b;

		bench_init(&b, &rows[i]);
		judge(&b, &start, got);
		event.at_ms = 10;
		if (rows[i].on & KNOWN)
			judge(&b, &event, got);
		assert_string_equal(got, "");
		add_speakers(&b, &rows[i]);
		recompile(&b);
		event.at_ms = 120000; /* learning is over */
		judge(&b, &event, got);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("row %zu: got \"%s\", wanted \"%s\"", i, got, rows[i].want);
		bench_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_who_speaks_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
