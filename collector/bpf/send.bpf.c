// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Datagrams: where UDP is sent to without connect, and the payload of what goes to or comes from
 * port 53. The name server's port is the only thing looked at here; the payload is parsed in user
 * space.
 */
#include "collector/bpf/call.h"

#define IPPROTO_UDP  17
#define PORT_DNS     53
#define CLASS_DATA   1024u
#define MESSAGES_MAX 2 /* what a resolver sends at once */

_Static_assert(sizeof(struct abi_call) + ABI_DATA_MAX <= CLASS_DATA, "slots");

struct datagram {
	uint64_t name; /* address in user memory, 0 = none */
	uint64_t data;
	uint32_t name_len;
	uint32_t len;
};

struct user_msghdr {
	uint64_t name;
	uint32_t name_len, pad;
	uint64_t iov, iov_count;
};

struct compat_msghdr {
	uint32_t name, name_len, iov, iov_count;
};

static __always_inline bool datagram_of_msg(struct datagram *d, uint64_t msg, bool compat)
{
	struct user_msghdr m = {};
	struct compat_msghdr m32 = {};
	uint64_t iov[2] = {};
	uint32_t iov32[2] = {};
	long r;

	if (compat) {
		r = bpf_probe_read_user(&m32, sizeof(m32), (void *)msg);
		if (!r)
			r = bpf_probe_read_user(iov32, sizeof(iov32), (void *)(uint64_t)m32.iov);
		*d = (struct datagram){m32.name, iov32[0], m32.name_len, iov32[1]};
	} else {
		r = bpf_probe_read_user(&m, sizeof(m), (void *)msg);
		if (!r)
			r = bpf_probe_read_user(iov, sizeof(iov), (void *)m.iov);
		*d = (struct datagram){m.name, iov[0], m.name_len, iov[1]};
	}
	if (r)
		emit_read_failed(ABI_READ_USER_DATA);
	return !r;
}

/* The port of the other side: named in the call, or the connected one. */
static __always_inline void datagram_peer(struct abi_address *a, const struct call *c,
	struct socket *socket, const struct datagram *d)
{
	address_begin(a, socket);
	if (d->name && d->name_len)
		(void)address_user(a, d->name, d->name_len);
	else
		address_peer(a, BPF_CORE_READ(socket, sk));
}

static __always_inline void dns_report(
	struct call *c, const struct datagram *d, const struct abi_address *peer, bool answer)
{
	struct abi_call *a;
	uint64_t len = d->len;

	if (!scope_current(ABI_KIND_DNS, &c->hit))
		return;
	c->kind = ABI_KIND_DNS;
	emit_seen(ABI_KIND_DNS);
	a = emit_reserve(ABI_KIND_DNS, CLASS_DATA);
	if (!a)
		return;
	call_common(a, c);
	a->num[0] = answer;
	a->address = *peer;
	if (len > ABI_DATA_MAX)
		len = ABI_DATA_MAX;
	BOUND(len, 1023);
	a->data.off = sizeof(*a);
	if (len <= ABI_DATA_MAX &&
		!bpf_probe_read_user((void *)a + sizeof(*a), len, (void *)d->data))
		a->data.len = len;
	else
		emit_read_failed(ABI_READ_USER_DATA);
	call_submit(a, c, sizeof(*a) + a->data.len, CLASS_DATA);
}

static __always_inline uint64_t send_mark(const struct call *c, const struct abi_address *peer)
{
	uint64_t h = known_begin(ABI_KIND_SEND, &c->hit, c->task), half[2];

	if (!h)
		return 0;
	__builtin_memcpy(half, peer->addr, sizeof(half));
	h = known_mix(h, (uint64_t)peer->port << 32 | peer->family);
	return known_end(known_mix(known_mix(h, half[0]), half[1] ^ (uint32_t)(c->ret < 0)));
}

static __always_inline void send_report(struct call *c, const struct abi_address *peer)
{
	struct abi_call *a;
	uint64_t mark;

	if (!scope_current(ABI_KIND_SEND, &c->hit))
		return;
	c->kind = ABI_KIND_SEND;
	emit_seen(ABI_KIND_SEND);
	mark = send_mark(c, peer);
	if (known_repeat(ABI_KIND_SEND, mark))
		return;
	a = emit_reserve(ABI_KIND_SEND, sizeof(*a));
	if (!a)
		return;
	call_common(a, c);
	a->address = *peer;
	known_take(mark, &a->known);
	call_submit(a, c, sizeof(*a), sizeof(*a));
}

static __always_inline void datagram_report(
	struct call *c, struct socket *socket, const struct datagram *d)
{
	bool answer = c->s.entry->flags & SYSCALL_RECEIVES;
	struct abi_address peer;

	datagram_peer(&peer, c, socket, d);
	if (d->name && !answer && peer.port)
		send_report(c, &peer);
	if (peer.port == PORT_DNS && c->ret > 0)
		dns_report(c, d, &peer, answer);
}

static __always_inline struct socket *udp_socket(const struct call *c)
{
	struct socket *socket = socket_of_file(file_of_fd(c->task, c->s.args[0]));
	uint16_t family;

	if (!socket || BPF_CORE_READ(socket, sk, sk_protocol) != IPPROTO_UDP)
		return NULL;
	family = socket_family(socket);
	return family == AF_INET || family == AF_INET6 ? socket : NULL;
}

/* sendto and recvfrom: the address behind the last two arguments; recvfrom has a pointer to its
 * length, which is full size whenever the kernel has written the address. */
static __always_inline void datagram_of_args(const struct call *c, struct datagram *d)
{
	d->data = c->s.args[1];
	d->len = c->s.entry->flags & SYSCALL_RECEIVES ? (uint32_t)c->ret : c->s.args[2];
	d->name = c->s.args[4];
	d->name_len = c->s.entry->flags & SYSCALL_RECEIVES ? 28 : c->s.args[5];
}

SEC("tp_btf/sys_exit")
int BPF_PROG(send_exit, struct pt_regs *regs, long ret)
{
	struct datagram d = {};
	struct socket *socket;
	struct call c = {};

	if (!call_begin(&c, regs, ret, HANDLER_SEND))
		return 0;
	socket = udp_socket(&c);
	if (!socket)
		return 0;
	if (!(c.s.entry->flags & SYSCALL_MSGHDR))
		datagram_of_args(&c, &d);
	else if (!datagram_of_msg(&d, c.s.args[1], c.s.compat))
		return 0;
	if (c.s.entry->flags & SYSCALL_RECEIVES && ret >= 0 && d.len > ret)
		d.len = ret;
	datagram_report(&c, socket, &d);
	return 0;
}

/* sendmmsg, recvmmsg: the first few of the messages that went through. */
SEC("tp_btf/sys_exit")
int BPF_PROG(send_many_exit, struct pt_regs *regs, long ret)
{
	struct datagram d = {};
	struct socket *socket;
	struct call c = {};
	uint64_t step;

	if (!call_begin(&c, regs, ret, HANDLER_SEND_MANY))
		return 0;
	socket = udp_socket(&c);
	if (!socket)
		return 0;
	step = c.s.compat ? 32 : 64; /* of struct mmsghdr */
#pragma clang loop unroll(disable)
	for (int i = 0; i < MESSAGES_MAX; i++) {
		if (i >= ret)
			break;
		call_forget_ranges(&c);
		if (datagram_of_msg(&d, c.s.args[1] + i * step, c.s.compat))
			datagram_report(&c, socket, &d);
	}
	return 0;
}
