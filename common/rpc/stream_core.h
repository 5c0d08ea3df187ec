/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The inside of a client stream: stream.c holds the life (back-off, up, down), stream_call.c the
 * operations of one call. For these two files only. Thread: the loop's; the counters from any.
 */
#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/rpc/channel_core.h"
#include "common/rpc/client.h"
#include <grpc/grpc.h>
#include <stdatomic.h>

/* One attempt; zeroed between two. */
struct pw_stream_call {
	grpc_call *core;
	uint64_t generation;
	uint32_t pending; /* operations under way; the call has ended when the last came back */
	grpc_metadata_array initial, trailing;
	grpc_status_code status;
	grpc_slice detail;
	grpc_byte_buffer *received, *sending;
	bool is_reading, is_sending;
	bool is_ending;      /* status is known, or we cancelled: nothing is started any more */
	bool is_half_closed; /* wished for; done when no message is in flight */
	bool was_up;
};

struct pw_stream {
	struct pw_rpc_object object;
	struct pw_rpc_loop *loop; /* NULL after the loop has stopped */
	struct pw_channel *channel;
	const ProtobufCMethodDescriptor *method;
	char *path;
	struct pw_stream_ops ops;
	void *ctx;
	struct pw_stream_limits limits;
	struct pw_rpc_timer *timer; /* next attempt, or how long a foreign server may refuse */
	struct pw_arena *arena;
	struct pw_stream_call call;
	struct pw_rpc_tag tag_initial, tag_status, tag_read, tag_sent, tag_closed;
	uint32_t attempt;
	struct pw_mono up_since;
	bool is_up, is_stopped;
	bool is_restarting; /* the next delay is restart_delay_ms */
	uint32_t restart_delay_ms;
	uint32_t callbacks; /* of the user's running now: the memory must stay */
	_Atomic uint64_t connects, disconnects, failures, messages_sent, messages_received,
		bytes_sent, bytes_received, malformed;
};

/* stream_call.c */
void pw_stream_call_init(struct pw_stream *s); /* once: the tags */
void pw_stream_call_start(struct pw_stream *s);
/* Reports the call as up, unless it is ending. */
void pw_stream_call_open(struct pw_stream *s);
void pw_stream_call_cancel(struct pw_stream *s, int status, const char *why);
void pw_stream_call_clear(struct pw_stream *s);
/* stream.c: all operations of the call have come back. May free s. */
void pw_stream_on_end(struct pw_stream *s);

static inline void pw_stream_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
