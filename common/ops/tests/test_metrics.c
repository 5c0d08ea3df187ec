/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/loop.h"
#include "common/ops/metrics.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { EVENTS, QUEUE, LATENCY, DROPS };

static const double bounds[] = {0.001, 0.5, 10};
static const struct pw_metric_spec specs[] = {
	[EVENTS] = {"podward_test_events_total", PW_COUNTER, "Events seen", {"kind", "verdict"},
		NULL, 0, 3},
	[QUEUE] = {"podward_test_queue_items", PW_GAUGE, "Waiting items, a \\ and\na line", {NULL},
		NULL, 0, 0},
	[LATENCY] = {"podward_test_latency_seconds", PW_HISTOGRAM, "Time taken", {"kind"}, bounds,
		3, 0},
	[DROPS] = {"podward_test_drops_total", PW_COUNTER, "Drops", {NULL}, NULL, 0, 0},
};

static struct pw_metrics *make(void)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_metrics *m;

	assert_int_equal(pw_metrics_new("podward_test", specs, PW_COUNT(specs), &m, &err), 0);
	return m;
}

static void expect_text(struct pw_metrics *m, const char *const *wanted)
{
	pw_auto_buf out;

	pw_buf_init(&out, 1 << 20);
	assert_int_equal(pw_metrics_render(m, &out), 0);
	for (; *wanted; wanted++) {
		if (!strstr(pw_buf_text(&out), *wanted))
			fail_msg("missing: %s\nin:\n%s", *wanted, pw_buf_text(&out));
	}
}

static void values_are_shown_in_the_text_form(void **state)
{
	static const char *const wanted[] = {
		"# HELP podward_test_events_total Events seen\n"
		"# TYPE podward_test_events_total counter\n"
		"podward_test_events_total{kind=\"exec\",verdict=\"a\\\"b\\\\c\\nd\"} 5\n",
		"# HELP podward_test_queue_items Waiting items, a \\\\ and\\na line\n"
		"# TYPE podward_test_queue_items gauge\npodward_test_queue_items 1.5\n",
		"podward_test_latency_seconds_bucket{kind=\"x\",le=\"0.001\"} 1\n"
		"podward_test_latency_seconds_bucket{kind=\"x\",le=\"0.5\"} 2\n"
		"podward_test_latency_seconds_bucket{kind=\"x\",le=\"10\"} 2\n"
		"podward_test_latency_seconds_bucket{kind=\"x\",le=\"+Inf\"} 3\n"
		"podward_test_latency_seconds_sum{kind=\"x\"} 100.5005\n"
		"podward_test_latency_seconds_count{kind=\"x\"} 3\n",
		"podward_test_drops_total 0\n",
		"podward_test_build_info{version=\"" PODWARD_VERSION "\"} 1\n",
		"podward_test_process_open_fds ",
		"podward_test_metrics_series_dropped_total 0\n",
		NULL,
	};
	struct pw_metrics *m = make();
	struct pw_metric_series *latency = pw_metric(m, LATENCY, "x", NULL, NULL);

	(void)state;
	pw_metric_add(pw_metric(m, EVENTS, "exec", "a\"b\\c\nd", NULL), 2);
	pw_metric_add(pw_metric(m, EVENTS, "exec", "a\"b\\c\nd", NULL), 3);
	pw_metric_set(pw_metric(m, QUEUE, NULL, NULL, NULL), 1.5);
	pw_metric_observe(latency, 0.0005);
	pw_metric_observe(latency, 0.5); /* a bound belongs to its bucket */
	pw_metric_observe(latency, 100);
	expect_text(m, wanted);
	assert_int_equal(pw_metric_value(latency), 3);
	pw_metrics_free(m);
	pw_metrics_free(NULL);
}

static void label_values_past_the_ceiling_fall_into_other(void **state)
{
	static const char *const wanted[] = {
		"podward_test_events_total{kind=\"3\",verdict=\"\"} 1\n"
		"podward_test_events_total{kind=\"other\",verdict=\"other\"} 7\n"
		"# HELP podward_test_queue_items",
		"podward_test_metrics_series_dropped_total 7\n",
		NULL,
	};
	struct pw_metrics *m = make();
	char kind[16];

	(void)state;
	for (int i = 1; i <= 10; i++) {
		(void)snprintf(kind, sizeof(kind), "%d", i);
		pw_metric_add(pw_metric(m, EVENTS, kind, NULL, NULL), 1);
	}
	expect_text(m, wanted);
	pw_metrics_free(m);
}

static void long_and_broken_label_values_make_one_series(void **state)
{
	static const char *const wanted[] = {
		"podward_test_latency_seconds_count{kind=\"\\\\xff\"} 2\n",
		"podward_test_latency_seconds_count{kind=\"other\"} 1\n",
		NULL,
	};
	struct pw_metrics *m = make();
	char text[300];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_ptr_equal(
		pw_metric(m, LATENCY, text, NULL, NULL), pw_metric(m, LATENCY, text, NULL, NULL));
	pw_metric_observe(pw_metric(m, LATENCY, "\xff", NULL, NULL), 1);
	pw_metric_observe(pw_metric(m, LATENCY, "\xff", NULL, NULL), 1);
	pw_metric_observe(pw_metric(m, LATENCY, "other", NULL, NULL), 1);
	assert_ptr_equal(pw_metric(m, LATENCY, "other", NULL, NULL),
		pw_metric(m, LATENCY, "other", NULL, NULL));
	expect_text(m, wanted);
	pw_metrics_free(m);
}

static void a_copied_counter_never_falls(void **state)
{
	struct pw_metrics *m = make();
	struct pw_metric_series *s = pw_metric(m, DROPS, NULL, NULL, NULL);

	(void)state;
	pw_metric_set_counter(s, 10);
	pw_metric_set_counter(s, 7);
	assert_int_equal(pw_metric_value(s), 10);
	pw_metrics_free(m);
}

static void special_numbers_have_their_names(void **state)
{
	static const struct {
		double value;
		const char *want;
	} rows[] = {
		{NAN, "queue_items NaN\n"},
		{INFINITY, "queue_items +Inf\n"},
		{-INFINITY, "queue_items -Inf\n"},
		{-2, "queue_items -2\n"},
		{0, "queue_items 0\n"},
		{1e300, "queue_items 1e+300\n"},
	};
	struct pw_metrics *m = make();

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		const char *const wanted[] = {rows[i].want, NULL};

		pw_metric_set(pw_metric(m, QUEUE, NULL, NULL, NULL), rows[i].value);
		expect_text(m, wanted);
	}
	pw_metrics_free(m);
}

static void copy_in(void *ctx)
{
	pw_metric_set_counter(pw_metric(ctx, DROPS, NULL, NULL, NULL), 42);
}

static void totals_are_copied_in_before_each_rendering(void **state)
{
	static const char *const wanted[] = {"podward_test_drops_total 42\n", NULL};
	struct pw_metrics *m = make();

	(void)state;
	pw_metrics_on_collect(m, copy_in, m);
	expect_text(m, wanted);
	pw_metrics_free(m);
}

static void wrong_tables_are_refused(void **state)
{
	static const double falling[] = {2, 1};
	static const struct {
		struct pw_metric_spec spec;
		const char *want;
	} rows[] = {
		{{.name = "x_total", .help = "h"},
			"metric x_total: name must start with podward_test"},
		{{.name = "podward_test_h", .type = PW_HISTOGRAM, .help = "h"},
			"metric podward_test_h: histogram without buckets"},
		{{.name = "podward_test_h",
			 .type = PW_HISTOGRAM,
			 .help = "h",
			 .buckets = falling,
			 .bucket_count = 2},
			"metric podward_test_h: buckets must rise"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		struct pw_metrics *m;

		assert_int_equal(
			pw_metrics_new("podward_test", &rows[i].spec, 1, &m, &err), -EINVAL);
		assert_string_equal(err.msg, rows[i].want);
	}
}

static void docs_have_a_row_for_each_metric(void **state)
{
	pw_auto_buf out;

	(void)state;
	pw_buf_init(&out, 10000);
	assert_int_equal(pw_metrics_doc(specs, PW_COUNT(specs), &out), 0);
	assert_non_null(strstr(pw_buf_text(&out),
		"| `podward_test_events_total` | counter | `kind`, `verdict` | Events seen |\n"));
}

static void count_up(void *ctx)
{
	char kind[16];

	for (int i = 0; i < 20000; i++) {
		(void)snprintf(kind, sizeof(kind), "%d", i % 5);
		pw_metric_add(pw_metric(ctx, EVENTS, kind, NULL, NULL), 1);
		pw_metric_observe(pw_metric(ctx, LATENCY, kind, NULL, NULL), 0.25);
	}
}

static void threads_lose_no_count_while_pages_are_made(void **state)
{
	struct pw_metrics *m = make();
	struct pw_thread *threads[2];
	uint64_t total = 0;

	(void)state;
	for (size_t i = 0; i < PW_COUNT(threads); i++)
		assert_int_equal(pw_thread_start("count", count_up, m, &threads[i]), 0);
	for (int i = 0; i < 50; i++) {
		static const char *const wanted[] = {"podward_test_drops_total 0\n", NULL};

		expect_text(m, wanted);
	}
	for (size_t i = 0; i < PW_COUNT(threads); i++)
		pw_thread_join(threads[i]);
	for (int i = 0; i < 5; i++) {
		const char kind[] = {(char)('0' + i), '\0'};

		total += pw_metric_value(pw_metric(m, LATENCY, kind, NULL, NULL));
	}
	assert_int_equal(total, 40000);
	pw_metrics_free(m);
}

static int make_and_render(void *ctx)
{
	struct pw_metrics *m = NULL;
	pw_auto_buf out;
	int r = pw_metrics_new("podward_test", specs, PW_COUNT(specs), &m, NULL);

	(void)ctx;
	pw_buf_init(&out, 1 << 20);
	if (r < 0)
		return r;
	pw_metric_add(pw_metric(m, EVENTS, "a", "b", NULL), 1); /* falls into other, never fails */
	pw_metric_observe(pw_metric(m, LATENCY, "\xff", NULL, NULL), 1);
	r = pw_metrics_render(m, &out);
	pw_metrics_free(m);
	return r;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(make_and_render, NULL) >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_shown_in_the_text_form),
		cmocka_unit_test(label_values_past_the_ceiling_fall_into_other),
		cmocka_unit_test(long_and_broken_label_values_make_one_series),
		cmocka_unit_test(a_copied_counter_never_falls),
		cmocka_unit_test(special_numbers_have_their_names),
		cmocka_unit_test(totals_are_copied_in_before_each_rendering),
		cmocka_unit_test(wrong_tables_are_refused),
		cmocka_unit_test(docs_have_a_row_for_each_metric),
		cmocka_unit_test(threads_lose_no_count_while_pages_are_made),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
