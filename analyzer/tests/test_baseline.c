/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/baseline.h"
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
	baseline_reset(base);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
