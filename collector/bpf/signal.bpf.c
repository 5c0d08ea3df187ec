// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Signals that a process sends to one of another cgroup. Refused ones come by kill's own end. */
#include "collector/bpf/call.h"

#define SIG_CHLD      17
#define INFO_SPECIAL  1ul /* SEND_SIG_NOINFO 0: a user's; SEND_SIG_PRIV 1: the kernel's */
#define CODE_USER_MAX 0   /* si_code of what a process sent is 0 or less */
#define CODE_TIMER    -2  /* a timer that ran out: while any other process happened to run */

static __always_inline bool signal_is_sent_by_process(int sig, struct kernel_siginfo *info)
{
	uint64_t special = (uint64_t)info;
	int32_t code;

	if (sig == SIG_CHLD)
		return false; /* of an ending child: the kernel's */
	if (special <= INFO_SPECIAL)
		return special != INFO_SPECIAL;
	code = BPF_CORE_READ(info, si_code);
	return code <= CODE_USER_MAX && code != CODE_TIMER;
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

	if (!signal_is_sent_by_process(sig, info) || !scope_current(ABI_KIND_KILL, &hit))
		return 0;
	if (scope_task_cgroup(target) == hit.cgroup_id)
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
