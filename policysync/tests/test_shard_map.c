// SPDX-License-Identifier: Apache-2.0
/* Which analyzer owns which slot while members come, are silent, leave and go. */
#include "policysync/shard_map.h"

#include "common/base/hash.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#define MS   PW_NS_PER_MS
#define AWAY (5000 * MS)

static const struct shard_map_settings settings = {AWAY, 10000 * MS, 1000 * MS};

struct fixture {
	struct shard_map *m;
	struct pw_mono now;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(shard_map_new(&settings, &f->m), 0);
	f->now.ns = PW_NS_PER_S;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	shard_map_free(f->m);
	free(f);
	return 0;
}

static struct shard_map_hello hello_of(const char *name, uint8_t instance)
{
	struct shard_map_hello h = {
		.name = pw_slice_str(name), .address = PW_SLICE_LIT("analyzer:7443")};

	h.instance[0] = instance;
	return h;
}

static int join(struct fixture *f, const char *name, uint8_t instance)
{
	struct shard_map_hello h = hello_of(name, instance);
	struct pw_err err = PW_ERR_INIT;
	int member = shard_map_join(f->m, &h, f->now, &err);

	if (member < 0)
		fail_msg("%s", err.msg);
	return member;
}

/* Time passes in which these members live; the largest change of it. */
static enum shard_map_change pass(struct fixture *f, uint64_t ms, const int *members, size_t count)
{
	enum shard_map_change largest = SHARD_MAP_SAME;

	for (uint64_t t = 0; t < ms; t += 100) {
		enum shard_map_change change;

		f->now.ns += 100 * MS;
		for (size_t i = 0; i < count; i++)
			(void)!shard_map_heard(f->m, members[i], f->now);
		change = shard_map_tick(f->m, f->now);
		largest = change > largest ? change : largest;
	}
	return largest;
}

static uint32_t owned(const struct fixture *f, const char *name, uint8_t bits[PW_SLOT_BYTES])
{
	const Podward__V1__ShardMap *map = shard_map_message(f->m);
	uint32_t n = 0;

	memset(bits, 0, PW_SLOT_BYTES);
	assert_non_null(map);
	assert_int_equal(map->owners.len, PLACEMENT_SLOTS);
	for (uint32_t i = 0; i < PLACEMENT_SLOTS; i++) {
		const Podward__V1__ShardMember *who = map->members[map->owners.data[i]];

		if (!pw_slice_eq(pw_slice_of(who->name.data, who->name.len), pw_slice_str(name)))
			continue;
		pw_slots_add(bits, i);
		n++;
	}
	return n;
}

static uint32_t owns(const struct fixture *f, const char *name)
{
	uint8_t bits[PW_SLOT_BYTES];

	return owned(f, name, bits);
}

static uint32_t waiting(const struct fixture *f)
{
	struct shard_map_stats s;

	shard_map_get_stats(f->m, &s);
	return s.waiting;
}

static uint64_t epoch(const struct fixture *f)
{
	return shard_map_message(f->m)->epoch;
}

static void the_first_analyzer_owns_everything_and_nobody_waits(void **state)
{
	struct fixture *f = *state;
	int a;

	assert_null(shard_map_message(f->m));
	assert_int_equal(shard_map_tick(f->m, f->now), SHARD_MAP_SAME);
	assert_true(shard_map_may_write(f->m, PW_SLICE_LIT("any"), 5));
	a = join(f, "a-0", 1);
	assert_int_equal(pass(f, 1500, &a, 1), SHARD_MAP_OWNERS);
	assert_int_equal(owns(f, "a-0"), PLACEMENT_SLOTS);
	assert_int_equal(waiting(f), 0);
	assert_int_equal(pass(f, 20000, &a, 1), SHARD_MAP_SAME);
}

static void a_second_one_gets_its_share_when_the_first_has_given_it_up(void **state)
{
	struct fixture *f = *state;
	uint64_t first;
	int both[2];

	both[0] = join(f, "a-0", 1);
	(void)pass(f, 1500, both, 1);
	first = epoch(f);
	both[1] = join(f, "a-1", 2);
	assert_int_equal(pass(f, 1500, both, 2), SHARD_MAP_OWNERS);
	assert_true(epoch(f) > first);
	assert_in_range(owns(f, "a-1"), PLACEMENT_SLOTS * 45 / 100, PLACEMENT_SLOTS * 55 / 100);
	assert_int_equal(waiting(f), owns(f, "a-1"));
	shard_map_released(f->m, both[0], first); /* of before: says nothing of this move */
	assert_int_equal(pass(f, 100, both, 2), SHARD_MAP_SAME);
	shard_map_released(f->m, both[0], epoch(f));
	assert_int_equal(pass(f, 100, both, 2), SHARD_MAP_WAITING);
	assert_int_equal(waiting(f), 0);
}

static void a_move_that_takes_too_long_waits_no_more(void **state)
{
	struct fixture *f = *state;
	struct shard_map_stats s;
	int both[2];

	both[0] = join(f, "a-0", 1);
	(void)pass(f, 1500, both, 1);
	both[1] = join(f, "a-1", 2);
	(void)pass(f, 1500, both, 2);
	assert_true(waiting(f) > 0);
	(void)pass(f, 10000, both, 2);
	assert_int_equal(waiting(f), 0);
	shard_map_get_stats(f->m, &s);
	assert_int_equal(s.overdue, owns(f, "a-1"));
}

static void a_silent_one_loses_its_share_at_once_and_must_say_hello_again(void **state)
{
	struct fixture *f = *state;
	uint8_t before[PW_SLOT_BYTES], after[PW_SLOT_BYTES];
	int both[2];

	both[0] = join(f, "a-0", 1);
	both[1] = join(f, "a-1", 2);
	(void)pass(f, 1500, both, 2);
	(void)owned(f, "a-1", before);
	assert_int_equal(pass(f, 4000, &both[1], 1), SHARD_MAP_SAME);
	assert_int_equal(pass(f, 2000, &both[1], 1), SHARD_MAP_OWNERS);
	assert_int_equal(owns(f, "a-1"), PLACEMENT_SLOTS);
	assert_int_equal(waiting(f), 0);
	assert_int_equal(shard_map_message(f->m)->n_members, 1);
	assert_false(shard_map_heard(f->m, both[0], f->now));
	both[0] = join(f, "a-0", 1);
	(void)pass(f, 1500, both, 2);
	/* Back to where they were: the placement is the same for the same members. */
	(void)owned(f, "a-1", after);
	assert_true(waiting(f) > 0);
	assert_in_range(owns(f, "a-0"), PLACEMENT_SLOTS * 45 / 100, PLACEMENT_SLOTS * 55 / 100);
}

static void one_that_restarts_soon_keeps_its_share(void **state)
{
	struct fixture *f = *state;
	uint64_t before;
	int both[2];

	both[0] = join(f, "a-0", 1);
	both[1] = join(f, "a-1", 2);
	(void)pass(f, 1500, both, 2);
	before = epoch(f);
	shard_map_lost(f->m, both[0]);
	assert_int_equal(pass(f, 3000, &both[1], 1), SHARD_MAP_SAME);
	assert_int_equal(join(f, "a-0", 9), both[0]);
	assert_int_equal(pass(f, 10000, both, 2), SHARD_MAP_SAME);
	assert_int_equal(epoch(f), before);
}

static void one_that_leaves_is_listed_until_it_is_gone(void **state)
{
	struct fixture *f = *state;
	int both[2];

	both[0] = join(f, "a-0", 1);
	both[1] = join(f, "a-1", 2);
	(void)pass(f, 1500, both, 2);
	shard_map_leaving(f->m, both[0]);
	assert_int_equal(pass(f, 100, both, 2), SHARD_MAP_OWNERS);
	assert_int_equal(owns(f, "a-0"), 0);
	assert_true(waiting(f) > 0);
	assert_int_equal(shard_map_message(f->m)->n_members, 2);
	shard_map_released(f->m, both[0], epoch(f));
	(void)pass(f, 100, both, 2);
	assert_int_equal(waiting(f), 0);
	shard_map_lost(f->m, both[0]);
	assert_int_equal(pass(f, 200, &both[1], 1), SHARD_MAP_OWNERS);
	assert_int_equal(shard_map_message(f->m)->n_members, 1);
}

static void the_last_one_keeps_everything_when_it_leaves(void **state)
{
	struct fixture *f = *state;
	int a = join(f, "a-0", 1);

	(void)pass(f, 1500, &a, 1);
	shard_map_leaving(f->m, a);
	assert_int_equal(pass(f, 1000, &a, 1), SHARD_MAP_SAME);
	assert_int_equal(owns(f, "a-0"), PLACEMENT_SLOTS);
}

static void after_a_restart_the_map_is_what_the_members_say(void **state)
{
	struct fixture *f = *state, again = {.now = {PW_NS_PER_S}};
	const char *const names[] = {"a-0", "a-1", "a-2"};
	uint8_t bits[3][PW_SLOT_BYTES], after[PW_SLOT_BYTES];
	int members[3];
	struct pw_err err = PW_ERR_INIT;

	for (uint8_t i = 0; i < 3; i++)
		members[i] = join(f, names[i], i);
	(void)pass(f, 1500, members, 3);
	assert_int_equal(shard_map_new(&settings, &again.m), 0);
	for (uint8_t i = 0; i < 3; i++) {
		struct shard_map_hello h = hello_of(names[i], i);

		(void)owned(f, names[i], bits[i]);
		h.epoch = epoch(f);
		h.slots = bits[i];
		/* Nothing is given away while one of them is still on its way. */
		members[i] = shard_map_join(again.m, &h, again.now, &err);
		assert_true(members[i] >= 0);
		assert_int_equal(pass(&again, 1200, members, i + 1u),
			i < 2 ? SHARD_MAP_SAME : SHARD_MAP_OWNERS);
	}
	/* A new one, for collectors may know more than these; but nobody has to load anything. */
	assert_true(epoch(&again) > epoch(f));
	assert_true(shard_map_message(again.m)->unchanged_since == epoch(f));
	for (uint8_t i = 0; i < 3; i++) {
		(void)owned(&again, names[i], after);
		assert_memory_equal(after, bits[i], PW_SLOT_BYTES);
	}
	assert_int_equal(waiting(&again), 0);
	shard_map_free(again.m);
}

static void what_a_lost_member_had_is_given_away_when_the_time_is_over(void **state)
{
	struct fixture *f = *state;
	struct shard_map_hello h = hello_of("a-0", 1);
	uint8_t half[PW_SLOT_BYTES];
	struct pw_err err = PW_ERR_INIT;
	int a;

	memset(half, 0x55, sizeof(half));
	h.epoch = 77;
	h.slots = half;
	a = shard_map_join(f->m, &h, f->now, &err);
	assert_int_equal(pass(f, 4000, &a, 1), SHARD_MAP_SAME);
	assert_int_equal(pass(f, 3000, &a, 1), SHARD_MAP_OWNERS);
	assert_int_equal(owns(f, "a-0"), PLACEMENT_SLOTS);
	assert_true(epoch(f) > 77);
	assert_true(shard_map_message(f->m)->unchanged_since == epoch(f));
}

static void a_pause_of_policysync_itself_makes_nobody_silent(void **state)
{
	struct fixture *f = *state;
	int both[2];

	both[0] = join(f, "a-0", 1);
	both[1] = join(f, "a-1", 2);
	(void)pass(f, 1500, both, 2);
	f->now.ns += 3 * AWAY;
	assert_int_equal(shard_map_tick(f->m, f->now), SHARD_MAP_SAME);
	assert_true(shard_map_heard(f->m, both[0], f->now));
	assert_int_equal(pass(f, 10000, both, 2), SHARD_MAP_SAME);
}

static void only_the_owner_and_who_gives_up_may_change_a_state(void **state)
{
	struct fixture *f = *state;
	uint8_t bits[PW_SLOT_BYTES];
	uint32_t slot = 0;
	int both[2];

	both[0] = join(f, "a-0", 1);
	(void)pass(f, 1500, both, 1);
	both[1] = join(f, "a-1", 2);
	(void)pass(f, 1500, both, 2);
	(void)owned(f, "a-1", bits);
	while (!pw_slots_have(bits, slot))
		slot++;
	assert_true(shard_map_may_write(f->m, PW_SLICE_LIT("a-1"), slot));
	assert_true(shard_map_may_write(f->m, PW_SLICE_LIT("a-0"), slot + PLACEMENT_SLOTS));
	shard_map_released(f->m, both[0], epoch(f));
	(void)pass(f, 100, both, 2);
	assert_true(shard_map_may_write(f->m, PW_SLICE_LIT("a-1"), slot));
	assert_false(shard_map_may_write(f->m, PW_SLICE_LIT("a-0"), slot));
	assert_false(shard_map_may_write(f->m, PW_SLICE_LIT("a-2"), slot));
}

static void names_and_addresses_that_cannot_be_told_are_refused(void **state)
{
	static const struct {
		const char *name, *address, *word;
	} rows[] = {
		{"", "a:1", "analyzer"},
		{"a\n", "a:1", "analyzer"},
		{"a-0", "", "address"},
		{"a-0", "a 1", "address"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct shard_map_hello h = {.name = pw_slice_str(rows[i].name),
			.address = pw_slice_str(rows[i].address)};
		struct pw_err err = PW_ERR_INIT;

		assert_int_equal(shard_map_join(f->m, &h, f->now, &err), -EINVAL);
		assert_non_null(strstr(err.msg, rows[i].word));
	}
}

static void more_members_than_the_ceiling_are_refused(void **state)
{
	struct fixture *f = *state;
	struct shard_map_hello h = hello_of("one-more", 1);
	struct pw_err err = PW_ERR_INIT;
	char name[16];

	for (uint32_t i = 0; i < PLACEMENT_MEMBERS; i++) {
		(void)snprintf(name, sizeof(name), "a-%u", i);
		(void)join(f, name, 1);
	}
	assert_int_equal(shard_map_join(f->m, &h, f->now, &err), -ENOSPC);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_first_analyzer_owns_everything_and_nobody_waits),
		TEST(a_second_one_gets_its_share_when_the_first_has_given_it_up),
		TEST(a_move_that_takes_too_long_waits_no_more),
		TEST(a_silent_one_loses_its_share_at_once_and_must_say_hello_again),
		TEST(one_that_restarts_soon_keeps_its_share),
		TEST(one_that_leaves_is_listed_until_it_is_gone),
		TEST(the_last_one_keeps_everything_when_it_leaves),
		TEST(after_a_restart_the_map_is_what_the_members_say),
		TEST(what_a_lost_member_had_is_given_away_when_the_time_is_over),
		TEST(a_pause_of_policysync_itself_makes_nobody_silent),
		TEST(only_the_owner_and_who_gives_up_may_change_a_state),
		TEST(names_and_addresses_that_cannot_be_told_are_refused),
		TEST(more_members_than_the_ceiling_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
