/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of the placement over sizes, loads and changes of membership. */
#include "policysync/placement.h"

#include "common/base/alloc.h"
#include "common/base/hash.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define MEMBERS 20u
#define GROUPS  20000u

static char texts[PLACEMENT_MEMBERS + 1][32];
static struct pw_slice names[PLACEMENT_MEMBERS + 1];

static int name_members(void **state)
{
	(void)state;
	for (uint32_t i = 0; i <= PLACEMENT_MEMBERS; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "analyzer-%u", i);
		names[i] = pw_slice_str(texts[i]);
	}
	return 0;
}

static struct placement computed(const struct placement_input *in)
{
	struct pw_err err = PW_ERR_INIT;
	struct placement p;

	if (placement_compute(in, &p, &err) < 0)
		fail_msg("%s", err.msg);
	for (uint32_t slot = 0; slot < PLACEMENT_SLOTS; slot++)
		assert_in_range(p.owners[slot], 0, in->member_count - 1);
	return p;
}

static uint32_t moved(const struct placement *a, const struct placement *b)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < PLACEMENT_SLOTS; slot++)
		n += a->owners[slot] != b->owners[slot];
	return n;
}

/* Load of slots by groups whose popularity follows Zipf's law with exponent 1. */
static void zipf(uint64_t salt, uint64_t loads[PLACEMENT_SLOTS])
{
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
		loads[i] = 0;
	for (uint32_t i = 0; i < GROUPS; i++)
		loads[pw_slot_of(pw_hash_mix(salt, i))] += 10000000 / (i + 1);
}

static void uniform_load_is_even(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= MEMBERS; n++) {
		struct placement_input in = {.members = names, .member_count = n};
		struct placement p = computed(&in);

		assert_in_range(placement_peak_percent(&in, &p), 100, 110);
		assert_false(placement_is_due(&in, &p));
	}
}

static void zipf_load_stays_below_a_quarter_above_the_mean(void **state)
{
	uint64_t loads[PLACEMENT_SLOTS];

	(void)state;
	for (uint64_t salt = 1; salt <= 50; salt++) {
		zipf(salt, loads);
		/* Above nine replicas the most popular group alone is more than that. */
		for (uint32_t n = 1; n <= 9; n++) {
			struct placement_input in = {
				.members = names, .member_count = n, .loads = loads};
			struct placement p = computed(&in);

			assert_in_range(placement_peak_percent(&in, &p), 99, 125);
		}
	}
}

/* The ideal share of a change between n and n + 1 replicas, and two per cent of all slots. */
static uint32_t allowed_moves(uint32_t n)
{
	return PLACEMENT_SLOTS / (n + 1) + PLACEMENT_SLOTS * 2 / 100;
}

static void a_replica_that_comes_takes_its_share_and_no_more(void **state)
{
	struct placement before, after;

	(void)state;
	before = computed(&(struct placement_input){.members = names, .member_count = 1});
	for (uint32_t n = 1; n < MEMBERS; n++) {
		struct placement_input in = {
			.members = names, .member_count = n + 1, .before = &before};

		after = computed(&in);
		assert_in_range(moved(&before, &after), 1, allowed_moves(n));
		assert_in_range(placement_peak_percent(&in, &after), 100, 110);
		before = after;
	}
}

static void a_replica_that_goes_gives_its_share_and_no_more(void **state)
{
	struct placement before;

	(void)state;
	before = computed(&(struct placement_input){.members = names, .member_count = MEMBERS});
	for (uint32_t n = MEMBERS - 1; n > 0; n--) {
		/* The last name goes: its index is outside, so its slots have no owner. */
		struct placement_input in = {
			.members = names, .member_count = n, .before = &before};
		struct placement after;

		assert_true(placement_is_due(&in, &before));
		after = computed(&in);
		assert_in_range(moved(&before, &after), 1, allowed_moves(n));
		assert_in_range(placement_peak_percent(&in, &after), 100, 110);
		before = after;
	}
}

static void nothing_moves_when_nothing_changes(void **state)
{
	uint64_t loads[PLACEMENT_SLOTS];

	(void)state;
	for (uint32_t n = 1; n <= 9; n++) {
		struct placement_input in = {.members = names, .member_count = n};
		struct placement first = computed(&in), again;

		in.before = &first;
		again = computed(&in);
		assert_int_equal(moved(&first, &again), 0);
		zipf(n, loads);
		in.loads = loads;
		first = computed(&in);
		in.before = &first;
		again = computed(&in);
		assert_int_equal(moved(&first, &again), 0);
	}
}

static void order_of_the_names_does_not_matter(void **state)
{
	struct pw_slice turned[MEMBERS];
	struct placement a, b;
	uint64_t loads[PLACEMENT_SLOTS];

	(void)state;
	zipf(7, loads);
	for (uint32_t i = 0; i < MEMBERS; i++)
		turned[i] = names[MEMBERS - 1 - i];
	for (uint32_t with_load = 0; with_load < 2; with_load++) {
		const uint64_t *l = with_load ? loads : NULL;

		a = computed(&(struct placement_input){
			.members = names, .member_count = MEMBERS, .loads = l});
		b = computed(&(struct placement_input){
			.members = turned, .member_count = MEMBERS, .loads = l});
		for (uint32_t slot = 0; slot < PLACEMENT_SLOTS; slot++)
			assert_int_equal(a.owners[slot], MEMBERS - 1 - b.owners[slot]);
	}
}

static void a_slot_too_heavy_for_anybody_stays_alone(void **state)
{
	uint64_t loads[PLACEMENT_SLOTS] = {[17] = 1000000};
	struct placement_input in = {.members = names, .member_count = 4, .loads = loads};
	struct placement p = computed(&in);
	uint32_t beside = 0;

	(void)state;
	for (uint32_t slot = 0; slot < PLACEMENT_SLOTS; slot++)
		beside += slot != 17 && p.owners[slot] == p.owners[17];
	assert_int_equal(beside, 0);
	assert_false(placement_is_due(&in, &p)); /* nothing could be done about it */
}

static void extreme_loads_do_not_overflow(void **state)
{
	uint64_t loads[PLACEMENT_SLOTS];
	struct placement_input in = {
		.members = names, .member_count = PLACEMENT_MEMBERS, .loads = loads};
	struct placement p;

	(void)state;
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++)
		loads[i] = UINT64_MAX;
	p = computed(&in);
	assert_in_range(placement_peak_percent(&in, &p), 100, 110);
}

static void overload_asks_for_a_new_placement(void **state)
{
	uint64_t loads[PLACEMENT_SLOTS];
	struct placement_input in = {.members = names, .member_count = 3};
	struct placement p = computed(&in), relieved;

	(void)state;
	for (uint32_t slot = 0; slot < PLACEMENT_SLOTS; slot++)
		loads[slot] = p.owners[slot] == 1 ? 2000 : 1000;
	in.loads = loads;
	assert_true(placement_is_due(&in, &p));
	in.before = &p;
	relieved = computed(&in);
	assert_false(placement_is_due(&in, &relieved));
	for (uint32_t slot = 0; slot < PLACEMENT_SLOTS; slot++)
		if (p.owners[slot] != 1)
			assert_int_equal(relieved.owners[slot], p.owners[slot]);
}

static void bad_members_are_named(void **state)
{
	struct pw_slice twice[3];
	struct pw_slice empty[2];
	const struct {
		const struct pw_slice *members;
		uint32_t count;
		int code;
		const char *text;
	} rows[] = {
		{names, 0, -EINVAL, "members: none"},
		{names, PLACEMENT_MEMBERS + 1, -E2BIG, "members: 65, at most 64"},
		{twice, 3, -EINVAL, "members[2]: the name of members[0]"},
		{empty, 2, -EINVAL, "members[1]: empty name"},
	};

	(void)state;
	twice[0] = twice[2] = names[5];
	twice[1] = names[6];
	empty[0] = names[0];
	empty[1] = (struct pw_slice){0};
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct placement_input in = {
			.members = rows[i].members, .member_count = rows[i].count};
		struct placement p = {.owners = {77}};
		struct pw_err err = PW_ERR_INIT;

		assert_int_equal(placement_compute(&in, &p, &err), rows[i].code);
		assert_string_equal(err.msg, rows[i].text);
		assert_int_equal(p.owners[0], 77);
	}
	assert_int_equal(placement_peak_percent(&(struct placement_input){0}, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uniform_load_is_even),
		cmocka_unit_test(zipf_load_stays_below_a_quarter_above_the_mean),
		cmocka_unit_test(a_replica_that_comes_takes_its_share_and_no_more),
		cmocka_unit_test(a_replica_that_goes_gives_its_share_and_no_more),
		cmocka_unit_test(nothing_moves_when_nothing_changes),
		cmocka_unit_test(order_of_the_names_does_not_matter),
		cmocka_unit_test(a_slot_too_heavy_for_anybody_stays_alone),
		cmocka_unit_test(extreme_loads_do_not_overflow),
		cmocka_unit_test(overload_asks_for_a_new_placement),
		cmocka_unit_test(bad_members_are_named),
	};

	return cmocka_run_group_tests(tests, name_members, NULL);
}
