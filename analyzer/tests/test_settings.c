/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/settings.h"
#include "common/testing/cm.h"

#include <errno.h>
#include <string.h>

static void addresses_are_checked_with_a_clear_word(void **state)
{
	static const struct {
		const char *listen, *policysync;
		bool insecure;
		int want;
		const char *word;
	} rows[] = {
		{"unix:/a", "unix:/b", true, 0, ""},
		{"127.0.0.1:1,unix:/a,[::1]:2", "localhost:1", true, 0, ""},
		{"unix:/a", "unix:/b", false, -EPERM, "--insecure"},
		{"0.0.0.0:7443", "unix:/b", true, -EPERM, "loopback addresses only"},
		{"unix:/a", "policysync:7443", true, -EPERM, "--policysync"},
		{"unix:/a,", "unix:/b", true, -EINVAL, "--listen"},
		{"7443", "unix:/b", true, -EINVAL, "expected unix:/path or host:port"},
		{"", "unix:/b", true, -EINVAL, "--listen"},
		{"unix:1,unix:2,unix:3,unix:4,unix:5,unix:6,unix:7,unix:8,unix:9", "unix:/b", true,
			-E2BIG, "more than 8"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct settings s = {.name = "a",
			.listen = rows[i].listen,
			.policysync = rows[i].policysync,
			.insecure = rows[i].insecure};
		struct settings_listen listen;
		struct pw_err err = PW_ERR_INIT;

		assert_int_equal(settings_check(&s, &listen, &err), rows[i].want);
		assert_non_null(strstr(err.msg, rows[i].word));
	}
}

static void several_addresses_are_cut_at_commas(void **state)
{
	struct settings s = {.name = "a",
		.listen = "unix:/a,127.0.0.1:1",
		.policysync = "unix:/b",
		.insecure = true};
	struct settings_listen listen;

	(void)state;
	assert_int_equal(settings_check(&s, &listen, NULL), 0);
	assert_int_equal(listen.count, 2);
	assert_string_equal(listen.items[0], "unix:/a");
	assert_string_equal(listen.items[1], "127.0.0.1:1");
}

static void defaults_are_usable(void **state)
{
	char program[] = "podward-analyzer", flag[] = "--insecure";
	char *argv[] = {program, flag, NULL};
	struct settings s = {.name = NULL};
	struct settings_listen listen;
	struct pw_config *config = NULL;
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	assert_int_equal(pw_config_load(&settings_spec, 2, argv, &s, &config, &err), PW_CONFIG_RUN);
	assert_int_equal(settings_check(&s, &listen, &err), 0);
	assert_true(s.profile_flush_ns == 1000000000ull);
	pw_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_checked_with_a_clear_word),
		cmocka_unit_test(several_addresses_are_cut_at_commas),
		cmocka_unit_test(defaults_are_usable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
