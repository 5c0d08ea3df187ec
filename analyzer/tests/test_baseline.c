/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/baseline_rest.h"
#include "analyzer/checkpoint.h"
#include "analyzer/template.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <stdio.h>

#define CANDIDATE PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_CANDIDATE
#define STEADY    PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_STEADY
#define REMOVED   PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_REMOVED
#define TEMPLATE  PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_TEMPLATE
#define STARTUP   PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_STARTUP

static struct behaviour read_of(const char *actor, const char *path)
{
	struct behaviour b = {
		.dimension = PODWARD__V1__DIMENSION__DIMENSION_FILE_READ,
		.actor = pw_slice_str(actor),
		.object = pw_slice_str(path),
	};

	b.key = behaviour_key(b.dimension, b.actor, b.object);
	return b;
}

static int observe(
	struct baseline *base, const struct behaviour *b, int64_t wall_ns, uint32_t flags)
{
	struct baseline_seen seen = {.wall_ns = wall_ns, .flags = flags, .containers = {7}};

	return baseline_observe(base, b, &seen);
}

static int restore(
	struct baseline *base, const struct behaviour *b, int64_t wall_ns, uint32_t flags)
{
	struct baseline_seen seen = {.wall_ns = wall_ns, .flags = flags, .containers = {7}};

	return baseline_restore(base, b, &seen);
}

static void merging_is_idempotent_and_keeps_the_first_time(void **state)
{
	struct behaviour b = read_of("/a", "/etc/x");
	struct baseline *base;

	(void)state;
	assert_int_equal(baseline_new(100, &base), 0);
	assert_int_equal(observe(base, &b, 50, STEADY), 1);
	assert_int_equal(observe(base, &b, 40, STEADY), 0);
	assert_int_equal(observe(base, &b, 60, STARTUP), 1);
	assert_int_equal(baseline_count(base), 1);
	assert_int_equal(baseline_find(base, b.key)->first_wall_ns, 40);
	assert_int_equal(baseline_find(base, b.key)->flags, STEADY | STARTUP);
	baseline_free(base);
}

static void a_candidate_is_not_accepted_until_seen_in_an_ordinary_way(void **state)
{
	struct behaviour b = read_of("/a", "/etc/x");
	struct baseline *base;

	(void)state;
	assert_int_equal(baseline_new(100, &base), 0);
	assert_int_equal(baseline_ask(base, &b, 0, NULL), BASELINE_UNKNOWN);
	assert_int_equal(observe(base, &b, 1, CANDIDATE), 1);
	assert_int_equal(baseline_ask(base, &b, 0, NULL), BASELINE_CANDIDATE);
	assert_int_equal(observe(base, &b, 1, STARTUP), 1);
	assert_int_equal(baseline_ask(base, &b, 0, NULL), BASELINE_STARTUP_ONLY);
	assert_int_equal(observe(base, &b, 1, STEADY), 1);
	assert_int_equal(baseline_ask(base, &b, 0, NULL), BASELINE_KNOWN);
	baseline_free(base);
}

static void what_a_user_removed_stays_removed(void **state)
{
	struct behaviour b = read_of("/a", "/etc/x");
	struct baseline *base;

	(void)state;
	assert_int_equal(baseline_new(100, &base), 0);
	assert_int_equal(observe(base, &b, 1, STEADY), 1);
	assert_int_equal(observe(base, &b, 2, REMOVED), 1);
	assert_int_equal(observe(base, &b, 3, STEADY), 0);
	assert_int_equal(baseline_ask(base, &b, 0, NULL), BASELINE_REMOVED);
	assert_int_equal(baseline_reset(base), 0);
	assert_int_equal(baseline_ask(base, &b, 0, NULL), BASELINE_REMOVED);
	assert_int_equal(baseline_count(base), 1);
	baseline_free(base);
}

static void an_image_version_accepts_for_itself(void **state)
{
	struct behaviour b = read_of("/a", "/new");
	struct baseline_seen seen = {.wall_ns = 1};
	struct baseline *base;

	(void)state;
	assert_int_equal(baseline_new(100, &base), 0);
	assert_int_equal(baseline_version(base, 111), 0);
	assert_int_equal(baseline_version(base, 222), 1);
	assert_int_equal(baseline_version(base, 111), 0);
	seen.versions = 1u << 1;
	assert_int_equal(baseline_observe(base, &b, &seen), 1);
	assert_int_equal(baseline_ask(base, &b, 1u << 1, NULL), BASELINE_KNOWN);
	assert_int_equal(baseline_ask(base, &b, 1u << 0, NULL), BASELINE_UNKNOWN);
	for (uint64_t i = 0; i < BASELINE_VERSIONS - 2; i++)
		assert_int_equal(baseline_version(base, 1000 + i), i + 2);
	assert_true(baseline_version(base, 5000) == BASELINE_NO_VERSION);
	baseline_free(base);
}

static void a_template_stands_for_its_names_and_leaves_them_out(void **state)
{
	struct behaviour t = read_of("/a", "/tmp/s_<digits>"), in = read_of("/a", "/tmp/s_17"),
			 more = read_of("/a", "/tmp/s_18"), out = read_of("/a", "/tmp/s_x"),
			 other = read_of("/b", "/tmp/s_17");
	struct baseline *base;

	(void)state;
	assert_int_equal(baseline_new(100, &base), 0);
	assert_int_equal(observe(base, &in, 1, STEADY), 1);
	assert_int_equal(observe(base, &t, 1, STEADY | TEMPLATE), 1);
	assert_int_equal(baseline_sweep(base), 0);
	assert_int_equal(baseline_count(base), 1);
	assert_int_equal(observe(base, &more, 1, STEADY), 0);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(baseline_ask(base, &in, 0, NULL), BASELINE_KNOWN);
		assert_int_equal(baseline_ask(base, &out, 0, NULL), BASELINE_UNKNOWN);
		assert_int_equal(baseline_ask(base, &other, 0, NULL), BASELINE_UNKNOWN);
	}
	/* A user's word counts more. */
	assert_int_equal(observe(base, &more, 1, REMOVED), 1);
	assert_int_equal(baseline_ask(base, &more, 0, NULL), BASELINE_REMOVED);
	baseline_free(base);
}

static void changes_are_listed_once_and_restored_ones_not_at_all(void **state)
{
	struct behaviour a = read_of("/a", "/1"), b = read_of("/a", "/2"), c = read_of("", "/3");
	struct baseline *base;

	(void)state;
	assert_int_equal(baseline_new(100, &base), 0);
	assert_int_equal(restore(base, &a, 1, STEADY), 1);
	assert_int_equal(baseline_changed_count(base), 0);
	assert_int_equal(observe(base, &b, 1, STEADY), 1);
	assert_int_equal(observe(base, &b, 1, STARTUP), 1);
	assert_int_equal(observe(base, &c, 1, STEADY), 1);
	assert_int_equal(baseline_changed_count(base), 2);
	assert_true(baseline_changed_at(base, 0)->key == b.key);
	assert_true(pw_slice_eq_str(baseline_object(base, baseline_changed_at(base, 1)), "/3"));
	assert_int_equal(baseline_actor(base, baseline_changed_at(base, 1)).len, 0);
	baseline_changes_taken(base);
	assert_int_equal(baseline_changed_count(base), 0);
	assert_int_equal(observe(base, &a, 1, STARTUP), 1);
	assert_int_equal(baseline_changed_count(base), 1);
	baseline_free(base);
}

static void the_ceiling_refuses_and_counts(void **state)
{
	struct baseline *base;
	char path[16];

	(void)state;
	assert_int_equal(baseline_new(10, &base), 0);
	for (int i = 0; i < 15; i++) {
		struct behaviour b;

		(void)snprintf(path, sizeof(path), "/%d", i);
		b = read_of("/a", path);
		assert_int_equal(observe(base, &b, 1, STEADY), i < 10 ? 1 : -ENOSPC);
	}
	assert_int_equal(baseline_count(base), 10);
	assert_int_equal(baseline_refused(base), 5);
	baseline_free(base);
}

static void the_nearest_prefers_the_same_actor(void **state)
{
	struct behaviour known[] = {read_of("/b", "/etc/shadow-"), read_of("/a", "/etc/passwd"),
		read_of("/a", "/var/x")};
	struct behaviour wanted = read_of("/a", "/etc/shadow"), other = read_of("/c", "/etc/sh");
	struct baseline *base;

	(void)state;
	assert_int_equal(baseline_new(100, &base), 0);
	assert_null(baseline_nearest(base, &wanted));
	for (size_t i = 0; i < PW_COUNT(known); i++)
		assert_int_equal(observe(base, &known[i], 1, STEADY), 1);
	assert_true(baseline_nearest(base, &wanted)->key == known[1].key);
	assert_true(baseline_nearest(base, &other)->key == known[0].key);
	baseline_free(base);
}

static int fill(void *ctx)
{
	struct baseline *base = NULL;
	int r = baseline_new(100, &base);
	char path[16];

	(void)ctx;
	for (int i = 0; r == 0 && i < 40; i++) {
		struct behaviour b;

		(void)snprintf(path, sizeof(path), "/%d", i);
		b = read_of("/a", path);
		r = observe(base, &b, 1, STEADY);
		r = r > 0 ? 0 : r;
	}
	baseline_free(base);
	return r;
}

static void filling_survives_lack_of_memory(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(fill, NULL) > 0);
}

static uint64_t dice(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static struct behaviour thrown_behaviour(uint64_t *s, char text[64])
{
	struct behaviour b = {.dimension = 2 + (uint32_t)(dice(s) % 2),
		.actor = dice(s) % 2 ? PW_SLICE_LIT("/a") : PW_SLICE_LIT("/b")};
	unsigned n = (unsigned)(dice(s) % 40);

	(void)snprintf(text, 64,
		dice(s) % 8 ? "/d%u/%u"
		: n % 2     ? "/d%u/<digits>"
			    : "/<any>/%u",
		(unsigned)(dice(s) % 3), n);
	b.object = pw_slice_str(text);
	b.key = behaviour_key(b.dimension, b.actor, b.object);
	return b;
}

static int fill_at_random(struct baseline *base, uint64_t *s)
{
	static const uint32_t flags[] = {STEADY, STEADY, STARTUP, CANDIDATE, REMOVED, 0,
		PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_PENDING};
	char text[64];
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < 60; i++) {
		struct behaviour b = thrown_behaviour(s, text);
		struct baseline_seen seen = {.wall_ns = (int64_t)dice(s),
			.flags = flags[dice(s) % PW_COUNT(flags)],
			.containers = {1 + (uint32_t)(dice(s) % 3)}};

		if (seen.flags == 0 || seen.flags > 32)
			seen.versions = 1u << dice(s) % 2;
		if (template_is_pattern(b.object))
			seen.flags |= TEMPLATE;
		r = baseline_observe(base, &b, &seen);
	}
	if (r >= 0)
		r = baseline_sweep(base);
	baseline_changes_taken(base);
	return r;
}

/* What rest says is what asking would have said; what comes back is what went. */
static void a_baseline_at_rest_answers_alike_and_wakes_whole(void **state)
{
	uint64_t sure = 0, unsure = 0;

	(void)state;
	for (uint64_t n = 0; n < 500; n++) {
		struct baseline *base = NULL, *twin = NULL;
		uint64_t s = n, s2 = n;
		char text[64];
		pw_auto_buf one, two;

		pw_buf_init(&one, CHECKPOINT_BYTES);
		pw_buf_init(&two, CHECKPOINT_BYTES);
		assert_int_equal(baseline_new(1000, &base), 0);
		assert_int_equal(baseline_new(1000, &twin), 0);
		assert_true(baseline_version(base, 5) == 0 && baseline_version(base, 6) == 1);
		assert_true(baseline_version(twin, 5) == 0 && baseline_version(twin, 6) == 1);
		assert_int_equal(fill_at_random(base, &s), 0);
		assert_int_equal(fill_at_random(twin, &s2), 0);
		assert_int_equal(baseline_rest(base), 0);
		assert_true(baseline_rest_is(base));
		for (unsigned i = 0; i < 200; i++) {
			struct behaviour b = thrown_behaviour(&s, text);
			uint32_t versions = (uint32_t)(dice(&s) % 4);
			bool is_start = dice(&s) % 2;
			enum baseline_answer a = baseline_ask(twin, &b, versions, NULL);
			bool is_known =
				a == BASELINE_KNOWN || (is_start && a == BASELINE_STARTUP_ONLY);

			if (baseline_rest_knows(base, &b, versions, is_start)) {
				assert_true(is_known);
				sure++;
			} else {
				unsure += is_known;
			}
		}
		assert_int_equal(baseline_count(base), baseline_count(twin));
		assert_int_equal(baseline_rest_wake(base), 0);
		assert_int_equal(checkpoint_encode(base, &one), 0);
		assert_int_equal(checkpoint_encode(twin, &two), 0);
		assert_true(pw_slice_eq(pw_buf_slice(&one), pw_buf_slice(&two)));
		for (uint32_t i = 0; i < baseline_count(base); i++)
			assert_ptr_equal(baseline_find(base, baseline_at(base, i)->key),
				baseline_at(base, i));
		baseline_free(base);
		baseline_free(twin);
	}
	/* Some answers need waking; that must stay the exception. */
	assert_true(sure > 10 * unsure);
}

static void changes_keep_a_baseline_awake_and_news_wake_it(void **state)
{
	struct behaviour b = read_of("/a", "/etc/x"), other = read_of("/a", "/etc/y");
	struct baseline *base = NULL;

	(void)state;
	assert_int_equal(baseline_new(100, &base), 0);
	assert_int_equal(observe(base, &b, 1, STEADY), 1);
	assert_int_equal(baseline_rest(base), -EBUSY);
	baseline_changes_taken(base);
	assert_int_equal(baseline_rest(base), 0);
	assert_true(baseline_rest_knows(base, &b, 0, false));
	assert_false(baseline_rest_knows(base, &other, 0, false));
	assert_int_equal(observe(base, &other, 1, STEADY), 1);
	assert_false(baseline_rest_is(base));
	assert_int_equal(baseline_count(base), 2);
	assert_int_equal(baseline_ask(base, &b, 0, NULL), BASELINE_KNOWN);
	baseline_free(base);
}

static int rest_once(void *ctx)
{
	struct baseline *base = NULL;
	uint64_t s = 1;
	int r = baseline_new(1000, &base);

	(void)ctx;
	if (r == 0)
		r = fill_at_random(base, &s);
	if (r == 0)
		r = baseline_rest(base);
	if (r == 0)
		r = baseline_rest_wake(base);
	if (r == 0)
		assert_false(baseline_rest_is(base));
	baseline_free(base);
	return r;
}

static void going_to_rest_survives_lack_of_memory(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(rest_once, NULL) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merging_is_idempotent_and_keeps_the_first_time),
		cmocka_unit_test(a_candidate_is_not_accepted_until_seen_in_an_ordinary_way),
		cmocka_unit_test(what_a_user_removed_stays_removed),
		cmocka_unit_test(an_image_version_accepts_for_itself),
		cmocka_unit_test(a_template_stands_for_its_names_and_leaves_them_out),
		cmocka_unit_test(changes_are_listed_once_and_restored_ones_not_at_all),
		cmocka_unit_test(the_ceiling_refuses_and_counts),
		cmocka_unit_test(the_nearest_prefers_the_same_actor),
		cmocka_unit_test(filling_survives_lack_of_memory),
		cmocka_unit_test(a_baseline_at_rest_answers_alike_and_wakes_whole),
		cmocka_unit_test(changes_keep_a_baseline_awake_and_news_wake_it),
		cmocka_unit_test(going_to_rest_survives_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
