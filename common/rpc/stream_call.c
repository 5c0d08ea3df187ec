/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/stream_core.h"

#include <errno.h>
#include <grpc/byte_buffer.h>
#include <grpc/slice.h>

#include "common/rpc/message.h"
#include "common/rpc/settings.h"

#define REFUSAL_MS 250

static void call_batch(
	struct pw_stream *s, const grpc_op *ops, size_t count, struct pw_rpc_tag *tag)
{
	s->call.pending++;
	pw_rpc_start_batch(s->loop, s->call.core, ops, count, tag);
}

/* Last line of every completion: s may be gone afterwards. */
static void call_settle(struct pw_stream *s)
{
	if (--s->call.pending == 0)
		pw_stream_on_end(s);
}

static void call_read(struct pw_stream *s)
{
	grpc_op op = {
		.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &s->call.received};

	if (s->call.is_reading || !s->call.was_up || s->call.is_ending)
		return;
	s->call.is_reading = true;
	call_batch(s, &op, 1, &s->tag_read);
}

void pw_stream_call_open(struct pw_stream *s)
{
	if (s->call.is_ending || s->call.was_up)
		return;
	s->is_up = true;
	s->call.was_up = true;
	s->up_since = pw_mono_now();
	pw_stream_count(&s->connects, 1);
	s->callbacks++;
	if (s->ops.on_up)
		s->ops.on_up(s->ctx);
	s->callbacks--;
	call_read(s);
}

static bool call_is_accepted(const struct pw_stream *s)
{
	for (size_t i = 0; i < s->call.initial.count; i++) {
		if (grpc_slice_str_cmp(s->call.initial.metadata[i].key, PW_RPC_OPEN_KEY) == 0)
			return true;
	}
	return false;
}

/* A server of ours says that it has accepted; with any other the status would have come by now. */
static void call_on_initial(void *ctx, bool ok)
{
	struct pw_stream *s = ctx;

	if (ok && !s->call.is_ending) {
		if (call_is_accepted(s))
			pw_stream_call_open(s);
		else
			pw_rpc_timer_set(s->timer, REFUSAL_MS);
	}
	call_settle(s);
}

static void call_on_status(void *ctx, bool ok)
{
	struct pw_stream *s = ctx;

	(void)ok;
	s->call.is_ending = true;
	s->is_up = false;
	call_settle(s);
}

static void call_deliver(struct pw_stream *s, grpc_byte_buffer *received)
{
	const ProtobufCMessage *msg;
	char detail[200];
	int r;

	pw_stream_count(&s->bytes_received, grpc_byte_buffer_length(received));
	r = pw_message_decode(s->arena, s->method->output, received, &msg);
	if (r < 0) {
		int status = pw_message_status(r, s->method->output, detail, sizeof(detail));

		pw_stream_count(&s->malformed, 1);
		pw_stream_call_cancel(s, status, detail);
		return;
	}
	pw_stream_count(&s->messages_received, 1);
	s->callbacks++;
	if (s->ops.on_message)
		s->ops.on_message(s->ctx, msg);
	s->callbacks--;
}

static void call_on_read(void *ctx, bool ok)
{
	struct pw_stream *s = ctx;
	grpc_byte_buffer *received = PW_TAKE(s->call.received); /* the callback may start a read */

	s->call.is_reading = false;
	if (ok && received && !s->is_stopped)
		call_deliver(s, received);
	if (received)
		grpc_byte_buffer_destroy(received);
	call_settle(s);
}

static void call_half_close(struct pw_stream *s)
{
	grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};

	call_batch(s, &op, 1, &s->tag_closed);
}

static void call_on_sent(void *ctx, bool ok)
{
	struct pw_stream *s = ctx;

	s->call.is_sending = false;
	grpc_byte_buffer_destroy(PW_TAKE(s->call.sending));
	if (ok)
		pw_stream_count(&s->messages_sent, 1);
	if (s->is_up && s->call.is_half_closed)
		call_half_close(s);
	if (ok && s->is_up && !s->is_stopped && s->ops.on_sent) {
		s->callbacks++;
		s->ops.on_sent(s->ctx);
		s->callbacks--;
	}
	call_settle(s);
}

static void call_on_closed(void *ctx, bool ok)
{
	(void)ok;
	call_settle(ctx);
}

void pw_stream_call_init(struct pw_stream *s)
{
	s->tag_initial = (struct pw_rpc_tag){call_on_initial, s};
	s->tag_status = (struct pw_rpc_tag){call_on_status, s};
	s->tag_read = (struct pw_rpc_tag){call_on_read, s};
	s->tag_sent = (struct pw_rpc_tag){call_on_sent, s};
	s->tag_closed = (struct pw_rpc_tag){call_on_closed, s};
	s->call.detail = grpc_empty_slice();
}

void pw_stream_call_start(struct pw_stream *s)
{
	struct pw_stream_call *c = &s->call;
	grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
		.data.recv_status_on_client = {.trailing_metadata = &c->trailing,
			.status = &c->status,
			.status_details = &c->detail}};
	grpc_op initial[] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
		{.op = GRPC_OP_RECV_INITIAL_METADATA,
			.data.recv_initial_metadata.recv_initial_metadata = &c->initial}};

	c->core = pw_channel_call(
		s->channel, s->path, gpr_inf_future(GPR_CLOCK_MONOTONIC), &c->generation);
	call_batch(s, &status, 1, &s->tag_status);
	call_batch(s, initial, PW_COUNT(initial), &s->tag_initial);
}

void pw_stream_call_cancel(struct pw_stream *s, int status, const char *why)
{
	s->is_up = false;
	s->call.is_ending = true;
	if (s->call.core)
		(void)grpc_call_cancel_with_status(
			s->call.core, (grpc_status_code)status, why, NULL);
}

void pw_stream_call_clear(struct pw_stream *s)
{
	struct pw_stream_call *c = &s->call;

	if (c->received)
		grpc_byte_buffer_destroy(c->received);
	if (c->sending)
		grpc_byte_buffer_destroy(c->sending);
	grpc_metadata_array_destroy(&c->initial);
	grpc_metadata_array_destroy(&c->trailing);
	grpc_slice_unref(c->detail);
	if (c->core)
		grpc_call_unref(c->core);
	*c = (struct pw_stream_call){.detail = grpc_empty_slice()};
}

bool pw_stream_may_send(const struct pw_stream *s)
{
	return s->is_up && !s->call.is_sending && !s->call.is_half_closed;
}

int pw_stream_send(struct pw_stream *s, const ProtobufCMessage *msg)
{
	grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
	int r;

	pw_assert(pw_rpc_loop_is_here(s->loop));
	if (!pw_stream_may_send(s))
		return -EAGAIN;
	r = pw_message_encode(msg, &s->call.sending);
	if (r < 0)
		return r;
	op.data.send_message.send_message = s->call.sending;
	s->call.is_sending = true;
	pw_stream_count(&s->bytes_sent, grpc_byte_buffer_length(s->call.sending));
	call_batch(s, &op, 1, &s->tag_sent);
	return 0;
}

void pw_stream_next(struct pw_stream *s)
{
	pw_assert(pw_rpc_loop_is_here(s->loop));
	call_read(s);
}

void pw_stream_half_close(struct pw_stream *s)
{
	pw_assert(pw_rpc_loop_is_here(s->loop));
	if (!s->is_up || s->call.is_half_closed)
		return;
	s->call.is_half_closed = true;
	if (!s->call.is_sending)
		call_half_close(s);
}
