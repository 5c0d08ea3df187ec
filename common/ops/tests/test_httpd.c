/* SPDX-License-Identifier: Apache-2.0 */
/* The server over a real loopback socket. */
#include "common/base/clock.h"
#include "common/ops/httpd.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct pw_metric_spec specs[] = {
	{"podward_test_events_total", PW_COUNTER, "Events seen", {NULL}, NULL, 0, 0},
};

static int page_hello(void *ctx, struct pw_buf *body, const char **ret_content_type)
{
	*ret_content_type = "text/html; charset=utf-8";
	(void)pw_buf_add_str(body, ctx);
	return 200;
}

static const struct pw_page pages[] = {{"/hello", page_hello, (void *)(uintptr_t) "<p>hello</p>"}};

static struct pw_httpd *serve(struct pw_metrics **ret_metrics)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_httpd *h;

	assert_int_equal(pw_metrics_new("podward_test", specs, 1, ret_metrics, &err), 0);
	if (pw_httpd_start("127.0.0.1:0", *ret_metrics, pages, 1, &h, &err) < 0)
		fail_msg("%s", err.msg);
	return h;
}

static int dial(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* One request, the whole answer; the server closes because it is asked to. */
static void ask(struct pw_httpd *h, const char *request, char *out, size_t size)
{
	int fd = dial(pw_httpd_port(h));
	size_t used = 0;
	ssize_t got;

	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	while (used + 1 < size && (got = read(fd, out + used, size - 1 - used)) > 0)
		used += (size_t)got;
	out[used] = '\0';
	(void)close(fd);
}

#define REQUEST(method, path) method " " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void pages_are_answered_by_method_and_path(void **state)
{
	static const struct {
		const char *request, *status, *holds;
	} rows[] = {
		{REQUEST("GET", "/metrics"), "HTTP/1.1 200", "podward_test_events_total 0\n"},
		{REQUEST("GET", "/metrics"), "HTTP/1.1 200",
			"Content-Type: text/plain; version=0.0.4"},
		{REQUEST("GET", "/livez"), "HTTP/1.1 200", "ok\n"},
		{REQUEST("GET", "/readyz"), "HTTP/1.1 503", "starting\n"},
		{REQUEST("GET", "/hello"), "HTTP/1.1 200", "<p>hello</p>"},
		{REQUEST("GET", "/hello?a=b"), "HTTP/1.1 200", "text/html"},
		{REQUEST("GET", "/hello/"), "HTTP/1.1 404", "no such page\n"},
		{REQUEST("GET", "/"), "HTTP/1.1 404", "no such page\n"},
		{REQUEST("POST", "/metrics"), "HTTP/1.1 405", "Allow: GET, HEAD"},
		{REQUEST("DELETE", "/hello"), "HTTP/1.1 405", "GET and HEAD only"},
		{REQUEST("OPTIONS", "/hello"), "HTTP/1.1 405", "GET and HEAD only"},
		{"POST /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
		 "5\r\n\r\n12345",
			"HTTP/1.1 405", "GET and HEAD only"},
		{"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
		 "5\r\n\r\n12345",
			"HTTP/1.1 200", "<p>hello</p>"},
	};
	struct pw_metrics *m;
	struct pw_httpd *h = serve(&m);

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		char out[8192];

		ask(h, rows[i].request, out, sizeof(out));
		if (strncmp(out, rows[i].status, strlen(rows[i].status)) != 0 ||
			!strstr(out, rows[i].holds))
			fail_msg("row %zu: %s", i, out);
	}
	pw_httpd_stop(h);
	pw_metrics_free(m);
}

static void head_has_the_length_but_no_body(void **state)
{
	struct pw_metrics *m;
	struct pw_httpd *h = serve(&m);
	char out[2048];

	(void)state;
	ask(h, REQUEST("HEAD", "/hello"), out, sizeof(out));
	assert_non_null(strstr(out, "HTTP/1.1 200"));
	assert_non_null(strstr(out, "Content-Length: 12"));
	assert_null(strstr(out, "hello</p>"));
	pw_httpd_stop(h);
	pw_metrics_free(m);
}

static void readiness_tells_its_reason(void **state)
{
	struct pw_metrics *m;
	struct pw_httpd *h = serve(&m);
	char out[2048];

	(void)state;
	pw_httpd_set_ready(h, false, "waiting for policies");
	ask(h, REQUEST("GET", "/readyz"), out, sizeof(out));
	assert_non_null(strstr(out, "HTTP/1.1 503"));
	assert_non_null(strstr(out, "waiting for policies\n"));
	pw_httpd_set_ready(h, true, NULL);
	ask(h, REQUEST("GET", "/readyz"), out, sizeof(out));
	assert_non_null(strstr(out, "HTTP/1.1 200"));
	pw_httpd_stop(h);
	pw_metrics_free(m);
}

static void an_old_beat_means_not_alive(void **state)
{
	struct pw_fake_clock late, early = {.mono_ns = 100 * PW_NS_PER_S};
	struct pw_metrics *m;
	struct pw_httpd *h;
	char out[2048];

	(void)state;
	/* The clock is set before the server's thread starts, and again once it has ended. */
	late = early;
	pw_clock_fake(&late);
	h = serve(&m);
	pw_httpd_beat(h);
	__atomic_store_n(&late.mono_ns, 131 * PW_NS_PER_S, __ATOMIC_RELAXED);
	ask(h, REQUEST("GET", "/livez"), out, sizeof(out));
	assert_non_null(strstr(out, "HTTP/1.1 503"));
	assert_non_null(strstr(out, "main loop stands still for 31 s\n"));
	pw_httpd_beat(h);
	ask(h, REQUEST("GET", "/livez"), out, sizeof(out));
	assert_non_null(strstr(out, "HTTP/1.1 200"));
	pw_httpd_stop(h);
	pw_clock_fake(NULL);
	pw_metrics_free(m);
}

static void a_port_in_use_is_named(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_httpd *second = NULL;
	struct pw_metrics *m;
	struct pw_httpd *h = serve(&m);
	char address[40], want[100];

	(void)state;
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", pw_httpd_port(h));
	(void)snprintf(want, sizeof(want), "listen on %s: Address already in use", address);
	assert_int_equal(pw_httpd_start(address, m, NULL, 0, &second, &err), -EADDRINUSE);
	assert_string_equal(err.msg, want);
	assert_null(second);
	pw_httpd_stop(h);
	pw_metrics_free(m);
}

static void wrong_addresses_are_named(void **state)
{
	static const struct {
		const char *address, *want;
	} rows[] = {
		{"localhost", "address \"localhost\": port is missing (host:port)"},
		{"localhost:", "address \"localhost:\": port must be 0 to 65535"},
		{"localhost:65536", "address \"localhost:65536\": port must be 0 to 65535"},
		{"::1:9401", "address \"::1:9401\": IPv6 needs brackets, [::1]:9401"},
		{"192.0.2.1:1", "listen on 192.0.2.1:1: Cannot assign requested address"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		struct pw_httpd *h = NULL;

		assert_true(pw_httpd_start(rows[i].address, NULL, NULL, 0, &h, &err) < 0);
		assert_string_equal(err.msg, rows[i].want);
	}
}

static void all_addresses_serve_ipv4_too(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_httpd *h;
	char out[1024];

	(void)state;
	assert_int_equal(pw_httpd_start(":0", NULL, NULL, 0, &h, &err), 0);
	ask(h, REQUEST("GET", "/livez"), out, sizeof(out));
	assert_non_null(strstr(out, "HTTP/1.1 200"));
	ask(h, REQUEST("GET", "/metrics"), out, sizeof(out)); /* no registry was given */
	assert_non_null(strstr(out, "HTTP/1.1 404"));
	pw_httpd_stop(h);
	pw_httpd_stop(NULL);
}

static int start_and_stop(void *ctx)
{
	struct pw_httpd *h;
	int r = pw_httpd_start("127.0.0.1:0", NULL, pages, 1, &h, NULL);

	(void)ctx;
	if (r == 0)
		pw_httpd_stop(h);
	return r;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(start_and_stop, NULL) >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_answered_by_method_and_path),
		cmocka_unit_test(head_has_the_length_but_no_body),
		cmocka_unit_test(readiness_tells_its_reason),
		cmocka_unit_test(an_old_beat_means_not_alive),
		cmocka_unit_test(a_port_in_use_is_named),
		cmocka_unit_test(wrong_addresses_are_named),
		cmocka_unit_test(all_addresses_serve_ipv4_too),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
