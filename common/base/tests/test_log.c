/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/testing/cm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct pw_fake_clock fake = {.mono_ns = 1};

/* What one call writes to standard error. */
static void capture(void (*fn)(void), char *out, size_t size)
{
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);
	size_t len;

	assert_non_null(file);
	pw_clock_fake(&fake);
	(void)dup2(fileno(file), STDERR_FILENO);
	fn();
	(void)dup2(kept, STDERR_FILENO);
	pw_clock_fake(NULL);
	(void)close(kept);
	rewind(file);
	len = fread(out, 1, size - 1, file);
	out[len] = '\0';
	(void)fclose(file);
}

static void say_something(void)
{
	errno = EPERM;
	pw_log_warn("uplink", "path \"%s\" failed\nagain", "x");
	assert_int_equal(errno, EPERM);
	pw_log_debug("uplink", "not shown");
}

static void lines_are_logfmt_and_hold_together(void **state)
{
	uint64_t before = pw_log_count(PW_LOG_WARN);
	char out[1000];

	(void)state;
	pw_log_setup(PW_LOG_INFO, PW_LOG_LOGFMT, "test");
	capture(say_something, out, sizeof(out));
	assert_string_equal(out, "time=1970-01-01T00:00:00.000Z level=warn module=uplink "
				 "msg=\"path \\\"x\\\" failed\\nagain\"\n");
	assert_int_equal(pw_log_count(PW_LOG_WARN), before + 1);
}

static void lines_are_json_when_asked(void **state)
{
	char out[1000];

	(void)state;
	pw_log_setup(PW_LOG_INFO, PW_LOG_JSON, "test");
	capture(say_something, out, sizeof(out));
	assert_string_equal(out,
		"{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\"program\":\"test\","
		"\"module\":\"uplink\",\"msg\":\"path \\\"x\\\" failed\\u000aagain\"}\n");
}

static void say_much(void)
{
	char text[5000];

	memset(text, '\x01', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	pw_log_error("big", "%s", text);
}

static void a_long_line_is_cut_but_written(void **state)
{
	char out[30000];

	(void)state;
	pw_log_setup(PW_LOG_INFO, PW_LOG_LOGFMT, "test");
	capture(say_much, out, sizeof(out));
	assert_non_null(strstr(out, "level=error module=big msg=\"\\x01\\x01"));
	assert_int_equal(out[strlen(out) - 1], '\n');
}

static void say_often(void)
{
	for (int i = 0; i < 100; i++) {
		if (i == 99)
			fake.mono_ns += 61 * PW_NS_PER_S;
		pw_log_limited(PW_LOG_WARN, 3, "m", "line %d", i);
	}
}

static void a_limited_line_tells_what_was_kept_back(void **state)
{
	char out[4000];
	size_t lines = 0;

	(void)state;
	pw_log_setup(PW_LOG_INFO, PW_LOG_LOGFMT, "test");
	capture(say_often, out, sizeof(out));
	for (const char *c = out; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 4);
	assert_non_null(strstr(out, "line 2 (kept_back=0)"));
	assert_null(strstr(out, "line 3 "));
	assert_non_null(strstr(out, "line 99 (kept_back=96)"));
}

static void levels_are_read_by_name(void **state)
{
	enum pw_log_level level;

	(void)state;
	assert_int_equal(pw_log_level_parse("debug", &level), 0);
	assert_int_equal(level, PW_LOG_DEBUG);
	assert_int_equal(pw_log_level_parse("DEBUG", &level), -EINVAL);
	assert_int_equal(pw_log_level_parse("", &level), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_logfmt_and_hold_together),
		cmocka_unit_test(lines_are_json_when_asked),
		cmocka_unit_test(a_long_line_is_cut_but_written),
		cmocka_unit_test(a_limited_line_tells_what_was_kept_back),
		cmocka_unit_test(levels_are_read_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
