// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Opens: open, openat, openat2, creat, judged by what was really opened. */
#include "collector/bpf/open.h"
#include "collector/bpf/syscalls.h"

static __always_inline uint32_t how_flags(uint64_t how)
{
	uint64_t flags = 0; /* first member of struct open_how */

	if (bpf_probe_read_user(&flags, sizeof(flags), (void *)how))
		emit_read_failed(ABI_READ_USER_PATH);
	return flags;
}

/* The entry says where the arguments are: path, flags (num0) or struct open_how * (num1). */
static __always_inline void open_args(const struct syscall *s, struct open_call *call)
{
	const struct abi_syscall *e = s->entry;

	call->dirfd = e->dirfd ? (int32_t)syscall_arg(s, e->dirfd) : AT_FDCWD;
	call->user_path = syscall_arg(s, e->path);
	if (e->num[0])
		call->flags = syscall_arg(s, e->num[0]);
	else if (e->num[1])
		call->flags = how_flags(syscall_arg(s, e->num[1]));
	else /* creat */
		call->flags = 01 | (CALL_FLAGS & ~00000200u);
	call->call = e->number + 1;
	if (s->compat)
		call->hit.flags |= ABI_FLAG_COMPAT;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(file_open_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct open_call call = {.ret = ret};
	struct syscall s;

	if (ret < 0 && ret != ERR_PERM && ret != ERR_ACCES)
		return 0;
	if (!scope_current(ABI_KIND_OPEN, &call.hit) || !syscall_read(regs, HANDLER_OPEN, &s))
		return 0;
	emit_seen(ABI_KIND_OPEN);
	open_args(&s, &call);
	if (ret >= 0)
		open_done(&call, task);
	else if (!open_user(&call, task, 0, CLASS_SMALL))
		(void)open_user(&call, task, 0, CLASS_PATH);
	return 0;
}
