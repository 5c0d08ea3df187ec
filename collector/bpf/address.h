/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Sockets and their addresses: the peer, the own one, or what the caller wrote, as struct
 * abi_address. The kernel's socket is asked first; a call that failed leaves nothing there.
 * Unix names lie in the record behind its fixed part: `name` has ADDRESS_NAME_ROOM bytes.
 * Thread: kernel context of any CPU.
 */
#include "collector/bpf/read.h"

#define AF_UNIX           1
#define AF_INET           2
#define AF_INET6          10
#define ERR_INPROGRESS    -115
#define UNIX_PATH_MAX     108
#define ADDRESS_NAME_ROOM 128u

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

static __always_inline bool address_is_known_family(uint16_t family)
{
	return family == AF_UNIX || family == AF_INET || family == AF_INET6;
}

static __always_inline struct socket *socket_of_file(struct file *file)
{
	struct socket *socket;

	if ((file_mode(file) & MODE_TYPE) != MODE_SOCKET)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return NULL;
	return socket;
}

static __always_inline uint16_t socket_family(struct socket *socket)
{
	return BPF_CORE_READ(socket, sk, __sk_common.skc_family);
}

/* All but the addresses; empties the rest. */
static __always_inline void address_begin(struct abi_address *a, struct socket *socket)
{
	__builtin_memset(a, 0, sizeof(*a));
	a->family = socket_family(socket);
	a->sock_type = BPF_CORE_READ(socket, type);
	if (a->family != AF_UNIX)
		a->protocol = BPF_CORE_READ(socket, sk, sk_protocol);
}

static __always_inline void address_peer(struct abi_address *a, struct sock *sk)
{
	a->port = from_network(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (a->family == AF_INET) {
		*(uint32_t *)a->addr = BPF_CORE_READ(sk, __sk_common.skc_daddr);
		return;
	}
	BPF_CORE_READ_INTO((struct in6_addr *)a->addr, sk, __sk_common.skc_v6_daddr);
}

static __always_inline void address_local(struct abi_address *a, struct sock *sk)
{
	a->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	if (a->family == AF_INET) {
		*(uint32_t *)a->local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		return;
	}
	BPF_CORE_READ_INTO((struct in6_addr *)a->local, sk, __sk_common.skc_v6_rcv_saddr);
}

/* The own address as the one that the call is about: bind, listen. */
static __always_inline void address_own(struct abi_address *a, struct sock *sk)
{
	address_local(a, sk);
	a->port = a->local_port;
	__builtin_memcpy(a->addr, a->local, sizeof(a->addr));
}

/* False: user memory could not be read. */
static __always_inline bool address_user(struct abi_address *a, uint64_t from, uint32_t len)
{
	union user_address u = {};

	a->flags |= ABI_ADDR_USER;
	if (len < 8 || bpf_probe_read_user(&u, 8, (void *)from)) {
		emit_read_failed(ABI_READ_USER_ADDR);
		return false;
	}
	a->family = u.family;
	a->port = from_network(u.in.port);
	if (u.family == AF_INET)
		*(uint32_t *)a->addr = *(uint32_t *)u.in.addr;
	else if (u.family != AF_INET6 || len < 24)
		return true;
	else if (bpf_probe_read_user(a->addr, 16, (void *)from + 8))
		emit_read_failed(ABI_READ_USER_ADDR);
	return true;
}

/* A unix name as the caller gave it. Returns its length; *skip leading bytes are not part of it. */
static __always_inline uint32_t address_unix_user(
	struct abi_address *a, char *name, uint64_t from, uint32_t given, uint32_t *skip)
{
	uint64_t len = given > 2 ? given - 2 : 0;

	a->flags |= ABI_ADDR_USER;
	if (len > UNIX_PATH_MAX)
		len = UNIX_PATH_MAX;
	if (len == 0)
		a->flags |= ABI_ADDR_UNNAMED;
	BOUND(len, 127);
	if (len == 0 || bpf_probe_read_user(name, len, (void *)from + 2)) {
		if (len)
			emit_read_failed(ABI_READ_USER_ADDR);
		return 0;
	}
	if (name[0] == 0) {
		a->flags |= ABI_ADDR_ABSTRACT;
		*skip = 1;
		return len - 1;
	}
	name[len] = 0; /* its length, without reading user memory a second time */
	return bpf_probe_read_kernel_str(name, UNIX_PATH_MAX + 1, name) - 1;
}

/* The name that a socket is bound to without a file: abstract or none. */
static __always_inline uint32_t address_unix_abstract(
	struct abi_address *a, char *name, struct unix_address *address)
{
	uint64_t len = address ? (uint32_t)BPF_CORE_READ(address, len) : 0;

	len = len > 3 ? len - 3 : 0; /* family and leading NUL */
	if (len == 0 || len >= UNIX_PATH_MAX) {
		a->flags |= ABI_ADDR_UNNAMED;
		return 0;
	}
	a->flags |= ABI_ADDR_ABSTRACT;
	BOUND(len, 127);
	if (bpf_probe_read_kernel(name, len,
		    (void *)address + bpf_core_field_offset(struct unix_address, name) + 3)) {
		emit_read_failed(ABI_READ_SOCKET);
		return 0;
	}
	return len;
}
