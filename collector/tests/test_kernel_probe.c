/* SPDX-License-Identifier: Apache-2.0 */
/* What --probe says on this kernel: the programs that the collector cannot do without all work. */
#include "collector/probe.h"
#include "collector/selftest.h"
#include "collector/survey.h"
#include "collector/tests/program.h"
#include "common/wire/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define REPORT_BYTES (1u << 20)

static int check_tracepoint(void *ctx, const struct probe_try *t)
{
	unsigned *count = ctx;

	if (survey_level_of(t->hook) == SURVEY_LEVEL_A)
		return 0;
	(*count)++;
	if (t->load_error || t->attach_error)
		fail_msg("%s (%s): %s", t->program, t->hook, t->why);
	assert_true(t->verified > 0);
	assert_string_equal(t->why, "");
	return 0;
}

static void tracepoint_programs_all_work(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	unsigned count = 0;

	(void)state;
	assert_int_equal(probe_try_each(check_tracepoint, &count, &err), 0);
	assert_true(count >= 10);
}

static void report_is_the_same_for_people_and_programs(void **state)
{
	static const char *const words[] = {"exec_done", "sched_process_exec", "kernel"};

	(void)state;
	for (unsigned form = PRINT_COMPACT; form <= PRINT_JSON; form++) {
		struct pw_err err = PW_ERR_INIT;
		bool usable = false;
		pw_auto_buf out;

		pw_buf_init(&out, REPORT_BYTES);
		assert_int_equal(survey_report((enum print_form)form, &out, &usable, &err), 0);
		assert_true(usable);
		for (size_t i = 0; i < PW_COUNT(words); i++)
			assert_non_null(strstr(pw_buf_text(&out), words[i]));
		assert_non_null(strstr(pw_buf_text(&out),
			form == PRINT_JSON ? "\"level_b\":\"complete\"" : "tracepoints: complete"));
	}
}

static int stop_at_once(void *ctx, const struct probe_try *t)
{
	(void)t;
	++*(unsigned *)ctx;
	return 7;
}

static void callback_can_stop(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	unsigned count = 0;

	(void)state;
	assert_int_equal(probe_try_each(stop_at_once, &count, &err), 7);
	assert_int_equal(count, 1);
}

/* The table of actions says what is tried; each kind that is must come. */
static void self_test_sees_every_kind_that_it_tries(void **state)
{
	static const char *const arguments[] = {"--self-test", NULL};
	static const char *const lines[] = {
		"exec             came\n", "open             came\n", "hostname         came\n"};
	static struct running program;
	int status;

	(void)state;
	program_start(&program, arguments, NULL, NULL);
	status = program_wait(&program);
	if (status != 0)
		fail_msg("wait status %#x: %s", (unsigned)status, program.text);
	for (size_t i = 0; i < PW_COUNT(lines); i++)
		assert_non_null(strstr(program.text, lines[i]));
	for (const struct selftest_action *a = selftest_actions; a->kind; a++)
		assert_non_null(strstr(program.text, pw_event_kind_name(a->kind)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tracepoint_programs_all_work),
		cmocka_unit_test(report_is_the_same_for_people_and_programs),
		cmocka_unit_test(callback_can_stop),
		cmocka_unit_test(self_test_sees_every_kind_that_it_tries),
	};
	struct probe_facts facts;
	struct pw_err err = PW_ERR_INIT;

	if (probe_facts_read(&facts, &err) < 0 || probe_facts_check(&facts, &err) < 0) {
		printf("SKIP: %s\n", err.msg);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
