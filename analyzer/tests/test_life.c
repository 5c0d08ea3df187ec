/* SPDX-License-Identifier: Apache-2.0 */
/* Days in the life of a profile, with a fake clock. */
#include "analyzer/baseline_rest.h"
#include "analyzer/tests/life.h"
#include "common/testing/cm.h"

#include <stdio.h>

#define PFLAG(x) PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_##x

/* A container that is seen from its start and does its work for a while. */
static void start(struct life *l, const char *name)
{
	l->started_ns = l->clock.wall_ns;
	(void)life_read(l, name, "/etc/app.conf");
	life_pass(l, 120ll * 1000000000ll);
	(void)life_read(l, name, "/etc/app.conf");
	l->started_ns = 0;
}

static void a_day_is_learned_by_default_and_then_judged(void **state)
{
	struct life l;

	(void)state;
	life_init(&l, 0);
	start(&l, "a");
	assert_int_equal(life_read(&l, "a", "/data/one"), 0);
	life_pass(&l, 23 * LIFE_HOUR);
	assert_string_equal(life_phase(&l), "Collecting");
	assert_int_equal(life_read(&l, "a", "/data/two"), 0);
	life_pass(&l, LIFE_HOUR);
	assert_string_equal(life_phase(&l), "Protected");
	assert_int_equal(life_read(&l, "a", "/data/two"), 0);
	assert_int_equal(life_read(&l, "a", "/data/other"), 1);
	assert_string_equal(l.last_detector, "profile/file.read");
	life_done(&l);
}

static void a_quiet_profile_rests_and_news_wake_it(void **state)
{
	struct life l;

	(void)state;
	life_init(&l, 0);
	start(&l, "a");
	assert_int_equal(life_read(&l, "a", "/data/one"), 0);
	life_pass(&l, 25 * LIFE_HOUR);
	/* What was learned is not told yet: it may not rest. */
	assert_false(baseline_rest_is(life_group(&l)->baseline));
	(void)life_flush(&l);
	life_pass(&l, LIFE_HOUR);
	assert_true(baseline_rest_is(life_group(&l)->baseline));
	assert_int_equal(life_read(&l, "a", "/data/one"), 0);
	assert_int_equal(life_read(&l, "a", "/etc/app.conf"), 0);
	assert_true(baseline_rest_is(life_group(&l)->baseline));
	assert_int_equal(life_read(&l, "a", "/data/other"), 1);
	assert_false(baseline_rest_is(life_group(&l)->baseline));
	assert_non_null(strstr(l.last_reason, "/data/o"));
	(void)life_flush(&l);
	life_pass(&l, LIFE_HOUR);
	assert_true(baseline_rest_is(life_group(&l)->baseline));
	life_move(&l);
	assert_int_equal(life_read(&l, "a", "/data/one"), 0);
	life_done(&l);
}

static void a_baseline_whose_start_was_never_seen_learns_longer(void **state)
{
	struct life l;

	(void)state;
	life_init(&l, 0);
	for (int hour = 0; hour < 25; hour++) {
		(void)life_read(&l, "a", "/data/one");
		life_pass(&l, LIFE_HOUR);
	}
	assert_string_equal(life_phase(&l), "Converging");
	assert_string_equal(
		life_group(&l)->learning.extension_reason, "no start of a container was seen");
	start(&l, "b");
	life_pass(&l, 24 * LIFE_HOUR);
	assert_string_equal(life_phase(&l), "Protected");
	assert_string_equal(life_group(&l)->learning.partial_reason, "");
	life_done(&l);
}

static void restarts_and_moves_neither_lose_nor_prolong_anything(void **state)
{
	struct life l;

	(void)state;
	life_init(&l, 0);
	start(&l, "a");
	for (int hour = 0; hour < 24; hour++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "/data/file%c", 'a' + hour % 12);
		assert_int_equal(life_read(&l, "a", path), 0);
		(void)life_flush(&l);
		life_move(&l);
		life_pass(&l, LIFE_HOUR);
	}
	assert_string_equal(life_phase(&l), "Protected");
	assert_int_equal(life_read(&l, "a", "/data/filea"), 0);
	assert_int_equal(life_read(&l, "a", "/data/filel"), 0);
	assert_int_equal(life_read(&l, "a", "/other"), 1);
	assert_int_equal(life_group(&l)->evidence.count, 1);
	life_done(&l);
}

static void a_clock_that_is_set_during_learning_changes_nothing(void **state)
{
	struct life l;

	(void)state;
	life_init(&l, 0);
	start(&l, "a");
	life_pass(&l, 10 * LIFE_HOUR);
	life_jump(&l, 365 * LIFE_DAY);
	assert_string_equal(life_phase(&l), "Collecting");
	assert_int_equal(life_read(&l, "a", "/data/late"), 0);
	life_jump(&l, -700 * LIFE_DAY);
	life_pass(&l, 13 * LIFE_HOUR);
	assert_string_equal(life_phase(&l), "Collecting");
	life_pass(&l, 2 * LIFE_HOUR);
	assert_string_equal(life_phase(&l), "Protected");
	life_done(&l);
}

/* Every six hours a pod of another name that lives for two seconds. */
static void a_cron_job_is_learned_over_its_runs(void **state)
{
	struct life l;
	char pod[32], path[64];

	(void)state;
	life_init(&l, 0);
	l.group = "shop/CronJob/report/app";
	for (int run = 0; run < 12; run++) {
		(void)snprintf(pod, sizeof(pod), "report-%d", 28000000 + run * 360);
		(void)snprintf(path, sizeof(path), "/out/report-%d.csv", 700 + run * 13);
		l.started_ns = l.clock.wall_ns;
		assert_int_equal(life_read(&l, pod, "/etc/report.conf"), 0);
		life_pass(&l, 2ll * 1000000000ll);
		if (life_read(&l, pod, path) != 0)
			fail_msg("run %d: %s: %s", run, life_phase(&l), l.last_reason);
		life_pass(&l, 6 * LIFE_HOUR);
		(void)life_flush(&l);
		life_move(&l);
	}
	assert_string_equal(life_phase(&l), "Protected");
	assert_int_equal(life_read(&l, "report-1", "/etc/shadow"), 1);
	life_done(&l);
}

static void a_cron_job_that_ran_once_learns_longer(void **state)
{
	struct life l;

	(void)state;
	life_init(&l, 0);
	l.group = "shop/CronJob/yearly/app";
	start(&l, "yearly-1");
	life_pass(&l, 25 * LIFE_HOUR);
	assert_string_equal(life_phase(&l), "Converging");
	assert_string_equal(life_group(&l)->learning.extension_reason, "the job ran at most once");
	life_pass(&l, 50 * LIFE_HOUR);
	assert_string_equal(life_phase(&l), "Protected");
	assert_string_equal(life_group(&l)->learning.partial_reason, "the job ran at most once");
	life_done(&l);
}

static void replicas_with_names_of_their_own_are_quiet_afterwards(void **state)
{
	static const char *const pods[] = {"web-a", "web-b", "web-c", "web-d"};
	struct life l;
	char path[64];

	(void)state;
	life_init(&l, 0);
	for (size_t i = 0; i < 3; i++) {
		start(&l, pods[i]);
		for (unsigned n = 0; n < 40; n++) {
			(void)snprintf(path, sizeof(path), "/var/session/sess_%08x",
				(unsigned)(2654435761u * (100 * i + n + 1)));
			assert_int_equal(life_read(&l, pods[i], path), 0);
		}
	}
	life_pass(&l, 24 * LIFE_HOUR);
	assert_string_equal(life_phase(&l), "Protected");
	assert_int_equal(baseline_count(life_group(&l)->baseline), 2);
	for (unsigned n = 0; n < 200; n++) {
		(void)snprintf(path, sizeof(path), "/var/session/sess_%08x",
			(unsigned)(2246822519u * (n + 1)));
		assert_int_equal(life_read(&l, pods[n % 4], path), 0);
	}
	assert_int_equal(life_read(&l, "web-a", "/var/session/passwd"), 1);
	(void)life_flush(&l);
	life_move(&l);
	assert_int_equal(life_read(&l, "web-a", path), 0);
	assert_int_equal(baseline_count(life_group(&l)->baseline), 2);
	life_done(&l);
}

/* Five kinds of attack while learning: each alerts once the group is protected. */
static void an_attack_while_learning_is_not_learned(void **state)
{
	static const struct {
		const char *name, *object, *detector;
		uint8_t kind;
		uint32_t aux, flags;
	} attacks[] = {
		{"kubectl exec", "/etc/passwd", "profile/file.read", PW_EVENT_OPEN, KIT_READ,
			PFLAG(NOT_FROM_INIT)},
		{"dropped program", "/tmp/.x/miner", "profile/exec", PW_EVENT_EXEC, 0,
			PFLAG(UPPER_LAYER)},
		{"memory file", "/memfd:x", "profile/exec", PW_EVENT_EXEC, 0, PFLAG(MEMFD)},
		{"dropped program connects", "6.6.6.6", "profile/net.egress", PW_EVENT_CONNECT,
			KIT_TCP(4444), PFLAG(UPPER_LAYER)},
		{"setuid from outside", "", "profile/privilege", PW_EVENT_SETID, 0,
			PFLAG(NOT_FROM_INIT)},
	};
	struct life l;

	(void)state;
	life_init(&l, 0);
	start(&l, "a");
	for (int times = 0; times < 3; times++)
		for (size_t i = 0; i < PW_COUNT(attacks); i++)
			assert_int_equal(life_event(&l, "a", attacks[i].kind, attacks[i].object,
						 attacks[i].aux, attacks[i].flags),
				0);
	life_pass(&l, 24 * LIFE_HOUR);
	assert_string_equal(life_phase(&l), "Protected");
	for (size_t i = 0; i < PW_COUNT(attacks); i++) {
		if (life_event(&l, "a", attacks[i].kind, attacks[i].object, attacks[i].aux,
			    attacks[i].flags) != 1)
			fail_msg("%s: quiet", attacks[i].name);
		assert_string_equal(l.last_detector, attacks[i].detector);
		if (!strstr(l.last_reason, "never in an accepted way"))
			fail_msg("%s: %s", attacks[i].name, l.last_reason);
	}
	life_done(&l);
}

/* A probe by exec runs in every replica; a person looks into one of them. */
static void probes_are_told_from_intruders_by_their_number(void **state)
{
	static const char *const pods[] = {"web-a", "web-b", "web-c"};
	uint32_t outside = PFLAG(NOT_FROM_INIT);
	struct life l;

	(void)state;
	life_init(&l, 0);
	for (size_t i = 0; i < PW_COUNT(pods); i++) {
		start(&l, pods[i]);
		for (int n = 0; n < 3; n++) {
			assert_int_equal(life_event(&l, pods[i], PW_EVENT_OPEN, "/health", KIT_READ,
						 outside),
				0);
			assert_int_equal(life_event(&l, pods[i], PW_EVENT_OPEN, "/etc/shadow",
						 KIT_READ, outside),
				0);
			assert_int_equal(life_event(&l, pods[i], PW_EVENT_EXEC, "/tmp/dropped", 0,
						 outside | PFLAG(UPPER_LAYER)),
				0);
		}
	}
	(void)life_event(&l, pods[1], PW_EVENT_OPEN, "/etc/hosts", KIT_READ, outside);
	life_pass(&l, 24 * LIFE_HOUR);
	assert_string_equal(life_phase(&l), "Protected");
	assert_int_equal(life_event(&l, pods[0], PW_EVENT_OPEN, "/health", KIT_READ, outside), 0);
	assert_int_equal(
		life_event(&l, pods[1], PW_EVENT_OPEN, "/etc/hosts", KIT_READ, outside), 1);
	assert_int_equal(
		life_event(&l, pods[1], PW_EVENT_OPEN, "/etc/shadow", KIT_READ, outside), 1);
	assert_int_equal(life_event(&l, pods[1], PW_EVENT_EXEC, "/tmp/dropped", 0,
				 outside | PFLAG(UPPER_LAYER)),
		1);
	life_done(&l);
}

/* Batches of the learning time that arrive after its end are learned, names included. */
static void late_batches_are_learned_and_generalised(void **state)
{
	static const char *const pods[] = {"web-a", "web-b", "web-c"};
	int64_t then;
	struct life l;
	char path[48];

	(void)state;
	life_init(&l, 0);
	for (size_t i = 0; i < PW_COUNT(pods); i++)
		start(&l, pods[i]);
	then = l.clock.wall_ns;
	life_pass(&l, 24 * LIFE_HOUR);
	assert_string_equal(life_phase(&l), "Protected");
	for (unsigned i = 0; i < 9; i++) {
		l.event_ns = then + i;
		(void)snprintf(path, sizeof(path), "/var/s/sess-%u", 1000 + i * 37);
		assert_int_equal(life_read(&l, pods[i % 3], path), 0);
	}
	l.event_ns = 0;
	assert_int_equal(life_read(&l, "web-a", "/var/s/sess-77777"), 0);
	assert_int_equal(life_read(&l, "web-a", "/var/s/other"), 1);
	life_done(&l);
}

/* The policy is replaced by one with these settings. */
static Podward__V1__ProfileSettings *wish(struct life *l)
{
	Podward__V1__ProfileSettings *s = l->snapshot.m.policies[0]->profile;

	policy_free(l->policy);
	l->policy = NULL;
	l->policy_version++;
	return s;
}

static void users_freeze_remove_relearn_and_start_over(void **state)
{
	Podward__V1__RemovedBehaviour out = PODWARD__V1__REMOVED_BEHAVIOUR__INIT, *outs = &out;
	Podward__V1__ProfileSettings *s;
	struct life l;

	(void)state;
	life_init(&l, 24ull * 3600 * PW_NS_PER_S);
	start(&l, "a");
	assert_int_equal(life_read(&l, "a", "/data/one"), 0);
	assert_int_equal(life_read(&l, "a", "/data/two"), 0);
	life_pass(&l, 24 * LIFE_HOUR);
	out.dimension = PODWARD__V1__DIMENSION__DIMENSION_FILE_READ;
	out.actor = kit_bytes("/usr/bin/app");
	out.object = kit_bytes("/data/two");
	s = wish(&l);
	s->removed = &outs;
	s->n_removed = 1;
	s->frozen = true;
	assert_int_equal(life_read(&l, "a", "/data/two"), 1);
	assert_non_null(strstr(l.last_reason, "taken out of the baseline by a user"));
	assert_string_equal(life_phase(&l), "Frozen");
	s = wish(&l);
	s->frozen = false;
	s->relearn_wall_ns = l.clock.wall_ns;
	assert_int_equal(life_read(&l, "a", "/data/three"), 0);
	assert_string_equal(life_phase(&l), "Relearning");
	/* Relearning lets new things in, not what was taken out. */
	assert_int_equal(life_read(&l, "a", "/data/two"), 0);
	life_pass(&l, 2 * LIFE_HOUR);
	assert_int_equal(life_read(&l, "a", "/data/three"), 0);
	assert_string_equal(life_phase(&l), "Protected");
	assert_int_equal(life_read(&l, "a", "/data/two"), 1);
	s = wish(&l);
	s->epoch = 1;
	assert_int_equal(life_read(&l, "a", "/data/one"), 0);
	assert_string_equal(life_phase(&l), "Collecting");
	assert_int_equal(baseline_count(life_group(&l)->baseline), 2);
	/* The store holds what was before; it does not come back. */
	(void)life_flush(&l);
	life_move(&l);
	assert_string_equal(life_phase(&l), "Collecting");
	assert_int_equal(life_group(&l)->learning.epoch, 1);
	life_done(&l);
}

/* More names than a baseline holds: folders are taken as a whole, nothing is refused. */
static void a_full_baseline_widens_instead_of_refusing(void **state)
{
	struct life l;
	char path[64];

	(void)state;
	life_init(&l, 0);
	start(&l, "a");
	for (unsigned i = 0; i < 60000; i++) {
		unsigned name = i / 500;

		(void)snprintf(path, sizeof(path), "/data/%c%c%c/%c%c-file", 'a' + i % 20,
			'a' + i / 20 % 25, 'k', 'a' + name % 26, 'a' + name / 26);
		assert_int_equal(life_read(&l, "a", path), 0);
	}
	assert_int_equal(baseline_refused(life_group(&l)->baseline), 0);
	assert_true(baseline_count(life_group(&l)->baseline) < BASELINE_KEYS_DEFAULT);
	assert_string_equal(life_group(&l)->learning.partial_reason, "");
	life_pass(&l, 24 * LIFE_HOUR);
	life_pass(&l, 24 * LIFE_HOUR);
	life_pass(&l, 24 * LIFE_HOUR);
	assert_int_equal(life_read(&l, "a", "/data/bck/ab-file"), 0);
	life_done(&l);
}

static void losses_make_it_partial_and_alerts_say_so(void **state)
{
	struct life l;

	(void)state;
	life_init(&l, 0);
	start(&l, "a");
	life_lose(&l, "a", 7);
	life_pass(&l, 24 * LIFE_HOUR);
	assert_string_equal(life_phase(&l), "Protected");
	assert_int_equal(life_read(&l, "a", "/x"), 1);
	assert_non_null(strstr(l.last_reason, "partial: events were lost while learning"));
	life_done(&l);
}

/* Half of the events never arrive; everything is told again later: the baseline is the same. */
static void what_was_lost_and_told_again_gives_the_same_baseline(void **state)
{
	struct life lossy, whole;
	char path[32];

	(void)state;
	life_init(&whole, 0);
	start(&whole, "a");
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(path, sizeof(path), "/d/%c%c", 'a' + i % 10, 'a' + i / 10);
		(void)life_read(&whole, "a", path);
	}
	life_init(&lossy, 0);
	start(&lossy, "a");
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(path, sizeof(path), "/d/%c%c", 'a' + i % 10, 'a' + i / 10);
		if (i % 2)
			(void)life_read(&lossy, "a", path);
		else
			life_lose(&lossy, "a", 1);
	}
	assert_int_equal(baseline_count(life_group(&lossy)->baseline), 51);
	for (unsigned i = 100; i-- > 0;) {
		(void)snprintf(path, sizeof(path), "/d/%c%c", 'a' + i % 10, 'a' + i / 10);
		(void)life_read(&lossy, "a", path);
	}
	life_repair(&lossy, "other", 49);
	assert_non_null(strstr(life_group(&lossy)->learning.partial_reason, "ring_full"));
	life_repair(&lossy, "a", 1);
	assert_int_equal(baseline_count(life_group(&lossy)->baseline),
		baseline_count(life_group(&whole)->baseline));
	assert_string_equal(life_group(&lossy)->learning.partial_reason, "");
	life_done(&lossy);
	life_done(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_is_learned_by_default_and_then_judged),
		cmocka_unit_test(a_quiet_profile_rests_and_news_wake_it),
		cmocka_unit_test(a_baseline_whose_start_was_never_seen_learns_longer),
		cmocka_unit_test(restarts_and_moves_neither_lose_nor_prolong_anything),
		cmocka_unit_test(a_clock_that_is_set_during_learning_changes_nothing),
		cmocka_unit_test(a_cron_job_is_learned_over_its_runs),
		cmocka_unit_test(a_cron_job_that_ran_once_learns_longer),
		cmocka_unit_test(replicas_with_names_of_their_own_are_quiet_afterwards),
		cmocka_unit_test(an_attack_while_learning_is_not_learned),
		cmocka_unit_test(probes_are_told_from_intruders_by_their_number),
		cmocka_unit_test(late_batches_are_learned_and_generalised),
		cmocka_unit_test(users_freeze_remove_relearn_and_start_over),
		cmocka_unit_test(a_full_baseline_widens_instead_of_refusing),
		cmocka_unit_test(losses_make_it_partial_and_alerts_say_so),
		cmocka_unit_test(what_was_lost_and_told_again_gives_the_same_baseline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
