/* SPDX-License-Identifier: Apache-2.0 */
/* What is hidden in arguments and environment, what is not, and how rules of a file change that. */
#include "collector/redact.h"
#include "common/testing/oom.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* '|' stands for NUL in the rows. */
static struct pw_slice with_nul(const char *text, char *out)
{
	size_t len = strlen(text);

	for (size_t i = 0; i <= len; i++)
		out[i] = (char)(text[i] == '|' ? 0 : text[i]);
	return pw_slice_of(out, len);
}

/* In the rows "***" stands for "***" and the eight digits of the hash. */
static void without_hashes(struct pw_buf *b)
{
	size_t to = 0;

	for (size_t i = 0; i < b->len; i++) {
		b->data[to++] = b->data[i];
		if (to < 3 || memcmp(b->data + to - 3, "***", 3) != 0)
			continue;
		for (unsigned digit = 0; digit < 8; digit++)
			assert_true(isxdigit(b->data[++i]));
	}
	b->len = to;
}

static void what_looks_like_a_secret_is_hidden(void **state)
{
	static const struct {
		const char *args, *result;
	} rows[] = {
		{"ls|-l|/tmp", "ls|-l|/tmp"},
		{"m|--password=hunter2", "m|--password=***"},
		{"m|--password=hun,ter", "m|--password=***"},
		{"m|--password|hunter2|x", "m|--password|***|x"},
		{"m|--password|--other", "m|--password|--other"},
		{"m|--db-password=x|y", "m|--db-password=***|y"},
		{"m|DB_PASSWD=x", "m|DB_PASSWD=***"},
		{"m|--api-key=abc", "m|--api-key=***"},
		{"m|--apiKey|abc", "m|--apiKey|***"},
		{"m|--token=abc", "m|--token=***"},
		{"m|-token|abc", "m|-token|***"},
		{"curl|-H|Authorization: Bearer abc.def", "curl|-H|Authorization: Bearer ***"},
		{"curl|-H|Authorization: Basic dXNlcjpw", "curl|-H|Authorization: Basic ***"},
		{"curl|-H|Authorization: Basic dXNl==", "curl|-H|Authorization: Basic ***"},
		{"curl|-H|X-Api-Key: abc", "curl|-H|X-Api-Key: ***"},
		{"curl|-H|Cookie: a=b", "curl|-H|Cookie: ***"},
		{"echo|basic training", "echo|basic training"},
		{"curl|https://user:pw@host/x", "curl|https://user:***@host/x"},
		{"curl|https://host:8080/x", "curl|https://host:8080/x"},
		{"curl|https://host/?token=abc&x=1", "curl|https://host/?token=***&x=1"},
		{"xmrig|-o|stratum+tcp://w:x@pool:3333", "xmrig|-o|stratum+tcp://w:***@pool:3333"},
		{"aws|AKIAABCDEFGHIJKLMNOP", "aws|***"},
		{"x|ghp_0123456789012345678901234567890123456", "x|***"},
		{"x|eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.abc", "x|***"},
		{"x|{\"password\": \"abc\", \"user\": \"u\"}",
			"x|{\"password\": \"***\", \"user\": \"u\"}"},
		{"x|-----BEGIN RSA PRIVATE KEY-----\nMIIE", "x|***"},
		{"cat|/var/run/secrets/kubernetes.io/serviceaccount/token",
			"cat|/var/run/secrets/kubernetes.io/serviceaccount/token"},
		{"x|password=|y", "x|password=|y"},
		{"a||b", "a||b"},
		{"a|b|", "a|b"},
		{"", ""},
		/* a flag's value is all of the rest */
		{"m|--password=a b;c|x", "m|--password=***|x"},
		{"m|--pass-phrase=a&b", "m|--pass-phrase=***"},
		{"m|--secret=-----BEGIN", "m|--secret=***"},
		/* an assignment must not hide a command */
		{"sh|-c|TOKEN=x; rm -rf /", "sh|-c|TOKEN=***; rm -rf /"},
		{"sh|-c|PASSWORD='a b' psql", "sh|-c|PASSWORD='***' psql"},
		{"sh|-c|PASSWORD='a psql", "sh|-c|PASSWORD='*** psql"},
		{"x|{\"token\":\"a b\"}", "x|{\"token\":\"***\"}"},
	};
	char args[256];
	char wanted[256];
	struct pw_buf out;

	(void)state;
	pw_buf_init(&out, 4096);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		pw_buf_clear(&out);
		assert_int_equal(
			redact_args(redact_rules_built_in(), with_nul(rows[i].args, args), &out),
			0);
		without_hashes(&out);
		if (!pw_slice_eq(pw_buf_slice(&out), with_nul(rows[i].result, wanted)))
			fail_msg("%s: got %.*s", rows[i].args, (int)out.len, (char *)out.data);
	}
	pw_buf_done(&out);
}

static struct redact_rules *rules_of(const char *text)
{
	struct redact_settings settings = {0};
	struct redact_rules *rules = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(redact_rules_new(&settings, &rules, &err), 0);
	if (redact_rules_parse(rules, pw_slice_str(text), "test", &err) < 0)
		fail_msg("%s", err.msg);
	return rules;
}

static void rules_of_a_file_come_first(void **state)
{
	static const struct {
		const char *rules, *args, *result;
	} rows[] = {
		{"hide-name dsn\n", "m|--dsn=abc", "m|--dsn=***"},
		{"hide-name DS-N\n", "m|--d_sn|abc", "m|--d_sn|***"},
		{"keep-name token\n", "m|--token=abc", "m|--token=abc"},
		{"keep-name token\nhide-name token\n", "m|--token=abc", "m|--token=abc"},
		{"# tok\n\n  hide-start tok- 3 \n", "m|tok-abc|tok-ab", "m|***|tok-ab"},
		{"hide-start tok- 0", "m|tok-", "m|***"},
		{"", "m|--dsn=abc", "m|--dsn=abc"},
	};
	char args[256], wanted[256];
	struct pw_buf out;

	(void)state;
	pw_buf_init(&out, 4096);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct redact_rules *rules = rules_of(rows[i].rules);

		pw_buf_clear(&out);
		assert_int_equal(redact_args(rules, with_nul(rows[i].args, args), &out), 0);
		without_hashes(&out);
		if (!pw_slice_eq(pw_buf_slice(&out), with_nul(rows[i].result, wanted)))
			fail_msg("%s: got %.*s", rows[i].args, (int)out.len, (char *)out.data);
		redact_rules_free(rules);
	}
	pw_buf_done(&out);
}

static void only_listed_variables_leave_and_few_with_their_value(void **state)
{
	static const struct {
		const char *rules, *env, *result;
	} rows[] = {
		{"", "HOME=/root|LD_PRELOAD=/tmp/x.so|PATH=/bin", "LD_PRELOAD=/tmp/x.so"},
		{"", "https_proxy=http://u:p@h|LD_AUDIT=", "https_proxy=***|LD_AUDIT="},
		{"", "PYTHONPATH=/a|AWS_SECRET_ACCESS_KEY=abc|",
			"PYTHONPATH=/a|AWS_SECRET_ACCESS_KEY=***"},
		{"", "LD_PRELOAD=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "LD_PRELOAD=***"},
		{"", "novalue|=x||LD_PRELOADX=/a", ""},
		{"env FLAG", "FLAG=1|HOME=/root", "FLAG=***"},
		{"env-show FLAG", "FLAG=1|HOME=/root", "FLAG=1"},
		{"env-show MY_TOKEN", "MY_TOKEN=1", "MY_TOKEN=***"},
		{"env LD_PRELOAD", "LD_PRELOAD=/tmp/x.so", "LD_PRELOAD=***"},
		{"", "", ""},
	};
	char env[256], wanted[256];
	struct pw_buf out;

	(void)state;
	pw_buf_init(&out, 4096);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct redact_rules *rules = rules_of(rows[i].rules);

		pw_buf_clear(&out);
		assert_int_equal(redact_env(rules, with_nul(rows[i].env, env), &out), 0);
		without_hashes(&out);
		if (!pw_slice_eq(pw_buf_slice(&out), with_nul(rows[i].result, wanted)))
			fail_msg("%s: got %.*s", rows[i].env, (int)out.len, (char *)out.data);
		redact_rules_free(rules);
	}
	pw_buf_done(&out);
}

static void many_variables_are_cut_at_the_ceiling(void **state)
{
	struct pw_buf env, out;

	(void)state;
	pw_buf_init(&env, 1 << 20);
	pw_buf_init(&out, 1 << 20);
	for (unsigned i = 0; i < 1000; i++)
		(void)pw_buf_add(&env, "LD_PRELOAD=/some/library.so", 28);
	assert_int_equal(redact_env(redact_rules_built_in(), pw_buf_slice(&env), &out), 0);
	assert_in_range(out.len, 4096 - 28, 4096 + 28);
	pw_buf_done(&env);
	pw_buf_done(&out);
}

static void equal_values_stay_equal_under_one_key_only(void **state)
{
	struct redact_settings settings = {.random_key = true};
	struct redact_rules *a = NULL, *b = NULL;

	(void)state;
	assert_int_equal(redact_rules_new(&settings, &a, NULL), 0);
	assert_int_equal(redact_rules_new(&settings, &b, NULL), 0);
	assert_int_equal(redact_rules_hash(a, PW_SLICE_LIT("hunter2")),
		redact_rules_hash(a, PW_SLICE_LIT("hunter2")));
	assert_int_not_equal(redact_rules_hash(a, PW_SLICE_LIT("hunter2")),
		redact_rules_hash(a, PW_SLICE_LIT("hunter3")));
	assert_int_not_equal(redact_rules_hash(a, PW_SLICE_LIT("hunter2")),
		redact_rules_hash(b, PW_SLICE_LIT("hunter2")));
	redact_rules_free(a);
	redact_rules_free(b);
}

static void bad_rules_are_named_by_line(void **state)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"hide name\n", "line 1: unknown rule"},
		{"\n# x\nhide-name\n", "line 3: expected a text"},
		{"hide-name a b", "more words"},
		{"hide-name --", "only of"},
		{"hide-start tok", "expected a number"},
		{"hide-start tok 4097", "expected a number"},
		{"hide-start tok x", "expected a number"},
		{"env A\x1b[0m B", "more words"},
		{"env 0123456789012345678901234567890123456789012345678901234567890123456",
			"1 to 64 bytes"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct redact_rules *rules = rules_of("");
		struct pw_err err = PW_ERR_INIT;

		assert_int_equal(
			redact_rules_parse(rules, pw_slice_str(rows[i].text), "file", &err),
			-EINVAL);
		if (!strstr(err.msg, rows[i].words))
			fail_msg("%s: got %s", rows[i].text, err.msg);
		assert_null(strchr(err.msg, 0x1b));
		redact_rules_free(rules);
	}
}

static void there_is_a_ceiling_of_rules(void **state)
{
	struct redact_rules *rules = rules_of("");
	struct pw_err err = PW_ERR_INIT;
	struct pw_buf text;

	(void)state;
	pw_buf_init(&text, 1 << 16);
	for (unsigned i = 0; i < REDACT_RULES_MAX; i++)
		(void)pw_buf_addf(&text, "env V%u\n", i);
	assert_int_equal(redact_rules_parse(rules, pw_buf_slice(&text), "file", &err), 0);
	assert_int_equal(redact_rules_parse(rules, PW_SLICE_LIT("env A"), "file", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "more than 256"));
	assert_int_equal(redact_rules_env(rules, PW_SLICE_LIT("V255")), REDACT_ENV_HIDDEN);
	pw_buf_done(&text);
	redact_rules_free(rules);
}

static void write_file(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	(void)close(fd);
}

static void files_are_read_and_refused_with_their_name(void **state)
{
	char path[] = "/tmp/podward-redact-XXXXXX";
	struct redact_settings rules_file = {.rules_file = path}, key_file = {.key_file = path};
	struct redact_rules *rules = NULL;
	struct pw_err err = PW_ERR_INIT;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	write_file(path, "hide-name dsn\n", 14);
	assert_int_equal(redact_rules_new(&rules_file, &rules, &err), 0);
	assert_true(redact_rules_hide_name(rules, PW_SLICE_LIT("DSN")));
	redact_rules_free(rules);
	assert_int_equal(redact_rules_new(&key_file, &rules, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "--redact-key"));
	assert_non_null(strstr(err.msg, path));
	write_file(path, "0123456789abcdef and more", 25);
	pw_err_clear(&err);
	assert_int_equal(redact_rules_new(&key_file, &rules, &err), 0);
	assert_int_equal(redact_rules_hash(rules, PW_SLICE_LIT("x")),
		(uint32_t)pw_siphash(PW_SLICE_LIT("x"), (const uint8_t *)"0123456789abcdef"));
	redact_rules_free(rules);
	(void)unlink(path);
	assert_int_equal(redact_rules_new(&rules_file, &rules, &err), -ENOENT);
}

static int make_once(void *settings)
{
	struct redact_rules *rules = NULL;
	int r = redact_rules_new(settings, &rules, NULL);

	redact_rules_free(rules);
	return r;
}

static void running_out_of_memory_is_an_error(void **state)
{
	char path[] = "/tmp/podward-redact-XXXXXX";
	struct redact_settings settings = {.rules_file = path};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	write_file(path, "hide-name a\nenv B\nenv C\n", 24);
	assert_true(pw_oom_loop(make_once, &settings) >= 4);
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_looks_like_a_secret_is_hidden),
		cmocka_unit_test(rules_of_a_file_come_first),
		cmocka_unit_test(only_listed_variables_leave_and_few_with_their_value),
		cmocka_unit_test(many_variables_are_cut_at_the_ceiling),
		cmocka_unit_test(equal_values_stay_equal_under_one_key_only),
		cmocka_unit_test(bad_rules_are_named_by_line),
		cmocka_unit_test(there_is_a_ceiling_of_rules),
		cmocka_unit_test(files_are_read_and_refused_with_their_name),
		cmocka_unit_test(running_out_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
