/* SPDX-License-Identifier: Apache-2.0 */
/* Batch -> bytes -> decoded: what a seeded world says must arrive, whole and in order. */
#include "common/base/hash.h"
#include "common/testing/oom.h"
#include "common/wire/tests/kit.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ARENA_LIMIT (8u << 20)

struct link {
	struct pw_encoder *e;
	struct pw_decoder *d;
	struct pw_arena *arena;
	struct kit_world w;
};

static int setup(void **state)
{
	struct pw_decoder_limits limits = PW_DECODER_LIMITS_DEFAULT;
	struct link *t = pw_alloc0(1, sizeof(*t));

	if (!t || pw_encoder_new(&t->e) < 0 || pw_decoder_new(&limits, &t->d) < 0 ||
		pw_arena_new(65536, ARENA_LIMIT, &t->arena) < 0)
		return -1;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct link *t = *state;

	pw_encoder_free(t->e);
	pw_decoder_free(t->d);
	pw_arena_free(t->arena);
	free(t);
	return 0;
}

static void assert_text(struct pw_slice got, uint32_t id)
{
	uint8_t space[256];

	assert_true(pw_slice_eq(got, id == 0 ? (struct pw_slice){0} : kit_text(id, space)));
	if (got.ptr)
		assert_int_equal(got.ptr[got.len], 0);
}

static void assert_container(const struct pw_container *got, uint32_t ref)
{
	struct pw_container_def def = kit_container(ref);

	if (ref == 0) {
		assert_null(got);
		return;
	}
	assert_int_equal(got->def.ref, ref);
	assert_true(pw_slice_eq(got->def.id, def.id));
	assert_true(pw_slice_eq(got->def.pod_uid, def.pod_uid));
	assert_true(pw_slice_eq(got->def.pod_group, def.pod_group));
	assert_true(pw_slice_eq(got->def.pod_name, def.pod_name));
	assert_true(pw_slice_eq(got->def.name, def.name));
	assert_true(pw_slice_eq(got->def.image, def.image));
	assert_int_equal(got->def.image_digest.len, 0);
	assert_true(pw_slice_eq(got->def.runtime, def.runtime));
	assert_true(got->def.started.ns == def.started.ns);
	assert_int_equal(got->def.pre_running, def.pre_running);
	assert_true(got->group_hash == pw_hash64(def.pod_group, 0));
}

static void assert_process(const struct pw_process *got, const struct pw_process_def *def)
{
	assert_int_equal(got->def.ref, def->ref);
	assert_int_equal(got->def.pid, def->pid);
	assert_int_equal(got->def.uid, def->uid);
	assert_int_equal(got->def.gid, def->gid);
	assert_int_equal(got->def.flags, def->flags);
	assert_int_equal(got->def.tty, def->tty);
	assert_int_equal(got->def.session, def->session);
	assert_true(got->def.start.ns == def->start.ns);
	assert_text(got->exe, def->exe);
	assert_text(got->args, def->args);
	assert_text(got->cwd, def->cwd);
	assert_text(got->comm, def->comm);
	assert_text(got->env, def->env);
	assert_text(got->script, def->script);
	assert_int_equal(got->def.euid, def->euid);
	assert_int_equal(got->def.egid, def->egid);
	assert_int_equal(got->def.vpid, def->vpid);
	assert_true(got->def.caps_effective == def->caps_effective);
	assert_true(got->def.caps_permitted == def->caps_permitted);
	assert_true(got->def.caps_inheritable == def->caps_inheritable);
	assert_true(got->def.exe_inode == def->exe_inode);
	assert_true(got->def.exe_dev == def->exe_dev);
	assert_container(got->container, def->container);
	/* 0 when the stream was not told the parent. */
	if (got->parent)
		assert_int_equal(got->parent->def.ref, def->parent_ref);
	assert_int_equal(got->def.parent_ref, got->parent ? def->parent_ref : 0);
}

static void assert_events(
	const struct kit_world *w, const struct pw_batch *b, const struct pw_decoded *got)
{
	uint64_t first = UINT64_MAX;

	assert_int_equal(got->event_count, b->event_count);
	for (uint32_t i = 0; i < b->event_count; i++)
		first = b->events[i].time.ns < first ? b->events[i].time.ns : first;
	for (uint32_t i = 0; i < b->event_count; i++) {
		const struct pw_event_row *row = &b->events[i];
		const struct pw_event *e = &got->events[i];

		assert_true(e->time.ns == first + (row->time.ns - first) / 1000 * 1000);
		assert_true(e->wall.ns == (int64_t)e->time.ns + b->boot_to_wall_ns);
		assert_process(e->process, &w->history[row->process]);
		assert_text(e->object, row->object);
		assert_int_equal(e->aux, row->aux);
		assert_int_equal(e->count, row->count);
		assert_int_equal(e->ret, row->ret);
		assert_int_equal(e->kind, row->kind);
		assert_int_equal(e->flags, row->flags);
		assert_int_equal(e->syscall, row->syscall);
		assert_text(e->object2, row->object2);
		assert_int_equal(e->target ? e->target->def.ref : 0, row->target);
		assert_true(e->arg == row->arg);
	}
}

static void assert_losses(const struct pw_batch *b, const struct pw_decoded *got)
{
	assert_int_equal(got->loss_count, b->loss_count);
	for (uint32_t i = 0; i < b->loss_count; i++) {
		assert_container(got->losses[i].container, b->losses[i].container);
		assert_int_equal(got->losses[i].reason, b->losses[i].reason);
		assert_true(got->losses[i].count == b->losses[i].count);
	}
}

static void send_and_compare(struct link *t, uint32_t events)
{
	kit_auto_batch b = NULL;
	kit_auto_decoded got = NULL;

	assert_int_equal(kit_batch(&t->w, events, &b), 0);
	assert_int_equal(kit_send(t->e, b, t->arena, t->d, &got), 0);
	assert_int_equal(got->seq, b->seq);
	assert_int_equal(got->skipped, 0);
	assert_events(&t->w, b, got);
	assert_losses(b, got);
	assert_int_equal(pw_decoder_stats(t->d).seq, b->seq);
}

static void random_batches_arrive_as_they_were_built(void **state)
{
	struct pw_decoder_limits limits = PW_DECODER_LIMITS_DEFAULT;
	struct link *t = *state;

	for (uint64_t seed = 0; seed < 200; seed++) {
		kit_world_init(&t->w, seed, seed % 3);
		for (int i = 0; i < 12; i++) {
			if (i == 6)
				t->w.dict_epoch++;
			send_and_compare(t, kit_below(&t->w, 120));
		}
		pw_encoder_reset(t->e); /* a new stream */
		pw_decoder_free(t->d);
		assert_int_equal(pw_decoder_new(&limits, &t->d), 0);
	}
}

static void a_stream_of_many_batches_keeps_only_what_lives(void **state)
{
	struct link *t = *state;
	struct pw_decoder_stats stats;

	kit_world_init(&t->w, 77, 1);
	for (int i = 0; i < 150; i++)
		send_and_compare(t, 100);
	stats = pw_decoder_stats(t->d);
	assert_true(t->w.next_ref > 500); /* many came and went */
	assert_in_range(stats.processes, 1, KIT_SLOTS);
	assert_in_range(stats.strings, 1, KIT_STRINGS);
	assert_int_equal(stats.containers, KIT_CONTAINERS);
}

static void a_living_parent_is_always_linked(void **state)
{
	struct link *t = *state;
	size_t linked = 0;

	kit_world_init(&t->w, 5, 1);
	for (int i = 0; i < 20; i++) {
		kit_auto_batch b = NULL;
		kit_auto_decoded got = NULL;

		assert_int_equal(kit_batch(&t->w, 100, &b), 0);
		assert_int_equal(kit_send(t->e, b, t->arena, t->d, &got), 0);
		for (uint32_t k = 0; k < got->event_count; k++) {
			const struct pw_process *p = got->events[k].process;

			if (!pw_batch_has_process(b, t->w.history[p->def.ref].parent_ref))
				continue;
			assert_non_null(p->parent);
			linked++;
		}
	}
	assert_true(linked > 500);
}

static void a_decoded_batch_outlives_its_stream(void **state)
{
	struct link *t = *state;
	kit_auto_batch b = NULL;
	kit_auto_decoded got = NULL;
	struct pw_process *kept = NULL;
	uint32_t ref = 0;

	kit_world_init(&t->w, 9, 1);
	assert_int_equal(kit_batch(&t->w, 100, &b), 0);
	assert_int_equal(kit_send(t->e, b, t->arena, t->d, &got), 0);
	pw_decoder_free(PW_TAKE(t->d));
	assert_events(&t->w, b, got);
	ref = got->events[50].process->def.ref;
	kept = pw_process_hold(got->events[50].process);
	pw_decoded_free(PW_TAKE(got));
	assert_process(kept, &t->w.history[ref]);
	pw_process_put(kept);
}

static void *read_and_free(void *ctx)
{
	struct pw_decoded *got = ctx;
	size_t bytes = 0;

	for (uint32_t i = 0; i < got->event_count; i++) {
		struct pw_process *kept = pw_process_hold(got->events[i].process);

		for (size_t k = 0; k < got->events[i].object.len; k++)
			bytes += got->events[i].object.ptr[k];
		for (const struct pw_process *p = kept; p; p = p->parent)
			bytes += p->exe.len + (p->container ? p->container->def.id.len : 0);
		pw_process_put(kept);
	}
	pw_decoded_free(got);
	return (void *)(uintptr_t)bytes; /* so that the reading is not optimized away */
}

/* One thread decodes the next batch while another reads and frees the last: tsan's to judge. */
static void batches_may_be_read_and_freed_on_another_thread(void **state)
{
	struct link *t = *state;
	pthread_t reader;
	void *bytes = NULL;
	bool running = false;

	kit_world_init(&t->w, 13, 1);
	for (int i = 0; i < 60; i++) {
		kit_auto_batch b = NULL;
		struct pw_decoded *got = NULL;

		t->w.dict_epoch += i % 20 == 19;
		assert_int_equal(kit_batch(&t->w, 80, &b), 0);
		assert_int_equal(kit_send(t->e, b, t->arena, t->d, &got), 0);
		if (running)
			assert_int_equal(pthread_join(reader, &bytes), 0);
		assert_int_equal(pthread_create(&reader, NULL, read_and_free, got), 0);
		running = true;
	}
	pw_decoder_free(PW_TAKE(t->d));
	assert_int_equal(pthread_join(reader, &bytes), 0);
	assert_non_null(bytes);
}

static int exchange(void *ctx)
{
	struct pw_decoder_limits limits = PW_DECODER_LIMITS_DEFAULT;
	struct link *t = ctx;
	kit_auto_encoder e = NULL;
	kit_auto_decoder d = NULL;
	kit_auto_arena arena = NULL;
	int r = pw_encoder_new(&e);

	kit_world_init(&t->w, 21, 1);
	if (r == 0)
		r = pw_decoder_new(&limits, &d);
	if (r == 0)
		r = pw_arena_new(4096, ARENA_LIMIT, &arena);
	for (int i = 0; r == 0 && i < 2; i++) {
		kit_auto_batch b = NULL;
		kit_auto_decoded got = NULL;

		r = kit_batch(&t->w, 30, &b);
		if (r == 0)
			r = kit_send(e, b, arena, d, &got);
	}
	return r;
}

static void running_out_of_memory_leaves_nothing_behind(void **state)
{
	assert_true(pw_oom_loop(exchange, *state) > 100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(random_batches_arrive_as_they_were_built),
		TEST(a_stream_of_many_batches_keeps_only_what_lives),
		TEST(a_living_parent_is_always_linked),
		TEST(a_decoded_batch_outlives_its_stream),
		TEST(batches_may_be_read_and_freed_on_another_thread),
		TEST(running_out_of_memory_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
