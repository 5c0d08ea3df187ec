/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/rpc/identity.h"

#define DOMAIN "podward.svc"

static void names_of_the_trust_domain_say_role_and_name(void **state)
{
	static const struct {
		bool is_uri;
		const char *text;
		int result;
		enum pw_role role;
		const char *name;
	} rows[] = {
		{true, "spiffe://podward.svc/collector/node-1", 0, PW_ROLE_COLLECTOR, "node-1"},
		{true, "spiffe://podward.svc/policysync", 0, PW_ROLE_POLICYSYNC, ""},
		{true, "spiffe://podward.svc/collector/ip-10-0-0-1.ec2.internal", 0,
			PW_ROLE_COLLECTOR, "ip-10-0-0-1.ec2.internal"},
		{false, "node-1.collector.podward.svc", 0, PW_ROLE_COLLECTOR, "node-1"},
		{false, "a.b.c.collector.podward.svc", 0, PW_ROLE_COLLECTOR, "a.b.c"},
		{false, "policysync.podward.svc", 0, PW_ROLE_POLICYSYNC, ""},
		{false, "analyzer-0.analyzer.podward.svc", 0, PW_ROLE_ANALYZER, "analyzer-0"},
		/* somebody else's names */
		{true, "spiffe://other.svc/collector/node-1", 0, PW_ROLE_NONE, ""},
		{true, "spiffe://podward.svc.evil/collector/node-1", 0, PW_ROLE_NONE, ""},
		{true, "https://podward.svc/collector/node-1", 0, PW_ROLE_NONE, ""},
		{true, "", 0, PW_ROLE_NONE, ""},
		{false, "collector.notpodward.svc", 0, PW_ROLE_NONE, ""},
		{false, "podward.svc", 0, PW_ROLE_NONE, ""},
		{false, "localhost", 0, PW_ROLE_NONE, ""},
		{false, "", 0, PW_ROLE_NONE, ""},
		/* of the domain, but no role */
		{true, "spiffe://podward.svc", 0, PW_ROLE_NONE, ""},
		{true, "spiffe://podward.svc/", 0, PW_ROLE_NONE, ""},
		{true, "spiffe://podward.svc/Collector/a", 0, PW_ROLE_NONE, ""},
		{true, "spiffe://podward.svc/ns/podward/sa/x", 0, PW_ROLE_NONE, ""},
		{false, "web.podward.svc", 0, PW_ROLE_NONE, ""},
		{false, ".podward.svc", 0, PW_ROLE_NONE, ""},
		/* a role, but not understood: never a guess */
		{true, "spiffe://podward.svc/collector/", -EBADMSG, PW_ROLE_NONE, ""},
		{true, "spiffe://podward.svc/collector/a/b", -EBADMSG, PW_ROLE_NONE, ""},
		{false, "*.collector.podward.svc", -EBADMSG, PW_ROLE_NONE, ""},
		{false, "node\n1.collector.podward.svc", -EBADMSG, PW_ROLE_NONE, ""},
		{false, ".collector.podward.svc", -EBADMSG, PW_ROLE_NONE, ""},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_identity id = {0};
		struct pw_slice text = pw_slice_str(rows[i].text);
		int r = rows[i].is_uri ? pw_identity_take_uri(&id, DOMAIN, text)
				       : pw_identity_take_dns(&id, DOMAIN, text);

		if (r != rows[i].result || id.role != rows[i].role ||
			strcmp(id.name, rows[i].name) != 0)
			fail_msg("%s: %d, %s %s", rows[i].text, r, pw_role_name(id.role), id.name);
	}
}

static void names_that_contradict_each_other_are_refused(void **state)
{
	static const struct {
		const char *first, *second;
		int result;
	} rows[] = {
		{"analyzer.podward.svc", "analyzer-0.analyzer.podward.svc", 0},
		{"analyzer-0.analyzer.podward.svc", "analyzer.podward.svc", 0},
		{"analyzer-0.analyzer.podward.svc", "analyzer-0.analyzer.podward.svc", 0},
		{"analyzer-0.analyzer.podward.svc", "example.com", 0},
		{"analyzer-0.analyzer.podward.svc", "analyzer-1.analyzer.podward.svc", -EEXIST},
		{"analyzer-0.analyzer.podward.svc", "policysync.podward.svc", -EEXIST},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_identity id = {0};

		assert_int_equal(pw_identity_take_dns(&id, DOMAIN, pw_slice_str(rows[i].first)), 0);
		assert_int_equal(pw_identity_take_dns(&id, DOMAIN, pw_slice_str(rows[i].second)),
			rows[i].result);
		assert_true(pw_identity_is(&id, PW_ROLE_ANALYZER, "analyzer-0"));
	}
}

static void a_name_that_is_too_long_is_refused(void **state)
{
	struct pw_identity id = {0};
	char dns[400];

	(void)state;
	memset(dns, 'a', sizeof(dns));
	memcpy(dns + 253, ".collector.podward.svc", sizeof(".collector.podward.svc"));
	assert_int_equal(pw_identity_take_dns(&id, DOMAIN, pw_slice_str(dns)), 0);
	assert_int_equal(strlen(id.name), 253);
	id = (struct pw_identity){0};
	memcpy(dns + 254, ".collector.podward.svc", sizeof(".collector.podward.svc"));
	dns[253] = 'a';
	assert_int_equal(pw_identity_take_dns(&id, DOMAIN, pw_slice_str(dns)), -EBADMSG);
	assert_int_equal(id.role, PW_ROLE_NONE);
}

static void a_wanted_name_must_be_had(void **state)
{
	const struct pw_identity id = {PW_ROLE_ANALYZER, "analyzer-0"},
				 bare = {PW_ROLE_ANALYZER, ""};
	char text[300];

	(void)state;
	assert_true(pw_identity_is(&id, PW_ROLE_ANALYZER, NULL));
	assert_true(pw_identity_is(&id, PW_ROLE_ANALYZER, ""));
	assert_false(pw_identity_is(&id, PW_ROLE_ANALYZER, "analyzer-1"));
	assert_false(pw_identity_is(&bare, PW_ROLE_ANALYZER, "analyzer-0"));
	assert_false(pw_identity_is(&id, PW_ROLE_POLICYSYNC, NULL));
	assert_string_equal(pw_identity_text(&id, text, sizeof(text)), "analyzer analyzer-0");
	assert_string_equal(
		pw_identity_text(&(struct pw_identity){0}, text, sizeof(text)), "nobody");
	assert_true(pw_identity_domain_is_valid("cluster.local"));
	assert_false(pw_identity_domain_is_valid("a b"));
	assert_false(pw_identity_domain_is_valid(""));
	assert_false(pw_identity_domain_is_valid("a/b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_the_trust_domain_say_role_and_name),
		cmocka_unit_test(names_that_contradict_each_other_are_refused),
		cmocka_unit_test(a_name_that_is_too_long_is_refused),
		cmocka_unit_test(a_wanted_name_must_be_had),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
