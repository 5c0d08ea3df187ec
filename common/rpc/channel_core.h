/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The inside of a channel, for stream.c and unary.c. The gRPC channel below it is made when a call
 * needs one and thrown away when a call found nobody there: a new one resolves the name again and
 * has no back-off of its own, so that pw_backoff_ms alone decides when we knock. New certificates
 * make a new one too, for the next call; calls that run keep theirs.
 * Thread: the loop's.
 */
#include "common/rpc/client.h"
#include "common/rpc/loop_core.h"
#include <grpc/grpc.h>

struct pw_channel {
	struct pw_rpc_object object;
	struct pw_rpc_loop *loop; /* NULL after the loop has stopped */
	char *target;
	struct pw_tls *tls;   /* NULL for plain text */
	uint64_t tls_version; /* of the certificates that core has */
	enum pw_role role;
	char *name;
	grpc_channel *core;  /* NULL until the next call */
	uint64_t generation; /* which core a call was made on */
	uint32_t refs;
};

struct pw_channel *pw_channel_ref(struct pw_channel *c);
void pw_channel_unref(struct pw_channel *c);
/* A call that is not yet started; *ret_generation goes back to pw_channel_on_end. */
grpc_call *pw_channel_call(
	struct pw_channel *c, const char *path, gpr_timespec deadline, uint64_t *ret_generation);
/* Says how a call ended: UNAVAILABLE makes the next call connect afresh. */
void pw_channel_on_end(struct pw_channel *c, uint64_t generation, int status);
