/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded tables: announced alerts, sources, groups. */
#include "analyzer/group.h"
#include "analyzer/sources.h"
#include "common/testing/cm.h"
#include "analyzer/tests/kit.h"
#include "common/base/hash.h"
#include "common/testing/oom.h"
#include "common/wire/slot.h"

#include <errno.h>
#include <stdio.h>

#define WINDOW SUPPRESS_WINDOW_NS

static void windows_start_at_whole_ten_minutes(void **state)
{
	(void)state;
	assert_true(suppress_window(KIT_WALL_NS) == KIT_WALL_NS);
	assert_true(suppress_window(KIT_WALL_NS + WINDOW - 1) == KIT_WALL_NS);
	assert_true(suppress_window(KIT_WALL_NS + WINDOW) == KIT_WALL_NS + WINDOW);
	assert_true(suppress_window(-1) == -WINDOW);
	assert_true(suppress_window(INT64_MIN) == INT64_MIN);
}

static void a_full_table_forgets_old_windows_first(void **state)
{
	struct suppress *s;

	(void)state;
	assert_int_equal(suppress_new(8, &s), 0);
	for (uint64_t i = 1; i <= 6; i++)
		suppress_put(s, (struct pw_hash128){0, i}, 0);
	suppress_put(s, (struct pw_hash128){0, 7}, WINDOW);
	suppress_put(s, (struct pw_hash128){0, 8}, WINDOW);
	assert_true(suppress_has(s, (struct pw_hash128){0, 1}));
	suppress_put(s, (struct pw_hash128){0, 9}, WINDOW);
	assert_false(suppress_has(s, (struct pw_hash128){0, 1}));
	for (uint64_t i = 7; i <= 9; i++)
		assert_true(suppress_has(s, (struct pw_hash128){0, i}));
	assert_int_equal(suppress_forgotten(s), 6);
	suppress_free(s);
}

static struct source_entry entry(uint64_t seq, uint64_t report, uint64_t flush0)
{
	struct source_entry e = {.seq = seq, .report_seq = report, .flush = {flush0}};

	return e;
}

static void durable_waits_for_reports_and_flushes_in_order(void **state)
{
	struct source s = {.received = 0};
	struct source_entry e;

	(void)state;
	e = entry(1, 10, 0);
	source_judged(&s, &e);
	e = entry(2, 10, 1);
	source_judged(&s, &e);
	e = entry(3, 11, 0);
	source_judged(&s, &e);
	assert_int_equal(s.received, 3);
	assert_false(source_committed(&s, 9));
	assert_true(source_committed(&s, 11));
	assert_int_equal(s.durable, 1);
	source_flushed(&s, 1, 5, 12); /* another shard */
	assert_false(source_committed(&s, 20));
	source_flushed(&s, 0, 1, 21);
	assert_false(source_committed(&s, 20));
	assert_true(source_committed(&s, 21));
	assert_int_equal(s.durable, 3);
}

static void more_batches_in_doubt_than_places_are_merged(void **state)
{
	struct source s = {.received = 0};

	(void)state;
	for (uint64_t i = 1; i <= 200; i++) {
		struct source_entry e = entry(i, i, 0);

		source_judged(&s, &e);
	}
	assert_true(source_committed(&s, 63));
	assert_int_equal(s.durable, 63);
	assert_false(source_committed(&s, 199));
	assert_true(source_committed(&s, 200));
	assert_int_equal(s.durable, 200);
}

static void the_quiet_source_makes_room(void **state)
{
	uint8_t a[16] = {1}, b[16] = {2}, c[16] = {3};
	struct source *s, *busy;
	struct sources *t;

	(void)state;
	assert_int_equal(sources_new(2, &t), 0);
	assert_int_equal(sources_get(t, a, &busy), 0);
	busy->is_busy = true;
	assert_int_equal(sources_get(t, b, &s), 0);
	s->received = 9;
	assert_int_equal(sources_get(t, c, &s), 0);
	assert_int_equal(s->received, 0);
	assert_memory_equal(s->instance, c, 16);
	assert_int_equal(sources_forgotten(t), 1);
	s->is_busy = true;
	assert_int_equal(sources_get(t, b, &s), -ENOSPC);
	assert_int_equal(sources_get(t, a, &s), 0);
	assert_ptr_equal(s, busy);
	sources_free(t);
}

static void groups_have_a_ceiling_and_keep_apart_what_hashes_alike(void **state)
{
	struct group *a, *b, *c;
	struct groups *t;

	(void)state;
	assert_int_equal(groups_new(2, &t), 0);
	assert_int_equal(groups_get(t, 5, PW_SLICE_LIT("a"), &a), 0);
	assert_int_equal(groups_get(t, 5, PW_SLICE_LIT("b"), &b), 0);
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(groups_find(t, 5, PW_SLICE_LIT("b")), b);
	assert_int_equal(groups_get(t, 6, PW_SLICE_LIT("c"), &c), -ENOSPC);
	assert_int_equal(groups_refused(t), 1);
	groups_free(t);
}

static void groups_of_given_up_slots_go_and_the_rest_is_found_as_before(void **state)
{
	uint8_t slots[PW_SLOT_BYTES] = {0};
	struct group *five, *other, *again;
	struct groups *t;

	(void)state;
	assert_int_equal(groups_new(8, &t), 0);
	/* Hashes 5 are alike, 6 lies where the second of them looks first. */
	assert_int_equal(groups_get(t, 5, PW_SLICE_LIT("a"), &five), 0);
	assert_int_equal(groups_get(t, 5, PW_SLICE_LIT("b"), &other), 0);
	assert_int_equal(groups_get(t, 6, PW_SLICE_LIT("c"), &other), 0);
	assert_int_equal(groups_get(t, 7 + PW_SLOTS, PW_SLICE_LIT("d"), &other), 0);
	pw_slots_add(slots, 6);
	assert_int_equal(groups_remove(t, slots), 0);
	assert_int_equal(groups_count(t), 3);
	assert_ptr_equal(groups_find(t, 5, PW_SLICE_LIT("a")), five);
	assert_non_null(groups_find(t, 5, PW_SLICE_LIT("b")));
	assert_null(groups_find(t, 6, PW_SLICE_LIT("c")));
	assert_ptr_equal(groups_find(t, 7 + PW_SLOTS, PW_SLICE_LIT("d")), other);
	pw_slots_add(slots, 5);
	pw_slots_add(slots, 7);
	assert_int_equal(groups_remove(t, slots), 0);
	assert_int_equal(groups_count(t), 0);
	assert_int_equal(groups_get(t, 6, PW_SLICE_LIT("c"), &again), 0);
	groups_free(t);
}

static void a_group_remembers_its_nodes(void **state)
{
	struct group *g;
	struct groups *t;

	(void)state;
	assert_int_equal(groups_new(2, &t), 0);
	assert_int_equal(groups_get(t, 5, PW_SLICE_LIT("a"), &g), 0);
	assert_false(group_may_be_on(g, 1));
	for (uint64_t n = 1; n <= GROUP_NODES; n++)
		group_saw_node(g, n);
	group_saw_node(g, 1);
	assert_true(group_may_be_on(g, 1));
	assert_false(group_may_be_on(g, 99));
	group_saw_node(g, 50);
	assert_true(group_may_be_on(g, 99));
	groups_free(t);
}

static int fill(void *ctx)
{
	uint8_t instance[16] = {0}, slots[PW_SLOT_BYTES] = {0x0f};
	struct sources *sources = NULL;
	struct groups *groups = NULL;
	struct source *s;
	struct group *g;
	int r = groups_new(64, &groups);
	char key[16];

	(void)ctx;
	if (r == 0)
		r = sources_new(4, &sources);
	for (uint8_t i = 0; r == 0 && i < 20; i++) {
		(void)snprintf(key, sizeof(key), "a/b/c%u", i);
		r = groups_get(groups, i, pw_slice_str(key), &g);
		if (r == 0 && i == 10)
			r = groups_remove(groups, slots);
		instance[0] = i;
		if (r == 0)
			r = sources_get(sources, instance, &s);
	}
	groups_free(groups);
	sources_free(sources);
	return r;
}

static void tables_survive_lack_of_memory(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(fill, NULL) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_start_at_whole_ten_minutes),
		cmocka_unit_test(a_full_table_forgets_old_windows_first),
		cmocka_unit_test(durable_waits_for_reports_and_flushes_in_order),
		cmocka_unit_test(more_batches_in_doubt_than_places_are_merged),
		cmocka_unit_test(the_quiet_source_makes_room),
		cmocka_unit_test(groups_have_a_ceiling_and_keep_apart_what_hashes_alike),
		cmocka_unit_test(groups_of_given_up_slots_go_and_the_rest_is_found_as_before),
		cmocka_unit_test(a_group_remembers_its_nodes),
		cmocka_unit_test(tables_survive_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
