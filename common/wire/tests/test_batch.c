/* SPDX-License-Identifier: Apache-2.0 */
#include "common/testing/oom.h"
#include "common/wire/tests/kit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct pw_batch *batch_of(struct pw_batch_limits limits)
{
	struct pw_batch *b = NULL;

	assert_int_equal(pw_batch_new(&limits, 1, &b), 0);
	return b;
}

static struct pw_batch *default_batch(void)
{
	return batch_of((struct pw_batch_limits)PW_BATCH_LIMITS_DEFAULT);
}

static struct pw_event_row row_of(uint32_t process, uint32_t object)
{
	return (struct pw_event_row){
		.time = {KIT_BOOT_NS}, .process = process, .object = object, .count = 1, .kind = 1};
}

static void what_is_added_is_copied_and_found(void **state)
{
	kit_auto_batch b = default_batch();
	struct pw_process_def def = {.ref = 9, .exe = 7, .container = 2};
	struct pw_container_def container = kit_container(2);
	uint8_t text[] = "/bin/sh";

	(void)state;
	assert_int_equal(pw_batch_add_string(b, 7, pw_slice_of(text, 7)), 0);
	assert_int_equal(pw_batch_add_container(b, &container), 0);
	assert_int_equal(pw_batch_add_process(b, &def), 0);
	text[1] = 'X';
	def.exe = 99;
	assert_true(pw_slice_eq_str(b->strings[0].bytes, "/bin/sh"));
	assert_ptr_not_equal(b->containers[0].id.ptr, container.id.ptr);
	assert_true(pw_batch_has_string(b, 7) && pw_batch_has_container(b, 2));
	assert_true(pw_batch_has_process(b, 9) && !pw_batch_has_process(b, 7));
	assert_int_equal(pw_batch_find_process(b, 9)->exe, 7);
	assert_null(pw_batch_find_process(b, 8));
	assert_int_equal(b->dict_epoch, 1);
	assert_int_equal(b->seq, 0);
	pw_batch_seal(b, 5, 77);
	assert_int_equal(b->seq, 5);
	assert_int_equal(b->boot_to_wall_ns, 77);
}

static void the_second_add_of_an_id_does_nothing(void **state)
{
	kit_auto_batch b = default_batch();
	struct pw_process_def def = {.ref = 9};
	struct pw_container_def container = kit_container(2);

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pw_batch_add_string(b, 7, PW_SLICE_LIT("x")), 0);
		assert_int_equal(pw_batch_add_container(b, &container), 0);
		assert_int_equal(pw_batch_add_process(b, &def), 0);
		assert_int_equal(pw_batch_add_exited(b, 9), 0);
		assert_int_equal(pw_batch_add_loss(b, 2, 1, 10), 0);
	}
	assert_int_equal(b->string_count, 1);
	assert_int_equal(b->container_count, 1);
	assert_int_equal(b->process_count, 1);
	assert_int_equal(b->exited_count, 1);
	assert_int_equal(b->loss_count, 1);
	assert_int_equal(b->losses[0].count, 30);
}

static void losses_of_another_place_or_reason_are_entries_of_their_own(void **state)
{
	kit_auto_batch b = default_batch();
	struct pw_container_def container = kit_container(2);

	(void)state;
	assert_int_equal(pw_batch_add_container(b, &container), 0);
	assert_int_equal(pw_batch_add_loss(b, 0, 1, 1), 0);
	assert_int_equal(pw_batch_add_loss(b, 2, 1, 1), 0);
	assert_int_equal(pw_batch_add_loss(b, 2, 2, UINT64_MAX), 0);
	assert_int_equal(pw_batch_add_loss(b, 2, 2, 9), 0);
	assert_int_equal(pw_batch_add_loss(b, 0, 5, 0), 0);
	assert_int_equal(b->loss_count, 3);
	assert_true(b->losses[2].count == UINT64_MAX);
}

static void what_would_not_be_self_contained_is_refused(void **state)
{
	kit_auto_batch b = default_batch();
	struct pw_process_def known = {.ref = 1};
	const struct pw_process_def processes[] = {{.ref = 0}, {.ref = 0x80000000u},
		{.ref = 2, .exe = 4}, {.ref = 2, .args = 4}, {.ref = 2, .cwd = 4},
		{.ref = 2, .comm = 4}, {.ref = 2, .container = 4},
		{.ref = 2, .start = {1ull << 62}}, {.ref = 2, .parent_ref = 0x80000000u}};
	struct pw_event_row rows[] = {row_of(0, 0), row_of(2, 0), row_of(1, 4), row_of(1, 0),
		row_of(1, 0), row_of(1, 0), row_of(1, 0)};
	struct pw_container_def container = {.ref = 0};

	(void)state;
	rows[3].count = 0;
	rows[4].kind = 0;
	rows[5].kind = PW_EVENT_KINDS;
	rows[6].time.ns = 1ull << 62;
	assert_int_equal(pw_batch_add_process(b, &known), 0);
	for (size_t i = 0; i < PW_COUNT(processes); i++)
		assert_int_equal(pw_batch_add_process(b, &processes[i]), -EINVAL);
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		assert_int_equal(pw_batch_add_event(b, &rows[i]), -EINVAL);
	assert_int_equal(pw_batch_add_string(b, 0, PW_SLICE_LIT("x")), -EINVAL);
	assert_int_equal(pw_batch_add_string(b, 0x80000000u, PW_SLICE_LIT("x")), -EINVAL);
	assert_int_equal(pw_batch_add_container(b, &container), -EINVAL);
	assert_int_equal(pw_batch_add_exited(b, 0), -EINVAL);
	assert_int_equal(pw_batch_add_loss(b, 0, 0, 1), -EINVAL);
	assert_int_equal(pw_batch_add_loss(b, 3, 1, 1), -EINVAL);
	assert_int_equal(b->process_count, 1);
	assert_int_equal(b->event_count + b->string_count + b->container_count, 0);
	assert_int_equal(b->exited_count + b->loss_count, 0);
}

static void a_string_longer_than_the_wire_takes_is_too_big(void **state)
{
	kit_auto_batch b = default_batch();
	pw_auto_free uint8_t *bytes = pw_alloc0(PW_WIRE_STRING_MAX + 1, 1);
	struct pw_container_def container = {.ref = 1, .image = {bytes, PW_WIRE_STRING_MAX + 1}};

	(void)state;
	assert_non_null(bytes);
	assert_int_equal(
		pw_batch_add_string(b, 1, pw_slice_of(bytes, PW_WIRE_STRING_MAX + 1)), -E2BIG);
	assert_int_equal(pw_batch_add_container(b, &container), -E2BIG);
	assert_int_equal(pw_batch_add_string(b, 1, pw_slice_of(bytes, PW_WIRE_STRING_MAX)), 0);
}

static void each_ceiling_refuses_the_next_and_keeps_the_rest(void **state)
{
	kit_auto_batch b = batch_of((struct pw_batch_limits){3, 3, 3, 3, 1 << 20});
	struct pw_event_row row = row_of(1, 0);

	(void)state;
	for (uint32_t i = 1; i <= 4; i++) {
		struct pw_process_def def = {.ref = i};
		struct pw_container_def container = kit_container(i);
		int expected = i <= 3 ? 0 : -ENOSPC;

		assert_int_equal(pw_batch_add_string(b, i, PW_SLICE_LIT("x")), expected);
		assert_int_equal(pw_batch_add_container(b, &container), expected);
		assert_int_equal(pw_batch_add_process(b, &def), expected);
		assert_int_equal(pw_batch_add_exited(b, i), expected);
		assert_int_equal(pw_batch_add_event(b, &row), expected);
	}
	for (uint32_t reason = 1; reason <= 19; reason++)
		assert_int_equal(pw_batch_add_loss(b, 0, reason, 1), 0);
	assert_int_equal(pw_batch_add_loss(b, 0, 20, 1), -ENOSPC);
	assert_int_equal(pw_batch_add_loss(b, 0, 19, 1), 0);
	assert_int_equal(b->string_count + b->container_count + b->process_count, 9);
	assert_int_equal(b->exited_count + b->event_count, 6);
	assert_false(pw_batch_has_string(b, 4));
}

static void the_ceiling_of_bytes_counts_strings_and_definitions(void **state)
{
	size_t limit = 1000;
	kit_auto_batch b = batch_of((struct pw_batch_limits){10, 100, 100, 100, limit});
	uint8_t text[100] = {1};
	uint32_t id = 1;
	struct pw_process_def def = {.ref = 1};
	struct pw_container_def container = kit_container(1);

	(void)state;
	while (pw_batch_add_string(b, id, pw_slice_of(text, sizeof(text))) == 0)
		id++;
	assert_int_equal(id - 1, limit / (sizeof(text) + sizeof(struct pw_batch_string)));
	assert_int_equal(pw_batch_add_container(b, &container), -ENOSPC);
	while (pw_batch_add_process(b, &def) == 0)
		def.ref++;
	assert_int_equal(pw_batch_add_process(b, &def), -ENOSPC);
	assert_in_range(def.ref, 1, limit / sizeof(def));
	assert_true(b->bytes > limit / 2);
}

static void events_far_apart_in_time_need_two_batches(void **state)
{
	kit_auto_batch b = default_batch();
	struct pw_process_def def = {.ref = 1};
	struct pw_event_row row = row_of(1, 0);
	uint64_t span = (uint64_t)UINT32_MAX * 1000;

	(void)state;
	assert_int_equal(pw_batch_add_process(b, &def), 0);
	assert_int_equal(pw_batch_add_event(b, &row), 0);
	row.time.ns = KIT_BOOT_NS + span + 1;
	assert_int_equal(pw_batch_add_event(b, &row), -ENOSPC);
	row.time.ns = KIT_BOOT_NS + span;
	assert_int_equal(pw_batch_add_event(b, &row), 0);
	row.time.ns = KIT_BOOT_NS - 1;
	assert_int_equal(pw_batch_add_event(b, &row), -ENOSPC);
	assert_int_equal(b->event_count, 2);
}

static void nothing_enters_after_the_seal(void **state)
{
	kit_auto_batch b = default_batch();
	struct pw_process_def def = {.ref = 1};
	struct pw_container_def container = kit_container(1);
	struct pw_event_row row = row_of(1, 0);

	(void)state;
	pw_batch_seal(b, 1, 0);
	assert_int_equal(pw_batch_add_string(b, 1, PW_SLICE_LIT("x")), -EINVAL);
	assert_int_equal(pw_batch_add_process(b, &def), -EINVAL);
	assert_int_equal(pw_batch_add_container(b, &container), -EINVAL);
	assert_int_equal(pw_batch_add_event(b, &row), -EINVAL);
	assert_int_equal(pw_batch_add_exited(b, 1), -EINVAL);
	assert_int_equal(pw_batch_add_loss(b, 0, 1, 1), -EINVAL);
}

static void bytes_held_grow_with_the_content_and_the_arena_never_refuses_first(void **state)
{
	kit_auto_batch b = default_batch();
	size_t empty = b->bytes;
	uint32_t id = 1;
	int r = 0;

	(void)state;
	/* Tiny strings waste most in the arena; the count is what must stop them. */
	while ((r = pw_batch_add_string(b, id, PW_SLICE_LIT("a"))) == 0)
		id++;
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(b->string_count, 4096);
	assert_true(b->bytes > empty + 4096 * sizeof(struct pw_batch_string));
}

static int build_random(void *ctx)
{
	kit_auto_batch b = NULL;
	pw_auto_free struct kit_world *w = ctx;

	w = pw_alloc0(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	kit_world_init(w, 11, 1);
	return kit_batch(w, 60, &b);
}

static void running_out_of_memory_leaves_nothing_behind(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(build_random, NULL) > 8);
}

/* A failed add leaves the batch as it was and the same add works afterwards. */
static int add_with_retry(void *ctx)
{
	kit_auto_batch b = NULL;
	struct pw_batch_limits limits = PW_BATCH_LIMITS_DEFAULT;
	int first_failure = pw_batch_new(&limits, 1, &b);

	(void)ctx;
	for (uint32_t id = 1; b && id <= 100; id++) {
		int r = pw_batch_add_string(b, id, PW_SLICE_LIT("/etc/passwd"));

		if (r < 0) {
			first_failure = r;
			assert_int_equal(b->string_count, id - 1);
			assert_false(pw_batch_has_string(b, id));
			assert_int_equal(pw_batch_add_string(b, id, PW_SLICE_LIT("x")), 0);
		}
		assert_int_equal(b->string_count, id);
	}
	return first_failure;
}

static void an_add_without_memory_changes_nothing(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(add_with_retry, NULL) > 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_copied_and_found),
		cmocka_unit_test(the_second_add_of_an_id_does_nothing),
		cmocka_unit_test(losses_of_another_place_or_reason_are_entries_of_their_own),
		cmocka_unit_test(what_would_not_be_self_contained_is_refused),
		cmocka_unit_test(a_string_longer_than_the_wire_takes_is_too_big),
		cmocka_unit_test(each_ceiling_refuses_the_next_and_keeps_the_rest),
		cmocka_unit_test(the_ceiling_of_bytes_counts_strings_and_definitions),
		cmocka_unit_test(events_far_apart_in_time_need_two_batches),
		cmocka_unit_test(nothing_enters_after_the_seal),
		cmocka_unit_test(
			bytes_held_grow_with_the_content_and_the_arena_never_refuses_first),
		cmocka_unit_test(running_out_of_memory_leaves_nothing_behind),
		cmocka_unit_test(an_add_without_memory_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
