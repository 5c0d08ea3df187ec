/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/client.h"

#include <errno.h>
#include <grpc/slice.h>

#include "common/base/escape.h"
#include "common/rpc/channel_core.h"
#include "common/rpc/message.h"

#define ARENA_CHUNK_BYTES (16 << 10)
#define ARENA_LIMIT_BYTES (8 << 20)

typedef void unary_fn(void *ctx, int status, const char *detail, const ProtobufCMessage *reply);

/* Lives from pw_unary until its one batch has come back. */
struct unary {
	struct pw_rpc_object object;
	struct pw_rpc_loop *loop;
	struct pw_channel *channel;
	uint64_t generation;
	const ProtobufCMessageDescriptor *type;
	unary_fn *fn;
	void *ctx;
	grpc_call *call;
	struct pw_rpc_tag tag;
	grpc_byte_buffer *request, *reply;
	grpc_metadata_array initial, trailing;
	grpc_status_code status;
	grpc_slice detail;
};

static void unary_free(struct unary *u)
{
	pw_rpc_loop_remove(&u->object);
	if (u->request)
		grpc_byte_buffer_destroy(u->request);
	if (u->reply)
		grpc_byte_buffer_destroy(u->reply);
	grpc_metadata_array_destroy(&u->initial);
	grpc_metadata_array_destroy(&u->trailing);
	grpc_slice_unref(u->detail);
	if (u->call)
		grpc_call_unref(u->call);
	pw_channel_unref(u->channel);
	free(u);
}

static void unary_on_cancel(struct pw_rpc_object *o)
{
	struct unary *u = PW_CONTAINER_OF(o, struct unary, object);

	(void)grpc_call_cancel(u->call, NULL);
}

static void unary_on_detach(struct pw_rpc_object *o)
{
	(void)o; /* the batch has come back by then */
}

static void unary_answer(struct unary *u)
{
	struct pw_arena *arena __attribute__((cleanup(pw_arena_freep))) = NULL;
	const ProtobufCMessage *reply = NULL;
	char detail[200];
	int r;

	if (!u->reply) {
		u->fn(u->ctx, PW_RPC_INTERNAL, "the call ended well but without a reply", NULL);
		return;
	}
	r = pw_arena_new(ARENA_CHUNK_BYTES, ARENA_LIMIT_BYTES, &arena);
	if (r >= 0)
		r = pw_message_decode(arena, u->type, u->reply, &reply);
	if (r < 0) {
		int status = pw_message_status(r, u->type, detail, sizeof(detail));

		u->fn(u->ctx, status, detail, NULL);
		return;
	}
	u->fn(u->ctx, PW_RPC_OK, "", reply);
}

static void unary_on_done(void *ctx, bool ok)
{
	struct unary *u = ctx;
	char detail[300];

	(void)ok; /* always: the batch holds RECV_STATUS_ON_CLIENT */
	pw_channel_on_end(u->channel, u->generation, (int)u->status);
	if (u->status == GRPC_STATUS_OK)
		unary_answer(u);
	else
		u->fn(u->ctx, (int)u->status, pw_message_text(u->detail, detail, sizeof(detail)),
			NULL);
	unary_free(u);
}

static void unary_start(struct unary *u)
{
	grpc_op ops[6] = {
		{.op = GRPC_OP_SEND_INITIAL_METADATA},
		{.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = u->request},
		{.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
		{.op = GRPC_OP_RECV_INITIAL_METADATA,
			.data.recv_initial_metadata.recv_initial_metadata = &u->initial},
		{.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &u->reply},
		{.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
			.data.recv_status_on_client = {.trailing_metadata = &u->trailing,
				.status = &u->status,
				.status_details = &u->detail}},
	};

	pw_rpc_start_batch(u->loop, u->call, ops, PW_COUNT(ops), &u->tag);
}

int pw_unary(struct pw_channel *c, const struct pw_unary_request *request,
	void (*fn)(void *ctx, int status, const char *detail, const ProtobufCMessage *reply),
	void *ctx)
{
	const ProtobufCMethodDescriptor *m = pw_message_method(request->service, request->method);
	pw_auto_free char *path = NULL;
	struct unary *u;
	int r;

	pw_assert(pw_rpc_loop_is_here(c->loop));
	if (!c->loop || c->loop->is_stopping)
		return -ESHUTDOWN;
	if (!m)
		return -ENOENT;
	path = pw_message_path(request->service, request->method);
	u = path ? pw_alloc0(1, sizeof(*u)) : NULL;
	if (!u)
		return -ENOMEM;
	*u = (struct unary){
		.object = {.on_cancel = unary_on_cancel, .on_detach = unary_on_detach},
		.loop = c->loop,
		.channel = pw_channel_ref(c),
		.type = m->output,
		.fn = fn,
		.ctx = ctx,
		.detail = grpc_empty_slice(),
	};
	u->tag = (struct pw_rpc_tag){unary_on_done, u};
	r = pw_message_encode(request->message, &u->request);
	if (r < 0) {
		unary_free(u);
		return r;
	}
	u->call = pw_channel_call(c, path,
		gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
			gpr_time_from_millis(request->deadline_ms, GPR_TIMESPAN)),
		&u->generation);
	pw_rpc_loop_add(c->loop, &u->object);
	unary_start(u);
	return 0;
}
