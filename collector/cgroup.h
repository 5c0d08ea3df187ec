/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Cgroup path -> who lives there: runtime, container id, pod uid. Knows the cgroupfs and systemd
 * drivers of containerd, CRI-O, docker and podman, and systemd services. Only the text is looked
 * at. The outermost container of a path counts: directories below it are under the container's
 * own control and could carry any name.
 * Thread: any; no state.
 */
#include "common/base/slice.h"

enum cgroup_kind {
	CGROUP_PLAIN,     /* root, slices, pods: may hold containers below */
	CGROUP_HELPER,    /* conmon and the like: beside a container, never in it */
	CGROUP_UNIT,      /* systemd service */
	CGROUP_CONTAINER, /* container or something below it */
};

enum cgroup_runtime {
	CGROUP_RUNTIME_UNKNOWN,
	CGROUP_RUNTIME_CONTAINERD,
	CGROUP_RUNTIME_CRIO,
	CGROUP_RUNTIME_DOCKER,
	CGROUP_RUNTIME_PODMAN,
	CGROUP_RUNTIME_SYSTEMD,
	CGROUP_RUNTIMES
};

#define CGROUP_ID_LEN       64 /* hexadecimal digits of a container id */
#define CGROUP_POD_UID_SIZE 37 /* uuid with dashes and NUL */

struct cgroup_identity {
	enum cgroup_kind kind;
	enum cgroup_runtime runtime;
	struct pw_slice id;                /* into the path: container id or unit name */
	char pod_uid[CGROUP_POD_UID_SIZE]; /* "" = none */
	bool below;                        /* the path goes on below the container or unit */
};

/* Never fails: what is not recognised is CGROUP_PLAIN. */
void cgroup_identify(struct pw_slice path, struct cgroup_identity *ret);
const char *cgroup_runtime_name(enum cgroup_runtime runtime); /* "cri-o" */
/* The path of the v2 line ("0::/…") of /proc/PID/cgroup; empty when there is none. */
struct pw_slice cgroup_v2_line(struct pw_slice text);
/*
 * Mount point of the v2 hierarchy in the text of /proc/self/mountinfo (octal escapes are kept), the
 * last one wins as in the kernel. Empty when there is none.
 */
struct pw_slice cgroup_v2_mount(struct pw_slice mountinfo);
