// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The one program that runs at the end of every system call of the machine. It looks at the number
 * and hands the monitored ones to their family's handler. What a container uses for the first time
 * is an event of its own.
 */
#include "collector/bpf/note.h"
#include "collector/bpf/syscalls.h"
#include "collector/bpf/used.h"

#define ERR_PERM        -1
#define ERR_INTR        -4
#define ERR_AGAIN       -11
#define ERR_ACCES       -13
#define ERR_ROFS        -30
#define ERR_RESTART     -512 /* to -516: never seen by the caller */
#define ERR_RESTART_END -516

static __always_inline bool result_wanted(long ret, uint32_t flags)
{
	if (ret >= 0)
		return flags & SYSCALL_DONE && !(flags & SYSCALL_CHILD && ret == 0) &&
		       !(flags & SYSCALL_STDIO && ret > 2);
	if (ret == ERR_PERM || ret == ERR_ACCES || ret == ERR_ROFS)
		return flags & (SYSCALL_REFUSED | SYSCALL_ERRORS);
	if (ret == ERR_INTR || ret == ERR_AGAIN || (ret <= ERR_RESTART && ret >= ERR_RESTART_END))
		return false;
	return flags & SYSCALL_ERRORS;
}

static __always_inline bool argument_wanted(
	struct pt_regs *regs, const struct abi_syscall *e, bool compat)
{
	struct syscall s = {.compat = compat};
	uint64_t value;

	if (e->filter_mode == FILTER_NONE)
		return true;
	syscall_args(regs, &s);
	if (e->flags & SYSCALL_IN_MEMORY)
		syscall_args_in_memory(&s);
	value = syscall_number(&s, e->filter_arg);
	if (e->filter_mode == FILTER_ANY_BIT)
		return value & e->filter;
	if (e->filter_mode == FILTER_ALL_BITS)
		return (value & e->filter) == e->filter;
	return value < 64 && e->filter >> value & 1;
}

/* --- first use --- */

/* Slow part: the copy does not know. Returns whether the copy may say "used" from now on. */
static __always_inline bool used_note(const struct scope_hit *hit, uint32_t number, long ret)
{
	struct abi_used *u = used_of(hit->cgroup_id);
	uint64_t bit = 1ull << (number & 63);
	uint32_t word = number >> 6 & 7;

	if (!u)
		return false;
	if (u->calls[word] & bit)
		return true;
	if (!used_report(hit, ABI_KIND_SYSCALL, number + 1, number, ret > 0 ? 0 : ret))
		return false;
	u->calls[word] |= bit; /* a bit lost in a race is told twice */
	return true;
}

/* The copy's place for this cgroup, emptied when it was another's; out of scope counts as used. */
static __always_inline void used_first(uint32_t number, long ret)
{
	uint64_t cgroup = bpf_get_current_cgroup_id(), bit = 1ull << (number & 63), tag;
	uint32_t at = cgroup & (USED_CACHE_PLACES - 1), word = number >> 6 & 7;
	struct abi_settings *s = scope_settings();
	struct used_cache *copy = bpf_map_lookup_elem(&used_copies, &at);
	const uint32_t *epoch = used_epoch_of();
	struct scope_hit hit = {};

	if (!s || !copy || !epoch)
		return;
	tag = (cgroup << 24 ^ cgroup >> 40) ^ (s->scope_epoch + *epoch) ^ 1ull << 63;
	if (copy->tag == tag && copy->calls[word] & bit)
		return;
	if (copy->tag != tag) {
		__builtin_memset(copy->calls, 0, sizeof(copy->calls));
		copy->tag = tag;
	}
	if (!scope_current(ABI_KIND_SYSCALL, &hit) || used_note(&hit, number, ret))
		copy->calls[word] |= bit;
}

/* Who makes a record of it: what takes the note that a security hook left, or else the usual one.
 */
static __always_inline uint32_t noted_handler(const struct abi_syscall *e)
{
	struct note *n = note_find(e->kind);

	return n && n->handler ? n->handler : e->handler;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit_dispatch, struct pt_regs *regs, long ret)
{
	const struct abi_syscall *e;
	bool compat;

	e = syscall_find(regs, &compat);
	if (!e)
		return 0;
	if (e->flags & SYSCALL_FIRST_USE)
		used_first(e->number, ret);
	if (e->handler != HANDLER_NONE && result_wanted(ret, e->flags) &&
		argument_wanted(regs, e, compat)) {
		if (e->flags & SYSCALL_NOTED)
			bpf_tail_call(ctx, &handlers, noted_handler(e));
		bpf_tail_call(ctx, &handlers, e->handler);
	}
	if (e->flags & SYSCALL_NOTED)
		note_drop();
	return 0;
}
