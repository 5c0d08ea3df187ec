// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Signals that a process sends to one of another container. Refused ones come by kill's own end.
 * The tracepoint also sees what nobody sent: a timer's signal is made in the clock's interrupt, on
 * top of whatever ran there, and an ending parent's (PR_SET_PDEATHSIG) by the kernel.
 */
#include "collector/bpf/call.h"

#define INFO_SPECIAL 1ul /* up to here no pointer: SEND_SIG_NOINFO, SEND_SIG_PRIV: the kernel's */
/* Source: include/uapi/asm-generic/siginfo.h. */
#define SI_USER  0
#define SI_TKILL -6

/* By x86-64 numbers: those that let the sender choose the code. */
#define NR_RT_SIGQUEUEINFO   129
#define NR_RT_TGSIGQUEUEINFO 297
#define NR_PIDFD_SEND_SIGNAL 424

static __always_inline bool signal_by_choice(void)
{
	const struct abi_syscall *e = syscall_current();

	return e && (e->number == NR_RT_SIGQUEUEINFO || e->number == NR_RT_TGSIGQUEUEINFO ||
			    e->number == NR_PIDFD_SEND_SIGNAL);
}

/* Codes of timers and message queues are the kernel's unless a caller wrote them itself. */
static __always_inline bool signal_is_sent_by_process(struct kernel_siginfo *info)
{
	int code;

	if ((uint64_t)info <= INFO_SPECIAL)
		return false;
	code = BPF_CORE_READ(info, si_code);
	if (code == SI_USER || code == SI_TKILL)
		return true;
	return code < SI_USER && signal_by_choice();
}

/* Cgroups below that of a container, its own and those it makes, have its group. */
static __always_inline bool signal_stays_inside(
	const struct scope_hit *hit, struct task_struct *target)
{
	uint64_t cgroup = scope_task_cgroup(target);
	const struct abi_scope *entry;

	if (cgroup == hit->cgroup_id)
		return true;
	entry = hit->group ? bpf_map_lookup_elem(&scope, &cgroup) : NULL;
	return entry && entry->group == hit->group;
}

static __always_inline uint64_t signal_mark(
	const struct scope_hit *hit, struct task_struct *task, struct task_struct *target, int sig)
{
	uint64_t h = known_begin(ABI_KIND_KILL, hit, task);

	if (!h)
		return 0;
	h = known_mix(h, (uint64_t)BPF_CORE_READ(target, tgid) << 32 | (uint32_t)sig);
	return known_end(known_mix(h, BPF_CORE_READ(target, group_leader, start_boottime)));
}

SEC("tp_btf/signal_generate")
int BPF_PROG(signal_sent, int sig, struct kernel_siginfo *info, struct task_struct *target)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct scope_hit hit = {};
	struct abi_call *a;
	uint64_t mark;

	if (!scope_current(ABI_KIND_KILL, &hit) || signal_stays_inside(&hit, target) ||
		!signal_is_sent_by_process(info))
		return 0;
	emit_seen(ABI_KIND_KILL);
	mark = signal_mark(&hit, task, target, sig);
	if (known_repeat(ABI_KIND_KILL, mark))
		return 0;
	a = emit_reserve(ABI_KIND_KILL, sizeof(*a));
	if (!a)
		return 0;
	__builtin_memset((void *)a + sizeof(a->header), 0, sizeof(*a) - sizeof(a->header));
	a->num[0] = (uint32_t)sig;
	a->target.tgid = BPF_CORE_READ(target, tgid);
	a->target.start_boot_ns = BPF_CORE_READ(target, group_leader, start_boottime);
	read_comm(task, a->comm);
	known_take(mark, &a->known);
	emit_header(&a->header, ABI_KIND_KILL, sizeof(*a), task, &hit);
	emit_submit(a, ABI_KIND_KILL, sizeof(*a));
	return 0;
}
