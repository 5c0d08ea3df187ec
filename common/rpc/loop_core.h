/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The inside of a loop, for the files of this folder only: tags, the post queue, the timer heap and
 * the list of objects that must let go when the loop stops.
 * Thread: the loop's, except pw_rpc_loop_notify and pw_rpc_loop_run.
 */
#include "common/rpc/loop.h"
#include <grpc/grpc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define PW_RPC_POSTS_MAX  65536u
#define PW_RPC_TIMERS_MAX 65536u

/* What a completion queue event points to; embedded in the object that started the operation. */
struct pw_rpc_tag {
	void (*fn)(void *ctx, bool ok);
	void *ctx;
};

/* One waiting fn(ctx). Embedded ones never fail to be queued; queued twice means run once. */
struct pw_rpc_notice {
	struct pw_rpc_notice *next, **link; /* link is NULL when not queued */
	void (*fn)(void *ctx);
	void *ctx;
	bool counted; /* made by pw_rpc_loop_post: freed after it ran, counts against the ceiling */
};

/* Something with operations in flight. Both callbacks run when the loop stops, never otherwise. */
struct pw_rpc_object {
	struct pw_rpc_object *next, **link;
	void (*on_cancel)(struct pw_rpc_object *o); /* end what is in flight; start nothing new */
	void (*on_detach)(struct pw_rpc_object *o); /* nothing is in flight: forget the loop */
};

struct pw_rpc_posts {
	pthread_mutex_t lock;
	struct pw_rpc_notice *head, **tail;
	grpc_channel *lame; /* never connects; its call exists to post events with */
	grpc_call *call;
	struct pw_rpc_tag wake;
	size_t len;
	size_t count;  /* of them made by pw_rpc_loop_post */
	bool is_awake; /* a wake event is under way */
	bool is_shut;
};

struct pw_rpc_timers {
	struct pw_rpc_timer **heap; /* capacity >= created, so that setting cannot fail */
	size_t len, cap, created;
	uint64_t serial; /* equal times fire in the order they were set */
	struct pw_rpc_timer *all;
};

struct pw_rpc_loop {
	grpc_completion_queue *cq;
	struct pw_rpc_posts posts;
	struct pw_rpc_timers timers;
	struct pw_rpc_object *objects;
	struct pw_rpc_notice stop_notice;
	size_t pending; /* operations started whose tag has not come back */
	pthread_t thread;
	bool is_stopping; /* no operation may be started any more, except to end one */
};

/* True on the loop's thread, and for a loop that is gone (NULL), whose objects belong to anybody.
 */
bool pw_rpc_loop_is_here(const struct pw_rpc_loop *l);
/* Queues an embedded notice. Any thread. False after stop. */
bool pw_rpc_loop_notify(struct pw_rpc_loop *l, struct pw_rpc_notice *notice);
/* Takes a notice back before its object is freed. */
void pw_rpc_loop_forget(struct pw_rpc_loop *l, struct pw_rpc_notice *notice);
/* fn(ctx) on the loop's thread: at once when that is the caller's, else by pw_rpc_loop_call. */
int pw_rpc_loop_run(struct pw_rpc_loop *l, void (*fn)(void *ctx), void *ctx) PW_MUST_CHECK;
void pw_rpc_loop_add(struct pw_rpc_loop *l, struct pw_rpc_object *o);
void pw_rpc_loop_remove(struct pw_rpc_object *o); /* harmless when not in a list */
/* Starts a batch whose event comes back through tag. A refusal is our own mistake: asserts. */
void pw_rpc_start_batch(struct pw_rpc_loop *l, grpc_call *call, const grpc_op *ops, size_t count,
	struct pw_rpc_tag *tag);

/* post.c */
int pw_rpc_posts_init(struct pw_rpc_loop *l);
void pw_rpc_posts_shut(struct pw_rpc_loop *l); /* refuses further posts, runs what is queued */
void pw_rpc_posts_done(struct pw_rpc_loop *l); /* after the queue was drained */

/* timers.c */
void pw_rpc_timers_run(struct pw_rpc_loop *l);
gpr_timespec pw_rpc_timers_deadline(const struct pw_rpc_loop *l);
void pw_rpc_timers_done(struct pw_rpc_loop *l); /* timers live on without a loop and never fire */
