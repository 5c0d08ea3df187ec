/* SPDX-License-Identifier: Apache-2.0 */
/* What Prometheus itself says about the text form: promtool check metrics. */
#include "common/ops/metrics.h"
#include "common/testing/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double bounds[] = {0.001, 0.5, 10};
static const struct pw_metric_spec specs[] = {
	{"podward_test_events_total", PW_COUNTER, "Events seen", {"kind"}, NULL, 0, 0},
	{"podward_test_queue_items", PW_GAUGE, "Waiting items", {NULL}, NULL, 0, 0},
	{"podward_test_latency_seconds", PW_HISTOGRAM, "Time taken", {"kind"}, bounds, 3, 0},
};

static int check(const char *text, size_t len)
{
	FILE *tool = popen("promtool check metrics", "w");

	assert_non_null(tool);
	assert_int_equal(fwrite(text, 1, len, tool), len);
	return pclose(tool);
}

static void promtool_finds_nothing_to_say(void **state)
{
	struct pw_metrics *m;
	pw_auto_buf out;

	(void)state;
	pw_buf_init(&out, 1 << 20);
	assert_int_equal(pw_metrics_new("podward_test", specs, PW_COUNT(specs), &m, NULL), 0);
	pw_metric_add(pw_metric(m, 0, "a\"b\\c\nd", NULL, NULL), 3);
	pw_metric_add(pw_metric(m, 0, "\xff\x1b", NULL, NULL), 1);
	pw_metric_set(pw_metric(m, 1, NULL, NULL, NULL), 0.1);
	pw_metric_observe(pw_metric(m, 2, "x", NULL, NULL), 0.2);
	assert_int_equal(pw_metrics_render(m, &out), 0);
	assert_int_equal(check(pw_buf_text(&out), out.len), 0);
	pw_metrics_free(m);
}

static void promtool_would_say_it(void **state)
{
	static const char broken[] = "# TYPE a counter\na{b=\"c} 1\n";

	(void)state;
	assert_int_not_equal(check(broken, sizeof(broken) - 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(promtool_finds_nothing_to_say),
		cmocka_unit_test(promtool_would_say_it),
	};

	if (system("promtool --version > /dev/null 2>&1") != 0) {
		(void)printf("SKIP: promtool is not installed (package prometheus)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
