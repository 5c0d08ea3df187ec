/* SPDX-License-Identifier: Apache-2.0 */
/* u64map, intern, hash, siphash */
#include "common/base/hash.h"
#include "common/base/siphash.h"
#include "common/base/intern.h"
#include "common/base/u64map.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <stdio.h>

#define KEYS 5000

/* A second, obvious implementation: an array by key. */
static void the_map_agrees_with_an_array_over_many_changes(void **state)
{
	static uint64_t model[256];
	uint64_t random = 42;
	struct pw_u64map *m;
	size_t count = 0;

	(void)state;
	assert_int_equal(pw_u64map_new(256, &m), 0);
	for (int i = 0; i < 100000; i++) {
		uint64_t key, value = 0;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		key = (random >> 33) % 256;
		if (random >> 63) {
			assert_int_equal(pw_u64map_put(m, key, random | 1), model[key] == 0);
			count += model[key] == 0;
			model[key] = random | 1;
		} else {
			assert_int_equal(pw_u64map_remove(m, key, &value), model[key] != 0);
			assert_int_equal(value, model[key]);
			count -= model[key] != 0;
			model[key] = 0;
		}
		assert_int_equal(pw_u64map_count(m), count);
	}
	for (uint64_t key = 0; key < 256; key++) {
		uint64_t *found = pw_u64map_find(m, key);

		assert_int_equal(found ? *found : 0, model[key]);
	}
	pw_u64map_free(m);
}

static void a_full_map_refuses_new_keys_and_counts_but_overwrites(void **state)
{
	struct pw_u64map *m;

	(void)state;
	assert_int_equal(pw_u64map_new(2, &m), 0);
	assert_null(pw_u64map_find(m, 0));
	assert_false(pw_u64map_remove(m, 0, NULL));
	assert_int_equal(pw_u64map_put(m, 0, 1), 1);
	assert_int_equal(pw_u64map_put(m, UINT64_MAX, 2), 1);
	assert_int_equal(pw_u64map_put(m, 5, 3), -ENOSPC);
	assert_int_equal(pw_u64map_refused(m), 1);
	assert_int_equal(pw_u64map_put(m, 0, 9), 0);
	assert_int_equal(*pw_u64map_find(m, 0), 9);
	assert_true(pw_u64map_remove(m, 0, NULL));
	assert_int_equal(pw_u64map_put(m, 5, 3), 1);
	pw_u64map_free(m);
}

static void iteration_gives_every_entry_once(void **state)
{
	static uint8_t seen[KEYS];
	uint64_t key, value;
	struct pw_u64map *m;
	size_t cursor = 0, count = 0;

	(void)state;
	assert_int_equal(pw_u64map_new(KEYS, &m), 0);
	for (uint64_t i = 0; i < KEYS; i++)
		assert_int_equal(pw_u64map_put(m, i, i * 2), 1);
	while (pw_u64map_next(m, &cursor, &key, &value)) {
		assert_int_equal(value, key * 2);
		assert_int_equal(seen[key]++, 0);
		count++;
	}
	assert_int_equal(count, KEYS);
	assert_true(pw_u64map_bytes(m) >= KEYS * 16);
	pw_u64map_clear(m);
	cursor = 0;
	assert_false(pw_u64map_next(m, &cursor, &key, NULL));
	assert_int_equal(pw_u64map_put(m, 1, 1), 1);
	pw_u64map_free(m);
}

static void equal_bytes_give_one_id_without_gaps(void **state)
{
	struct pw_intern *t;
	char text[32];

	(void)state;
	assert_int_equal(pw_intern_new(KEYS, 1 << 20, &t), 0);
	assert_int_equal(pw_intern_find(t, PW_SLICE_LIT("0")), 0);
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < KEYS; i++) {
			(void)snprintf(text, sizeof(text), "name-%u", i);
			assert_int_equal(pw_intern_add(t, pw_slice_str(text)), i + 1);
		}
	}
	(void)snprintf(text, sizeof(text), "name-%u", 77);
	assert_int_equal(pw_intern_find(t, pw_slice_str(text)), 78);
	assert_string_equal((const char *)pw_intern_get(t, 78).ptr, "name-77");
	assert_int_equal(pw_intern_count(t), KEYS);
	pw_intern_free(t);
}

static void intern_ceilings_refuse_and_count(void **state)
{
	struct pw_intern *t;

	(void)state;
	assert_int_equal(pw_intern_new(2, 10, &t), 0);
	assert_int_equal(pw_intern_add(t, PW_SLICE_LIT("12345678901")), 0);
	assert_int_equal(pw_intern_add(t, PW_SLICE_LIT("")), 1);
	assert_int_equal(pw_intern_add(t, PW_SLICE_LIT("1234567890")), 2);
	assert_int_equal(pw_intern_bytes(t), 10);
	assert_int_equal(pw_intern_add(t, PW_SLICE_LIT("x")), 0);
	assert_int_equal(pw_intern_refused(t), 2);
	assert_int_equal(pw_intern_add(t, PW_SLICE_LIT("1234567890")), 2);
	assert_null(pw_intern_get(t, 0).ptr);
	assert_null(pw_intern_get(t, 3).ptr);
	pw_intern_clear(t);
	assert_int_equal(pw_intern_count(t), 0);
	assert_int_equal(pw_intern_add(t, PW_SLICE_LIT("new")), 1);
	pw_intern_free(t);
}

static void bytes_with_nul_are_strings_like_others(void **state)
{
	struct pw_intern *t;

	(void)state;
	assert_int_equal(pw_intern_new(4, 64, &t), 0);
	assert_int_equal(pw_intern_add(t, PW_SLICE_LIT("a\0b")), 1);
	assert_int_equal(pw_intern_add(t, PW_SLICE_LIT("a\0c")), 2);
	assert_int_equal(pw_intern_get(t, 1).len, 3);
	pw_intern_free(t);
}

/* These values go to disk and on the wire: a change of them is a change of the format. */
/* Source: the vectors of the paper's reference code: key 00 01 .. 0f, input 00 01 .. of each
 * length. */
static void siphash_is_that_of_the_paper(void **state)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} rows[] = {
		{0, 0x726fdb47dd0e0e31},
		{1, 0x74f839c593dc67fd},
		{8, 0x93f5f5799a932462},
		{15, 0xa129ca6149be45e5},
		{63, 0x958a324ceb064572},
	};
	uint8_t bytes[64];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		assert_true(pw_siphash(pw_slice_of(bytes, rows[i].len), bytes) == rows[i].hash);
}

static void hashes_are_stable(void **state)
{
	char hex[33];

	(void)state;
	assert_true(pw_hash64(pw_slice_of(NULL, 0), 0) == 0x2d06800538d394c2ull);
	assert_true(pw_hash64(PW_SLICE_LIT("podward"), 0) != pw_hash64(PW_SLICE_LIT("podward"), 1));
	pw_hash128_hex(pw_hash128(pw_slice_of(NULL, 0), 0), hex);
	assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
	assert_true(pw_hash_mix(1, 2) != pw_hash_mix(2, 1));
}

static int use_containers(void *ctx)
{
	struct pw_intern *t = NULL;
	struct pw_u64map *m = NULL;
	int r = pw_u64map_new(1000, &m);

	(void)ctx;
	if (r == 0)
		r = pw_intern_new(1000, 1 << 16, &t);
	for (uint64_t i = 0; i < 200 && r >= 0; i++) {
		r = pw_u64map_put(m, i, i);
		if (r >= 0 && !pw_intern_add(t, pw_slice_of(&i, sizeof(i))))
			r = -ENOMEM;
	}
	pw_u64map_free(m);
	pw_intern_free(t);
	return r < 0 ? r : 0;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(use_containers, NULL) >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_map_agrees_with_an_array_over_many_changes),
		cmocka_unit_test(a_full_map_refuses_new_keys_and_counts_but_overwrites),
		cmocka_unit_test(iteration_gives_every_entry_once),
		cmocka_unit_test(equal_bytes_give_one_id_without_gaps),
		cmocka_unit_test(intern_ceilings_refuse_and_count),
		cmocka_unit_test(bytes_with_nul_are_strings_like_others),
		cmocka_unit_test(siphash_is_that_of_the_paper),
		cmocka_unit_test(hashes_are_stable),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
