/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What /proc says about processes: all of them at start, single ones when events were lost. The
 * texts are foreign (a process chooses its own name and arguments): the parsers take any bytes.
 * Thread: the pipeline's. Ceilings: 64 KiB for one file, 16 KiB of arguments.
 */
#include "collector/proc.h"
#include "common/base/err.h"

struct procfs;

/* root: "/proc", or a copy of the same shape for tests. */
int procfs_open(const char *root, struct procfs **ret, struct pw_err *err) PW_MUST_CHECK;
void procfs_close(struct procfs *p);
/* Fits proc_lookup_fn with the struct procfs as ctx. -ESRCH when gone, other -errno. */
int procfs_read(void *p, uint32_t pid, struct proc_facts *ret) PW_MUST_CHECK;
/* Path of the process's v2 cgroup, valid until the next call; empty slice and -ESRCH when gone. */
int procfs_cgroup(struct procfs *p, uint32_t pid, struct pw_slice *ret) PW_MUST_CHECK;
/*
 * Calls fn for each process, older ones first (so parents come before children). fn's negative
 * result stops. Returns the number of processes, or a negative errno.
 */
int procfs_scan(struct procfs *p, int (*fn)(void *ctx, uint32_t pid), void *ctx) PW_MUST_CHECK;
/*
 * Inode number of the host's mount namespace: that of process 1, else of process 2, else our own;
 * 0 = unknown.
 */
uint32_t procfs_host_mnt_ns(struct procfs *p);

/* Parsers of foreign text; outputs untouched on failure (-EINVAL). */
struct procfs_stat {
	struct pw_slice comm;        /* may hold blanks and parentheses */
	uint32_t ppid, session, tty; /* tty: major << 20 | minor */
	uint64_t start_ticks;
};
struct procfs_status {
	uint32_t tgid, uid, gid, pid_in_ns; /* real ids; pid_in_ns 0 when the kernel does not say */
};
int procfs_parse_stat(struct pw_slice text, struct procfs_stat *ret) PW_MUST_CHECK;
int procfs_parse_status(struct pw_slice text, struct procfs_status *ret) PW_MUST_CHECK;
