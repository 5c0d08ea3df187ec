/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/alloc.h"
#include "common/base/slice.h"
#include "common/testing/cm.h"

static void find_gives_the_first_offset(void **state)
{
	static const struct {
		const char *text, *needle;
		ptrdiff_t at;
	} rows[] = {
		{"", "", 0},
		{"abc", "", 0},
		{"", "a", -1},
		{"abcabc", "bc", 1},
		{"abc", "abcd", -1},
		{"aab", "ab", 1},
		{"abc", "x", -1},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		assert_int_equal(
			pw_slice_find(pw_slice_str(rows[i].text), pw_slice_str(rows[i].needle)),
			rows[i].at);
}

static void bytes_are_found_from_both_ends(void **state)
{
	struct pw_slice s = PW_SLICE_LIT("a/b/c");

	(void)state;
	assert_int_equal(pw_slice_find_byte(s, '/'), 1);
	assert_int_equal(pw_slice_rfind_byte(s, '/'), 3);
	assert_int_equal(pw_slice_find_byte(s, 'x'), -1);
	assert_int_equal(pw_slice_rfind_byte(pw_slice_of(NULL, 0), 'x'), -1);
}

static void starts_and_ends_accept_the_empty_slice(void **state)
{
	(void)state;
	assert_true(pw_slice_starts(PW_SLICE_LIT("abc"), PW_SLICE_LIT("ab")));
	assert_true(pw_slice_starts(pw_slice_of(NULL, 0), pw_slice_of(NULL, 0)));
	assert_false(pw_slice_starts(PW_SLICE_LIT("a"), PW_SLICE_LIT("ab")));
	assert_true(pw_slice_ends(PW_SLICE_LIT("abc"), PW_SLICE_LIT("bc")));
	assert_false(pw_slice_ends(PW_SLICE_LIT("abc"), PW_SLICE_LIT("b")));
	assert_false(pw_slice_ends(PW_SLICE_LIT("c"), PW_SLICE_LIT("bc")));
}

static void order_is_by_bytes_then_by_length(void **state)
{
	(void)state;
	assert_true(pw_slice_cmp(PW_SLICE_LIT("a"), PW_SLICE_LIT("b")) < 0);
	assert_true(pw_slice_cmp(PW_SLICE_LIT("a"), PW_SLICE_LIT("aa")) < 0);
	assert_true(pw_slice_cmp(PW_SLICE_LIT("\xff"), PW_SLICE_LIT("a")) > 0);
	assert_int_equal(pw_slice_cmp(pw_slice_of(NULL, 0), PW_SLICE_LIT("")), 0);
	assert_false(pw_slice_eq(PW_SLICE_LIT("a"), PW_SLICE_LIT("ab")));
}

static void sub_clamps_to_the_slice(void **state)
{
	static const struct {
		size_t from, to;
		const char *want;
	} rows[] = {{0, 3, "abc"}, {1, 2, "b"}, {1, 99, "bc"}, {5, 9, ""}, {2, 1, ""}};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		assert_true(pw_slice_eq_str(
			pw_slice_sub(PW_SLICE_LIT("abc"), rows[i].from, rows[i].to), rows[i].want));
	assert_null(pw_slice_sub(pw_slice_of(NULL, 0), 1, 2).ptr);
}

static void cut_gives_every_part_once(void **state)
{
	static const struct {
		const char *text;
		const char *parts[5];
	} rows[] = {
		{"a,b", {"a", "b"}},
		{"a", {"a"}},
		{"a,", {"a", ""}},
		{",", {"", ""}},
		{"", {""}},
		{"a,,b", {"a", "", "b"}},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_slice rest = pw_slice_str(rows[i].text), part;

		for (size_t n = 0; rows[i].parts[n]; n++) {
			assert_true(pw_slice_cut(&rest, ',', &part));
			assert_true(pw_slice_eq_str(part, rows[i].parts[n]));
		}
		assert_false(pw_slice_cut(&rest, ',', &part));
	}
}

static void trim_takes_blanks_at_both_ends_only(void **state)
{
	(void)state;
	assert_true(pw_slice_eq_str(pw_slice_trim(PW_SLICE_LIT(" \t a b\r\n")), "a b"));
	assert_int_equal(pw_slice_trim(PW_SLICE_LIT(" \n ")).len, 0);
	assert_int_equal(pw_slice_trim(pw_slice_of(NULL, 0)).len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(find_gives_the_first_offset),
		cmocka_unit_test(bytes_are_found_from_both_ends),
		cmocka_unit_test(starts_and_ends_accept_the_empty_slice),
		cmocka_unit_test(order_is_by_bytes_then_by_length),
		cmocka_unit_test(sub_clamps_to_the_slice),
		cmocka_unit_test(cut_gives_every_part_once),
		cmocka_unit_test(trim_takes_blanks_at_both_ends_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
