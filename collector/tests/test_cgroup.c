/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define ID     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2    "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID    "8b3c1a52-7f0e-4c1d-9a6b-2f1e0d3c4b5a"
#define UID_   "8b3c1a52_7f0e_4c1d_9a6b_2f1e0d3c4b5a"
#define STATIC "d1f7a4c9e2b84f6f9f0d1c2b3a495867"
#define PLAIN  CGROUP_PLAIN, CGROUP_RUNTIME_UNKNOWN, "", "", false
#define CTR    CGROUP_CONTAINER, CGROUP_RUNTIME_CONTAINERD, ID
#define CRIO   CGROUP_CONTAINER, CGROUP_RUNTIME_CRIO, ID
#define DOCKER CGROUP_CONTAINER, CGROUP_RUNTIME_DOCKER, ID
#define PODMAN CGROUP_CONTAINER, CGROUP_RUNTIME_PODMAN, ID
#define ANY    CGROUP_CONTAINER, CGROUP_RUNTIME_UNKNOWN, ID
#define UNIT   CGROUP_UNIT, CGROUP_RUNTIME_SYSTEMD

static const struct row {
	const char *path;
	enum cgroup_kind kind;
	enum cgroup_runtime runtime;
	const char *id;
	const char *pod_uid;
	bool below;
} rows[] = {
	/* nothing */
	{"", PLAIN},
	{"/", PLAIN},
	{"//", PLAIN},
	{"/init.scope", PLAIN},
	{"/system.slice", PLAIN},
	{"/user.slice/user-0.slice/session-3.scope", PLAIN},
	{"/kubepods", PLAIN},
	{"/kubepods/burstable", PLAIN},
	{"/kubepods.slice/kubepods-burstable.slice", PLAIN},
	{"/process_api/3a4596abe72ae929ff6d59777f2aea2e", PLAIN},
	{"/docker", PLAIN},
	{"/machine.slice", PLAIN},
	{"/docker/short", PLAIN},
	{"/libpod_parent", PLAIN},
	/* pods alone */
	{"/kubepods/burstable/pod" UID, CGROUP_PLAIN, CGROUP_RUNTIME_UNKNOWN, "", UID, false},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice", CGROUP_PLAIN, CGROUP_RUNTIME_UNKNOWN, "",
		UID, false},
	{"/kubepods/pod-not-a-uid", PLAIN},
	/* containerd, cgroupfs */
	{"/kubepods/burstable/pod" UID "/" ID, CTR, UID, false},
	{"/kubepods/besteffort/pod" UID "/" ID, CTR, UID, false},
	{"/kubepods/pod" UID "/" ID, CTR, UID, false},
	{"/kubepods/burstable/pod" STATIC "/" ID, CTR, STATIC, false},
	{"/default/" ID, CTR, "", false},
	{"/k8s.io/" ID, CTR, "", false},
	{"/kubepods/burstable/pod" UID "/" ID "/nested/deeper", CTR, UID, true},
	/* containerd, systemd */
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
	 ".slice/cri-containerd-" ID ".scope",
		CTR, UID, false},
	{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_
	 ".slice/cri-containerd-" ID ".scope",
		CTR, UID, false},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope", CTR, UID, false},
	{"/kubepods.slice/kubepods-pod" STATIC ".slice/cri-containerd-" ID ".scope", CTR, STATIC,
		false},
	{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
	 "kubelet-kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope",
		CTR, UID, false},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope/init.scope", CTR,
		UID, true},
	{"/system.slice/containerd.service/kubepods-burstable-pod" UID_ ".slice:cri-containerd:" ID,
		CTR, UID, false},
	{"/kubepods-besteffort-pod" UID_ ".slice:cri-containerd:" ID, CTR, UID, false},
	{"/system.slice/nerdctl-" ID ".scope", CTR, "", false},
	{"/system.slice/containerd-" ID ".scope", CTR, "", false},
	/* CRI-O */
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/crio-" ID
	 ".scope",
		CRIO, UID, false},
	{"/kubepods/burstable/pod" UID "/crio-" ID, CRIO, UID, false},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope/container", CRIO, UID, true},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" ID ".scope", CGROUP_HELPER,
		CGROUP_RUNTIME_CRIO, ID, UID, false},
	{"/kubepods-pod" UID_ ".slice:crio:" ID, CRIO, UID, false},
	/* docker */
	{"/docker/" ID, DOCKER, "", false},
	{"/system.slice/docker-" ID ".scope", DOCKER, "", false},
	{"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID ".scope", DOCKER, "",
		false},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/docker-" ID ".scope", DOCKER, UID, false},
	{"/docker/" ID "/kubelet/kubepods/pod" UID "/" ID2, DOCKER, "", true},
	{"/docker/" ID "/docker/" ID2, DOCKER, "", true},
	{"/kubepods-pod" UID_ ".slice:docker:" ID, DOCKER, UID, false},
	{"/actions_job/" ID, ANY, "", false},
	{"/../../docker/" ID, DOCKER, "", false},
	/* podman */
	{"/libpod_parent/libpod-" ID, PODMAN, "", false},
	{"/libpod_parent/" ID2 "/libpod-" ID, PODMAN, "", false},
	{"/libpod_parent/" ID, PLAIN},
	{"/libpod_parent/conmon", CGROUP_HELPER, CGROUP_RUNTIME_PODMAN, "", "", false},
	{"/libpod_parent/libpod-conmon-" ID, CGROUP_HELPER, CGROUP_RUNTIME_PODMAN, ID, "", false},
	{"/machine.slice/libpod-" ID ".scope", PODMAN, "", false},
	{"/machine.slice/libpod-" ID ".scope/container", PODMAN, "", true},
	{"/machine.slice/libpod-conmon-" ID ".scope", CGROUP_HELPER, CGROUP_RUNTIME_PODMAN, ID, "",
		false},
	{"/machine.slice/machine-libpod_pod_" ID2 ".slice/libpod-" ID ".scope", PODMAN, "", false},
	{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container",
		PODMAN, "", true},
	{"/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_" ID2
	 ".slice/libpod-" ID ".scope",
		PODMAN, "", false},
	{"/system.slice/web.service/libpod-payload-" ID, PODMAN, "", false},
	/* the outermost container counts, whatever is made below it */
	{"/docker/" ID "/libpod-" ID2 ".scope", DOCKER, "", true},
	{"/machine.slice/libpod-" ID ".scope/kubepods/pod" UID "/" ID2, PODMAN, "", true},
	/* units */
	{"/system.slice/ssh.service", UNIT, "ssh.service", "", false},
	{"/system.slice/system-getty.slice/getty@tty1.service", UNIT, "getty@tty1.service", "",
		false},
	{"/system.slice/ssh.service/child", UNIT, "ssh.service", "", true},
	{"/user.slice/user-0.slice/user@0.service/app.slice/a.service", UNIT, "user@0.service", "",
		true},
	{"/system.slice/system-a\\x2db.slice/a\\x2db@x.service", UNIT, "a\\x2db@x.service", "",
		false},
	{"/system.slice/.service", PLAIN},
	/* nearly */
	{"/system.slice/docker-" ID "0.scope", PLAIN},
	{"/system.slice/docker-.scope", PLAIN},
	{"/docker/" ID "0", PLAIN},
	{"/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", PLAIN},
	{"/kubepods-pod" UID_ ".slice:other:" ID, PLAIN},
	{"/kubepods-pod" UID_ ".slice:cri-containerd:short", PLAIN},
	{"/kubepods/burstable/pod" UID "x/" ID, ANY, "", false},
	{"/kubepods.slice/kubepods-podzz3c1a52_7f0e_4c1d_9a6b_2f1e0d3c4b5a.slice/cri-containerd-" ID
	 ".scope",
		CTR, "", false},
};

static void every_known_layout_of_cgroups_is_recognised(void **state)
{
	(void)state;
	assert_true(sizeof(rows) / sizeof(rows[0]) >= 60);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct cgroup_identity who;

		cgroup_identify(pw_slice_str(row->path), &who);
		if (who.kind != row->kind || who.runtime != row->runtime ||
			!pw_slice_eq_str(who.id, row->id) ||
			strcmp(who.pod_uid, row->pod_uid) != 0 || who.below != row->below)
			fail_msg("%s: kind %d runtime %d id %.*s pod %s below %d", row->path,
				(int)who.kind, (int)who.runtime, (int)who.id.len,
				who.id.len ? (const char *)who.id.ptr : "", who.pod_uid, who.below);
	}
}

static void the_v2_line_of_a_process_is_found_among_the_others(void **state)
{
	static const struct {
		const char *text, *path;
	} lines[] = {
		{"0::/a/b\n", "/a/b"},
		{"9:name=systemd:/\n8:pids:/x\n0::/libpod_parent/y\n", "/libpod_parent/y"},
		{"0::/\n", "/"},
		{"8:pids:/x\n", ""},
		{"", ""},
		{"0::/a", "/a"},
		{"10::/a\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct pw_slice path = cgroup_v2_line(pw_slice_str(lines[i].text));

		assert_true(pw_slice_eq_str(path, lines[i].path));
	}
}

static void the_mount_point_is_found_in_every_mode(void **state)
{
	static const struct {
		const char *text, *path;
	} mounts[] = {
		{"35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
			"/sys/fs/cgroup"},
		{"30 24 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
		 "31 30 0:27 / /sys/fs/cgroup/unified rw shared:1 - cgroup2 cgroup2 rw\n"
		 "32 30 0:28 / /sys/fs/cgroup/pids rw shared:2 - cgroup cgroup rw,pids\n",
			"/sys/fs/cgroup/unified"},
		{"32 30 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n", ""},
		{"35 24 0:30 / /a rw - cgroup2 c rw\n36 24 0:30 / /b rw master:1 propagate_from:2 "
		 "- "
		 "cgroup2 c rw\n",
			"/b"},
		{"nonsense\n\n - - -\n", ""},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++)
		assert_true(pw_slice_eq_str(
			cgroup_v2_mount(pw_slice_str(mounts[i].text)), mounts[i].path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_known_layout_of_cgroups_is_recognised),
		cmocka_unit_test(the_v2_line_of_a_process_is_found_among_the_others),
		cmocka_unit_test(the_mount_point_is_found_in_every_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
