/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kube/splitter.h"

#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <stdio.h>

struct out {
	char text[4096];
	size_t count;
	int answer;
};

static int on_object(void *ctx, struct pw_slice text)
{
	struct out *out = ctx;

	out->count++;
	if (out->answer < 0)
		return out->answer;
	(void)snprintf(out->text + strlen(out->text), sizeof(out->text) - strlen(out->text),
		"%.*s|", PW_SLICE_ARG(text));
	return 0;
}

struct row {
	enum pw_splitter_form form;
	const char *text, *objects, *rest;
};

static const struct row rows[] = {
	{PW_SPLITTER_WATCH, "{}", "{}|", ""},
	{PW_SPLITTER_WATCH, "{\"a\":1}\n{\"b\":{}}\n", "{\"a\":1}|{\"b\":{}}|", ""},
	{PW_SPLITTER_WATCH, "{\"a\":\"}{\"}{\"b\":\"\\\"}\"}", "{\"a\":\"}{\"}|{\"b\":\"\\\"}\"}|",
		""},
	{PW_SPLITTER_WATCH, "{\"a\":\"\\\\\"}{}", "{\"a\":\"\\\\\"}|{}|", ""},
	{PW_SPLITTER_WATCH, "{\"a\":\"\xc3\xa4\xe2\x82\xac\"}", "{\"a\":\"\xc3\xa4\xe2\x82\xac\"}|",
		""},
	{PW_SPLITTER_WATCH, "{\"a\":1", "", ""},
	{PW_SPLITTER_LIST, "{\"kind\":\"L\",\"items\":[{\"a\":1},{\"b\":[{}]}],\"x\":1}",
		"{\"a\":1}|{\"b\":[{}]}|", "{\"kind\":\"L\",\"items\":[],\"x\":1}"},
	{PW_SPLITTER_LIST, "{\"items\":[],\"metadata\":{\"items\":[{}]}}", "",
		"{\"items\":[],\"metadata\":{\"items\":[{}]}}"},
	{PW_SPLITTER_LIST, "{\"items\":null,\"a\":\"items\",\"b\":[{}]}", "",
		"{\"items\":null,\"a\":\"items\",\"b\":[{}]}"},
	{PW_SPLITTER_LIST, "{\"itemsx\":[{}],\"items\": [ {} , {} ] }", "{}|{}|",
		"{\"itemsx\":[{}],\"items\": [] }"},
};

static void split(const struct row *row, size_t piece, struct out *out, char rest[1024])
{
	struct pw_slice text = pw_slice_str(row->text);
	struct pw_splitter s;

	*out = (struct out){.text = ""};
	pw_splitter_init(&s, row->form, on_object, out);
	for (size_t at = 0; at < text.len; at += piece)
		assert_int_equal(pw_splitter_feed(&s, pw_slice_sub(text, at, at + piece)), 0);
	(void)snprintf(rest, 1024, "%.*s", PW_SLICE_ARG(pw_splitter_rest(&s)));
	pw_splitter_done(&s);
}

static void objects_come_out_whole_whatever_the_pieces_are(void **state)
{
	struct out out;
	char rest[1024];

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		for (size_t piece = 1; piece <= strlen(rows[i].text); piece++) {
			split(&rows[i], piece, &out, rest);
			assert_string_equal(out.text, rows[i].objects);
			assert_string_equal(rest, rows[i].rest);
		}
}

static void an_oversized_object_is_passed_over_and_counted(void **state)
{
	struct out out = {.text = ""};
	static char big[1 << 20];
	struct pw_splitter s;

	(void)state;
	memset(big, 'x', sizeof(big));
	pw_splitter_init(&s, PW_SPLITTER_WATCH, on_object, &out);
	assert_int_equal(pw_splitter_feed(&s, PW_SLICE_LIT("{\"a\":\"")), 0);
	for (size_t n = 0; n <= PW_SPLITTER_OBJECT; n += sizeof(big))
		assert_int_equal(pw_splitter_feed(&s, pw_slice_of(big, sizeof(big))), 0);
	assert_int_equal(pw_splitter_feed(&s, PW_SLICE_LIT("\"}{\"b\":1}")), 0);
	assert_int_equal(s.oversized, 1);
	assert_string_equal(out.text, "{\"b\":1}|");
	assert_true(pw_splitter_is_complete(&s));
	pw_splitter_done(&s);
}

static void nesting_without_end_and_stray_brackets_are_refused(void **state)
{
	struct out out = {.text = ""};
	struct pw_splitter s;
	int r = 0;

	(void)state;
	pw_splitter_init(&s, PW_SPLITTER_LIST, on_object, &out);
	for (size_t i = 0; r == 0 && i < 1000; i++)
		r = pw_splitter_feed(&s, PW_SLICE_LIT("["));
	assert_int_equal(r, -EBADMSG);
	pw_splitter_done(&s);
	pw_splitter_init(&s, PW_SPLITTER_WATCH, on_object, &out);
	assert_int_equal(pw_splitter_feed(&s, PW_SLICE_LIT("{}}")), -EBADMSG);
	pw_splitter_done(&s);
}

static void a_refusal_of_the_reader_ends_the_feeding(void **state)
{
	struct out out = {.answer = -EIDRM};
	struct pw_splitter s;

	(void)state;
	pw_splitter_init(&s, PW_SPLITTER_WATCH, on_object, &out);
	assert_int_equal(pw_splitter_feed(&s, PW_SLICE_LIT("{}{}")), -EIDRM);
	assert_int_equal(out.count, 1);
	pw_splitter_done(&s);
}

static int feed_once(void *ctx)
{
	struct out out = {.text = ""};
	struct pw_splitter s;
	int r;

	(void)ctx;
	pw_splitter_init(&s, PW_SPLITTER_LIST, on_object, &out);
	r = pw_splitter_feed(&s, PW_SLICE_LIT("{\"kind\":\"L\",\"items\":[{\"a\":1}]}"));
	pw_splitter_done(&s);
	return r;
}

static void running_out_of_memory_is_an_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(feed_once, NULL) > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_come_out_whole_whatever_the_pieces_are),
		cmocka_unit_test(an_oversized_object_is_passed_over_and_counted),
		cmocka_unit_test(nesting_without_end_and_stray_brackets_are_refused),
		cmocka_unit_test(a_refusal_of_the_reader_ends_the_feeding),
		cmocka_unit_test(running_out_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
