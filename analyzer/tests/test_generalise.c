/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/checkpoint.h"
#include "analyzer/generalise.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <stdio.h>

#define STEADY   ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_STEADY)
#define TEMPLATE ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_TEMPLATE)
#define DIM(x)   ((uint32_t)PODWARD__V1__DIMENSION__DIMENSION_##x)
#define READ     DIM(FILE_READ)
#define CREATE   DIM(FILE_CREATE)
#define DELETE   DIM(FILE_DELETE)

static struct behaviour deed_of(uint32_t dimension, const char *path)
{
	struct behaviour b = {.dimension = dimension,
		.actor = PW_SLICE_LIT("/app"),
		.object = pw_slice_str(path)};

	b.key = behaviour_key(b.dimension, b.actor, b.object);
	return b;
}

static struct behaviour read_of(const char *path)
{
	return deed_of(READ, path);
}

static int see_deed(
	struct baseline *base, const struct behaviour *b, uint32_t container, uint32_t flags)
{
	struct baseline_seen seen = {.wall_ns = 1, .flags = flags, .containers = {container}};
	int r = baseline_observe(base, b, &seen);

	return r < 0 ? r : 0;
}

static int see(struct baseline *base, const char *path, uint32_t container, uint32_t flags)
{
	struct behaviour b = read_of(path);

	return see_deed(base, &b, container, flags);
}

static int known(struct baseline *base, const char *path)
{
	struct behaviour b = read_of(path);

	return baseline_ask(base, &b, 0, NULL) == BASELINE_KNOWN;
}

static int run(struct baseline *base, uint32_t containers)
{
	struct generalise_options o = {containers, GENERALISE_CHILDREN};
	struct generalise_result result;

	return generalise(base, &o, &result);
}

static struct baseline *of_three(const char *const *paths, size_t count)
{
	struct baseline *base = NULL;
	char path[128];

	assert_int_equal(baseline_new(10000, &base), 0);
	for (uint32_t c = 1; c <= 3; c++)
		for (size_t i = 0; i < count; i++) {
			const char *mark = strchr(paths[i], '#');

			(void)snprintf(path, sizeof(path), "%s", paths[i]);
			if (mark)
				(void)snprintf(path + (mark - paths[i]), 100, "%u%s",
					c * 7919 % 9973, mark + 1);
			assert_int_equal(see(base, path, c, STEADY), 0);
		}
	return base;
}

static void names_that_differ_between_containers_become_one_and_shared_ones_stay(void **state)
{
	static const char *const paths[] = {"/etc/app.conf", "/var/lib/app/base-#.db",
		"/data/#/config", "/data/#/log/current", "/run/pid-#", "/etc/shadow"};
	struct baseline *base = of_three(paths, PW_COUNT(paths));

	(void)state;
	assert_int_equal(run(base, 3), 0);
	assert_true(known(base, "/etc/app.conf"));
	assert_false(known(base, "/etc/app2.conf"));
	assert_true(known(base, "/var/lib/app/base-4711.db"));
	assert_false(known(base, "/var/lib/app/base-4711.txt"));
	assert_true(known(base, "/data/42/config"));
	assert_true(known(base, "/data/42/log/current"));
	assert_false(known(base, "/data/42/secret"));
	assert_true(known(base, "/etc/shadow"));
	assert_int_equal(baseline_count(base), 6);
	baseline_free(base);
}

static void the_template_tells_how_many_names_it_stands_for(void **state)
{
	struct behaviour b = read_of("/var/lib/app/base-1.db");
	const struct baseline_row *row;
	struct baseline *base = NULL;
	char path[64];

	(void)state;
	assert_int_equal(baseline_new(10000, &base), 0);
	for (uint32_t i = 0; i < 412; i++) {
		(void)snprintf(path, sizeof(path), "/var/lib/app/base-%u.db", i + 10);
		assert_int_equal(see(base, path, 1 + i % 5, STEADY), 0);
	}
	assert_int_equal(run(base, 5), 0);
	assert_int_equal(baseline_ask(base, &b, 0, &row), BASELINE_KNOWN);
	assert_int_equal(baseline_count(base), 1);
	assert_true(row->flags & TEMPLATE);
	assert_int_equal(row->containers[0], 412);
	assert_int_equal(row->containers[1], 5);
	baseline_free(base);
}

static void one_container_alone_generalises_only_what_looks_varied(void **state)
{
	static const char *const paths[] = {"/etc/a.conf", "/etc/b.conf", "/etc/c.conf",
		"/db/16384", "/db/16385", "/db/2619", "/log/2026-01-01.gz", "/log/2026-01-02.gz",
		"/log/2026-01-03.gz"};
	struct baseline *base = NULL;

	(void)state;
	assert_int_equal(baseline_new(1000, &base), 0);
	for (size_t i = 0; i < PW_COUNT(paths); i++)
		assert_int_equal(see(base, paths[i], 1, STEADY), 0);
	assert_int_equal(run(base, 1), 0);
	assert_false(known(base, "/etc/d.conf"));
	assert_true(known(base, "/etc/c.conf"));
	assert_true(known(base, "/db/999"));
	assert_true(known(base, "/log/2026-12-31.gz"));
	assert_false(known(base, "/log/x.gz"));
	baseline_free(base);
}

/* The group creates these files, and reads them; with `gone` it removes them too. */
static void make(struct baseline *base, const char *path, uint32_t container, bool gone)
{
	const uint32_t dimensions[] = {CREATE, READ, DELETE};

	for (size_t i = 0; i < (gone ? 3 : 2); i++) {
		struct behaviour b = deed_of(dimensions[i], path);

		assert_int_equal(see_deed(base, &b, container, STEADY), 0);
	}
}

static void numbers_that_the_group_makes_vary_although_containers_count_alike(void **state)
{
	static const char *const made[] = {"/run/hs/8", "/run/hs/28", "/run/hs/51"};
	static const char *const found[] = {"/lib/a1.so", "/lib/a2.so", "/lib/a3.so"};
	struct baseline *base = NULL;

	(void)state;
	assert_int_equal(baseline_new(1000, &base), 0);
	for (uint32_t c = 1; c <= 3; c++)
		for (size_t i = 0; i < PW_COUNT(made); i++) {
			make(base, made[i], c, false);
			assert_int_equal(see(base, found[i], c, STEADY), 0);
		}
	assert_int_equal(run(base, 3), 0);
	assert_true(known(base, "/run/hs/524"));
	assert_false(known(base, "/run/hs/evil"));
	assert_true(known(base, "/lib/a3.so"));
	assert_false(known(base, "/lib/a4.so")); /* of the image: shared, so exact */
	baseline_free(base);
}

static void a_temporary_name_varies_in_its_number_though_seen_once(void **state)
{
	struct baseline *base = NULL;

	(void)state;
	assert_int_equal(baseline_new(1000, &base), 0);
	for (uint32_t c = 1; c <= 3; c++) {
		make(base, "/dev/shm/Db.1800625862", c, true);
		make(base, "/srv/stays-12", c, false);
	}
	assert_int_equal(run(base, 3), 0);
	assert_true(known(base, "/dev/shm/Db.973724562"));
	assert_false(known(base, "/dev/shm/Db.x"));
	assert_false(known(base, "/srv/stays-13"));
	baseline_free(base);
}

static void thrown_names_of_one_length_become_one_whatever_their_form(void **state)
{
	static const char *const paths[] = {"/tmp/q_mf9y25", "/tmp/2gn0av8w", "/tmp/fl9t1myu"};
	struct baseline *base = NULL;

	(void)state;
	assert_int_equal(baseline_new(1000, &base), 0);
	for (uint32_t c = 1; c <= 3; c++) {
		make(base, paths[c - 1], c, false);
		make(base, "/tmp/app.log", c, false);
	}
	assert_int_equal(run(base, 3), 0);
	assert_true(known(base, "/tmp/rjj_f4g4"));
	assert_false(known(base, "/tmp/evil"));
	assert_true(known(base, "/tmp/app.log"));
	baseline_free(base);
}

static void what_only_one_of_many_containers_does_is_not_widened(void **state)
{
	struct baseline *base = NULL;

	(void)state;
	assert_int_equal(baseline_new(1000, &base), 0);
	for (uint32_t c = 1; c <= 4; c++)
		assert_int_equal(see(base, "/etc/app.conf", c, STEADY), 0);
	assert_int_equal(see(base, "/etc/odd.conf", 2, STEADY), 0);
	assert_int_equal(see(base, "/opt/tool", 3, STEADY), 0);
	assert_int_equal(run(base, 4), 0);
	assert_int_equal(baseline_count(base), 3);
	assert_false(known(base, "/etc/other.conf"));
	baseline_free(base);
}

static void a_crowded_folder_becomes_one_as_the_last_resort(void **state)
{
	struct baseline *base = NULL;
	char path[64];

	(void)state;
	assert_int_equal(baseline_new(1000, &base), 0);
	for (uint32_t i = 0; i < 60; i++) {
		(void)snprintf(path, sizeof(path), "/spool/%c%c%c", 'a' + i % 26, 'k' + i / 26,
			'q' + i % 7);
		assert_int_equal(see(base, path, 1, STEADY), 0);
	}
	assert_int_equal(run(base, 1), 0);
	assert_int_equal(baseline_count(base), 1);
	assert_true(known(base, "/spool/whatever"));
	assert_false(known(base, "/spool/a/b"));
	baseline_free(base);
}

static void candidates_are_never_widened(void **state)
{
	struct baseline *base = NULL;
	char path[64];

	(void)state;
	assert_int_equal(baseline_new(1000, &base), 0);
	for (uint32_t i = 0; i < 100; i++) {
		(void)snprintf(path, sizeof(path), "/tmp/x%u", i);
		assert_int_equal(see(base, path, 1 + i % 4,
					 PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_CANDIDATE),
			0);
	}
	assert_int_equal(run(base, 4), 0);
	assert_int_equal(baseline_count(base), 100);
	assert_false(known(base, "/tmp/x5"));
	baseline_free(base);
}

static uint64_t dice(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

/* Random trees: nothing that was accepted is lost, a second run changes nothing, order is nothing.
 */
static void it_only_widens_and_does_not_depend_on_order(void **state)
{
	enum { PATHS = 60 };
	char paths[PATHS][64];
	uint32_t containers[PATHS];

	(void)state;
	for (uint64_t n = 0; n < 400; n++) {
		struct baseline *one = NULL, *two = NULL;
		pw_auto_buf a, b, c;
		uint64_t s = n;

		assert_int_equal(baseline_new(1000, &one), 0);
		assert_int_equal(baseline_new(1000, &two), 0);
		for (size_t i = 0; i < PATHS; i++) {
			unsigned v = (unsigned)(dice(&s) % 40);

			(void)snprintf(paths[i], sizeof(paths[i]), "/r%u/%s%u.d%u",
				(unsigned)(dice(&s) % 3), dice(&s) % 2 ? "n" : "s-", v,
				(unsigned)(dice(&s) % 2));
			containers[i] = 1 + (uint32_t)(dice(&s) % 5);
		}
		for (size_t i = 0; i < PATHS; i++) {
			assert_int_equal(see(one, paths[i], containers[i], STEADY), 0);
			assert_int_equal(
				see(two, paths[PATHS - 1 - i], containers[PATHS - 1 - i], STEADY),
				0);
			if (i % 3 == 0) {
				make(one, paths[i], containers[i], i % 2);
				make(two, paths[i], containers[i], i % 2);
			}
		}
		pw_buf_init(&a, CHECKPOINT_BYTES);
		pw_buf_init(&b, CHECKPOINT_BYTES);
		pw_buf_init(&c, CHECKPOINT_BYTES);
		assert_int_equal(run(one, 1 + (uint32_t)(n % 5)), 0);
		assert_int_equal(run(two, 1 + (uint32_t)(n % 5)), 0);
		assert_int_equal(checkpoint_encode(one, &a), 0);
		assert_int_equal(checkpoint_encode(two, &b), 0);
		assert_true(pw_slice_eq(pw_buf_slice(&a), pw_buf_slice(&b)));
		for (size_t i = 0; i < PATHS; i++)
			if (!known(one, paths[i]))
				fail_msg("case %llu: %s", (unsigned long long)n, paths[i]);
		assert_int_equal(run(one, 1 + (uint32_t)(n % 5)), 0);
		assert_int_equal(checkpoint_encode(one, &c), 0);
		assert_true(pw_slice_eq(pw_buf_slice(&a), pw_buf_slice(&c)));
		baseline_free(one);
		baseline_free(two);
	}
}

static int generalise_once(void *ctx)
{
	struct baseline *base = NULL;
	int r = baseline_new(1000, &base);
	char path[32];

	(void)ctx;
	for (uint32_t i = 0; r == 0 && i < 9; i++) {
		(void)snprintf(path, sizeof(path), "/a/s-%u/x", i);
		r = see(base, path, 1 + i % 3, STEADY);
		if (r == 0 && i < 3) {
			struct behaviour b = deed_of(CREATE, path);

			r = see_deed(base, &b, 1, STEADY);
		}
	}
	if (r == 0)
		r = run(base, 3);
	baseline_free(base);
	return r;
}

static void it_survives_lack_of_memory(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(generalise_once, NULL) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			names_that_differ_between_containers_become_one_and_shared_ones_stay),
		cmocka_unit_test(the_template_tells_how_many_names_it_stands_for),
		cmocka_unit_test(one_container_alone_generalises_only_what_looks_varied),
		cmocka_unit_test(numbers_that_the_group_makes_vary_although_containers_count_alike),
		cmocka_unit_test(a_temporary_name_varies_in_its_number_though_seen_once),
		cmocka_unit_test(thrown_names_of_one_length_become_one_whatever_their_form),
		cmocka_unit_test(what_only_one_of_many_containers_does_is_not_widened),
		cmocka_unit_test(a_crowded_folder_becomes_one_as_the_last_resort),
		cmocka_unit_test(candidates_are_never_widened),
		cmocka_unit_test(it_only_widens_and_does_not_depend_on_order),
		cmocka_unit_test(it_survives_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
