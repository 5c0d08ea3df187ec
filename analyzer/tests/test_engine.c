/* SPDX-License-Identifier: Apache-2.0 */
/* The analyzer without its process, between a fake policysync and a fake collector. */
#include "analyzer/engine.h"
#include "analyzer/intake_throttle.h"
#include "common/testing/cm.h"
#include "analyzer/tests/fakes.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LEARN_NS (60 * PW_NS_PER_S)
#define LATER    120000u
#define BATCHES  40u

struct rig {
	char folder[64], sync_address[128], own_address[128];
	struct kit_snapshot snapshot;
	struct fake_sync *sync;
	struct engine *engine;
	struct fake_collector *collector;
	size_t report_bytes;
};

static void start_engine(struct rig *rig)
{
	const char *listen = rig->own_address;
	struct engine_config c = {
		.name = "analyzer-0",
		.listen = &listen,
		.listen_count = 1,
		.policysync = rig->sync_address,
		.shard_count = 2,
		.group_limit = 100,
		.flush_ms = 20,
		.report_bytes = rig->report_bytes,
	};
	struct pw_err err = PW_ERR_INIT;

	if (engine_start(&c, &rig->engine, &err) < 0)
		fail_msg("%s", err.msg);
}

static void rig_init(struct rig *rig, size_t report_bytes)
{
	*rig = (struct rig){.report_bytes = report_bytes};
	(void)snprintf(rig->folder, sizeof(rig->folder), "/tmp/podward-test-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	(void)snprintf(rig->sync_address, sizeof(rig->sync_address), "unix:%s/sync", rig->folder);
	(void)snprintf(rig->own_address, sizeof(rig->own_address), "unix:%s/own", rig->folder);
	kit_snapshot_init(&rig->snapshot, 1);
	kit_profile(&rig->snapshot,
		kit_policy(&rig->snapshot, "", "d", PODWARD__V1__POLICY_TIER__POLICY_TIER_DEFAULT),
		LEARN_NS);
	(void)kit_signature(&rig->snapshot, "miner", "proc.name = xmrig", false);
	/* One alert a path: the profile engine would put them together. */
	(void)kit_signature(&rig->snapshot, "new",
		"fd.name startswith /new/ or fd.name startswith /many/", false);
	rig->sync = fake_sync_new(rig->sync_address);
}

static void rig_done(struct rig *rig)
{
	if (rig->collector)
		fake_collector_free(rig->collector);
	engine_stop(rig->engine, 100);
	fake_sync_free(rig->sync);
	kit_snapshot_done(&rig->snapshot);
	(void)unlink(rig->sync_address + 5);
	(void)unlink(rig->own_address + 5);
	(void)rmdir(rig->folder);
}

/* The first half while learning, then three findings in each batch. */
static struct pw_batch **make_batches(void)
{
	struct pw_batch **b = calloc(BATCHES, sizeof(void *));

	for (uint32_t i = 0; i < BATCHES; i++) {
		uint32_t at = i < BATCHES / 2 ? i : LATER + i;
		char path[32];
		struct kit_row rows[] = {
			{PW_EVENT_OPEN, KIT_APP, "/etc/app", KIT_READ, 3, at},
			{PW_EVENT_OPEN, KIT_DB, "/var/db", KIT_READ, 3, at},
			{PW_EVENT_OPEN, KIT_APP, path, KIT_READ, 3, at},
			{PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, at},
		};

		(void)snprintf(path, sizeof(path), "/new/%u", i);
		assert_int_equal(kit_batch(rows, i < BATCHES / 2 ? 2 : 4, i + 1, &b[i]), 0);
	}
	return b;
}

/* From the second half: the miner once (one signature, one window), one path per batch. */
#define WANT_ALERTS      (1 + BATCHES / 2)
#define WANT_OCCURRENCES (BATCHES / 2 + BATCHES / 2)

#define WAIT_FOR(condition)                                            \
	do {                                                           \
		struct timespec nap = {0, 5000000};                    \
		int naps = 0;                                          \
		while (!(condition) && naps++ < 6000)                  \
			(void)nanosleep(&nap, NULL);                   \
		if (!(condition))                                      \
			fail_msg("waited in vain for %s", #condition); \
	} while (0)

static void check_stored(struct rig *rig)
{
	struct fake_sync_look look = fake_sync_look(rig->sync);

	assert_int_equal(look.alerts, WANT_ALERTS);
	assert_int_equal(look.occurrences, WANT_OCCURRENCES);
	assert_int_equal(look.count, WANT_OCCURRENCES);
}

static void alerts_arrive_once_and_batches_become_durable(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 1 << 20);
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	start_engine(&rig);
	rig.collector = fake_collector_new(rig.own_address, 1, make_batches(), BATCHES);
	WAIT_FOR(fake_collector_look(rig.collector).durable == BATCHES);
	check_stored(&rig);
	assert_int_equal(fake_sync_look(rig.sync).alerts_again, 0);
	assert_int_equal(fake_sync_look(rig.sync).behaviours, 2);
	assert_true(fake_sync_look(rig.sync).in_force);
	assert_int_equal(fake_collector_look(rig.collector).downs, 0);
	rig_done(&rig);
}

static void killing_policysync_loses_nothing(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 1 << 20);
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	fake_sync_hold(rig.sync, true);
	start_engine(&rig);
	rig.collector = fake_collector_new(rig.own_address, 1, make_batches(), BATCHES);
	WAIT_FOR(fake_collector_look(rig.collector).received == BATCHES);
	assert_int_equal(fake_collector_look(rig.collector).durable, 0);
	fake_sync_kill(rig.sync);
	fake_sync_hold(rig.sync, false);
	fake_sync_start(rig.sync);
	WAIT_FOR(fake_collector_look(rig.collector).durable == BATCHES);
	check_stored(&rig);
	assert_int_equal(fake_sync_look(rig.sync).alerts_again, 0);
	rig_done(&rig);
}

static void a_restarted_analyzer_knows_what_was_learned(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 1 << 20);
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	start_engine(&rig);
	rig.collector = fake_collector_new(rig.own_address, 1, make_batches(), BATCHES);
	WAIT_FOR(fake_collector_look(rig.collector).durable == BATCHES);
	engine_stop(PW_TAKE(rig.engine), 0);
	/* The collector lost its acknowledgements too: everything is judged a second time. */
	fake_collector_forget(rig.collector);
	start_engine(&rig);
	WAIT_FOR(fake_collector_look(rig.collector).durable == BATCHES);
	check_stored(&rig);
	assert_int_equal(fake_sync_look(rig.sync).alerts_again, WANT_ALERTS);
	assert_int_equal(fake_sync_look(rig.sync).occurrences_again, WANT_OCCURRENCES);
	assert_int_equal(fake_sync_look(rig.sync).behaviours, 2);
	rig_done(&rig);
}

/* As after SIGKILL: what was not committed is sent again by the collector and judged again. */
static void an_analyzer_that_dies_before_the_commit_loses_nothing(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 1 << 20);
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	fake_sync_hold(rig.sync, true);
	start_engine(&rig);
	rig.collector = fake_collector_new(rig.own_address, 1, make_batches(), BATCHES);
	WAIT_FOR(fake_collector_look(rig.collector).received == BATCHES);
	engine_stop(PW_TAKE(rig.engine), 0);
	assert_int_equal(fake_sync_look(rig.sync).alerts, 0);
	fake_sync_hold(rig.sync, false);
	start_engine(&rig);
	WAIT_FOR(fake_collector_look(rig.collector).durable == BATCHES);
	check_stored(&rig);
	assert_int_equal(fake_sync_look(rig.sync).behaviours, 2);
	rig_done(&rig);
}

static void full_reports_hold_the_collectors_back(void **state)
{
	struct fake_collector_look look;
	struct rig rig;

	(void)state;
	rig_init(&rig, 1);
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	fake_sync_hold(rig.sync, true);
	start_engine(&rig);
	rig.collector = fake_collector_new(rig.own_address, 1, make_batches(), BATCHES);
	/* The first flush of what was learned fills the queue: no batch is taken any more. */
	WAIT_FOR(fake_collector_look(rig.collector).received > 0);
	engine_publish(rig.engine);
	look = fake_collector_look(rig.collector);
	assert_true(look.received <= BATCHES / 2 + 1);
	/* Asked to wait, and asked again before that is over: this one does not care. */
	WAIT_FOR(fake_collector_look(rig.collector).throttles >= 3);
	assert_int_equal(fake_collector_look(rig.collector).throttle_ms, INTAKE_THROTTLE_MS);
	fake_sync_kill(rig.sync);
	fake_sync_hold(rig.sync, false);
	fake_sync_start(rig.sync);
	WAIT_FOR(fake_collector_look(rig.collector).durable == BATCHES);
	assert_int_equal(fake_collector_look(rig.collector).throttle_ms, 0); /* and it may go on */
	check_stored(&rig);
	rig_done(&rig);
}

/* Told to go, they end their streams by themselves: nobody is cut off by the end of the grace. */
static void a_stopping_analyzer_drains_its_collectors(void **state)
{
	struct fake_collector_look look;
	struct rig rig;

	(void)state;
	rig_init(&rig, 1 << 20);
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	start_engine(&rig);
	rig.collector = fake_collector_new(rig.own_address, 1, make_batches(), BATCHES);
	WAIT_FOR(fake_collector_look(rig.collector).durable == BATCHES);
	engine_stop(PW_TAKE(rig.engine), 60000);
	WAIT_FOR(fake_collector_look(rig.collector).downs > 0);
	look = fake_collector_look(rig.collector);
	assert_int_equal(look.drains, 1);
	assert_int_equal(look.first_status, PW_RPC_OK);
	rig_done(&rig);
}

static void waiting_grows_with_the_time_of_judging_up_to_a_limit(void **state)
{
	static const struct {
		uint64_t judged_ms;
		uint32_t delay_ms;
	} rows[] = {{0, 0}, {INTAKE_SLOW_MS - 1, 0}, {INTAKE_SLOW_MS, INTAKE_SLOW_MS / 2},
		{600, 300}, {2 * INTAKE_THROTTLE_MS, INTAKE_THROTTLE_MS},
		{86400000, INTAKE_THROTTLE_MS}};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		assert_int_equal(
			intake_throttle_ms(rows[i].judged_ms * PW_NS_PER_MS), rows[i].delay_ms);
}

/* Distinct paths with distinct dictionary ids. */
static void make_paths(char paths[][24], uint32_t count)
{
	bool *taken = calloc(KIT_TEXT_IDS, sizeof(bool));

	for (uint32_t i = 0, n = 0; i < count; n++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "/many/%u", n);
		if (taken[kit_text_id(paths[i])])
			continue;
		taken[kit_text_id(paths[i])] = true;
		i++;
	}
	free(taken);
}

static void a_batch_of_a_thousand_findings_goes_out_in_parts(void **state)
{
	static char paths[1000][24];
	static struct kit_row rows[1000];
	static const struct kit_row first = {PW_EVENT_OPEN, KIT_APP, "/etc/app", KIT_READ, 3, 0};
	struct pw_batch **batches = calloc(2, sizeof(void *));
	struct rig rig;

	(void)state;
	make_paths(paths, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		rows[i] = (struct kit_row){PW_EVENT_OPEN, KIT_SHELL, paths[i], KIT_READ, 3, LATER};
	assert_int_equal(kit_batch(&first, 1, 1, &batches[0]), 0);
	assert_int_equal(kit_batch(rows, 1000, 2, &batches[1]), 0);
	rig_init(&rig, 64 << 20);
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	start_engine(&rig);
	rig.collector = fake_collector_new(rig.own_address, 1, batches, 2);
	WAIT_FOR(fake_collector_look(rig.collector).durable == 2);
	assert_int_equal(fake_sync_look(rig.sync).alerts, 1000);
	assert_int_equal(fake_sync_look(rig.sync).occurrences, 1000);
	assert_true(fake_sync_look(rig.sync).items > 2);
	rig_done(&rig);
}

static void nothing_is_judged_before_the_first_policy(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 1 << 20);
	start_engine(&rig);
	rig.collector = fake_collector_new(rig.own_address, 1, make_batches(), BATCHES);
	WAIT_FOR(fake_sync_look(rig.sync).report_streams == 1);
	engine_publish(rig.engine);
	WAIT_FOR((engine_publish(rig.engine),
		pw_snapshot_version(engine_state(rig.engine)->rpc) > 0));
	assert_false(engine_is_ready(rig.engine));
	assert_int_equal(fake_collector_look(rig.collector).welcomes, 0);
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	WAIT_FOR(fake_collector_look(rig.collector).durable == BATCHES);
	WAIT_FOR((engine_publish(rig.engine), engine_is_ready(rig.engine)));
	rig_done(&rig);
}

static void a_bad_policy_is_reported_and_the_good_one_stays(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 1 << 20);
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	start_engine(&rig);
	WAIT_FOR(fake_sync_look(rig.sync).statuses == 1);
	(void)kit_signature(&rig.snapshot, "broken", "proc.nome = x", false);
	rig.snapshot.m.serial = 2;
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	WAIT_FOR(fake_sync_look(rig.sync).statuses == 2);
	assert_true(fake_sync_look(rig.sync).in_force);
	assert_int_equal(fake_sync_look(rig.sync).problems, 1);
	rig_done(&rig);
}

/* The second version of the set alerts twice for each path; two of a hundred groups keep the first.
 */
static void a_noisy_set_on_trial_is_taken_back_and_the_status_says_so(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 1 << 20);
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	start_engine(&rig);
	WAIT_FOR(fake_sync_look(rig.sync).statuses == 1);
	(void)kit_signature(&rig.snapshot, "noisy", "fd.name startswith /new/", false);
	rig.snapshot.m.signature_sets[0]->canary_percent = 98;
	rig.snapshot.m.serial = 2;
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	WAIT_FOR(fake_sync_look(rig.sync).statuses == 2);
	assert_int_equal(fake_sync_look(rig.sync).problems, 0);
	rig.collector = fake_collector_new(rig.own_address, 1, make_batches(), BATCHES);
	WAIT_FOR(fake_sync_look(rig.sync).statuses == 3);
	assert_true(fake_sync_look(rig.sync).in_force);
	assert_int_equal(fake_sync_look(rig.sync).problems, 1);
	WAIT_FOR(fake_collector_look(rig.collector).durable == BATCHES);
	rig.snapshot.m.serial =
		3; /* policies are still taken after the status that nobody asked for */
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	WAIT_FOR(fake_sync_look(rig.sync).statuses == 4);
	assert_int_equal(fake_sync_look(rig.sync).problems, 1);
	rig_done(&rig);
}

static void foreign_schemas_are_refused(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 1 << 20);
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	start_engine(&rig);
	rig.collector = fake_collector_new(rig.own_address, 2, make_batches(), BATCHES);
	WAIT_FOR(fake_collector_look(rig.collector).last_status == PW_RPC_FAILED_PRECONDITION);
	assert_non_null(strstr(fake_collector_look(rig.collector).detail, "hello.schema"));
	rig_done(&rig);
}

static void a_malformed_batch_ends_the_stream_and_names_the_field(void **state)
{
	uint8_t kinds[2] = {1, 2};
	Podward__V1__EventBatch bad = PODWARD__V1__EVENT_BATCH__INIT;
	struct rig rig;

	(void)state;
	rig_init(&rig, 1 << 20);
	fake_sync_policy(rig.sync, kit_pack(&rig.snapshot));
	start_engine(&rig);
	rig.collector = fake_collector_new(rig.own_address, 1, make_batches(), BATCHES);
	WAIT_FOR(fake_collector_look(rig.collector).durable == BATCHES);
	bad.seq = BATCHES + 1;
	bad.dict_epoch = 1;
	bad.kind = (ProtobufCBinaryData){2, kinds};
	fake_collector_send_raw(rig.collector, &bad);
	WAIT_FOR(fake_collector_look(rig.collector).last_status == PW_RPC_INVALID_ARGUMENT);
	assert_true(strlen(fake_collector_look(rig.collector).detail) > 5);
	/* It comes back and goes on. */
	WAIT_FOR(fake_collector_look(rig.collector).welcomes == 2);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alerts_arrive_once_and_batches_become_durable),
		cmocka_unit_test(killing_policysync_loses_nothing),
		cmocka_unit_test(a_restarted_analyzer_knows_what_was_learned),
		cmocka_unit_test(an_analyzer_that_dies_before_the_commit_loses_nothing),
		cmocka_unit_test(full_reports_hold_the_collectors_back),
		cmocka_unit_test(a_stopping_analyzer_drains_its_collectors),
		cmocka_unit_test(waiting_grows_with_the_time_of_judging_up_to_a_limit),
		cmocka_unit_test(a_batch_of_a_thousand_findings_goes_out_in_parts),
		cmocka_unit_test(nothing_is_judged_before_the_first_policy),
		cmocka_unit_test(a_bad_policy_is_reported_and_the_good_one_stays),
		cmocka_unit_test(a_noisy_set_on_trial_is_taken_back_and_the_status_says_so),
		cmocka_unit_test(foreign_schemas_are_refused),
		cmocka_unit_test(a_malformed_batch_ends_the_stream_and_names_the_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
