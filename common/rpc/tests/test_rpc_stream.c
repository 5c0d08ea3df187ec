/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/rpc/tests/rig.h"

static void restart_stream(void *ctx)
{
	struct rig *r = ctx;

	pw_stream_restart(r->stream, 5);
}

static void ten_thousand_messages_come_back_in_order(void **state)
{
	struct pw_stream_stats stats;
	struct rig r;

	(void)state;
	rig_init(&r);
	r.send_goal = 10000;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_received, 10000);
	assert_int_equal(r.out_of_order, 0);
	rig_wait(&r, rig_sent, 10000);
	pw_stream_get_stats(r.stream, &stats);
	assert_int_equal(stats.messages_sent, 10000);
	assert_int_equal(stats.messages_received, 10000);
	assert_int_equal(stats.connects, 1);
	assert_true(stats.bytes_sent > 0 && stats.bytes_received > 0);
	rig_wait_stat(&r, messages_sent, 10000);
	rig_done(&r);
}

static void echo_survives_a_send_queue_of_one(void **state)
{
	struct pw_server_limits limits = PW_SERVER_LIMITS_DEFAULT;
	struct rig r;

	(void)state;
	limits.send_queue = 1;
	rig_init(&r);
	r.send_goal = 2000;
	rig_start_server(&r, &limits);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_received, 2000);
	assert_int_equal(r.out_of_order, 0);
	rig_done(&r);
}

static void half_close_ends_with_the_servers_status(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.send_goal = 3;
	r.half_closes = true;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_log_has, 2);
	assert_string_equal(r.log[0], "up");
	assert_string_equal(r.log[1], "down OK bye");
	assert_int_equal(r.half_closed, 1);
	assert_int_equal(r.received, 3);
	rig_done(&r);
}

static void stream_comes_back_after_a_server_restart(void **state)
{
	struct pw_stream_stats stats;
	struct rig r;
	size_t ups = 0;

	(void)state;
	rig_init(&r);
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_log_has, 1);
	rig_stop_server(&r, 0);
	rig_wait(&r, rig_log_has, 3); /* down, and at least one attempt that found nobody */
	rig_start_server(&r, NULL);
	do {
		rig_wait_stat(&r, calls_opened, 1);
		pw_stream_get_stats(r.stream, &stats);
	} while (stats.connects < 2);
	rig_wait(&r, rig_log_has, stats.failures + 3);
	assert_string_equal(r.log[0], "up");
	for (size_t i = 1; i < r.log_len; i++) {
		bool is_up = strcmp(r.log[i], "up") == 0;

		assert_true(is_up || strncmp(r.log[i], "down UNAVAILABLE", 16) == 0);
		assert_false(is_up && strcmp(r.log[i - 1], "up") == 0);
		ups += is_up;
	}
	assert_int_equal(ups, 1);
	assert_true(r.last_delay_ms >= 20 && r.last_delay_ms <= 100);
	rig_done(&r);
}

static void nobody_there_is_told_with_growing_delay(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_log_has, 4);
	for (size_t i = 0; i < 4; i++)
		assert_memory_equal(r.log[i], "down UNAVAILABLE", 16);
	rig_done(&r);
}

static void restart_reconnects_without_backoff(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.send_goal = 1;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_received, 1);
	rig_on_client(&r, restart_stream, &r);
	rig_wait(&r, rig_log_has, 3);
	assert_string_equal(r.log[1], "down CANCELLED restarted");
	assert_true(r.last_delay_ms <= 5);
	assert_string_equal(r.log[2], "up");
	rig_done(&r);
}

static void refused_stream_is_never_up(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.refuse_status = PW_RPC_PERMISSION_DENIED;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_log_has, 2);
	assert_string_equal(r.log[0], "down PERMISSION_DENIED refused");
	assert_string_equal(r.log[1], "down PERMISSION_DENIED refused");
	rig_wait_stat(&r, refused_calls, 2);
	assert_int_equal(r.opened, 0);
	rig_done(&r);
}

static void foreign_server_that_does_not_refuse_counts_as_up(void **state)
{
	struct raw_server *server;
	uint16_t port;
	struct rig r;

	(void)state;
	rig_init(&r);
	server = raw_server_start(&port);
	(void)snprintf(r.target, sizeof(r.target), "127.0.0.1:%u", port);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_log_has, 1);
	assert_string_equal(r.log[0], "up");
	raw_server_stop(server);
	rig_wait(&r, rig_log_has, 2);
	assert_memory_equal(r.log[1], "down ", 5);
	rig_done(&r);
}

static void resume_stream(void *ctx)
{
	struct rig *r = ctx;

	rig_set_pauses(r, false);
	pw_stream_next(r->stream);
}

static void client_that_stops_reading_fills_the_servers_queue(void **state)
{
	struct pw_server_limits limits = PW_SERVER_LIMITS_DEFAULT;
	struct pw_server_stats stats;
	struct rig r;

	(void)state;
	limits.send_queue = 4;
	rig_init(&r);
	r.pauses = true;
	r.send_goal = UINT64_MAX;
	rig_start_server(&r, &limits);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_received, 1);
	/* The windows of both directions fill, then nobody sends any more. */
	for (uint64_t before = 0, now = 1; before != now;) {
		before = now;
		(void)nanosleep(&(struct timespec){1, 0}, NULL);
		rig_stats(&r, &stats);
		now = stats.messages_received > stats.messages_sent ? stats.messages_received : 0;
	}
	assert_true(stats.messages_received - stats.messages_sent <= 4 + 2);
	assert_true(stats.bytes_sent < 8 << 20);
	rig_on_client(&r, resume_stream, &r);
	rig_wait(&r, rig_received, stats.messages_received + 100);
	assert_true(rig_sends_resumed(&r) > 0);
	rig_done(&r);
	assert_int_equal(r.out_of_order, 0);
}

static void bad_targets_are_refused(void **state)
{
	static const char *const targets[] = {"", "host", "host:", "host:0", "host:99999", ":7443",
		"xds:///analyzer", "unix:", "unix:relative", "http://host:80", "host:http"};
	struct pw_rpc_loop *loop;
	struct pw_channel *channel = NULL;

	(void)state;
	assert_int_equal(pw_rpc_loop_start("targets", &loop, NULL), 0);
	for (size_t i = 0; i < PW_COUNT(targets); i++) {
		struct pw_err err = PW_ERR_INIT;

		assert_int_equal(pw_channel_new(&(struct pw_channel_config){.loop = loop,
							.target = targets[i]},
					 &channel, &err),
			-EINVAL);
		assert_non_null(strstr(err.msg, "neither host:port nor unix:/path"));
		assert_null(channel);
	}
	pw_rpc_loop_stop(loop);
}

static void start_unknown_method(void *ctx)
{
	static const struct pw_stream_ops ops = {NULL, NULL, NULL, NULL};
	struct rig *r = ctx;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(pw_stream_start(r->channel,
				 &(struct pw_stream_config){
					 .service = &podward__v1__collect_service__descriptor,
					 .method = "Nothing",
					 .ops = &ops,
					 .ctx = r},
				 &r->stream, &err),
		-ENOENT);
	assert_string_equal(err.msg, "podward.v1.CollectService has no method Nothing");
}

static void method_must_exist_in_the_service(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_client(&r);
	rig_on_client(&r, start_unknown_method, &r);
	rig_done(&r);
}

static void objects_may_outlive_their_loop(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.send_goal = 1;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_received, 1);
	pw_rpc_loop_stop(PW_TAKE(r.client_loop));
	pw_rpc_loop_stop(PW_TAKE(r.server_loop));
	assert_string_equal(r.log[r.log_len - 1], "down CANCELLED the loop stops");
	assert_false(pw_stream_is_up(r.stream));
	pw_stream_stop(PW_TAKE(r.stream));
	pw_channel_free(PW_TAKE(r.channel));
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_messages_come_back_in_order),
		cmocka_unit_test(echo_survives_a_send_queue_of_one),
		cmocka_unit_test(half_close_ends_with_the_servers_status),
		cmocka_unit_test(stream_comes_back_after_a_server_restart),
		cmocka_unit_test(nobody_there_is_told_with_growing_delay),
		cmocka_unit_test(restart_reconnects_without_backoff),
		cmocka_unit_test(refused_stream_is_never_up),
		cmocka_unit_test(foreign_server_that_does_not_refuse_counts_as_up),
		cmocka_unit_test(client_that_stops_reading_fills_the_servers_queue),
		cmocka_unit_test(bad_targets_are_refused),
		cmocka_unit_test(method_must_exist_in_the_service),
		cmocka_unit_test(objects_may_outlive_their_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
