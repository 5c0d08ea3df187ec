/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Is this task watched? One lookup of its cgroup v2 id; no entry means no. New cgroups enter as
 * pending at mkdir (cgroup.bpf.c), user space promotes or removes them.
 * Thread: kernel context of any CPU.
 */
#include "collector/bpf/maps.h"

struct scope_hit {
	uint64_t cgroup_id;
	uint32_t group;
	uint32_t epoch; /* global and the cgroup's own: for marks of known.h */
	uint16_t flags; /* ABI_FLAG_PENDING, ABI_FLAG_WATCH_ALL */
};

static __always_inline struct abi_settings *scope_settings(void)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline uint64_t scope_task_cgroup(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

/* True when kind is wanted from this process in this cgroup; then *hit is filled. */
static __always_inline bool scope_find(
	uint64_t cgroup_id, uint32_t tgid, uint32_t kind, struct scope_hit *hit)
{
	struct abi_settings *s = scope_settings();
	struct abi_scope *entry;

	if (!s || !(s->kind_mask & ABI_KIND_BIT(kind)) || tgid == s->self_tgid)
		return false;
	hit->cgroup_id = cgroup_id;
	hit->epoch = s->epoch;
	entry = bpf_map_lookup_elem(&scope, &cgroup_id);
	if (entry) {
		if (entry->flags & SCOPE_IGNORE)
			return false;
		hit->group = entry->group;
		hit->epoch = s->epoch ^ (entry->epoch << 8 | entry->epoch >> 24);
		hit->flags = entry->flags & SCOPE_PENDING ? ABI_FLAG_PENDING : 0;
		return true;
	}
	hit->group = 0;
	hit->flags = ABI_FLAG_WATCH_ALL;
	return s->flags & SETTING_WATCH_ALL;
}

static __always_inline bool scope_current(uint32_t kind, struct scope_hit *hit)
{
	return scope_find(bpf_get_current_cgroup_id(), bpf_get_current_pid_tgid() >> 32, kind, hit);
}

/* Objects may have other paths from now on in the current cgroup: nothing known there is any more.
 */
static __always_inline void scope_paths_changed(void)
{
	uint64_t cgroup = bpf_get_current_cgroup_id();
	struct abi_scope *entry = bpf_map_lookup_elem(&scope, &cgroup);

	if (entry)
		__sync_fetch_and_add(&entry->epoch, 1);
}
