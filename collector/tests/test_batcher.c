/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/batcher.h"
#include "common/testing/oom.h"
#include "podward/v1/event.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#define MS PW_NS_PER_MS

struct rig {
	struct pods *pods;
	struct images *images;
	struct loss loss;
	struct batcher *b;
	struct container *c;
	struct image *image;
	struct pw_batch *batches[32];
	unsigned count;
};

static void on_batch(void *ctx, struct pw_batch *batch)
{
	struct rig *rig = ctx;

	if (rig->count < 32)
		rig->batches[rig->count++] = batch;
	else
		pw_batch_free(batch);
}

static int rig_init(struct rig *rig, uint32_t dict_strings)
{
	struct batcher_settings s = BATCHER_SETTINGS_DEFAULT;
	struct cgroup_identity who = {.kind = CGROUP_UNIT, .id = PW_SLICE_LIT("u")};
	struct program_facts facts = {.exe = PW_SLICE_LIT("/exe"), .comm = PW_SLICE_LIT("exe")};
	struct image_facts image = {.pid = 7};
	int r = 0;

	*rig = (struct rig){0};
	s.dict_strings = dict_strings;
	s.limits.events = 8;
	s.sink = on_batch;
	s.sink_ctx = rig;
	r = pods_new(16, &rig->pods);
	if (r == 0)
		r = pods_get(rig->pods, &who, &rig->c);
	if (r == 0)
		r = images_new(64, rig->pods, &rig->images);
	if (r == 0)
		r = program_new(&facts, &image.program);
	image.container = rig->c;
	if (r == 0)
		r = image_new(rig->images, &image, &rig->image);
	program_put(image.program);
	return r < 0 ? r : batcher_new(&s, rig->images, rig->pods, &rig->loss, &rig->b);
}

static void rig_done(struct rig *rig)
{
	batcher_free(rig->b);
	image_put(rig->images, rig->image);
	images_free(rig->images);
	pods_free(rig->pods);
	for (unsigned i = 0; i < rig->count; i++)
		pw_batch_free(rig->batches[i]);
}

static void add(struct rig *rig, const char *object, uint64_t now)
{
	struct occurrence o = {.image = rig->image,
		.time = {now},
		.object = pw_slice_str(object),
		.count = 1,
		.kind = PW_EVENT_OPEN};

	batcher_add(rig->b, &o, (struct pw_boot){now});
}

static void a_batch_closes_by_count(void **state)
{
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, 100), 0);
	for (unsigned i = 0; i < 20; i++)
		add(&rig, "/x", 1);
	assert_int_equal(rig.count, 2);
	assert_int_equal(rig.batches[0]->event_count, 8);
	assert_int_equal(rig.batches[1]->event_count, 8);
	/* Each stands alone. */
	assert_int_equal(rig.batches[1]->process_count, 1);
	assert_int_equal(rig.batches[1]->container_count, 1);
	assert_int_equal(rig.batches[1]->string_count, 3);
	batcher_set_max_events(rig.b, 5);
	for (unsigned i = 0; i < 8; i++)
		add(&rig, "/x", 1);
	assert_int_equal(rig.batches[2]->event_count, 5);
	rig_done(&rig);
}

static void a_batch_closes_by_age(void **state)
{
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, 100), 0);
	add(&rig, "/x", 100 * MS);
	batcher_tick(rig.b, (struct pw_boot){149 * MS});
	assert_int_equal(rig.count, 0);
	batcher_tick(rig.b, (struct pw_boot){90 * MS}); /* back a little: no harm */
	assert_int_equal(rig.count, 0);
	batcher_tick(rig.b, (struct pw_boot){150 * MS});
	assert_int_equal(rig.count, 1);
	rig_done(&rig);
}

static void a_full_dictionary_begins_a_new_epoch(void **state)
{
	struct batcher_stats stats;
	struct rig rig;
	char text[32];

	(void)state;
	assert_int_equal(rig_init(&rig, 6), 0);
	for (unsigned i = 0; i < 10; i++) {
		(void)snprintf(text, sizeof(text), "/file%u", i);
		add(&rig, text, 1);
	}
	batcher_close(rig.b);
	batcher_get_stats(rig.b, &stats);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(stats.events, 10);
	assert_int_equal(stats.epochs, 2);
	assert_int_equal(rig.count, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rig.batches[i]->dict_epoch, i + 1);
		assert_int_equal(rig.batches[i]->process_count, 1);
	}
	assert_true(loss_is_empty(&rig.loss));
	rig_done(&rig);
}

static void what_never_fits_is_counted_as_lost(void **state)
{
	struct batcher_stats stats;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, 1), 0); /* not even the process fits */
	add(&rig, "/x", 1);
	batcher_get_stats(rig.b, &stats);
	assert_int_equal(stats.lost, 1);
	assert_int_equal(rig.loss.totals[PODWARD__V1__LOSS_REASON__LOSS_REASON_DICTIONARY], 1);
	rig_done(&rig);
}

static void losses_and_exits_go_out_without_events_too(void **state)
{
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, 100), 0);
	add(&rig, "/x", 1);
	batcher_close(rig.b);
	batcher_exited(rig.b, rig.image);
	loss_add(&rig.loss, rig.c->ref, PODWARD__V1__LOSS_REASON__LOSS_REASON_MAP_FULL, 3);
	batcher_tick(rig.b, (struct pw_boot){10 * PW_NS_PER_S});
	assert_int_equal(rig.count, 2);
	assert_int_equal(rig.batches[1]->event_count, 0);
	assert_int_equal(rig.batches[1]->loss_count, 1);
	assert_int_equal(rig.batches[1]->losses[0].container, rig.c->ref);
	assert_int_equal(rig.batches[1]->exited_count, 1);
	batcher_tick(rig.b, (struct pw_boot){20 * PW_NS_PER_S});
	assert_int_equal(rig.count, 2);
	rig_done(&rig);
}

static int life(void *ctx)
{
	struct rig rig;
	int r = rig_init(&rig, 100);

	(void)ctx;
	if (r == 0) {
		add(&rig, "/x", 1);
		add(&rig, "/y", 1);
		batcher_close(rig.b);
	}
	rig_done(&rig);
	return r;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(life, NULL) > 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_closes_by_count),
		cmocka_unit_test(a_batch_closes_by_age),
		cmocka_unit_test(a_full_dictionary_begins_a_new_epoch),
		cmocka_unit_test(what_never_fits_is_counted_as_lost),
		cmocka_unit_test(losses_and_exits_go_out_without_events_too),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
