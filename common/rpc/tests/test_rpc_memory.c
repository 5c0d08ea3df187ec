/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "common/rpc/client.h"
#include "common/rpc/loop.h"
#include "common/rpc/message.h"
#include "common/rpc/server.h"
#include "common/testing/oom.h"
#include "podward/v1/collect.pb-c.h"

static void on_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	(void)msg;
	pw_call_next(call);
}

static int start_and_stop_a_loop(void *ctx)
{
	struct pw_rpc_loop *loop = NULL;
	int r;

	(void)ctx;
	r = pw_rpc_loop_start("memory", &loop, NULL);
	pw_rpc_loop_stop(loop);
	return r;
}

static int start_and_stop_a_server(void *ctx)
{
	static const char *const address = "unix-abstract:podward-rpc-memory";
	static const struct pw_method methods[] = {{
		.service = &podward__v1__collect_service__descriptor,
		.name = "Stream",
		.on_message = on_message,
	}};
	struct pw_rpc_loop *loop = ctx;
	struct pw_server *server = NULL;
	struct pw_err err = PW_ERR_INIT;
	int r;

	r = pw_server_start(&(struct pw_server_config){.loop = loop,
				    .addresses = &address,
				    .address_count = 1,
				    .methods = methods,
				    .method_count = 1},
		&server, &err);
	pw_server_stop(server, 0);
	return r;
}

static void no_timer(void *ctx)
{
	(void)ctx;
}

struct here {
	struct pw_rpc_loop *loop;
	struct pw_channel *channel;
	int result;
};

static void start_and_stop_a_stream_here(void *ctx)
{
	static const struct pw_stream_ops ops = {NULL, NULL, NULL, NULL};
	struct here *h = ctx;
	struct pw_stream *stream = NULL;
	struct pw_rpc_timer *timer = NULL;

	h->result = pw_rpc_timer_new(h->loop, no_timer, NULL, &timer);
	if (h->result == 0)
		h->result = pw_stream_start(h->channel,
			&(struct pw_stream_config){
				.service = &podward__v1__collect_service__descriptor,
				.method = "Stream",
				.ops = &ops,
				.ctx = NULL},
			&stream, NULL);
	pw_stream_stop(stream);
	pw_rpc_timer_free(timer);
}

static int start_and_stop_a_stream(void *ctx)
{
	struct here h = {.loop = ctx};
	int r;

	r = pw_channel_new(
		&(struct pw_channel_config){.loop = h.loop, .target = "unix:/nowhere/at/all"},
		&h.channel, NULL);
	if (r < 0)
		return r;
	r = pw_rpc_loop_call(h.loop, start_and_stop_a_stream_here, &h);
	pw_channel_free(h.channel);
	return r < 0 ? r : h.result;
}

static int encode_and_decode(void *ctx)
{
	Podward__V1__CollectHello hello = PODWARD__V1__COLLECT_HELLO__INIT;
	const ProtobufCMessage *msg = NULL;
	grpc_byte_buffer *buffer = NULL;
	struct pw_arena *arena = NULL;
	int r;

	(void)ctx;
	hello.next_seq = 9;
	r = pw_arena_new(4096, 4096, &arena);
	if (r == 0)
		r = pw_message_encode(&hello.base, &buffer);
	if (r == 0)
		r = pw_message_decode(arena, &podward__v1__collect_hello__descriptor, buffer, &msg);
	if (r == 0)
		assert_int_equal(((const Podward__V1__CollectHello *)msg)->next_seq, 9);
	if (buffer)
		grpc_byte_buffer_destroy(buffer);
	pw_arena_free(arena);
	return r == -E2BIG ? -ENOMEM : r; /* the arena does not tell its ceiling from no memory */
}

static void every_failed_allocation_is_an_ordinary_error(void **state)
{
	struct pw_rpc_loop *loop = NULL;

	(void)state;
	assert_true(pw_oom_loop(start_and_stop_a_loop, NULL) > 0);
	assert_int_equal(pw_rpc_loop_start("memory", &loop, NULL), 0);
	assert_true(pw_oom_loop(start_and_stop_a_server, loop) > 0);
	assert_true(pw_oom_loop(start_and_stop_a_stream, loop) > 0);
	assert_true(pw_oom_loop(encode_and_decode, NULL) > 0);
	pw_rpc_loop_stop(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_failed_allocation_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
