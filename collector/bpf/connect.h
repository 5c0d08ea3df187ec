/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * A connect as a record. The peer comes from the kernel's socket when it has one; a call that
 * failed leaves nothing there, then the caller's address is taken and marked. Who found out about
 * it: net.bpf.c, uring.bpf.c.
 * Thread: kernel context of any CPU.
 */
#include "collector/bpf/address.h"
#include "collector/bpf/known.h"

struct connect_call {
	struct scope_hit hit;
	uint64_t address; /* in user memory */
	uint64_t mark;
	int32_t fd, ret;
	uint32_t len;
	uint16_t call;
};

static __always_inline void connect_common(struct abi_connect *c, const struct connect_call *call,
	struct task_struct *task, struct socket *socket)
{
	__builtin_memset((void *)c + sizeof(c->header), 0, sizeof(*c) - sizeof(c->header));
	c->ret = call->ret;
	c->fd = call->fd;
	c->call = call->call;
	address_begin(&c->address, socket);
	read_comm(task, c->comm);
}

/* The same peer by the same process once more. */
static __always_inline uint64_t connect_mark(
	const struct connect_call *call, struct task_struct *task, struct sock *sk, uint16_t family)
{
	uint64_t h = known_begin(ABI_KIND_CONNECT, &call->hit, task);
	struct in6_addr peer = {};
	uint64_t half[2];

	if (!h || (call->ret && call->ret != ERR_INPROGRESS))
		return 0;
	h = known_mix(h, (uint64_t)family << 16 | BPF_CORE_READ(sk, __sk_common.skc_dport));
	h = known_mix(h, BPF_CORE_READ(sk, sk_protocol));
	if (family == AF_INET)
		return known_end(known_mix(h, BPF_CORE_READ(sk, __sk_common.skc_daddr)));
	BPF_CORE_READ_INTO(&peer, sk, __sk_common.skc_v6_daddr);
	__builtin_memcpy(half, &peer, sizeof(half));
	return known_end(known_mix(known_mix(h, half[0]), half[1]));
}

static __always_inline void connect_inet(
	struct connect_call *call, struct task_struct *task, struct socket *socket, uint16_t family)
{
	struct sock *sk = BPF_CORE_READ(socket, sk);
	struct abi_connect *c;

	call->mark = connect_mark(call, task, sk, family);
	if (known_repeat(ABI_KIND_CONNECT, call->mark))
		return;
	c = emit_reserve(ABI_KIND_CONNECT, sizeof(*c));
	if (!c)
		return;
	connect_common(c, call, task, socket);
	emit_header(&c->header, ABI_KIND_CONNECT, sizeof(*c), task, &call->hit);
	address_local(&c->address, sk);
	if (call->ret == 0 || call->ret == ERR_INPROGRESS)
		address_peer(&c->address, sk);
	if (c->address.port == 0 && !address_user(&c->address, call->address, call->len))
		c->header.flags |= ABI_FLAG_PARTIAL;
	known_take(call->mark, &c->known);
	emit_submit(c, ABI_KIND_CONNECT, sizeof(*c));
}

static __always_inline void unix_named(const struct connect_call *call, struct task_struct *task,
	struct socket *socket, struct path_walk *walk, const uint32_t cap)
{
	struct abi_connect *c = emit_reserve(ABI_KIND_CONNECT, cap);
	uint32_t end;

	if (!c)
		return;
	end = sizeof(*c) + walk->len;
	connect_common(c, call, task, socket);
	c->path.off = path_write(c, cap, end, walk);
	c->path.len = end - c->path.off;
	c->address.path_flags = walk->flags;
	c->address.flags = ABI_ADDR_RESOLVED;
	emit_header(&c->header, ABI_KIND_CONNECT, end, task, &call->hit);
	emit_submit(c, ABI_KIND_CONNECT, cap);
}

static __always_inline void unix_other(const struct connect_call *call, struct task_struct *task,
	struct socket *socket, struct unix_sock *peer)
{
	struct abi_connect *c = emit_reserve(ABI_KIND_CONNECT, CLASS_SMALL);
	uint32_t skip = 0;
	char *name;

	if (!c)
		return;
	connect_common(c, call, task, socket);
	name = (void *)c + sizeof(*c);
	if (peer)
		c->path.len = address_unix_abstract(&c->address, name, BPF_CORE_READ(peer, addr));
	else
		c->path.len = address_unix_user(&c->address, name, call->address, call->len, &skip);
	c->path.off = sizeof(*c) + skip;
	emit_header(&c->header, ABI_KIND_CONNECT, c->path.off + c->path.len, task, &call->hit);
	emit_submit(c, ABI_KIND_CONNECT, CLASS_SMALL);
}

static __always_inline void connect_unix(
	struct connect_call *call, struct task_struct *task, struct socket *socket)
{
	struct unix_sock *self = (void *)BPF_CORE_READ(socket, sk), *peer = NULL;
	struct dentry *dentry = NULL;
	struct path_walk walk;

	if (call->ret == 0)
		peer = (void *)BPF_CORE_READ(self, peer);
	if (peer)
		dentry = BPF_CORE_READ(peer, path.dentry);
	if (!dentry) {
		unix_other(call, task, socket, peer);
		return;
	}
	FORGET_RANGE(call->hit.flags, (uint64_t)dentry);
	walk_begin(&walk, task, dentry, BPF_CORE_READ(peer, path.mnt));
	path_measure(&walk);
	if (sizeof(struct abi_connect) + walk.len + NAME_SLACK < CLASS_SMALL)
		unix_named(call, task, socket, &walk, CLASS_SMALL);
	else
		unix_named(call, task, socket, &walk, CLASS_PATH);
}

static __always_inline void connect_report(
	struct connect_call *call, struct task_struct *task, struct socket *socket)
{
	uint16_t family = socket_family(socket);

	if (!address_is_known_family(family))
		return;
	emit_seen(ABI_KIND_CONNECT);
	if (family == AF_UNIX)
		connect_unix(call, task, socket);
	else
		connect_inet(call, task, socket, family);
}
