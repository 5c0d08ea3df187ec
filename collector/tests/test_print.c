/* SPDX-License-Identifier: Apache-2.0 */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_json_with_container_process_and_lineage),
		cmocka_unit_test(compact_lines_are_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
