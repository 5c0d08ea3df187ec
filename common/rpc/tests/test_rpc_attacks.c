/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/random.h"
#include "common/rpc/accept_peers.h"
#include "common/rpc/handshakes.h"
#include "common/rpc/tests/certs.h"
#include "common/rpc/tests/rig.h"

#define IDLE      1000
#define PATIENCE  60
#define FRAME_LEN 9

/*
 * A server with one honest stream, beside which somebody misbehaves. On the heap and taken down by
 * cmocka: its threads must not outlive it when a check fails.
 */
struct scene {
	struct rig rig;
	char folder[32];
	struct certs_authority *authority; /* NULL = plain text */
	struct certs_set server, client;
	/* when the honest stream had come up, which may take attempts on a slow machine */
	struct pw_connection_stats before;
	size_t log_len;
};

static int scene_new(void **state)
{
	struct scene *s = pw_alloc0(1, sizeof(*s));

	if (!s)
		return -1;
	rig_init(&s->rig);
	*state = s;
	return 0;
}

static struct scene *scene_start(void **state, const struct pw_server_limits *limits)
{
	struct scene *s = *state;

	rig_start_server(&s->rig, limits);
	(void)snprintf(s->rig.target, sizeof(s->rig.target), "127.0.0.1:%u",
		pw_server_port(s->rig.server));
	return s;
}

static struct scene *scene_start_tls(void **state, const struct pw_server_limits *limits)
{
	static const struct certs_wish analyzer = {.uri = "spiffe://podward.svc/analyzer/a"};
	static const struct certs_wish collector = {.uri = "spiffe://podward.svc/collector/n"};
	struct scene *s = *state;

	(void)snprintf(s->folder, sizeof(s->folder), "/tmp/pw-attack-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	s->authority = certs_authority_new("first");
	certs_set_make(&s->server, s->folder, "server", s->authority, &analyzer);
	certs_set_make(&s->client, s->folder, "client", s->authority, &collector);
	s->rig.server_tls = certs_tls(&s->server);
	s->rig.client_tls = certs_tls(&s->client);
	return scene_start(state, limits);
}

static int scene_free(void **state)
{
	struct scene *s = *state;
	struct pw_tls *server = s->rig.server_tls, *client = s->rig.client_tls;

	rig_done(&s->rig);
	pw_tls_free(server);
	pw_tls_free(client);
	if (s->authority) {
		certs_authority_free(s->authority);
		certs_set_remove(&s->server);
		certs_set_remove(&s->client);
		assert_int_equal(rmdir(s->folder), 0);
	}
	free(s);
	return 0;
}

static void honest_stream(struct scene *s)
{
	s->rig.send_goal = UINT64_MAX; /* it never stops sending */
	rig_start_client(&s->rig);
	rig_start_stream(&s->rig);
	rig_wait(&s->rig, rig_received, 1);
	pw_connection_stats(&s->before);
	(void)pthread_mutex_lock(&s->rig.lock);
	s->log_len = s->rig.log_len;
	(void)pthread_mutex_unlock(&s->rig.lock);
}

/* It goes on, and was never down since. */
static void expect_undisturbed(struct scene *s)
{
	uint64_t now;

	(void)pthread_mutex_lock(&s->rig.lock);
	now = s->rig.received;
	(void)pthread_mutex_unlock(&s->rig.lock);
	rig_wait(&s->rig, rig_received, now + 100);
	assert_int_equal(s->rig.log_len, s->log_len);
	assert_int_equal(s->rig.out_of_order, 0);
}

static void wait_ms(long ms)
{
	(void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* Reads until the other end closes; fails the test when it never does. */
static void expect_closed(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t bytes[512];
	ssize_t n;

	do {
		if (poll(&p, 1, PATIENCE * 1000) <= 0)
			fail_msg("still open after %d s", PATIENCE);
		n = read(fd, bytes, sizeof(bytes));
	} while (n > 0);
}

static uint64_t failures(const struct pw_connection_stats *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < PW_HANDSHAKE_FAILURES; i++)
		n += s->failed[i];
	return n;
}

static uint64_t failures_by(const struct scene *s, enum pw_handshake_failure reason)
{
	struct pw_connection_stats now;

	pw_connection_stats(&now);
	return now.failed[reason] - s->before.failed[reason];
}

static void wait_for_failures(struct scene *s, uint64_t n)
{
	struct pw_connection_stats now;

	for (int i = 0; i < PATIENCE * 100; i++) {
		pw_connection_stats(&now);
		if (failures(&now) - failures(&s->before) >= n)
			return;
		wait_ms(10);
	}
	fail_msg("%llu failures counted, expected %llu",
		(unsigned long long)(failures(&now) - failures(&s->before)), (unsigned long long)n);
}

static bool raise_descriptors(rlim_t wanted)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur >= wanted)
		return true;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted;
}

static void one_address_cannot_take_all_connections(void **state)
{
	struct pw_connection_stats now;
	int fds[IDLE];
	struct scene *s;

	if (!raise_descriptors(2 * IDLE)) {
		(void)printf("SKIP: needs %d file descriptors\n", 2 * IDLE);
		skip();
	}
	s = scene_start_tls(state, NULL);
	honest_stream(s);
	for (size_t i = 0; i < IDLE; i++)
		fds[i] = raw_connect(pw_server_port(s->rig.server));
	do {
		wait_ms(10);
		pw_connection_stats(&now);
	} while (now.peer_limit - s->before.peer_limit + PW_PEER_CONNECTIONS < IDLE);
	assert_true(now.accepted - s->before.accepted <= PW_PEER_CONNECTIONS);
	expect_undisturbed(s);
	for (size_t i = 0; i < IDLE; i++)
		(void)close(fds[i]);
	/* their places are free again */
	rig_stop_client(&s->rig);
	honest_stream(s);
}

static void bytes_that_are_no_tls_are_counted_and_disturb_nobody(void **state)
{
	static const char *const rows[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-x\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\xff\xff no TLS hello of anybody"};
	struct scene *s;

	s = scene_start_tls(state, NULL);
	honest_stream(s);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		int fd = raw_connect(pw_server_port(s->rig.server));

		assert_true(send(fd, rows[i], strlen(rows[i]), MSG_NOSIGNAL) > 0);
		expect_closed(fd);
		(void)close(fd);
	}
	for (size_t i = 0; i < 50; i++) {
		uint8_t noise[300];
		int fd = raw_connect(pw_server_port(s->rig.server));

		pw_random_bytes(noise, sizeof(noise));
		/* Else it might be the start of a record whose rest is waited for: 22 of TLS,
		 * 128… of 2.0, and any type with 3 as the major version. */
		noise[0] = (uint8_t)((noise[0] & 0x3f) | 0x40);
		noise[1] |= 4;
		assert_true(send(fd, noise, sizeof(noise), MSG_NOSIGNAL) > 0);
		expect_closed(fd);
		(void)close(fd);
	}
	wait_for_failures(s, PW_COUNT(rows) + 50);
	assert_int_equal(failures_by(s, PW_HANDSHAKE_PROTOCOL), PW_COUNT(rows) + 50);
	expect_undisturbed(s);
}

static void a_handshake_that_takes_for_ever_is_ended_and_counted(void **state)
{
	/* a record of 4,096 bytes of an unknown type: the server waits for the rest of it */
	static const uint8_t record[300] = {0x40, 0x03, 0x09, 0x10, 0x00};
	static const uint8_t hello[] = {0x16, 0x03, 0x01, 0x01, 0x00, 0x01}; /* of 256 bytes */
	struct pw_server_limits limits = PW_SERVER_LIMITS_DEFAULT;
	struct scene *s;
	int silent, slow, large;

	limits.handshake_ms = 300;
	s = scene_start_tls(state, &limits);
	honest_stream(s);
	silent = raw_connect(pw_server_port(s->rig.server));
	slow = raw_connect(pw_server_port(s->rig.server));
	large = raw_connect(pw_server_port(s->rig.server));
	assert_int_equal(send(large, record, sizeof(record), MSG_NOSIGNAL), sizeof(record));
	for (size_t i = 0; i < sizeof(hello); i++) {
		if (send(slow, &hello[i], 1, MSG_NOSIGNAL) < 0)
			break;
		wait_ms(100);
	}
	expect_closed(silent);
	expect_closed(slow);
	expect_closed(large);
	(void)close(silent);
	(void)close(slow);
	(void)close(large);
	wait_for_failures(s, 3);
	assert_int_equal(failures_by(s, PW_HANDSHAKE_TIMEOUT), 3);
	expect_undisturbed(s);
}

static void a_peer_that_hangs_up_in_its_handshake_is_counted(void **state)
{
	struct scene *s;

	s = scene_start_tls(state, NULL);
	honest_stream(s);
	(void)close(raw_connect(pw_server_port(s->rig.server)));
	wait_for_failures(s, 1);
	assert_int_equal(failures_by(s, PW_HANDSHAKE_CLOSED), 1);
	expect_undisturbed(s);
}

/* As after SIGSTOP or a pulled cable: it has begun HTTP/2, then nothing comes. */
static void a_peer_that_answers_no_ping_is_let_go(void **state)
{
	static const char begin[] =
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0";
	struct pw_server_limits limits = PW_SERVER_LIMITS_DEFAULT;
	struct scene *s;
	int fd;

	limits.ping_ms = 200;
	s = scene_start(state, &limits);
	s->rig.send_goal = 1;
	rig_start_client(&s->rig);
	rig_start_stream(&s->rig);
	rig_wait(&s->rig, rig_received, 1);
	fd = raw_connect(pw_server_port(s->rig.server));
	assert_int_equal(send(fd, begin, 24 + FRAME_LEN + FRAME_LEN, MSG_NOSIGNAL),
		24 + FRAME_LEN + FRAME_LEN);
	expect_closed(fd);
	(void)close(fd);
	assert_int_equal(s->rig.log_len, 1); /* an idle peer that answers stays */
}

/* A header in the simplest form of HPACK. Source: RFC 7541, 6.2.2 and 5.1 */
static size_t put_header(uint8_t *out, const char *name, const char *value, size_t value_len)
{
	size_t at = 0, rest = value_len - 127;

	out[at++] = 0;
	out[at++] = (uint8_t)strlen(name);
	memcpy(out + at, name, strlen(name));
	at += strlen(name);
	out[at++] = (uint8_t)(value_len < 127 ? value_len : 127);
	for (; value_len >= 127 && rest >= 128; rest >>= 7)
		out[at++] = (uint8_t)(rest & 127) | 128;
	if (value_len >= 127)
		out[at++] = (uint8_t)rest;
	if (value)
		memcpy(out + at, value, value_len);
	else
		memset(out + at, 'x', value_len);
	return at + value_len;
}

static void send_call(int fd, const char *name, const char *value, size_t padding)
{
	static const char begin[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
	uint8_t out[16384 + 64], *block = out + 24 + FRAME_LEN + FRAME_LEN;
	size_t len = 0, total;

	memset(out, 0, sizeof(out));
	memcpy(out, begin, 24 + FRAME_LEN);
	len += put_header(block + len, ":method", "POST", 4);
	len += put_header(block + len, ":path", "/podward.v1.CollectService/Stream", 33);
	len += put_header(block + len, ":authority", "x", 1);
	len += put_header(block + len, "content-type", "application/grpc", 16);
	len += put_header(block + len, name, value, strlen(value));
	len += put_header(block + len, "padding", NULL, padding);
	out[24 + FRAME_LEN] = (uint8_t)(len >> 16);
	out[24 + FRAME_LEN + 1] = (uint8_t)(len >> 8);
	out[24 + FRAME_LEN + 2] = (uint8_t)len;
	out[24 + FRAME_LEN + 3] = 1; /* HEADERS, END_HEADERS, stream 1 */
	out[24 + FRAME_LEN + 4] = 4;
	out[24 + FRAME_LEN + 8] = 1;
	total = (size_t)(block - out) + len;
	assert_int_equal(send(fd, out, total, MSG_NOSIGNAL), total);
}

/* CVE-2023-1428: each of these, with more headers than are allowed, ended other builds by abort().
 */
static void headers_that_make_no_sense_end_no_process(void **state)
{
	static const struct {
		const char *name, *value;
		size_t padding;
	} rows[] = {
		{"te", "x", 9000},
		{":scheme", "x", 9000},
		{"grpclb_client_stats", "x", 9000},
		{"te", "x", 200},
		{"grpc-timeout", "99999999999999999999S", 200},
		{"x-bin", "!!not base64!!", 200},
		{"grpc-encoding", "nothing", 200},
		{"x", "y", 15000},
	};
	struct scene *s;

	s = scene_start(state, NULL);
	s->rig.send_goal = UINT64_MAX;
	rig_start_client(&s->rig);
	rig_start_stream(&s->rig);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		uint8_t answer[9];
		int fd = raw_connect(pw_server_port(s->rig.server));

		send_call(fd, rows[i].name, rows[i].value, rows[i].padding);
		assert_true(read(fd, answer, sizeof(answer)) > 0); /* it was read and answered */
		wait_ms(20);
		(void)close(fd);
	}
	rig_wait(&s->rig, rig_received, 100);
	assert_int_equal(s->rig.log_len, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_new, scene_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_address_cannot_take_all_connections),
		TEST(bytes_that_are_no_tls_are_counted_and_disturb_nobody),
		TEST(a_handshake_that_takes_for_ever_is_ended_and_counted),
		TEST(a_peer_that_hangs_up_in_its_handshake_is_counted),
		TEST(headers_that_make_no_sense_end_no_process),
		TEST(a_peer_that_answers_no_ping_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
