/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregates: how often within which time, by what. */
#include "analyzer/sig_match.h"
#include "analyzer/tests/kit.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <errno.h>

struct world {
	struct policy *policy;
	struct field_ctx *fields;
	struct sig_matcher *matcher;
	struct pw_process process;
	struct pw_event event;
};

static void load(struct world *w, const char *aggregate)
{
	struct kit_snapshot s;

	*w = (struct world){.process = {.comm = PW_SLICE_LIT("app"), .exe = PW_SLICE_LIT("/app")},
		.event = {.kind = PW_EVENT_CONNECT, .count = 1}};
	w->event.process = &w->process;
	kit_snapshot_init(&s, 1);
	kit_signature(&s, "w", "evt.type = connect", false)->aggregate = kit_bytes(aggregate);
	w->policy = kit_compile(&s);
	kit_snapshot_done(&s);
	if (w->policy->signatures->count != 1)
		fail_msg("%s: %.*s", aggregate, PW_SLICE_ARG(w->policy->problems.items[0].message));
	assert_int_equal(field_ctx_new(&w->fields), 0);
	assert_int_equal(sig_matcher_new(&w->matcher), 0);
	assert_int_equal(sig_matcher_use(w->matcher, w->policy->signatures), 0);
}

static void unload(struct world *w)
{
	policy_free(w->policy);
	field_ctx_free(w->fields);
	sig_matcher_free(w->matcher);
}

/* A connect of process pid to this port at this second; did it fire? */
static bool fires(struct world *w, uint32_t pid, uint32_t port, int64_t second)
{
	const struct sig_rule *found[1];

	w->process.def.pid = pid;
	w->event.aux = PW_CONNECT_AUX(port, 6, 2);
	w->event.object = PW_SLICE_LIT("10.0.0.1");
	w->event.wall.ns = second * 1000000000ll;
	field_ctx_begin(w->fields, &w->event);
	return sig_match(w->matcher, w->fields, NULL, found, 1) == 1;
}

static void it_fires_when_it_was_often_enough_and_then_starts_anew(void **state)
{
	struct world w;

	(void)state;
	load(&w, "count within 10s >= 3");
	assert_false(fires(&w, 1, 80, 100));
	assert_false(fires(&w, 1, 80, 101));
	assert_true(fires(&w, 2, 80, 102));
	assert_false(fires(&w, 1, 80, 103));
	assert_false(fires(&w, 1, 80, 104));
	assert_true(fires(&w, 1, 80, 105));
	unload(&w);
}

static void what_is_older_than_the_window_does_not_count(void **state)
{
	struct world w;

	(void)state;
	load(&w, "count within 10s >= 3");
	for (int64_t s = 0; s < 200; s += 5)
		assert_false(fires(&w, 1, 80, s)); /* never three within ten seconds */
	assert_false(fires(&w, 1, 80, 300));
	assert_false(fires(&w, 1, 80, 301));
	assert_true(fires(&w, 1, 80, 302));
	unload(&w);
}

static void distinct_counts_values_and_by_keeps_them_apart(void **state)
{
	struct world w;

	(void)state;
	load(&w, "count(distinct fd.sport) by proc.pid within 1m >= 4");
	for (uint32_t i = 0; i < 50; i++)
		assert_false(fires(&w, 1, 80 + i % 3, i)); /* three ports, however often */
	for (uint32_t pid = 2; pid < 40; pid++)
		assert_false(fires(&w, pid, 1000 + pid, 50)); /* many ports, each by another */
	assert_true(fires(&w, 1, 99, 51));
	unload(&w);
}

static void folded_repeats_count_as_what_they_stand_for(void **state)
{
	struct world w;

	(void)state;
	load(&w, "count within 1m >= 100");
	w.event.count = 60;
	assert_false(fires(&w, 1, 80, 1));
	assert_true(fires(&w, 1, 80, 2));
	w.event.count = UINT32_MAX;
	assert_true(fires(&w, 1, 80, 3));
	unload(&w);
}

static void counts_past_the_ceiling_are_forgotten_and_counted(void **state)
{
	struct world w;
	uint64_t forgotten;

	(void)state;
	load(&w, "count by proc.pid within 24h >= 1024");
	for (uint32_t pid = 1; pid < 20000; pid++)
		assert_false(fires(&w, pid, 80, 1));
	forgotten = sig_matcher_stats(w.matcher).forgotten;
	assert_in_range(forgotten, 15000, 20000);
	unload(&w);
}

static void a_wrong_aggregate_refuses_its_rule(void **state)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"sum within 1s >= 1", "column 1: expected count"},
		{"count(fd.sport) within 1s >= 1", "expected distinct"},
		{"count(distinct fd.nix) within 1s >= 1", "unknown field fd.nix"},
		{"count(distinct fd.sport within 1s >= 1", "expected )"},
		{"count by a.b, c.d within 1s >= 1", "unknown field a.b"},
		{"count by proc.pid, proc.name, proc.exe within 1s >= 1", "more than 2 fields"},
		{"count >= 1", "expected within"},
		{"count within soon >= 1", "expected a time"},
		{"count within 48h >= 1", "expected a time"},
		{"count within 1s > 1", "expected >="},
		{"count within 1s >= 0", "expected a number"},
		{"count within 1s >= 4096", "expected a number from 1 to 1024"},
		{"count within 1s >= 2 and", "expected the end"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct kit_snapshot s;
		struct policy *p;

		kit_snapshot_init(&s, 1);
		kit_signature(&s, "w", "evt.type = connect", false)->aggregate =
			kit_bytes(rows[i].text);
		p = kit_compile(&s);
		assert_int_equal(p->signatures->count, 0);
		if (pw_slice_find(p->problems.items[0].message, pw_slice_str(rows[i].words)) < 0)
			fail_msg("%s: %.*s", rows[i].text,
				PW_SLICE_ARG(p->problems.items[0].message));
		policy_free(p);
		kit_snapshot_done(&s);
	}
}

static void what_is_taken_back_was_not_counted(void **state)
{
	struct world w;

	(void)state;
	load(&w, "count by proc.pid within 10s >= 3");
	assert_false(fires(&w, 1, 80, 100));
	sig_matcher_keep(w.matcher);
	for (uint32_t i = 0; i < 5; i++) {
		assert_false(fires(&w, 1, 80, 101));
		assert_true(fires(&w, 1, 80, 102)); /* and starts anew */
		assert_false(fires(&w, 1, 80, 103));
		assert_false(fires(&w, 2, 80, 103));
		sig_matcher_undo(w.matcher);
	}
	assert_false(fires(&w, 1, 80, 104));
	sig_matcher_keep(w.matcher);
	sig_matcher_undo(w.matcher); /* nothing is left of what was kept */
	assert_true(fires(&w, 1, 80, 105));
	assert_false(fires(&w, 2, 80, 105));
	assert_false(fires(&w, 2, 80, 105));
	assert_true(fires(&w, 2, 80, 105));
	unload(&w);
}

/* Counts are evicted and taken back in the same pass. */
static void a_full_log_stays_within_its_bounds(void **state)
{
	struct world w;

	(void)state;
	load(&w, "count by proc.pid within 24h >= 1024");
	for (uint32_t pid = 1; pid < 5000; pid++)
		assert_false(fires(&w, pid, 80, 1));
	sig_matcher_undo(w.matcher);
	assert_false(fires(&w, 1, 80, 2));
	unload(&w);
}

static int use_once(void *ctx)
{
	struct sig_matcher *m = NULL;
	int r = sig_matcher_new(&m);

	if (r == 0)
		r = sig_matcher_use(m, ctx);
	sig_matcher_free(m);
	return r;
}

static void a_matcher_survives_lack_of_memory(void **state)
{
	struct world w;

	(void)state;
	load(&w, "count within 1m >= 100");
	assert_true(pw_oom_loop(use_once, w.policy->signatures) > 0);
	unload(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_fires_when_it_was_often_enough_and_then_starts_anew),
		cmocka_unit_test(what_is_older_than_the_window_does_not_count),
		cmocka_unit_test(distinct_counts_values_and_by_keeps_them_apart),
		cmocka_unit_test(folded_repeats_count_as_what_they_stand_for),
		cmocka_unit_test(counts_past_the_ceiling_are_forgotten_and_counted),
		cmocka_unit_test(what_is_taken_back_was_not_counted),
		cmocka_unit_test(a_full_log_stays_within_its_bounds),
		cmocka_unit_test(a_wrong_aggregate_refuses_its_rule),
		cmocka_unit_test(a_matcher_survives_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
