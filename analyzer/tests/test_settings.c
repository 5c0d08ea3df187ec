/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/settings.h"
#include "common/testing/cm.h"

#include <errno.h>
#include <string.h>

static void addresses_are_checked_with_a_clear_word(void **state)
{
	static const struct pw_security plain = {.insecure = true}, unix_only = {.insecure = false},
					certs = {.ca = "a", .cert = "c", .key = "k"},
					half = {.ca = "a", .cert = "c"},
					both = {.ca = "a",
						.cert = "c",
						.key = "k",
						.insecure = true};
	static const struct {
		const char *listen, *policysync;
		const struct pw_security *security;
		int want;
		const char *word;
	} rows[] = {
		{"unix:/a", "unix:/b", &plain, 0, ""},
		{"127.0.0.1:1,unix:/a,[::1]:2", "localhost:1", &plain, 0, ""},
		{"unix:/a", "unix:/b", &unix_only, 0, ""},
		{"0.0.0.0:7443", "policysync.podward.svc:7444", &certs, 0, ""},
		{"unix:/a", "unix:/b", &half, -EINVAL, "belong together"},
		{"unix:/a", "unix:/b", &both, -EINVAL, "--insecure"},
		{"127.0.0.1:7443", "unix:/b", &unix_only, -EPERM, "--tls-cert"},
		{"0.0.0.0:7443", "unix:/b", &plain, -EPERM, "loopback addresses only"},
		{"unix:/a", "policysync:7443", &plain, -EPERM, "--policysync"},
		{"unix:/a", "policysync:7443", &unix_only, -EPERM, "--policysync"},
		{"unix:/a,", "unix:/b", &plain, -EINVAL, "--listen"},
		{"7443", "unix:/b", &plain, -EINVAL, "expected unix:/path or host:port"},
		{"", "unix:/b", &plain, -EINVAL, "--listen"},
		{"unix:/1,unix:/2,unix:/3,unix:/4,unix:/5,unix:/6,unix:/7,unix:/8,unix:/9",
			"unix:/b", &plain, -E2BIG, "more than 8"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct settings s = {.name = "a",
			.listen = rows[i].listen,
			.policysync = rows[i].policysync,
			.security = *rows[i].security};
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
		.security = {.insecure = true}};
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
