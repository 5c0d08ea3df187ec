/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#define POST_LIMIT 65536u

struct post {
	void (*fn)(void *ctx);
	void *ctx;
};

struct post_list {
	struct post *items;
	size_t count, cap;
};

struct pw_loop {
	uv_loop_t uv;
	uv_async_t async;      /* posts and stop */
	uv_timer_t step_timer; /* bounds pw_loop_step */
	pthread_mutex_t lock;  /* over waiting */
	struct post_list waiting;
	struct post_list running; /* the loop's thread only */
	_Atomic bool stop;
};

struct pw_timer {
	uv_timer_t uv;
	void (*fn)(void *ctx);
	void *ctx;
};

struct pw_fd_watch {
	uv_poll_t uv;
	void (*fn)(void *ctx);
	void *ctx;
};

struct pw_dir_watch {
	uv_fs_event_t uv;
	void (*fn)(void *ctx);
	void *ctx;
};

struct pw_wake {
	uv_async_t uv;
	void (*fn)(void *ctx);
	void *ctx;
};

struct signal_watch {
	uv_signal_t uv;
	void (*fn)(int signal, void *ctx);
	void *ctx;
};

/* Handles of ours carry the memory to free in data; the loop's own carry NULL. */
static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void close_handle(uv_handle_t *handle, void *owner)
{
	handle->data = owner;
	if (!uv_is_closing(handle))
		uv_close(handle, on_closed);
}

static void close_left(uv_handle_t *handle, void *ctx)
{
	(void)ctx;
	if (!uv_is_closing(handle))
		uv_close(handle, on_closed);
}

static void run_posts(struct pw_loop *l)
{
	struct post_list batch;

	(void)pthread_mutex_lock(&l->lock);
	batch = l->waiting;
	l->waiting = l->running;
	(void)pthread_mutex_unlock(&l->lock);
	l->running = (struct post_list){0};
	for (size_t i = 0; i < batch.count; i++)
		batch.items[i].fn(batch.items[i].ctx);
	/* A callback may have stepped the loop itself and left a list here. */
	free(l->running.items);
	batch.count = 0;
	l->running = batch;
}

static void on_async(uv_async_t *handle)
{
	struct pw_loop *l = PW_CONTAINER_OF(handle, struct pw_loop, async);

	run_posts(l);
	if (atomic_load_explicit(&l->stop, memory_order_acquire))
		uv_stop(&l->uv);
}

static void on_step_end(uv_timer_t *handle)
{
	(void)handle; /* its only purpose is to end the wait */
}

int pw_loop_new(struct pw_loop **ret, struct pw_err *err)
{
	pw_auto_free struct pw_loop *l = pw_alloc0(1, sizeof(*l));
	int r;

	if (!l)
		return pw_err_set(err, -ENOMEM, "event loop: out of memory");
	r = uv_loop_init(&l->uv);
	if (r < 0)
		return pw_err_set(err, r, "event loop: %s", pw_err_text(r));
	r = uv_async_init(&l->uv, &l->async, on_async);
	if (r < 0) {
		(void)uv_loop_close(&l->uv);
		return pw_err_set(err, r, "event loop: %s", pw_err_text(r));
	}
	(void)uv_timer_init(&l->uv, &l->step_timer);
	(void)pthread_mutex_init(&l->lock, NULL);
	*ret = PW_TAKE(l);
	return 0;
}

void pw_loop_free(struct pw_loop *l)
{
	if (!l)
		return;
	uv_walk(&l->uv, close_left, NULL);
	(void)uv_run(&l->uv, UV_RUN_DEFAULT);
	pw_assert(uv_loop_close(&l->uv) == 0);
	(void)pthread_mutex_destroy(&l->lock);
	free(l->waiting.items);
	free(l->running.items);
	free(l);
}

int pw_loop_run(struct pw_loop *l, struct pw_err *err)
{
	(void)err;
	while (!atomic_load_explicit(&l->stop, memory_order_acquire))
		(void)uv_run(&l->uv, UV_RUN_DEFAULT);
	run_posts(l); /* what was posted before the stop still runs */
	atomic_store_explicit(&l->stop, false, memory_order_release);
	return 0;
}

void pw_loop_step(struct pw_loop *l, uint32_t timeout_ms)
{
	if (!timeout_ms) {
		(void)uv_run(&l->uv, UV_RUN_NOWAIT);
		return;
	}
	uv_update_time(&l->uv);
	(void)uv_timer_start(&l->step_timer, on_step_end, timeout_ms, 0);
	(void)uv_run(&l->uv, UV_RUN_ONCE);
	(void)uv_timer_stop(&l->step_timer);
}

void pw_loop_stop(struct pw_loop *l)
{
	atomic_store_explicit(&l->stop, true, memory_order_release);
	(void)uv_async_send(&l->async);
}

static int append_post(struct post_list *list, struct post p)
{
	if (list->count >= POST_LIMIT)
		return -EAGAIN;
	if (list->count == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 16;
		struct post *grown = pw_realloc(list->items, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		list->items = grown;
		list->cap = cap;
	}
	list->items[list->count++] = p;
	return 0;
}

int pw_loop_post(struct pw_loop *l, void (*fn)(void *ctx), void *ctx)
{
	int r;

	(void)pthread_mutex_lock(&l->lock);
	r = append_post(&l->waiting, (struct post){fn, ctx});
	(void)pthread_mutex_unlock(&l->lock);
	if (r == 0)
		(void)uv_async_send(&l->async);
	return r;
}

static void on_timer(uv_timer_t *handle)
{
	struct pw_timer *t = PW_CONTAINER_OF(handle, struct pw_timer, uv);

	t->fn(t->ctx);
}

int pw_timer_new(struct pw_loop *l, void (*fn)(void *ctx), void *ctx, struct pw_timer **ret)
{
	struct pw_timer *t = pw_alloc0(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->fn = fn;
	t->ctx = ctx;
	(void)uv_timer_init(&l->uv, &t->uv);
	t->uv.data = t;
	*ret = t;
	return 0;
}

void pw_timer_set(struct pw_timer *t, uint64_t delay_ms, uint64_t period_ms)
{
	uv_update_time(t->uv.loop); /* a long callback must not shorten the delay */
	(void)uv_timer_start(&t->uv, on_timer, delay_ms, period_ms);
}

void pw_timer_stop(struct pw_timer *t)
{
	(void)uv_timer_stop(&t->uv);
}

void pw_timer_free(struct pw_timer *t)
{
	if (t)
		close_handle((uv_handle_t *)&t->uv, t);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct pw_fd_watch *w = PW_CONTAINER_OF(handle, struct pw_fd_watch, uv);

	/* An error is told like data: the read that follows finds out what it is. */
	(void)status;
	(void)events;
	w->fn(w->ctx);
}

int pw_fd_watch_new(
	struct pw_loop *l, int fd, void (*fn)(void *ctx), void *ctx, struct pw_fd_watch **ret)
{
	pw_auto_free struct pw_fd_watch *w = pw_alloc0(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->ctx = ctx;
	r = uv_poll_init(&l->uv, &w->uv, fd);
	if (r < 0)
		return r;
	w->uv.data = w;
	r = uv_poll_start(&w->uv, UV_READABLE | UV_DISCONNECT, on_readable);
	if (r < 0) {
		pw_fd_watch_free(PW_TAKE(w));
		return r;
	}
	*ret = PW_TAKE(w);
	return 0;
}

void pw_fd_watch_free(struct pw_fd_watch *w)
{
	if (w)
		close_handle((uv_handle_t *)&w->uv, w);
}

static void on_dir_change(uv_fs_event_t *handle, const char *name, int events, int status)
{
	struct pw_dir_watch *w = PW_CONTAINER_OF(handle, struct pw_dir_watch, uv);

	(void)name;
	(void)events;
	(void)status;
	w->fn(w->ctx);
}

int pw_dir_watch_new(struct pw_loop *l, const char *path, void (*fn)(void *ctx), void *ctx,
	struct pw_dir_watch **ret, struct pw_err *err)
{
	pw_auto_free struct pw_dir_watch *w = pw_alloc0(1, sizeof(*w));
	int r;

	if (!w)
		return pw_err_set(err, -ENOMEM, "watch %s: out of memory", path);
	w->fn = fn;
	w->ctx = ctx;
	r = uv_fs_event_init(&l->uv, &w->uv);
	if (r < 0)
		return pw_err_set(err, r, "watch %s: %s", path, pw_err_text(r));
	w->uv.data = w;
	r = uv_fs_event_start(&w->uv, on_dir_change, path, 0);
	if (r < 0) {
		pw_dir_watch_free(PW_TAKE(w));
		return pw_err_set(err, r, "watch %s: %s", path, pw_err_text(r));
	}
	*ret = PW_TAKE(w);
	return 0;
}

void pw_dir_watch_free(struct pw_dir_watch *w)
{
	if (w)
		close_handle((uv_handle_t *)&w->uv, w);
}

static void on_wake(uv_async_t *handle)
{
	struct pw_wake *w = PW_CONTAINER_OF(handle, struct pw_wake, uv);

	w->fn(w->ctx);
}

int pw_wake_new(struct pw_loop *l, void (*fn)(void *ctx), void *ctx, struct pw_wake **ret)
{
	pw_auto_free struct pw_wake *w = pw_alloc0(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->ctx = ctx;
	r = uv_async_init(&l->uv, &w->uv, on_wake);
	if (r < 0)
		return r;
	w->uv.data = w;
	*ret = PW_TAKE(w);
	return 0;
}

void pw_wake_up(struct pw_wake *w)
{
	(void)uv_async_send(&w->uv);
}

void pw_wake_free(struct pw_wake *w)
{
	if (w)
		close_handle((uv_handle_t *)&w->uv, w);
}

static void on_signal(uv_signal_t *handle, int signal)
{
	struct signal_watch *w = PW_CONTAINER_OF(handle, struct signal_watch, uv);

	w->fn(signal, w->ctx);
}

int pw_loop_on_signal(struct pw_loop *l, int signal, void (*fn)(int signal, void *ctx), void *ctx)
{
	pw_auto_free struct signal_watch *w = pw_alloc0(1, sizeof(*w));
	struct signal_watch *kept;
	int r;

	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->ctx = ctx;
	r = uv_signal_init(&l->uv, &w->uv);
	if (r < 0)
		return r;
	kept = PW_TAKE(w); /* the loop's from here on: freed when its handle is closed */
	kept->uv.data = kept;
	r = uv_signal_start(&kept->uv, on_signal, signal);
	if (r < 0)
		close_handle((uv_handle_t *)&kept->uv, kept);
	return r;
}
