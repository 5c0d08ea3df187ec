// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The one program that runs at the end of every system call of the machine. It looks at the number
 * and hands the few monitored ones to their family's handler.
 */
#include "collector/bpf/syscalls.h"

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit_dispatch, struct pt_regs *regs, long ret)
{
	struct syscall_info info;
	uint64_t nr;

	if (!syscall_interesting(regs, &nr))
		return 0;
	syscall_classify(regs, (void *)bpf_get_current_task(), &info);
	if (info.class != SYSCALL_NONE)
		bpf_tail_call(ctx, &handlers, info.class);
	return 0;
}
