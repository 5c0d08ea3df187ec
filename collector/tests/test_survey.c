/* SPDX-License-Identifier: Apache-2.0 */
/* Which programs count as working, to which level they belong, and what is said of the others. */
#include "collector/event.h"
#include "collector/selftest.h"
#include "collector/survey.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void hooks_belong_to_their_level(void **state)
{
	static const struct {
		const char *hook;
		enum survey_level level;
	} rows[] = {
		{"tp_btf/sys_exit", SURVEY_LEVEL_B},
		{"raw_tp/cgroup_mkdir", SURVEY_LEVEL_B},
		{"lsm/file_open", SURVEY_LEVEL_A},
		{"fentry/security_file_open", SURVEY_LEVEL_A},
		{"fmod_ret/security_file_open", SURVEY_LEVEL_A},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		assert_int_equal(survey_level_of(rows[i].hook), rows[i].level);
}

static void what_does_not_work_says_why(void **state)
{
	static const struct {
		struct probe_try try;
		const char *modules;
		bool works;
		const char *words;
	} rows[] = {
		{{"a", "tp_btf/sys_exit", 0, 0, 10, ""}, "lockdown", true, ""},
		{{"a", "tp_btf/sys_exit", -EACCES, 0, 0, "R1 invalid"}, "", false, "load: "},
		{{"a", "tp_btf/sys_exit", -EACCES, 0, 0, "R1 invalid"}, "", false, "R1 invalid"},
		{{"a", "fentry/f", 0, -EPERM, 10, ""}, "", false, "attach: "},
		{{"a", "lsm/file_open", 0, 0, 10, ""}, "lockdown,bpf", true, ""},
		{{"a", "lsm/file_open", 0, 0, 10, ""}, "lockdown,bpfx,yama", false, "lsm="},
		{{"a", "lsm/file_open", 0, 0, 10, ""}, "", true, ""}, /* not known: not denied */
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		char why[320];

		assert_int_equal(survey_works(&rows[i].try, rows[i].modules, why, sizeof(why)),
			rows[i].works);
		assert_non_null(strstr(why, rows[i].words));
		assert_int_equal(why[0] == '\0', rows[i].works);
	}
}

static void long_reasons_are_cut(void **state)
{
	char reason[200], why[32];
	struct probe_try t = {"a", "tp_btf/sys_exit", -EINVAL, 0, 0, reason};

	(void)state;
	memset(reason, 'x', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	assert_false(survey_works(&t, "", why, sizeof(why)));
	assert_int_equal(strlen(why), sizeof(why) - 1);
}

static void self_test_has_a_row_for_each_kind_on_the_wire(void **state)
{
	uint64_t kinds = 0;

	(void)state;
	for (const struct selftest_action *a = selftest_actions; a->kind; a++) {
		assert_true((a->act == NULL) == (a->why_not != NULL));
		assert_false(kinds & 1ull << a->kind);
		kinds |= 1ull << a->kind;
	}
	for (unsigned type = 1; type < EVENT_TYPES; type++) {
		enum pw_event_kind kind = event_wire_kind((enum event_type)type);

		if (kind != PW_EVENT_NONE && !(kinds & 1ull << kind))
			fail_msg("no action for %s", pw_event_kind_name(kind));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hooks_belong_to_their_level),
		cmocka_unit_test(what_does_not_work_says_why),
		cmocka_unit_test(long_reasons_are_cut),
		cmocka_unit_test(self_test_has_a_row_for_each_kind_on_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
