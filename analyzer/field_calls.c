/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/field_calls.h"

#include "common/base/alloc.h"

#include <errno.h>

static const struct {
	const char *name;
	uint16_t number;
	uint8_t kind;
} calls[] = {
#define SIG_SYSCALL(name, number, kind) {#name, number, PW_EVENT_##kind},
#include "analyzer/syscalls.def"
#undef SIG_SYSCALL
};

/* Events that are no system call, and other names of some; kind 0 = known, never reported. */
static const struct {
	const char *name;
	uint8_t kind;
} others[] = {
	{"procexit", PW_EVENT_EXIT},
	{"dns", PW_EVENT_DNS},
	{"capability", PW_EVENT_CAPABILITY},
	{"umount", PW_EVENT_UMOUNT},
	{"", 0},
	{"container", 0},
	{"signaldeliver", 0},
	{"switch", 0},
	{"page_fault", 0},
	{"sched_process_exec", PW_EVENT_EXEC},
	{"sched_process_fork", 0},
};

static void add_number(struct field_calls *c, uint16_t number)
{
	c->numbers[number / 64] |= 1ull << number % 64;
}

static bool has_number(const struct field_calls *c, uint32_t number)
{
	return number < PW_SYSCALL_MAX && (c->numbers[number / 64] >> number % 64 & 1u);
}

int field_calls_add(struct field_calls *c, struct pw_slice name)
{
	for (size_t i = 0; i < PW_COUNT(calls); i++) {
		if (!pw_slice_eq_str(name, calls[i].name))
			continue;
		add_number(c, calls[i].number);
		c->kinds |= 1ull << calls[i].kind;
		return 0;
	}
	for (size_t i = 0; i < PW_COUNT(others); i++) {
		if (!pw_slice_eq_str(name, others[i].name))
			continue;
		if (others[i].kind)
			c->kinds |= c->whole |= 1ull << others[i].kind;
		return 0;
	}
	return -EINVAL;
}

void field_calls_seal(struct field_calls *c)
{
	uint64_t missing = 1ull << PW_EVENT_SYSCALL;

	for (size_t i = 0; i < PW_COUNT(calls); i++)
		if (!has_number(c, calls[i].number))
			missing |= 1ull << calls[i].kind;
	c->whole |= c->kinds & ~missing;
}

bool field_calls_has(const struct field_calls *c, const struct pw_event *e)
{
	uint64_t bit = 1ull << e->kind;

	if (e->kind == PW_EVENT_SYSCALL)
		return has_number(c, e->aux);
	if (c->whole & bit)
		return true;
	if (e->syscall == 0)
		return (c->kinds & bit) != 0;
	return has_number(c, e->syscall - 1u);
}

const char *field_kind_call(uint8_t kind)
{
	if (kind == PW_EVENT_OPEN)
		return "openat";
	if (kind == PW_EVENT_EXIT)
		return "procexit";
	for (size_t i = 0; i < PW_COUNT(calls); i++)
		if (calls[i].kind == kind && kind != PW_EVENT_SYSCALL)
			return calls[i].name;
	for (size_t i = 0; i < PW_COUNT(others); i++)
		if (others[i].kind == kind && kind)
			return others[i].name;
	return "unknown";
}

const char *field_call_name(const struct pw_event *e)
{
	uint32_t number = e->kind == PW_EVENT_SYSCALL ? e->aux : e->syscall - 1u;

	if (e->kind != PW_EVENT_SYSCALL && e->syscall == 0)
		return field_kind_call(e->kind);
	for (size_t i = 0; i < PW_COUNT(calls); i++)
		if (calls[i].number == number)
			return calls[i].name;
	return field_kind_call(e->kind);
}

bool field_call_find(struct pw_slice name, uint16_t *ret_syscall, uint8_t *ret_kind)
{
	for (size_t i = 0; i < PW_COUNT(calls); i++) {
		if (!pw_slice_eq_str(name, calls[i].name))
			continue;
		*ret_syscall = (uint16_t)(calls[i].number + 1u);
		*ret_kind = calls[i].kind;
		return true;
	}
	for (size_t i = 0; i < PW_COUNT(others); i++) {
		if (!pw_slice_eq_str(name, others[i].name) || !others[i].kind)
			continue;
		*ret_syscall = 0;
		*ret_kind = others[i].kind;
		return true;
	}
	return false;
}
