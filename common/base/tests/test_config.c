/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/config.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct settings {
	const char *listen;
	bool fast;
	uint64_t count, size, window, form;
};

#define FIELD(name) offsetof(struct settings, name)

static const struct pw_setting table[] = {
	{"listen", PW_SETTING_TEXT, FIELD(listen), ":9401", 0, 0, NULL, "ADDRESS",
		"Where to listen."},
	{"fast", PW_SETTING_BOOL, FIELD(fast), NULL, 0, 0, NULL, NULL, "Be fast."},
	{"item-count", PW_SETTING_U64, FIELD(count), "5", 1, 10, NULL, NULL, "How many."},
	{"size", PW_SETTING_SIZE, FIELD(size), "1M", 4096, 1ull << 30, NULL, NULL, "How large."},
	{"window", PW_SETTING_DURATION, FIELD(window), "24h", 0, 0, NULL, NULL, "How long."},
	{"form", PW_SETTING_CHOICE, FIELD(form), "json", 0, 0, "logfmt|json", NULL, "Which form."},
};
static const struct pw_config_spec spec = {
	"podward-test", "Tests the settings.", table, PW_COUNT(table)};

static int load(
	const char *const *args, struct settings *s, struct pw_config **c, struct pw_err *err)
{
	char program[] = "podward-test";
	char *argv[10] = {program};
	int argc = 1;

	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
	return pw_config_load(&spec, argc, argv, s, c, err);
}

static void defaults_apply_when_nothing_is_said(void **state)
{
	const char *const args[] = {NULL};
	struct settings s = {0};
	struct pw_config *c;

	(void)state;
	assert_int_equal(load(args, &s, &c, NULL), PW_CONFIG_RUN);
	assert_string_equal(s.listen, ":9401");
	assert_false(s.fast);
	assert_int_equal(s.count, 5);
	assert_int_equal(s.size, 1 << 20);
	assert_int_equal(s.window, 86400ull * 1000000000);
	assert_int_equal(s.form, 1);
	pw_config_free(c);
	pw_config_free(NULL);
}

static void the_command_line_wins_over_the_environment(void **state)
{
	const char *const args[] = {"--item-count", "7", "--fast", "--form=logfmt", NULL};
	struct settings s = {0};
	struct pw_config *c;

	(void)state;
	(void)setenv("PODWARD_ITEM_COUNT", "3", 1);
	(void)setenv("PODWARD_LISTEN", "[::1]:1", 1);
	assert_int_equal(load(args, &s, &c, NULL), PW_CONFIG_RUN);
	(void)unsetenv("PODWARD_ITEM_COUNT");
	(void)unsetenv("PODWARD_LISTEN");
	assert_int_equal(s.count, 7);
	assert_string_equal(s.listen, "[::1]:1"); /* copied: the environment may change */
	assert_true(s.fast);
	assert_int_equal(s.form, 0);
	pw_config_free(c);
}

static void mistakes_are_named_and_leave_settings_alone(void **state)
{
	static const struct {
		const char *args[3];
		const char *want;
	} rows[] = {
		{{"--nonsense=1"}, "unknown flag \"--nonsense\" (--help lists all)"},
		{{"--listen"}, "--listen: value is missing"},
		{{"stray"}, "stray argument \"stray\" (--help lists all flags)"},
		{{"-x"}, "stray argument \"-x\" (--help lists all flags)"},
		{{"--item-count=11"},
			"--item-count: \"11\" is out of range: takes a whole number, from 1 to 10"},
		{{"--item-count", "x"}, "--item-count: \"x\" is not understood: takes a whole "
					"number, from 1 to 10"},
		{{"--size=1k"}, "--size: \"1k\" is out of range: takes a size such as 4096, 64k, "
				"32M or 1G, from 4k to 1G"},
		{{"--window=1w"}, "--window: \"1w\" is not understood: takes a duration such as "
				  "500ms, 90s, 15m, 24h or 7d"},
		{{"--form=xml"}, "--form: \"xml\" is not understood: takes one of logfmt, json"},
		{{"--fast=maybe"}, "--fast: \"maybe\" is not understood: takes true or false"},
		{{"--form=\x1b[2J"},
			"--form: \"\\x1b[2J\" is not understood: takes one of logfmt, json"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		struct settings s = {0};
		struct pw_config *c = NULL;

		assert_true(load(rows[i].args, &s, &c, &err) < 0);
		assert_string_equal(err.msg, rows[i].want);
		assert_null(s.listen);
		assert_null(c);
	}
}

static void a_bad_variable_is_named(void **state)
{
	const char *const args[] = {NULL};
	struct pw_err err = PW_ERR_INIT;
	struct settings s = {0};
	struct pw_config *c;

	(void)state;
	(void)setenv("PODWARD_ITEM_COUNT", "", 1);
	assert_int_equal(load(args, &s, &c, &err), -EINVAL);
	(void)unsetenv("PODWARD_ITEM_COUNT");
	assert_string_equal(err.msg,
		"PODWARD_ITEM_COUNT: \"\" is not understood: takes a whole number, from 1 to 10");
}

static void a_value_past_the_ceiling_is_refused(void **state)
{
	char value[5000] = "--listen=";
	const char *const args[] = {value, NULL};
	struct pw_err err = PW_ERR_INIT;
	struct settings s = {0};
	struct pw_config *c;

	(void)state;
	memset(value + 9, 'x', sizeof(value) - 10);
	assert_int_equal(load(args, &s, &c, &err), -E2BIG);
	assert_string_equal(err.msg, "--listen: value longer than 4096 bytes");
}

/* Standard output of one call, in a temporary file. */
static void run_builtin(const char *flag, char *out, size_t size)
{
	const char *const args[] = {flag, NULL};
	struct settings s = {0};
	struct pw_config *c;
	FILE *file = tmpfile();
	int kept = dup(STDOUT_FILENO), r;
	size_t len;

	assert_non_null(file);
	(void)fflush(stdout);
	(void)dup2(fileno(file), STDOUT_FILENO);
	r = load(args, &s, &c, NULL);
	(void)dup2(kept, STDOUT_FILENO);
	(void)close(kept);
	assert_int_equal(r, PW_CONFIG_EXIT);
	rewind(file);
	len = fread(out, 1, size - 1, file);
	out[len] = '\0';
	(void)fclose(file);
}

static void help_and_docs_show_every_setting(void **state)
{
	char out[8192];

	(void)state;
	run_builtin("--version", out, sizeof(out));
	assert_string_equal(out, "podward-test " PODWARD_VERSION "\n");
	run_builtin("--help", out, sizeof(out));
	assert_non_null(strstr(out, "Tests the settings."));
	for (size_t i = 0; i < PW_COUNT(table); i++) {
		assert_non_null(strstr(out, table[i].name));
		assert_non_null(strstr(out, table[i].help));
	}
	assert_non_null(strstr(out, "--listen=ADDRESS"));
	run_builtin("--print-settings-doc", out, sizeof(out));
	assert_non_null(strstr(out, "| `--item-count` | `PODWARD_ITEM_COUNT` | a whole number, "
				    "from 1 to 10 | `5` | How many. |\n"));
}

static int load_with_texts(void *ctx)
{
	const char *const args[] = {"--listen=a", NULL};
	struct settings s = {0};
	struct pw_config *c;
	int r = load(args, &s, &c, NULL);

	(void)ctx;
	if (r == 0)
		pw_config_free(c);
	return r;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_int_equal(pw_oom_loop(load_with_texts, NULL), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_apply_when_nothing_is_said),
		cmocka_unit_test(the_command_line_wins_over_the_environment),
		cmocka_unit_test(mistakes_are_named_and_leave_settings_alone),
		cmocka_unit_test(a_bad_variable_is_named),
		cmocka_unit_test(a_value_past_the_ceiling_is_refused),
		cmocka_unit_test(help_and_docs_show_every_setting),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
