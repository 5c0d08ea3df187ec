/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * struct event: one record after the trust boundary. Every slice points into the record it came
 * from and is checked; it lives as long as the record. Kinds and names: events.def.
 * Thread: the pipeline's.
 */
#include "collector/bpf/abi.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/slice.h"
#include "common/wire/batch.h"

enum event_type {
	EVENT_NONE = 0,
#define EVENT(suffix, name, wire) EVENT_##suffix,
#include "collector/events.def"
#undef EVENT
	EVENT_TYPES
};
_Static_assert(EVENT_TYPES == (int)ABI_KIND_COUNT, "events.def and enum abi_kind go together");

struct event_exec {
	struct abi_process parent;
	uint64_t inode, caps_effective, caps_permitted, caps_inheritable;
	uint32_t dev_major, dev_minor, euid, egid, session, tty, mnt_ns, pid_ns, pid_in_ns;
	uint32_t exec_flags, exe_flags, cwd_flags;
	struct pw_slice exe, filename, args, cwd;
	struct pw_slice env; /* whole, NAME=VALUE each with NUL: never leaves the node as it is */
};
struct event_fork {
	struct abi_process parent;
	uint32_t pid_in_ns;
};
struct event_exit {
	uint32_t status;
};
struct event_open {
	uint64_t inode;
	int32_t ret, dirfd;
	uint32_t open_flags, mode, dev_major, dev_minor, path_flags;
	struct pw_slice path;
};
struct event_connect {
	int32_t ret, fd;
	struct abi_address address;
	struct pw_slice path;
};
/* All further kinds; what is where: struct abi_call. */
struct event_call {
	uint64_t num[3];
	struct abi_process target;
	int32_t target_pid, ret;
	bool resolved;
	uint32_t base_flags, path_flags, base2_flags, path2_flags, mode;
	struct abi_address address;
	struct pw_slice base, path, base2, path2, text, data;
};
struct event_cgroup {
	uint64_t id, parent_id;
	uint32_t level, scope_flags;
	struct pw_slice path;
};

struct event {
	enum event_type type;
	uint32_t flags; /* ABI_FLAG_* */
	struct pw_boot time;
	struct pw_boot start; /* of the process; 0 = unknown */
	uint64_t cgroup;
	uint32_t pid, tid, ppid, uid, gid, group;
	uint16_t syscall;       /* x86-64 system call number + 1; 0 = none */
	struct abi_known known; /* all 0 for kinds that are not folded in the kernel */
	struct pw_slice comm;   /* empty for cgroup events */
	union {
		struct event_exec exec;
		struct event_fork fork;
		struct event_exit exit;
		struct event_open open;
		struct event_connect connect;
		struct event_call call;
		struct event_cgroup cgroup_dir;
	};
};

bool event_is_call(enum event_type type);                 /* its part is `call` */
const char *event_type_name(enum event_type type);        /* "open"; "unknown" outside the table */
enum pw_event_kind event_wire_kind(enum event_type type); /* PW_EVENT_NONE = stays on the node */
/* One line for logs and failing tests: "open pid=7 cgroup=12 path=/etc/passwd ret=3". */
int event_describe(const struct event *e, struct pw_buf *out);
