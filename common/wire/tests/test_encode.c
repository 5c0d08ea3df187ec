/* SPDX-License-Identifier: Apache-2.0 */
#include "common/testing/oom.h"
#include "common/wire/tests/kit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ARENA_LIMIT (8u << 20)

struct bench {
	struct pw_encoder *e;
	struct pw_arena *arena;
	struct kit_world w;
};

static int setup(void **state)
{
	struct bench *t = pw_alloc0(1, sizeof(*t));

	if (!t || pw_encoder_new(&t->e) < 0 || pw_arena_new(65536, ARENA_LIMIT, &t->arena) < 0)
		return -1;
	kit_world_init(&t->w, 1, 1);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct bench *t = *state;

	pw_encoder_free(t->e);
	pw_arena_free(t->arena);
	free(t);
	return 0;
}

static struct pw_batch *empty_batch(uint64_t dict_epoch)
{
	struct pw_batch_limits limits = PW_BATCH_LIMITS_DEFAULT;
	struct pw_batch *b = NULL;

	assert_int_equal(pw_batch_new(&limits, dict_epoch, &b), 0);
	return b;
}

static Podward__V1__EventBatch encode(struct bench *t, struct pw_batch *b)
{
	Podward__V1__EventBatch msg;

	if (b->seq == 0)
		pw_batch_seal(b, 1, 0);
	assert_int_equal(pw_encode_batch(t->e, b, t->arena, &msg), 0);
	return msg;
}

static void columns_carry_the_rows_and_times_count_from_the_earliest(void **state)
{
	struct bench *t = *state;
	kit_auto_batch b = NULL;
	Podward__V1__EventBatch m;

	assert_int_equal(kit_golden_batch(&b), 0);
	m = encode(t, b);
	assert_int_equal(m.seq, 1);
	assert_int_equal(m.dict_epoch, 3);
	assert_true(m.base_boot_ns == KIT_BOOT_NS + 1000999);
	assert_int_equal(m.kind.len, 4);
	assert_int_equal(m.time_delta_us[0], (2500000 - 1000999) / 1000);
	assert_int_equal(m.time_delta_us[1], 0);
	assert_int_equal(m.ret[1], -13);
	assert_int_equal(m.object[1], 6);
	assert_int_equal(m.process[2], 10);
	assert_int_equal(PW_CONNECT_PORT(m.aux[2]), 443);
	assert_int_equal(PW_CONNECT_PROTO(m.aux[2]), 6);
	assert_int_equal(PW_CONNECT_FAMILY(m.aux[2]), 2);
	assert_int_equal(m.count[1], 3);
	assert_int_equal(m.flags.data[1], 5);
	assert_int_equal(m.losses[1]->container, 1);
}

static void flags_and_counts_are_empty_when_all_are_default(void **state)
{
	struct bench *t = *state;
	kit_auto_batch b = empty_batch(1);
	struct pw_process_def def = {.ref = 1};
	struct pw_event_row row = {.time = {5}, .process = 1, .count = 1, .kind = 1};
	Podward__V1__EventBatch m;

	assert_int_equal(pw_batch_add_process(b, &def), 0);
	assert_int_equal(pw_batch_add_event(b, &row), 0);
	assert_int_equal(pw_batch_add_event(b, &row), 0);
	m = encode(t, b);
	assert_int_equal(m.flags.len, 0);
	assert_int_equal(m.n_count, 0);
	assert_int_equal(m.n_aux, 2);
}

static void told(
	const struct bench *t, const Podward__V1__EventBatch *m, uint8_t *seen, uint8_t *live)
{
	for (size_t i = 0; i < m->n_dict_id; i++)
		assert_int_equal(seen[m->dict_id[i]]++, 0);
	for (size_t i = 0; i < m->n_processes; i++) {
		uint32_t parent = m->processes[i]->parent_ref;

		assert_int_equal(live[m->processes[i]->ref]++, 0);
		assert_true(parent == 0 || live[parent]);
	}
	for (size_t i = 0; i < m->kind.len; i++) {
		assert_true(live[m->process[i]]);
		assert_true(m->object[i] == 0 || seen[m->object[i]]);
	}
	for (size_t i = 0; i < m->n_exited; i++)
		assert_int_equal(live[m->exited[i]]--, 1);
	assert_true(t->w.next_ref < KIT_HISTORY);
}

static void each_thing_is_told_once_and_before_its_use(void **state)
{
	struct bench *t = *state;
	uint8_t seen[KIT_STRINGS + 1] = {0};
	pw_auto_free uint8_t *live = pw_alloc0(KIT_HISTORY, 1);
	size_t definitions = 0;
	size_t containers = 0;

	assert_non_null(live);
	for (int i = 0; i < 100; i++) {
		kit_auto_batch b = NULL;
		Podward__V1__EventBatch m;

		pw_arena_reset(t->arena);
		assert_int_equal(kit_batch(&t->w, 50, &b), 0);
		m = encode(t, b);
		told(t, &m, seen, live);
		definitions += b->string_count;
		containers += m.n_containers;
	}
	assert_int_equal(containers, KIT_CONTAINERS);
	assert_true(definitions > 2 * KIT_STRINGS); /* batches said much more than the wire */
}

static void a_reset_and_a_new_epoch_tell_all_again(void **state)
{
	struct bench *t = *state;

	for (int round = 0; round < 3; round++) {
		kit_auto_batch b = NULL;
		Podward__V1__EventBatch first;
		Podward__V1__EventBatch second;

		t->w.dict_epoch = round == 2 ? 2 : 1;
		assert_int_equal(kit_batch(&t->w, 50, &b), 0);
		first = encode(t, b);
		second = encode(t, b);
		assert_int_equal(first.n_dict, b->string_count);
		assert_int_equal(first.n_processes, b->process_count);
		assert_int_equal(first.n_containers, b->container_count);
		assert_int_equal(second.n_dict + second.n_containers, 0);
		if (round == 0)
			pw_encoder_reset(t->e);
	}
}

static void parents_go_before_their_children(void **state)
{
	struct bench *t = *state;
	kit_auto_batch b = empty_batch(1);
	Podward__V1__EventBatch m;

	for (uint32_t ref = 20; ref >= 1; ref--) {
		struct pw_process_def def = {.ref = ref, .parent_ref = ref - 1};

		assert_int_equal(pw_batch_add_process(b, &def), 0);
	}
	m = encode(t, b);
	assert_int_equal(m.n_processes, 20);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(m.processes[i]->ref, i + 1);
		assert_int_equal(m.processes[i]->parent_ref, i);
	}
}

static void an_untold_parent_and_a_circle_of_parents_end_in_0(void **state)
{
	struct bench *t = *state;
	kit_auto_batch b = empty_batch(1);
	const struct pw_process_def defs[] = {{.ref = 1, .parent_ref = 99},
		{.ref = 2, .parent_ref = 3}, {.ref = 3, .parent_ref = 2},
		{.ref = 4, .parent_ref = 4}};
	uint8_t live[5] = {0};
	Podward__V1__EventBatch m;

	for (size_t i = 0; i < PW_COUNT(defs); i++)
		assert_int_equal(pw_batch_add_process(b, &defs[i]), 0);
	m = encode(t, b);
	assert_int_equal(m.n_processes, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_true(m.processes[i]->parent_ref == 0 || live[m.processes[i]->parent_ref]);
		live[m.processes[i]->ref] = 1;
	}
}

static void exited_refs_the_stream_never_heard_of_are_left_out(void **state)
{
	struct bench *t = *state;
	kit_auto_batch b = empty_batch(1);
	struct pw_process_def def = {.ref = 1};
	Podward__V1__EventBatch m;

	assert_int_equal(pw_batch_add_process(b, &def), 0);
	assert_int_equal(pw_batch_add_exited(b, 99), 0);
	assert_int_equal(pw_batch_add_exited(b, 1), 0);
	m = encode(t, b);
	assert_int_equal(m.n_exited, 1);
	assert_int_equal(m.exited[0], 1);
	m = encode(t, b); /* forgotten, so it is told again, and exits again */
	assert_int_equal(m.n_processes, 1);
	assert_int_equal(m.n_exited, 1);
}

static void an_unsealed_batch_is_refused(void **state)
{
	struct bench *t = *state;
	kit_auto_batch b = empty_batch(1);
	Podward__V1__EventBatch m;

	assert_int_equal(pw_encode_batch(t->e, b, t->arena, &m), -EINVAL);
}

/* Every possible place where the arena may end; after the refusals the full message still comes. */
static void an_arena_too_small_tells_nothing(void **state)
{
	struct bench *t = *state;
	kit_auto_batch b = NULL;
	size_t refusals = 0;
	int r = -ENOMEM;

	assert_int_equal(kit_batch(&t->w, 20, &b), 0);
	for (size_t limit = 256; r == -ENOMEM; limit += 64) {
		kit_auto_arena small = NULL;
		Podward__V1__EventBatch m;

		assert_int_equal(pw_arena_new(256, limit, &small), 0);
		r = pw_encode_batch(t->e, b, small, &m);
		refusals += r == -ENOMEM;
		if (r == 0)
			assert_int_equal(m.n_dict + m.n_containers + m.n_processes,
				b->string_count + b->container_count + b->process_count);
	}
	assert_int_equal(r, 0);
	assert_true(refusals > 10);
}

static struct pw_batch *batch_of_processes(uint32_t first, uint32_t count)
{
	struct pw_batch_limits limits = {1, 1, count, 1, count * sizeof(struct pw_process_def)};
	struct pw_batch *b = NULL;

	assert_int_equal(pw_batch_new(&limits, 1, &b), 0);
	for (uint32_t i = 0; i < count; i++) {
		struct pw_process_def def = {.ref = first + i};

		assert_int_equal(pw_batch_add_process(b, &def), 0);
	}
	pw_batch_seal(b, 1, 0);
	return b;
}

static void a_full_table_refuses_and_the_told_stay_told(void **state)
{
	struct bench *t = *state;
	kit_auto_arena large = NULL;
	kit_auto_batch full = batch_of_processes(1, 65536);
	kit_auto_batch more = batch_of_processes(65530, 10);
	Podward__V1__EventBatch m;

	assert_int_equal(pw_arena_new(1 << 20, 32 << 20, &large), 0);
	assert_int_equal(pw_encode_batch(t->e, full, large, &m), 0);
	assert_int_equal(m.n_processes, 65536);
	assert_int_equal(pw_encode_batch(t->e, more, large, &m), -ENOSPC);
	pw_arena_reset(large);
	assert_int_equal(pw_encode_batch(t->e, full, large, &m), 0);
	assert_int_equal(m.n_processes, 0);
}

static int encode_two(void *ctx)
{
	struct bench *t = ctx;
	kit_auto_batch one = NULL;
	kit_auto_batch two = NULL;
	kit_auto_encoder e = NULL;
	kit_auto_arena arena = NULL;
	Podward__V1__EventBatch m;
	int r = pw_encoder_new(&e);

	kit_world_init(&t->w, 3, 1);
	if (r == 0)
		r = pw_arena_new(4096, ARENA_LIMIT, &arena);
	if (r == 0)
		r = kit_batch(&t->w, 40, &one);
	if (r == 0)
		r = pw_encode_batch(e, one, arena, &m);
	if (r == 0)
		r = kit_batch(&t->w, 40, &two);
	return r == 0 ? pw_encode_batch(e, two, arena, &m) : r;
}

static void running_out_of_memory_leaves_nothing_behind(void **state)
{
	assert_true(pw_oom_loop(encode_two, *state) > 10);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(columns_carry_the_rows_and_times_count_from_the_earliest),
		TEST(flags_and_counts_are_empty_when_all_are_default),
		TEST(each_thing_is_told_once_and_before_its_use),
		TEST(a_reset_and_a_new_epoch_tell_all_again),
		TEST(parents_go_before_their_children),
		TEST(an_untold_parent_and_a_circle_of_parents_end_in_0),
		TEST(exited_refs_the_stream_never_heard_of_are_left_out),
		TEST(an_unsealed_batch_is_refused),
		TEST(an_arena_too_small_tells_nothing),
		TEST(a_full_table_refuses_and_the_told_stay_told),
		TEST(running_out_of_memory_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
