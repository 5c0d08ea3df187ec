/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/loop.h"

#include <errno.h>
#include <pthread.h>
#include <grpc/grpc.h>

#include "common/rpc/loop_core.h"

/*
 * The C API has no alarm. An empty batch posts its tag at once, from any thread, on any call that
 * is bound to the queue; a call of a lame channel needs no transport for that.
 * Source: grpc/grpc.h 1.51, grpc_call_start_batch, "call with an empty batch".
 */

/* Under the lock. */
static void posts_unlink(struct pw_rpc_posts *p, struct pw_rpc_notice *n)
{
	*n->link = n->next;
	if (n->next)
		n->next->link = n->link;
	else
		p->tail = n->link;
	n->link = NULL;
	n->next = NULL;
	p->len--;
	if (n->counted)
		p->count--;
}

/* Takes it off the queue before it runs: fn may queue the notice again, or free it. */
static bool posts_run_one(struct pw_rpc_posts *p)
{
	struct pw_rpc_notice n, *first;

	(void)pthread_mutex_lock(&p->lock);
	first = p->head;
	if (!first) {
		(void)pthread_mutex_unlock(&p->lock);
		return false;
	}
	n = *first;
	posts_unlink(p, first);
	(void)pthread_mutex_unlock(&p->lock);
	if (n.counted)
		free(first);
	n.fn(n.ctx);
	return true;
}

/* What is queued meanwhile waits for its own wake event, so that calls and timers get their turn.
 */
static void posts_run(struct pw_rpc_posts *p)
{
	size_t budget;

	(void)pthread_mutex_lock(&p->lock);
	budget = p->len;
	(void)pthread_mutex_unlock(&p->lock);
	while (budget-- > 0 && posts_run_one(p))
		;
}

static void posts_on_wake(void *ctx, bool ok)
{
	struct pw_rpc_posts *p = ctx;

	(void)ok;
	(void)pthread_mutex_lock(&p->lock);
	p->is_awake = false;
	(void)pthread_mutex_unlock(&p->lock);
	posts_run(p);
}

/* Under the lock. One wake event is enough for any number of notices. */
static void posts_append(struct pw_rpc_posts *p, struct pw_rpc_notice *n)
{
	n->next = NULL;
	n->link = p->tail;
	*p->tail = n;
	p->tail = &n->next;
	p->len++;
	if (n->counted)
		p->count++;
	if (p->is_awake)
		return;
	p->is_awake = true;
	pw_assert(grpc_call_start_batch(p->call, NULL, 0, &p->wake, NULL) == GRPC_CALL_OK);
}

bool pw_rpc_loop_notify(struct pw_rpc_loop *l, struct pw_rpc_notice *notice)
{
	struct pw_rpc_posts *p = &l->posts;
	bool is_taken;

	(void)pthread_mutex_lock(&p->lock);
	is_taken = !p->is_shut;
	if (is_taken && !notice->link)
		posts_append(p, notice);
	(void)pthread_mutex_unlock(&p->lock);
	return is_taken;
}

void pw_rpc_loop_forget(struct pw_rpc_loop *l, struct pw_rpc_notice *notice)
{
	(void)pthread_mutex_lock(&l->posts.lock);
	if (notice->link)
		posts_unlink(&l->posts, notice);
	(void)pthread_mutex_unlock(&l->posts.lock);
}

int pw_rpc_loop_post(struct pw_rpc_loop *l, void (*fn)(void *ctx), void *ctx)
{
	struct pw_rpc_posts *p = &l->posts;
	struct pw_rpc_notice *n = pw_alloc0(1, sizeof(*n));
	int r = 0;

	if (!n)
		return -ENOMEM;
	*n = (struct pw_rpc_notice){.fn = fn, .ctx = ctx, .counted = true};
	(void)pthread_mutex_lock(&p->lock);
	if (p->is_shut)
		r = -ESHUTDOWN;
	else if (p->count >= PW_RPC_POSTS_MAX)
		r = -EAGAIN;
	if (r == 0)
		posts_append(p, n);
	(void)pthread_mutex_unlock(&p->lock);
	if (r < 0)
		free(n);
	return r;
}

struct posts_call {
	void (*fn)(void *ctx);
	void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done;
};

static void posts_run_call(void *ctx)
{
	struct posts_call *c = ctx;

	c->fn(c->ctx);
	(void)pthread_mutex_lock(&c->lock);
	c->is_done = true;
	(void)pthread_cond_signal(&c->done);
	(void)pthread_mutex_unlock(&c->lock);
}

int pw_rpc_loop_call(struct pw_rpc_loop *l, void (*fn)(void *ctx), void *ctx)
{
	struct posts_call c = {fn, ctx, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
	struct pw_rpc_notice notice = {.fn = posts_run_call, .ctx = &c};

	pw_assert(!pw_rpc_loop_is_here(l));
	if (!pw_rpc_loop_notify(l, &notice))
		return -ESHUTDOWN;
	(void)pthread_mutex_lock(&c.lock);
	while (!c.is_done)
		(void)pthread_cond_wait(&c.done, &c.lock);
	(void)pthread_mutex_unlock(&c.lock);
	(void)pthread_cond_destroy(&c.done);
	(void)pthread_mutex_destroy(&c.lock);
	return 0;
}

int pw_rpc_loop_run(struct pw_rpc_loop *l, void (*fn)(void *ctx), void *ctx)
{
	if (!pw_rpc_loop_is_here(l))
		return pw_rpc_loop_call(l, fn, ctx);
	fn(ctx);
	return 0;
}

int pw_rpc_posts_init(struct pw_rpc_loop *l)
{
	struct pw_rpc_posts *p = &l->posts;
	grpc_slice method = grpc_slice_from_static_string("/wake");

	(void)pthread_mutex_init(&p->lock, NULL);
	p->tail = &p->head;
	p->wake = (struct pw_rpc_tag){posts_on_wake, p};
	p->lame = grpc_lame_client_channel_create("wake", GRPC_STATUS_UNAVAILABLE, "wake");
	p->call = grpc_channel_create_call(p->lame, NULL, GRPC_PROPAGATE_DEFAULTS, l->cq, method,
		NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
	return p->call ? 0 : -ENOMEM;
}

void pw_rpc_posts_shut(struct pw_rpc_loop *l)
{
	struct pw_rpc_posts *p = &l->posts;

	(void)pthread_mutex_lock(&p->lock);
	p->is_shut = true;
	(void)pthread_mutex_unlock(&p->lock);
	while (posts_run_one(p))
		;
}

void pw_rpc_posts_done(struct pw_rpc_loop *l)
{
	struct pw_rpc_posts *p = &l->posts;

	if (p->call)
		grpc_call_unref(p->call);
	if (p->lame)
		grpc_channel_destroy(p->lame);
	(void)pthread_mutex_destroy(&p->lock);
}
