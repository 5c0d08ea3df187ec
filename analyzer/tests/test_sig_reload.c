/* SPDX-License-Identifier: Apache-2.0 */
/* A thousand new rule sets while batches are judged: every event once, and no memory kept. */
#include "analyzer/tests/kit.h"
#include "common/testing/cm.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SHARDS  2u
#define RELOADS 1000u

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

struct rig {
	struct pw_snapshot *policy;
	struct shard *shards[SHARDS];
	struct kit_snapshot sets[2];
	struct shard_job flushed;
	int event;
	uint32_t notes[SHARDS];      /* batches that a shard is done with */
	uint8_t judged[RELOADS + 1]; /* occurrences by sequence number */
};

static const struct kit_row rows[] = {
	{PW_EVENT_EXEC, KIT_MINER, "/tmp/xmrig", 0, 0, 0},
	{PW_EVENT_OPEN, KIT_DB, "/var/db", KIT_READ, 3, 1},
};

static void wake(void *ctx)
{
	struct rig *rig = ctx;
	uint64_t one = 1;

	assert_int_equal(write(rig->event, &one, sizeof(one)), sizeof(one));
}

static void publish(struct rig *rig, uint64_t serial)
{
	struct kit_snapshot *s = &rig->sets[serial % 2];

	s->m.serial = serial;
	assert_int_equal(pw_snapshot_publish(rig->policy, kit_compile(s)), 0);
}

static void on_note(struct rig *rig, struct shard_note *n)
{
	struct report *r = n->report;

	assert_int_equal(n->error, 0);
	for (size_t i = 0; r && i < r->occurrence_count; i++) {
		assert_in_range(r->occurrences[i]->seq, 1, RELOADS);
		assert_int_equal(r->occurrences[i]->count, 1);
		rig->judged[r->occurrences[i]->seq]++;
	}
	report_free(r);
	if (n->kind == SHARD_NOTE_FLUSH)
		assert_true(shard_give(rig->shards[n->shard], &rig->flushed));
	else
		rig->notes[n->shard]++;
}

/* Until every shard is done with this many batches. */
static void take(struct rig *rig, uint32_t wanted)
{
	struct pollfd fd = {.fd = rig->event, .events = POLLIN};
	struct shard_note *note;
	uint64_t count;

	for (;;) {
		for (uint32_t i = 0; i < SHARDS; i++)
			while ((note = shard_take(rig->shards[i])))
				on_note(rig, note);
		if (rig->notes[0] >= wanted && rig->notes[1] >= wanted)
			return;
		assert_true(poll(&fd, 1, 20000) > 0);
		(void)!read(rig->event, &count, sizeof(count));
	}
}

static size_t resident_pages(void)
{
	unsigned long total, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &total, &resident), 2);
	(void)fclose(f);
	return resident;
}

static void start(struct rig *rig)
{
	struct pw_err err = PW_ERR_INIT;

	rig->flushed.kind = SHARD_JOB_FLUSHED;
	rig->event = eventfd(0, EFD_NONBLOCK);
	for (int i = 0; i < 2; i++) {
		kit_snapshot_init(&rig->sets[i], 1);
		(void)kit_signature(&rig->sets[i], "miner", "proc.name = xmrig", false);
		(void)kit_signature(&rig->sets[i], "other",
			i ? "fd.name startswith /x and proc.aname = y" : "fd.name regex \"x+y\"",
			false);
	}
	assert_int_equal(pw_snapshot_new(policy_destroy, &rig->policy), 0);
	publish(rig, 1);
	for (uint32_t i = 0; i < SHARDS; i++) {
		struct shard_config c = {.index = i,
			.count = SHARDS,
			.policy = rig->policy,
			.flush_ms = 10,
			.group_limit = 100,
			.wake = wake,
			.wake_ctx = rig};

		assert_int_equal(shard_start(&c, &rig->shards[i], &err), 0);
	}
}

static void stop(struct rig *rig)
{
	for (uint32_t i = 0; i < SHARDS; i++)
		shard_stop(rig->shards[i]);
	take(rig, 0);
	for (uint32_t i = 0; i < SHARDS; i++)
		shard_free(rig->shards[i]);
	pw_snapshot_free(rig->policy);
	kit_snapshot_done(&rig->sets[0]);
	kit_snapshot_done(&rig->sets[1]);
	(void)close(rig->event);
}

static void reloads_under_load_lose_and_double_nothing(void **state)
{
	struct shard_batch *batches = calloc(RELOADS, sizeof(*batches));
	struct rig *rig = calloc(1, sizeof(*rig));
	size_t settled = 0, grown;

	(void)state;
	start(rig);
	for (uint32_t i = 0; i < RELOADS; i++) {
		struct shard_batch *b = &batches[i];

		b->job.kind = SHARD_JOB_BATCH;
		b->node_len = 1;
		assert_int_equal(kit_decode(rows, PW_COUNT(rows), i + 1, &b->decoded), 0);
		for (uint32_t k = 0; k < SHARDS; k++)
			assert_true(shard_give(rig->shards[k], &b->job));
		publish(rig, i + 2);
		if (i >= 8) { /* never more than a few on the way */
			take(rig, i - 7);
			pw_decoded_free(PW_TAKE(batches[i - 8].decoded));
		}
		if (i == RELOADS / 4)
			settled = resident_pages();
	}
	take(rig, RELOADS);
	grown = resident_pages();
	grown = grown > settled ? grown - settled : 0;
	for (uint32_t i = 1; i <= RELOADS; i++)
		if (rig->judged[i] != 1)
			fail_msg("batch %u was judged %u times", i, rig->judged[i]);
	if (!IS_SANITIZED && grown > 8 * 256)
		fail_msg("%zu pages more after %u reloads", grown, RELOADS * 3 / 4);
	stop(rig);
	for (uint32_t i = 0; i < RELOADS; i++)
		pw_decoded_free(batches[i].decoded);
	free(batches);
	free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reloads_under_load_lose_and_double_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
