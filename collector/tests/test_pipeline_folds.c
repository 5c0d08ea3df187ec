/* SPDX-License-Identifier: Apache-2.0 */
/* Repeats that the kernel side counted come out as folds of the right behaviour, each once. */
#include "collector/tests/pipeline_rig.h"
#include "podward/v1/event.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define MARK 4711ull

/* An open that the kernel side folds from now on, with what it evicted. */
static void feed_open(
	struct rig *rig, const char *path, uint64_t mark, uint64_t evicted, uint32_t count)
{
	struct records r;
	struct abi_open *o = (struct abi_open *)(void *)r.bytes;

	records_open(&r, &rig_actor, path, 0, 3);
	o->known =
		(struct abi_known){.mark = mark, .evicted_mark = evicted, .evicted_count = count};
	rig_feed(rig, &r);
}

/* Repeats told for an object over all batches. */
static uint64_t folds_of(const struct rig *rig, const char *object)
{
	uint64_t sum = 0;

	for (unsigned k = 0; k < rig->count; k++) {
		const struct pw_batch *b = rig->batches[k];

		for (uint32_t i = 0; i < b->event_count; i++)
			if (b->events[i].flags & PODWARD__V1__EVENT_FLAG__EVENT_FLAG_FOLD &&
				pw_slice_eq_str(rig_text(b, b->events[i].object), object))
				sum += b->events[i].count;
	}
	return sum;
}

static void collected_repeats_are_told_as_a_fold(void **state)
{
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	feed_open(&rig, "/etc/passwd", MARK, 0, 0);
	rig.repeats[0].mark = MARK;
	rig.repeats[0].count = 1000;
	pipeline_flush(rig.p);
	assert_int_equal(folds_of(&rig, "/etc/passwd"), 1000);
	pipeline_flush(rig.p);
	assert_int_equal(folds_of(&rig, "/etc/passwd"), 1000);
	rig_check_books(&rig);
	rig_done(&rig);
}

static void evicted_repeats_belong_to_what_was_there_before(void **state)
{
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	feed_open(&rig, "/a", MARK, 0, 0);
	feed_open(&rig, "/b", MARK + 1, MARK, 7);
	pipeline_flush(rig.p);
	assert_int_equal(folds_of(&rig, "/a"), 7);
	assert_int_equal(folds_of(&rig, "/b"), 0);
	rig_check_books(&rig);
	rig_done(&rig);
}

static void repeats_of_a_forgotten_mark_are_counted_as_filtered(void **state)
{
	struct pipeline_stats stats;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	rig.repeats[0].mark = MARK;
	rig.repeats[0].count = 5;
	pipeline_flush(rig.p);
	pipeline_get_stats(rig.p, &stats);
	assert_int_equal(stats.filtered[PIPELINE_FILTER_REPEAT], 5);
	rig_check_books(&rig);
	rig_done(&rig);
}

static void everything_is_announced_anew_once_a_minute_and_after_a_loss(void **state)
{
	struct rig rig;
	unsigned before;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	pipeline_tick(rig.p, (struct pw_boot){3 * S});
	before = rig.renewals;
	pipeline_tick(rig.p, (struct pw_boot){30 * S});
	assert_int_equal(rig.renewals, before);
	pipeline_tick(rig.p, (struct pw_boot){90 * S});
	assert_int_equal(rig.renewals, before + 1);
	pipeline_forget_told(rig.p);
	assert_int_equal(rig.renewals, before + 2);
	rig_done(&rig);
}

static void a_loss_is_carried_for_the_container_that_had_it(void **state)
{
	struct rig rig;
	const struct pw_batch *b = NULL;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	assert_true(pipeline_note_loss_of(rig.p, CG, LOSS(RING_FULL), 7));
	assert_false(pipeline_note_loss_of(rig.p, CG + 1, LOSS(RING_FULL), 7));
	pipeline_flush(rig.p);
	b = rig.batches[0];
	assert_int_equal(b->loss_count, 1);
	assert_int_equal(b->losses[0].container, b->containers[0].ref);
	assert_int_equal(b->losses[0].count, 7);
	rig_done(&rig);
}

/* --- half of the records are dropped --- */

#define DEEDS 40u

/* The kernel side in short: a mark is taken when the record was, and forgotten with the epoch. */
struct lossy {
	struct rig rig;
	unsigned renewals;
	bool marked[DEEDS], told[DEEDS];
	uint64_t dice, lost;
};

static void do_all(struct lossy *k, bool drops)
{
	if (k->renewals != k->rig.renewals)
		memset(k->marked, 0, sizeof(k->marked));
	k->renewals = k->rig.renewals;
	for (unsigned i = 0; i < DEEDS; i++) {
		char path[32];

		if (k->marked[i])
			continue;
		k->dice = k->dice * 6364136223846793005ull + 1442695040888963407ull;
		if (drops && k->dice >> 63) {
			assert_true(pipeline_note_loss_of(k->rig.p, CG, LOSS(RING_FULL), 1));
			k->lost++;
			continue;
		}
		(void)snprintf(path, sizeof(path), "/deed/%u", i);
		feed_open(&k->rig, path, MARK + i, 0, 0);
		k->marked[i] = k->told[i] = true;
	}
}

/* Everything is done every ten seconds, from one time to another. */
static void live(struct lossy *k, unsigned from_s, unsigned to_s, bool drops)
{
	for (unsigned s = from_s; s < to_s; s += 10) {
		pipeline_tick(k->rig.p, (struct pw_boot){s * S});
		do_all(k, drops);
	}
}

static unsigned told_by(const struct lossy *k)
{
	unsigned told = 0;

	for (unsigned i = 0; i < DEEDS; i++)
		told += k->told[i];
	return told;
}

static void what_a_full_ring_dropped_is_told_again_and_said_to_be(void **state)
{
	struct lossy k = {.dice = 1};

	(void)state;
	assert_int_equal(rig_init(&k.rig, true), 0);
	rig_begin(&k.rig);
	live(&k, 10, 120, false);
	memset(k.told, 0, sizeof(k.told));
	live(&k, 120, 300, true);
	assert_int_equal(told_by(&k), DEEDS);
	assert_true(k.lost > DEEDS);
	/* As long again as it had lived, from the renewal on. */
	live(&k, 300, 580, false);
	pipeline_flush(k.rig.p);
	assert_int_equal(rig_loss(&k.rig, LOSS(RING_FULL)), k.lost);
	assert_int_equal(rig_loss(&k.rig, LOSS(REPAIRED)), 0);
	live(&k, 580, 720, false);
	pipeline_flush(k.rig.p);
	assert_int_equal(rig_loss(&k.rig, LOSS(REPAIRED)), k.lost);
	rig_done(&k.rig);
}

static void what_was_lost_at_the_start_is_never_said_to_be_made_good(void **state)
{
	struct lossy k = {.dice = 1};

	(void)state;
	assert_int_equal(rig_init(&k.rig, true), 0);
	rig_begin(&k.rig);
	live(&k, 10, 50, true);
	live(&k, 50, 1000, false);
	assert_int_equal(told_by(&k), DEEDS);
	pipeline_flush(k.rig.p);
	assert_true(rig_loss(&k.rig, LOSS(RING_FULL)) > 0);
	assert_int_equal(rig_loss(&k.rig, LOSS(REPAIRED)), 0);
	rig_done(&k.rig);
}

static void a_loss_of_the_node_puts_off_what_containers_made_good(void **state)
{
	struct lossy k = {.dice = 1};

	(void)state;
	assert_int_equal(rig_init(&k.rig, true), 0);
	rig_begin(&k.rig);
	live(&k, 10, 120, false);
	live(&k, 120, 130, true);
	for (unsigned s = 130; s < 1000; s += 60) {
		live(&k, s, s + 60, false);
		pipeline_note_loss(k.rig.p, LOSS(RECURSION), 1);
	}
	pipeline_flush(k.rig.p);
	assert_int_equal(rig_loss(&k.rig, LOSS(REPAIRED)), 0);
	rig_done(&k.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(collected_repeats_are_told_as_a_fold),
		cmocka_unit_test(evicted_repeats_belong_to_what_was_there_before),
		cmocka_unit_test(repeats_of_a_forgotten_mark_are_counted_as_filtered),
		cmocka_unit_test(everything_is_announced_anew_once_a_minute_and_after_a_loss),
		cmocka_unit_test(a_loss_is_carried_for_the_container_that_had_it),
		cmocka_unit_test(what_a_full_ring_dropped_is_told_again_and_said_to_be),
		cmocka_unit_test(what_was_lost_at_the_start_is_never_said_to_be_made_good),
		cmocka_unit_test(a_loss_of_the_node_puts_off_what_containers_made_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
