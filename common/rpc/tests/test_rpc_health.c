/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "common/rpc/channelz.h"
#include "common/rpc/tests/rig.h"
#include "grpc/health/v1/health.pb-c.h"

/* Health of a rig's server, and pw_unary, which Check is the natural user of. */

#define SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define NO_SUCH     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

struct check {
	struct rig *rig;
	const char *service;
	uint32_t deadline_ms;
	sem_t done;
	int result, status, answer, calls;
	char detail[128];
};

static void check_on_reply(void *ctx, int status, const char *detail, const ProtobufCMessage *reply)
{
	struct check *c = ctx;

	c->calls++;
	c->status = status;
	c->answer =
		reply ? (int)((const Grpc__Health__V1__HealthCheckResponse *)reply)->status : -1;
	(void)snprintf(c->detail, sizeof(c->detail), "%s", detail);
	(void)sem_post(&c->done);
}

static void check_start(void *ctx)
{
	Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	struct check *c = ctx;

	request.service = (char *)(uintptr_t)c->service;
	c->result = pw_unary(c->rig->channel,
		&(struct pw_unary_request){.service = &grpc__health__v1__health__descriptor,
			.method = "Check",
			.message = &request.base,
			.deadline_ms = c->deadline_ms},
		check_on_reply, c);
}

/* Answers the health status, or -status when the call failed. */
static int check(struct rig *r, const char *service)
{
	struct check c = {.rig = r, .service = service, .deadline_ms = 60000};

	(void)sem_init(&c.done, 0, 0);
	rig_on_client(r, check_start, &c);
	assert_int_equal(c.result, 0);
	while (sem_wait(&c.done) != 0)
		;
	(void)sem_destroy(&c.done);
	assert_int_equal(c.calls, 1);
	return c.status == PW_RPC_OK ? c.answer : -c.status;
}

static void check_tells_the_state_of_known_services(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	assert_int_equal(check(&r, ""), SERVING);
	assert_int_equal(check(&r, "podward.v1.CollectService"), SERVING);
	assert_int_equal(check(&r, "grpc.health.v1.Health"), SERVING);
	assert_int_equal(check(&r, "podward.v1.Nothing"), -PW_RPC_NOT_FOUND);
	pw_server_set_serving(r.server, false);
	assert_int_equal(check(&r, ""), NOT_SERVING);
	pw_server_set_serving(r.server, true);
	assert_int_equal(check(&r, "podward.v1.CollectService"), SERVING);
	rig_done(&r);
}

static void check_without_a_server_is_unavailable_until_there_is_one(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_client(&r);
	assert_int_equal(check(&r, ""), -PW_RPC_UNAVAILABLE);
	assert_int_equal(check(&r, ""), -PW_RPC_UNAVAILABLE);
	rig_start_server(&r, NULL);
	assert_int_equal(check(&r, ""), SERVING); /* no back-off of the channel's own */
	rig_stop_server(&r, 0);
	assert_int_equal(check(&r, ""), -PW_RPC_UNAVAILABLE);
	rig_start_server(&r, NULL);
	assert_int_equal(check(&r, ""), SERVING);
	rig_done(&r);
}

static void silent_start(void *ctx)
{
	Podward__V1__CollectRequest request = PODWARD__V1__COLLECT_REQUEST__INIT;
	struct check *c = ctx;

	c->result = pw_unary(c->rig->channel,
		&(struct pw_unary_request){.service = &podward__v1__collect_service__descriptor,
			.method = "Stream",
			.message = &request.base,
			.deadline_ms = c->deadline_ms},
		check_on_reply, c);
}

static void unary_ends_at_its_deadline(void **state)
{
	struct check c = {.deadline_ms = 200};
	struct rig r;

	(void)state;
	rig_init(&r);
	r.is_mute = true;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	c.rig = &r;
	(void)sem_init(&c.done, 0, 0);
	rig_on_client(&r, silent_start, &c);
	while (sem_wait(&c.done) != 0)
		;
	assert_int_equal(c.status, PW_RPC_DEADLINE_EXCEEDED);
	rig_wait(&r, rig_closed, 1);
	rig_done(&r);
	(void)sem_destroy(&c.done);
}

static void unary_that_waits_when_the_loop_stops_is_cancelled(void **state)
{
	struct check c = {.deadline_ms = 3600 * 1000};
	struct rig r;

	(void)state;
	rig_init(&r);
	r.is_mute = true;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	c.rig = &r;
	(void)sem_init(&c.done, 0, 0);
	rig_on_client(&r, silent_start, &c);
	rig_wait(&r, rig_server_saw, 1);
	pw_rpc_loop_stop(PW_TAKE(r.client_loop));
	assert_int_equal(c.calls, 1);
	assert_int_equal(c.status, PW_RPC_CANCELLED);
	rig_done(&r);
	(void)sem_destroy(&c.done);
}

static void end_held(void *ctx)
{
	struct rig *r = ctx;

	pw_call_finish(r->held, PW_RPC_OK, "");
}

static void unary_ok_without_a_reply_is_an_error(void **state)
{
	struct check c = {.deadline_ms = 60000};
	struct rig r;

	(void)state;
	rig_init(&r);
	r.is_mute = true;
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	c.rig = &r;
	(void)sem_init(&c.done, 0, 0);
	rig_on_client(&r, silent_start, &c);
	rig_wait(&r, rig_server_saw, 1);
	assert_int_equal(pw_rpc_loop_call(r.server_loop, end_held, &r), 0);
	while (sem_wait(&c.done) != 0)
		;
	assert_int_equal(c.status, PW_RPC_INTERNAL);
	assert_int_equal(c.calls, 1);
	rig_done(&r);
	(void)sem_destroy(&c.done);
}

/* A stream on Health/Watch that logs what it is told. */
struct watch {
	struct rig *rig;
	struct pw_stream *stream;
	const char *service;
	int told[16];
	size_t told_len;
	int down_status;
	bool is_down;
};

static void watch_on_up(void *ctx)
{
	Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	struct watch *w = ctx;

	request.service = (char *)(uintptr_t)w->service;
	assert_int_equal(pw_stream_send(w->stream, &request.base), 0);
}

static void watch_on_sent(void *ctx)
{
	struct watch *w = ctx;

	pw_stream_half_close(w->stream); /* as every gRPC library does for a single request */
}

static void watch_on_message(void *ctx, const ProtobufCMessage *msg)
{
	struct watch *w = ctx;

	(void)pthread_mutex_lock(&w->rig->lock);
	if (w->told_len < PW_COUNT(w->told))
		w->told[w->told_len++] =
			(int)((const Grpc__Health__V1__HealthCheckResponse *)msg)->status;
	(void)pthread_mutex_unlock(&w->rig->lock);
	rig_wake(w->rig);
	pw_stream_next(w->stream);
}

static void watch_on_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	struct watch *w = ctx;

	(void)detail;
	(void)delay_ms;
	(void)pthread_mutex_lock(&w->rig->lock);
	w->is_down = true;
	w->down_status = status;
	(void)pthread_mutex_unlock(&w->rig->lock);
	rig_wake(w->rig);
}

static void watch_start(void *ctx)
{
	static const struct pw_stream_ops ops = {
		watch_on_up, watch_on_message, watch_on_sent, watch_on_down};
	struct watch *w = ctx;

	assert_int_equal(
		pw_stream_start(w->rig->channel,
			&(struct pw_stream_config){.service = &grpc__health__v1__health__descriptor,
				.method = "Watch",
				.ops = &ops,
				.ctx = w},
			&w->stream, NULL),
		0);
}

static void watch_stop(void *ctx)
{
	struct watch *w = ctx;

	pw_stream_stop(PW_TAKE(w->stream));
}

static struct watch *watch_of_wait; /* rig_wait's predicate sees the rig only */

static bool watch_told(struct rig *r, uint64_t n)
{
	(void)r;
	return watch_of_wait->told_len >= n;
}

static bool watch_is_down(struct rig *r, uint64_t n)
{
	(void)r;
	(void)n;
	return watch_of_wait->is_down;
}

static void watch_tells_every_flip(void **state)
{
	struct rig r;
	struct watch w = {.rig = &r, .service = ""};

	(void)state;
	watch_of_wait = &w;
	rig_init(&r);
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_on_client(&r, watch_start, &w);
	rig_wait(&r, watch_told, 1);
	for (uint64_t i = 0; i < 6; i++) {
		pw_server_set_serving(r.server, i % 2 != 0);
		rig_wait(&r, watch_told, i + 2);
	}
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(w.told[i], i % 2 == 0 ? SERVING : NOT_SERVING);
	pw_server_set_serving(r.server, true); /* no flip, nothing told */
	rig_stop_server(&r, 3600 * 1000);      /* a watch does not use up the grace */
	rig_wait(&r, watch_is_down, 0);
	assert_int_equal(w.down_status, PW_RPC_UNAVAILABLE);
	assert_int_equal(w.told_len, 7);
	rig_on_client(&r, watch_stop, &w);
	rig_done(&r);
}

static void watch_of_an_unknown_service_stays_open(void **state)
{
	struct rig r;
	struct watch w = {.rig = &r, .service = "x.Y"};

	(void)state;
	watch_of_wait = &w;
	rig_init(&r);
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_on_client(&r, watch_start, &w);
	rig_wait(&r, watch_told, 1);
	assert_int_equal(w.told[0], NO_SUCH);
	pw_server_set_serving(r.server, false);
	assert_int_equal(check(&r, ""), NOT_SERVING); /* behind the flip */
	assert_int_equal(w.told_len, 1);
	assert_false(w.is_down);
	rig_on_client(&r, watch_stop, &w);
	rig_done(&r);
}

static void channelz_shows_servers_and_channels(void **state)
{
	const char *type = NULL;
	struct pw_buf out;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start_server(&r, NULL);
	rig_start_client(&r);
	rig_start_stream(&r);
	rig_wait(&r, rig_log_has, 1);
	pw_buf_init(&out, 1 << 20);
	assert_int_equal(pw_channelz_page(NULL, &out, &type), 200);
	assert_string_equal(type, "application/json");
	assert_true(pw_slice_find(pw_buf_slice(&out), PW_SLICE_LIT("\"serverId\"")) > 0);
	assert_true(pw_slice_find(pw_buf_slice(&out), pw_slice_str(r.directory)) > 0);
	pw_buf_done(&out);
	pw_buf_init(&out, 4); /* no room is an answer too */
	assert_int_equal(pw_channelz_page(NULL, &out, &type), 500);
	pw_buf_done(&out);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(channelz_shows_servers_and_channels),
		cmocka_unit_test(check_tells_the_state_of_known_services),
		cmocka_unit_test(check_without_a_server_is_unavailable_until_there_is_one),
		cmocka_unit_test(unary_ends_at_its_deadline),
		cmocka_unit_test(unary_that_waits_when_the_loop_stops_is_cancelled),
		cmocka_unit_test(unary_ok_without_a_reply_is_an_error),
		cmocka_unit_test(watch_tells_every_flip),
		cmocka_unit_test(watch_of_an_unknown_service_stays_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
