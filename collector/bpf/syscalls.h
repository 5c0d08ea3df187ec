/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Which system calls are looked at, and where their arguments are: the only file that knows the
 * architecture. Numbers of native, x32 (native with bit 30) and 32-bit calls become one class.
 * Source: arch/x86/entry/syscalls/syscall_{64,32}.tbl, include/uapi/linux/net.h.
 */
#include "collector/bpf/maps.h"

#define SYSCALL_X32_BIT     0x40000000u
#define SYSCALL_TASK_COMPAT 0x0002u /* thread_info.status: TS_COMPAT */
#define SOCKETCALL_CONNECT  3

#ifdef __TARGET_ARCH_x86
static __always_inline uint32_t syscall_class_native(uint64_t nr)
{
	switch (nr) {
	case 2:
		return SYSCALL_OPEN;
	case 42:
		return SYSCALL_CONNECT;
	case 85:
		return SYSCALL_CREAT;
	case 257:
		return SYSCALL_OPENAT;
	case 437:
		return SYSCALL_OPENAT2;
	}
	return SYSCALL_NONE;
}

static __always_inline uint32_t syscall_class_compat(uint64_t nr)
{
	switch (nr) {
	case 5:
		return SYSCALL_OPEN;
	case 8:
		return SYSCALL_CREAT;
	case 102:
		return SYSCALL_SOCKETCALL;
	case 295:
		return SYSCALL_OPENAT;
	case 362:
		return SYSCALL_CONNECT;
	case 437:
		return SYSCALL_OPENAT2;
	}
	return SYSCALL_NONE;
}

/* One finished system call; args as given, whatever the calling convention. */
struct syscall_info {
	uint64_t nr;
	uint32_t class;
	bool compat;
};

/* First test of every system call on the machine: direct loads, no helper. False = not ours. */
static __always_inline bool syscall_interesting(struct pt_regs *regs, uint64_t *ret_nr)
{
	uint64_t nr = regs->orig_ax & ~(uint64_t)SYSCALL_X32_BIT;

	*ret_nr = nr;
	return syscall_class_native(nr) != SYSCALL_NONE || syscall_class_compat(nr) != SYSCALL_NONE;
}

static __always_inline void syscall_classify(
	struct pt_regs *regs, struct task_struct *task, struct syscall_info *info)
{
	uint32_t status = BPF_CORE_READ(task, thread_info.status);

	info->nr = regs->orig_ax & ~(uint64_t)SYSCALL_X32_BIT;
	info->compat = status & SYSCALL_TASK_COMPAT;
	info->class =
		info->compat ? syscall_class_compat(info->nr) : syscall_class_native(info->nr);
}

static __always_inline uint64_t syscall_arg0(struct pt_regs *regs, bool compat)
{
	return compat ? (uint32_t)regs->bx : regs->di;
}

static __always_inline uint64_t syscall_arg1(struct pt_regs *regs, bool compat)
{
	return compat ? (uint32_t)regs->cx : regs->si;
}

static __always_inline uint64_t syscall_arg2(struct pt_regs *regs, bool compat)
{
	return compat ? (uint32_t)regs->dx : regs->dx;
}
#else
#error "system call numbers and argument registers of this architecture are not written yet"
#endif
