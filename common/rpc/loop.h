/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One gRPC completion queue with the thread that polls it. Servers, channels, calls and streams
 * belong to one loop; every callback of theirs runs on its thread and every function of theirs is
 * called on it, except where a header says "any thread".
 * Ceiling: posted calls in flight 65,536. No grpc/ header is included by our headers.
 */
#include "common/base/err.h"
#include <stdint.h>

struct pw_rpc_loop;
struct pw_rpc_timer;

/* grpc_init once per process is done here. Never fork after the first loop was started (posix_spawn
 * only). */
int pw_rpc_loop_start(
	const char *thread_name, struct pw_rpc_loop **ret, struct pw_err *err) PW_MUST_CHECK;
/*
 * Ends servers' and streams' remaining calls, drains the queue, joins the thread. Any other thread.
 * What belonged to the loop is then inert: stop and free it before or after, from one thread.
 */
void pw_rpc_loop_stop(struct pw_rpc_loop *l);
/* fn(ctx) on the loop's thread, in order. Any thread. -EAGAIN when too many wait, -ESHUTDOWN after
 * stop. */
int pw_rpc_loop_post(struct pw_rpc_loop *l, void (*fn)(void *ctx), void *ctx) PW_MUST_CHECK;
/* Posts and waits until it ran. Any other thread; for start and stop. */
int pw_rpc_loop_call(struct pw_rpc_loop *l, void (*fn)(void *ctx), void *ctx) PW_MUST_CHECK;

int pw_rpc_timer_new(struct pw_rpc_loop *l, void (*fn)(void *ctx), void *ctx,
	struct pw_rpc_timer **ret) PW_MUST_CHECK; /* ceiling 65,536 a loop: -ENOSPC */
void pw_rpc_timer_set(
	struct pw_rpc_timer *t, uint32_t delay_ms); /* one shot; replaces an earlier set */
void pw_rpc_timer_stop(struct pw_rpc_timer *t);
void pw_rpc_timer_free(struct pw_rpc_timer *t);
