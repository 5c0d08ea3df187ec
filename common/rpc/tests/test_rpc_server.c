/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/rpc/tests/rig.h"

#define STREAM "/podward.v1.CollectService/Stream"

static bool log_has_down(struct rig *r, uint64_t n)
{
	(void)n;
	return r->log_len > 0 && strncmp(r->log[r->log_len - 1], "down", 4) == 0;
}

static bool has_opened(struct rig *r, uint64_t n)
{
	return r->opened >= n;
}

/* The server still serves: a fresh call with a hello gets its welcome. */
static void expect_service(struct rig *r)
{
	static const uint8_t hello[] = {0x0a, 0x02, 0x30, 0x07};   /* hello { next_seq: 7 } */
	static const uint8_t welcome[] = {0x0a, 0x02, 0x10, 0x07}; /* welcome { received_seq: 7 } */
	struct raw_request request = {r->target, STREAM, hello, sizeof(hello), false};
	struct raw_result result;

	raw_call(&request, &result);
	assert_int_equal(result.status, PW_RPC_OK);
	assert_int_equal(result.reply_len, sizeof(welcome));
	assert_memory_equal(result.reply, welcome, sizeof(welcome));
}

static void one_call_is_answered(void **state)
{
	struct pw_server_stats stats;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_server(&r, NULL);
	expect_service(&r);
	rig_wait(&r, rig_closed, 1);
	rig_stats(&r, &stats);
	assert_int_equal(stats.messages_received, 1);
	assert_int_equal(stats.messages_sent, 1);
	assert_int_equal(stats.bytes_received, 4);
	assert_int_equal(stats.bytes_sent, 4);
	assert_int_equal(stats.calls_opened, 1);
	assert_memory_equal(pw_call_peer(r.held), "unix:", 5);
	rig_done(&r);
}

static void unknown_methods_are_refused_at_once(void **state)
{
	static const char *const paths[] = {"/podward.v1.CollectService/Nothing", "/x.Y/Z", "/",
		"/podward.v1.CollectService/", "/podward.v1.CollectService/Stream/"};
	struct raw_result result;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_server(&r, NULL);
	for (size_t i = 0; i < PW_COUNT(paths); i++) {
		struct raw_request request = {r.target, paths[i], "", 0, false};

		raw_call(&request, &result);
		assert_int_equal(result.status, PW_RPC_UNIMPLEMENTED);
		assert_string_equal(result.detail, "unknown method");
	}
	rig_wait_stat(&r, unimplemented, PW_COUNT(paths));
	expect_service(&r);
	rig_done(&r);
}

static void malformed_message_ends_its_call_only(void **state)
{
	static const uint8_t rows[][5] = {
		{0xff, 0xff, 0xff, 0xff, 0xff}, /* endless varint */
		{0x0a, 0x20, 0x01, 0x02, 0x03}, /* length beyond the end */
		{0x0a, 0x03, 0x30, 0xff, 0xff}, /* broken inside */
		{0x00, 0x00, 0x00, 0x00, 0x00}, /* field number 0 */
		{0x0f, 0x00, 0x00, 0x00, 0x00}, /* wire type 7 */
	};
	struct raw_result result;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_server(&r, NULL);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct raw_request request = {r.target, STREAM, rows[i], sizeof(rows[i]), false};

		raw_call(&request, &result);
		assert_int_equal(result.status, PW_RPC_INVALID_ARGUMENT);
		assert_string_equal(result.detail, "cannot unpack podward.v1.CollectRequest");
	}
	rig_wait_stat(&r, malformed, PW_COUNT(rows));
	assert_int_equal(rig_messages_seen(&r), 0);
	expect_service(&r);
	rig_done(&r);
}

static void message_over_the_limit_is_refused(void **state)
{
	struct pw_server_limits limits = PW_SERVER_LIMITS_DEFAULT;
	uint8_t *bytes = pw_alloc0(1, 20000);
	struct raw_result result;
	struct rig r;

	(void)state;
	limits.message_bytes = 10000;
	rig_init(&r);
	rig_start_server(&r, &limits);
	struct raw_request request = {r.target, STREAM, bytes, 20000, false};

	raw_call(&request, &result);
	assert_int_equal(result.status, PW_RPC_RESOURCE_EXHAUSTED);
	rig_wait_stat(&r, oversize, 1);
	assert_int_equal(rig_messages_seen(&r), 0);
	expect_service(&r);
	rig_done(&r);
	free(bytes);
}

static void message_that_unpacks_too_big_is_refused(void **state)
{
	struct pw_server_limits limits = PW_SERVER_LIMITS_DEFAULT;
	uint8_t *bytes = pw_alloc0(1, 100000);
	struct raw_result result;
	struct rig r;

	(void)state;
	/* Unknown fields: four bytes each on the wire, an entry and a copy each in memory. */
	assert_non_null(bytes);
	limits.arena_bytes = 256 << 10;
	rig_init(&r);
	rig_start_server(&r, &limits);
	bytes[0] = 0x0a; /* hello */
	bytes[1] = 0x9c;
	bytes[2] = 0x8d;
	bytes[3] = 0x06; /* 99996 bytes */
	for (size_t i = 4; i < 100000; i += 4)
		memcpy(bytes + i, "\xfa\x01\x01x", 4); /* field 31: "x" */
	struct raw_request request = {r.target, STREAM, bytes, 100000, false};

	raw_call(&request, &result);
	assert_int_equal(result.status, PW_RPC_RESOURCE_EXHAUSTED);
	assert_string_equal(result.detail, "no memory to unpack podward.v1.CollectRequest");
	rig_wait_stat(&r, malformed, 1);
	expect_service(&r);
	rig_done(&r);
	free(bytes);
}

static void compressed_message_is_refused(void **state)
{
	const size_t size = 8 << 20; /* of zeros: a few KB on the wire */
	uint8_t *bytes = pw_alloc0(1, size);
	struct raw_result result;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_server(&r, NULL);
	struct raw_request request = {r.target, STREAM, bytes, size, true};

	raw_call(&request, &result);
	assert_int_equal(result.status, PW_RPC_UNIMPLEMENTED);
	assert_int_equal(rig_messages_seen(&r), 0);
	expect_service(&r);
	rig_done(&r);
	free(bytes);
}

static void calls_beyond_the_ceiling_are_refused(void **state)
{
	struct pw_server_limits limits = PW_SERVER_LIMITS_DEFAULT;
	struct raw_request request = {NULL, STREAM, "", 0, false};
	struct raw_result result;
	struct rig r;

	(void)state;
	limits.calls = 1;
	rig_init(&r);
	rig_start_server(&r, &limits);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_log_has, 1);
	request.target = r.target;
	raw_call(&request, &result);
	assert_int_equal(result.status, PW_RPC_RESOURCE_EXHAUSTED);
	assert_string_equal(result.detail, "too many calls are open");
	rig_wait_stat(&r, refused_calls, 1);
	rig_done(&r);
}

static void cancelled_stream_closes_once(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.send_goal = UINT64_MAX;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_server_saw, 50);
	pw_rpc_loop_stop(PW_TAKE(r.client_loop)); /* cancels in the middle */
	rig_wait(&r, rig_closed, 1);
	assert_int_equal(r.closed, 1);
	assert_int_equal(r.half_closed, 0);
	pw_stream_stop(PW_TAKE(r.stream));
	rig_done(&r);
}

static void resume_held(void *ctx)
{
	struct rig *r = ctx;

	(void)pthread_mutex_lock(&r->lock);
	r->holds = false;
	(void)pthread_mutex_unlock(&r->lock);
	pw_call_next(r->held);
}

static void server_that_does_not_ask_holds_the_client_back(void **state)
{
	struct pw_server_stats stats;
	uint64_t before, now = 0;
	struct rig r;

	(void)state;
	rig_init(&r);
	r.holds = true;
	r.send_goal = UINT64_MAX;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_server_saw, 1);
	do { /* until a whole second brings no further acknowledged send */
		before = now;
		(void)sleep(1);
		(void)pthread_mutex_lock(&r.lock);
		now = r.sent;
		(void)pthread_mutex_unlock(&r.lock);
	} while (now != before);
	rig_stats(&r, &stats);
	assert_int_equal(stats.messages_received, 1);
	assert_true(now > 0 && now < 4000000 / 7); /* some MB of messages of 7 bytes and more */
	assert_int_equal(pw_rpc_loop_call(r.server_loop, resume_held, &r), 0);
	rig_wait(&r, rig_received, now);
	rig_done(&r);
}

static void finish_sends_what_is_queued_first(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.send_goal = 1;
	r.finish_status = PW_RPC_FAILED_PRECONDITION;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, log_has_down, 0);
	assert_int_equal(r.received, 1);
	assert_string_equal(r.log[1], "down FAILED_PRECONDITION that was enough");
	rig_done(&r);
}

static void send_to_held(void *ctx)
{
	Podward__V1__CollectReply reply = PODWARD__V1__COLLECT_REPLY__INIT;
	struct rig *r = ctx;

	assert_int_equal(pw_call_send(r->held, &reply.base), -EPIPE);
	pw_call_next(r->held);
	pw_call_finish(r->held, PW_RPC_OK, "");
}

static void held_call_outlives_its_close(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_server(&r, NULL);
	expect_service(&r);
	rig_wait(&r, rig_closed, 1);
	rig_wait_stat(&r, calls_opened, 1);
	assert_int_equal(pw_rpc_loop_call(r.server_loop, send_to_held, &r), 0);
	rig_done(&r); /* the last reference goes after the server and both loops */
}

static void stop_gives_open_calls_their_grace(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.send_goal = 1;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_received, 1);
	rig_stop_server(&r, 200); /* the stream never ends by itself */
	assert_int_equal(r.closed, 1);
	rig_wait(&r, rig_log_has, 2);
	rig_done(&r);
}

static void end_held(void *ctx)
{
	struct rig *r = ctx;

	pw_call_finish(r->held, PW_RPC_OK, "going");
}

static void *stop_slowly(void *ctx)
{
	rig_stop_server(ctx, 3600 * 1000);
	return NULL;
}

static void stop_returns_when_the_last_call_has_ended(void **state)
{
	pthread_t stopper;
	struct rig r;

	(void)state;
	rig_init(&r);
	r.send_goal = 1;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_received, 1);
	assert_int_equal(pthread_create(&stopper, NULL, stop_slowly, &r), 0);
	assert_int_equal(pw_rpc_loop_call(r.server_loop, end_held, &r), 0);
	(void)pthread_join(stopper, NULL);
	rig_wait(&r, rig_log_has, 2);
	assert_string_equal(r.log[1], "down OK going");
	rig_done(&r);
}

static void stop_tells_open_calls_and_waits_for_their_end_only(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.send_goal = 1;
	r.ends_on_stop = true;
	rig_start_server(&r, NULL);
	expect_service(&r); /* a call that is over by then */
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_received, 1);
	rig_stop_server(&r, 3600 * 1000);
	rig_wait(&r, rig_log_has, 2);
	assert_string_equal(r.log[1], "down UNAVAILABLE stopping");
	rig_done(&r);
}

static void expect_start_error(struct rig *r, const char *address, int code, const char *text)
{
	struct pw_server *server = NULL;
	struct pw_err err = PW_ERR_INIT;
	int result = pw_server_start(
		&(struct pw_server_config){
			.loop = r->server_loop, .addresses = &address, .address_count = 1},
		&server, &err);

	assert_int_equal(result, code);
	assert_null(server);
	if (strncmp(err.msg, text, strlen(text)) != 0)
		fail_msg("\"%s\" is not \"%s…\"", err.msg, text);
}

static void addresses_that_cannot_be_bound_are_named(void **state)
{
	char address[64], text[256], path[128];
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_server(&r, NULL);
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", pw_server_port(r.server));
	(void)snprintf(text, sizeof(text), "cannot listen on %s: Address already in use", address);
	expect_start_error(&r, address, -EADDRINUSE, text);
	(void)snprintf(
		text, sizeof(text), "cannot listen on %s: Address already in use", r.address);
	expect_start_error(&r, r.address, -EADDRINUSE, text);
	expect_start_error(&r, "nonsense", -EINVAL, "cannot listen on nonsense: neither");
	expect_start_error(&r, "127.0.0.1:port", -EINVAL, "cannot listen on 127.0.0.1:port: ");
	expect_start_error(&r, "192.0.2.1:1", -EADDRNOTAVAIL, "cannot listen on 192.0.2.1:1: ");
	(void)snprintf(path, sizeof(path), "unix:%s/none/s", r.directory);
	expect_start_error(&r, path, -ENOENT, "cannot listen on unix:");
	expect_service(&r);
	rig_done(&r);
}

static void start_badly(void *ctx)
{
	expect_start_error(
		ctx, ((struct rig *)ctx)->address, -EADDRINUSE, "cannot listen on unix:");
}

static void failed_start_on_the_loop_itself_leaves_nothing(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_server(&r, NULL);
	assert_int_equal(pw_rpc_loop_call(r.server_loop, start_badly, &r), 0);
	expect_service(&r);
	rig_done(&r);
}

static void ignore_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	(void)msg;
	pw_call_next(call);
}

static void method_table_is_checked(void **state)
{
	static const char *const address = "127.0.0.1:0";
	const ProtobufCServiceDescriptor *service = &podward__v1__collect_service__descriptor;
	const struct pw_method methods[] = {
		{.service = service, .name = "Stream", .on_message = ignore_message},
		{.service = service, .name = "Stream", .on_message = ignore_message},
		{.service = service, .name = "Drain", .on_message = ignore_message},
	};
	static const struct {
		size_t from, count;
		int code;
		const char *text;
	} rows[] = {
		{0, 2, -EEXIST, "/podward.v1.CollectService/Stream is in the method table twice"},
		{2, 1, -ENOENT, "podward.v1.CollectService has no method Drain"},
	};
	struct pw_rpc_loop *loop;

	(void)state;
	assert_int_equal(pw_rpc_loop_start("table", &loop, NULL), 0);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_server *server = NULL;
		struct pw_err err = PW_ERR_INIT;

		assert_int_equal(pw_server_start(&(struct pw_server_config){.loop = loop,
							 .addresses = &address,
							 .address_count = 1,
							 .methods = methods + rows[i].from,
							 .method_count = rows[i].count},
					 &server, &err),
			rows[i].code);
		assert_string_equal(err.msg, rows[i].text);
	}
	pw_rpc_loop_stop(loop);
}

static size_t log_lines(struct rig *r)
{
	size_t n;

	(void)pthread_mutex_lock(&r->lock);
	n = r->log_len;
	(void)pthread_mutex_unlock(&r->lock);
	return n;
}

static void foreign_bytes_on_the_port_hurt_nobody(void **state)
{
	static const char *const rows[] = {
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not a TLS hello of anybody",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"SSH-2.0-x\r\n",
	};
	int idle;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, has_opened, 1);
	rig_wait(&r, rig_log_has, 1);
	idle = raw_connect(pw_server_port(r.server));
	for (size_t i = 0; i < 10 * PW_COUNT(rows); i++) {
		const char *bytes = rows[i % PW_COUNT(rows)];
		int fd = raw_connect(pw_server_port(r.server));

		assert_true(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL) > 0);
		(void)close(fd);
	}
	expect_service(&r);
	assert_int_equal(log_lines(&r), 1); /* the stream beside it was never down */
	rig_stop_server(&r, 0);             /* with a connection that never said anything */
	(void)close(idle);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_call_is_answered),
		cmocka_unit_test(unknown_methods_are_refused_at_once),
		cmocka_unit_test(malformed_message_ends_its_call_only),
		cmocka_unit_test(message_over_the_limit_is_refused),
		cmocka_unit_test(message_that_unpacks_too_big_is_refused),
		cmocka_unit_test(compressed_message_is_refused),
		cmocka_unit_test(calls_beyond_the_ceiling_are_refused),
		cmocka_unit_test(cancelled_stream_closes_once),
		cmocka_unit_test(server_that_does_not_ask_holds_the_client_back),
		cmocka_unit_test(finish_sends_what_is_queued_first),
		cmocka_unit_test(held_call_outlives_its_close),
		cmocka_unit_test(stop_gives_open_calls_their_grace),
		cmocka_unit_test(stop_returns_when_the_last_call_has_ended),
		cmocka_unit_test(stop_tells_open_calls_and_waits_for_their_end_only),
		cmocka_unit_test(addresses_that_cannot_be_bound_are_named),
		cmocka_unit_test(failed_start_on_the_loop_itself_leaves_nothing),
		cmocka_unit_test(method_table_is_checked),
		cmocka_unit_test(foreign_bytes_on_the_port_hurt_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
