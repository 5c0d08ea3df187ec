// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* connect(2), when it ends. */
#include "collector/bpf/connect.h"
#include "collector/bpf/syscalls.h"

SEC("tp_btf/sys_exit")
int BPF_PROG(net_connect_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct connect_call call = {.ret = ret};
	struct socket *socket;
	struct syscall s;

	if (!scope_current(ABI_KIND_CONNECT, &call.hit) || !syscall_read(regs, HANDLER_CONNECT, &s))
		return 0;
	call.fd = s.args[0];
	call.address = s.args[1];
	call.len = s.args[2];
	call.call = s.entry->number + 1;
	if (s.compat)
		call.hit.flags |= ABI_FLAG_COMPAT;
	socket = socket_of_file(file_of_fd(task, call.fd));
	if (!socket)
		return 0; /* not a socket: the call failed with EBADF or ENOTSOCK and touched
			     nothing */
	connect_report(&call, task, socket);
	return 0;
}
