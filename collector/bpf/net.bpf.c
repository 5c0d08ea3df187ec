// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * connect(2). The peer comes from the kernel's socket when it has one; a call that failed leaves
 * nothing there, then the caller's address is taken and marked.
 */
#include "collector/bpf/read.h"
#include "collector/bpf/syscalls.h"

#define AF_UNIX        1
#define AF_INET        2
#define AF_INET6       10
#define ERR_INPROGRESS -115
#define UNIX_PATH_MAX  108

struct connect_call {
	struct scope_hit hit;
	uint64_t address; /* in user memory */
	int32_t fd, ret;
	uint32_t len;
};

/* What a sockaddr of the three families looks like. */
union user_address {
	uint16_t family;
	struct {
		uint16_t family;
		uint16_t port;
		uint8_t addr[4];
	} in;
	struct {
		uint16_t family;
		uint16_t port;
		uint32_t flow;
		uint8_t addr[16];
	} in6;
	uint8_t bytes[28];
};

static __always_inline uint16_t from_network(uint16_t port)
{
	return __builtin_bswap16(port);
}

static __always_inline struct socket *socket_of_fd(struct task_struct *task, uint32_t fd)
{
	struct file *file = file_of_fd(task, fd);
	struct socket *socket;

	if ((file_mode(file) & MODE_TYPE) != MODE_SOCKET)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return NULL;
	return socket;
}

static __always_inline void peer_inet(struct abi_connect *c, struct sock *sk)
{
	c->port = from_network(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (c->family == AF_INET) {
		*(uint32_t *)c->addr = BPF_CORE_READ(sk, __sk_common.skc_daddr);
		return;
	}
	BPF_CORE_READ_INTO((struct in6_addr *)c->addr, sk, __sk_common.skc_v6_daddr);
}

static __always_inline void local_inet(struct abi_connect *c, struct sock *sk)
{
	c->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	if (c->family == AF_INET) {
		*(uint32_t *)c->local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		return;
	}
	BPF_CORE_READ_INTO((struct in6_addr *)c->local, sk, __sk_common.skc_v6_rcv_saddr);
}

static __always_inline void user_inet(struct abi_connect *c, const struct connect_call *call)
{
	union user_address a = {};

	c->addr_flags |= ABI_ADDR_USER;
	if (bpf_probe_read_user(&a, 16, (void *)call->address)) {
		emit_read_failed(ABI_READ_USER_ADDR);
		c->header.flags |= ABI_FLAG_PARTIAL;
		return;
	}
	c->family = a.family;
	c->port = from_network(a.in.port);
	if (a.family == AF_INET)
		*(uint32_t *)c->addr = *(uint32_t *)a.in.addr;
	else if (a.family != AF_INET6 || call->len < sizeof(a.in6))
		return;
	else if (bpf_probe_read_user(c->addr, 16, (void *)call->address + 8))
		emit_read_failed(ABI_READ_USER_ADDR);
}

static __always_inline void connect_common(struct abi_connect *c, const struct connect_call *call,
	struct task_struct *task, struct socket *socket, uint16_t family)
{
	__builtin_memset((void *)c + sizeof(c->header), 0, sizeof(*c) - sizeof(c->header));
	c->ret = call->ret;
	c->fd = call->fd;
	c->family = family;
	c->sock_type = BPF_CORE_READ(socket, type);
	c->protocol = BPF_CORE_READ(socket, sk, sk_protocol);
	read_comm(task, c->comm);
}

static __always_inline void connect_inet(const struct connect_call *call, struct task_struct *task,
	struct socket *socket, uint16_t family)
{
	struct abi_connect *c = emit_reserve(ABI_KIND_CONNECT, sizeof(*c));
	struct sock *sk;

	if (!c)
		return;
	sk = BPF_CORE_READ(socket, sk);
	connect_common(c, call, task, socket, family);
	emit_header(&c->header, ABI_KIND_CONNECT, sizeof(*c), task, &call->hit);
	local_inet(c, sk);
	if (call->ret == 0 || call->ret == ERR_INPROGRESS)
		peer_inet(c, sk);
	if (c->port == 0)
		user_inet(c, call);
	emit_submit(c, ABI_KIND_CONNECT, sizeof(*c));
}

/* The name as the caller gave it; for failed calls. */
static __always_inline uint32_t unix_user(struct abi_connect *c, const struct connect_call *call)
{
	char *name = (void *)c + sizeof(*c);
	uint64_t len = call->len > 2 ? call->len - 2 : 0;

	c->addr_flags |= ABI_ADDR_USER;
	if (len > UNIX_PATH_MAX)
		len = UNIX_PATH_MAX;
	if (len == 0)
		c->addr_flags |= ABI_ADDR_UNNAMED;
	BOUND(len, 127);
	if (len == 0 || bpf_probe_read_user(name, len, (void *)call->address + 2)) {
		if (len)
			emit_read_failed(ABI_READ_USER_ADDR);
		return 0;
	}
	if (name[0] == 0) {
		c->addr_flags |= ABI_ADDR_ABSTRACT;
		c->path.off++;
		return len - 1;
	}
	name[len] = 0; /* its length, without reading user memory a second time */
	return bpf_probe_read_kernel_str(name, UNIX_PATH_MAX + 1, name) - 1;
}

/* The name that the peer is bound to without a file: abstract or none. */
static __always_inline uint32_t unix_abstract(struct abi_connect *c, struct unix_address *address)
{
	char *name = (void *)c + sizeof(*c);
	uint64_t len = address ? (uint32_t)BPF_CORE_READ(address, len) : 0;

	len = len > 3 ? len - 3 : 0; /* family and leading NUL */
	if (len == 0 || len >= UNIX_PATH_MAX) {
		c->addr_flags |= ABI_ADDR_UNNAMED;
		return 0;
	}
	c->addr_flags |= ABI_ADDR_ABSTRACT;
	BOUND(len, 127);
	if (bpf_probe_read_kernel(name, len,
		    (void *)address + bpf_core_field_offset(struct unix_address, name) + 3)) {
		emit_read_failed(ABI_READ_SOCKET);
		return 0;
	}
	return len;
}

static __always_inline void unix_named(const struct connect_call *call, struct task_struct *task,
	struct socket *socket, struct path_walk *walk, const uint32_t cap)
{
	struct abi_connect *c = emit_reserve(ABI_KIND_CONNECT, cap);
	uint32_t end;

	if (!c)
		return;
	end = sizeof(*c) + walk->len;
	connect_common(c, call, task, socket, AF_UNIX);
	c->path.off = path_write(c, cap, end, walk);
	c->path.len = end - c->path.off;
	c->path_flags = walk->flags;
	c->addr_flags = ABI_ADDR_RESOLVED;
	emit_header(&c->header, ABI_KIND_CONNECT, end, task, &call->hit);
	emit_submit(c, ABI_KIND_CONNECT, cap);
}

static __always_inline void unix_other(const struct connect_call *call, struct task_struct *task,
	struct socket *socket, struct unix_sock *peer)
{
	struct abi_connect *c = emit_reserve(ABI_KIND_CONNECT, CLASS_SMALL);

	if (!c)
		return;
	connect_common(c, call, task, socket, AF_UNIX);
	c->path.off = sizeof(*c);
	c->path.len = peer ? unix_abstract(c, BPF_CORE_READ(peer, addr)) : unix_user(c, call);
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

static __always_inline bool connect_args(struct pt_regs *regs, struct connect_call *call)
{
	struct syscall_info info;
	uint32_t args[3] = {};

	syscall_classify(regs, (void *)bpf_get_current_task(), &info);
	call->fd = syscall_arg0(regs, info.compat);
	call->address = syscall_arg1(regs, info.compat);
	call->len = syscall_arg2(regs, info.compat);
	if (info.compat)
		call->hit.flags |= ABI_FLAG_COMPAT;
	if (info.class != SYSCALL_SOCKETCALL)
		return true;
	if (call->fd != SOCKETCALL_CONNECT)
		return false;
	if (bpf_probe_read_user(args, sizeof(args), (void *)call->address))
		emit_read_failed(ABI_READ_USER_ADDR);
	call->fd = args[0];
	call->address = args[1];
	call->len = args[2];
	return true;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(net_connect_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct connect_call call = {};
	struct socket *socket;
	uint16_t family;

	if (!scope_current(ABI_KIND_CONNECT, &call.hit) || !connect_args(regs, &call))
		return 0;
	call.ret = ret;
	socket = socket_of_fd(task, call.fd);
	if (!socket)
		return 0; /* not a socket: the call failed with EBADF or ENOTSOCK and touched
			     nothing */
	family = BPF_CORE_READ(socket, sk, __sk_common.skc_family);
	if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
		return 0;
	emit_seen(ABI_KIND_CONNECT);
	if (family == AF_UNIX)
		connect_unix(&call, task, socket);
	else
		connect_inet(&call, task, socket, family);
	return 0;
}
