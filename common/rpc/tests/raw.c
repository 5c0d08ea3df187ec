/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "common/rpc/tests/rig.h"

static grpc_channel *raw_channel(const struct raw_request *request)
{
	grpc_arg arg = {.type = GRPC_ARG_INTEGER,
		.key = (char *)(uintptr_t)GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM,
		.value.integer = request->is_compressed ? GRPC_COMPRESS_GZIP : GRPC_COMPRESS_NONE};
	grpc_channel_args args = {1, &arg};
	grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
	grpc_channel *channel = grpc_channel_create(request->target, credentials, &args);

	grpc_channel_credentials_release(credentials);
	return channel;
}

static void raw_take_reply(grpc_byte_buffer *buffer, struct raw_result *ret)
{
	grpc_byte_buffer_reader reader;
	grpc_slice all;

	if (!buffer)
		return;
	assert_int_equal(grpc_byte_buffer_reader_init(&reader, buffer), 1);
	all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	assert_true(GRPC_SLICE_LENGTH(all) <= sizeof(ret->reply));
	ret->reply_len = GRPC_SLICE_LENGTH(all);
	memcpy(ret->reply, GRPC_SLICE_START_PTR(all), ret->reply_len);
	grpc_slice_unref(all);
	grpc_byte_buffer_destroy(buffer);
}

static void raw_run(grpc_call *call, grpc_completion_queue *cq, grpc_byte_buffer *message,
	struct raw_result *ret)
{
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *reply = NULL;
	grpc_status_code status = GRPC_STATUS_UNKNOWN;
	grpc_slice detail = grpc_empty_slice();
	grpc_op ops[] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
		{.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message},
		{.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
		{.op = GRPC_OP_RECV_INITIAL_METADATA,
			.data.recv_initial_metadata.recv_initial_metadata = &initial},
		{.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &reply},
		{.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
			.data.recv_status_on_client = {.trailing_metadata = &trailing,
				.status = &status,
				.status_details = &detail}}};

	grpc_metadata_array_init(&initial);
	grpc_metadata_array_init(&trailing);
	assert_int_equal(grpc_call_start_batch(call, ops, 6, call, NULL), GRPC_CALL_OK);
	(void)grpc_completion_queue_pluck(cq, call, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
	raw_take_reply(reply, ret);
	ret->status = (int)status;
	(void)snprintf(ret->detail, sizeof(ret->detail), "%.*s", (int)GRPC_SLICE_LENGTH(detail),
		(const char *)GRPC_SLICE_START_PTR(detail));
	grpc_slice_unref(detail);
	grpc_metadata_array_destroy(&initial);
	grpc_metadata_array_destroy(&trailing);
}

void raw_call(const struct raw_request *request, struct raw_result *ret)
{
	grpc_channel *channel = raw_channel(request);
	grpc_completion_queue *cq = grpc_completion_queue_create_for_pluck(NULL);
	grpc_slice path = grpc_slice_from_copied_string(request->path);
	grpc_slice bytes = grpc_slice_from_copied_buffer(request->bytes, request->len);
	grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&bytes, 1);
	grpc_call *call = grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, cq, path,
		NULL,
		gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(60, GPR_TIMESPAN)),
		NULL);

	memset(ret, 0, sizeof(*ret));
	raw_run(call, cq, message, ret);
	grpc_call_unref(call);
	grpc_slice_unref(path);
	grpc_slice_unref(bytes);
	grpc_byte_buffer_destroy(message);
	grpc_channel_destroy(channel);
	grpc_completion_queue_shutdown(cq);
	while (grpc_completion_queue_pluck(cq, NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL)
			.type != GRPC_QUEUE_SHUTDOWN)
		;
	grpc_completion_queue_destroy(cq);
}

int raw_connect(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

struct raw_server {
	grpc_server *core;
	grpc_completion_queue *cq;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
	pthread_t thread;
	int port, cancelled;
};

static void raw_serve_call(struct raw_server *s)
{
	grpc_op ops[] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
		{.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
			.data.recv_close_on_server.cancelled = &s->cancelled}};

	assert_int_equal(grpc_call_start_batch(s->call, ops, 1, NULL, NULL), GRPC_CALL_OK);
	assert_int_equal(grpc_call_start_batch(s->call, ops + 1, 1, NULL, NULL), GRPC_CALL_OK);
}

/* Takes one call, sends empty initial metadata and lets it be. */
static void *raw_serve(void *ctx)
{
	struct raw_server *s = ctx;
	grpc_event event;

	do {
		event = grpc_completion_queue_next(
			s->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
		if (event.type == GRPC_OP_COMPLETE && event.tag == &s->call && event.success)
			raw_serve_call(s);
		if (event.type == GRPC_OP_COMPLETE && event.tag == s)
			grpc_completion_queue_shutdown(s->cq);
	} while (event.type != GRPC_QUEUE_SHUTDOWN);
	return NULL;
}

struct raw_server *raw_server_start(uint16_t *ret_port)
{
	struct raw_server *s = pw_alloc0(1, sizeof(*s));
	grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();

	grpc_call_details_init(&s->details);
	grpc_metadata_array_init(&s->metadata);
	s->cq = grpc_completion_queue_create_for_next(NULL);
	s->core = grpc_server_create(NULL, NULL);
	grpc_server_register_completion_queue(s->core, s->cq, NULL);
	s->port = grpc_server_add_http2_port(s->core, "127.0.0.1:0", credentials);
	grpc_server_credentials_release(credentials);
	assert_true(s->port > 0);
	grpc_server_start(s->core);
	assert_int_equal(grpc_server_request_call(s->core, &s->call, &s->details, &s->metadata,
				 s->cq, s->cq, &s->call),
		GRPC_CALL_OK);
	assert_int_equal(pthread_create(&s->thread, NULL, raw_serve, s), 0);
	*ret_port = (uint16_t)s->port;
	return s;
}

void raw_server_stop(struct raw_server *s)
{
	grpc_server_shutdown_and_notify(s->core, s->cq, s);
	grpc_server_cancel_all_calls(s->core);
	(void)pthread_join(s->thread, NULL);
	if (s->call)
		grpc_call_unref(s->call);
	grpc_server_destroy(s->core);
	grpc_completion_queue_destroy(s->cq);
	grpc_call_details_destroy(&s->details);
	grpc_metadata_array_destroy(&s->metadata);
	free(s);
}
