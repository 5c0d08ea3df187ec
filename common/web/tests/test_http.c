/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a small server on loopback, written with raw sockets: it says what a row tells
 * it. */
#include "common/base/loop.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"
#include "common/web/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct server {
	const char *answer; /* NULL = never answers */
	const char *path;   /* unix socket, or NULL for TCP */
	int listener, gate[2];
	struct pw_thread *thread;
	char request[4096];
	char url[64];
};

static void read_request(struct server *s, int fd)
{
	size_t used = 0;
	ssize_t got;

	while (used + 1 < sizeof(s->request) && !strstr(s->request, "\r\n\r\n") &&
		(got = read(fd, s->request + used, sizeof(s->request) - 1 - used)) > 0) {
		used += (size_t)got;
		s->request[used] = '\0';
	}
}

/* One connection. Without an answer it stays open until the test closes the gate. */
static void serve_one(void *ctx)
{
	struct server *s = ctx;
	int fd = accept(s->listener, NULL, NULL);
	char byte;

	if (fd < 0)
		return;
	read_request(s, fd);
	if (s->answer)
		(void)!write(fd, s->answer, strlen(s->answer));
	else
		(void)!read(s->gate[0], &byte, 1);
	/* Closing with bytes unread would reset the connection and take the answer along. */
	(void)shutdown(fd, SHUT_WR);
	while (read(fd, &byte, 1) > 0)
		;
	(void)close(fd);
}

static void listen_tcp(struct server *s)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
	(void)snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u/hook", ntohs(at.sin_port));
}

static void listen_unix(struct server *s)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", s->path);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	(void)snprintf(s->url, sizeof(s->url), "http://unix/hook");
}

static void server_start(struct server *s)
{
	if (s->path)
		listen_unix(s);
	else
		listen_tcp(s);
	assert_int_equal(pipe(s->gate), 0);
	assert_int_equal(listen(s->listener, 4), 0);
	assert_int_equal(pw_thread_start("server", serve_one, s, &s->thread), 0);
}

static void server_stop(struct server *s)
{
	(void)close(s->gate[1]);
	(void)shutdown(s->listener, SHUT_RDWR); /* where no request came, nobody waits any longer */
	pw_thread_join(s->thread);
	(void)close(s->gate[0]);
	(void)close(s->listener);
}

/* One request to a server that gives this answer. */
static int ask(struct server *s, struct pw_http_request *request, struct pw_http_response *response,
	struct pw_err *err)
{
	struct pw_http *h;
	int r;

	assert_int_equal(pw_http_new(&h, NULL), 0);
	server_start(s);
	request->url = s->url;
	r = pw_http_do(h, request, response, err);
	pw_http_free(h);
	server_stop(s);
	return r;
}

static void a_request_carries_method_headers_and_body(void **state)
{
	static const char *const headers[] = {"Content-Type: application/json", "X-Test: 1", NULL};
	struct server s = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
	struct pw_http_request request = {
		.method = "POST", .headers = headers, .body = PW_SLICE_LIT("{}")};
	struct pw_http_response response = {0};
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	if (ask(&s, &request, &response, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(response.status, 200);
	assert_string_equal(pw_buf_text(&response.body), "ok");
	assert_int_equal(response.retry_after_ms, 0);
	assert_memory_equal(s.request, "POST /hook HTTP/1.1\r\n", 21);
	assert_non_null(strstr(s.request, "\r\nX-Test: 1\r\n"));
	assert_non_null(strstr(s.request, "\r\nContent-Length: 2\r\n"));
	assert_non_null(strstr(s.request, "\r\nUser-Agent: podward/" PODWARD_VERSION "\r\n"));
	assert_null(strstr(s.request, "Expect"));
	pw_http_response_done(&response);
}

static void every_status_is_an_answer(void **state)
{
	static const struct {
		const char *answer;
		int status;
		uint32_t retry_after_ms;
	} rows[] = {
		{"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 503, 7000},
		{"HTTP/1.1 429 Slow\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n", 429,
			86400000},
		{"HTTP/1.1 503 Busy\r\nRetry-After: never\r\nContent-Length: 0\r\n\r\n", 503, 0},
		{"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 404, 0},
		{"HTTP/1.1 302 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
			302, 0},
		{"HTTP/1.0 204 Nothing\r\n\r\n", 204, 0},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct server s = {.answer = rows[i].answer};
		struct pw_http_request request = {.method = "GET"};
		struct pw_http_response response = {0};

		assert_int_equal(ask(&s, &request, &response, NULL), 0);
		assert_int_equal(response.status, rows[i].status);
		assert_int_equal(response.retry_after_ms, rows[i].retry_after_ms);
		pw_http_response_done(&response);
	}
}

static void broken_answers_are_errors(void **state)
{
	static const struct {
		const char *answer;
		int r;
		const char *holds;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n12345678901234567890", -E2BIG,
			"response is larger than the limit"},
		{"HTTP/1.1 200 OK\r\n\r\n12345678901234567890", -E2BIG,
			"response is larger than the limit"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123", -ECONNRESET,
			"GET http://127.0.0.1:"},
		{"", -ECONNRESET, "Empty reply from server"},
		{NULL, -ETIMEDOUT, "timed out"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct server s = {.answer = rows[i].answer};
		struct pw_http_request request = {.method = "GET",
			.response_limit = 10,
			.timeout_ms = rows[i].r == -ETIMEDOUT ? 200 : 0};
		struct pw_http_response response = {.status = 77};
		struct pw_err err = PW_ERR_INIT;

		assert_int_equal(ask(&s, &request, &response, &err), rows[i].r);
		if (!strstr(err.msg, rows[i].holds))
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_equal(response.status, 77);
	}
}

static void a_refused_connection_is_named_without_secrets(void **state)
{
	struct server s = {.answer = ""};
	struct pw_http_request request = {.method = "POST"};
	struct pw_http_response response = {0};
	struct pw_err err = PW_ERR_INIT;
	struct pw_http *h;
	char url[128];

	(void)state;
	listen_tcp(&s); /* bound, so that nobody else gets the port, but nobody listens */
	(void)snprintf(url, sizeof(url), "http://me:secret@%s?token=secret", s.url + 7);
	request.url = url;
	assert_int_equal(pw_http_new(&h, NULL), 0);
	assert_int_equal(pw_http_do(h, &request, &response, &err), -ECONNREFUSED);
	assert_null(strstr(err.msg, "secret"));
	assert_non_null(strstr(err.msg, "POST 127.0.0.1:"));
	pw_http_free(h);
	(void)close(s.listener);
}

static void urls_we_do_not_speak_are_refused(void **state)
{
	static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "http://", ""};
	struct pw_http *h;

	(void)state;
	assert_int_equal(pw_http_new(&h, NULL), 0);
	for (size_t i = 0; i < PW_COUNT(urls); i++) {
		struct pw_http_request request = {.method = "GET", .url = urls[i]};
		struct pw_http_response response;

		assert_int_equal(pw_http_do(h, &request, &response, NULL), -EINVAL);
	}
	pw_http_free(h);
	pw_http_free(NULL);
}

static void a_unix_socket_is_an_address_too(void **state)
{
	char folder[] = "/tmp/pw-test-http-XXXXXX", path[64];
	struct server s = {
		.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", .path = path};
	struct pw_http_request request = {.method = "GET", .unix_socket = path};
	struct pw_http_response response = {0};
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/s", folder);
	if (ask(&s, &request, &response, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(response.status, 200);
	pw_http_response_done(&response);
	(void)unlink(path);
	(void)rmdir(folder);
}

static void a_missing_ca_file_is_an_error(void **state)
{
	struct server s = {.answer = ""};
	struct pw_http_request request = {.method = "GET", .ca_file = "/nonexistent/ca.pem"};
	struct pw_http_response response;
	struct pw_err err = PW_ERR_INIT;
	struct pw_http *h;
	char url[128];

	(void)state;
	server_start(&s);
	(void)snprintf(url, sizeof(url), "https%s", s.url + 4);
	request.url = url;
	assert_int_equal(pw_http_new(&h, NULL), 0);
	assert_int_equal(pw_http_do(h, &request, &response, &err), -EPROTO);
	assert_non_null(strstr(err.msg, "/nonexistent/ca.pem"));
	pw_http_free(h);
	server_stop(&s);
}

static void cancel_client(void *ctx)
{
	pw_http_cancel(ctx);
}

static void a_cancelled_request_returns_and_so_do_later_ones(void **state)
{
	struct server s = {.answer = NULL};
	struct pw_http_request request = {.method = "GET"};
	struct pw_http_response response;
	struct pw_err err = PW_ERR_INIT;
	struct pw_thread *canceller;
	struct pw_http *h;

	(void)state;
	server_start(&s);
	request.url = s.url;
	assert_int_equal(pw_http_new(&h, NULL), 0);
	assert_int_equal(pw_thread_start("cancel", cancel_client, h, &canceller), 0);
	assert_int_equal(pw_http_do(h, &request, &response, &err), -ECANCELED);
	pw_thread_join(canceller);
	assert_int_equal(pw_http_do(h, &request, &response, NULL), -ECANCELED);
	assert_string_equal(err.msg, "GET: cancelled");
	pw_http_free(h);
	server_stop(&s);
}

static int ask_once(void *ctx)
{
	struct server s = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
	struct pw_http_response response = {0};
	struct pw_http_request request = {.method = "GET"};
	struct pw_http *h = NULL;
	int r;

	(void)ctx;
	listen_tcp(&s);
	assert_int_equal(pipe(s.gate), 0);
	assert_int_equal(listen(s.listener, 4), 0);
	request.url = s.url;
	r = pw_thread_start("server", serve_one, &s, &s.thread);
	if (r == 0)
		r = pw_http_new(&h, NULL);
	if (r == 0)
		r = pw_http_do(h, &request, &response, NULL);
	pw_http_response_done(&response);
	pw_http_free(h);
	server_stop(&s);
	return r;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(ask_once, NULL) >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_carries_method_headers_and_body),
		cmocka_unit_test(every_status_is_an_answer),
		cmocka_unit_test(broken_answers_are_errors),
		cmocka_unit_test(a_refused_connection_is_named_without_secrets),
		cmocka_unit_test(urls_we_do_not_speak_are_refused),
		cmocka_unit_test(a_unix_socket_is_an_address_too),
		cmocka_unit_test(a_missing_ca_file_is_an_error),
		cmocka_unit_test(a_cancelled_request_returns_and_so_do_later_ones),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	(void)setenv("no_proxy", "*", 1); /* loopback only, whatever the surroundings say */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
