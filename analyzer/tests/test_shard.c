/* SPDX-License-Identifier: Apache-2.0 */
/* Shards as threads: this test plays the rpc thread. Meant for TSan as well. */
#include "analyzer/pages.h"
#include "analyzer/shard.h"
#include "common/testing/cm.h"
#include "analyzer/tests/kit.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SHARDS  3u
#define BATCHES 200u

struct rig {
	struct state state;
	struct kit_snapshot snapshot;
	int event;
	uint32_t notes, flushes;
	size_t alerts;
	uint64_t occurrences, learned;
	struct shard_job flushed;
};

static void wake(void *ctx)
{
	struct rig *rig = ctx;
	uint64_t one = 1;

	assert_int_equal(write(rig->event, &one, sizeof(one)), sizeof(one));
}

static void publish_policy(struct rig *rig, uint64_t serial)
{
	rig->snapshot.m.serial = serial;
	assert_int_equal(pw_snapshot_publish(rig->state.policy, kit_compile(&rig->snapshot)), 0);
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct pw_err err = PW_ERR_INIT;

	*state = rig;
	rig->flushed.kind = SHARD_JOB_FLUSHED;
	rig->event = eventfd(0, EFD_NONBLOCK);
	kit_snapshot_init(&rig->snapshot, 1);
	(void)kit_signature(&rig->snapshot, "miner", "proc.name = xmrig", false);
	assert_int_equal(pw_snapshot_new(policy_destroy, &rig->state.policy), 0);
	publish_policy(rig, 1);
	for (uint32_t i = 0; i < SHARDS; i++) {
		struct shard_config c = {.index = i,
			.count = SHARDS,
			.policy = rig->state.policy,
			.flush_ms = 10,
			.group_limit = 100,
			.wake = wake,
			.wake_ctx = rig};

		assert_int_equal(shard_start(&c, &rig->state.shards[i], &err), 0);
		rig->state.shard_count++;
	}
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	for (uint32_t i = 0; i < SHARDS; i++)
		shard_free(rig->state.shards[i]);
	pw_snapshot_free(rig->state.policy);
	kit_snapshot_done(&rig->snapshot);
	(void)close(rig->event);
	free(rig);
	return 0;
}

static void on_note(struct rig *rig, struct shard_note *n)
{
	struct report *r = n->report;

	assert_int_equal(n->error, 0);
	for (size_t i = 0; r && i < r->occurrence_count; i++)
		rig->occurrences += r->occurrences[i]->count;
	for (size_t i = 0; r && i < r->profile_count; i++)
		rig->learned += r->profiles[i]->n_behaviours;
	rig->alerts += r ? r->alert_count : 0;
	report_free(r);
	if (n->kind == SHARD_NOTE_FLUSH) {
		rig->flushes++;
		assert_true(shard_give(rig->state.shards[n->shard], &rig->flushed));
	} else {
		rig->notes++;
	}
}

static void take_all(struct rig *rig)
{
	struct shard_note *note;

	for (uint32_t i = 0; i < SHARDS; i++)
		while ((note = shard_take(rig->state.shards[i])))
			on_note(rig, note);
}

static void wait_notes(struct rig *rig, uint32_t notes)
{
	struct pollfd fd = {.fd = rig->event, .events = POLLIN};
	uint64_t count;

	while (rig->notes < notes) {
		assert_true(poll(&fd, 1, 20000) > 0);
		(void)!read(rig->event, &count, sizeof(count));
		take_all(rig);
	}
}

static const struct kit_row rows[] = {
	{PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, 0},
	{PW_EVENT_OPEN, KIT_DB, "/var/db", KIT_READ, 3, 1},
	{PW_EVENT_OPEN, KIT_APP, "/etc/app", KIT_READ, 3, 2},
	{PW_EVENT_EXEC, KIT_HOST, "/bin/x", 0, 0, 3},
};

static void give(struct rig *rig, struct shard_batch *b, uint64_t seq)
{
	b->job.kind = SHARD_JOB_BATCH;
	b->node_len = 1;
	assert_int_equal(kit_decode(rows, PW_COUNT(rows), seq, &b->decoded), 0);
	for (uint32_t i = 0; i < SHARDS; i++)
		assert_true(shard_give(rig->state.shards[i], &b->job));
}

static void every_shard_judges_its_own_groups_once(void **state)
{
	struct shard_batch *batches = calloc(BATCHES, sizeof(*batches));
	struct rig *rig = *state;

	for (uint64_t i = 0; i < BATCHES; i++) {
		give(rig, &batches[i], i + 1);
		if (i % 50 == 49)
			publish_policy(rig, i); /* under load */
	}
	wait_notes(rig, BATCHES * SHARDS);
	/* One window, one container, one signature; every batch counts. */
	assert_int_equal(rig->alerts, 1);
	assert_int_equal(rig->occurrences, BATCHES);
	for (uint32_t i = 0; i < BATCHES; i++)
		pw_decoded_free(batches[i].decoded);
	free(batches);
}

static bool page_has(struct rig *rig, const char *text)
{
	const char *type;
	bool found;
	pw_auto_buf body;

	pw_buf_init(&body, 1 << 20);
	assert_int_equal(pages_groups(&rig->state, &body, &type), 200);
	found = strstr(pw_buf_text(&body), text) != NULL;
	return found;
}

static void what_was_learned_is_flushed_and_shown(void **state)
{
	struct pollfd fd = {.events = POLLIN};
	struct rig *rig = *state;
	uint64_t count;
	const char *type;
	pw_auto_buf body;

	fd.fd = rig->event;
	/* xmrig as a candidate, /var/db, /etc/app */
	while (rig->learned < 3 || !page_has(rig, KIT_GROUP_DB) || !page_has(rig, KIT_GROUP_WEB) ||
		!page_has(rig, "\"phase\":\"Protected\"")) {
		(void)poll(&fd, 1, 20);
		(void)!read(rig->event, &count, sizeof(count));
		take_all(rig);
	}
	assert_true(rig->flushes > 0);
	/* The events are of long ago: learned by their own time, while the clock is over by now. */
	assert_false(page_has(rig, "\"phase\":\"Collecting\""));
	pw_buf_init(&body, 1 << 20);
	assert_int_equal(pages_policy(&rig->state, &body, &type), 200);
	assert_non_null(strstr(pw_buf_text(&body), "\"signatures\":1"));
}

/* Everything: each shard tells what it had not told and forgets; batches go on. */
static void given_up_slots_are_told_and_forgotten(void **state)
{
	struct shard_release release = {.job.kind = SHARD_JOB_RELEASE};
	struct shard_batch batch = {.node_len = 0};
	struct pollfd fd = {.events = POLLIN};
	struct rig *rig = *state;
	uint32_t before = rig->notes;
	uint64_t learned = rig->learned, count;

	memset(release.slots, 0xff, sizeof(release.slots));
	for (uint32_t i = 0; i < SHARDS; i++)
		assert_true(shard_give(rig->state.shards[i], &release.job));
	wait_notes(rig, before + SHARDS);
	fd.fd = rig->event;
	while (page_has(rig, KIT_GROUP_DB) || page_has(rig, KIT_GROUP_WEB)) {
		(void)poll(&fd, 1, 20);
		(void)!read(rig->event, &count, sizeof(count));
		take_all(rig);
	}
	give(rig, &batch, 900);
	wait_notes(rig, before + 2 * SHARDS);
	while (rig->learned < learned + 3) { /* as if for the first time */
		(void)poll(&fd, 1, 20);
		(void)!read(rig->event, &count, sizeof(count));
		take_all(rig);
	}
	pw_decoded_free(batch.decoded);
}

static void jobs_given_before_the_stop_are_done(void **state)
{
	struct shard_batch batch = {.node_len = 0};
	struct rig *rig = *state;
	uint32_t before = rig->notes;

	give(rig, &batch, 1000);
	for (uint32_t i = 0; i < SHARDS; i++)
		shard_stop(rig->state.shards[i]);
	take_all(rig);
	assert_int_equal(rig->notes, before + SHARDS);
	pw_decoded_free(batch.decoded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shard_judges_its_own_groups_once),
		cmocka_unit_test(what_was_learned_is_flushed_and_shown),
		cmocka_unit_test(given_up_slots_are_told_and_forgotten),
		cmocka_unit_test(jobs_given_before_the_stop_are_done),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
