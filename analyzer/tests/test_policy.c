/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/policy.h"
#include "analyzer/policy_rule.h"
#include "analyzer/learning.h"
#include "common/testing/cm.h"
#include "analyzer/tests/kit.h"
#include "analyzer/behaviour.h"
#include "analyzer/view.h"
#include "common/testing/oom.h"

#include <arpa/inet.h>
#include <errno.h>

#define TIER(x) PODWARD__V1__POLICY_TIER__POLICY_TIER_##x
#define DENY    PODWARD__V1__RULE_ACTION__RULE_ACTION_DENY

static struct view *view_of(const struct policy *p, const char *group)
{
	struct view *v = NULL;

	assert_int_equal(view_new(p, 1, pw_slice_str(group), PW_SLICE_LIT("img:1"), &v), 0);
	return v;
}

static void policies_are_ordered_by_weight(void **state)
{
	static const char *const want[] = {"guard", "ns-high", "ns-low", "default-a", "default-b"};
	struct kit_snapshot s;
	struct policy *p;

	(void)state;
	kit_snapshot_init(&s, 1);
	(void)kit_policy(&s, "", "default-b", TIER(DEFAULT));
	kit_policy(&s, "shop", "ns-low", TIER(NAMESPACED))->priority = 1;
	(void)kit_policy(&s, "", "default-a", TIER(DEFAULT));
	kit_policy(&s, "shop", "ns-high", TIER(NAMESPACED))->priority = 2;
	(void)kit_policy(&s, "", "guard", TIER(GUARDRAIL));
	kit_policy(&s, "", "off", TIER(GUARDRAIL))->mode =
		PODWARD__V1__POLICY_MODE__POLICY_MODE_DISABLED;
	p = kit_compile(&s);
	assert_int_equal(p->entry_count, PW_COUNT(want));
	for (size_t i = 0; i < PW_COUNT(want); i++)
		assert_true(pw_slice_eq_str(p->entries[i].name, want[i]));
	policy_free(p);
	kit_snapshot_done(&s);
}

static void the_weightiest_policy_that_speaks_wins(void **state)
{
	struct kit_snapshot s;
	struct policy *p;
	struct view *v;

	(void)state;
	kit_snapshot_init(&s, 1);
	kit_profile(&s, kit_policy(&s, "", "all", TIER(DEFAULT)), 0);
	kit_profile(&s, kit_policy(&s, "shop", "mine", TIER(NAMESPACED)), 7 * PW_NS_PER_S);
	p = kit_compile(&s);
	v = view_of(p, "shop/Deployment/web/app");
	assert_true(v->profile_on);
	assert_true(v->learning_ns == 7 * PW_NS_PER_S);
	assert_true(pw_slice_eq_str(v->profile_by->name, "mine"));
	view_free(v);
	v = view_of(p, "other/Deployment/web/app");
	assert_false(v->profile_on);
	view_free(v);
	policy_free(p);
	kit_snapshot_done(&s);
}

static void without_a_policy_both_engines_run_with_defaults(void **state)
{
	struct kit_snapshot s;
	struct policy *p;
	struct view *v;

	(void)state;
	kit_snapshot_init(&s, 1);
	p = kit_compile(&s);
	v = view_of(p, KIT_GROUP_WEB);
	assert_true(v->profile_on && v->signatures_on);
	assert_true(v->learning_ns == LEARNING_DEFAULT_NS);
	assert_int_equal(v->dimensions, BEHAVIOUR_ALL);
	view_free(v);
	policy_free(p);
	kit_snapshot_done(&s);
}

static void selectors_need_all_that_is_given(void **state)
{
	static const struct {
		const char *group;
		bool want;
	} rows[] = {
		{"shop/Deployment/web/app", true},
		{"shop/Deployment/web-2/app", true},
		{"shop/StatefulSet/web/app", false},
		{"shop/Deployment/db/app", false},
		{"web", false},
	};
	ProtobufCBinaryData kind = kit_bytes("Deployment"), name = kit_bytes("web*");
	Podward__V1__Selector selector = PODWARD__V1__SELECTOR__INIT;
	struct kit_snapshot s;
	struct policy *p;

	(void)state;
	selector.kinds = &kind;
	selector.names = &name;
	selector.n_kinds = selector.n_names = 1;
	kit_snapshot_init(&s, 1);
	kit_policy(&s, "", "x", TIER(DEFAULT))->selector = &selector;
	p = kit_compile(&s);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct view *v = view_of(p, rows[i].group);

		assert_int_equal(v->entry_count, rows[i].want);
		view_free(v);
	}
	policy_free(p);
	kit_snapshot_done(&s);
}

static void signature_sets_and_rules_can_be_switched_off(void **state)
{
	ProtobufCBinaryData off = kit_bytes("b*");
	Podward__V1__SignatureSettings settings = PODWARD__V1__SIGNATURE_SETTINGS__INIT;
	struct kit_snapshot s;
	struct policy *p;
	struct view *v;

	(void)state;
	settings.present = settings.enabled = true;
	settings.disabled = &off;
	settings.n_disabled = 1;
	kit_snapshot_init(&s, 1);
	kit_policy(&s, "", "x", TIER(DEFAULT))->signatures = &settings;
	(void)kit_signature(&s, "a", "proc.name = x", false);
	(void)kit_signature(&s, "b1", "proc.name = x", false);
	p = kit_compile(&s);
	v = view_of(p, KIT_GROUP_WEB);
	assert_non_null(v->signatures_off);
	assert_int_equal(v->signatures_off[0], 2);
	view_free(v);
	policy_free(p);
	kit_snapshot_done(&s);
}

static void what_is_wrong_is_refused_alone_and_named(void **state)
{
	struct kit_snapshot s;
	Podward__V1__Policy *policy;
	struct policy *p;

	(void)state;
	kit_snapshot_init(&s, 1);
	policy = kit_policy(&s, "", "x", TIER(DEFAULT));
	(void)kit_rule(&s, policy, "good", DENY, PW_EVENT_EXEC, "/bin/*");
	(void)kit_rule(&s, policy, "bad", DENY, PW_EVENT_CONNECT, "10.0.0.0/33");
	kit_rule(&s, policy, "bad", DENY, PW_EVENT_EXEC, "/x")->exec = NULL;
	(void)kit_rule(&s, policy, "bad", 0, PW_EVENT_EXEC, "/x");
	kit_policy(&s, "", "no-tier", 0);
	kit_exclusion(&s, "*", NULL)->reason.len = 0;
	p = kit_compile(&s);
	assert_int_equal(p->entry_count, 1);
	assert_int_equal(p->entries[0].rule_count, 1);
	assert_int_equal(p->exclusion_count, 0);
	assert_int_equal(p->problems.count, 5);
	assert_true(pw_slice_eq_str(p->problems.items[0].field, "spec.rules[1]"));
	assert_true(pw_slice_eq_str(p->problems.items[0].object, "ClusterRuntimePolicy/x"));
	policy_free(p);
	kit_snapshot_done(&s);
}

static void bytes_that_are_no_snapshot_are_refused(void **state)
{
	struct policy *p = NULL;
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	assert_int_equal(policy_compile(PW_SLICE_LIT("\xff\xff\xff"), &p, &err), -EINVAL);
	assert_null(p);
	assert_non_null(strstr(err.msg, "malformed"));
}

static void address_ranges_contain_what_they_should(void **state)
{
	static const struct {
		const char *cidr, *address;
		int want; /* 1 inside, 0 outside, -1 malformed */
	} rows[] = {
		{"10.0.0.0/8", "10.255.0.1", 1},
		{"10.0.0.0/8", "11.0.0.1", 0},
		{"10.1.2.3", "10.1.2.3", 1},
		{"10.1.2.3", "10.1.2.4", 0},
		{"0.0.0.0/0", "1.2.3.4", 1},
		{"0.0.0.0/0", "::1", 0},
		{"10.0.0.128/25", "10.0.0.127", 0},
		{"10.0.0.128/25", "10.0.0.200", 1},
		{"fd00::/8", "fdff::1", 1},
		{"::1/128", "::1", 1},
		{"10.0.0.0/33", "10.0.0.0", -1},
		{"10.0.0/8", "10.0.0.0", -1},
		{"", "10.0.0.0", -1},
		{"10.0.0.0/", "10.0.0.0", -1},
		{"x/8", "10.0.0.0", -1},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		uint8_t family = strchr(rows[i].address, ':') ? AF_INET6 : AF_INET, bytes[16];
		struct policy_cidr c;
		int r = policy_cidr_parse(pw_slice_str(rows[i].cidr), &c);

		assert_int_equal(inet_pton(family, rows[i].address, bytes), 1);
		if ((r < 0 ? -1 : policy_cidr_has(&c, family, bytes)) != rows[i].want)
			fail_msg("%s %s", rows[i].cidr, rows[i].address);
	}
}

static void exclusions_silence_only_what_they_name(void **state)
{
	static const struct {
		const char *detector, *object;
		int64_t at_ns;
		bool want;
	} rows[] = {
		{"profile/file.read", "/etc/x", 0, true}, {"profile/file.read", "/var/x", 0, false},
		{"profile/exec", "/etc/x", 0, false},
		{"profile/file.read", "/etc/x", 1000, false}, /* over */
	};
	struct kit_snapshot s;
	struct policy *p;
	struct view *v;

	(void)state;
	kit_snapshot_init(&s, 1);
	kit_exclusion(&s, "profile/file.*", "/etc/*")->expires_wall_ns = 1000;
	p = kit_compile(&s);
	v = view_of(p, KIT_GROUP_WEB);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct view_alert a = {.detector = pw_slice_str(rows[i].detector),
			.object = pw_slice_str(rows[i].object),
			.wall_ns = rows[i].at_ns};

		assert_int_equal(view_exclusion(v, &a, &(uint32_t){0}) != NULL, rows[i].want);
	}
	view_free(v);
	policy_free(p);
	kit_snapshot_done(&s);
}

static void a_wildcard_does_not_cover_deny_rules(void **state)
{
	struct view_alert a = {.detector = PW_SLICE_LIT("policy//p/r")};
	struct kit_snapshot s;
	struct policy *p;
	struct view *v;

	(void)state;
	kit_snapshot_init(&s, 1);
	(void)kit_exclusion(&s, "*", NULL);
	p = kit_compile(&s);
	v = view_of(p, KIT_GROUP_WEB);
	assert_null(view_exclusion(v, &a, &(uint32_t){0}));
	view_free(v);
	policy_free(p);
	(void)kit_exclusion(&s, "policy//p/*", NULL);
	p = kit_compile(&s);
	v = view_of(p, KIT_GROUP_WEB);
	assert_non_null(view_exclusion(v, &a, &(uint32_t){0}));
	view_free(v);
	policy_free(p);
	kit_snapshot_done(&s);
}

static int compile_once(void *ctx)
{
	struct policy *p = NULL;
	struct view *v = NULL;
	int r = policy_compile(*(struct pw_slice *)ctx, &p, NULL);

	if (r == 0)
		r = view_new(p, 1, PW_SLICE_LIT(KIT_GROUP_WEB), PW_SLICE_LIT("i"), &v);
	view_free(v);
	policy_free(p);
	return r;
}

static void compiling_survives_lack_of_memory(void **state)
{
	struct kit_snapshot s;
	struct pw_slice bytes;

	(void)state;
	kit_snapshot_init(&s, 1);
	(void)kit_rule(&s, kit_policy(&s, "", "x", TIER(DEFAULT)), "r", DENY, PW_EVENT_EXEC, "/x");
	(void)kit_exclusion(&s, "*", NULL);
	(void)kit_signature(&s, "a", "proc.name in (x, y)", false);
	bytes = kit_pack(&s);
	assert_true(pw_oom_loop(compile_once, &bytes) > 0);
	kit_snapshot_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_are_ordered_by_weight),
		cmocka_unit_test(the_weightiest_policy_that_speaks_wins),
		cmocka_unit_test(without_a_policy_both_engines_run_with_defaults),
		cmocka_unit_test(selectors_need_all_that_is_given),
		cmocka_unit_test(signature_sets_and_rules_can_be_switched_off),
		cmocka_unit_test(what_is_wrong_is_refused_alone_and_named),
		cmocka_unit_test(bytes_that_are_no_snapshot_are_refused),
		cmocka_unit_test(address_ranges_contain_what_they_should),
		cmocka_unit_test(exclusions_silence_only_what_they_name),
		cmocka_unit_test(a_wildcard_does_not_cover_deny_rules),
		cmocka_unit_test(compiling_survives_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
