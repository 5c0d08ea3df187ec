/* SPDX-License-Identifier: Apache-2.0 */
/* num, clock, escape, random, base64 */
#include "common/base/base64.h"
#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/num.h"
#include "common/base/random.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <string.h>

static void whole_numbers_must_match_whole(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		int r;
		uint64_t value;
	} rows[] = {
		{"0", 10, 0, 0},
		{"10", 10, 0, 10},
		{"11", 10, -ERANGE, 0},
		{"", 10, -EINVAL, 0},
		{"+1", 10, -EINVAL, 0},
		{"-1", 10, -EINVAL, 0},
		{" 1", 10, -EINVAL, 0},
		{"1 ", 10, -EINVAL, 0},
		{"0x1", 10, -EINVAL, 0},
		{"007", 10, 0, 7},
		{"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, -ERANGE, 0},
		{"99999999999999999999999x", UINT64_MAX, -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		uint64_t value = 77;

		assert_int_equal(
			pw_num_u64(pw_slice_str(rows[i].text), rows[i].max, &value), rows[i].r);
		assert_true(value == (rows[i].r ? 77 : rows[i].value));
	}
}

static void signed_numbers_reach_both_ends(void **state)
{
	static const struct {
		const char *text;
		int r;
		int64_t value;
	} rows[] = {
		{"-9223372036854775808", 0, INT64_MIN},
		{"9223372036854775807", 0, INT64_MAX},
		{"9223372036854775808", -ERANGE, 0},
		{"-9223372036854775809", -ERANGE, 0},
		{"-", -EINVAL, 0},
		{"--1", -EINVAL, 0},
		{"-0", 0, 0},
		{"-12", 0, -12},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		int64_t value = 77;

		assert_int_equal(
			pw_num_i64(pw_slice_str(rows[i].text), INT64_MIN, INT64_MAX, &value),
			rows[i].r);
		assert_true(value == (rows[i].r ? 77 : rows[i].value));
	}
}

static void hexadecimal_and_sizes(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(pw_num_hex(PW_SLICE_LIT("fFff"), UINT64_MAX, &value), 0);
	assert_int_equal(value, 0xffff);
	assert_int_equal(pw_num_hex(PW_SLICE_LIT("0xff"), UINT64_MAX, &value), -EINVAL);
	assert_int_equal(pw_num_size(PW_SLICE_LIT("64k"), UINT64_MAX, &value), 0);
	assert_int_equal(value, 65536);
	assert_int_equal(pw_num_size(PW_SLICE_LIT("2G"), UINT64_MAX, &value), 0);
	assert_int_equal(value, 2ull << 30);
	assert_int_equal(pw_num_size(PW_SLICE_LIT("M"), UINT64_MAX, &value), -EINVAL);
	assert_int_equal(pw_num_size(PW_SLICE_LIT(""), UINT64_MAX, &value), -EINVAL);
	assert_int_equal(pw_num_size(PW_SLICE_LIT("1T"), UINT64_MAX, &value), -EINVAL);
	assert_int_equal(pw_num_size(PW_SLICE_LIT("5k"), 4096, &value), -ERANGE);
	assert_int_equal(
		pw_num_size(PW_SLICE_LIT("18446744073709551615G"), UINT64_MAX, &value), -ERANGE);
}

static void durations_are_read(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t ns;
	} rows[] = {
		{"1500ms", 0, 1500 * PW_NS_PER_MS},
		{"90s", 0, 90 * PW_NS_PER_S},
		{"15m", 0, 900 * PW_NS_PER_S},
		{"24h", 0, 86400 * PW_NS_PER_S},
		{"7d", 0, 7 * 86400 * PW_NS_PER_S},
		{"30", 0, 30 * PW_NS_PER_S},
		{"0", 0, 0},
		{"1m30s", 0, 90 * PW_NS_PER_S},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"1.5s", -EINVAL, 0},
		{"5w", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"999999999999d", -ERANGE, 0},
		{"99999999999999999999s", -ERANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		uint64_t ns = 77;

		assert_int_equal(pw_duration_parse(rows[i].text, &ns), rows[i].r);
		assert_true(ns == (rows[i].r ? 77 : rows[i].ns));
	}
}

static void durations_are_shown_as_people_write_them(void **state)
{
	static const struct {
		uint64_t ns;
		const char *want;
	} rows[] = {
		{0, "0s"},
		{999, "0s"},
		{250 * PW_NS_PER_MS, "250ms"},
		{90 * PW_NS_PER_S, "1m30s"},
		{24 * 3600 * PW_NS_PER_S, "1d"},
		{3600 * PW_NS_PER_S, "1h"},
		{1500 * PW_NS_PER_MS, "1s500ms"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		char out[32];

		pw_duration_format(rows[i].ns, out, sizeof(out));
		assert_string_equal(out, rows[i].want);
	}
}

static void wall_time_is_rfc_3339_also_before_1970(void **state)
{
	static const struct {
		int64_t ns;
		const char *want;
	} rows[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{1, "1970-01-01T00:00:00.000Z"},
		{-1000000, "1969-12-31T23:59:59.999Z"},
		{1795462200123456789, "2026-11-23T19:30:00.123Z"},
		{INT64_MAX, "2262-04-11T23:47:16.854Z"},
		{INT64_MIN, "1677-09-21T00:12:43.145Z"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		char out[PW_WALL_TEXT_SIZE];

		pw_wall_format((struct pw_wall){rows[i].ns}, out);
		assert_string_equal(out, rows[i].want);
	}
}

static void a_fake_clock_replaces_all_three(void **state)
{
	struct pw_fake_clock fake = {.mono_ns = 1, .boot_ns = 2, .wall_ns = 1000};

	(void)state;
	pw_clock_fake(&fake);
	assert_int_equal(pw_mono_now().ns, 1);
	assert_int_equal(pw_boot_now().ns, 2);
	assert_int_equal(pw_boot_to_wall_offset(), 998);
	assert_int_equal(pw_boot_to_wall(pw_boot_now(), 998).ns, 1000);
	fake.mono_ns = 5;
	assert_int_equal(pw_mono_now().ns, 5);
	pw_clock_fake(NULL);
	assert_true(pw_mono_now().ns > 5);
	assert_true(pw_wall_now().ns > 1000);
}

static void foreign_bytes_become_harmless(void **state)
{
	static const struct {
		const char *text, *shown, *json;
	} rows[] = {
		{"plain", "plain", "\"plain\""},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
		{"a\nb\tc\r", "a\\nb\\tc\\r", "\"a\\u000ab\\u0009c\\u000d\""},
		{"\x1b[31m", "\\x1b[31m", "\"\\u001b[31m\""},
		{"\xff", "\\xff", "\"\\\\xff\""},
		{"\xc3", "\\xc3", "\"\\\\xc3\""},
		{"\xc0\x80", "\\xc0\\x80", "\"\\\\xc0\\\\x80\""},
		{"\xed\xa0\x80", "\\xed\\xa0\\x80", "\"\\\\xed\\\\xa0\\\\x80\""},
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\"\\\\xf4\\\\x90\\\\x80\\\\x80\""},
		{"\xe2\x80\xae", "\\u{202e}", "\"\\u202e\""},
		{"\xe2\x80\x8b", "\\u{200b}", "\"\\u200b\""},
		{"\xf3\xa0\x80\x81", "\\u{e0001}", "\"\\udb40\\udc01\""},
		{"\"\\", "\\\"\\\\", "\"\\\"\\\\\""},
		{"\xf0\x9f\x90\x8b", "\xf0\x9f\x90\x8b", "\"\xf0\x9f\x90\x8b\""},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_slice s = pw_slice_str(rows[i].text);
		pw_auto_buf shown;
		pw_auto_buf json;
		char fixed[64];

		pw_buf_init(&shown, 1000);
		pw_buf_init(&json, 1000);
		assert_int_equal(pw_escape(&shown, s, 1000), 0);
		assert_int_equal(pw_escape_json(&json, s), 0);
		assert_string_equal(pw_buf_text(&shown), rows[i].shown);
		assert_string_equal(pw_buf_text(&json), rows[i].json);
		assert_string_equal(pw_escape_to(s, fixed, sizeof(fixed)), rows[i].shown);
		assert_true(pw_utf8_valid(pw_slice_of(json.data, json.len)));
	}
}

static void a_cut_is_marked_and_never_splits_a_character(void **state)
{
	struct pw_slice s = PW_SLICE_LIT("a\xc3\xbc\xc3\xbc\xc3\xbc");
	pw_auto_buf out;
	char fixed[8];

	(void)state;
	pw_buf_init(&out, 100);
	assert_int_equal(pw_escape(&out, s, 4), 0);
	assert_string_equal(pw_buf_text(&out), "a\xc3\xbc\xe2\x80\xa6");
	assert_string_equal(pw_escape_to(s, fixed, 7), "a\xc3\xbc\xe2\x80\xa6");
	assert_string_equal(pw_escape_to(s, fixed, 8), "a\xc3\xbc\xc3\xbc\xc3\xbc");
	assert_string_equal(pw_escape_to(s, fixed, 1), "");
	assert_string_equal(pw_escape_to(s, fixed, 2), "");
}

static void utf8_validity(void **state)
{
	(void)state;
	assert_true(pw_utf8_valid(pw_slice_of(NULL, 0)));
	assert_true(pw_utf8_valid(PW_SLICE_LIT("\0z")));
	assert_false(pw_utf8_valid(PW_SLICE_LIT("\xf5\x80\x80\x80")));
	assert_false(pw_utf8_valid(PW_SLICE_LIT("\xe2\x82")));
}

static void back_off_stays_between_base_and_cap(void **state)
{
	(void)state;
	for (uint32_t attempt = 0; attempt < 100; attempt++) {
		uint32_t ms = pw_backoff_ms(attempt, 100, 30000);

		assert_in_range(ms, 100, 30000);
	}
	assert_int_equal(pw_backoff_ms(0, 100, 30000), 100);
	assert_int_equal(pw_backoff_ms(UINT32_MAX, 100, 50), 50);
	for (int i = 0; i < 1000; i++)
		assert_in_range(pw_random_below(3), 0, 2);
	assert_int_equal(pw_random_below(1), 0);
	assert_true(pw_random_u64() != pw_random_u64());
}

static int escape_with_little_memory(void *ctx)
{
	char text[300];
	pw_auto_buf out;

	(void)ctx;
	memset(text, '\xff', sizeof(text));
	pw_buf_init(&out, 10000);
	(void)pw_escape(&out, pw_slice_of(text, sizeof(text)), 5000);
	return pw_escape_json(&out, pw_slice_of(text, sizeof(text)));
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(escape_with_little_memory, NULL) >= 3);
}

static void base64_goes_both_ways(void **state)
{
	static const struct {
		const char *bytes, *text;
	} rows[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"\xff\xfe\xfb", "//77"}};
	static const char *const bad[] = {"Z", "Zg",
		"Zg=", "Zg===", "=Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Z*==", "====", "\200AAA"};
	pw_auto_buf out;

	(void)state;
	pw_buf_init(&out, 64);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		pw_buf_clear(&out);
		assert_int_equal(pw_base64_encode(pw_slice_str(rows[i].bytes), &out), 0);
		assert_string_equal(pw_buf_text(&out), rows[i].text);
		pw_buf_clear(&out);
		assert_int_equal(pw_base64_decode(pw_slice_str(rows[i].text), &out), 0);
		assert_string_equal(pw_buf_text(&out), rows[i].bytes);
	}
	for (size_t i = 0; i < PW_COUNT(bad); i++)
		assert_int_equal(pw_base64_decode(pw_slice_str(bad[i]), &out), -EINVAL);
	pw_buf_clear(&out);
	assert_int_equal(pw_base64_decode(PW_SLICE_LIT(" Zm\n9v\r\n"), &out), 0);
	assert_string_equal(pw_buf_text(&out), "foo");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_must_match_whole),
		cmocka_unit_test(signed_numbers_reach_both_ends),
		cmocka_unit_test(hexadecimal_and_sizes),
		cmocka_unit_test(durations_are_read),
		cmocka_unit_test(durations_are_shown_as_people_write_them),
		cmocka_unit_test(wall_time_is_rfc_3339_also_before_1970),
		cmocka_unit_test(a_fake_clock_replaces_all_three),
		cmocka_unit_test(foreign_bytes_become_harmless),
		cmocka_unit_test(a_cut_is_marked_and_never_splits_a_character),
		cmocka_unit_test(utf8_validity),
		cmocka_unit_test(back_off_stays_between_base_and_cap),
		cmocka_unit_test(base64_goes_both_ways),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
