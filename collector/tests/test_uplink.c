/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The uplink against an analyzer made for the test: nothing lost and nothing doubled by number,
 * whatever the other end does.
 */
#include "collector/tests/analyzer_rig.h"
#include "collector/uplink.h"
#include "common/base/clock.h"
#include "common/rpc/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

static struct pw_rpc_loop *client_loop;

static struct uplink *uplink_to(const char *address, size_t backlog_bytes)
{
	struct uplink_settings s = {
		.node = PW_SLICE_LIT("node"), .backlog_bytes = backlog_bytes, .live = true};
	struct pw_err err = PW_ERR_INIT;
	struct uplink *u = NULL;

	assert_int_equal(uplink_new(client_loop, &s, &u, &err), 0);
	if (uplink_set_target(u, address, &err) < 0)
		fail_msg("%s", err.msg);
	return u;
}

/* One event in a batch; the names differ so that batches carry definitions. */
static struct pw_batch *make_batch(uint32_t n)
{
	struct pw_batch_limits limits = {16, 16, 16, 4, 65536};
	struct pw_process_def def = {.ref = 1 + n, .container = 3, .pid = 7, .exe = 1 + n};
	struct pw_container_def c = {
		.ref = 3, .id = PW_SLICE_LIT("c"), .pod_group = PW_SLICE_LIT("a/b/c/d")};
	struct pw_event_row row = {
		.time = {1000 + n}, .process = 1 + n, .count = 1, .kind = PW_EVENT_EXEC};
	struct pw_batch *b = NULL;
	char text[32];

	(void)snprintf(text, sizeof(text), "/bin/program-%u", n);
	assert_int_equal(pw_batch_new(&limits, 1, &b), 0);
	assert_int_equal(pw_batch_add_string(b, 1 + n, pw_slice_str(text)), 0);
	assert_int_equal(pw_batch_add_container(b, &c), 0);
	assert_int_equal(pw_batch_add_process(b, &def), 0);
	assert_int_equal(pw_batch_add_event(b, &row), 0);
	return b;
}

static void push(struct uplink *u, uint32_t from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_true(uplink_push(u, make_batch(from + i)));
}

/* Waits for a condition, at most 20 s; the time only bounds a failing test. */
#define WAIT(condition)                                              \
	do {                                                         \
		uint64_t end_ = pw_mono_now().ns + 20 * PW_NS_PER_S; \
		while (!(condition) && pw_mono_now().ns < end_)      \
			(void)usleep(1000);                          \
		assert_true(condition);                              \
	} while (0)

static bool is_idle(const struct uplink *u)
{
	struct uplink_stats s;

	uplink_get_stats(u, &s);
	return s.idle;
}

static void check_each_once(struct analyzer *a, uint64_t last)
{
	for (uint64_t seq = 1; seq <= last; seq++)
		assert_int_equal(atomic_load(&a->seen[seq]), 1);
	assert_int_equal(atomic_load(&a->seen[last + 1]), 0);
}

static void batches_arrive_in_order_and_are_forgotten_when_durable(void **state)
{
	struct analyzer a;
	struct uplink_stats s;
	struct uplink *u = NULL;

	(void)state;
	analyzer_start(&a, "order");
	u = uplink_to(a.address, 32 << 20);
	push(u, 0, 200);
	WAIT(is_idle(u));
	check_each_once(&a, 200);
	assert_int_equal(atomic_load(&a.events), 200);
	uplink_get_stats(u, &s);
	assert_int_equal(s.sent_batches, 200);
	assert_int_equal(s.resent_batches, 0);
	assert_int_equal(s.acked_batches, 200);
	assert_int_equal(s.unacked_events, 0);
	assert_int_equal(s.max_batch_events, 512);
	assert_true(s.connected);
	uplink_free(u);
	analyzer_stop(&a);
}

static void batches_made_before_the_analyzer_is_there_wait_for_it(void **state)
{
	struct analyzer a;
	struct uplink *u = NULL;

	(void)state;
	analyzer_start(&a, "late");
	analyzer_halt(&a);
	u = uplink_to(a.address, 32 << 20);
	push(u, 0, 20);
	assert_false(is_idle(u));
	analyzer_listen(&a);
	WAIT(is_idle(u));
	check_each_once(&a, 20);
	assert_int_equal(atomic_load(&a.first_seq), 1);
	uplink_free(u);
	analyzer_stop(&a);
}

static void the_same_instance_gets_only_what_it_does_not_have(void **state)
{
	struct analyzer a;
	struct uplink_stats s;
	struct uplink *u = NULL;

	(void)state;
	analyzer_start(&a, "same");
	atomic_store(&a.manner, MANNER_RECEIVED);
	u = uplink_to(a.address, 32 << 20);
	push(u, 0, 10);
	WAIT(atomic_load(&a.batches) == 10);
	atomic_store(&a.hang_up, true);
	push(u, 10, 10);
	WAIT(atomic_load(&a.batches) == 20);
	assert_true(atomic_load(&a.streams) >= 2);
	check_each_once(&a, 20);
	uplink_get_stats(u, &s);
	/* Only those that were under way when the stream broke. */
	assert_true(s.resent_batches <= 10);
	assert_false(s.idle);
	uplink_free(u);
	analyzer_stop(&a);
}

static void a_new_instance_gets_all_that_is_not_durable(void **state)
{
	struct analyzer a;
	struct uplink *u = NULL;

	(void)state;
	analyzer_start(&a, "new");
	u = uplink_to(a.address, 32 << 20);
	push(u, 0, 5);
	WAIT(is_idle(u));
	atomic_store(&a.manner, MANNER_RECEIVED);
	push(u, 5, 5);
	WAIT(atomic_load(&a.batches) == 10);
	analyzer_halt(&a);
	a.instance[0] = 2; /* a new process: its memory is empty */
	a.received_seq = 0;
	atomic_store(&a.manner, MANNER_ACK);
	analyzer_listen(&a);
	push(u, 10, 5);
	WAIT(is_idle(u));
	assert_int_equal(atomic_load(&a.first_seq), 6);
	for (uint64_t seq = 1; seq <= 15; seq++)
		assert_int_equal(atomic_load(&a.seen[seq]), seq >= 6 && seq <= 10 ? 2 : 1);
	uplink_free(u);
	analyzer_stop(&a);
}

static void a_throttled_uplink_waits_and_goes_on(void **state)
{
	struct analyzer a;
	struct uplink_stats s;
	struct uplink *u = NULL;
	uint64_t before = 0;

	(void)state;
	analyzer_start(&a, "throttle");
	atomic_store(&a.throttle_ms, 300);
	u = uplink_to(a.address, 32 << 20);
	before = pw_mono_now().ns;
	push(u, 0, 1);
	WAIT((uplink_get_stats(u, &s), s.throttles == 1));
	push(u, 1, 49);
	WAIT(is_idle(u));
	/* From below only: however slow the machine is, it was not sooner than told. */
	assert_true(pw_mono_now().ns - before >= 300 * PW_NS_PER_MS);
	check_each_once(&a, 50);
	uplink_free(u);
	analyzer_stop(&a);
}

static void a_drained_uplink_half_closes_and_comes_back(void **state)
{
	struct analyzer a;
	struct uplink_stats s;
	struct uplink *u = NULL;

	(void)state;
	analyzer_start(&a, "drain");
	u = uplink_to(a.address, 32 << 20);
	push(u, 0, 10);
	WAIT(is_idle(u));
	atomic_store(&a.drain, true);
	push(u, 10, 50);
	WAIT(is_idle(u));
	WAIT(atomic_load(&a.drained) == 1);
	WAIT(atomic_load(&a.hellos) == 2);
	push(u, 60, 5);
	WAIT(is_idle(u));
	check_each_once(&a, 65);
	uplink_get_stats(u, &s);
	assert_int_equal(s.drains, 1);
	uplink_free(u);
	analyzer_stop(&a);
}

static void nonsense_from_the_analyzer_starts_the_stream_over(void **state)
{
	static const enum manner manners[] = {MANNER_BAD_ACK, MANNER_BAD_HELLO};
	struct uplink_stats s;

	(void)state;
	for (size_t i = 0; i < PW_COUNT(manners); i++) {
		struct analyzer a;
		struct uplink *u = NULL;

		analyzer_start(&a, i ? "badhello" : "badack");
		atomic_store(&a.manner, manners[i]);
		u = uplink_to(a.address, 32 << 20);
		push(u, 0, 10);
		WAIT(is_idle(u));
		check_each_once(&a, 10);
		uplink_get_stats(u, &s);
		assert_int_equal(s.protocol_errors, 1);
		uplink_free(u);
		analyzer_stop(&a);
	}
}

static void a_stalled_analyzer_costs_bounded_memory_and_counted_events(void **state)
{
	struct analyzer a;
	struct uplink_stats s;
	struct uplink *u = NULL;
	uint64_t total = 0;

	(void)state;
	analyzer_start(&a, "stall");
	analyzer_halt(&a); /* nobody there: nothing can be under way */
	u = uplink_to(a.address, 1 << 20);
	for (uint32_t i = 0; i < 500; i++) {
		struct pw_batch *b = make_batch(i);

		while (!uplink_push(u, b))
			(void)usleep(1000);
	}
	WAIT((uplink_get_stats(u, &s), s.backlog_batches + s.dropped_batches == 500));
	assert_true(s.dropped_batches > 0);
	assert_true(s.backlog_bytes <= 1 << 20);
	assert_int_equal(s.dropped_events, s.dropped_batches);
	total = s.dropped_events;
	analyzer_listen(&a);
	WAIT(is_idle(u));
	/* Numbers have no gap, and every event is either there or told as lost. */
	check_each_once(&a, 500 - total);
	assert_int_equal(atomic_load(&a.events), 500 - total);
	assert_int_equal(atomic_load(&a.lost), total);
	uplink_free(u);
	analyzer_stop(&a);
}

static void an_analyzer_that_reads_no_more_is_waited_for(void **state)
{
	struct analyzer a;
	struct uplink_stats s;
	struct uplink *u = NULL;

	(void)state;
	analyzer_start(&a, "noread");
	u = uplink_to(a.address, 32 << 20);
	push(u, 0, 1);
	WAIT(is_idle(u));
	atomic_store(&a.manner, MANNER_STALL);
	push(u, 1, 900);
	WAIT(atomic_load(&a.batches) == 2);
	analyzer_halt(&a);
	atomic_store(&a.manner, MANNER_ACK);
	analyzer_listen(&a);
	WAIT(is_idle(u));
	check_each_once(&a, 901);
	uplink_get_stats(u, &s);
	assert_int_equal(s.dropped_batches, 0);
	uplink_free(u);
	analyzer_stop(&a);
}

/* A collector with a file in dir; the instance is taken when the file has none. */
static struct uplink *uplink_with_file(const char *address, const char *dir, uint8_t instance)
{
	struct uplink_settings s = {.node = PW_SLICE_LIT("node"),
		.backlog_bytes = 32 << 20,
		.live = true,
		.state_dir = dir,
		.instance = {instance}};
	struct pw_err err = PW_ERR_INIT;
	struct uplink *u = NULL;

	if (uplink_new(client_loop, &s, &u, &err) < 0)
		fail_msg("%s", err.msg);
	if (uplink_set_target(u, address, &err) < 0)
		fail_msg("%s", err.msg);
	return u;
}

static void remove_state(const char *dir)
{
	static const char *const names[] = {"backlog", "backlog.lock", "backlog.new"};
	char path[128];

	for (size_t i = 0; i < PW_COUNT(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(dir), 0);
}

/* Everything taken from between the threads: what a kill from here on cannot take away. */
static bool is_taken(const struct uplink *u, uint64_t batches)
{
	struct uplink_stats s;

	uplink_get_stats(u, &s);
	return s.acked_batches + s.backlog_batches >= batches;
}

static void a_collector_that_ends_at_any_point_goes_on_without_loss_or_double(void **state)
{
	static const enum manner manners[] = {
		MANNER_ACK, MANNER_RECEIVED, MANNER_SILENT, MANNER_STALL};

	(void)state;
	for (uint32_t round = 0; round < 24; round++) {
		char dir[] = "/tmp/podward-uplink-XXXXXX";
		char name[32];
		struct analyzer a;
		struct uplink *u = NULL;
		uint32_t first = 20 + round;

		assert_non_null(mkdtemp(dir));
		(void)snprintf(name, sizeof(name), "kill%u", round);
		analyzer_start(&a, name);
		atomic_store(&a.manner, manners[round % 4]);
		u = uplink_with_file(a.address, dir, 5);
		push(u, 0, first);
		WAIT(is_taken(u, first)); /* sent or not, acknowledged or not */
		if (round % 3 == 0 && manners[round % 4] != MANNER_STALL)
			WAIT(atomic_load(&a.batches) > 0);
		uplink_free(u);
		atomic_store(&a.manner, MANNER_ACK);
		if (manners[round % 4] == MANNER_STALL) {
			analyzer_halt(&a); /* its stream reads no more */
			analyzer_listen(&a);
		}
		u = uplink_with_file(a.address, dir, 6);
		assert_int_equal(uplink_instance(u)[0], 5);
		assert_int_equal(uplink_first_epoch(u), 2);
		push(u, first, 10);
		WAIT(is_idle(u));
		check_each_once(&a, first + 10);
		assert_int_equal(atomic_load(&a.events), first + 10);
		assert_int_equal(a.received_seq, first + 10);
		uplink_free(u);
		analyzer_stop(&a);
		remove_state(dir);
	}
}

static void an_unknown_address_is_refused(void **state)
{
	struct uplink_settings s = {.node = PW_SLICE_LIT("n"), .backlog_bytes = 1 << 20};
	struct pw_err err = PW_ERR_INIT;
	struct uplink *u = NULL;

	(void)state;
	assert_int_equal(uplink_new(client_loop, &s, &u, &err), 0);
	assert_true(uplink_set_target(u, "xds:///nowhere", &err) < 0);
	assert_non_null(strstr(err.msg, "xds"));
	uplink_free(u);
}

static int loop_start(void **state)
{
	(void)state;
	return pw_rpc_loop_start("client", &client_loop, NULL);
}

static int loop_stop(void **state)
{
	(void)state;
	pw_rpc_loop_stop(client_loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_arrive_in_order_and_are_forgotten_when_durable),
		cmocka_unit_test(batches_made_before_the_analyzer_is_there_wait_for_it),
		cmocka_unit_test(the_same_instance_gets_only_what_it_does_not_have),
		cmocka_unit_test(a_new_instance_gets_all_that_is_not_durable),
		cmocka_unit_test(a_throttled_uplink_waits_and_goes_on),
		cmocka_unit_test(a_drained_uplink_half_closes_and_comes_back),
		cmocka_unit_test(nonsense_from_the_analyzer_starts_the_stream_over),
		cmocka_unit_test(a_stalled_analyzer_costs_bounded_memory_and_counted_events),
		cmocka_unit_test(an_analyzer_that_reads_no_more_is_waited_for),
		cmocka_unit_test(a_collector_that_ends_at_any_point_goes_on_without_loss_or_double),
		cmocka_unit_test(an_unknown_address_is_refused),
	};

	return cmocka_run_group_tests(tests, loop_start, loop_stop);
}
