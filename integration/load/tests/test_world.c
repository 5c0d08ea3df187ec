/* SPDX-License-Identifier: Apache-2.0 */
/* What the made-up cluster puts into batches: the same for the same seed, and what was asked for.
 */
#include "common/testing/oom.h"
#include "integration/load/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static const struct world_settings usual = {
	.groups = 20,
	.pods = 10,
	.keys = 100,
	.novelty_ppm = 10000,
	.zipf_percent = 100,
	.weights = {5, 75, 15, 5},
	.seed = 7,
};
static const struct world_span second = {
	.from = {1000 * PW_NS_PER_S}, .ns = PW_NS_PER_S, .events = 1000, .boot_to_wall_ns = 5};

static struct world *world_of(const struct world_settings *s)
{
	struct pw_err err = PW_ERR_INIT;
	struct world *w = NULL;

	if (world_new(s, &w, &err) < 0)
		fail_msg("%s", err.msg);
	return w;
}

static struct pw_batch *batch_of(
	const struct world *w, struct world_node *node, const struct world_span *span)
{
	struct pw_batch *b = NULL;

	assert_int_equal(world_batch(w, node, span, &b), 0);
	assert_int_equal(b->event_count, span->events);
	return b;
}

static void the_same_seed_gives_the_same_batches(void **state)
{
	struct world *w = world_of(&usual);
	struct world_node a = world_node(w, 3), b = world_node(w, 3), other = world_node(w, 4);

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct pw_batch *x = batch_of(w, &a, &second);
		struct pw_batch *y = batch_of(w, &b, &second);
		struct pw_batch *z = batch_of(w, &other, &second);

		assert_memory_equal(x->events, y->events, second.events * sizeof(*x->events));
		assert_memory_not_equal(x->events, z->events, second.events * sizeof(*x->events));
		assert_int_equal(x->string_count, y->string_count);
		pw_batch_free(x);
		pw_batch_free(y);
		pw_batch_free(z);
	}
	world_free(w);
}

static void kinds_come_in_their_shares_and_few_things_often(void **state)
{
	struct world *w = world_of(&usual);
	struct world_node node = world_node(w, 0);
	uint32_t kinds[PW_EVENT_KINDS] = {0};
	uint32_t strings = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct pw_batch *b = batch_of(w, &node, &second);

		for (uint32_t e = 0; e < b->event_count; e++)
			kinds[b->events[e].kind]++;
		strings += b->string_count;
		pw_batch_free(b);
	}
	assert_in_range(kinds[PW_EVENT_EXEC], 800, 1200);
	assert_in_range(kinds[PW_EVENT_OPEN], 14500, 15500);
	assert_in_range(kinds[PW_EVENT_CONNECT], 2700, 3300);
	assert_in_range(kinds[PW_EVENT_DNS], 800, 1200);
	/* Were all equally popular, most of 1,000 events would name something of their own. */
	assert_in_range(strings, 20 * 100, 20 * 600);
	/* One of a hundred, but of the execs. */
	assert_in_range(node.novel, 120, 270);
	world_free(w);
}

static void attacks_carry_the_wall_time_of_their_stamp(void **state)
{
	struct world *w = world_of(&usual);
	struct world_node node = world_node(w, 0);
	struct world_span span = second;
	uint32_t found = 0;
	struct pw_batch *b = NULL;

	(void)state;
	span.attacks = 3;
	b = batch_of(w, &node, &span);
	for (uint32_t i = 0; i < b->event_count; i++) {
		struct pw_slice path = pw_batch_find_string(b, b->events[i].object);
		char wanted[64];

		(void)snprintf(wanted, sizeof(wanted), WORLD_ATTACK_PATHS "%llu",
			(unsigned long long)b->events[i].time.ns + 5);
		found += pw_slice_eq_str(path, wanted);
	}
	assert_int_equal(found, 3);
	pw_batch_free(b);
	world_free(w);
}

/* What is new fills dictionaries: before they are full another epoch begins. */
static void ids_stay_below_the_ceiling_of_a_dictionary(void **state)
{
	struct world_settings s = usual;
	struct world *w = NULL;
	struct world_node node;

	(void)state;
	s.novelty_ppm = 1000000;
	w = world_of(&s);
	node = world_node(w, 0);
	for (int i = 0; i < 40; i++) {
		struct pw_batch *b = batch_of(w, &node, &second);

		for (uint32_t k = 0; k < b->string_count; k++)
			assert_true(b->strings[k].id <= WORLD_STRINGS_MAX + 10000);
		assert_int_equal(b->dict_epoch, node.epoch);
		pw_batch_free(b);
	}
	assert_true(node.epoch > 3);
	world_free(w);
}

static void settings_out_of_range_are_named(void **state)
{
	static const struct {
		struct world_settings s;
		const char *words;
	} rows[] = {
		{{.groups = 0, .pods = 1, .keys = 1, .weights = {1}}, "group"},
		{{.groups = 1, .pods = 0, .keys = 1, .weights = {1}}, "pods"},
		{{.groups = 1, .pods = WORLD_PODS_MAX + 1, .keys = 1, .weights = {1}}, "pods"},
		{{.groups = 1, .pods = 1, .keys = 0, .weights = {1}}, "keys"},
		{{.groups = 1, .pods = 10, .keys = 5000, .weights = {1}}, "pods x keys"},
		{{.groups = 1, .pods = 1, .keys = 1}, "mix"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		struct world *w = NULL;

		assert_int_equal(world_new(&rows[i].s, &w, &err), -EINVAL);
		assert_non_null(strstr(err.msg, rows[i].words));
		assert_null(w);
	}
}

static int make_one(void *ctx)
{
	struct pw_err err = PW_ERR_INIT;
	struct world *w = NULL;
	struct pw_batch *b = NULL;
	struct world_node node;
	int r = world_new(&usual, &w, &err);

	(void)ctx;
	if (r < 0)
		return r;
	node = world_node(w, 1);
	r = world_batch(w, &node, &second, &b);
	pw_batch_free(b);
	world_free(w);
	return r;
}

static void no_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(make_one, NULL) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_batches),
		cmocka_unit_test(kinds_come_in_their_shares_and_few_things_often),
		cmocka_unit_test(attacks_carry_the_wall_time_of_their_stamp),
		cmocka_unit_test(ids_stay_below_the_ceiling_of_a_dictionary),
		cmocka_unit_test(settings_out_of_range_are_named),
		cmocka_unit_test(no_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
