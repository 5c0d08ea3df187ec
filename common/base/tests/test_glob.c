/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/glob.h"
#include "common/testing/cm.h"

struct row {
	const char *pattern, *text;
	bool want;
};

static void globs_match_as_documented(void **state)
{
	static const struct row rows[] = {
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "/any/thing", true},
		{"/usr/*/x", "/usr/a/b/x", true},
		{"/usr/?in", "/usr/bin", true},
		{"/usr/?in", "/usr/in", false},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{"[]]", "]", true},
		{"[abc", "[abc", true},
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"a\\", "a\\", true},
		{"**a**", "bab", true},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		if (pw_glob(pw_slice_str(rows[i].pattern), pw_slice_str(rows[i].text)) !=
			rows[i].want)
			fail_msg("glob %s on %s", rows[i].pattern, rows[i].text);
}

static void paths_match_by_whole_components(void **state)
{
	static const struct row rows[] = {
		{"/etc", "/etc", true},
		{"/etc", "/etc/passwd", true},
		{"/etc", "/etcetera", false},
		{"/etc/*.conf", "/etc/a.conf", true},
		{"/etc/*.conf", "/etc/d/a.conf", false},
		{"/etc/d/", "/etc/d/a", true},
		{"/a/b", "/a", false},
		{"/", "/x", true},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		if (pw_glob_path(pw_slice_str(rows[i].pattern), pw_slice_str(rows[i].text)) !=
			rows[i].want)
			fail_msg("path %s on %s", rows[i].pattern, rows[i].text);
}

static void the_longest_literal_is_in_every_text_that_matches(void **state)
{
	static const struct {
		const char *pattern, *want;
	} rows[] = {
		{"*", ""},
		{"", ""},
		{"abc", "abc"},
		{"*ab*cde*f", "cde"},
		{"/etc/ssh/ssh_host_*_key", "/etc/ssh/ssh_host_"},
		{"a?bc", "bc"},
		{"a[bcd]ef", "ef"},
		{"a[]bc]ef", "ef"},
		{"abc[de", "abc"},
		{"ab\\*cde", "cde"},
		{"ab\\", "ab"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_slice got = pw_glob_literal(pw_slice_str(rows[i].pattern));

		if (!pw_slice_eq_str(got, rows[i].want))
			fail_msg("%s gives %.*s", rows[i].pattern, PW_SLICE_ARG(got));
	}
}

static void many_stars_do_not_explode(void **state)
{
	char text[4001], pattern[201];

	(void)state;
	memset(text, 'a', 4000);
	text[4000] = '\0';
	for (size_t i = 0; i < 200; i += 2) {
		pattern[i] = '*';
		pattern[i + 1] = 'a';
	}
	pattern[199] = 'b';
	pattern[200] = '\0';
	assert_false(pw_glob(pw_slice_str(pattern), pw_slice_str(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(globs_match_as_documented),
		cmocka_unit_test(paths_match_by_whole_components),
		cmocka_unit_test(the_longest_literal_is_in_every_text_that_matches),
		cmocka_unit_test(many_stars_do_not_explode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
