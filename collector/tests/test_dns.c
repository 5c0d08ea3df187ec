/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages as they come from the wire, whole and damaged. */
#include "collector/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define QUESTION "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
#define NAME          \
	"\x03WwW\x07" \
	"example\x03org\x00"
#define A        "\x00\x01\x00\x01"
#define AAAA     "\x00\x1c\x00\x01"
#define SLICE(x) pw_slice_of((x), sizeof(x) - 1)

struct told {
	struct pw_buf name, addresses;
	uint32_t aux;
};

static void told_init(struct told *t, struct pw_slice message)
{
	pw_buf_init(&t->name, 1024);
	pw_buf_init(&t->addresses, 1024);
	t->aux = 0;
	dns_describe(message, &t->name, &t->addresses, &t->aux);
}

static void told_done(struct told *t)
{
	pw_buf_done(&t->name);
	pw_buf_done(&t->addresses);
}

static void a_question_gives_its_name_in_lower_case(void **state)
{
	struct told t;

	(void)state;
	told_init(&t, SLICE(QUESTION NAME AAAA));
	assert_true(pw_slice_eq_str(pw_buf_slice(&t.name), "www.example.org"));
	assert_int_equal(t.addresses.len, 0);
	assert_int_equal(t.aux, 28);
	told_done(&t);
}

#define ANSWER_HEAD "\x12\x34\x81\x83\x00\x01\x00\x03\x00\x00\x00\x00"
#define CNAME       "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x10"
#define IPV4        "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x01\x02\x03"
#define IPV6                                               \
	"\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10" \
	"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"

static void an_answer_gives_its_addresses_and_code(void **state)
{
	struct told t;

	(void)state;
	told_init(&t, SLICE(ANSWER_HEAD NAME A CNAME IPV4 IPV6));
	assert_true(pw_slice_eq_str(pw_buf_slice(&t.name), "www.example.org"));
	assert_true(pw_slice_eq(pw_buf_slice(&t.addresses), pw_slice_of("10.1.2.3\0"
									"2001:db8::1",
								    20)));
	assert_int_equal(t.aux, 1u | 3u << 16 | 1u << 31);
	told_done(&t);
}

static void an_answer_that_was_cut_off_gives_what_is_there(void **state)
{
	static const char whole[] = ANSWER_HEAD NAME A CNAME IPV4 IPV6;

	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		struct told t;

		told_init(&t, pw_slice_of(whole, len));
		assert_true(t.name.len == 0 ||
			    pw_slice_eq_str(pw_buf_slice(&t.name), "www.example.org"));
		assert_true(t.addresses.len == 0 ||
			    pw_slice_eq_str(pw_buf_slice(&t.addresses), "10.1.2.3"));
		told_done(&t);
	}
}

static void a_question_binds_no_addresses_to_its_name(void **state)
{
	char message[] = ANSWER_HEAD NAME A CNAME IPV4 IPV6;
	struct told t;

	(void)state;
	message[2] &= 0x7f; /* no answer any more, but still with its records */
	told_init(&t, pw_slice_of(message, sizeof(message) - 1));
	assert_true(pw_slice_eq_str(pw_buf_slice(&t.name), "www.example.org"));
	assert_int_equal(t.addresses.len, 0);
	told_done(&t);
}

static void what_is_no_dns_says_nothing(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{"", 0}, {QUESTION, 12},                   /* no name */
		{"\0\0\0\0\0\0\0\0\0\0\0\0" NAME A, 33},   /* no question */
		{QUESTION "\xc0\x0c\x00\x01\x00\x01", 18}, /* a pointer to itself */
		{QUESTION "\x7f"
			  "abc",
			16}, /* a label of impossible length */
		{QUESTION "\x3f"
			  "abc",
			16}, /* a label beyond the end */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct told t;

		told_init(&t, pw_slice_of(rows[i].bytes, rows[i].len));
		assert_int_equal(t.name.len, 0);
		assert_int_equal(t.addresses.len, 0);
		assert_int_equal(t.aux, 0);
		told_done(&t);
	}
}

static void a_name_of_many_labels_is_refused_past_its_ceiling(void **state)
{
	uint8_t message[12 + 400] = QUESTION;
	struct told t;

	(void)state;
	for (size_t i = 12; i + 1 < sizeof(message); i += 2) {
		message[i] = 1;
		message[i + 1] = 'a';
	}
	told_init(&t, pw_slice_of(message, sizeof(message)));
	assert_int_equal(t.name.len, 0);
	told_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_gives_its_name_in_lower_case),
		cmocka_unit_test(an_answer_gives_its_addresses_and_code),
		cmocka_unit_test(a_question_binds_no_addresses_to_its_name),
		cmocka_unit_test(an_answer_that_was_cut_off_gives_what_is_there),
		cmocka_unit_test(what_is_no_dns_says_nothing),
		cmocka_unit_test(a_name_of_many_labels_is_refused_past_its_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
