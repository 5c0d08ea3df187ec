/* SPDX-License-Identifier: Apache-2.0 */
/* Connections as the real kernel tells them. Loopback and unix sockets only. */
#include "collector/tests/kernel_rig.h"

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
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, &(struct probe_options){0});
	return 0;
}

static int clear(void **state)
{
	(void)state;
	rig_clear(&rig);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

struct target {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} address;
	socklen_t len;
	int family, type;
	const char *chdir_to;
};

static int run_connect(void *ctx)
{
	struct target *t = ctx;
	int fd = socket(t->family, t->type, 0);

	if (fd < 0 || (t->chdir_to && chdir(t->chdir_to) < 0))
		return 98;
	(void)connect(fd, &t->address.sa, t->len);
	return 0;
}

static const struct abi_connect *do_connect(struct target *t)
{
	pid_t pid;

	rig_clear(&rig);
	pid = rig_run(&rig, run_connect, t);
	assert_int_equal(rig_count(&rig, ABI_KIND_CONNECT, pid), 1);
	return rig_nth(&rig, ABI_KIND_CONNECT, pid, 0);
}

/* A bound socket on loopback; *t becomes the address to reach it. */
static int listen_inet(struct target *t, int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	memset(t, 0, sizeof(*t));
	t->family = family;
	t->type = type;
	if (family == AF_INET) {
		t->address.in.sin_family = AF_INET;
		t->address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		t->len = sizeof(t->address.in);
	} else {
		t->address.in6.sin6_family = AF_INET6;
		t->address.in6.sin6_addr = in6addr_loopback;
		t->len = sizeof(t->address.in6);
	}
	if (fd < 0 || bind(fd, &t->address.sa, t->len) < 0)
		return -1;
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, &t->address.sa, &t->len), 0);
	return fd;
}

static void check_inet(const struct abi_connect *c, const struct target *t)
{
	static const uint8_t v4[16] = {127, 0, 0, 1}, v6[16] = {[15] = 1};

	assert_int_equal(c->address.family, t->family);
	assert_int_equal(c->address.sock_type, t->type & 0xf);
	assert_int_equal(
		c->address.protocol, (t->type & 0xf) == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP);
	assert_int_equal(c->address.port, ntohs(t->address.in.sin_port));
	assert_memory_equal(c->address.addr, t->family == AF_INET ? v4 : v6, 16);
	assert_int_equal(c->path.len, 0);
	assert_string_equal(c->comm, "test_kernel_net");
}

static void inet_connections_arrive_with_the_kernels_address(void **state)
{
	static const struct {
		const char *name;
		int family, type;
	} rows[] = {
		{"tcp", AF_INET, SOCK_STREAM},
		{"udp", AF_INET, SOCK_DGRAM},
		{"tcp6", AF_INET6, SOCK_STREAM},
		{"udp6", AF_INET6, SOCK_DGRAM},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		const struct abi_connect *c;
		struct target t;
		int fd = listen_inet(&t, rows[i].family, rows[i].type);

		if (fd < 0 && rows[i].family == AF_INET6) {
			print_message("%s: no IPv6 loopback here\n", rows[i].name);
			continue;
		}
		c = do_connect(&t);
		check_inet(c, &t);
		assert_int_equal(c->ret, 0);
		assert_int_equal(c->address.flags, 0);
		assert_true(c->address.local_port > 0);
		assert_memory_equal(c->address.local, c->address.addr, 16);
		(void)close(fd);
	}
}

static void refused_connection_arrives_with_the_callers_address(void **state)
{
	const struct abi_connect *c;
	struct target t;

	(void)state;
	(void)close(listen_inet(&t, AF_INET, SOCK_STREAM));
	c = do_connect(&t);
	check_inet(c, &t);
	assert_int_equal(c->ret, -ECONNREFUSED);
	assert_int_equal(c->address.flags, ABI_ADDR_USER);
	if (listen_inet(&t, AF_INET6, SOCK_STREAM) < 0)
		return;
	t.address.in6.sin6_port = htons(1);
	c = do_connect(&t);
	check_inet(c, &t);
	assert_int_equal(c->ret, -ECONNREFUSED);
}

static void non_blocking_connection_is_in_progress(void **state)
{
	const struct abi_connect *c;
	struct target t;
	int fd = listen_inet(&t, AF_INET, SOCK_STREAM);

	(void)state;
	t.type |= SOCK_NONBLOCK;
	c = do_connect(&t);
	check_inet(c, &t);
	assert_int_equal(c->ret, -EINPROGRESS);
	assert_int_equal(c->address.flags, 0);
	(void)close(fd);
}

static int listen_unix(struct target *t, const char *name, size_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(t, 0, sizeof(*t));
	t->family = AF_UNIX;
	t->type = SOCK_STREAM;
	t->address.un.sun_family = AF_UNIX;
	memcpy(t->address.un.sun_path, name, len);
	t->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &t->address.sa, t->len), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void unix_path_is_resolved_from_the_bound_socket(void **state)
{
	const struct abi_connect *c;
	struct target t;
	char path[100];
	int fd;

	(void)state;
	(void)rig_path(&rig, "sock", path, sizeof(path));
	fd = listen_unix(&t, path, strlen(path) + 1);
	memset(t.address.un.sun_path, 0, sizeof(t.address.un.sun_path));
	memcpy(t.address.un.sun_path, "./sock", 6);
	t.chdir_to = rig.dir;
	c = do_connect(&t);
	assert_int_equal(c->ret, 0);
	assert_int_equal(c->address.family, AF_UNIX);
	assert_int_equal(c->address.flags, ABI_ADDR_RESOLVED);
	assert_int_equal(c->address.path_flags, 0);
	assert_true(pw_slice_eq_str(rig_span(c, c->path), path));
	(void)close(fd);

	c = do_connect(&t); /* nobody listens now */
	assert_int_equal(c->ret, -ECONNREFUSED);
	assert_int_equal(c->address.flags, ABI_ADDR_USER);
	assert_true(pw_slice_eq_str(rig_span(c, c->path), "./sock"));
}

static void abstract_unix_name_arrives_without_its_leading_nul(void **state)
{
	static const char name[] = "\0podward\0test";
	const struct abi_connect *c;
	struct target t;
	int fd = listen_unix(&t, name, sizeof(name) - 1);

	(void)state;
	c = do_connect(&t);
	assert_int_equal(c->ret, 0);
	assert_int_equal(c->address.flags, ABI_ADDR_ABSTRACT);
	assert_true(pw_slice_eq(rig_span(c, c->path), pw_slice_of(name + 1, sizeof(name) - 2)));
	(void)close(fd);

	c = do_connect(&t);
	assert_int_equal(c->ret, -ECONNREFUSED);
	assert_int_equal(c->address.flags, ABI_ADDR_ABSTRACT | ABI_ADDR_USER);
	assert_true(pw_slice_eq(rig_span(c, c->path), pw_slice_of(name + 1, sizeof(name) - 2)));
}

static int run_no_socket(void *ctx)
{
	struct target *t = ctx;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)connect(fd, &t->address.sa, t->len);
	(void)connect(999, &t->address.sa, t->len);
	return 0;
}

static void connect_on_something_else_is_no_event(void **state)
{
	struct target t;
	int fd = listen_inet(&t, AF_INET, SOCK_STREAM);
	pid_t pid = rig_run(&rig, run_no_socket, &t);

	(void)state;
	assert_int_equal(rig_count(&rig, ABI_KIND_CONNECT, pid), 0);
	assert_int_equal(rig_count(&rig, ABI_KIND_OPEN, pid), 1);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(inet_connections_arrive_with_the_kernels_address, clear),
		cmocka_unit_test_setup(refused_connection_arrives_with_the_callers_address, clear),
		cmocka_unit_test_setup(non_blocking_connection_is_in_progress, clear),
		cmocka_unit_test_setup(unix_path_is_resolved_from_the_bound_socket, clear),
		cmocka_unit_test_setup(abstract_unix_name_arrives_without_its_leading_nul, clear),
		cmocka_unit_test_setup(connect_on_something_else_is_no_event, clear),
	};

	rig_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
