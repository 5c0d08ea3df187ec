// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "policysync/settings.h"

static void addresses_that_need_certificates_are_refused_without(void **state)
{
	static const struct pw_security plain = {.insecure = true}, unix_only = {.insecure = false},
					certs = {.ca = "a", .cert = "c", .key = "k"},
					half = {.key = "k"};
	static const struct {
		const char *listen;
		const struct pw_security *security;
		size_t count;      /* 0 = refused */
		const char *words; /* in the refusal */
	} rows[] = {
		{"unix:/run/x", &plain, 1, NULL},
		{"127.0.0.1:7444", &plain, 1, NULL},
		{"[::1]:7444", &plain, 1, NULL},
		{"localhost:7444", &plain, 1, NULL},
		{"unix:/run/x, 127.0.0.1:0", &plain, 2, NULL},
		{"unix:/run/x", &unix_only, 1, NULL},
		{"0.0.0.0:7444,unix:/run/x", &certs, 2, NULL},
		{"127.0.0.1:7444", &unix_only, 0, "--tls-cert"},
		{"unix:/run/x", &half, 0, "belong together"},
		{"0.0.0.0:7444", &plain, 0, "0.0.0.0:7444"},
		{"[::]:7444", &plain, 0, "[::]:7444"},
		{"10.0.0.1:7444", &plain, 0, "loopback"},
		{"example.com:7444", &plain, 0, "--tls-ca"},
		{"127.0.0.1:1,1.2.3.4:5", &plain, 0, "1.2.3.4:5"},
		{"unix:relative", &plain, 0, "unix:relative"},
		{"", &plain, 0, "no address"},
		{",", &plain, 0, "no address"},
		{"unix:/1,unix:/2,unix:/3,unix:/4,unix:/5,unix:/6,unix:/7,unix:/8,unix:/9", &plain,
			0, "too many"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct settings s = {.listen = rows[i].listen, .security = *rows[i].security};
		struct settings_addresses a;
		struct pw_err err = PW_ERR_INIT;
		int r = settings_addresses(&s, &a, &err);

		if (rows[i].count == 0 && (r >= 0 || !strstr(err.msg, rows[i].words)))
			fail_msg("row %zu: %d %s", i, r, err.msg);
		if (rows[i].count > 0 && (r < 0 || a.count != rows[i].count))
			fail_msg("row %zu: %d %s", i, r, err.msg);
	}
}

static void the_table_is_filled_into_the_struct(void **state)
{
	const char *argv[] = {"podward-policysync", "--listen", "unix:/x", "--insecure",
		"--stdout=json", "--spool-size", "2M", "--spool-age=1h", "--webhook-format",
		"podward", "--color", "never", NULL};
	struct settings s = {0};
	struct pw_config *config = NULL;
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	assert_int_equal(
		pw_config_load(&settings_spec, 12, (char **)(uintptr_t)argv, &s, &config, &err),
		PW_CONFIG_RUN);
	assert_string_equal(s.listen, "unix:/x");
	assert_true(s.security.insecure);
	assert_int_equal(s.stdout_form, SETTINGS_STDOUT_JSON);
	assert_int_equal(s.spool_size, 2 << 20);
	assert_int_equal(s.spool_age_ns, 3600 * PW_NS_PER_S);
	assert_int_equal(s.webhook_format, ALERT_PODWARD);
	assert_int_equal(s.color, 2);
	assert_string_equal(s.state_dir, "/var/lib/podward");
	assert_null(s.policies);
	pw_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_that_need_certificates_are_refused_without),
		cmocka_unit_test(the_table_is_filled_into_the_struct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
