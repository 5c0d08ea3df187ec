/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets as the real kernel tells them: own and peer addresses, datagrams, DNS, standard streams.
 */
#include "collector/tests/deeds.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#define NAME_SERVER 53

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, &(struct probe_options){0});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int bound(int type, uint16_t *port)
{
	struct sockaddr_in address = loopback(0);
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return -1;
	*port = ntohs(address.sin_port);
	return fd;
}

static int run_server(void *ctx)
{
	struct sockaddr_in address;
	uint16_t port = 0;
	int fd = bound(SOCK_STREAM, &port), client = socket(AF_INET, SOCK_STREAM, 0);

	(void)ctx;
	if (fd < 0 || listen(fd, 7) < 0)
		return 98;
	address = loopback(port);
	if (connect(client, (struct sockaddr *)&address, sizeof(address)) < 0)
		return 97;
	return accept4(fd, NULL, NULL, SOCK_CLOEXEC) < 0 ? 96 : 0;
}

static void a_server_is_told_by_bind_listen_and_accept(void **state)
{
	pid_t pid = rig_run(&rig, run_server, NULL);
	const struct abi_call *b = deeds_last(&rig, ABI_KIND_BIND, pid);
	const struct abi_call *l = deeds_last(&rig, ABI_KIND_LISTEN, pid);
	const struct abi_call *a = deeds_last(&rig, ABI_KIND_ACCEPT, pid);
	const struct abi_connect *c = rig_nth(&rig, ABI_KIND_CONNECT, pid, 0);
	const uint8_t localhost[4] = {127, 0, 0, 1};

	(void)state;
	assert_true(b && l && a && c);
	assert_int_equal(b->call, 49 + 1);
	assert_int_equal(l->call, 50 + 1);
	assert_int_equal(a->call, 288 + 1);
	assert_memory_equal(b->address.addr, localhost, 4);
	assert_int_equal(b->address.family, AF_INET);
	assert_int_equal(b->address.protocol, IPPROTO_TCP);
	assert_true(b->address.port > 0);
	assert_int_equal(l->address.port, b->address.port);
	assert_int_equal(l->num[0], 7);
	assert_memory_equal(a->address.addr, localhost, 4);
	assert_int_equal(a->address.local_port, b->address.port);
	assert_int_equal(a->address.port, c->address.local_port);
	assert_int_equal(b->header.cgroup_id, rig.cgroup_id);
	rig_clear(&rig);
}

static long bind_privileged(void)
{
	struct sockaddr_in address = loopback(1);

	return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address));
}

static long bind_unix(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};

	return bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address));
}

static long raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
}

static long packet_socket(void)
{
	return socket(AF_PACKET, SOCK_DGRAM, 0);
}

static long netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long stdin_from_file(void)
{
	return dup2(open("input", O_CREAT | O_RDWR, 0600), 0);
}

static long stdout_by_fcntl(void)
{
	int fd = open("output", O_CREAT | O_RDWR, 0600);

	(void)close(1);
	return fcntl(fd, F_DUPFD, 1);
}

static const struct deed deeds[] = {
	{"bind refused", ABI_KIND_BIND, bind_privileged, .err = EACCES, .as_nobody = true,
		.call = 49},
	{"bind of a file", ABI_KIND_BIND, bind_unix, .path = "/socket"},
	{"raw socket", ABI_KIND_SOCKET, raw_socket, .call = 41, .num_mask = 7,
		.num = {AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP}},
	{"raw socket refused", ABI_KIND_SOCKET, raw_socket, .err = EPERM, .as_nobody = true},
	{"packet socket refused", ABI_KIND_SOCKET, packet_socket, .err = ANY_ERR, .as_nobody = true,
		.num = {AF_PACKET}, .num_mask = 1},
	{"netlink socket", ABI_KIND_SOCKET, netlink_socket, .num = {AF_NETLINK}, .num_mask = 1},
	{"standard input from a file", ABI_KIND_STDIO, stdin_from_file, .path = "/input",
		.call = 33},
	{"standard output by fcntl", ABI_KIND_STDIO, stdout_by_fcntl, .path = "/output",
		.call = 72},
};

static void sockets_and_streams_are_told_done_and_refused(void **state)
{
	(void)state;
	deeds_run(&rig, deeds, PW_COUNT(deeds));
}

static int run_ordinary(void *ctx)
{
	int pair[2];

	(void)ctx;
	if (socket(AF_INET, SOCK_STREAM, 0) < 0 || socket(AF_UNIX, SOCK_DGRAM, 0) < 0 ||
		pipe(pair) < 0)
		return 98;
	return dup(pair[0]) < 0 || fcntl(0, F_GETFD) < 0 || dup2(2, 2) < 0;
}

static void ordinary_sockets_and_descriptors_say_nothing(void **state)
{
	pid_t pid = rig_run(&rig, run_ordinary, NULL);

	(void)state;
	assert_int_equal(rig_count(&rig, ABI_KIND_SOCKET, pid), 0);
	assert_int_equal(rig_count(&rig, ABI_KIND_STDIO, pid), 0);
	rig_clear(&rig);
}

/* A shell on a socket, the way attackers do it. */
static int run_reverse_shell(void *ctx)
{
	struct sockaddr_in address;
	uint16_t port = 0;
	int server = bound(SOCK_STREAM, &port), fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)ctx;
	if (listen(server, 1) < 0)
		return 98;
	address = loopback(port);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return 97;
	return dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup3(fd, 2, O_CLOEXEC) < 0;
}

static void a_socket_made_standard_stream_is_told_with_its_peer(void **state)
{
	pid_t pid = rig_run(&rig, run_reverse_shell, NULL);
	const struct abi_connect *c = rig_nth(&rig, ABI_KIND_CONNECT, pid, 0);

	(void)state;
	assert_non_null(c);
	assert_int_equal(rig_count(&rig, ABI_KIND_STDIO, pid), 3);
	for (int fd = 0; fd < 3; fd++) {
		const struct abi_call *s = rig_nth(&rig, ABI_KIND_STDIO, pid, (size_t)fd);

		assert_int_equal(s->ret, fd);
		assert_int_equal(s->num[0], c->fd);
		assert_true(S_ISSOCK(s->mode));
		assert_int_equal(s->address.port, c->address.port);
		assert_memory_equal(s->address.addr, c->address.addr, 16);
	}
	rig_clear(&rig);
}

/* --- datagrams --- */

static const char question[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07"
			       "example\x03org\x00\x00\x01\x00\x01";
#define QUESTION_LEN (sizeof(question) - 1)

static int run_datagrams(void *ctx)
{
	uint16_t port = 0;
	int receiver = bound(SOCK_DGRAM, &port), fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in address = loopback(port);
	char hello[] = "hello";
	struct iovec iov = {hello, 5};
	struct msghdr msg = {.msg_name = &address,
		.msg_namelen = sizeof(address),
		.msg_iov = &iov,
		.msg_iovlen = 1};

	(void)ctx;
	if (receiver < 0)
		return 98;
	for (int i = 0; i < 3; i++)
		if (sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) != 1)
			return 97;
	address.sin_port = htons(9);
	return sendmsg(fd, &msg, 0) < 0 ? 96 : 0;
}

static void datagrams_are_told_once_by_destination(void **state)
{
	pid_t pid = rig_run(&rig, run_datagrams, NULL);
	const struct abi_call *first = rig_nth(&rig, ABI_KIND_SEND, pid, 0);
	const struct abi_call *second = rig_nth(&rig, ABI_KIND_SEND, pid, 1);

	(void)state;
	assert_int_equal(rig_count(&rig, ABI_KIND_SEND, pid), 2);
	assert_int_equal(first->address.protocol, IPPROTO_UDP);
	assert_int_equal(first->call, 44 + 1);
	assert_int_equal(second->address.port, 9);
	assert_int_equal(second->call, 46 + 1);
	assert_int_equal(rig_count(&rig, ABI_KIND_DNS, pid), 0);
	rig_clear(&rig);
}

/* A name server that answers with the question, in a process outside of the cgroup. */
static int name_server(void)
{
	struct sockaddr_in address = loopback(NAME_SERVER);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : fd;
}

static void echo(int fd, int count)
{
	while (count-- > 0) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		char bytes[512];
		ssize_t n = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len);

		if (n > 0)
			(void)sendto(fd, bytes, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

/* Three ways: sendto and recvfrom, connect and send and recvmsg, sendmmsg. */
static int run_resolver(void *ctx)
{
	struct sockaddr_in address = loopback(NAME_SERVER);
	char answer[512];
	struct iovec out = {(void *)(uintptr_t)question, QUESTION_LEN},
		     in = {answer, sizeof(answer)};
	struct msghdr msg = {.msg_iov = &in, .msg_iovlen = 1};
	struct mmsghdr many[2] = {{.msg_hdr = {.msg_iov = &out, .msg_iovlen = 1}},
		{.msg_hdr = {.msg_iov = &out, .msg_iovlen = 1}}};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)ctx;
	if (sendto(fd, question, QUESTION_LEN, 0, (struct sockaddr *)&address, sizeof(address)) <
			0 ||
		recvfrom(fd, answer, sizeof(answer), 0, NULL, NULL) != (ssize_t)QUESTION_LEN)
		return 98;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		send(fd, question, QUESTION_LEN, 0) < 0 || recvmsg(fd, &msg, 0) < 0)
		return 97;
	return sendmmsg(fd, many, 2, 0) != 2 || recv(fd, answer, sizeof(answer), 0) < 0;
}

static void names_asked_for_come_with_their_payload(void **state)
{
	int server = name_server();
	pid_t pid;

	(void)state;
	if (server < 0) {
		print_message("    port 53 of loopback is taken\n");
		return;
	}
	pid = rig_start(&rig, run_resolver, NULL);
	echo(server, 4);
	assert_int_equal(rig_wait(&rig, pid), 0);
	(void)close(server);
	/* 4 questions and, but for the first, whose answer names nobody, the answers. */
	assert_true(rig_count(&rig, ABI_KIND_DNS, pid) >= 6);
	for (size_t i = 0; i < rig_count(&rig, ABI_KIND_DNS, pid); i++) {
		const struct abi_call *c = rig_nth(&rig, ABI_KIND_DNS, pid, i);

		assert_int_equal(c->address.port, NAME_SERVER);
		assert_true(pw_slice_eq(rig_span(c, c->data), pw_slice_of(question, QUESTION_LEN)));
	}
	rig_clear(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_is_told_by_bind_listen_and_accept),
		cmocka_unit_test(sockets_and_streams_are_told_done_and_refused),
		cmocka_unit_test(ordinary_sockets_and_descriptors_say_nothing),
		cmocka_unit_test(a_socket_made_standard_stream_is_told_with_its_peer),
		cmocka_unit_test(datagrams_are_told_once_by_destination),
		cmocka_unit_test(names_asked_for_come_with_their_payload),
	};

	rig_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
