/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * gRPC client: channels, and streams that come back by themselves. A stream is a state machine
 *   BACKOFF -> CONNECT -> UP -> (DOWN) -> BACKOFF …
 * with full-jitter back-off (200 ms … 20 s, reset after 10 s of being up). One message is in flight
 * to the transport at a time; flow control shows as on_sent not coming.
 * Unary calls are streams with one message each way: use pw_unary.
 * Thread: the loop's.
 */
#include "common/base/err.h"
#include "common/rpc/loop.h"
#include "common/rpc/server.h" /* status codes */
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

struct pw_channel;
struct pw_stream;

struct pw_channel_config {
	struct pw_rpc_loop *loop;
	const char *target; /* "unix:/path", "host:port"; copied, like name */
	struct pw_tls *tls; /* for every target that is no unix socket; NULL = plain text */
	enum pw_role role;  /* the server's certificate must be of this role … */
	const char *name;   /* … and of this name, unless NULL or empty */
};

/* Connects lazily. Any thread, like pw_channel_free. */
int pw_channel_new(const struct pw_channel_config *config, struct pw_channel **ret,
	struct pw_err *err) PW_MUST_CHECK;
void pw_channel_free(struct pw_channel *c); /* after its streams */

struct pw_stream_ops {
	/*
	 * Transport is there and the server has accepted the call: send the hello. A server that is
	 * not ours is taken to have accepted when it has not refused for 250 ms.
	 */
	void (*on_up)(void *ctx);
	/* msg is valid until return. Call pw_stream_next (now or later) for the next one. */
	void (*on_message)(void *ctx, const ProtobufCMessage *msg);
	/* The message given to pw_stream_send went to the transport: the next may follow. */
	void (*on_sent)(void *ctx);
	/* The call ended; a new one follows after delay_ms, unless the stream was stopped. status
	 * is a gRPC code. */
	void (*on_down)(void *ctx, int status, const char *detail, uint32_t delay_ms);
};

struct pw_stream_limits {
	uint32_t backoff_base_ms; /* default 200 */
	uint32_t backoff_cap_ms;  /* default 20,000 */
	size_t arena_bytes;       /* for received messages, default 8 MiB */
};
#define PW_STREAM_LIMITS_DEFAULT    \
	{                           \
		200, 20000, 8 << 20 \
	}

struct pw_stream_stats {
	uint64_t connects, disconnects, messages_sent, messages_received, bytes_sent,
		bytes_received, malformed, failures; /* failures: attempts that never came up */
};

struct pw_stream_config {
	const ProtobufCServiceDescriptor *service;
	const char *method; /* must exist in service */
	const struct pw_stream_ops *ops;
	void *ctx;
	const struct pw_stream_limits *limits; /* NULL = PW_STREAM_LIMITS_DEFAULT */
};

/* Starts connecting at once. method must exist in service. */
int pw_stream_start(struct pw_channel *c, const struct pw_stream_config *config,
	struct pw_stream **ret, struct pw_err *err) PW_MUST_CHECK;
/* True when up and no message is in flight. */
bool pw_stream_may_send(const struct pw_stream *s);
/* -EAGAIN when not up or one is in flight; -ENOMEM; -EMSGSIZE over 1 MiB. msg is encoded before
 * return. */
int pw_stream_send(struct pw_stream *s, const ProtobufCMessage *msg) PW_MUST_CHECK;
void pw_stream_next(struct pw_stream *s);
void pw_stream_half_close(struct pw_stream *s); /* then on_down with the server's status */
void pw_stream_restart(
	struct pw_stream *s, uint32_t max_delay_ms); /* cancels and reconnects after jitter */
bool pw_stream_is_up(const struct pw_stream *s);
void pw_stream_get_stats(const struct pw_stream *s, struct pw_stream_stats *ret); /* any thread */
/* Cancels, no further callback after return, frees when the transport has let go. */
void pw_stream_stop(struct pw_stream *s);

struct pw_unary_request {
	const ProtobufCServiceDescriptor *service;
	const char *method;
	const ProtobufCMessage *message;
	uint32_t deadline_ms;
};

/* One request, one reply. fn gets reply NULL and a status on failure; it is called exactly once. */
int pw_unary(struct pw_channel *c, const struct pw_unary_request *request,
	void (*fn)(void *ctx, int status, const char *detail, const ProtobufCMessage *reply),
	void *ctx) PW_MUST_CHECK;
