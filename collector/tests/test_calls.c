/* SPDX-License-Identifier: Apache-2.0 */
/* The table of system calls as the kernel side gets it, for each ABI and plan. */
#include "collector/calls.h"
#include "common/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <cmocka.h>

#define ALL (~0ull)

static struct abi_syscall table[SYSCALLS_COUNT];

static const struct calls_plan everything = {.kind_mask = ALL, .first_use = true};

static void every_kind_but_those_of_tracepoints_has_a_call(void **state)
{
	uint64_t kinds = 0;

	(void)state;
	calls_fill(&everything, table);
	for (size_t i = 0; i < SYSCALLS_COUNT; i++)
		kinds |= ABI_KIND_BIT(table[i].kind);
	for (unsigned kind = ABI_KIND_REMOVE; kind < ABI_KIND_COUNT; kind++) {
		if (kind == ABI_KIND_DNS || kind == ABI_KIND_CAPABILITY || kind == ABI_KIND_SYSCALL)
			continue;
		if (!(kinds & ABI_KIND_BIT(kind)))
			fail_msg("kind %u has no system call", kind);
	}
}

static void native_numbers_are_those_of_the_kernel(void **state)
{
	static const struct {
		int number;
		uint16_t x86;
		uint8_t kind;
	} rows[] = {
		{SYS_openat, 257, ABI_KIND_OPEN},
		{SYS_connect, 42, ABI_KIND_CONNECT},
		{SYS_unlinkat, 263, ABI_KIND_REMOVE},
		{SYS_renameat2, 316, ABI_KIND_RENAME},
		{SYS_ptrace, 101, ABI_KIND_PTRACE},
		{SYS_openat2, 437, ABI_KIND_OPEN},
		{452, 452, ABI_KIND_CHMOD},
	};

	(void)state;
	calls_fill(&everything, table);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		const struct abi_syscall *e = &table[SYSCALLS_NATIVE + rows[i].number];

		assert_int_equal(e->number, rows[i].x86);
		assert_int_equal(e->kind, rows[i].kind);
		assert_true(e->flags & SYSCALL_FIRST_USE);
	}
}

#ifdef __x86_64__
/* Source: arch/x86/entry/syscalls/syscall_32.tbl, syscall_64.tbl. */
static void compat_numbers_become_x86_64_ones(void **state)
{
	static const struct {
		uint32_t index;
		uint16_t number;
		uint8_t kind;
	} rows[] = {
		{SYSCALLS_COMPAT + 5, 2, ABI_KIND_OPEN},
		{SYSCALLS_COMPAT + 10, 87, ABI_KIND_REMOVE},
		{SYSCALLS_COMPAT + 22, 166, ABI_KIND_UMOUNT},
		{SYSCALLS_COMPAT + 192, 9, ABI_KIND_MEMORY_EXEC},
		{SYSCALLS_COMPAT + 213, 105, ABI_KIND_SETID},
		{SYSCALLS_COMPAT + 221, 72, ABI_KIND_STDIO},
		{SYSCALLS_COMPAT + 362, 42, ABI_KIND_CONNECT},
		{SYSCALLS_COMPAT + 412, 280, ABI_KIND_UTIMES},
		{SYSCALLS_COMPAT + 437, 437, ABI_KIND_OPEN},
		{SYSCALLS_X32 + 520 - 512, 59, ABI_KIND_EXEC_REFUSED},
		{SYSCALLS_X32 + 521 - 512, 101, ABI_KIND_PTRACE},
		{SYSCALLS_SOCKETCALL + 3, 42, ABI_KIND_CONNECT},
		{SYSCALLS_SOCKETCALL + 2, 49, ABI_KIND_BIND},
	};

	(void)state;
	calls_fill(&everything, table);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		const struct abi_syscall *e = &table[rows[i].index];

		if (e->number != rows[i].number || e->kind != rows[i].kind)
			fail_msg("index %u: number %u kind %u", rows[i].index, e->number, e->kind);
	}
	assert_int_equal(table[SYSCALLS_COMPAT + 102].handler, HANDLER_SOCKETCALL);
	assert_true(table[SYSCALLS_SOCKETCALL + 3].flags & SYSCALL_IN_MEMORY);
	/* One pointer to all its arguments: not to be read as mmap. */
	assert_int_equal(table[SYSCALLS_COMPAT + 90].handler, HANDLER_NONE);
}
#endif

static void a_plan_switches_calls_off(void **state)
{
	struct calls_plan plan = {.kind_mask = ALL & ~ABI_KIND_BIT(ABI_KIND_REMOVE)};

	(void)state;
	calls_fill(&plan, table);
	assert_int_equal(table[SYS_unlinkat].handler, HANDLER_NONE);
	assert_int_equal(table[SYS_unlinkat].flags, 0);
	assert_int_equal(table[SYS_openat].handler, HANDLER_OPEN);
	plan.kind_mask = 0;
	calls_fill(&plan, table);
	for (size_t i = 0; i < SYSCALLS_COUNT; i++)
		assert_true(
			table[i].handler == HANDLER_NONE || table[i].handler == HANDLER_SOCKETCALL);
}

static void dns_alone_still_looks_at_datagrams(void **state)
{
	struct calls_plan plan = {.kind_mask = ABI_KIND_BIT(ABI_KIND_DNS)};

	(void)state;
	calls_fill(&plan, table);
	assert_int_equal(table[SYS_sendto].handler, HANDLER_SEND);
	assert_int_equal(table[SYS_sendto].kind, ABI_KIND_DNS);
}

static void opens_are_not_folded_when_renames_are_not_seen(void **state)
{
	(void)state;
	assert_int_equal(calls_unfoldable(ALL), 0);
	assert_int_equal(calls_unfoldable(ALL & ~ABI_KIND_BIT(ABI_KIND_RENAME)),
		ABI_KIND_BIT(ABI_KIND_OPEN));
}

static void numbers_have_names(void **state)
{
	char name[64];

	(void)state;
	assert_string_equal(calls_name(257, name, sizeof(name)), "openat");
	assert_string_equal(calls_name(452, name, sizeof(name)), "fchmodat2");
	assert_string_equal(calls_name(9999, name, sizeof(name)), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_but_those_of_tracepoints_has_a_call),
		cmocka_unit_test(native_numbers_are_those_of_the_kernel),
#ifdef __x86_64__
		cmocka_unit_test(compat_numbers_become_x86_64_ones),
#endif
		cmocka_unit_test(a_plan_switches_calls_off),
		cmocka_unit_test(dns_alone_still_looks_at_datagrams),
		cmocka_unit_test(opens_are_not_folded_when_renames_are_not_seen),
		cmocka_unit_test(numbers_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
