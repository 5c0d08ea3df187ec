/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * The common part of all struct abi_call records: what is wanted, the numbers, the target, the
 * header. The families fill the rest: paths, addresses, payload.
 * Thread: kernel context of any CPU.
 */
#include "collector/bpf/address.h"
#include "collector/bpf/known.h"
#include "collector/bpf/syscalls.h"

struct call {
	struct scope_hit hit;
	struct syscall s;
	struct task_struct *task;
	uint64_t mark;
	int32_t ret;
	uint64_t kind;
};

/* Of a call that was read; false: not in scope. */
static __always_inline bool call_begin_read(struct call *c, long ret)
{
	c->kind = c->s.entry->kind;
	if (c->kind >= ABI_KIND_COUNT || !scope_current(c->kind, &c->hit))
		return false;
	c->task = (void *)bpf_get_current_task();
	c->ret = ret > 0x7fffffff ? 0 : ret; /* an address, of mmap */
	if (c->s.compat)
		c->hit.flags |= ABI_FLAG_COMPAT;
	return true;
}

/* False: not in scope, or not this handler's any more. */
static __always_inline bool call_begin(
	struct call *c, struct pt_regs *regs, long ret, uint32_t handler)
{
	return syscall_read(regs, handler, &c->s) && call_begin_read(c, ret);
}

/*
 * For before a walk or a loop: whatever the verifier still knows of these numbers, it goes the same
 * way once more for each value. Kernels up to 6.2 need it most.
 */
static __always_inline void call_forget_ranges(struct call *c)
{
	uint64_t unknown = bpf_ktime_get_ns();

	FORGET_RANGE(c->kind, unknown);
	FORGET_RANGE(c->ret, unknown);
	FORGET_RANGE(c->s.args[0], unknown);
	FORGET_RANGE(c->s.args[1], unknown);
	FORGET_RANGE(c->s.args[2], unknown);
	FORGET_RANGE(c->s.args[3], unknown);
	FORGET_RANGE(c->s.args[4], unknown);
	FORGET_RANGE(c->s.args[5], unknown);
	FORGET_RANGE(c->hit.cgroup_id, unknown);
	FORGET_RANGE(c->hit.flags, unknown);
	FORGET_RANGE(c->hit.epoch, unknown);
	FORGET_RANGE(c->hit.group, unknown);
}

/* Everything but the header and what the families add; the rest is emptied. */
static __always_inline void call_common(struct abi_call *a, const struct call *c)
{
	const struct abi_syscall *e = c->s.entry;

	__builtin_memset((void *)a + sizeof(a->header), 0, sizeof(*a) - sizeof(a->header));
	a->num[0] = syscall_number(&c->s, e->num[0]);
	a->num[1] = syscall_number(&c->s, e->num[1]);
	a->num[2] = syscall_number(&c->s, e->num[2]);
	a->target_pid = syscall_arg(&c->s, e->target);
	a->ret = c->ret;
	a->call = e->number + 1;
	read_comm(c->task, a->comm);
}

static __always_inline void call_submit(
	struct abi_call *a, const struct call *c, uint32_t size, uint32_t cap)
{
	emit_header(&a->header, c->kind, size, c->task, &c->hit);
	emit_submit(a, c->kind, cap);
}

/* A string of user memory behind the fixed part; room constant. */
static __always_inline void call_string(struct abi_call *a, struct abi_span *span, uint32_t *flags,
	uint32_t off, uint64_t from, const uint32_t room)
{
	long n = bpf_probe_read_user_str((void *)a + off, room, (void *)from);

	span->off = off;
	span->len = 0;
	if (n <= 0) {
		emit_read_failed(ABI_READ_USER_PATH);
		*flags |= ABI_PATH_FAILED;
		return;
	}
	if (n == room && room < ABI_PATH_MAX) /* the kernel takes no longer ones */
		*flags |= ABI_PATH_TRUNCATED;
	span->len = n - 1;
}

/* These change which path an object has. */
static __always_inline void call_note_change(const struct call *c)
{
	if (c->ret >= 0 && (c->kind == ABI_KIND_RENAME || c->kind == ABI_KIND_MOUNT ||
				   c->kind == ABI_KIND_UMOUNT || c->kind == ABI_KIND_CHROOT ||
				   c->kind == ABI_KIND_PIVOT_ROOT))
		scope_paths_changed();
}
