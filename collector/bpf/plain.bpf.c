// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Calls that are told by numbers and at most one short string: credentials, namespaces, the
 * kernel's own surface, time, names. What each says: struct abi_call.
 */
#include "collector/bpf/call.h"

#define TEXT_ROOM   256u
#define CLASS_TEXT  (sizeof(struct abi_call) + TEXT_ROOM)
#define SOCK_RAW    3
#define SOCK_PACKET 10
#define SOCK_TYPE   0xfu

/* The ordinary families with an ordinary type are told by what is done with them. */
static __always_inline bool plain_is_ordinary(const struct call *c)
{
	uint64_t domain = c->s.args[0], type = c->s.args[1] & SOCK_TYPE;

	if (c->kind != ABI_KIND_SOCKET)
		return false;
	return (domain == AF_INET || domain == AF_INET6 || domain == AF_UNIX) && type != SOCK_RAW &&
	       type != SOCK_PACKET;
}

/* What the caller has become, after calls that change it. */
static __always_inline void plain_after(struct abi_call *a, const struct call *c)
{
	struct task_struct *task = c->task;
	const struct cred *cred = BPF_CORE_READ(task, cred);

	if (c->kind == ABI_KIND_SETID) {
		a->num[0] = BPF_CORE_READ(cred, euid.val);
		a->num[1] = BPF_CORE_READ(cred, egid.val);
	} else if (c->kind == ABI_KIND_CAPSET) {
		if (bpf_probe_read_kernel(&a->num[0], sizeof(a->num[0]),
			    (void *)cred + bpf_core_field_offset(struct cred, cap_effective)))
			emit_read_failed(ABI_READ_TASK);
	}
}

static __always_inline uint64_t plain_mark(const struct call *c)
{
	const struct abi_syscall *e = c->s.entry;
	uint64_t h = 0;

	if (!e->text)
		h = known_begin(c->kind, &c->hit, c->task);
	if (!h)
		return 0;
	h = known_mix(h, (uint64_t)(uint32_t)c->ret << 32 | e->number);
	h = known_mix(h, syscall_arg(&c->s, e->num[0] & 0xf));
	h = known_mix(h, syscall_arg(&c->s, e->num[1] & 0xf));
	h = known_mix(h, syscall_arg(&c->s, e->num[2] & 0xf));
	return known_end(known_mix(h, syscall_arg(&c->s, e->target)));
}

/* Numbers in user memory can differ behind the same pointer. */
static __always_inline bool plain_may_fold(const struct abi_syscall *e)
{
	return !((e->num[0] | e->num[1] | e->num[2]) & (SYSCALL_ARG_DEREF | SYSCALL_ARG_DEREF8));
}

SEC("tp_btf/sys_exit")
int BPF_PROG(plain_exit, struct pt_regs *regs, long ret)
{
	struct call c = {};
	struct abi_call *a;

	if (!call_begin(&c, regs, ret, HANDLER_PLAIN))
		return 0;
	if (plain_is_ordinary(&c))
		return 0;
	emit_seen(c.kind);
	if (plain_may_fold(c.s.entry))
		c.mark = plain_mark(&c);
	if (known_repeat(c.kind, c.mark))
		return 0;
	a = emit_reserve(c.kind, CLASS_TEXT);
	if (!a)
		return 0;
	call_common(a, &c);
	plain_after(a, &c);
	if (c.s.entry->text)
		call_string(a, &a->text, &a->path_flags, sizeof(*a),
			syscall_arg(&c.s, c.s.entry->text), TEXT_ROOM);
	known_take(c.mark, &a->known);
	call_submit(a, &c, sizeof(*a) + a->text.len, CLASS_TEXT);
	return 0;
}
