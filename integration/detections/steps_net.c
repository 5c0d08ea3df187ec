/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/detections/steps.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

static socklen_t address_of(const char *host, const char *port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (void *)ret;
	struct sockaddr_in6 *v6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)step_number(port));
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		return 0;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)step_number(port));
	return sizeof(*v6);
}

/* connect HOST PORT [udp]: does not wait for an answer */
static long do_connect(int argc, char **argv)
{
	int type = strcmp(step_arg(argc, argv, 2, "tcp"), "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
	struct sockaddr_storage to;
	socklen_t len = argc < 2 ? 0 : address_of(argv[0], argv[1], &to);
	int fd;
	long r;

	if (len == 0)
		return -EINVAL;
	fd = socket(to.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)&to, len) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

static int unix_socket(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* connect-unix PATH: to a listener of its own there */
static long do_connect_unix(int argc, char **argv)
{
	struct sockaddr_un at;
	int server = unix_socket(step_arg(argc, argv, 0, ""), &at), client;
	long r;

	if (server < 0)
		return -errno;
	(void)unlink(at.sun_path);
	(void)!bind(server, (const struct sockaddr *)&at, sizeof(at));
	(void)!listen(server, 1);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r = connect(client, (const struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : 0;
	(void)close(client);
	(void)close(server);
	return r;
}

/* Two ends of one connection over loopback; the first becomes the lowest free descriptor. */
static int loopback_pair(int ret[2])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int r = -1, server;

	ret[0] = socket(AF_INET, SOCK_STREAM, 0);
	server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server >= 0 && ret[0] >= 0 &&
		bind(server, (const struct sockaddr *)&at, sizeof(at)) == 0 &&
		listen(server, 1) == 0 && getsockname(server, (struct sockaddr *)&at, &len) == 0 &&
		connect(ret[0], (const struct sockaddr *)&at, sizeof(at)) == 0) {
		ret[1] = accept(server, NULL, NULL);
		r = ret[1] < 0 ? -1 : 0;
	}
	if (server >= 0)
		(void)close(server);
	return r;
}

struct stdio {
	const char *how;
	int fd;
	char **argv;
};

static int put(const char *how, int fd, int to)
{
	if (strcmp(how, "dup3") == 0)
		return dup3(fd, to, 0);
	if (strcmp(how, "dup") == 0) {
		(void)close(to);
		return dup(fd);
	}
	if (strcmp(how, "fcntl") == 0) {
		(void)close(to);
		return fcntl(fd, F_DUPFD, to);
	}
	return dup2(fd, to);
}

static void run_on_socket(void *arg)
{
	const struct stdio *s = arg;

	for (int to = 0; to < 3; to++)
		(void)put(s->how, s->fd, to);
	if (s->argv[0])
		(void)execve(s->argv[0], s->argv + 1, environ);
	_exit(0);
}

/* A child with the first end as its streams; both ends are closed behind it. */
static long run_on_pair(const char *how, const int ends[2], char **argv)
{
	struct stdio s = {how, ends[0], argv};
	long r;

	(void)shutdown(ends[1], SHUT_WR);
	r = step_child(run_on_socket, &s);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return r;
}

/* stdio dup|dup2|dup3|fcntl [PATH ARGV0 …]: streams 0 to 2 become a connection, then PATH runs */
static long do_stdio(int argc, char **argv)
{
	int ends[2];

	if (loopback_pair(ends) < 0)
		return -errno;
	return run_on_pair(step_arg(argc, argv, 0, "dup2"), ends, argv + (argc > 0));
}

static void run_on_new_sockets(void *arg)
{
	char **argv = arg;
	int first[2], second[2];

	(void)close(0);
	if (loopback_pair(first) < 0)
		_exit(1);
	(void)close(1);
	if (loopback_pair(second) < 0)
		_exit(1);
	(void)shutdown(first[1], SHUT_WR);
	(void)execve(argv[0], argv + 1, environ);
}

/* stdio-new PATH ARGV0 …: connections are made right in the places of streams 0 and 1, nothing is
 * copied */
static long do_stdio_new(int argc, char **argv)
{
	return argc < 2 ? -EINVAL : step_child(run_on_new_sockets, argv);
}

/* stdio-unix PATH ARGV0 …: a pair of unix sockets as streams, as libraries that start programs make
 * them */
static long do_stdio_unix(int argc, char **argv)
{
	int ends[2];

	if (argc < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	return run_on_pair("dup2", ends, argv);
}

/* stdio-listen PATH ARGV0 …: a listening socket as stream 0, as FastCGI servers are started */
static long do_stdio_listen(int argc, char **argv)
{
	int ends[2] = {socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -1};

	if (argc < 2 || ends[0] < 0 || listen(ends[0], 1) < 0)
		return -errno;
	return run_on_pair("dup2", ends, argv);
}

/* The name in the form of a question: each part behind its length. */
static size_t put_question(const char *name, uint16_t type, uint8_t *out)
{
	size_t at = 0;

	while (*name) {
		size_t part = strcspn(name, ".");

		out[at++] = (uint8_t)part;
		memcpy(out + at, name, part);
		at += part;
		name += part + (name[part] == '.');
	}
	memcpy(out + at, (uint8_t[]){0, 0, (uint8_t)type, 0, 1}, 5);
	return at + 5;
}

/* dns NAME [TYPE [SERVER]]: asks a server on loopback that is not there */
static long do_dns(int argc, char **argv)
{
	uint8_t packet[512] = {0x12, 0x34, 1, 0, 0, 1};
	const char *name = step_arg(argc, argv, 0, "example.org");
	struct sockaddr_storage to;
	socklen_t len = address_of(step_arg(argc, argv, 2, "127.0.0.1"), "53", &to);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t size = 12;
	long r;

	if (fd < 0 || strlen(name) > 250)
		return -EINVAL;
	size += put_question(
		name, (uint16_t)step_number(step_arg(argc, argv, 1, "1")), packet + size);
	r = sendto(fd, packet, size, 0, (const struct sockaddr *)&to, len) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

/* socket DOMAIN TYPE PROTOCOL */
static long do_socket(int argc, char **argv)
{
	int fd = socket((int)step_number(step_arg(argc, argv, 0, "17")),
		(int)step_number(step_arg(argc, argv, 1, "3")),
		(int)step_number(step_arg(argc, argv, 2, "0")));

	if (fd < 0)
		return -errno;
	return close(fd);
}

/* scan HOST FIRST COUNT: tries COUNT ports one after the other */
static long do_scan(int argc, char **argv)
{
	long first = step_number(step_arg(argc, argv, 1, "1")),
	     count = step_number(step_arg(argc, argv, 2, "1"));
	long r = 0;

	for (long port = first; port < first + count; port++) {
		char text[16], *args[] = {argv[0], text, NULL};

		(void)snprintf(text, sizeof(text), "%ld", port);
		r = do_connect(2, args);
	}
	return r;
}

const struct step_op steps_net_ops[] = {
	{"connect", do_connect},
	{"connect-unix", do_connect_unix},
	{"stdio", do_stdio},
	{"stdio-new", do_stdio_new},
	{"stdio-unix", do_stdio_unix},
	{"stdio-listen", do_stdio_listen},
	{"dns", do_dns},
	{"socket", do_socket},
	{"scan", do_scan},
	{NULL, NULL},
};
