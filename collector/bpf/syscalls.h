/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * One finished system call: its entry in the syscalls map, whatever the ABI it came by, and its
 * arguments. The only file that knows the architecture. Which numbers mean what: calls.c.
 * Thread: kernel context of any CPU.
 */
#include "collector/bpf/read.h"

#define SOCKETCALL_SUBCALLS 32u
#define NUMBERS             512u
#define STACK_BYTES         16384u /* of a kernel without KASAN */

struct syscall {
	const struct abi_syscall *entry;
	uint64_t args[6]; /* as given, whatever the calling convention */
	bool compat;
};

static __always_inline struct abi_syscall *syscall_entry(uint32_t index)
{
	return bpf_map_lookup_elem(&syscalls, &index);
}

#ifdef __TARGET_ARCH_x86
#define X32_BIT     0x40000000u
#define TASK_COMPAT 0x0002u /* thread_info.status: TS_COMPAT */

static __always_inline bool syscall_is_compat(void)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
		struct task_struct *task = (void *)bpf_get_current_task_btf();

		return task->thread_info.status & TASK_COMPAT;
	}
	return BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), thread_info.status) &
	       TASK_COMPAT;
}

/* Place in the syscalls map; SYSCALLS_COUNT = none. */
static __always_inline uint32_t syscall_index(uint64_t nr, bool compat)
{
	if (compat)
		return nr < NUMBERS ? SYSCALLS_COMPAT + nr : SYSCALLS_COUNT;
	if (nr < NUMBERS)
		return SYSCALLS_NATIVE + nr;
	nr -= X32_BIT;
	if (nr < NUMBERS)
		return SYSCALLS_NATIVE + nr;
	return nr < NUMBERS + 64 ? SYSCALLS_X32 + nr - NUMBERS : SYSCALLS_COUNT;
}

static __always_inline uint64_t syscall_nr(struct pt_regs *regs)
{
	return regs->orig_ax;
}

/* The same two of registers that the verifier does not know as such. */
static __always_inline uint64_t syscall_nr_at(struct pt_regs *regs)
{
	return BPF_CORE_READ(regs, orig_ax);
}

static __always_inline uint32_t syscall_first_arg_at(struct pt_regs *regs, bool compat)
{
	return compat ? BPF_CORE_READ(regs, bx) : BPF_CORE_READ(regs, di);
}

static __always_inline void syscall_args(struct pt_regs *regs, struct syscall *s)
{
	s->args[0] = s->compat ? (uint32_t)regs->bx : regs->di;
	s->args[1] = s->compat ? (uint32_t)regs->cx : regs->si;
	s->args[2] = s->compat ? (uint32_t)regs->dx : regs->dx;
	s->args[3] = s->compat ? (uint32_t)regs->si : regs->r10;
	s->args[4] = s->compat ? (uint32_t)regs->di : regs->r8;
	s->args[5] = s->compat ? (uint32_t)regs->bp : regs->r9;
}
#else                           /* arm64 */
#define TASK_COMPAT (1ul << 22) /* thread_info.flags: TIF_32BIT */

static __always_inline bool syscall_is_compat(void)
{
	return BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), thread_info.flags) &
	       TASK_COMPAT;
}

static __always_inline uint32_t syscall_index(uint64_t nr, bool compat)
{
	if (nr >= NUMBERS)
		return SYSCALLS_COUNT;
	return (compat ? SYSCALLS_COMPAT : SYSCALLS_NATIVE) + nr;
}

static __always_inline uint64_t syscall_nr(struct pt_regs *regs)
{
	return (uint32_t)regs->syscallno;
}

static __always_inline uint64_t syscall_nr_at(struct pt_regs *regs)
{
	return (uint32_t)BPF_CORE_READ(regs, syscallno);
}

static __always_inline uint32_t syscall_first_arg_at(struct pt_regs *regs, bool compat)
{
	return BPF_CORE_READ(regs, orig_x0);
}

static __always_inline void syscall_args(struct pt_regs *regs, struct syscall *s)
{
	s->args[0] = regs->orig_x0;
	s->args[1] = regs->regs[1];
	s->args[2] = regs->regs[2];
	s->args[3] = regs->regs[3];
	s->args[4] = regs->regs[4];
	s->args[5] = regs->regs[5];
}
#endif

/* The six 32-bit arguments that socketcall has in memory. */
static __always_inline void syscall_args_in_memory(struct syscall *s)
{
	uint32_t args[6] = {};

	if (bpf_probe_read_user(args, sizeof(args), (void *)s->args[1]))
		emit_read_failed(ABI_READ_USER_DATA);
	s->args[0] = args[0];
	s->args[1] = args[1];
	s->args[2] = args[2];
	s->args[3] = args[3];
	s->args[4] = args[4];
	s->args[5] = args[5];
}

/* First look at every system call of the machine. NULL = unknown number. */
static __always_inline const struct abi_syscall *syscall_find(
	struct pt_regs *regs, bool *ret_compat)
{
	bool compat = syscall_is_compat();
	struct abi_syscall *entry = syscall_entry(syscall_index(syscall_nr(regs), compat));
	struct syscall s = {.compat = compat};

	*ret_compat = compat;
	if (!entry || entry->handler != HANDLER_SOCKETCALL)
		return entry;
	syscall_args(regs, &s);
	if (s.args[0] >= SOCKETCALL_SUBCALLS)
		return NULL;
	return syscall_entry(SYSCALLS_SOCKETCALL + s.args[0]);
}

/* Registers of the system call that the current task is in. */
static __always_inline struct pt_regs *syscall_current_regs(void)
{
	struct task_struct *task;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (void *)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
	task = (void *)bpf_get_current_task();
	return BPF_CORE_READ(task, stack) + STACK_BYTES - bpf_core_type_size(struct pt_regs);
}

/* What the plan says of it; NULL = nothing, or the task is in none. */
static __always_inline const struct abi_syscall *syscall_current(void)
{
	struct pt_regs *regs = syscall_current_regs();
	bool compat = syscall_is_compat();
	const struct abi_syscall *entry = syscall_entry(syscall_index(syscall_nr_at(regs), compat));
	uint32_t sub;

	if (!entry || entry->handler != HANDLER_SOCKETCALL)
		return entry;
	sub = syscall_first_arg_at(regs, compat);
	return sub < SOCKETCALL_SUBCALLS ? syscall_entry(SYSCALLS_SOCKETCALL + sub) : NULL;
}

static __always_inline void syscall_read_args(struct pt_regs *regs, struct syscall *s)
{
	syscall_args(regs, s);
	if (s->entry->flags & SYSCALL_IN_MEMORY)
		syscall_args_in_memory(s);
}

/* The same for a handler, with the arguments. False: the entry changed meanwhile. */
static __always_inline bool syscall_read(struct pt_regs *regs, uint32_t handler, struct syscall *s)
{
	s->entry = syscall_find(regs, &s->compat);
	if (!s->entry || s->entry->handler != handler)
		return false;
	syscall_read_args(regs, s);
	return true;
}

/* For a handler of several. */
static __always_inline bool syscall_read_noted(struct pt_regs *regs, struct syscall *s)
{
	s->entry = syscall_find(regs, &s->compat);
	if (!s->entry || !(s->entry->flags & SYSCALL_NOTED))
		return false;
	syscall_read_args(regs, s);
	return true;
}

/* n counts from 1; 0 = none gives 0. */
static __always_inline uint64_t syscall_arg(const struct syscall *s, uint32_t n)
{
	switch (n) {
	case 1:
		return s->args[0];
	case 2:
		return s->args[1];
	case 3:
		return s->args[2];
	case 4:
		return s->args[3];
	case 5:
		return s->args[4];
	case 6:
		return s->args[5];
	}
	return 0;
}

/* A number of the record: an argument, or what it points to. */
static __always_inline uint64_t syscall_number(const struct syscall *s, uint32_t code)
{
	uint64_t value = syscall_arg(s, code & 0xf), there = 0;

	if (!(code & (SYSCALL_ARG_DEREF | SYSCALL_ARG_DEREF8)))
		return value;
	if (code & SYSCALL_ARG_DEREF8)
		value += 8;
	if (bpf_probe_read_user(&there, sizeof(there), (void *)value))
		emit_read_failed(ABI_READ_USER_DATA);
	return there;
}
