/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kube/access.h"

#include "common/base/base64.h"
#include "common/testing/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/podward-access-XXXXXX";

static const char *put(const char *name, const char *text)
{
	static char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = {"config", "token", "ca.crt", "namespace"};
	char path[256];

	(void)state;
	for (size_t i = 0; i < PW_COUNT(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

static int open_text(struct pw_access *a, const char *text, struct pw_err *err)
{
	return pw_access_open(a, put("config", text), NULL, err);
}

#define CONFIG(cluster, user)                                                     \
	"current-context: c\n"                                                    \
	"contexts: [{name: c, context: {cluster: k, user: u, namespace: sec}}]\n" \
	"clusters: [{name: k, cluster: {" cluster "}}]\n"                         \
	"users: [{name: u, user: {" user "}}]\n"

static void a_kubeconfig_gives_server_certificates_and_token(void **state)
{
	struct pw_access a;
	struct pw_err err = PW_ERR_INIT;
	char data[8] = "";

	(void)state;
	if (open_text(&a,
		    CONFIG("server: 'https://h:1/', certificate-authority-data: aGVsbG8=",
			    "token: abc, client-key: k.pem"),
		    &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(a.server, "https://h:1");
	assert_string_equal(a.namespace, "sec");
	assert_string_equal(a.authorization, "Authorization: Bearer abc");
	assert_int_equal(strncmp(a.key_file, folder, strlen(folder)), 0);
	assert_true(a.fds[0] >= 0);
	assert_int_equal(pread(a.fds[0], data, sizeof(data), 0), 5);
	assert_string_equal(data, "hello");
	pw_access_close(&a);
}

static void what_is_not_understood_is_refused_by_name(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"a: b", "current-context: names no context"},
		{CONFIG("server: 'http://h'", ""), "cluster.server: expected https"},
		{CONFIG("server: 'https://h', insecure-skip-tls-verify: true", ""),
			"skip-tls-verify"},
		{CONFIG("server: 'https://h'", "exec: {command: x}"), "user.exec: not supported"},
		{CONFIG("server: 'https://h'", "username: x"), "user.username"},
		{CONFIG("server: 'https://h'", "token: 'a b'"), "user.token: not a token"},
		{CONFIG("server: 'https://h', certificate-authority-data: '#'", ""),
			"certificate-authority-data"},
		{"]", "config"},
	};
	struct pw_access a;

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;

		assert_true(open_text(&a, rows[i].text, &err) < 0);
		if (!strstr(err.msg, rows[i].says))
			fail_msg("row %zu: %s", i, err.msg);
	}
}

static void a_service_account_gives_token_and_namespace(void **state)
{
	struct pw_access a;
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	(void)put("token", "one\n");
	(void)put("namespace", "podward");
	assert_int_equal(setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1), 0);
	assert_int_equal(setenv("KUBERNETES_SERVICE_PORT", "443", 1), 0);
	if (pw_access_open(&a, NULL, folder, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(a.server, "https://[fd00::1]:443");
	assert_string_equal(a.namespace, "podward");
	assert_string_equal(a.authorization, "Authorization: Bearer one");
	assert_false(pw_access_reload(&a));
	(void)put("token", "two");
	assert_true(pw_access_reload(&a));
	assert_string_equal(a.authorization, "Authorization: Bearer two");
	(void)put("token", "");
	assert_false(pw_access_reload(&a)); /* what was read before stays */
	assert_string_equal(a.authorization, "Authorization: Bearer two");
	pw_access_close(&a);
}

static void the_token_is_read_again_every_minute(void **state)
{
	struct pw_fake_clock clock = {.mono_ns = 1};
	struct pw_access a;

	(void)state;
	pw_clock_fake(&clock);
	(void)put("token", "one");
	assert_int_equal(pw_access_open(&a, NULL, folder, NULL), 0);
	(void)put("token", "two");
	clock.mono_ns += 59 * PW_NS_PER_S;
	pw_access_refresh(&a);
	assert_string_equal(a.authorization, "Authorization: Bearer one");
	clock.mono_ns += 1 * PW_NS_PER_S;
	pw_access_refresh(&a);
	assert_string_equal(a.authorization, "Authorization: Bearer two");
	pw_access_close(&a);
	pw_clock_fake(NULL);
}

static void outside_of_a_pod_a_kubeconfig_is_asked_for(void **state)
{
	struct pw_access a;
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	assert_int_equal(unsetenv("KUBERNETES_SERVICE_HOST"), 0);
	assert_int_equal(pw_access_open(&a, NULL, folder, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "kubeconfig"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kubeconfig_gives_server_certificates_and_token),
		cmocka_unit_test(what_is_not_understood_is_refused_by_name),
		cmocka_unit_test(a_service_account_gives_token_and_namespace),
		cmocka_unit_test(the_token_is_read_again_every_minute),
		cmocka_unit_test(outside_of_a_pod_a_kubeconfig_is_asked_for),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
