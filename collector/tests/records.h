/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Makes raw records as the kernel side would, for tests. One record at a time, in its own memory.
 */
#include "collector/bpf/abi.h"
#include "common/base/slice.h"

struct records {
	_Alignas(8) uint8_t bytes[ABI_RECORD_MAX];
	size_t len;
};

/* Who and where; the same for every record of a process. */
struct records_actor {
	uint64_t time, start, cgroup;
	uint32_t pid, ppid, uid, gid;
	uint32_t pid_in_ns, mnt_ns, pid_ns;
	const char *comm;
};

void records_exec(struct records *r, const struct records_actor *a, const char *exe,
	struct pw_slice args, uint64_t parent_start);
void records_exec_env(struct records *r, const struct records_actor *a, const char *exe,
	struct pw_slice args, struct pw_slice env);
void records_fork(struct records *r, const struct records_actor *a, uint64_t parent_start);
void records_exit(struct records *r, const struct records_actor *a, uint32_t status);
void records_open(struct records *r, const struct records_actor *a, const char *path,
	uint32_t open_flags, int32_t ret);
void records_connect4(struct records *r, const struct records_actor *a, const char *address,
	uint16_t port, int32_t ret);
/* Parts of a struct abi_call; what is NULL or 0 is absent. */
struct records_call {
	const char *base, *path, *base2, *path2, *text;
	struct pw_slice data;
	uint64_t num[3];
	struct abi_process target;
	int32_t target_pid, ret;
	uint32_t mode;
	uint16_t syscall;
	uint16_t flags; /* ABI_FLAG_* */
	struct abi_address address;
	struct abi_known known;
};
void records_call(struct records *r, const struct records_actor *a, uint16_t kind,
	const struct records_call *call);
void records_mkdir(
	struct records *r, uint64_t time, uint64_t id, uint64_t parent_id, const char *path);
void records_rmdir(struct records *r, uint64_t time, uint64_t id, const char *path);
