/* SPDX-License-Identifier: Apache-2.0 */
#include "common/testing/cm.h"
#include "common/testing/oom.h"
#include "common/web/json.h"

#include <errno.h>
#include <string.h>

static void yaml_becomes_the_same_tree_as_json(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		/* text that YAML 1.1 takes for something else */
		{"[no, on, yes, off, Yes, y, n, 1_000, 12:30:45, 0b1, 1e, 2026-11-23]",
			"[\"no\",\"on\",\"yes\",\"off\",\"Yes\",\"y\",\"n\",\"1_000\",\"12:30:45\","
			"\"0b1\",\"1e\",\"2026-11-23\"]"},
		{"[true, True, TRUE, false, False, FALSE, tRUE]",
			"[true,true,true,false,false,false,\"tRUE\"]"},
		{"[null, Null, NULL, ~, '', \"~\"]", "[null,null,null,null,\"\",\"~\"]"},
		{"[0, -1, +7, 0644, 0o644, 0xFf, 0x, 0o8, -0x1]",
			"[0,-1,7,644,420,255,\"0x\",\"0o8\",\"-0x1\"]"},
		{"[9223372036854775807, -9223372036854775808]",
			"[9223372036854775807,-9223372036854775808]"},
		{"[1.5, -.5, 2., 1e3, .e3, ., -, 1.5.2]",
			"[1.5,-0.5,2.0,1000.0,\".e3\",\".\",\"-\",\"1.5.2\"]"},
		{"['12', \"true\", 'null']", "[\"12\",\"true\",\"null\"]"},
		{"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"},
		{"1: a\ntrue: b\n'<<': c\n'': d\n",
			"{\"\":\"d\",\"1\":\"a\",\"<<\":\"c\",\"true\":\"b\"}"},
		{"a:\nb: {c: [], d: {}}\n", "{\"a\":null,\"b\":{\"c\":[],\"d\":{}}}"},
		{"{\"json\": [1, {\"x\": \"\\u00fc\"}]}", "{\"json\":[1,{\"x\":\"\xc3\xbc\"}]}"},
		{"\xef\xbb\xbf"
		 "a: b\n",
			"{\"a\":\"b\"}"},
		{"plain text", "\"plain text\""},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		struct pw_json **docs;
		size_t count;
		pw_auto_buf out;

		pw_buf_init(&out, 1000);
		if (pw_yaml_parse(pw_slice_str(rows[i].text), &docs, &count, &err) < 0)
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_equal(count, 1);
		assert_int_equal(pw_json_dump(docs[0], &out), 0);
		assert_string_equal(pw_buf_text(&out), rows[i].want);
		pw_yaml_docs_free(docs, count);
	}
}

static void documents_without_content_are_left_out(void **state)
{
	static const struct {
		const char *text;
		size_t count;
	} rows[] = {
		{"", 0},
		{"# only a comment\n", 0},
		{"---\n---\n", 0},
		{"--- a\n--- b\n...\n", 2},
		{"---\n# nothing\n---\na: 1\n---\n", 1},
		{"--- ''\n", 1},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		struct pw_json **docs;
		size_t count = 99;

		assert_int_equal(pw_yaml_parse(pw_slice_str(rows[i].text), &docs, &count, &err), 0);
		assert_int_equal(count, rows[i].count);
		pw_yaml_docs_free(docs, count);
	}
}

static void what_we_do_not_take_is_refused_with_line_and_column(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"a: &x 1\n", "YAML line 1, column 4: anchors are not supported"},
		{"a: 1\nb: *x\n", "YAML line 2, column 4: aliases are not supported"},
		{"a: &x [1]\n", "YAML line 1, column 4: anchors are not supported"},
		{"a: &x {b: 1}\n", "YAML line 1, column 4: anchors are not supported"},
		{"&x a: 1\n", "YAML line 1, column 1: anchors are not supported"},
		{"a: !!str 1\n", "YAML line 1, column 4: tags are not supported"},
		{"a: ! '1'\n", "YAML line 1, column 4: tags are not supported"},
		{"a: !x [1]\n", "YAML line 1, column 4: tags are not supported"},
		{"a: !x {b: 1}\n", "YAML line 1, column 4: tags are not supported"},
		{"a: 1\n<<: {b: 1}\n", "YAML line 2, column 1: merge keys are not supported"},
		{"a: 1\nb: 2\na: 3\n", "YAML line 3, column 1: key \"a\" is there twice"},
		{"{a: 1, 'a': 2}", "YAML line 1, column 8: key \"a\" is there twice"},
		{"\"\\e[2J\": 1\n\"\\e[2J\": 2\n",
			"YAML line 2, column 1: key \"\\x1b[2J\" is there twice"},
		{"? [1]\n: 2\n", "YAML line 1, column 3: a key must be text"},
		{"? {a: 1}\n: 2\n", "YAML line 1, column 3: a key must be text"},
		{"?\n: 1\n", "YAML line 1, column 2: key is missing"},
		{"a: \"x\\0y\"\n", "YAML line 1, column 4: text contains a NUL byte"},
		{"a: .inf\n", "YAML line 1, column 4: infinity and NaN are not supported"},
		{"a: -.INF\n", "YAML line 1, column 4: infinity and NaN are not supported"},
		{"a: .nan\n", "YAML line 1, column 4: infinity and NaN are not supported"},
		{"a: 9223372036854775808\n", "YAML line 1, column 4: number is out of range"},
		{"a: 0x8000000000000000\n", "YAML line 1, column 4: number is out of range"},
		{"a: 0o7777777777777777777777\n", "YAML line 1, column 4: number is out of range"},
		{"a: 1e999\n", "YAML line 1, column 4: number is out of range"},
		{"a: [1\nb: 2\n", "YAML line 2, column 2: did not find expected ',' or ']'"},
		{"a: b\n\tc: d\n",
			"YAML line 2, column 1: found a tab character that violates indentation"},
		{"a: b\nc: \xff\n", "YAML line 2, column 4: invalid leading UTF-8 octet"},
		{"a: \x01\n", "YAML line 1, column 4: control characters are not allowed"},
		{"%YAML 9.1\n--- a\n", "YAML line 1, column 1: found incompatible YAML document"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		struct pw_json **docs = NULL;
		size_t count = 99;

		assert_int_equal(
			pw_yaml_parse(pw_slice_str(rows[i].text), &docs, &count, &err), -EINVAL);
		if (strcmp(err.msg, rows[i].want) != 0)
			fail_msg("row %zu: %s", i, err.msg);
		assert_null(docs);
		assert_int_equal(count, 99);
	}
}

static int parse_nested(size_t depth, struct pw_err *err)
{
	char text[300];
	struct pw_json **docs;
	size_t count;
	int r;

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	r = pw_yaml_parse(pw_slice_of(text, depth * 2), &docs, &count, err);
	if (r == 0)
		pw_yaml_docs_free(docs, count);
	return r;
}

static void depth_size_and_documents_have_ceilings(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_json **docs;
	pw_auto_buf text;
	size_t count;

	(void)state;
	assert_int_equal(parse_nested(64, &err), 0);
	assert_int_equal(parse_nested(65, &err), -EINVAL);
	assert_string_equal(err.msg, "YAML line 1, column 65: nested deeper than 64");
	pw_err_clear(&err);
	assert_int_equal(
		pw_yaml_parse(pw_slice_of("", (1 << 20) + 1), &docs, &count, &err), -E2BIG);
	pw_err_clear(&err);
	pw_buf_init(&text, 1 << 20);
	for (int i = 0; i < 4097; i++)
		(void)pw_buf_add_str(&text, "--- a\n");
	assert_int_equal(pw_yaml_parse(pw_buf_slice(&text), &docs, &count, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "more than 4096 documents"));
}

static int parse_some(void *ctx)
{
	struct pw_json **docs;
	size_t count;
	int r = pw_yaml_parse(pw_slice_str("a: {b: c, d: [e]}\n--- x\n--- y\n--- z\n--- 1\n"),
		&docs, &count, NULL);

	(void)ctx;
	if (r == 0)
		pw_yaml_docs_free(docs, count);
	return r;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(parse_some, NULL) >= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yaml_becomes_the_same_tree_as_json),
		cmocka_unit_test(documents_without_content_are_left_out),
		cmocka_unit_test(what_we_do_not_take_is_refused_with_line_and_column),
		cmocka_unit_test(depth_size_and_documents_have_ceilings),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
