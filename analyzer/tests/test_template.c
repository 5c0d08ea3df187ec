/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/generalise_name.h"
#include "common/base/alloc.h"
#include "common/testing/cm.h"

#include <stdio.h>

static void templates_fit_what_they_say(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} rows[] = {
		{"/a/<digits>", "/a/123", true},
		{"/a/<digits>", "/a/", false},
		{"/a/<digits>", "/a/12b", false},
		{"/a/<digits>", "/a/12/b", false},
		{"/a/<any>/c", "/a/b b/c", true},
		{"/a/<any>/c", "/a/b/d", false},
		{"/a/s_<hex>.db", "/a/s_0af.db", true},
		{"/a/s_<hex>.db", "/a/s_.db", false},
		{"/a/s_<hex>.db", "/a/s_0AF.db", false},
		{"/<letters>/<digits>", "/ab/12", true},
		{"/a/<figures>", "/a/2026-11-24T10:00:00.123Z", true},
		{"/a/<word>", "/a/x_1.y-z", true},
		{"/a/<word>", "/a/x y", false},
		{"/a/s<word 6>.x", "/a/sa_b-c1.x", true},
		{"/a/s<word 6>.x", "/a/sa_b-c.x", false},
		{"/a/s<word 6>.x", "/a/sa_b-c12.x", false},
		{"/a/<hex 12>", "/a/0123456789ab", true},
		{"/a/<hex 0>", "/a/0", true},
		{"/a/<hex >", "/a/0", true},
		{"/a/<hex 6", "/a/<hex 6", true},
		{"/a/<hex 99999>", "/a/<hex 99999>", true},
		{"/a/<hex 99999>", "/a/0", false},
		{"/a/<nothing>", "/a/<nothing>", true},
		{"/a/<nothing>", "/a/b", false},
		{"tcp/10.0.<figures>/443", "tcp/10.0.3.4/443", true},
		{"/a", "/a", true},
		{"/a", "/a/b", false},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		if (template_fits(pw_slice_str(rows[i].pattern), pw_slice_str(rows[i].text)) !=
			rows[i].fits)
			fail_msg("%s and %s", rows[i].pattern, rows[i].text);
}

static void classes_widen_to_what_holds_both(void **state)
{
	(void)state;
	for (unsigned a = 0; a < TEMPLATE_CLASSES; a++) {
		for (unsigned b = 0; b < TEMPLATE_CLASSES; b++) {
			enum template_class w = template_widen(a, b);

			assert_int_equal(w, template_widen(b, a));
			assert_int_equal(template_widen(w, a), w);
			assert_int_equal(template_widen(w, b), w);
		}
		assert_int_equal(template_widen(a, a), a);
	}
	assert_int_equal(template_class_of(PW_SLICE_LIT("12")), TEMPLATE_DIGITS);
	assert_int_equal(template_class_of(PW_SLICE_LIT("1-2")), TEMPLATE_FIGURES);
	assert_int_equal(template_class_of(PW_SLICE_LIT("1f")), TEMPLATE_HEX);
	assert_int_equal(template_class_of(PW_SLICE_LIT("xyz")), TEMPLATE_LETTERS);
	assert_int_equal(template_class_of(PW_SLICE_LIT("x1")), TEMPLATE_ALNUM);
	assert_int_equal(template_class_of(PW_SLICE_LIT("x_1")), TEMPLATE_WORD);
	assert_int_equal(template_class_of(PW_SLICE_LIT("x 1")), TEMPLATE_ANY);
}

static void sensitive_names_are_known(void **state)
{
	(void)state;
	assert_true(template_is_sensitive(PW_SLICE_LIT("/etc/shadow")));
	assert_true(template_is_sensitive(PW_SLICE_LIT("/home/bob/.ssh/config")));
	assert_true(template_is_sensitive(
		PW_SLICE_LIT("/run/secrets/kubernetes.io/serviceaccount/token")));
	assert_true(template_is_sensitive(PW_SLICE_LIT("/proc/<pid>/environ")));
	assert_false(template_is_sensitive(PW_SLICE_LIT("/etc/nginx/nginx.conf")));
}

static void names_of_a_folder_become_one(void **state)
{
	static const struct {
		const char *names[4];
		const char *want; /* NULL = none */
	} rows[] = {
		{{"s_1", "s_22"}, "s_<digits>"},
		{{"worker12", "worker13"}, "worker<digits>"},
		{{"log-2026-01-01.gz", "log-2026-01-02.gz"}, "log<figures>.gz"},
		{{"sess_4fab12cd99", "sess_4fee0a1234"}, "sess_<hex>"},
		{{"a1.tmp", "b2.tmp", "c3.tmp"}, "<alnum>.tmp"},
		{{"10.0.0.1", "10.0.0.2"}, "<figures>"},
		{{"web-abc-xkcd1", "web-abc-zzz22"}, "web-abc-<alnum>"},
		{{"x<digits>1", "x<digits>2"}, NULL},
		{{"a", "a1"}, "<alnum>"},
		{{"sedN0G1YO", "sedHw77IU", "sedAbse3f"}, "sed<word 6>"},
		{{"2gn0av8w", "16x748yr", "fl9t1myu"}, "<word 8>"},
		{{"sess_4fab12cd99", "sess_9fee0a1234", "sess_00ee0a1234"}, "sess_<hex 10>"},
		{{"unit3312.c", "unit4711.c", "unit9999.c"}, "unit<digits>.c"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		uint8_t out[GENERALISE_NAME_BYTES];
		struct pw_slice names[4];
		size_t count = 0, len = 0;
		int r;

		for (; count < 4 && rows[i].names[count]; count++)
			names[count] = pw_slice_str(rows[i].names[count]);
		r = generalise_name(names, count, out, &len);
		if (!rows[i].want)
			assert_true(r < 0);
		else if (r < 0 || !pw_slice_eq_str(pw_slice_of(out, len), rows[i].want))
			fail_msg("%s: %.*s", rows[i].names[0], (int)len, (const char *)out);
		for (size_t k = 0; r == 0 && k < count; k++)
			assert_true(template_fits(pw_slice_of(out, len), names[k]));
	}
}

static void one_temporary_name_varies_in_its_number(void **state)
{
	static const struct {
		const char *name, *want; /* NULL = none */
	} rows[] = {
		{"524", "<digits>"},
		{"pg_internal.init.283", "pg_internal.init.<digits>"},
		{"PostgreSQL.1800625862", "PostgreSQL.<digits>"},
		{"app.log-20261125-1795571047.gz", "app.log-<figures>.gz"},
		{"file1.sql", "file<digits>.sql"},
		{"wgunicorn-n_59svyi", NULL},
		{"a1b2", NULL},
		{"lock", NULL},
		{"<digits>1", NULL},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		uint8_t out[GENERALISE_NAME_BYTES];
		size_t len = 0;
		int r = generalise_one(pw_slice_str(rows[i].name), out, &len);

		if (!rows[i].want)
			assert_true(r < 0);
		else if (r < 0 || !pw_slice_eq_str(pw_slice_of(out, len), rows[i].want))
			fail_msg("%s: %.*s", rows[i].name, (int)len, (const char *)out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(templates_fit_what_they_say),
		cmocka_unit_test(classes_widen_to_what_holds_both),
		cmocka_unit_test(sensitive_names_are_known),
		cmocka_unit_test(names_of_a_folder_become_one),
		cmocka_unit_test(one_temporary_name_varies_in_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
