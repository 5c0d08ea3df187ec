/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Event loop of one thread (door of libuv): timers, wake-ups from other threads, posted calls,
 * readable file descriptors, watched folders, signals, and the threads themselves.
 * Everything but pw_loop_post, pw_loop_stop and pw_loop_wake is called on the loop's own thread
 * (or before it runs). Ceiling: posted calls in flight 65,536; past it post returns -EAGAIN.
 */
#include "common/base/clock.h"
#include "common/base/err.h"
#include <stdbool.h>

struct pw_loop;
struct pw_timer;
struct pw_fd_watch;
struct pw_dir_watch;
struct pw_wake;
struct pw_thread;

int pw_loop_new(struct pw_loop **ret, struct pw_err *err) PW_MUST_CHECK;
void pw_loop_free(struct pw_loop *l); /* after run returned; closes what is left */
int pw_loop_run(struct pw_loop *l, struct pw_err *err); /* until pw_loop_stop */
/* Runs what is ready, at most timeout_ms; for tests. */
void pw_loop_step(struct pw_loop *l, uint32_t timeout_ms);
void pw_loop_stop(struct pw_loop *l); /* any thread */

/* Calls fn(ctx) on the loop's thread, in order of posting. Any thread. -EAGAIN when too many wait.
 */
int pw_loop_post(struct pw_loop *l, void (*fn)(void *ctx), void *ctx) PW_MUST_CHECK;

/* Timer; one shot when period_ms is 0. Set again at will; a stopped timer stays usable. */
int pw_timer_new(
	struct pw_loop *l, void (*fn)(void *ctx), void *ctx, struct pw_timer **ret) PW_MUST_CHECK;
void pw_timer_set(struct pw_timer *t, uint64_t delay_ms, uint64_t period_ms);
void pw_timer_stop(struct pw_timer *t);
void pw_timer_free(struct pw_timer *t);

/* Level-triggered readable. The fd stays the caller's and must outlive the watch. */
int pw_fd_watch_new(struct pw_loop *l, int fd, void (*fn)(void *ctx), void *ctx,
	struct pw_fd_watch **ret) PW_MUST_CHECK;
void pw_fd_watch_free(struct pw_fd_watch *w);

/* Something in this folder changed (inotify). Not recursive; several changes may give one call. */
int pw_dir_watch_new(struct pw_loop *l, const char *path, void (*fn)(void *ctx), void *ctx,
	struct pw_dir_watch **ret, struct pw_err *err) PW_MUST_CHECK;
void pw_dir_watch_free(struct pw_dir_watch *w);

/* Coalescing wake-up: many pw_wake_up calls from any thread may give one fn(ctx) on the loop. */
int pw_wake_new(
	struct pw_loop *l, void (*fn)(void *ctx), void *ctx, struct pw_wake **ret) PW_MUST_CHECK;
void pw_wake_up(struct pw_wake *w); /* any thread, also async-signal-safe */
void pw_wake_free(struct pw_wake *w);

/* fn(signal, ctx) on the loop for SIGTERM, SIGINT, SIGHUP …; lives as long as the loop. */
int pw_loop_on_signal(
	struct pw_loop *l, int signal, void (*fn)(int signal, void *ctx), void *ctx) PW_MUST_CHECK;

/* A named thread (15 bytes shown by ps). Joined by pw_thread_join, which also frees. */
int pw_thread_start(
	const char *name, void (*fn)(void *ctx), void *ctx, struct pw_thread **ret) PW_MUST_CHECK;
void pw_thread_join(struct pw_thread *t);
