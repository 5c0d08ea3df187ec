/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/calls.h"

#include "common/base/alloc.h"

#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
/* Without NEWTIME: in clone that bit belongs to the signal number. */
#define CLONE_NEW_ANY                                                                            \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | (uint32_t)CLONE_NEWUSER | \
		CLONE_NEWPID | (uint32_t)CLONE_NEWNET)
#define NUMBERS     512
#define NAME_SIZE   64
#define X32_BIT     0x40000000
#define X32_FIRST   512
#define X32_NUMBERS 64
#define NO_NUMBER   (-1)

#if defined(__x86_64__)
#define COMPAT_ARCH SCMP_ARCH_X86
#elif defined(__aarch64__)
#define COMPAT_ARCH SCMP_ARCH_ARM
#else
#error "which 32-bit calls this architecture has is not written yet"
#endif

struct call {
	const char *name;
	int number; /* 0 = ask libseccomp */
	struct abi_syscall entry;
};

static const struct call calls[] = {
#define CALL(name_, number_, kind_, handler_, flags_, ...) \
	{name_, number_,                                   \
		{.kind = ABI_KIND_##kind_,                 \
			.handler = HANDLER_##handler_,     \
			.flags = (flags_),                 \
			__VA_ARGS__}},
#include "collector/calls.def"
#undef CALL
};

/* socketcall's own numbers. Source: include/uapi/linux/net.h. */
static const struct {
	uint32_t number;
	const char *name;
} socketcalls[] = {
	{1, "socket"},
	{2, "bind"},
	{3, "connect"},
	{4, "listen"},
	{5, "accept"},
	{11, "sendto"},
	{12, "recvfrom"},
	{16, "sendmsg"},
	{17, "recvmsg"},
	{18, "accept4"},
	{19, "recvmmsg"},
	{20, "sendmmsg"},
};

/* 32-bit names whose x86-64 counterpart has another one, beyond the endings below. */
static const struct {
	const char *from, *to;
} renamed[] = {
	{"mmap2", "mmap"}, {"umount", "umount2"}, {"_llseek", "lseek"}, {"_newselect", "select"},
	{"mmap", ""}, /* one pointer to its arguments: nothing that could be read here */
};

static int number_on(uint32_t arch, const char *name)
{
	int number = seccomp_syscall_resolve_name_arch(arch, name);

	return number < 0 ? NO_NUMBER : number;
}

static void without_ending(char *name, const char *ending)
{
	size_t len = strlen(name), end = strlen(ending);

	if (len > end && strcmp(name + len - end, ending) == 0)
		name[len - end] = '\0';
}

/* x86-64 number of a 32-bit call, by name. */
static int number_of_compat(const char *name)
{
	static const char *const endings[] = {"", "_time64", "64", "32"};
	char text[NAME_SIZE];

	for (size_t i = 0; i < PW_COUNT(renamed); i++)
		if (strcmp(name, renamed[i].from) == 0)
			return number_on(SCMP_ARCH_X86_64, renamed[i].to);
	(void)snprintf(text, sizeof(text), "%s", name);
	for (size_t i = 0; i < PW_COUNT(endings); i++) {
		int number = NO_NUMBER;

		without_ending(text, endings[i]);
		number = number_on(SCMP_ARCH_X86_64, text);
		if (number >= 0)
			return number;
	}
	return NO_NUMBER;
}

/* x86-64 number of a number of another ABI. */
static int number_from(uint32_t arch, int number)
{
	pw_auto_free char *name = NULL;

	for (size_t i = 0; i < PW_COUNT(calls); i++)
		if (calls[i].number == number && number > 0)
			return number; /* newer calls have one number everywhere */
	if (arch == SCMP_ARCH_X86_64)
		return number;
	name = seccomp_syscall_resolve_num_arch(arch, number);
	if (!name)
		return NO_NUMBER;
	return arch == COMPAT_ARCH ? number_of_compat(name) : number_on(SCMP_ARCH_X86_64, name);
}

/* One run of calls_fill. */
struct filler {
	const struct calls_plan *plan;
	int numbers[PW_COUNT(calls)]; /* x86-64's, found once: by name it takes long */
};

static bool plan_wants(const struct calls_plan *plan, unsigned kind)
{
	return plan->kind_mask & ABI_KIND_BIT(kind);
}

static int number_of(const struct call *call)
{
	return call->number ? call->number : number_on(SCMP_ARCH_X86_64, call->name);
}

static const struct call *find_call(const struct filler *f, int x86_number)
{
	for (size_t i = 0; i < PW_COUNT(calls); i++)
		if (f->numbers[i] == x86_number)
			return &calls[i];
	return NULL;
}

/* What the plan makes of a call; its handler is HANDLER_NONE when it is not wanted. */
static struct abi_syscall entry_of(const struct filler *f, int x86_number)
{
	const struct calls_plan *plan = f->plan;
	const struct call *call = find_call(f, x86_number);
	struct abi_syscall entry = {0};

	if (call)
		entry = call->entry;
	/* The same calls tell of datagrams and of DNS. */
	if (call && entry.kind == ABI_KIND_SEND && !plan_wants(plan, ABI_KIND_SEND))
		entry.kind = ABI_KIND_DNS;
	if (!plan_wants(plan, entry.kind))
		entry = (struct abi_syscall){0};
	if (entry.handler != HANDLER_NONE && plan->noted_kinds & ABI_KIND_BIT(entry.kind))
		entry.flags |= SYSCALL_NOTED;
	entry.number = (uint16_t)x86_number;
	if (plan->first_use && plan_wants(plan, ABI_KIND_SYSCALL))
		entry.flags |= SYSCALL_FIRST_USE;
	return entry;
}

static void fill_abi(const struct filler *f, uint32_t arch, struct abi_syscall *ret)
{
	for (int i = 0; i < NUMBERS; i++) {
		int number = number_from(arch, i);

		if (number >= 0 && number < NUMBERS)
			ret[i] = entry_of(f, number);
	}
}

#if defined(__x86_64__)
static void fill_x32(const struct filler *f, struct abi_syscall *ret)
{
	for (int i = 0; i < X32_NUMBERS; i++) {
		int number = number_from(SCMP_ARCH_X32, X32_BIT + X32_FIRST + i);

		if (number >= 0 && number < NUMBERS)
			ret[i] = entry_of(f, number);
	}
}
#endif

static void fill_socketcall(const struct filler *f, struct abi_syscall *ret)
{
	int number = number_on(COMPAT_ARCH, "socketcall");

	if (number < 0 || number >= NUMBERS)
		return;
	ret[SYSCALLS_COMPAT + (uint32_t)number].handler = HANDLER_SOCKETCALL;
	for (size_t i = 0; i < PW_COUNT(socketcalls); i++) {
		struct abi_syscall *e = &ret[SYSCALLS_SOCKETCALL + socketcalls[i].number];

		*e = entry_of(f, number_on(SCMP_ARCH_X86_64, socketcalls[i].name));
		e->flags |= SYSCALL_IN_MEMORY;
	}
}

void calls_fill(const struct calls_plan *plan, struct abi_syscall ret[SYSCALLS_COUNT])
{
	struct filler f = {.plan = plan};

	for (size_t i = 0; i < PW_COUNT(calls); i++)
		f.numbers[i] = number_of(&calls[i]);
	memset(ret, 0, SYSCALLS_COUNT * sizeof(ret[0]));
	fill_abi(&f, seccomp_arch_native(), ret + SYSCALLS_NATIVE);
	fill_abi(&f, COMPAT_ARCH, ret + SYSCALLS_COMPAT);
#if defined(__x86_64__)
	fill_x32(&f, ret + SYSCALLS_X32);
#endif
	fill_socketcall(&f, ret);
}

uint64_t calls_unfoldable(uint64_t kind_mask)
{
	/* These change which path an object has; unseen, a known object would keep its old one. */
	const uint64_t movers = ABI_KIND_BIT(ABI_KIND_RENAME) | ABI_KIND_BIT(ABI_KIND_MOUNT) |
				ABI_KIND_BIT(ABI_KIND_UMOUNT) | ABI_KIND_BIT(ABI_KIND_CHROOT) |
				ABI_KIND_BIT(ABI_KIND_PIVOT_ROOT);

	return (kind_mask & movers) == movers ? 0 : ABI_KIND_BIT(ABI_KIND_OPEN);
}

const char *calls_name(unsigned number, char *out, size_t size)
{
	pw_auto_free char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, (int)number);
	const char *known = name ? name : "";

	for (size_t i = 0; !name && i < PW_COUNT(calls); i++)
		if (calls[i].number == (int)number)
			known = calls[i].name;
	(void)snprintf(out, size, "%s", known);
	return out;
}
