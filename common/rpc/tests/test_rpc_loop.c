/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/rpc/loop.h"

#define THREADS    8
#define PER_THREAD 5000

/* One entry per post: which thread, which number. Written on the loop's thread only. */
struct posted {
	struct pw_rpc_loop *loop;
	uint32_t next[THREADS];
	uint32_t count, disorder;
	sem_t all;
};
struct post {
	struct posted *p;
	uint32_t thread, number;
};
struct poster {
	struct posted *p;
	uint32_t thread;
	pthread_t id;
	struct post posts[PER_THREAD];
};

static void count_post(void *ctx)
{
	struct post *post = ctx;
	struct posted *p = post->p;

	if (p->next[post->thread]++ != post->number)
		p->disorder++;
	if (++p->count == THREADS * PER_THREAD)
		(void)sem_post(&p->all);
}

static void *post_many(void *ctx)
{
	struct poster *poster = ctx;

	for (uint32_t i = 0; i < PER_THREAD; i++) {
		poster->posts[i] = (struct post){poster->p, poster->thread, i};
		while (pw_rpc_loop_post(poster->p->loop, count_post, &poster->posts[i]) == -EAGAIN)
			;
	}
	return NULL;
}

static void posts_of_many_threads_all_run_in_their_order(void **state)
{
	struct poster *posters = pw_alloc0(THREADS, sizeof(*posters));
	struct posted p = {0};

	(void)state;
	assert_non_null(posters);
	(void)sem_init(&p.all, 0, 0);
	assert_int_equal(pw_rpc_loop_start("post", &p.loop, NULL), 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		posters[i].p = &p;
		posters[i].thread = i;
		assert_int_equal(pthread_create(&posters[i].id, NULL, post_many, &posters[i]), 0);
	}
	for (uint32_t i = 0; i < THREADS; i++)
		(void)pthread_join(posters[i].id, NULL);
	while (sem_wait(&p.all) != 0)
		;
	pw_rpc_loop_stop(p.loop);
	assert_int_equal(p.count, THREADS * PER_THREAD);
	assert_int_equal(p.disorder, 0);
	(void)sem_destroy(&p.all);
	free(posters);
}

static void wait_for_gate(void *ctx)
{
	while (sem_wait(ctx) != 0)
		;
}

static void count_one(void *ctx)
{
	(*(uint32_t *)ctx)++;
}

static void posts_beyond_the_ceiling_are_refused(void **state)
{
	struct pw_rpc_loop *loop;
	uint32_t count = 0;
	sem_t gate;
	int r = 0;

	(void)state;
	(void)sem_init(&gate, 0, 0);
	assert_int_equal(pw_rpc_loop_start("ceiling", &loop, NULL), 0);
	assert_int_equal(pw_rpc_loop_post(loop, wait_for_gate, &gate), 0);
	for (uint32_t i = 0; i < 65535 && r == 0; i++)
		r = pw_rpc_loop_post(loop, count_one, &count);
	assert_int_equal(r, 0);
	/* One may be running behind the gate already; then there is room for exactly one more. */
	r = pw_rpc_loop_post(loop, count_one, &count);
	if (r == 0)
		r = pw_rpc_loop_post(loop, count_one, &count);
	assert_int_equal(r, -EAGAIN);
	(void)sem_post(&gate);
	pw_rpc_loop_stop(loop);
	assert_in_range(count, 65535, 65536);
	(void)sem_destroy(&gate);
}

struct late {
	struct pw_rpc_loop *loop;
	int result;
};

static void post_late(void *ctx)
{
	struct late *late = ctx;

	late->result = pw_rpc_loop_post(late->loop, count_one, &late->result);
}

static void what_was_posted_before_stop_still_runs(void **state)
{
	uint32_t count = 0;

	(void)state;
	for (int round = 0; round < 30; round++) {
		struct pw_rpc_loop *loop;

		assert_int_equal(pw_rpc_loop_start("stop", &loop, NULL), 0);
		for (int i = 0; i < 100; i++)
			assert_int_equal(pw_rpc_loop_post(loop, count_one, &count), 0);
		pw_rpc_loop_stop(loop);
	}
	assert_int_equal(count, 3000);
}

static void call_waits_until_it_ran(void **state)
{
	struct late late = {NULL, 1};
	uint32_t count = 0;

	(void)state;
	assert_int_equal(pw_rpc_loop_start("call", &late.loop, NULL), 0);
	for (uint32_t i = 1; i <= 1000; i++) {
		assert_int_equal(pw_rpc_loop_call(late.loop, count_one, &count), 0);
		assert_int_equal(count, i);
	}
	assert_int_equal(pw_rpc_loop_call(late.loop, post_late, &late), 0);
	pw_rpc_loop_stop(late.loop);
	assert_int_equal(late.result, 1); /* 0 from the post, then counted by what it posted */
}

#define TIMERS 50

struct timing;
struct one_timer {
	struct timing *t;
	struct pw_rpc_timer *timer;
	uint32_t number;
};
struct timing {
	struct pw_rpc_loop *loop;
	struct one_timer timers[TIMERS];
	uint32_t fired[TIMERS], count, expected;
	sem_t done;
};

static void on_timer(void *ctx)
{
	struct one_timer *one = ctx;
	struct timing *t = one->t;

	t->fired[t->count++] = one->number;
	if (t->count == t->expected)
		(void)sem_post(&t->done);
}

/* Set in a shuffled order; equal delays follow in the order they were set. */
static void set_timers(void *ctx)
{
	struct timing *t = ctx;

	for (uint32_t i = 0; i < TIMERS; i++) {
		t->timers[i] = (struct one_timer){.t = t, .number = i};
		assert_int_equal(
			pw_rpc_timer_new(t->loop, on_timer, &t->timers[i], &t->timers[i].timer), 0);
	}
	for (uint32_t i = 0; i < TIMERS; i++) {
		uint32_t which = i * 37 % TIMERS;

		pw_rpc_timer_set(t->timers[which].timer, 5000);
		pw_rpc_timer_set(t->timers[which].timer, 10 + which * 2);
	}
	for (uint32_t i = 0; i < TIMERS; i += 5)
		pw_rpc_timer_stop(t->timers[i].timer);
	pw_rpc_timer_free(PW_TAKE(t->timers[1].timer));
	t->expected = TIMERS - TIMERS / 5 - 1;
}

static void advance_clock(void *ctx)
{
	struct pw_fake_clock *clock = ctx;

	clock->mono_ns += 10 * PW_NS_PER_S;
}

static void free_timers(void *ctx)
{
	struct timing *t = ctx;

	for (uint32_t i = 0; i < TIMERS; i++)
		pw_rpc_timer_free(t->timers[i].timer);
}

static void timers_fire_in_order_and_stopped_ones_never(void **state)
{
	struct pw_fake_clock clock = {.mono_ns = PW_NS_PER_S};
	struct timing t = {0};

	(void)state;
	(void)sem_init(&t.done, 0, 0);
	pw_clock_fake(&clock);
	assert_int_equal(pw_rpc_loop_start("timers", &t.loop, NULL), 0);
	assert_int_equal(pw_rpc_loop_call(t.loop, set_timers, &t), 0);
	assert_int_equal(pw_rpc_loop_call(t.loop, advance_clock, &clock), 0);
	while (sem_wait(&t.done) != 0)
		;
	assert_int_equal(pw_rpc_loop_call(t.loop, free_timers, &t), 0);
	pw_rpc_loop_stop(t.loop);
	pw_clock_fake(NULL);
	assert_int_equal(t.count, t.expected);
	for (uint32_t i = 0; i < t.count; i++) {
		assert_true(t.fired[i] % 5 != 0 && t.fired[i] != 1);
		if (i > 0)
			assert_true(t.fired[i - 1] < t.fired[i]);
	}
	(void)sem_destroy(&t.done);
}

static void set_equal_timers(void *ctx)
{
	struct timing *t = ctx;

	for (uint32_t i = 0; i < 3; i++) {
		t->timers[i] = (struct one_timer){.t = t, .number = i};
		assert_int_equal(
			pw_rpc_timer_new(t->loop, on_timer, &t->timers[i], &t->timers[i].timer), 0);
	}
	pw_rpc_timer_set(t->timers[2].timer, 0);
	pw_rpc_timer_set(t->timers[0].timer, 0);
	pw_rpc_timer_set(t->timers[1].timer, UINT32_MAX);
	t->expected = 2;
}

static void timers_may_outlive_their_loop(void **state)
{
	struct timing t = {0};

	(void)state;
	(void)sem_init(&t.done, 0, 0);
	assert_int_equal(pw_rpc_loop_start("timers", &t.loop, NULL), 0);
	assert_int_equal(pw_rpc_loop_call(t.loop, set_equal_timers, &t), 0);
	while (sem_wait(&t.done) != 0)
		;
	pw_rpc_loop_stop(t.loop);
	assert_int_equal(t.fired[0], 2);
	assert_int_equal(t.fired[1], 0);
	pw_rpc_timer_set(t.timers[1].timer, 0); /* without a loop: nothing happens */
	pw_rpc_timer_stop(t.timers[1].timer);
	free_timers(&t);
	assert_int_equal(t.count, 2);
	(void)sem_destroy(&t.done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(posts_of_many_threads_all_run_in_their_order),
		cmocka_unit_test(posts_beyond_the_ceiling_are_refused),
		cmocka_unit_test(what_was_posted_before_stop_still_runs),
		cmocka_unit_test(call_waits_until_it_ran),
		cmocka_unit_test(timers_fire_in_order_and_stopped_ones_never),
		cmocka_unit_test(timers_may_outlive_their_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
