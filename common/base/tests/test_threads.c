/* SPDX-License-Identifier: Apache-2.0 */
/* spsc, snapshot, loop, threads; also run under ThreadSanitizer. */
#include "common/base/loop.h"
#include "common/base/snapshot.h"
#include "common/base/spsc.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ITEMS 200000

static void produce(void *ctx)
{
	struct pw_spsc *q = ctx;

	for (uintptr_t i = 1; i <= ITEMS; i++)
		while (!pw_spsc_push(q, (void *)i))
			(void)sched_yield();
}

static void a_queue_keeps_order_between_two_threads(void **state)
{
	struct pw_thread *producer;
	struct pw_spsc *q;

	(void)state;
	assert_int_equal(pw_spsc_new(100, &q), 0);
	assert_int_equal(pw_thread_start("producer", produce, q, &producer), 0);
	for (uintptr_t want = 1; want <= ITEMS;) {
		uintptr_t got = (uintptr_t)pw_spsc_pop(q);

		if (!got) {
			(void)sched_yield();
			continue;
		}
		assert_int_equal(got, want);
		want++;
	}
	pw_thread_join(producer);
	assert_null(pw_spsc_pop(q));
	pw_spsc_free(q);
}

static void a_full_queue_refuses_and_counts(void **state)
{
	struct pw_spsc *q;
	int item;

	(void)state;
	assert_int_equal(pw_spsc_new(3, &q), 0);
	for (int i = 0; i < 4; i++)
		assert_true(pw_spsc_push(q, &item));
	assert_false(pw_spsc_push(q, &item));
	assert_int_equal(pw_spsc_count(q), 4);
	assert_int_equal(pw_spsc_refused(q), 1);
	assert_ptr_equal(pw_spsc_pop(q), &item);
	assert_true(pw_spsc_push(q, &item));
	pw_spsc_free(q);
	pw_spsc_free(NULL);
}

struct shared {
	struct pw_snapshot *place;
	_Atomic uint64_t destroyed;
	_Atomic bool stop;
};

struct value {
	struct shared *home;
	uint64_t number, twice;
};

static void destroy_value(void *p)
{
	struct value *v = p;

	atomic_fetch_add(&v->home->destroyed, 1);
	v->number = v->twice = 0;
	free(v);
}

static void read_values(void *ctx)
{
	struct pw_snapshot_ref *cached = NULL;
	struct shared *s = ctx;
	uint64_t last = 0;

	while (!atomic_load(&s->stop)) {
		const struct value *v;

		(void)pw_snapshot_refresh(s->place, &cached);
		v = pw_snapshot_value(cached);
		if (!v)
			continue;
		if (v->twice != v->number * 2 || v->number < last)
			abort(); /* a torn or outdated value */
		last = v->number;
	}
	pw_snapshot_put(cached);
}

static void readers_see_whole_values_and_each_is_destroyed_once(void **state)
{
	struct shared s = {.place = NULL};
	struct pw_thread *readers[2];

	(void)state;
	assert_int_equal(pw_snapshot_new(destroy_value, &s.place), 0);
	assert_null(pw_snapshot_get(s.place));
	for (size_t i = 0; i < PW_COUNT(readers); i++)
		assert_int_equal(pw_thread_start("reader", read_values, &s, &readers[i]), 0);
	for (uint64_t i = 1; i <= 5000; i++) {
		struct value *v = pw_alloc0(1, sizeof(*v));

		*v = (struct value){&s, i, i * 2};
		assert_int_equal(pw_snapshot_publish(s.place, v), 0);
	}
	atomic_store(&s.stop, true);
	for (size_t i = 0; i < PW_COUNT(readers); i++)
		pw_thread_join(readers[i]);
	assert_int_equal(pw_snapshot_version(s.place), 5000);
	pw_snapshot_free(s.place);
	assert_int_equal(atomic_load(&s.destroyed), 5000);
}

static void a_held_version_outlives_the_next(void **state)
{
	struct shared s = {.place = NULL};
	struct value *a = pw_alloc0(1, sizeof(*a)), *b = pw_alloc0(1, sizeof(*b));
	struct pw_snapshot_ref *held;

	(void)state;
	a->home = b->home = &s;
	a->number = 1;
	assert_int_equal(pw_snapshot_new(destroy_value, &s.place), 0);
	assert_int_equal(pw_snapshot_publish(s.place, a), 0);
	held = pw_snapshot_get(s.place);
	assert_int_equal(pw_snapshot_publish(s.place, b), 0);
	assert_int_equal(((const struct value *)pw_snapshot_value(held))->number, 1);
	assert_int_equal(atomic_load(&s.destroyed), 0);
	assert_int_equal(pw_snapshot_refresh(s.place, &held), 1);
	assert_int_equal(pw_snapshot_ref_version(held), 2);
	assert_int_equal(pw_snapshot_refresh(s.place, &held), 0);
	assert_int_equal(atomic_load(&s.destroyed), 1);
	pw_snapshot_put(held);
	pw_snapshot_free(s.place);
	assert_int_equal(atomic_load(&s.destroyed), 2);
}

struct posts {
	struct pw_loop *loop;
	uint32_t seen;
	uint32_t limit;
	struct pw_thread *thread;
};

static void on_post(void *ctx)
{
	struct posts *p = ctx;

	if (++p->seen == p->limit)
		pw_loop_stop(p->loop);
}

static void post_many(void *ctx)
{
	struct posts *p = ctx;

	for (uint32_t i = 0; i < p->limit / 2; i++)
		while (pw_loop_post(p->loop, on_post, p) == -EAGAIN)
			(void)sched_yield();
}

static void posts_from_two_threads_all_arrive(void **state)
{
	struct posts p = {.limit = 100000};
	struct pw_thread *threads[2];
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	assert_int_equal(pw_loop_new(&p.loop, &err), 0);
	for (size_t i = 0; i < PW_COUNT(threads); i++)
		assert_int_equal(pw_thread_start("poster", post_many, &p, &threads[i]), 0);
	assert_int_equal(pw_loop_run(p.loop, &err), 0);
	for (size_t i = 0; i < PW_COUNT(threads); i++)
		pw_thread_join(threads[i]);
	assert_int_equal(p.seen, p.limit);
	pw_loop_free(p.loop);
}

static void too_many_posts_are_refused(void **state)
{
	struct posts p = {.limit = UINT32_MAX};
	uint32_t taken = 0;

	(void)state;
	assert_int_equal(pw_loop_new(&p.loop, NULL), 0);
	while (pw_loop_post(p.loop, on_post, &p) == 0)
		taken++;
	assert_int_equal(taken, 65536);
	assert_int_equal(pw_loop_post(p.loop, on_post, &p), -EAGAIN);
	pw_loop_step(p.loop, 0);
	assert_int_equal(p.seen, taken);
	assert_int_equal(pw_loop_post(p.loop, on_post, &p), 0);
	pw_loop_free(p.loop);
}

static void on_count(void *ctx)
{
	++*(int *)ctx;
}

static void step_until(struct pw_loop *l, const int *count, int want)
{
	for (int i = 0; i < 500 && *count < want; i++)
		pw_loop_step(l, 20);
	assert_true(*count >= want);
}

static void timers_fire_stop_and_fire_again(void **state)
{
	struct pw_timer *t;
	struct pw_loop *l;
	int count = 0;

	(void)state;
	assert_int_equal(pw_loop_new(&l, NULL), 0);
	assert_int_equal(pw_timer_new(l, on_count, &count, &t), 0);
	pw_timer_set(t, 0, 0);
	step_until(l, &count, 1);
	pw_timer_set(t, 1, 1);
	step_until(l, &count, 4);
	pw_timer_stop(t);
	count = 0;
	pw_loop_step(l, 5);
	assert_int_equal(count, 0);
	pw_timer_free(t);
	pw_timer_free(NULL);
	pw_loop_free(l);
}

static void raise_wake(void *ctx)
{
	for (int i = 0; i < 1000; i++)
		pw_wake_up(ctx);
}

static void wake_ups_coalesce_but_one_arrives(void **state)
{
	struct pw_thread *thread;
	struct pw_wake *w;
	struct pw_loop *l;
	int count = 0;

	(void)state;
	assert_int_equal(pw_loop_new(&l, NULL), 0);
	assert_int_equal(pw_wake_new(l, on_count, &count, &w), 0);
	assert_int_equal(pw_thread_start("waker", raise_wake, w, &thread), 0);
	step_until(l, &count, 1);
	pw_thread_join(thread);
	pw_loop_step(l, 1);
	assert_true(count <= 1000);
	pw_wake_free(w);
	pw_loop_free(l);
}

struct pipe_reader {
	int fd, bytes;
};

static void on_readable(void *ctx)
{
	struct pipe_reader *p = ctx;
	char byte;

	if (read(p->fd, &byte, 1) == 1)
		p->bytes++;
}

static void a_readable_descriptor_is_told_until_it_is_empty(void **state)
{
	struct pipe_reader reader = {0};
	struct pw_fd_watch *w;
	struct pw_loop *l;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	reader.fd = fds[0];
	assert_int_equal(pw_loop_new(&l, NULL), 0);
	assert_int_equal(pw_fd_watch_new(l, fds[0], on_readable, &reader, &w), 0);
	assert_int_equal(write(fds[1], "abc", 3), 3);
	step_until(l, &reader.bytes, 3);
	pw_fd_watch_free(w);
	pw_loop_free(l);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void a_bad_descriptor_is_refused(void **state)
{
	struct pw_fd_watch *w = NULL;
	struct pw_loop *l;

	(void)state;
	assert_int_equal(pw_loop_new(&l, NULL), 0);
	assert_true(pw_fd_watch_new(l, -1, on_count, NULL, &w) < 0);
	assert_null(w);
	pw_loop_free(l);
}

static void a_changed_folder_is_told_and_a_missing_one_is_named(void **state)
{
	char folder[] = "/tmp/pw-test-dir-XXXXXX", file[64];
	struct pw_err err = PW_ERR_INIT;
	struct pw_dir_watch *w;
	struct pw_loop *l;
	int count = 0;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(pw_loop_new(&l, NULL), 0);
	assert_int_equal(
		pw_dir_watch_new(l, "/nonexistent/folder", on_count, &count, &w, &err), -ENOENT);
	assert_string_equal(err.msg, "watch /nonexistent/folder: No such file or directory");
	assert_int_equal(pw_dir_watch_new(l, folder, on_count, &count, &w, NULL), 0);
	(void)snprintf(file, sizeof(file), "%s/a", folder);
	f = fopen(file, "w");
	assert_non_null(f);
	(void)fclose(f);
	step_until(l, &count, 1);
	pw_dir_watch_free(w);
	pw_loop_free(l);
	(void)unlink(file);
	(void)rmdir(folder);
}

static void on_signal(int signal, void *ctx)
{
	*(int *)ctx = signal;
}

static void signals_arrive_on_the_loop(void **state)
{
	struct pw_loop *l;
	int seen = 0;

	(void)state;
	assert_int_equal(pw_loop_new(&l, NULL), 0);
	assert_int_equal(pw_loop_on_signal(l, SIGHUP, on_signal, &seen), 0);
	assert_int_equal(raise(SIGHUP), 0);
	step_until(l, &seen, SIGHUP);
	assert_int_equal(seen, SIGHUP);
	assert_true(pw_loop_on_signal(l, SIGKILL, on_signal, &seen) < 0);
	pw_loop_free(l);
}

static void a_loop_frees_what_its_users_left(void **state)
{
	struct pw_timer *t;
	struct pw_wake *w;
	struct pw_loop *l;
	int count = 0;

	(void)state;
	assert_int_equal(pw_loop_new(&l, NULL), 0);
	assert_int_equal(pw_timer_new(l, on_count, &count, &t), 0);
	pw_timer_set(t, 0, 1);
	assert_int_equal(pw_wake_new(l, on_count, &count, &w), 0);
	pw_loop_free(l);
	pw_loop_free(NULL);
}

static void a_stop_before_the_run_counts(void **state)
{
	struct posts p = {.limit = UINT32_MAX};

	(void)state;
	assert_int_equal(pw_loop_new(&p.loop, NULL), 0);
	assert_int_equal(pw_loop_post(p.loop, on_post, &p), 0);
	pw_loop_stop(p.loop);
	assert_int_equal(pw_loop_run(p.loop, NULL), 0);
	assert_int_equal(p.seen, 1);
	pw_loop_free(p.loop);
}

struct identity {
	char name[16];
	bool signals_blocked;
};

static void look_at_self(void *ctx)
{
	struct identity *id = ctx;
	sigset_t blocked;

	(void)pthread_getname_np(pthread_self(), id->name, sizeof(id->name));
	(void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	id->signals_blocked = sigismember(&blocked, SIGTERM) == 1;
}

static void a_thread_has_its_name_and_no_signals(void **state)
{
	struct identity id = {.name = ""};
	struct pw_thread *t;

	(void)state;
	assert_int_equal(pw_thread_start("a-rather-long-name", look_at_self, &id, &t), 0);
	pw_thread_join(t);
	pw_thread_join(NULL);
	assert_string_equal(id.name, "a-rather-long-n");
	assert_true(id.signals_blocked);
}

static void on_nothing(void *ctx)
{
	(void)ctx;
}

static int make_and_publish(struct pw_snapshot *place, struct pw_spsc **q)
{
	int r = pw_spsc_new(8, q);

	return r < 0 ? r : pw_snapshot_publish(place, NULL);
}

static int use_loop(struct pw_loop *l)
{
	struct pw_fd_watch *fd;
	struct pw_dir_watch *dir;
	struct pw_thread *thread;
	struct pw_timer *timer;
	struct pw_wake *wake;
	int r = pw_timer_new(l, on_nothing, NULL, &timer);

	if (r == 0)
		r = pw_wake_new(l, on_nothing, NULL, &wake);
	if (r == 0)
		r = pw_fd_watch_new(l, STDIN_FILENO, on_nothing, NULL, &fd);
	if (r == -EPERM) /* standard input is a file in some surroundings */
		r = 0;
	if (r == 0)
		r = pw_dir_watch_new(l, "/tmp", on_nothing, NULL, &dir, NULL);
	if (r == 0)
		r = pw_loop_on_signal(l, SIGHUP, on_signal, NULL);
	for (int i = 0; i < 20 && r == 0; i++)
		r = pw_loop_post(l, on_nothing, NULL);
	if (r == 0)
		r = pw_thread_start("t", on_nothing, NULL, &thread);
	if (r == 0)
		pw_thread_join(thread);
	return r;
}

static int use_all(void *ctx)
{
	struct pw_snapshot *place = NULL;
	struct pw_spsc *q = NULL;
	struct pw_loop *l = NULL;
	int r = pw_snapshot_new(NULL, &place);

	(void)ctx;
	if (r == 0)
		r = make_and_publish(place, &q);
	if (r == 0)
		r = pw_loop_new(&l, NULL);
	if (r == 0)
		r = use_loop(l);
	pw_loop_free(l);
	pw_spsc_free(q);
	pw_snapshot_free(place);
	return r;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(use_all, NULL) >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_keeps_order_between_two_threads),
		cmocka_unit_test(a_full_queue_refuses_and_counts),
		cmocka_unit_test(readers_see_whole_values_and_each_is_destroyed_once),
		cmocka_unit_test(a_held_version_outlives_the_next),
		cmocka_unit_test(posts_from_two_threads_all_arrive),
		cmocka_unit_test(too_many_posts_are_refused),
		cmocka_unit_test(timers_fire_stop_and_fire_again),
		cmocka_unit_test(wake_ups_coalesce_but_one_arrives),
		cmocka_unit_test(a_readable_descriptor_is_told_until_it_is_empty),
		cmocka_unit_test(a_bad_descriptor_is_refused),
		cmocka_unit_test(a_changed_folder_is_told_and_a_missing_one_is_named),
		cmocka_unit_test(signals_arrive_on_the_loop),
		cmocka_unit_test(a_loop_frees_what_its_users_left),
		cmocka_unit_test(a_stop_before_the_run_counts),
		cmocka_unit_test(a_thread_has_its_name_and_no_signals),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
