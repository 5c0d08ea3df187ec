// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* bind, listen, accept, and descriptors made the process's standard ones: whose address or path. */
#include "collector/bpf/call.h"

#define ROOM_PATH   256u
#define CLASS_SOCK  1024u
#define F_DUPFD     0
#define F_DUPFD_EXE 1030 /* F_DUPFD_CLOEXEC */
#define NR_FCNTL    72   /* x86-64's, as in abi_syscall.number */

_Static_assert(sizeof(struct abi_call) + ADDRESS_NAME_ROOM + ROOM_PATH + NAME_SLACK <= CLASS_SOCK,
	"slots");

/* Where a file or a bound unix socket is; no dentry = nowhere. */
struct place {
	struct dentry *dentry;
	struct vfsmount *mnt;
};

/* The unix socket whose name is meant: the own one, or the peer's. */
static __always_inline struct unix_sock *sock_unix(struct socket *socket, bool own)
{
	struct unix_sock *self = (void *)BPF_CORE_READ(socket, sk);

	return own ? self : (void *)BPF_CORE_READ(self, peer);
}

static __always_inline void sock_place(
	struct file *file, struct socket *socket, struct unix_sock *unix_sock, struct place *ret)
{
	if (unix_sock) {
		ret->dentry = BPF_CORE_READ(unix_sock, path.dentry);
		ret->mnt = BPF_CORE_READ(unix_sock, path.mnt);
	} else if (!socket) {
		ret->dentry = BPF_CORE_READ(file, f_path.dentry);
		ret->mnt = BPF_CORE_READ(file, f_path.mnt);
	}
}

static __always_inline void sock_inet(
	struct abi_call *a, const struct call *c, struct socket *socket, bool own)
{
	struct sock *sk = BPF_CORE_READ(socket, sk);

	address_local(&a->address, sk);
	if (own && c->ret >= 0)
		address_own(&a->address, sk);
	else if (!own)
		address_peer(&a->address, sk);
	else if (c->kind == ABI_KIND_BIND)
		(void)address_user(&a->address, c->s.args[1], c->s.args[2]);
}

static __always_inline void sock_unix_name(
	struct abi_call *a, const struct call *c, struct unix_sock *u, bool own)
{
	uint32_t skip = 0, off = sizeof(*a);
	char *name = (void *)a + sizeof(*a);

	if (own && c->ret < 0 && c->kind == ABI_KIND_BIND)
		a->path.len =
			address_unix_user(&a->address, name, c->s.args[1], c->s.args[2], &skip);
	else
		a->path.len =
			address_unix_abstract(&a->address, name, u ? BPF_CORE_READ(u, addr) : NULL);
	a->path.off = off + skip;
}

static __always_inline void sock_address(struct abi_call *a, const struct call *c,
	struct socket *socket, struct unix_sock *u, bool own, bool nameless)
{
	address_begin(&a->address, socket);
	if (a->address.family != AF_UNIX)
		sock_inet(a, c, socket, own);
	else if (nameless)
		sock_unix_name(a, c, u, own);
	else
		a->address.flags = ABI_ADDR_RESOLVED;
}

/* Otherwise each combination of them walks the whole path again in the verifier. */
static __always_inline void sock_forget_ranges(
	struct call *c, struct path_walk *w, struct place *place, uint64_t socket_and_unix[2])
{
	uint64_t unknown = bpf_ktime_get_ns();

	FORGET_RANGE(w->dentry, unknown);
	FORGET_RANGE(w->mount, unknown);
	FORGET_RANGE(place->dentry, unknown);
	FORGET_RANGE(socket_and_unix[0], unknown);
	FORGET_RANGE(socket_and_unix[1], unknown);
	call_forget_ranges(c);
}

/* What the descriptor leads to: an address, a path, or both for a named unix socket. */
static __always_inline void sock_report(struct call *c, struct file *file, uint64_t own)
{
	uint64_t both[2] = {(uint64_t)socket_of_file(file), 0}; /* socket, unix socket */
	struct socket *socket = (void *)both[0];
	struct place place = {};
	struct path_walk walk;
	struct abi_call *a;
	uint32_t at, end;

	if (socket && socket_family(socket) == AF_UNIX)
		both[1] = (uint64_t)sock_unix(socket, own);
	sock_place(file, socket, (void *)both[1], &place);
	walk_begin(&walk, c->task, place.dentry, place.mnt);
	if (!place.dentry) { /* walks nowhere, but takes the same way through here */
		walk.dentry = walk.root;
		walk.mount = walk.root_mount;
	}
	sock_forget_ranges(c, &walk, &place, both);
	FORGET_RANGE(own, both[0]);
	a = emit_reserve(c->kind, CLASS_SOCK);
	if (!a)
		return;
	end = sizeof(*a) + ADDRESS_NAME_ROOM + ROOM_PATH;
	walk.len = ROOM_PATH;
	at = path_write(a, CLASS_SOCK, end, &walk);
	call_common(a, c);
	a->base.off = at;
	a->base.len = place.dentry ? end - at : 0;
	a->base_flags = place.dentry ? walk.flags : 0;
	a->mode = file_mode(file);
	socket = (void *)both[0];
	if (socket)
		sock_address(a, c, socket, (void *)both[1], own, !place.dentry);
	call_submit(a, c, end, CLASS_SOCK);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(socket_exit, struct pt_regs *regs, long ret)
{
	struct call c = {};
	struct socket *socket;
	struct file *file;
	int32_t fd;

	if (!call_begin(&c, regs, ret, HANDLER_SOCKET))
		return 0;
	fd = c.s.entry->flags & SYSCALL_FD_RESULT && ret >= 0 ? ret : (int32_t)c.s.args[0];
	file = file_of_fd(c.task, fd);
	socket = socket_of_file(file);
	if (!socket || !address_is_known_family(socket_family(socket)))
		return 0; /* failed without touching anything, or a family told by socket() */
	emit_seen(c.kind);
	sock_report(&c, file, c.kind != ABI_KIND_ACCEPT);
	return 0;
}

/* dup, dup2, dup3, fcntl(F_DUPFD*): the dispatcher lets through results 0 to 2. */
SEC("tp_btf/sys_exit")
int BPF_PROG(stdio_exit, struct pt_regs *regs, long ret)
{
	struct call c = {};
	struct file *file;

	if (!call_begin(&c, regs, ret, HANDLER_STDIO))
		return 0;
	if (c.s.entry->number == NR_FCNTL && (int32_t)c.s.args[1] != F_DUPFD &&
		(int32_t)c.s.args[1] != F_DUPFD_EXE)
		return 0;
	if ((int32_t)c.s.args[0] == ret)
		return 0; /* dup2 onto itself */
	emit_seen(c.kind);
	file = file_of_fd(c.task, ret);
	if (!file) {
		emit_read_failed(ABI_READ_FILE);
		emit_filtered(c.kind); /* closed again by another thread: nothing to say */
		return 0;
	}
	sock_report(&c, file, false);
	return 0;
}
