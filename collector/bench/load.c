/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEW_FILES 5000u
#define BACKLOG   512

static int run_getpid(const struct load_place *p, unsigned operations)
{
	(void)p;
	while (operations--)
		(void)syscall(SYS_getpid);
	return 0;
}

static int run_read_write(const struct load_place *p, unsigned operations)
{
	char bytes[64] = "";
	int in = open("/dev/zero", O_RDONLY | O_CLOEXEC),
	    out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	ssize_t n = 1;

	(void)p;
	while (operations-- && n > 0) {
		n = read(in, bytes, sizeof(bytes));
		if (n > 0)
			n = write(out, bytes, sizeof(bytes));
	}
	(void)close(in);
	(void)close(out);
	return n > 0 ? 0 : -EIO;
}

/* The same file again and again: a known behaviour. */
static int run_open_known(const struct load_place *p, unsigned operations)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/n/0", p->folder);
	while (operations--) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return -errno;
		(void)close(fd);
	}
	return 0;
}

/* Each file once: every open is a new behaviour, as long as the collector starts anew each time. */
static int run_open_new(const struct load_place *p, unsigned operations)
{
	char path[96];

	for (unsigned i = 1; i <= operations; i++) {
		int fd;

		(void)snprintf(path, sizeof(path), "%s/n/%u", p->folder, i);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		(void)close(fd);
	}
	return 0;
}

static int run_udp_connect(const struct load_place *p, unsigned operations)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	(void)p;
	while (operations-- && r == 0)
		r = connect(fd, (const struct sockaddr *)&to, sizeof(to));
	r = r < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

static int run_tcp_connect(const struct load_place *p, unsigned operations)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(p->port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct linger now = {.l_onoff = 1};

	while (operations--) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;

		if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
			return -errno;
		peer = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
		/* a reset instead of TIME_WAIT: ports do not run out */
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		(void)close(fd);
		if (peer < 0)
			return -errno;
		(void)close(peer);
	}
	return 0;
}

static int run_small_files(const struct load_place *p, unsigned operations)
{
	char path[96], moved[96];

	(void)snprintf(path, sizeof(path), "%s/small", p->folder);
	(void)snprintf(moved, sizeof(moved), "%s/moved", p->folder);
	while (operations--) {
		int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		char bytes[512] = "";

		if (fd < 0 || write(fd, bytes, sizeof(bytes)) < 0 ||
			pread(fd, bytes, sizeof(bytes), 0) < 0)
			return -errno;
		(void)close(fd);
		if (rename(path, moved) < 0 || unlink(moved) < 0)
			return -errno;
	}
	return 0;
}

static int run_program(const char *const argv[])
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 ? -EIO : 0;
}

static int run_fork_exec(const struct load_place *p, unsigned operations)
{
	(void)p;
	while (operations--) {
		static const char *const argv[] = {"/bin/true", NULL};

		if (run_program(argv) < 0)
			return -EIO;
	}
	return 0;
}

/* A compiler as a workload: many opens, some processes, much that is not watched. */
static int run_compile(const struct load_place *p, unsigned operations)
{
	char source[96], object[96];
	FILE *f;

	(void)snprintf(source, sizeof(source), "%s/c.c", p->folder);
	(void)snprintf(object, sizeof(object), "%s/c.o", p->folder);
	f = fopen(source, "we");
	if (!f)
		return -errno;
	(void)fputs("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
		    "int main(void)\n{\n\tputs(getenv(\"HOME\"));\n\treturn 0;\n}\n",
		f);
	(void)fclose(f);
	while (operations--) {
		const char *const argv[] = {"gcc", "-O1", "-c", source, "-o", object, NULL};

		if (run_program(argv) < 0)
			return -EIO;
	}
	return 0;
}

static int run_mixed(const struct load_place *p, unsigned operations)
{
	int r = run_read_write(p, operations);

	if (r == 0)
		r = run_open_known(p, operations / 2);
	if (r == 0)
		r = run_udp_connect(p, operations / 4);
	if (r == 0)
		r = run_small_files(p, operations / 16);
	return r < 0 ? r : run_fork_exec(p, operations / 256);
}

const struct load loads[] = {
	{"getpid", 300000, run_getpid},
	{"read_write", 100000, run_read_write},
	{"open_known", 60000, run_open_known},
	{"open_new", NEW_FILES, run_open_new},
	{"udp_connect", 60000, run_udp_connect},
	{"tcp_connect", 4000, run_tcp_connect},
	{"small_files", 6000, run_small_files},
	{"fork_exec", 300, run_fork_exec},
	{"compile", 4, run_compile},
	{"mixed", 20000, run_mixed},
	{NULL, 0, NULL},
};

static int make_files(const struct load_place *p)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/n", p->folder);
	if (mkdir(path, 0700) < 0)
		return -errno;
	for (unsigned i = 0; i <= NEW_FILES; i++) {
		int fd;

		(void)snprintf(path, sizeof(path), "%s/n/%u", p->folder, i);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		(void)close(fd);
	}
	return 0;
}

int load_place_make(struct load_place *p)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(at);

	(void)snprintf(p->folder, sizeof(p->folder), "/tmp/podward-bench-XXXXXX");
	if (!mkdtemp(p->folder))
		return -errno;
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(p->listener, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
		listen(p->listener, BACKLOG) < 0 ||
		getsockname(p->listener, (struct sockaddr *)&at, &len) < 0)
		return -errno;
	p->port = ntohs(at.sin_port);
	return make_files(p);
}

void load_place_remove(const struct load_place *p)
{
	static const char *const names[] = {"c.c", "c.o", "small", "moved", "n", ""};
	char path[96];

	(void)close(p->listener);
	for (unsigned i = 0; i <= NEW_FILES; i++) {
		(void)snprintf(path, sizeof(path), "%s/n/%u", p->folder, i);
		(void)unlink(path);
	}
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", p->folder, names[i]);
		(void)remove(path);
	}
}
