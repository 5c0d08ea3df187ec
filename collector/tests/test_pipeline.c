/* SPDX-License-Identifier: Apache-2.0 */
/* Raw records in, batches out: what is in them, and that nothing is dropped uncounted. */
#include "collector/tests/pipeline_rig.h"
#include "common/base/arena.h"
#include "common/testing/oom.h"
#include "common/wire/encode.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static void a_container_is_told_with_everything_needed_to_understand_it(void **state)
{
	struct rig rig;
	const struct pw_batch *b = NULL;
	const struct pw_process_def *cat = NULL;
	const struct pw_process_def *shell = NULL;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	rig_run_child(&rig, 101, 3 * S);
	pipeline_flush(rig.p);
	assert_int_equal(rig.count, 1);
	b = rig.batches[0];
	assert_int_equal(b->container_count, 1);
	assert_true(pw_slice_eq_str(b->containers[0].id, ID));
	assert_true(
		pw_slice_eq_str(b->containers[0].pod_group, "standalone/podman/0123456789ab/main"));
	assert_true(pw_slice_eq_str(b->containers[0].runtime, "podman"));
	assert_int_equal(b->containers[0].started.ns, S);
	assert_int_equal(b->event_count, 5);
	assert_int_equal(b->events[0].kind, PW_EVENT_EXEC);
	assert_true(pw_slice_eq_str(rig_text(b, b->events[0].object), "/bin/sh"));
	shell = pw_batch_find_process(b, b->events[0].process);
	cat = pw_batch_find_process(b, b->events[2].process);
	assert_int_equal(shell->flags, PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_INIT);
	assert_int_equal(cat->parent_ref, shell->ref);
	assert_int_equal(cat->pid, 101);
	assert_true(pw_slice_eq_str(rig_text(b, cat->exe), "/bin/cat"));
	assert_true(pw_slice_eq(rig_text(b, cat->args), pw_slice_of("cat\0x", 5)));
	assert_true(pw_slice_eq_str(rig_text(b, cat->cwd), "/work"));
	assert_true(pw_slice_eq_str(rig_text(b, cat->comm), "cat"));
	assert_int_equal(b->events[2].kind, PW_EVENT_OPEN);
	assert_true(pw_slice_eq_str(rig_text(b, b->events[2].object), "/etc/passwd"));
	assert_int_equal(b->events[2].aux, PODWARD__V1__FILE_ACCESS__FILE_ACCESS_READ);
	assert_int_equal(b->events[3].kind, PW_EVENT_CONNECT);
	assert_true(pw_slice_eq_str(rig_text(b, b->events[3].object), "10.0.0.1"));
	assert_int_equal(b->events[3].aux, PW_CONNECT_AUX(443, 6, 2));
	assert_int_equal(b->events[3].ret, -115);
	assert_int_equal(b->events[4].kind, PW_EVENT_EXIT);
	assert_int_equal(b->events[4].ret, 256);
	rig_check_books(&rig);
	rig_done(&rig);
}

/* The same input gives the same bytes on the wire, and those are known. */
static void the_bytes_of_a_batch_are_always_the_same(void **state)
{
	static uint8_t bytes[2][8192];
	size_t sizes[2] = {0};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		Podward__V1__EventBatch msg = PODWARD__V1__EVENT_BATCH__INIT;
		struct pw_encoder *e = NULL;
		struct pw_arena *arena = NULL;
		struct rig rig;

		assert_int_equal(rig_init(&rig, true), 0);
		rig_begin(&rig);
		rig_run_child(&rig, 101, 3 * S);
		pipeline_flush(rig.p);
		assert_int_equal(rig.count, 1);
		pw_batch_seal(rig.batches[0], 1, 0);
		assert_int_equal(pw_encoder_new(&e), 0);
		assert_int_equal(pw_arena_new(4096, 1 << 20, &arena), 0);
		assert_int_equal(pw_encode_batch(e, rig.batches[0], arena, &msg), 0);
		sizes[i] = podward__v1__event_batch__get_packed_size(&msg);
		assert_true(sizes[i] < sizeof(bytes[i]));
		(void)podward__v1__event_batch__pack(&msg, bytes[i]);
		/* seq 1, base 2 s: the first bytes of the message. */
		assert_memory_equal(bytes[i], "\x08\x01\x10\x80\xa8\xd6\xb9\x07", 8);
		pw_encoder_free(e);
		pw_arena_free(arena);
		rig_done(&rig);
	}
	assert_int_equal(sizes[0], sizes[1]);
	assert_memory_equal(bytes[0], bytes[1], sizes[0]);
}

static void repeats_are_folded_and_told_with_their_count(void **state)
{
	struct rig rig;
	const struct pw_batch *b = NULL;
	struct pipeline_stats stats;
	uint64_t folded = 0;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	pipeline_tick(rig.p, (struct pw_boot){3 * S});
	for (uint32_t i = 0; i < 10; i++)
		rig_run_child(&rig, 101 + i, 3 * S + i * MS);
	pipeline_tick(rig.p, (struct pw_boot){4 * S});
	assert_int_equal(rig.count, 2);
	assert_int_equal(rig.batches[0]->event_count, 1);
	assert_int_equal(rig.batches[1]->event_count, 4);
	rig_check_books(&rig);
	pipeline_tick(rig.p, (struct pw_boot){14 * S});
	pipeline_tick(rig.p, (struct pw_boot){15 * S});
	assert_int_equal(rig.count, 3);
	assert_int_equal(rig.batches[2]->event_count, 4);
	assert_int_equal(
		pw_batch_find_process(rig.batches[2], rig.batches[2]->events[0].process)->pid, 110);
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.seen, 1 + 10 * 4);
	assert_int_equal(stats.told, 5);
	for (unsigned k = 0; k < rig.count; k++) {
		b = rig.batches[k];
		for (uint32_t i = 0; i < b->event_count; i++)
			if (b->events[i].flags & PODWARD__V1__EVENT_FLAG__EVENT_FLAG_FOLD)
				folded += b->events[i].count;
	}
	assert_int_equal(folded, stats.seen_set.folded);
	assert_int_equal(folded, 36);
	rig_check_books(&rig);
	rig_done(&rig);
}

static void other_arguments_are_another_behaviour(void **state)
{
	struct records_actor a = rig_child(101, 3 * S);
	struct pipeline_stats stats;
	struct records r;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	records_exec(&r, &a, "/bin/cat", pw_slice_of("cat\0a", 5), rig_actor.start);
	rig_feed(&rig, &r);
	records_exec(&r, &a, "/bin/cat", pw_slice_of("cat\0b", 5), rig_actor.start);
	rig_feed(&rig, &r);
	records_exec(&r, &a, "/bin/cat", pw_slice_of("cat\0b", 5), rig_actor.start);
	rig_feed(&rig, &r);
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.told, 3);
	assert_int_equal(stats.seen_set.folded, 1);
	rig_done(&rig);
}

static void a_full_table_of_behaviours_lets_everything_through(void **state)
{
	struct pipeline_stats stats;
	struct records r;
	struct rig rig;
	char path[32];

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 100; i++) {
			(void)snprintf(path, sizeof(path), "/file%u", i);
			records_open(&r, &rig_actor, path, O_RDONLY, 3);
			rig_feed(&rig, &r);
		}
	}
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.seen_entries, 64);
	assert_int_equal(stats.seen_set.bypassed, 2 * 37);
	assert_int_equal(stats.seen_set.folded, 63);
	assert_int_equal(stats.told, 1 + 100 + 37);
	rig_check_books(&rig);
	rig_done(&rig);
}

static void refused_records_are_counted_and_told_as_lost(void **state)
{
	struct pipeline_stats stats;
	struct records r;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	records_open(&r, &rig_actor, "/x", 0, 3);
	((struct abi_header *)(void *)r.bytes)->kind = 99;
	rig_feed(&rig, &r);
	pipeline_note_loss(rig.p, LOSS(RING_FULL), 7);
	pipeline_flush(rig.p);
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.refused[DECODE_KIND], 1);
	assert_int_equal(rig_loss(&rig, LOSS(DECODE)), 1);
	assert_int_equal(rig_loss(&rig, LOSS(RING_FULL)), 7);
	pipeline_flush(rig.p);
	assert_int_equal(rig_loss(&rig, LOSS(RING_FULL)), 7);
	rig_done(&rig);
}

static void told_behaviours_are_told_again_when_batches_were_dropped(void **state)
{
	struct pipeline_stats stats;
	struct records r;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	records_open(&r, &rig_actor, "/x", 0, 3);
	rig_feed(&rig, &r);
	rig_feed(&rig, &r);
	pipeline_forget_told(rig.p);
	rig_feed(&rig, &r);
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.told, 3);
	assert_int_equal(stats.seen_set.folded, 1);
	rig_done(&rig);
}

static int small_life(void *ctx)
{
	struct rig rig;
	struct records r;
	int n = rig_init(&rig, true);

	(void)ctx;
	if (n == 0) {
		/* Records under lack of memory are counted losses, not errors. */
		rig.print.form = PRINT_OFF;
		records_mkdir(&r, S, CG, 1, "/libpod_parent/libpod-" ID);
		(void)pipeline_record(rig.p, r.bytes, r.len);
		records_exec(&r, &rig_actor, "/bin/sh", PW_SLICE_LIT("sh"), 0);
		(void)pipeline_record(rig.p, r.bytes, r.len);
		records_open(&r, &rig_actor, "/x", 0, 3);
		(void)pipeline_record(rig.p, r.bytes, r.len);
		(void)pipeline_record(rig.p, r.bytes, r.len);
		pipeline_flush(rig.p);
		rig_check_books(&rig);
	}
	rig_done(&rig);
	return n;
}

static void running_out_of_memory_loses_only_counted_events(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(small_life, NULL) > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_is_told_with_everything_needed_to_understand_it),
		cmocka_unit_test(the_bytes_of_a_batch_are_always_the_same),
		cmocka_unit_test(repeats_are_folded_and_told_with_their_count),
		cmocka_unit_test(other_arguments_are_another_behaviour),
		cmocka_unit_test(a_full_table_of_behaviours_lets_everything_through),
		cmocka_unit_test(refused_records_are_counted_and_told_as_lost),
		cmocka_unit_test(told_behaviours_are_told_again_when_batches_were_dropped),
		cmocka_unit_test(running_out_of_memory_loses_only_counted_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
