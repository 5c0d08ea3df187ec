/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/clock.h"
#include "common/testing/cm.h"
#include "common/web/json.h"

#include <errno.h>
#include <string.h>

static struct pw_json *parse(const char *text)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_json *j;

	if (pw_json_parse(pw_slice_str(text), &j, &err) < 0)
		fail_msg("%s", err.msg);
	return j;
}

static void a_tree_is_written_compact_and_sorted(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"{\"b\": [1, 2.5, null, true], \"a\": \"x\\u00fc\"}",
			"{\"a\":\"x\xc3\xbc\",\"b\":[1,2.5,null,true]}"},
		{" 12 ", "12"},
		{"\"\"", "\"\""},
		{"null", "null"},
		{"[]", "[]"},
		{"{}", "{}"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"\"a\\u000ab\"", "\"a\\nb\""},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_json *j = parse(rows[i].text);
		pw_auto_buf out;

		pw_buf_init(&out, 1000);
		assert_int_equal(pw_json_dump(j, &out), 0);
		assert_string_equal(pw_buf_text(&out), rows[i].want);
		pw_json_free(j);
	}
}

static void wrong_text_is_refused_with_its_position(void **state)
{
	static const struct {
		const char *text;
		size_t len; /* 0 = strlen */
		const char *holds;
	} rows[] = {
		{"", 0, "JSON line 1, column 0: "},
		{"{\n \"a\": }", 0, "JSON line 2, column 7: "},
		{"[1] x", 0, "end of file expected near"},
		{"{\"a\":1,\"a\":2}", 0, "duplicate object key"},
		{"\"\xff\"", 0, "JSON line 1, column 1: "},
		{"\"\xff\"", 0, "decode byte 0xff"},
		{"\"a\\u0000b\"", 0, "\\\\u0000 is not allowed"},
		{"\"a\0b\"", 5, "JSON line 1, column 2: "},
		{"\"\\ud800\"", 0, "invalid Unicode"},
		{"1e999", 0, "real number overflow"},
		{"99999999999999999999", 0, "too big integer"},
		{"[NaN]", 0, "invalid token"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		size_t len = rows[i].len ? rows[i].len : strlen(rows[i].text);
		struct pw_err err = PW_ERR_INIT;
		struct pw_json *j = NULL;

		assert_int_equal(pw_json_parse(pw_slice_of(rows[i].text, len), &j, &err), -EINVAL);
		assert_null(j);
		if (!strstr(err.msg, rows[i].holds))
			fail_msg("row %zu: %s", i, err.msg);
	}
}

static int parse_nested(size_t depth, struct pw_err *err)
{
	char text[300];
	struct pw_json *j;
	int r;

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	r = pw_json_parse(pw_slice_of(text, depth * 2), &j, err);
	if (r == 0)
		pw_json_free(j);
	return r;
}

static void depth_and_size_have_ceilings(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_json *j;

	(void)state;
	assert_int_equal(parse_nested(64, &err), 0);
	assert_int_equal(parse_nested(65, &err), -EINVAL);
	assert_string_equal(err.msg, "JSON byte 64: nested deeper than 64");
	pw_err_clear(&err);
	assert_int_equal(pw_json_parse(pw_slice_of("", (1 << 20) + 1), &j, &err), -E2BIG);
	/* Brackets inside text are not nesting. */
	j = parse("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[["
		  "\"");
	pw_json_free(j);
}

static void a_dump_past_the_ceiling_is_an_error(void **state)
{
	struct pw_json *j = parse("[1,2,3,4,5]");
	pw_auto_buf out;

	(void)state;
	pw_buf_init(&out, 5);
	assert_int_equal(pw_json_dump(j, &out), -E2BIG);
	pw_json_free(j);
	pw_json_free(NULL);
}

static void access_of_what_is_not_there_gives_nothing(void **state)
{
	struct pw_json *j = parse("{\"z\":1,\"a\":[true,2.5],\"m\":null}");
	const char *key = NULL;
	void *cursor = NULL;

	(void)state;
	assert_int_equal(pw_json_size(j), 3);
	assert_int_equal(pw_json_int(pw_json_member(j, 0, &key)), 1);
	assert_string_equal(key, "z"); /* file order */
	assert_null(pw_json_member(j, 3, &key));
	assert_null(pw_json_get(j, "x"));
	assert_null(pw_json_at(j, 0));
	assert_true(pw_json_bool(pw_json_at(pw_json_get(j, "a"), 0)));
	assert_true(pw_json_real(pw_json_at(pw_json_get(j, "a"), 1)) == 2.5);
	assert_null(pw_json_at(pw_json_get(j, "a"), 2));
	assert_int_equal(pw_json_type(NULL), PW_JSON_NULL);
	assert_null(pw_json_text(j).ptr);
	for (int i = 0; i < 3; i++)
		assert_non_null(pw_json_next(j, &cursor, &key));
	assert_string_equal(key, "m");
	assert_null(pw_json_next(j, &cursor, &key));
	pw_json_free(j);
}

static void a_reader_gives_values_and_defaults(void **state)
{
	static const char *const known[] = {"name", "count", "on", "window", "mode", "list", NULL};
	static const char *const modes[] = {"audit", "enforce", NULL};
	struct pw_json *j = parse("{\"name\":\"x\",\"count\":5,\"on\":true,\"window\":\"15m\","
				  "\"mode\":\"enforce\",\"list\":[\"a\",\"b\"]}");
	struct pw_json_reader r, list, item;
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	pw_reader_init(&r, j, &err);
	pw_read_only(&r, known);
	assert_true(pw_slice_eq_str(pw_read_text(&r, "name", true, 10), "x"));
	assert_int_equal(pw_read_int(&r, "count", 0, 10, 1), 5);
	assert_int_equal(pw_read_int(&r, "absent", 0, 10, 1), 1);
	assert_true(pw_read_bool(&r, "on", false));
	assert_true(pw_read_bool(&r, "absent", true));
	assert_int_equal(pw_read_duration(&r, "window", 0), 900 * PW_NS_PER_S);
	assert_int_equal(pw_read_duration(&r, "count", 0), 5 * PW_NS_PER_S);
	assert_int_equal(pw_read_choice(&r, "mode", modes, 0), 1);
	assert_int_equal(pw_read_choice(&r, "absent", modes, -1), -1);
	assert_int_equal(pw_read_array(&r, "list", 2, &list), 2);
	item = pw_reader_item(&list, 1);
	assert_true(pw_slice_eq_str(pw_read_text(&item, NULL, true, 10), "b"));
	assert_string_equal(item.path, "list[1]");
	assert_int_equal(pw_read_array(&r, "absent", 2, &list), 0);
	assert_int_equal(err.code, 0);
	pw_json_free(j);
}

/* Reads the same spec as every row; the row says what is wrong with it. */
static void read_spec(struct pw_json_reader *root)
{
	static const char *const known[] = {"spec", NULL};
	static const char *const in_rule[] = {"action", "count", "on", "for", NULL};
	static const char *const actions[] = {"alert", "ignore", NULL};
	struct pw_json_reader spec, rules;
	size_t count;

	pw_read_only(root, known);
	spec = pw_reader_field(root, "spec");
	count = pw_read_array(&spec, "rules", 3, &rules);
	for (size_t i = 0; i < count; i++) {
		struct pw_json_reader rule = pw_reader_item(&rules, i);

		pw_read_only(&rule, in_rule);
		(void)pw_read_choice(&rule, "action", actions, 0);
		(void)pw_read_int(&rule, "count", 1, 5, 1);
		(void)pw_read_bool(&rule, "on", true);
		(void)pw_read_duration(&rule, "for", 0);
		(void)pw_read_text(&rule, "action", true, 6);
	}
}

static void errors_name_the_field(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"[]", "document: expected an object, got a list"},
		{"{\"spek\":1}", "spek: unknown field"},
		{"{\"\\u001b[2J\":1}", "\\x1b[2J: unknown field"},
		{"{\"spec\":7}", "spec: expected an object, got a whole number"},
		{"{\"spec\":{\"rules\":{}}}", "spec.rules: expected a list, got an object"},
		{"{\"spec\":{\"rules\":[1,2,3,4]}}", "spec.rules: 4 items, at most 3 are allowed"},
		{"{\"spec\":{\"rules\":[1]}}",
			"spec.rules[0]: expected an object, got a whole number"},
		{"{\"spec\":{\"rules\":[{}]}}", "spec.rules[0].action: is required"},
		{"{\"spec\":{\"rules\":[{\"action\":null}]}}", "spec.rules[0].action: is required"},
		{"{\"spec\":{\"rules\":[{\"action\":1.5}]}}",
			"spec.rules[0].action: expected text, got a number"},
		{"{\"spec\":{\"rules\":[{\"action\":\"kill\\n\"}]}}",
			"spec.rules[0].action: \"kill\\n\" is not one of alert, ignore"},
		{"{\"spec\":{\"rules\":[{\"action\":\"alert\",\"count\":6}]}}",
			"spec.rules[0].count: 6 is not between 1 and 5"},
		{"{\"spec\":{\"rules\":[{\"action\":\"alert\",\"count\":\"6\"}]}}",
			"spec.rules[0].count: expected a whole number, got text"},
		{"{\"spec\":{\"rules\":[{\"action\":\"alert\",\"on\":\"no\"}]}}",
			"spec.rules[0].on: expected true or false, got text"},
		{"{\"spec\":{\"rules\":[{\"action\":\"alert\",\"for\":\"soon\"}]}}",
			"spec.rules[0].for: \"soon\" is not a duration such as 90s, 15m or 24h"},
		{"{\"spec\":{\"rules\":[{\"action\":\"alert\",\"for\":-5}]}}",
			"spec.rules[0].for: expected a duration such as 90s, 15m or 24h, got a "
			"whole number"},
		{"{\"spec\":{\"rules\":[{\"action\":\"alert\"},{\"action\":\"\"}]}}",
			"spec.rules[1].action: \"\" is not one of alert, ignore"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_json *j = parse(rows[i].text);
		struct pw_err err = PW_ERR_INIT;
		struct pw_json_reader root;

		pw_reader_init(&root, j, &err);
		read_spec(&root);
		assert_string_equal(err.msg, rows[i].want);
		pw_json_free(j);
	}
}

static void a_long_path_is_cut(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_json_reader r;
	char key[91];

	(void)state;
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	pw_reader_init(&r, NULL, &err);
	for (int i = 0; i < 5; i++)
		r = pw_reader_field(&r, key);
	r = pw_reader_item(&r, 3);
	assert_int_equal(strlen(r.path), sizeof(r.path) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_is_written_compact_and_sorted),
		cmocka_unit_test(wrong_text_is_refused_with_its_position),
		cmocka_unit_test(depth_and_size_have_ceilings),
		cmocka_unit_test(a_dump_past_the_ceiling_is_an_error),
		cmocka_unit_test(access_of_what_is_not_there_gives_nothing),
		cmocka_unit_test(a_reader_gives_values_and_defaults),
		cmocka_unit_test(errors_name_the_field),
		cmocka_unit_test(a_long_path_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
