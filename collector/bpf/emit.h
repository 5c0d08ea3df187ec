/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Reserve, head, submit. A record is built where it will be read, in its ring reservation: never in
 * a per-CPU scratch map, which another task can overwrite when the program is preempted.
 * Reservations have fixed size classes because the verifier wants a constant; header.size says how
 * much of it is used. Everything seen ends as submitted or as dropped by a reason, exactly.
 * Thread: kernel context of any CPU; counters are added atomically because programs can be
 * preempted.
 */
#include "collector/bpf/scope.h"

/* Size classes. A path writer needs NAME_SLACK free bytes behind what it writes (read.h). */
#define CLASS_SMALL  512u
#define CLASS_MEDIUM 1024u
#define CLASS_EXEC   4096u
#define CLASS_PATH   4608u
#define CLASS_EXEC2  16384u
#define CLASS_LARGE  ABI_RECORD_MAX

static __always_inline struct abi_counters *emit_counters(void)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

/* Bounds in the register that is used: older verifiers forget them when it passes by the stack. */
#define KIND_SLOT(kind)                                 \
	({                                              \
		uint64_t slot_ = (kind);                \
		asm volatile("%0 &= 63" : "+r"(slot_)); \
		slot_;                                  \
	})
_Static_assert(ABI_KIND_SLOTS == 64, "KIND_SLOT");

static __always_inline void emit_seen(uint64_t kind)
{
	struct abi_counters *c = emit_counters();

	if (c)
		__sync_fetch_and_add(&c->seen[KIND_SLOT(kind)], 1);
}

/* Whose loss it is; when the map is full the difference to the counters is the node's. */
static __always_inline void emit_lost(uint32_t reason)
{
	uint64_t cgroup = bpf_get_current_cgroup_id();
	struct abi_lost none = {}, *l = bpf_map_lookup_elem(&lost, &cgroup);

	if (!l) {
		(void)bpf_map_update_elem(&lost, &cgroup, &none, BPF_NOEXIST);
		l = bpf_map_lookup_elem(&lost, &cgroup);
	}
	if (l && reason < ABI_DROP_COUNT)
		__sync_fetch_and_add(&l->count[reason], 1);
}

static __always_inline void emit_dropped(uint64_t kind, uint32_t reason)
{
	struct abi_counters *c = emit_counters();

	if (c && reason < ABI_DROP_COUNT)
		__sync_fetch_and_add(&c->dropped[KIND_SLOT(kind)][reason], 1);
	emit_lost(reason);
}

static __always_inline void emit_folded(uint64_t kind)
{
	struct abi_counters *c = emit_counters();

	if (c)
		__sync_fetch_and_add(&c->folded[KIND_SLOT(kind)], 1);
}

static __always_inline void emit_filtered(uint64_t kind)
{
	struct abi_counters *c = emit_counters();

	if (c)
		__sync_fetch_and_add(&c->filtered[KIND_SLOT(kind)], 1);
}

static __always_inline void emit_read_failed(uint32_t site)
{
	struct abi_counters *c = emit_counters();

	if (c && site < ABI_READ_SITES)
		__sync_fetch_and_add(&c->read_failures[site], 1);
}

/*
 * size must be a constant. NULL: already counted as dropped. Test the result before anything else:
 * verifiers up to 6.1 forget that it can be NULL after the first test and refuse a second one.
 */
static __always_inline void *emit_reserve(uint64_t kind, uint64_t size)
{
	void *record = bpf_ringbuf_reserve(&records, size, 0);

	if (!record)
		emit_dropped(kind, ABI_DROP_RING_FULL);
	return record;
}

/* Gives the reservation back; the caller reserves a larger one or counts the drop. */
static __always_inline void emit_discard(void *record)
{
	bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
}

/*
 * The reader drains on a timer; a wake-up per record would cost more than the record. Above the
 * fill level one is forced at each further quarter of the level.
 */
static __always_inline uint64_t emit_wakeup(uint64_t size)
{
	struct abi_settings *s = scope_settings();
	uint64_t step, fill;

	if (!s || !s->wakeup_bytes)
		return BPF_RB_NO_WAKEUP;
	fill = bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA);
	if (fill < s->wakeup_bytes)
		return BPF_RB_NO_WAKEUP;
	step = (s->wakeup_bytes >> 2) | 1;
	return fill / step != (fill - size) / step ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void emit_submit(void *record, uint64_t kind, uint64_t class_size)
{
	struct abi_counters *c = emit_counters();
	uint64_t wakeup = emit_wakeup(class_size);

	if (c)
		__sync_fetch_and_add(&c->submitted[KIND_SLOT(kind)], 1);
	bpf_ringbuf_submit(record, wakeup);
}

/* What a record's header says about its acting task. */
static __always_inline void emit_header(struct abi_header *h, uint16_t kind, uint32_t size,
	struct task_struct *task, const struct scope_hit *hit)
{
	h->size = (size + 7) & ~7u;
	h->kind = kind;
	h->flags = hit->flags;
	h->boot_ns = bpf_ktime_get_boot_ns();
	h->cgroup_id = hit->cgroup_id;
	h->start_boot_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	h->tgid = BPF_CORE_READ(task, tgid);
	h->tid = BPF_CORE_READ(task, pid);
	h->ppid = BPF_CORE_READ(task, real_parent, tgid);
	h->uid = BPF_CORE_READ(task, cred, uid.val);
	h->gid = BPF_CORE_READ(task, cred, gid.val);
	h->group = hit->group;
}
