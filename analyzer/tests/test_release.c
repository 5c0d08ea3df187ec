/* SPDX-License-Identifier: Apache-2.0 */
/* New image versions, incidents and budgets, through the work of a shard. */
#include "analyzer/tests/life.h"
#include "common/testing/cm.h"

#include <stdio.h>

#define REPLICAS 5u
#define NEWS     20u

static void pod_name(char *out, const char *version, unsigned i)
{
	(void)snprintf(out, 16, "%s-%u", version, i);
}

/* Five replicas of web:1, a day of learning. */
static void learned(struct life *l)
{
	char pod[16];

	life_init(l, 0);
	for (unsigned i = 0; i < REPLICAS; i++) {
		pod_name(pod, "old", i);
		l->started_ns = l->clock.wall_ns;
		(void)life_read(l, pod, "/etc/app.conf");
		life_pass(l, 120ll * 1000000000ll);
		(void)life_read(l, pod, "/etc/app.conf");
	}
	l->started_ns = 0;
	life_pass(l, 24 * LIFE_HOUR);
	assert_string_equal(life_phase(l), "Protected");
	(void)life_flush(l);
}

static uint32_t do_news(struct life *l, const char *pod)
{
	uint32_t alerts = 0;
	char path[32];

	for (unsigned n = 0; n < NEWS; n++) {
		(void)snprintf(path, sizeof(path), "/new/feature-%c", 'a' + n);
		alerts += life_read(l, pod, path);
	}
	return alerts;
}

static void roll_out(struct life *l)
{
	char pod[16];

	l->image = "web:2";
	for (unsigned i = 0; i < REPLICAS; i++) {
		pod_name(pod, "new", i);
		assert_int_equal(life_read(l, pod, "/etc/app.conf"), 0);
		assert_int_equal(do_news(l, pod), 0);
	}
}

static void a_rollout_is_one_finding(void **state)
{
	struct life l;
	char pod[16];

	(void)state;
	learned(&l);
	roll_out(&l);
	assert_int_equal(life_flush(&l), 0);
	life_pass(&l, LIFE_HOUR);
	assert_int_equal(life_flush(&l), 1);
	assert_string_equal(l.last_detector, "profile/release");
	assert_non_null(strstr(l.last_reason, "did 20 things on at least 3 of 5 replicas"));
	assert_non_null(strstr(l.last_reason, "file.read /new/feature-a by /usr/bin/app"));
	for (unsigned i = 0; i < REPLICAS; i++) {
		pod_name(pod, "new", i);
		assert_int_equal(do_news(&l, pod), 0);
		assert_int_equal(life_read(&l, pod, "/other/thing"), i == 0);
	}
	life_pass(&l, LIFE_HOUR);
	assert_int_equal(life_flush(&l), 0);
	life_done(&l);
}

static void the_same_on_an_old_replica_alerts(void **state)
{
	struct life l;

	(void)state;
	learned(&l);
	assert_true(do_news(&l, "old-3") > 0);
	roll_out(&l);
	l.image = "web:1";
	life_pass(&l, LIFE_HOUR);
	assert_int_equal(life_flush(&l), 1);
	/* Accepted for the new version only. */
	assert_true(do_news(&l, "old-2") > 0);
	life_done(&l);
}

static void a_rollback_is_silent_and_relearns_nothing(void **state)
{
	struct life l;

	(void)state;
	learned(&l);
	roll_out(&l);
	life_pass(&l, LIFE_HOUR);
	assert_int_equal(life_flush(&l), 1);
	for (int owner = 0; owner < 2; owner++) {
		l.image = "web:1";
		assert_int_equal(life_read(&l, "old-7", "/etc/app.conf"), 0);
		assert_string_equal(life_phase(&l), "Protected");
		l.image = "web:2";
		assert_int_equal(do_news(&l, "new-8"), 0);
		life_pass(&l, 2 * LIFE_HOUR);
		assert_int_equal(life_flush(&l), 0);
		/* The same with what another owner knows from the store. */
		life_move(&l);
	}
	/* What the next version does as this one did is no news either. */
	l.image = "web:3";
	assert_int_equal(do_news(&l, "next-1"), 0);
	life_pass(&l, 2 * LIFE_HOUR);
	assert_int_equal(life_flush(&l), 0);
	life_done(&l);
}

static void what_one_new_replica_alone_does_is_told_and_stays_unknown(void **state)
{
	struct life l;

	(void)state;
	learned(&l);
	roll_out(&l);
	assert_int_equal(life_read(&l, "new-2", "/odd/thing"), 0);
	life_pass(&l, LIFE_HOUR);
	assert_int_equal(life_flush(&l), 1);
	assert_int_equal(l.last_severity, PODWARD__V1__SEVERITY__SEVERITY_HIGH);
	assert_non_null(strstr(l.last_reason, "1 things were done by fewer replicas"));
	assert_non_null(strstr(l.last_reason, "/odd/thing"));
	assert_int_equal(life_read(&l, "new-2", "/odd/thing"), 1);
	assert_non_null(strstr(l.last_reason, "too few of its replicas"));
	life_done(&l);
}

static void nothing_grave_hides_in_a_rollout(void **state)
{
	struct life l;

	(void)state;
	learned(&l);
	roll_out(&l);
	assert_int_equal(life_read(&l, "new-1", "/etc/shadow"), 1);
	assert_int_equal(life_event(&l, "new-1", PW_EVENT_EXEC, "/tmp/x", 0,
				 PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_UPPER_LAYER),
		1);
	assert_int_equal(life_event(&l, "new-1", PW_EVENT_OPEN, "/y", KIT_READ,
				 PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_NOT_FROM_INIT),
		1);
	life_done(&l);
}

static void a_thousand_names_of_one_form_are_one_alert_with_their_number(void **state)
{
	uint64_t count = 0;
	struct life l;
	char path[32];

	(void)state;
	learned(&l);
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(path, sizeof(path), "/loot/file%u", i);
		assert_int_equal(life_read(&l, "old-1", path), i == 0);
		count += l.last_count;
	}
	assert_int_equal(count, 1000);
	/* The same on another replica is the same incident. */
	assert_int_equal(life_read(&l, "old-2", "/loot/file5"), 0);
	assert_int_equal(l.last_count, 1);
	life_done(&l);
}

static void new_system_calls_are_one_incident(void **state)
{
	uint32_t alerts = 0;
	struct life l;

	(void)state;
	learned(&l);
	for (uint32_t i = 0; i < 40; i++)
		alerts += life_event(&l, "old-1", PW_EVENT_SYSCALL, "", i, 0);
	assert_int_equal(alerts, 1);
	assert_string_equal(l.last_detector, "profile/syscall");
	assert_int_equal(l.last_severity, PODWARD__V1__SEVERITY__SEVERITY_INFO);
	life_done(&l);
}

static void noise_ends_in_a_summary_that_counts_exactly(void **state)
{
	uint32_t alerts = 0;
	uint64_t count = 0;
	struct life l;
	char path[32];

	(void)state;
	learned(&l);
	for (unsigned i = 0; i < REPLICAS; i++) {
		pod_name(path, "old", i);
		assert_int_equal(life_read(&l, path, "/etc/app.conf"), 0);
	}
	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(
			path, sizeof(path), "/loot/%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26, 'k');
		alerts += life_read(&l, "old-1", path);
		count += l.last_count;
	}
	/* 20 of severity medium (several containers run, so one more than low), and the summary. */
	assert_int_equal(alerts, 21);
	assert_int_equal(count, 300);
	assert_string_equal(l.last_detector, "profile/overflow");
	/* Other severities have budgets of their own. */
	assert_int_equal(life_event(&l, "old-1", PW_EVENT_EXEC, "/tmp/x", 0,
				 PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_UPPER_LAYER),
		1);
	life_pass(&l, LIFE_HOUR);
	assert_int_equal(life_read(&l, "old-1", "/loot/again"), 1);
	assert_string_equal(l.last_detector, "profile/file.read");
	life_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rollout_is_one_finding),
		cmocka_unit_test(the_same_on_an_old_replica_alerts),
		cmocka_unit_test(a_rollback_is_silent_and_relearns_nothing),
		cmocka_unit_test(what_one_new_replica_alone_does_is_told_and_stays_unknown),
		cmocka_unit_test(nothing_grave_hides_in_a_rollout),
		cmocka_unit_test(a_thousand_names_of_one_form_are_one_alert_with_their_number),
		cmocka_unit_test(new_system_calls_are_one_incident),
		cmocka_unit_test(noise_ends_in_a_summary_that_counts_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
