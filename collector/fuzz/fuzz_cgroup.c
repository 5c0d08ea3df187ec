/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a cgroup path, as /proc/PID/cgroup and as mountinfo. */
#include "collector/cgroup.h"
#include "common/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct pw_slice s, const uint8_t *data, size_t size)
{
	if (s.len > 0)
		pw_assert(s.ptr >= data && s.ptr + s.len <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_slice text = pw_slice_of(data, size);
	struct cgroup_identity who;

	cgroup_identify(text, &who);
	check_inside(who.id, data, size);
	if (who.kind == CGROUP_CONTAINER)
		pw_assert(who.id.len == CGROUP_ID_LEN);
	pw_assert(memchr(who.pod_uid, 0, sizeof(who.pod_uid)));
	check_inside(cgroup_v2_line(text), data, size);
	check_inside(cgroup_v2_mount(text), data, size);
	return 0;
}
