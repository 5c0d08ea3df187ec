/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/split.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/testing/oom.h"

#define RING_FULL ((uint32_t)PODWARD__V1__LOSS_REASON__LOSS_REASON_RING_FULL)
#define GROUPS    6u

static const struct pw_batch_limits limits = {64, 128, 64, 16, 65536};

static struct pw_slice group(uint32_t i, char *text, size_t size)
{
	int n = snprintf(text, size, "shop/Deployment/app-%u/main", i);

	return pw_slice_of(text, (size_t)n);
}

static uint32_t string(struct pw_batch *b, uint32_t id, const char *text)
{
	assert_int_equal(pw_batch_add_string(b, id, pw_slice_str(text)), 0);
	return id;
}

/* Container i + 1 of group i with a process (ref 10 * container) and its child, which did it. */
static void add_group(struct pw_batch *b, uint32_t i)
{
	struct pw_process_def parent = {.ref = 10 * (i + 1), .container = i + 1};
	struct pw_process_def child = parent;
	struct pw_event_row row = {.time = {5 + i}, .count = 1 + i, .kind = PW_EVENT_OPEN};
	struct pw_container_def c = {.ref = i + 1, .id = PW_SLICE_LIT("id")};
	char text[64];

	c.pod_group = group(i, text, sizeof(text));
	assert_int_equal(pw_batch_add_container(b, &c), 0);
	parent.exe = string(b, 1, "/bin/sh");
	assert_int_equal(pw_batch_add_process(b, &parent), 0);
	child.ref++;
	child.parent_ref = parent.ref;
	child.exe = string(b, 2, "/usr/bin/app");
	child.args = string(b, 100 + i, "app --serve");
	assert_int_equal(pw_batch_add_process(b, &child), 0);
	row.process = child.ref;
	row.object = string(b, 200 + i, "/data/file");
	assert_int_equal(pw_batch_add_event(b, &row), 0);
}

static struct pw_batch *make(void)
{
	struct pw_batch *b = NULL;

	assert_int_equal(pw_batch_new(&limits, 7, &b), 0);
	for (uint32_t i = 0; i < GROUPS; i++)
		add_group(b, i);
	return b;
}

/* Slots by turns to two lanes. */
static struct split_map two_lanes(void)
{
	struct split_map map = {.epoch = 3};

	for (uint32_t i = 0; i < SPLIT_SLOTS; i++)
		map.lanes[i] = (uint8_t)(i % 2);
	split_map_count(&map);
	return map;
}

static void free_all(struct pw_batch *parts[SPLIT_LANES])
{
	for (uint32_t i = 0; i < SPLIT_LANES; i++)
		pw_batch_free(parts[i]);
}

static void each_row_goes_to_the_owner_of_its_group_and_stands_alone(void **state)
{
	struct split_map map = two_lanes();
	struct pw_batch *parts[SPLIT_LANES], *b = make();
	uint32_t rows = 0;

	(void)state;
	assert_int_equal(split_batch(b, &map, parts), 0);
	for (uint32_t lane = 0; lane < 2; lane++) {
		const struct pw_batch *part = parts[lane];

		assert_non_null(part);
		assert_int_equal(part->dict_epoch, 7);
		for (uint32_t i = 0; i < part->event_count; i++) {
			const struct pw_event_row *row = &part->events[i];
			const struct pw_process_def *p = pw_batch_find_process(part, row->process);
			const struct pw_container_def *c =
				pw_batch_find_container(part, p->container);

			assert_int_equal(map.lanes[split_slot(c->pod_group)], lane);
			assert_true(pw_batch_has_process(part, p->parent_ref));
			assert_true(pw_slice_eq(
				pw_batch_find_string(part, p->exe), PW_SLICE_LIT("/usr/bin/app")));
			assert_true(pw_slice_eq(pw_batch_find_string(part, row->object),
				PW_SLICE_LIT("/data/file")));
			assert_int_equal(row->count, c->ref);
			rows++;
		}
	}
	assert_int_equal(rows, GROUPS);
	free_all(parts);
	pw_batch_free(b);
}

static void losses_of_the_node_go_to_everybody_those_of_a_container_with_its_group(void **state)
{
	struct split_map map = two_lanes();
	struct pw_batch *parts[SPLIT_LANES], *b = NULL;
	struct pw_container_def c = {.ref = 1, .id = PW_SLICE_LIT("id")};
	uint32_t owner = 0;
	char text[64];

	(void)state;
	c.pod_group = group(0, text, sizeof(text));
	owner = map.lanes[split_slot(c.pod_group)];
	assert_int_equal(pw_batch_new(&limits, 7, &b), 0);
	assert_int_equal(pw_batch_add_container(b, &c), 0);
	assert_int_equal(pw_batch_add_loss(b, 1, RING_FULL, 5), 0);
	assert_int_equal(split_sole_lane(b, &map), (int)owner);
	assert_int_equal(pw_batch_add_loss(b, 0, RING_FULL, 9), 0);
	assert_int_equal(split_sole_lane(b, &map), -1);
	assert_int_equal(split_batch(b, &map, parts), 0);
	assert_int_equal(parts[owner]->loss_count, 2);
	assert_int_equal(parts[1 - owner]->loss_count, 1);
	assert_int_equal(parts[1 - owner]->losses[0].container, 0);
	assert_int_equal(parts[1 - owner]->losses[0].count, 9);
	assert_null(parts[2]);
	free_all(parts);
	pw_batch_free(b);
}

static void what_has_no_group_goes_by_the_node(void **state)
{
	struct split_map map = two_lanes();
	struct pw_process_def host = {.ref = 4};
	struct pw_event_row row = {.time = {5}, .process = 4, .count = 1, .kind = PW_EVENT_OPEN};
	struct pw_batch *b = NULL;

	(void)state;
	assert_int_equal(pw_batch_new(&limits, 7, &b), 0);
	assert_int_equal(pw_batch_add_process(b, &host), 0);
	assert_int_equal(pw_batch_add_event(b, &row), 0);
	map.home = 6;
	assert_int_equal(split_sole_lane(b, &map), 0);
	map.home = 7;
	assert_int_equal(split_sole_lane(b, &map), 1);
	pw_batch_free(b);
}

static void one_owner_of_everything_needs_no_look(void **state)
{
	struct split_map map = {.epoch = 1};
	struct pw_batch *b = make();

	(void)state;
	split_map_single(&map, 5);
	assert_int_equal(map.in_use_count, 1);
	assert_true(map.in_use[5]);
	assert_int_equal(split_sole_lane(b, &map), 5);
	pw_batch_free(b);
}

static int split_once(void *ctx)
{
	struct split_map map = two_lanes();
	struct pw_batch *parts[SPLIT_LANES];
	int r = split_batch(ctx, &map, parts);

	for (uint32_t i = 0; r < 0 && i < SPLIT_LANES; i++)
		assert_null(parts[i]);
	free_all(parts);
	return r;
}

static void running_out_of_memory_leaves_no_part(void **state)
{
	struct pw_batch *b = make();

	(void)state;
	pw_oom_loop(split_once, b);
	pw_batch_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_goes_to_the_owner_of_its_group_and_stands_alone),
		cmocka_unit_test(
			losses_of_the_node_go_to_everybody_those_of_a_container_with_its_group),
		cmocka_unit_test(what_has_no_group_goes_by_the_node),
		cmocka_unit_test(one_owner_of_everything_needs_no_look),
		cmocka_unit_test(running_out_of_memory_leaves_no_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
