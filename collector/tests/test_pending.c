/* SPDX-License-Identifier: Apache-2.0 */
/* Whose an event is: waiting, assigned, excluded, ended. */
#include "collector/tests/pipeline_rig.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static struct node_update assignment_update(struct assignment *a)
{
	a->container_id = PW_SLICE_LIT(ID);
	a->facts.pod_group = PW_SLICE_LIT("shop/Deployment/web/main");
	a->facts.pod_name = PW_SLICE_LIT("web-1");
	a->facts.image_digest = PW_SLICE_LIT("sha256:1");
	return (struct node_update){.full = true, .assignments = a, .assignment_count = 1};
}

static void events_wait_for_the_pod_group_and_are_then_told_in_order(void **state)
{
	struct assignment a = {0};
	struct node_update update = assignment_update(&a);
	struct pipeline_stats stats;
	const struct pw_batch *b = NULL;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, false), 0);
	rig_begin(&rig);
	assert_int_equal(rig.last_scope_flags, SCOPE_PENDING);
	rig_run_child(&rig, 101, 3 * S);
	pipeline_tick(rig.p, (struct pw_boot){4 * S});
	assert_int_equal(rig.count, 0);
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.pending.waiting, 5);
	assert_int_equal(stats.containers[CONTAINER_PENDING], 1);
	rig_check_books(&rig);
	assert_int_equal(pipeline_update(rig.p, &update), 0);
	assert_int_equal(rig.last_scope_flags, 0);
	pipeline_flush(rig.p);
	assert_int_equal(rig.count, 1);
	b = rig.batches[0];
	assert_int_equal(b->event_count, 5);
	assert_int_equal(b->events[0].kind, PW_EVENT_EXEC);
	assert_int_equal(b->events[4].kind, PW_EVENT_EXIT);
	assert_true(pw_slice_eq_str(b->containers[0].pod_group, "shop/Deployment/web/main"));
	assert_true(pw_slice_eq_str(b->containers[0].image_digest, "sha256:1"));
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.pending.late, 5);
	assert_int_equal(stats.pending.never, 0);
	rig_check_books(&rig);
	rig_done(&rig);
}

static void what_waits_too_long_is_the_loss_of_its_container_once_that_has_a_group(void **state)
{
	struct assignment a = {0};
	struct node_update update = assignment_update(&a);
	struct pipeline_stats stats;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, false), 0);
	rig_begin(&rig);
	rig_run_child(&rig, 101, 3 * S);
	pipeline_tick(rig.p, (struct pw_boot){20 * S});
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.pending.never, 0);
	pipeline_tick(rig.p, (struct pw_boot){34 * S});
	pipeline_tick(rig.p, (struct pw_boot){40 * S});
	pipeline_tick(rig.p, (struct pw_boot){50 * S});
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.pending.never, 5);
	pipeline_flush(rig.p);
	assert_int_equal(rig.count, 0); /* nobody's until then */
	assert_int_equal(pipeline_update(rig.p, &update), 0);
	assert_int_equal(pipeline_update(rig.p, &update), 0);
	pipeline_flush(rig.p);
	assert_int_equal(rig_loss(&rig, LOSS(PENDING)), 5);
	assert_int_equal(rig.batches[0]->losses[0].container, rig.batches[0]->containers[0].ref);
	rig_check_books(&rig);
	rig_done(&rig);
}

#define POD     "/kubepods/pod8b3c1a52-7f0e-4c1d-9a6b-2f1e0d3c4b5a/"
#define SANDBOX "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static void what_the_sandbox_of_a_pod_did_is_left_out_once_a_container_beside_it_has_a_group(
	void **state)
{
	struct assignment a = {0};
	struct node_update update = assignment_update(&a);
	struct records_actor pause = rig_actor;
	struct pipeline_stats stats;
	struct records r;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, false), 0);
	records_mkdir(&r, S, CG + 1, 1, POD SANDBOX);
	rig_feed(&rig, &r);
	pause.cgroup = CG + 1;
	records_exec(&r, &pause, "/pause", pw_slice_of("pause", 6), 0);
	rig_feed(&rig, &r);
	records_mkdir(&r, 2 * S, CG, 1, POD ID);
	rig_feed(&rig, &r);
	assert_int_equal(pipeline_update(rig.p, &update), 0);
	pipeline_tick(rig.p, (struct pw_boot){50 * S});
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.pending.sandbox, 1);
	assert_int_equal(stats.pending.never, 0);
	rig_check_books(&rig);
	rig_done(&rig);
}

static void a_container_that_ended_is_still_told_when_its_group_comes(void **state)
{
	struct assignment a = {0};
	struct node_update update = assignment_update(&a);
	struct pipeline_stats stats;
	struct records r;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, false), 0);
	rig_begin(&rig);
	rig_run_child(&rig, 101, 3 * S);
	records_exit(&r, &rig_actor, 0);
	rig_feed(&rig, &r);
	records_rmdir(&r, 4 * S, CG, "/libpod_parent/libpod-" ID);
	rig_feed(&rig, &r);
	pipeline_tick(rig.p, (struct pw_boot){8 * S}); /* past the delay of removals */
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.containers[CONTAINER_PENDING], 0);
	assert_int_equal(stats.pending.waiting, 6);
	assert_int_equal(pipeline_update(rig.p, &update), 0);
	pipeline_flush(rig.p);
	assert_int_equal(rig.count, 1);
	assert_int_equal(rig.batches[0]->event_count, 6);
	assert_true(pw_slice_eq_str(
		rig.batches[0]->containers[0].pod_group, "shop/Deployment/web/main"));
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.pending.late, 6);
	assert_int_equal(stats.pending.never, 0);
	rig_check_books(&rig);
	rig_done(&rig);
}

static void an_excluded_group_is_not_told(void **state)
{
	struct pw_slice exclude = PW_SLICE_LIT("shop/*");
	struct assignment a = {0};
	struct node_update update = assignment_update(&a);
	struct pipeline_stats stats;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, false), 0);
	rig_begin(&rig);
	update.has_scope = true;
	update.scope.exclude = &exclude;
	update.scope.exclude_count = 1;
	assert_int_equal(pipeline_update(rig.p, &update), 0);
	assert_int_equal(rig.last_scope_flags, SCOPE_IGNORE);
	rig_run_child(&rig, 101, 3 * S);
	pipeline_flush(rig.p);
	assert_int_equal(rig.count, 0);
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.filtered[PIPELINE_FILTER_EXCLUDED], 5);
	rig_check_books(&rig);
	rig_done(&rig);
}

static void a_changed_assignment_is_told_under_a_new_number(void **state)
{
	struct assignment a = {0};
	struct node_update update = assignment_update(&a);
	struct rig rig;
	uint32_t container = 0;
	uint32_t shell = 0;

	(void)state;
	assert_int_equal(rig_init(&rig, false), 0);
	assert_int_equal(pipeline_update(rig.p, &update), 0);
	rig_begin(&rig);
	pipeline_flush(rig.p);
	container = rig.batches[0]->containers[0].ref;
	shell = rig.batches[0]->processes[0].ref;
	a.facts.image_digest = PW_SLICE_LIT("sha256:2");
	assert_int_equal(pipeline_update(rig.p, &update), 0);
	rig_run_child(&rig, 101, 3 * S);
	pipeline_flush(rig.p);
	assert_int_equal(rig.count, 2);
	assert_int_not_equal(rig.batches[1]->containers[0].ref, container);
	assert_int_not_equal(rig.batches[1]->processes[0].ref, shell);
	assert_int_equal(rig.batches[1]->exited_count, 2); /* the child that ended, too */
	assert_true(rig.batches[1]->exited[0] == shell || rig.batches[1]->exited[1] == shell);
	rig_done(&rig);
}

static void hosts_and_runtimes_are_filtered_and_counted(void **state)
{
	struct records_actor runc = rig_actor;
	struct pipeline_stats stats;
	struct records r;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	records_mkdir(&r, S, CG, 1, "/libpod_parent/libpod-" ID);
	rig_feed(&rig, &r);
	records_mkdir(&r, S, CG + 1, 1, "/system.slice");
	rig_feed(&rig, &r);
	runc.comm = "runc:[2:INIT]";
	records_open(&r, &runc, "/proc/self/uid_map", O_WRONLY, 5);
	rig_feed(&rig, &r);
	runc.cgroup = CG + 1;
	runc.pid = 60;
	records_open(&r, &runc, "/etc/shadow", O_RDONLY, 5);
	rig_feed(&rig, &r);
	runc.cgroup = 4711; /* never heard of */
	records_open(&r, &runc, "/etc/shadow", O_RDONLY, 5);
	rig_feed(&rig, &r);
	records_exit(&r, &rig_actor, 0);
	rig_feed(&rig, &r);
	pipeline_flush(rig.p);
	assert_int_equal(rig.count, 0);
	assert_int_equal(rig.lines.len, 0);
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.filtered[PIPELINE_FILTER_SETUP], 2);
	assert_int_equal(stats.filtered[PIPELINE_FILTER_HOST], 2);
	assert_int_equal(stats.scope.unresolved, 1);
	rig_check_books(&rig);
	rig_done(&rig);
}

static void the_end_of_a_container_tells_its_folds_and_frees_it(void **state)
{
	struct pipeline_stats stats;
	struct records r;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	rig_run_child(&rig, 101, 3 * S);
	for (uint32_t i = 0; i < 3; i++) {
		struct records_actor a = rig_actor;

		records_open(&r, &a, "/same", O_RDONLY, 3);
		rig_feed(&rig, &r);
	}
	records_rmdir(&r, 4 * S, CG, "/libpod_parent/libpod-" ID);
	rig_feed(&rig, &r);
	pipeline_tick(rig.p, (struct pw_boot){4 * S + 1});
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.containers[CONTAINER_ASSIGNED], 1);
	pipeline_tick(rig.p, (struct pw_boot){6 * S});
	pipeline_flush(rig.p);
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.containers[CONTAINER_ASSIGNED], 0);
	assert_int_equal(stats.seen_set.unfolded, 2);
	assert_int_equal(stats.processes, 0);
	assert_int_equal(stats.images, 0);
	assert_int_equal(stats.seen_entries, 0);
	rig_check_books(&rig);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_wait_for_the_pod_group_and_are_then_told_in_order),
		cmocka_unit_test(
			what_waits_too_long_is_the_loss_of_its_container_once_that_has_a_group),
		cmocka_unit_test(
			what_the_sandbox_of_a_pod_did_is_left_out_once_a_container_beside_it_has_a_group),
		cmocka_unit_test(a_container_that_ended_is_still_told_when_its_group_comes),
		cmocka_unit_test(an_excluded_group_is_not_told),
		cmocka_unit_test(a_changed_assignment_is_told_under_a_new_number),
		cmocka_unit_test(hosts_and_runtimes_are_filtered_and_counted),
		cmocka_unit_test(the_end_of_a_container_tells_its_folds_and_frees_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
