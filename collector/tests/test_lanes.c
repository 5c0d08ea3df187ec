/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two analyzers made for the test share pod groups: every event arrives, whoever comes, goes or
 * refuses, and says as what it was sent before.
 */
#include "collector/lanes.h"
#include "collector/tests/analyzer_rig.h"
#include "common/base/clock.h"
#include "common/rpc/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#define GROUPS 40u

/* Waits for a condition, at most 20 s; the time only bounds a failing test. */
#define WAIT(condition)                                              \
	do {                                                         \
		uint64_t end_ = pw_mono_now().ns + 20 * PW_NS_PER_S; \
		while (!(condition) && pw_mono_now().ns < end_)      \
			(void)usleep(1000);                          \
		assert_true(condition);                              \
	} while (0)

struct rig {
	struct pw_rpc_loop *loop;
	struct analyzer a, b;
	struct lanes *lanes;
	uint8_t slots[SPLIT_SLOTS];
	uint32_t pushed, of_a; /* events so far; of groups in even slots */
	uint64_t lost;
	char dir[64]; /* "" = no file */
};

static void on_lost(void *ctx, struct pw_batch *batch)
{
	struct rig *rig = ctx;

	rig->lost += batch->event_count;
	pw_batch_free(batch);
}

static void open_lanes(struct rig *rig)
{
	struct lanes_settings s = {
		.uplink = {.node = PW_SLICE_LIT("node"),
			.backlog_bytes = 32 << 20,
			.live = true,
			.state_dir = rig->dir},
		.on_lost = on_lost,
		.ctx = rig,
	};
	struct pw_err err = PW_ERR_INIT;

	memset(s.uplink.instance, 7, sizeof(s.uplink.instance));
	if (lanes_new(rig->loop, &s, &rig->lanes, &err) < 0)
		fail_msg("%s", err.msg);
}

static void start(struct rig *rig)
{
	struct pw_err err = PW_ERR_INIT;

	memset(rig, 0, sizeof(*rig));
	assert_int_equal(pw_rpc_loop_start("uplink", &rig->loop, &err), 0);
	analyzer_start(&rig->a, "lane-a");
	analyzer_start(&rig->b, "lane-b");
	open_lanes(rig);
}

static void stop(struct rig *rig)
{
	lanes_free(rig->lanes);
	analyzer_stop(&rig->a);
	analyzer_stop(&rig->b);
	pw_rpc_loop_stop(rig->loop);
}

/* Both are members; share: even slots are a's, odd ones b's; else all are b's. */
static void use_both(struct rig *rig, uint64_t epoch, bool share)
{
	const struct owners_member members[] = {{"a", rig->a.address}, {"b", rig->b.address}};
	struct owners map = {epoch, members, 2, rig->slots};
	struct pw_err err = PW_ERR_INIT;

	for (uint32_t i = 0; i < SPLIT_SLOTS; i++)
		rig->slots[i] = share ? i % 2 : 1;
	if (lanes_use_map(rig->lanes, &map, &err) < 0)
		fail_msg("%s", err.msg);
}

static void use_b_alone(struct rig *rig, uint64_t epoch)
{
	const struct owners_member members[] = {{"b", rig->b.address}};
	struct owners map = {epoch, members, 1, rig->slots};
	struct pw_err err = PW_ERR_INIT;

	memset(rig->slots, 0, sizeof(rig->slots));
	if (lanes_use_map(rig->lanes, &map, &err) < 0)
		fail_msg("%s", err.msg);
}

static void use_a_without_map(struct rig *rig)
{
	struct pw_err err = PW_ERR_INIT;

	if (lanes_use_one(rig->lanes, rig->a.address, &err) < 0)
		fail_msg("%s", err.msg);
}

static void add_group(struct rig *rig, struct pw_batch *b, uint32_t i)
{
	struct pw_container_def c = {.ref = i + 1, .id = PW_SLICE_LIT("c")};
	struct pw_process_def p = {.ref = i + 1, .container = i + 1, .exe = i + 1};
	struct pw_event_row row = {
		.time = {1000}, .process = i + 1, .count = 1, .kind = PW_EVENT_EXEC};
	char text[64];
	int n = snprintf(text, sizeof(text), "shop/Deployment/app-%u/main", i);

	c.pod_group = pw_slice_of(text, (size_t)n);
	assert_int_equal(pw_batch_add_string(b, i + 1, c.pod_group), 0);
	assert_int_equal(pw_batch_add_container(b, &c), 0);
	assert_int_equal(pw_batch_add_process(b, &p), 0);
	assert_int_equal(pw_batch_add_event(b, &row), 0);
	rig->of_a += split_slot(c.pod_group) % 2 == 0;
	rig->pushed++;
}

/* An event of each group. */
static void push(struct rig *rig)
{
	struct pw_batch_limits limits = {64, 64, 64, 64, 65536};
	struct pw_batch *b = NULL;

	assert_int_equal(pw_batch_new(&limits, 1, &b), 0);
	for (uint32_t i = 0; i < GROUPS; i++)
		add_group(rig, b, i);
	lanes_push(rig->lanes, b);
}

static bool is_idle(const struct rig *rig)
{
	struct uplink_stats s;

	lanes_get_stats(rig->lanes, &s);
	return s.idle;
}

static void each_group_goes_to_its_owner(void **state)
{
	struct rig rig;

	(void)state;
	start(&rig);
	use_both(&rig, 5, true);
	for (unsigned i = 0; i < 10; i++)
		push(&rig);
	WAIT(is_idle(&rig));
	assert_true(rig.of_a > 0 && rig.of_a < rig.pushed);
	assert_int_equal(atomic_load(&rig.a.events), rig.of_a);
	assert_int_equal(atomic_load(&rig.b.events), rig.pushed - rig.of_a);
	assert_int_equal(atomic_load(&rig.a.map_epoch), 5);
	assert_int_equal(atomic_load(&rig.a.with_origin), 0);
	assert_int_equal(lanes_epoch(rig.lanes), 5);
	stop(&rig);
}

static void what_a_dead_analyzer_had_not_made_durable_goes_to_the_next(void **state)
{
	struct rig rig;

	(void)state;
	start(&rig);
	atomic_store(&rig.a.manner, MANNER_RECEIVED);
	use_both(&rig, 1, true);
	for (unsigned i = 0; i < 3; i++)
		push(&rig);
	WAIT(atomic_load(&rig.a.events) == rig.of_a);
	assert_false(is_idle(&rig));
	use_b_alone(&rig, 2);
	push(&rig);
	WAIT(is_idle(&rig));
	assert_int_equal(atomic_load(&rig.b.events), rig.pushed);
	/* Under the names that the dead one knew them by. */
	assert_int_equal(atomic_load(&rig.b.with_origin), 3);
	assert_int_equal(rig.lost, 0);
	stop(&rig);
}

/* What it is not known to have (the acknowledgement was on its way) comes to the next one as well.
 */
static bool has_the_rest(struct rig *rig, uint32_t had)
{
	uint64_t events = atomic_load(&rig->b.events);

	return events == rig->pushed - had || events == rig->pushed;
}

static void an_owner_that_lives_keeps_what_it_has_and_gives_the_rest(void **state)
{
	struct rig rig;
	uint32_t had = 0;

	(void)state;
	start(&rig);
	atomic_store(&rig.a.manner, MANNER_RECEIVED);
	use_both(&rig, 1, true);
	push(&rig);
	WAIT(atomic_load(&rig.a.events) == rig.of_a);
	had = rig.of_a;
	/* It is still there, but takes nothing more. */
	analyzer_halt(&rig.a);
	push(&rig);
	push(&rig);
	use_both(&rig, 2, false);
	WAIT(has_the_rest(&rig, had));
	atomic_store(&rig.a.manner, MANNER_ACK);
	analyzer_listen(&rig.a);
	WAIT(is_idle(&rig));
	assert_int_equal(atomic_load(&rig.a.events), had);
	assert_true(has_the_rest(&rig, had));
	stop(&rig);
}

static void one_that_refuses_by_another_map_gets_the_batch_again(void **state)
{
	struct rig rig;
	struct uplink_stats s;

	(void)state;
	start(&rig);
	use_both(&rig, 1, true);
	atomic_store(&rig.a.not_owner, true);
	push(&rig);
	WAIT(is_idle(&rig));
	assert_int_equal(atomic_load(&rig.a.events), rig.of_a);
	lanes_get_stats(rig.lanes, &s);
	assert_int_equal(s.not_owner, 1);
	stop(&rig);
}

static void one_analyzer_becomes_two_and_an_older_map_changes_nothing(void **state)
{
	struct rig rig;

	(void)state;
	start(&rig);
	use_a_without_map(&rig);
	push(&rig);
	WAIT(is_idle(&rig));
	assert_int_equal(atomic_load(&rig.a.events), GROUPS);
	use_both(&rig, 9, true);
	use_b_alone(&rig, 8);
	assert_int_equal(lanes_epoch(rig.lanes), 9);
	rig.pushed = rig.of_a = 0;
	push(&rig);
	WAIT(is_idle(&rig));
	assert_int_equal(atomic_load(&rig.a.events), GROUPS + rig.of_a);
	assert_int_equal(atomic_load(&rig.b.events), rig.pushed - rig.of_a);
	stop(&rig);
}

static void a_collector_that_was_killed_goes_on_with_the_batches_of_all_lanes(void **state)
{
	struct rig rig;
	char command[128];

	(void)state;
	start(&rig);
	(void)snprintf(rig.dir, sizeof(rig.dir), "/tmp/podward-lanes-%d", (int)getpid());
	lanes_free(rig.lanes);
	open_lanes(&rig);
	atomic_store(&rig.a.manner, MANNER_RECEIVED);
	atomic_store(&rig.b.manner, MANNER_RECEIVED);
	use_both(&rig, 1, true);
	push(&rig);
	WAIT(atomic_load(&rig.a.events) + atomic_load(&rig.b.events) == rig.pushed);
	lanes_free(rig.lanes);
	open_lanes(&rig);
	assert_false(is_idle(&rig));
	atomic_store(&rig.b.manner, MANNER_ACK);
	analyzer_halt(&rig.b); /* another process from now on */
	rig.b.received_seq = 0;
	rig.b.instance[1] = 9;
	analyzer_listen(&rig.b);
	atomic_store(&rig.b.events, 0);
	use_b_alone(&rig, 1);
	WAIT(is_idle(&rig));
	assert_int_equal(atomic_load(&rig.b.events), rig.pushed);
	stop(&rig);
	(void)snprintf(command, sizeof(command), "rm -rf %s", rig.dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_group_goes_to_its_owner),
		cmocka_unit_test(what_a_dead_analyzer_had_not_made_durable_goes_to_the_next),
		cmocka_unit_test(an_owner_that_lives_keeps_what_it_has_and_gives_the_rest),
		cmocka_unit_test(one_that_refuses_by_another_map_gets_the_batch_again),
		cmocka_unit_test(one_analyzer_becomes_two_and_an_older_map_changes_nothing),
		cmocka_unit_test(a_collector_that_was_killed_goes_on_with_the_batches_of_all_lanes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
