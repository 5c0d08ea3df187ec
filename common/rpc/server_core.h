/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The inside of a server: server.c holds its life, accept.c takes calls in, call.c runs one call,
 * listen.c binds addresses, health.c answers grpc.health.v1. For these files only.
 * Thread: the loop's, except what is atomic or under `lock`.
 */
#include "common/base/arena.h"
#include "common/rpc/credentials.h"
#include "common/rpc/loop_core.h"
#include "common/rpc/server.h"
#include <grpc/grpc.h>
#include <stdatomic.h>

#define PW_ACCEPTS_PER_METHOD 4

struct pw_server_method {
	struct pw_method m;
	const ProtobufCMethodDescriptor *descriptor;
	void *registered; /* gRPC's handle */
};

/* One request for the next call; armed again as soon as it has been answered. */
struct pw_accept {
	struct pw_accept *next;
	struct pw_server *server;
	struct pw_server_method *method; /* NULL: any method that nobody registered */
	struct pw_rpc_tag tag;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
	gpr_timespec deadline;
};

struct pw_health {
	_Atomic bool is_serving;
	struct pw_health_watch *watches;
	struct pw_rpc_notice changed;
};

struct pw_server_counters {
	_Atomic uint64_t calls_opened, calls_open, messages_received, messages_sent, unimplemented,
		refused_calls, refused_roles, malformed, bytes_received, bytes_sent, oversize;
};

struct pw_server {
	struct pw_rpc_object object;
	struct pw_rpc_loop *loop;
	grpc_server *core;
	struct pw_arena *arena; /* one message is unpacked and handled at a time */
	struct pw_server_limits limits;
	struct pw_tls *tls;
	struct pw_tls_port *ports; /* one for each address */
	struct pw_server_method *methods;
	size_t method_count;
	struct pw_accept *accepts;
	struct pw_call *calls; /* accepted and not closed */
	struct pw_health health;
	struct pw_rpc_timer *grace;
	struct pw_rpc_tag shutdown;
	struct pw_rpc_notice stop, end;
	uint32_t armed; /* accepts under way */
	uint32_t open;  /* calls, refused ones included, whose operations are under way */
	bool is_stopping, is_shut;
	_Atomic uint16_t port;
	struct pw_server_counters counters;
	bool frees_itself;    /* start failed on the loop's own thread: nobody waits */
	pthread_mutex_t lock; /* of the three below */
	pthread_cond_t ended;
	bool is_ended;
	uint32_t grace_ms;
};

static inline void pw_server_count(_Atomic uint64_t *counter, uint64_t n)
{
	(void)atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* server.c: something let go; the server may be on its way out. */
void pw_server_settle(struct pw_server *s);

/* accept.c */
int pw_accepts_new(struct pw_server *s);
void pw_accepts_arm(struct pw_server *s);
void pw_accepts_free(struct pw_server *s);

/* call.c: takes the gRPC call over. -ENOMEM leaves it to the caller. */
int pw_call_accept(struct pw_server *s, struct pw_server_method *method, grpc_call *core);

/* Tells every accepted call that the server stops. */
void pw_calls_stop(struct pw_server *s);

/* listen.c */
int pw_server_listen(
	struct pw_server *s, const char *const *addresses, size_t count, struct pw_err *err);

/* health.c */
#define PW_HEALTH_METHODS 2
void pw_health_init(struct pw_server *s, struct pw_method methods[PW_HEALTH_METHODS]);
void pw_health_stop(struct pw_server *s);
