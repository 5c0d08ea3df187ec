/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * First uses by a cgroup: of a system call (sys.bpf.c), of a capability (capability.bpf.c).
 * Thread: kernel context of any CPU.
 */
#include "collector/bpf/read.h"

static __always_inline struct abi_used *used_of(uint64_t cgroup)
{
	struct abi_used none = {}, *u = bpf_map_lookup_elem(&used, &cgroup);

	if (u)
		return u;
	(void)bpf_map_update_elem(&used, &cgroup, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&used, &cgroup);
}

static __always_inline uint32_t *used_epoch_of(void)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(&used_epoch, &zero);
}

/*
 * The first program of a pid namespace begins: what was used until now, the runtime used to set the
 * container up. Without this, whether a use of the container's own is told depends on the runtime.
 */
static __always_inline void used_begin(uint64_t cgroup)
{
	uint32_t *epoch = used_epoch_of();

	(void)bpf_map_delete_elem(&used, &cgroup);
	if (epoch)
		__sync_fetch_and_add(epoch, 1);
}

/* False: could not be told, so it stays unused. call: x86-64 number + 1, or 0. */
static __always_inline bool used_report(
	const struct scope_hit *hit, uint32_t kind, uint16_t call, uint64_t number, int32_t ret)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct abi_call *a;

	emit_seen(kind);
	a = emit_reserve(kind, sizeof(*a));
	if (!a)
		return false;
	__builtin_memset((void *)a + sizeof(a->header), 0, sizeof(*a) - sizeof(a->header));
	a->num[0] = number;
	a->call = call;
	a->ret = ret;
	read_comm(task, a->comm);
	emit_header(&a->header, kind, sizeof(*a), task, hit);
	emit_submit(a, kind, sizeof(*a));
	return true;
}
