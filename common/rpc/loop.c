/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>

#include "common/base/escape.h"
#include "common/base/log.h"
#include "common/rpc/handshakes.h"
#include "common/rpc/loop_core.h"

/* gRPC's own lines are detail: what a person must know is said by this folder. */
static void log_grpc_line(gpr_log_func_args *args)
{
	char text[400];

	pw_handshakes_note(args->message);
	pw_log_limited(PW_LOG_DEBUG, 60, "grpc", "%s",
		pw_escape_to(pw_slice_str(args->message), text, sizeof(text)));
}

/* The loop that this thread runs. */
static _Thread_local const struct pw_rpc_loop *loop_here;

bool pw_rpc_loop_is_here(const struct pw_rpc_loop *l)
{
	return !l || loop_here == l;
}

void pw_rpc_loop_add(struct pw_rpc_loop *l, struct pw_rpc_object *o)
{
	o->next = l->objects;
	o->link = &l->objects;
	if (o->next)
		o->next->link = &o->next;
	l->objects = o;
}

void pw_rpc_loop_remove(struct pw_rpc_object *o)
{
	if (!o->link)
		return;
	*o->link = o->next;
	if (o->next)
		o->next->link = o->link;
	o->link = NULL;
	o->next = NULL;
}

void pw_rpc_start_batch(struct pw_rpc_loop *l, grpc_call *call, const grpc_op *ops, size_t count,
	struct pw_rpc_tag *tag)
{
	l->pending++;
	pw_assert(grpc_call_start_batch(call, ops, count, tag, NULL) == GRPC_CALL_OK);
}

static void loop_cancel_objects(struct pw_rpc_loop *l)
{
	struct pw_rpc_object *next;

	for (struct pw_rpc_object *o = l->objects; o; o = next) {
		next = o->next;
		o->on_cancel(o);
	}
}

static void loop_detach_objects(struct pw_rpc_loop *l)
{
	while (l->objects) {
		struct pw_rpc_object *o = l->objects;

		pw_rpc_loop_remove(o);
		o->on_detach(o);
	}
}

static void loop_on_stop(void *ctx)
{
	struct pw_rpc_loop *l = ctx;

	l->is_stopping = true;
	loop_cancel_objects(l);
}

static void loop_handle(struct pw_rpc_loop *l, const grpc_event *event)
{
	struct pw_rpc_tag *tag = event->tag;

	if (tag != &l->posts.wake)
		l->pending--;
	tag->fn(tag->ctx, event->success != 0);
}

/* Runs until it was told to stop and every operation has come back. */
static void loop_run(struct pw_rpc_loop *l)
{
	while (!l->is_stopping || l->pending > 0) {
		grpc_event event =
			grpc_completion_queue_next(l->cq, pw_rpc_timers_deadline(l), NULL);

		if (event.type == GRPC_OP_COMPLETE)
			loop_handle(l, &event);
		pw_rpc_timers_run(l);
	}
}

static void loop_drain(struct pw_rpc_loop *l)
{
	grpc_event event;

	grpc_completion_queue_shutdown(l->cq);
	do {
		event = grpc_completion_queue_next(
			l->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
		if (event.type == GRPC_OP_COMPLETE)
			loop_handle(l, &event);
	} while (event.type != GRPC_QUEUE_SHUTDOWN);
}

static void *loop_main(void *ctx)
{
	struct pw_rpc_loop *l = ctx;

	loop_here = l;
	loop_run(l);
	pw_rpc_posts_shut(l);
	loop_detach_objects(l);
	pw_rpc_timers_done(l);
	loop_drain(l);
	return NULL;
}

static void loop_free(struct pw_rpc_loop *l)
{
	if (!l)
		return;
	pw_rpc_posts_done(l);
	if (l->cq)
		grpc_completion_queue_destroy(l->cq);
	free(l->timers.heap);
	free(l);
	grpc_shutdown_blocking();
}

static int loop_new(struct pw_rpc_loop **ret)
{
	struct pw_rpc_loop *l = pw_alloc0(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	gpr_set_log_function(log_grpc_line);
	/* Handshakes that end by time or by the peer are said at this severity only. It costs
	 * lines for connections, none for messages. */
	gpr_set_log_verbosity(GPR_LOG_SEVERITY_DEBUG);
	grpc_init();
	l->stop_notice = (struct pw_rpc_notice){.fn = loop_on_stop, .ctx = l};
	l->cq = grpc_completion_queue_create_for_next(NULL);
	r = pw_rpc_posts_init(l);
	if (r < 0) {
		loop_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

/* An unused completion queue must be shut down before it is destroyed. */
static void loop_abandon(struct pw_rpc_loop *l)
{
	pw_rpc_posts_shut(l);
	loop_drain(l);
	loop_free(l);
}

static int loop_start_thread(struct pw_rpc_loop *l, const char *thread_name)
{
	char name[16];
	int r;

	r = pthread_create(&l->thread, NULL, loop_main, l);
	if (r != 0)
		return -r;
	(void)snprintf(name, sizeof(name), "%s", thread_name);
	(void)pthread_setname_np(l->thread, name);
	return 0;
}

int pw_rpc_loop_start(const char *thread_name, struct pw_rpc_loop **ret, struct pw_err *err)
{
	struct pw_rpc_loop *l = NULL;
	sigset_t all, before;
	int r;

	/* gRPC starts threads too; signals belong to the main thread. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = loop_new(&l);
	if (r >= 0) {
		r = loop_start_thread(l, thread_name);
		if (r < 0)
			loop_abandon(l);
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		return pw_err_set(err, r, "start gRPC loop %s: %s", thread_name, pw_err_text(r));
	*ret = l;
	return 0;
}

void pw_rpc_loop_stop(struct pw_rpc_loop *l)
{
	if (!l)
		return;
	pw_assert(!pw_rpc_loop_is_here(l));
	(void)pw_rpc_loop_notify(l, &l->stop_notice);
	(void)pthread_join(l->thread, NULL);
	loop_free(l);
}
