/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/learning.h"
#include "common/testing/cm.h"

#include <string.h>

#define HOUR (3600ll * 1000000000ll)
#define DAY  (24ull * 3600 * 1000000000ull)

static struct pw_wall at(int64_t hours)
{
	return (struct pw_wall){1800000000000000000ll + hours * HOUR};
}

/* As the group does it: the clock, and good evidence when it is over. */
static bool learns(
	struct learning *l, struct pw_wall event, struct pw_wall now, uint64_t duration_ns)
{
	bool learning = learning_at(l, event, now, duration_ns);

	while (l->is_due) {
		learning_decide(l, NULL);
		learning = learning_at(l, event, now, duration_ns);
	}
	return learning;
}

static void tick(struct learning *l, struct pw_wall now, uint64_t duration_ns)
{
	learning_tick(l, now, duration_ns);
	learning_decide(l, NULL);
}

static void a_day_of_learning_then_protected(void **state)
{
	struct learning l = {.phase = 0};

	(void)state;
	assert_true(learns(&l, at(0), at(0), DAY));
	assert_string_equal(learning_phase_name(l.phase), "Collecting");
	assert_int_equal(l.generation, 1);
	assert_true(learns(&l, at(23), at(23), DAY));
	assert_false(learning_is_protected(&l));
	assert_int_equal(learning_remaining_ns(&l, at(23)), HOUR);
	assert_false(learns(&l, at(24), at(24), DAY));
	assert_true(learning_is_protected(&l));
	assert_int_equal(l.generation, 2);
	assert_int_equal(learning_remaining_ns(&l, at(24)), 0);
}

static void the_clock_alone_ends_learning_too(void **state)
{
	struct learning l = {.phase = 0};

	(void)state;
	tick(&l, at(100), DAY);
	assert_string_equal(learning_phase_name(l.phase), "New");
	(void)learns(&l, at(0), at(0), DAY);
	tick(&l, at(23), DAY);
	assert_false(learning_is_protected(&l));
	tick(&l, at(24), DAY);
	assert_true(learning_is_protected(&l));
}

static void a_late_event_belongs_to_its_own_time(void **state)
{
	struct learning l = {.phase = 0};

	(void)state;
	(void)learns(&l, at(0), at(0), DAY);
	tick(&l, at(30), DAY);
	assert_true(learns(&l, at(5), at(31), DAY));
	assert_true(learning_is_protected(&l));
	assert_false(learns(&l, at(25), at(31), DAY));
}

static void a_node_with_a_fast_clock_ends_nothing(void **state)
{
	struct learning l = {.phase = 0};

	(void)state;
	assert_true(learns(&l, at(500), at(0), DAY));
	assert_true(l.started_wall_ns == at(0).ns);
	assert_true(learns(&l, at(700), at(1), DAY));
	assert_false(learning_is_protected(&l));
}

static void the_policy_may_change_the_duration_while_collecting(void **state)
{
	struct learning l = {.phase = 0};

	(void)state;
	(void)learns(&l, at(0), at(0), DAY);
	assert_false(learns(&l, at(2), at(2), (uint64_t)HOUR));
	assert_true(learning_is_protected(&l));
	/* Protected stays Protected. */
	assert_false(learns(&l, at(3), at(3), DAY));
	assert_true(learning_is_protected(&l));
	assert_true(l.duration_ns == (uint64_t)HOUR);
}

static void losses_make_it_partial_only_while_collecting(void **state)
{
	struct learning l = {.phase = 0};

	(void)state;
	learning_lost(&l, 5, 1);
	assert_int_equal(l.lost_events, 0);
	(void)learns(&l, at(0), at(0), DAY);
	learning_lost(&l, 5, 1);
	learning_lost(&l, 2, 4);
	assert_int_equal(l.lost_events, 7);
	assert_non_null(strstr(l.partial_reason, "ring_full"));
	tick(&l, at(24), DAY);
	learning_lost(&l, 5, 1);
	assert_int_equal(l.lost_events, 7);
}

static void thin_evidence_extends_the_clock_and_says_why(void **state)
{
	struct learning l = {.phase = 0};

	(void)state;
	assert_true(learning_at(&l, at(0), at(0), DAY));
	learning_tick(&l, at(24), DAY);
	assert_true(l.is_due);
	assert_false(learning_is_protected(&l));
	learning_decide(&l, "nothing was seen");
	assert_string_equal(learning_phase_name(l.phase), "Converging");
	assert_string_equal(l.extension_reason, "nothing was seen");
	assert_true(learning_at(&l, at(30), at(30), DAY));
	assert_int_equal(learning_remaining_ns(&l, at(47)), HOUR);
	learning_tick(&l, at(48), DAY);
	learning_decide(&l, "still nothing");
	assert_int_equal(l.extensions, 2);
	assert_true(learning_at(&l, at(71), at(71), DAY));
	/* Three times the length at most; what is thin then stays said. */
	learning_tick(&l, at(72), DAY);
	learning_decide(&l, "still nothing");
	assert_true(learning_is_protected(&l));
	assert_string_equal(l.partial_reason, "still nothing");
	assert_false(learning_at(&l, at(73), at(73), DAY));
}

static void a_short_clock_counts_alone(void **state)
{
	struct learning l = {.phase = 0};

	(void)state;
	assert_true(learning_at(&l, at(0), at(0), 60 * PW_NS_PER_S));
	learning_tick(&l, at(1), 60 * PW_NS_PER_S);
	learning_decide(&l, "nothing was seen");
	assert_true(learning_is_protected(&l));
	assert_string_equal(l.partial_reason, "");
}

static void a_clock_that_is_set_neither_ends_nor_prolongs_learning(void **state)
{
	static const int64_t jumps[] = {400 * 24, -400 * 24};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(jumps); i++) {
		struct learning l = {.phase = 0};

		assert_true(learning_at(&l, at(0), at(0), DAY));
		learning_tick(&l, at(10), DAY);
		learning_shift(&l, jumps[i] * HOUR);
		learning_tick(&l, at(10 + jumps[i]), DAY);
		assert_false(l.is_due);
		assert_int_equal(learning_remaining_ns(&l, at(10 + jumps[i])), 14 * HOUR);
		learning_tick(&l, at(24 + jumps[i]), DAY);
		assert_true(l.is_due);
	}
}

static void losses_that_were_made_good_do_not_count(void **state)
{
	struct learning l = {.phase = 0};

	(void)state;
	(void)learning_at(&l, at(0), at(0), DAY);
	learning_lost(&l, 5, 1);
	learning_repaired(&l, 4);
	assert_non_null(strstr(l.partial_reason, "ring_full"));
	learning_repaired(&l, 4); /* never more than was lost */
	assert_string_equal(l.partial_reason, "");
	assert_int_equal(l.lost_events, 5);
	assert_int_equal(l.repaired_events, 5);
	learning_lost(&l, 1, 1);
	assert_non_null(strstr(l.partial_reason, "ring_full"));
	learning_repaired(&l, 1);
	learning_partial(&l, "other");
	learning_lost(&l, 1, 1);
	learning_repaired(&l, 1);
	assert_string_equal(l.partial_reason, "other");
}

static void what_is_made_good_after_learning_was_not_learned(void **state)
{
	struct learning l = {.phase = 0};

	(void)state;
	(void)learns(&l, at(0), at(0), DAY);
	learning_lost(&l, 5, 1);
	tick(&l, at(24), DAY);
	assert_true(learning_is_protected(&l));
	learning_repaired(&l, 5);
	assert_non_null(strstr(l.partial_reason, "ring_full"));
}

static void users_freeze_relearn_and_reset(void **state)
{
	struct learning l = {.phase = 0};

	(void)state;
	(void)learns(&l, at(0), at(0), DAY);
	tick(&l, at(24), DAY);
	learning_freeze(&l);
	assert_false(learning_at(&l, at(25), at(25), DAY));
	assert_string_equal(learning_phase_name(l.phase), "Frozen");
	learning_relearn(&l, at(30), (uint64_t)HOUR);
	assert_true(learns(&l, at(30), at(30), DAY));
	assert_string_equal(learning_phase_name(l.phase), "Relearning");
	assert_false(learns(&l, at(31), at(31), DAY));
	assert_true(learning_is_protected(&l));
	learning_reset(&l, 1);
	assert_int_equal(l.epoch, 1);
	assert_true(learns(&l, at(32), at(32), DAY));
	assert_string_equal(learning_phase_name(l.phase), "Collecting");
	learning_reset(&l, 1);
	assert_string_equal(learning_phase_name(l.phase), "Collecting");
}

static void stored_state_comes_back_in_any_order(void **state)
{
	struct learning l = {.phase = 0};
	Podward__V1__ProfileState s = PODWARD__V1__PROFILE_STATE__INIT;

	(void)state;
	s.generation = 2;
	s.phase = PODWARD__V1__PROFILE_PHASE__PROFILE_PHASE_PROTECTED;
	s.learning_started_wall_ns = at(0).ns;
	s.learning_duration_ns = DAY;
	s.lost_events = 3;
	s.partial_reason = (ProtobufCBinaryData){4, (uint8_t *)"lost"};
	learning_restore(&l, &s);
	s.generation = 1;
	s.phase = PODWARD__V1__PROFILE_PHASE__PROFILE_PHASE_COLLECTING;
	s.lost_events = 1;
	learning_restore(&l, &s);
	assert_true(learning_is_protected(&l));
	assert_int_equal(l.generation, 2);
	assert_int_equal(l.lost_events, 3);
	assert_string_equal(l.partial_reason, "lost");
	assert_false(l.changed);
	assert_false(learns(&l, at(25), at(25), DAY));
}

static void extreme_numbers_do_not_overflow(void **state)
{
	struct learning l = {.phase = 0};
	struct pw_wall last = {INT64_MAX};

	(void)state;
	assert_true(learns(&l, at(0), at(0), UINT64_MAX));
	tick(&l, at(1000000), UINT64_MAX);
	assert_false(learning_is_protected(&l));
	assert_true(learning_remaining_ns(&l, at(0)) > DAY);
	assert_int_equal(learning_remaining_ns(&l, last), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_of_learning_then_protected),
		cmocka_unit_test(the_clock_alone_ends_learning_too),
		cmocka_unit_test(a_late_event_belongs_to_its_own_time),
		cmocka_unit_test(a_node_with_a_fast_clock_ends_nothing),
		cmocka_unit_test(the_policy_may_change_the_duration_while_collecting),
		cmocka_unit_test(losses_make_it_partial_only_while_collecting),
		cmocka_unit_test(thin_evidence_extends_the_clock_and_says_why),
		cmocka_unit_test(a_short_clock_counts_alone),
		cmocka_unit_test(a_clock_that_is_set_neither_ends_nor_prolongs_learning),
		cmocka_unit_test(losses_that_were_made_good_do_not_count),
		cmocka_unit_test(what_is_made_good_after_learning_was_not_learned),
		cmocka_unit_test(users_freeze_relearn_and_reset),
		cmocka_unit_test(stored_state_comes_back_in_any_order),
		cmocka_unit_test(extreme_numbers_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
