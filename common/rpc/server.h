/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * gRPC server with a method table. Every call is seen as a stream of messages; a unary method
 * receives one and sends one. Methods not in the table get UNIMPLEMENTED at once. grpc.health.v1
 * Check and Watch are built in.
 * Back-pressure: the next message is read only after pw_call_next(), so a handler that has not
 * finished with one message holds the peer back.
 * Thread: the loop's. Ceilings: struct pw_server_limits; refusals are counted (pw_server_stats).
 */
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/rpc/loop.h"
#include "common/rpc/tls.h"
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* gRPC status codes that we use. Source: grpc doc/statuscodes.md */
enum pw_rpc_status {
	PW_RPC_OK = 0,
	PW_RPC_CANCELLED = 1,
	PW_RPC_UNKNOWN = 2,
	PW_RPC_INVALID_ARGUMENT = 3,
	PW_RPC_DEADLINE_EXCEEDED = 4,
	PW_RPC_NOT_FOUND = 5,
	PW_RPC_PERMISSION_DENIED = 7,
	PW_RPC_RESOURCE_EXHAUSTED = 8,
	PW_RPC_FAILED_PRECONDITION = 9,
	PW_RPC_UNIMPLEMENTED = 12,
	PW_RPC_INTERNAL = 13,
	PW_RPC_UNAVAILABLE = 14,
	PW_RPC_UNAUTHENTICATED = 16,
};
const char *pw_rpc_status_name(int status);

struct pw_server;
struct pw_call;

/* ctx is what on_open stored with pw_call_set_ctx. on_closed is the last callback, always called
 * once for a call that on_open accepted, never for a refused one. */
struct pw_method {
	const ProtobufCServiceDescriptor *service;
	const char *name; /* "Stream"; must exist in the service */
	/* enum pw_role values, or-ed: whose certificate may call this; 0 = anybody's. Refused with
	 * PERMISSION_DENIED before on_open. Unix sockets and plain text have no certificates. */
	uint32_t roles;
	/* Accepts the call: return 0, or a pw_rpc_status > 0 to refuse it with. May be NULL. */
	int (*on_open)(struct pw_call *call, void *method_ctx);
	/* msg is valid until return. Call pw_call_next (now or later) for the next one. */
	void (*on_message)(struct pw_call *call, const ProtobufCMessage *msg);
	void (*on_half_close)(
		struct pw_call *call);         /* peer sends no more; may be NULL = finish OK */
	void (*on_sent)(struct pw_call *call); /* the send queue has room again; may be NULL */
	void (*on_closed)(
		struct pw_call *call); /* gone, for whatever reason; release ctx. May be NULL */
	void *method_ctx;
	/* The server stops: end the call as soon as that is right; else the grace period does. May
	 * be NULL. */
	void (*on_stop)(struct pw_call *call);
};

struct pw_server_limits {
	size_t message_bytes;            /* received; default 1 MiB */
	size_t arena_bytes;              /* unpacked; default 8 MiB */
	uint32_t calls;                  /* open at once; default 8,192 */
	uint32_t streams_per_connection; /* default 64 */
	uint32_t send_queue;             /* messages waiting per call; default 256 */
	size_t send_queue_bytes;         /* bytes waiting per call; default 8 MiB */
	uint32_t handshake_ms; /* from connect to the end of TLS and HTTP/2's; default 10 s */
	uint32_t ping_ms;      /* a silent peer is asked, then has 5 s; default 30 s */
	/* About then a connection is ended, and a tenth of it but at most 5 s later cut, so that
	 * its peer shows its certificate again; 0, the default = never. */
	uint32_t age_ms;
};
#define PW_SERVER_LIMITS_DEFAULT                                          \
	{                                                                 \
		1 << 20, 8 << 20, 8192, 64, 256, 8 << 20, 10000, 30000, 0 \
	}

struct pw_server_stats {
	uint64_t calls_opened, calls_open, messages_received, messages_sent, unimplemented,
		refused_calls, refused_roles, malformed, bytes_received, bytes_sent,
		oversize; /* messages refused before unpacking: over message_bytes, broken framing
			   */
};

/* Everything is borrowed until pw_server_start returns; method contexts until the server stopped.
 */
struct pw_server_config {
	struct pw_rpc_loop *loop;
	const char *const *addresses;
	size_t address_count;
	const struct pw_method *methods;
	size_t method_count;
	const struct pw_server_limits *limits; /* NULL = PW_SERVER_LIMITS_DEFAULT */
	struct pw_tls *tls; /* for every address that is no unix socket; NULL = plain text */
};

/* Any thread. Listens on every address: "unix:/path", "127.0.0.1:7443", "[::1]:0". */
int pw_server_start(const struct pw_server_config *config, struct pw_server **ret,
	struct pw_err *err) PW_MUST_CHECK;
/* Bound port of the first TCP address, for tests with port 0; 0 if none. Any thread. */
uint16_t pw_server_port(const struct pw_server *s);
/* Health answer for "" and all services; true at the start. Any thread. */
void pw_server_set_serving(struct pw_server *s, bool serving);
/* Refuses new calls, gives open ones grace_ms to end, cancels the rest, frees. Any other thread
 * than the loop's. */
void pw_server_stop(struct pw_server *s, uint32_t grace_ms);
void pw_server_stats(const struct pw_server *s, struct pw_server_stats *ret); /* any thread */

void pw_call_set_ctx(struct pw_call *call, void *ctx);
void *pw_call_ctx(const struct pw_call *call);
void *pw_call_method_ctx(const struct pw_call *call); /* of the method's row in the table */
const char *pw_call_peer(const struct pw_call *call); /* "unix:…", "ipv4:…" */
/* False when the peer has a certificate and it is for another name, or for none: that is for all of
 * its role when struct pw_tls_files says so, and for nobody else. */
bool pw_call_may_be(const struct pw_call *call, struct pw_slice name);
/* Reads the next message (the first is read without asking). */
void pw_call_next(struct pw_call *call);
/* Encodes and queues. -EAGAIN when the queue is full (on_sent will be called), -ENOMEM, -EPIPE
 * after finish, -EMSGSIZE over 1 MiB. */
int pw_call_send(struct pw_call *call, const ProtobufCMessage *msg) PW_MUST_CHECK;
/* Ends the call after what is queued was sent. Nothing can be sent afterwards; on_closed follows.
 */
void pw_call_finish(struct pw_call *call, int status, const char *detail);
/* Keeps the struct valid beyond on_closed, for work in flight on other threads; sends are then
 * refused. */
struct pw_call *pw_call_hold(struct pw_call *call);
void pw_call_put(struct pw_call *call);
