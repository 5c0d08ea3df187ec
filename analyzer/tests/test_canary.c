/* SPDX-License-Identifier: Apache-2.0 */
/* A new version of a signature set on trial: whom it runs for, and when it is taken back. */
#include "analyzer/canary.h"
#include "analyzer/tests/kit.h"
#include "analyzer/view.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <stdio.h>

#define PERCENT 10u
#define MINUTE  (60 * PW_NS_PER_S)

struct world {
	struct canary *canary;
	struct kit_snapshot old, new;
	char fresh[64], rest[64]; /* pod groups inside and outside of the share */
	struct pw_mono now;
};

static void name_groups(struct world *w)
{
	char name[64];

	for (unsigned i = 0; !w->fresh[0] || !w->rest[0]; i++) {
		bool inside;

		(void)snprintf(name, sizeof(name), "shop/Deployment/web-%u/app", i);
		inside = canary_has(pw_slice_str(name), PW_SLICE_LIT("test"), PERCENT);
		memcpy(inside ? w->fresh : w->rest, name, sizeof(name));
	}
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	assert_non_null(w);
	w->now.ns = MINUTE;
	name_groups(w);
	kit_snapshot_init(&w->old, 1);
	kit_snapshot_init(&w->new, 2);
	(void)kit_signature(&w->old, "a", "proc.name = old", false);
	(void)kit_signature(&w->new, "a", "proc.name = new", false);
	w->new.m.signature_sets[0]->canary_percent = PERCENT;
	return canary_new(&w->canary);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	canary_free(w->canary);
	kit_snapshot_done(&w->old);
	kit_snapshot_done(&w->new);
	free(w);
	return 0;
}

/* Conditions of the first rules of what is to run, with their shares: "proc.name = new/10/0 …". */
static const char *running(struct world *w, struct kit_snapshot *s)
{
	static char text[512];
	Podward__V1__SignatureSet **sets;
	size_t count, len = 0;

	assert_int_equal(canary_sets(w->canary, &s->m, s->arena, &sets, &count), 0);
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s/%u/%u",
			i ? " " : "", (int)sets[i]->rules[0]->condition.len,
			(const char *)sets[i]->rules[0]->condition.data, sets[i]->canary_percent,
			sets[i]->canary_rest_percent);
	return text;
}

static bool alerts(struct world *w, const char *group, unsigned count)
{
	Podward__V1__Alert a = PODWARD__V1__ALERT__INIT;
	bool back = false;

	a.detector = kit_bytes("sig/test/a");
	a.pod_group = kit_bytes(group);
	while (count-- > 0 && !back)
		back = canary_on_alert(w->canary, &a, w->now);
	return back;
}

static uint32_t told(struct world *w, const char *words)
{
	struct pw_arena *arena = NULL;
	struct problems p;
	uint32_t count;

	assert_int_equal(pw_arena_new(4096, 1 << 20, &arena), 0);
	assert_int_equal(problems_init(&p, arena), 0);
	assert_int_equal(canary_tell(w->canary, &p), 0);
	count = p.count;
	if (count > 0 && pw_slice_find(p.items[0].message, pw_slice_str(words)) < 0)
		fail_msg("%.*s", PW_SLICE_ARG(p.items[0].message));
	if (count > 0)
		assert_true(pw_slice_eq_str(p.items[0].object, "SignatureSet/test"));
	pw_arena_free(arena);
	return count;
}

static void start_trial(struct world *w)
{
	canary_keep(w->canary, &w->old.m);
	canary_keep(w->canary, &w->new.m);
}

static void a_new_version_runs_for_its_share_and_the_one_before_for_the_rest(void **state)
{
	struct world *w = *state;

	assert_string_equal(running(w, &w->old), "proc.name = old/0/0");
	canary_keep(w->canary, &w->old.m);
	assert_false(canary_has_trial(w->canary));
	assert_string_equal(running(w, &w->new), "proc.name = new/10/0 proc.name = old/0/10");
	canary_keep(w->canary, &w->new.m);
	assert_true(canary_has_trial(w->canary));
	assert_string_equal(running(w, &w->new), "proc.name = new/10/0 proc.name = old/0/10");
	assert_int_equal(told(w, ""), 0);
}

static void every_pod_group_has_exactly_one_version(void **state)
{
	struct world *w = *state;
	size_t fresh = 0;
	struct policy *p;

	canary_keep(w->canary, &w->old.m);
	assert_int_equal(canary_sets(w->canary, &w->new.m, w->new.arena, &w->new.m.signature_sets,
				 &w->new.m.n_signature_sets),
		0);
	p = kit_compile(&w->new);
	assert_int_equal(p->signatures->count, 2);
	for (unsigned i = 0; i < 1000; i++) {
		struct view *v = NULL;
		char group[64];
		uint64_t off;

		(void)snprintf(group, sizeof(group), "shop/Deployment/web-%u/app", i);
		assert_int_equal(view_new(p, 1, pw_slice_str(group), PW_SLICE_LIT("i"), &v), 0);
		off = v->signatures_off[0] & 3u;
		assert_true(off == 1 || off == 2);
		fresh += off == 2;
		view_free(v);
	}
	assert_in_range(fresh, 60, 140);
	policy_free(p);
}

static void a_version_that_alerts_far_too_much_is_taken_back(void **state)
{
	struct world *w = *state;

	start_trial(w);
	assert_false(alerts(w, w->rest, 3));
	assert_false(alerts(w, w->fresh, CANARY_LEAST - 1));
	assert_true(alerts(w, w->fresh, 1));
	assert_string_equal(running(w, &w->new), "proc.name = old/0/0");
	assert_int_equal(
		told(w, "rolled back: 20 alerts within 10m in 10 % of the pod groups, 3"), 1);
	assert_int_equal(canary_rollbacks(w->canary), 1);
	assert_false(alerts(w, w->fresh, 100)); /* once is enough */
}

static void its_share_of_what_the_others_alert_is_no_jump(void **state)
{
	struct world *w = *state;

	start_trial(w);
	assert_false(alerts(w, w->rest, 270));
	assert_false(alerts(w, w->fresh, 90)); /* three times its share of 30 */
	assert_true(alerts(w, w->fresh, 1));
}

static void alerts_of_long_ago_do_not_add_up(void **state)
{
	struct world *w = *state;

	start_trial(w);
	for (unsigned i = 0; i < 20; i++) {
		assert_false(alerts(w, w->fresh, CANARY_LEAST - 1));
		w->now.ns += 10 * MINUTE;
	}
	assert_false(alerts(w, w->fresh, CANARY_LEAST - 1));
	w->now.ns += 10 * MINUTE - 1;
	assert_true(alerts(w, w->fresh, 1));
}

static void what_was_taken_back_stays_so_until_it_changes(void **state)
{
	struct world *w = *state;

	start_trial(w);
	assert_true(alerts(w, w->fresh, CANARY_LEAST));
	canary_keep(w->canary, &w->new.m); /* the same once more, as after a reconnect */
	assert_string_equal(running(w, &w->new), "proc.name = old/0/0");
	w->new.m.signature_sets[0]->canary_percent = 50;
	canary_keep(w->canary, &w->new.m);
	assert_string_equal(running(w, &w->new), "proc.name = old/0/0");
	assert_int_equal(told(w, "rolled back"), 1);
	w->new.m.signature_sets[0]->rules[0]->condition = kit_bytes("proc.name = newer");
	canary_keep(w->canary, &w->new.m);
	assert_string_equal(running(w, &w->new), "proc.name = newer/50/0 proc.name = old/0/50");
	assert_int_equal(told(w, ""), 0);
}

static void without_a_share_it_runs_for_all_and_is_what_is_gone_back_to(void **state)
{
	struct world *w = *state;

	start_trial(w);
	assert_true(alerts(w, w->fresh, CANARY_LEAST));
	w->new.m.signature_sets[0]->canary_percent = 0;
	assert_string_equal(running(w, &w->new), "proc.name = new/0/0");
	canary_keep(w->canary, &w->new.m);
	assert_int_equal(told(w, ""), 0);
	w->old.m.signature_sets[0]->canary_percent = 99;
	assert_string_equal(running(w, &w->old), "proc.name = old/99/0 proc.name = new/0/99");
}

static void without_a_version_before_it_does_not_run(void **state)
{
	struct world *w = *state;

	canary_keep(w->canary, &w->new.m);
	assert_string_equal(running(w, &w->new), "proc.name = new/10/0");
	assert_true(alerts(w, w->fresh, CANARY_LEAST));
	assert_string_equal(running(w, &w->new), "");
	assert_int_equal(told(w, "the set does not run"), 1);
	w->new.m.n_signature_sets = 0; /* removed: forgotten */
	canary_keep(w->canary, &w->new.m);
	assert_int_equal(told(w, ""), 0);
}

static void alerts_of_other_detectors_do_not_count(void **state)
{
	static const char *const detectors[] = {"sig/testing/a", "sig/tes/a", "sig/test",
		"profile/file.read", "policy/test/a", "", "sig/"};
	struct world *w = *state;
	Podward__V1__Alert a = PODWARD__V1__ALERT__INIT;

	start_trial(w);
	a.pod_group = kit_bytes(w->fresh);
	for (unsigned i = 0; i < 100 * PW_COUNT(detectors); i++) {
		a.detector = kit_bytes(detectors[i % PW_COUNT(detectors)]);
		assert_false(canary_on_alert(w->canary, &a, w->now));
	}
}

static void sets_past_the_ceiling_have_no_way_back(void **state)
{
	struct world *w = *state;
	Podward__V1__SignatureSet sets[CANARY_SETS + 6], *list[CANARY_SETS + 6];
	Podward__V1__PolicySnapshot m = PODWARD__V1__POLICY_SNAPSHOT__INIT;
	char names[CANARY_SETS + 6][16];

	for (unsigned i = 0; i < PW_COUNT(sets); i++) {
		sets[i] = *w->old.m.signature_sets[0];
		(void)snprintf(names[i], sizeof(names[i]), "set-%u", i);
		sets[i].name = kit_bytes(names[i]);
		list[i] = &sets[i];
	}
	m.signature_sets = list;
	m.n_signature_sets = PW_COUNT(sets);
	canary_keep(w->canary, &m);
	sets[0].canary_percent = sets[CANARY_SETS].canary_percent = 5;
	m.signature_sets[1] = &sets[CANARY_SETS];
	m.n_signature_sets = 2;
	w->new.m = m;
	assert_string_equal(
		running(w, &w->new), "proc.name = old/5/0 proc.name = old/0/5 proc.name = old/5/0");
}

static int sets_once(void *ctx)
{
	struct world *w = ctx;
	struct pw_arena *arena = NULL;
	struct problems p;
	Podward__V1__SignatureSet **sets;
	size_t count;
	int r = pw_arena_new(64, 1 << 20, &arena);

	canary_keep(w->canary, &w->old.m);
	canary_keep(w->canary, &w->new.m);
	if (r == 0)
		r = canary_sets(w->canary, &w->new.m, arena, &sets, &count);
	if (r == 0)
		r = problems_init(&p, arena);
	if (r == 0)
		r = canary_tell(w->canary, &p);
	pw_arena_free(arena);
	return r;
}

static void trials_survive_lack_of_memory(void **state)
{
	struct world *w = *state;

	start_trial(w);
	assert_true(alerts(w, w->fresh, CANARY_LEAST));
	assert_true(pw_oom_loop(sets_once, w) > 0);
	canary_keep(w->canary, &w->old.m);
	assert_string_equal(running(w, &w->new), "proc.name = new/10/0 proc.name = old/0/10");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_version_runs_for_its_share_and_the_one_before_for_the_rest),
		TEST(every_pod_group_has_exactly_one_version),
		TEST(a_version_that_alerts_far_too_much_is_taken_back),
		TEST(its_share_of_what_the_others_alert_is_no_jump),
		TEST(alerts_of_long_ago_do_not_add_up),
		TEST(what_was_taken_back_stays_so_until_it_changes),
		TEST(without_a_share_it_runs_for_all_and_is_what_is_gone_back_to),
		TEST(without_a_version_before_it_does_not_run),
		TEST(alerts_of_other_detectors_do_not_count),
		TEST(sets_past_the_ceiling_have_no_way_back),
		TEST(trials_survive_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
