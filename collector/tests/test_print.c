/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/print_filter.h"
#include "collector/tests/pipeline_rig.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static void lines_are_json_with_container_process_and_lineage(void **state)
{
	static const char *const parts[] = {
		"\"type\":\"open\"",
		"\"container\":{\"id\":\"" ID "\",\"runtime\":\"podman\","
		"\"group\":\"standalone/podman/0123456789ab/main\"",
		"\"exe\":\"/bin/cat\",\"args\":[\"cat\",\"x\"]",
		"\"lineage\":[{\"pid\":100,\"exe\":\"/bin/sh\"}]",
		"\"object\":\"/etc/passwd\",\"access\":[\"read\"],\"result\":3",
		"\"family\":\"inet\",\"protocol\":\"tcp\",\"port\":443",
	};
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig_begin(&rig);
	rig_run_child(&rig, 101, 3 * S);
	for (size_t i = 0; i < PW_COUNT(parts); i++)
		if (!strstr(pw_buf_text(&rig.lines), parts[i]))
			fail_msg("%s is not in %s", parts[i], pw_buf_text(&rig.lines));
	rig_done(&rig);
}

static void compact_lines_are_for_people(void **state)
{
	struct rig rig;

	(void)state;
	assert_int_equal(rig_init(&rig, true), 0);
	rig.print.form = PRINT_COMPACT;
	rig_begin(&rig);
	rig_run_child(&rig, 101, 3 * S);
	assert_non_null(strstr(pw_buf_text(&rig.lines),
		"00:00:03.000 standalone/podman/0123456789ab/main connect cat(101 < sh) 10.0.0.1 "
		"tcp/443 -> "));
	rig.print.colour = true;
	pw_buf_clear(&rig.lines);
	rig_run_child(&rig, 102, 4 * S);
	assert_non_null(strstr(pw_buf_text(&rig.lines), "\033[1;32mexec"));
	rig_done(&rig);
}

static bool passes(const char *containers, const char *kinds, const char *processes)
{
	struct container c = {.id = PW_SLICE_LIT(ID),
		.pod_group = PW_SLICE_LIT("shop/Deployment/web/main"),
		.name = PW_SLICE_LIT("main")};
	struct program program = {
		.exe = PW_SLICE_LIT("/usr/bin/curl"), .comm = PW_SLICE_LIT("curl")};
	struct image image = {.container = &c, .program = &program, .pid = 77};
	struct event event = {.type = EVENT_OPEN};
	struct pipeline_view view = {&event, &image, NULL, false};
	struct print_filter filter;

	assert_int_equal(print_filter_init(&filter, containers, kinds, processes, NULL), 0);
	return print_filter_passes(&filter, &view);
}

static void only_what_is_asked_for_is_shown(void **state)
{
	static const struct {
		const char *containers, *kinds, *processes;
		bool passes;
	} rows[] = {
		{NULL, NULL, NULL, true},
		{"0123456789ab", NULL, NULL, true},
		{"123456789ab", NULL, NULL, false},
		{"shop/*", NULL, NULL, true},
		{"main", NULL, NULL, true},
		{"other, main", NULL, NULL, true},
		{"host", NULL, NULL, false},
		{NULL, "open", NULL, true},
		{NULL, "exec,connect", NULL, false},
		{NULL, "exec, open", NULL, true},
		{NULL, NULL, "77", true},
		{NULL, NULL, "7", false},
		{NULL, NULL, "/usr/bin/*", true},
		{NULL, NULL, "curl", true},
		{NULL, NULL, "wget,bash", false},
		{"shop/*", "open", "wget", false},
		{"none", "open", "curl", false},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		if (passes(rows[i].containers, rows[i].kinds, rows[i].processes) != rows[i].passes)
			fail_msg("row %zu", i);
}

static void bad_filters_are_named(void **state)
{
	static const struct {
		const char *containers, *kinds, *processes, *words;
	} rows[] = {
		{"a,,b", NULL, NULL, "--print-containers: an empty word"},
		{NULL, "exec,nothing", NULL, "--print-kinds: unknown kind \"nothing\""},
		{NULL, NULL, "", "--print-processes: an empty word"},
		{NULL, NULL, " ", "--print-processes: an empty word"},
	};
	char many[PRINT_FILTER_WORDS * 2 + 2];

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct print_filter filter;
		struct pw_err err = PW_ERR_INIT;
		int r = print_filter_init(
			&filter, rows[i].containers, rows[i].kinds, rows[i].processes, &err);

		assert_int_equal(r, rows[i].words ? -EINVAL : 0);
		if (rows[i].words)
			assert_non_null(strstr(err.msg, rows[i].words));
	}
	for (size_t i = 0; i < sizeof(many) - 1; i++)
		many[i] = i % 2 ? ',' : 'a';
	many[sizeof(many) - 1] = '\0';
	assert_int_equal(
		print_filter_init(&(struct print_filter){0}, many, NULL, NULL, NULL), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_json_with_container_process_and_lineage),
		cmocka_unit_test(compact_lines_are_for_people),
		cmocka_unit_test(only_what_is_asked_for_is_shown),
		cmocka_unit_test(bad_filters_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
