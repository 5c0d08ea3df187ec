/* SPDX-License-Identifier: Apache-2.0 */
/* Marks of the kernel side: found for two generations, and their processes held that long. */
#include "collector/known.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define LIMIT 8u

struct rig {
	struct pods *pods;
	struct images *images;
	struct program *program;
	struct known *known;
};

static int rig_init(struct rig *r)
{
	static const struct program_facts facts;
	int err = pods_new(8, &r->pods);

	if (err == 0)
		err = images_new(64, r->pods, &r->images);
	if (err == 0)
		err = program_new(&facts, &r->program);
	if (err == 0)
		err = known_new(LIMIT, r->images, &r->known);
	return err;
}

static void rig_done(struct rig *r)
{
	known_free(r->known);
	program_put(r->program);
	images_free(r->images);
	pods_free(r->pods);
}

static int put(struct rig *r, uint64_t mark)
{
	struct image_facts facts = {.program = r->program, .pid = 1};
	struct image *image = NULL;
	int err = image_new(r->images, &facts, &image);

	if (err < 0)
		return err;
	known_put(r->known, mark, mark * 10, image);
	image_put(r->images, image); /* only the mark holds it now */
	return 0;
}

static void a_mark_is_found_until_the_second_rotation(void **state)
{
	struct rig r = {0};
	struct known_mark m;

	(void)state;
	assert_int_equal(rig_init(&r), 0);
	assert_int_equal(put(&r, 5), 0);
	assert_true(known_find(r.known, 5, &m));
	assert_int_equal(m.key, 50);
	known_rotate(r.known);
	assert_true(known_find(r.known, 5, &m));
	assert_int_equal(images_count(r.images), 1);
	known_rotate(r.known);
	assert_false(known_find(r.known, 5, &m));
	assert_int_equal(images_count(r.images), 0);
	rig_done(&r);
}

static void a_mark_announced_again_stays(void **state)
{
	struct rig r = {0};
	struct known_mark m;

	(void)state;
	assert_int_equal(rig_init(&r), 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(put(&r, 5), 0);
		assert_int_equal(put(&r, 5), 0);
		known_rotate(r.known);
	}
	assert_true(known_find(r.known, 5, &m));
	assert_int_equal(known_count(r.known), 1 + (images_count(r.images) > 1));
	rig_done(&r);
}

static void a_full_generation_rotates_and_holds_no_more_than_two(void **state)
{
	struct rig r = {0};
	struct known_mark m;

	(void)state;
	assert_int_equal(rig_init(&r), 0);
	for (uint64_t mark = 1; mark <= 3 * LIMIT; mark++)
		assert_int_equal(put(&r, mark), 0);
	assert_true(known_count(r.known) <= 2 * LIMIT);
	assert_int_equal(images_count(r.images), known_count(r.known));
	assert_true(known_find(r.known, 3 * LIMIT, &m));
	assert_false(known_find(r.known, 1, &m));
	rig_done(&r);
}

static int under_oom(void *ctx)
{
	struct rig r = {0};
	int err = rig_init(&r);

	(void)ctx;
	for (uint64_t mark = 1; err == 0 && mark <= 2 * LIMIT; mark++)
		err = put(&r, mark);
	rig_done(&r);
	return err;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	pw_oom_loop(under_oom, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mark_is_found_until_the_second_rotation),
		cmocka_unit_test(a_mark_announced_again_stays),
		cmocka_unit_test(a_full_generation_rotates_and_holds_no_more_than_two),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
