/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * What was reported already, before anything about it is built: a 64-bit keyed mark of the process
 * and its deed in a direct-mapped table. A collision only evicts; it never makes something new look
 * known. Repeats are counted in their place; user space collects them (known.c), and what is
 * evicted travels in the record that evicts it.
 * A mark is taken only when its record was reserved, so that a full ring makes nothing known.
 * Thread: kernel context of any CPU; counts are added atomically, so none is lost, though under a
 * race one may go to the place's next owner.
 */
#include "collector/bpf/read.h"

#define KNOWN_MIX 0x9e3779b97f4a7c15ull

static __always_inline uint64_t known_mix(uint64_t h, uint64_t value)
{
	h = (h ^ value) * KNOWN_MIX;
	return h ^ h >> 29;
}

/*
 * Of the acting process: pid and start, image, user. User space tells processes apart by more than
 * their executable (lineage, descriptors), so a mark never spans two. 0 = this kind is not folded.
 */
static __always_inline uint64_t known_begin(
	uint64_t kind, const struct scope_hit *hit, struct task_struct *task)
{
	struct abi_settings *s = scope_settings();
	uint64_t h;

	if (!s || (s->every_mask & ABI_KIND_BIT(kind)))
		return 0;
	h = known_mix(s->key ^ kind, hit->cgroup_id);
	h = known_mix(h, (uint64_t)hit->epoch << 32 | bpf_get_current_pid_tgid() >> 32);
	h = known_mix(h, BPF_CORE_READ(task, group_leader, start_boottime));
	h = known_mix(h, BPF_CORE_READ(task, self_exec_id));
	return known_mix(h, (uint64_t)BPF_CORE_READ(task, cred, uid.val) << 32 |
				    BPF_CORE_READ(task, cred, gid.val));
}

static __always_inline uint64_t known_end(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	return h ? h : 1;
}

static __always_inline struct abi_known_place *known_place(uint64_t mark, uint32_t *ret)
{
	*ret = mark & (KNOWN_PLACES - 1);
	return bpf_map_lookup_elem(&known, ret);
}

static __always_inline bool known_is(uint64_t mark)
{
	struct abi_known_place *p;
	uint32_t at;

	p = mark ? known_place(mark, &at) : NULL;
	return p && p->mark == mark;
}

/* True: known, and counted as folded. */
static __always_inline bool known_repeat(uint64_t kind, uint64_t mark)
{
	struct abi_known_place *p;
	uint32_t at;

	if (!mark)
		return false;
	p = known_place(mark, &at);
	if (!p || p->mark != mark)
		return false;
	__sync_fetch_and_add(&p->count, 1);
	emit_folded(kind);
	return true;
}

/* Makes it known and fills the record's part about it. */
static __always_inline void known_take(uint64_t mark, struct abi_known *ret)
{
	struct abi_known_place *p = NULL;
	uint64_t count = 0, old = 0;
	uint32_t at = 0;

	if (mark)
		p = known_place(mark, &at);
	if (p) {
		old = p->mark;
		count = p->count;
		count &= 0xffffffff;
		p->mark = mark;
		if (count)
			__sync_fetch_and_add(&p->count, -count);
	}
	ret->mark = mark;
	ret->evicted_mark = old;
	ret->evicted_count = count;
	ret->place = at;
}
