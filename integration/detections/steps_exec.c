/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/detections/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utmp.h>

extern char **environ;

static char *no_args[] = {NULL};

static char **args_from(int argc, char **argv, int n)
{
	return n < argc ? argv + n : no_args;
}

/* exec PATH ARGV0 … */
static long do_exec(int argc, char **argv)
{
	return step_run(argv[0], args_from(argc, argv, 1));
}

/* execve here, without a new process: ptrace, signals, fds stay. exec-here PATH ARGV0 … */
static long do_exec_here(int argc, char **argv)
{
	(void)fflush(stdout);
	(void)execve(argv[0], args_from(argc, argv, 1), environ);
	return -errno;
}

static int copy_to(const char *from, int to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int r = -1;

	if (in < 0)
		return -1;
	if (fstat(in, &st) == 0 && sendfile(to, in, NULL, (size_t)st.st_size) == st.st_size)
		r = 0;
	(void)close(in);
	return r;
}

/* copy FROM TO */
static long do_copy(int argc, char **argv)
{
	int to;
	long r;

	if (argc < 2)
		return -EINVAL;
	to = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	if (to < 0)
		return -errno;
	r = copy_to(argv[0], to);
	(void)close(to);
	return r;
}

struct by_fd {
	int fd;
	char **argv;
};

static void run_fd(void *arg)
{
	const struct by_fd *b = arg;

	(void)syscall(SYS_execveat, b->fd, "", b->argv, environ, AT_EMPTY_PATH);
}

/* memfd FILE ARGV0 …: a copy of FILE that exists in memory only is executed */
static long do_memfd(int argc, char **argv)
{
	struct by_fd b = {memfd_create("", MFD_CLOEXEC), args_from(argc, argv, 1)};
	long r;

	if (b.fd < 0)
		return -errno;
	r = copy_to(argv[0], b.fd) < 0 ? -1 : step_child(run_fd, &b);
	(void)close(b.fd);
	return r;
}

/* execveat FILE ARGV0 …: executed by its descriptor, without a path */
static long do_execveat(int argc, char **argv)
{
	struct by_fd b = {open(argv[0], O_PATH | O_CLOEXEC), args_from(argc, argv, 1)};
	long r;

	if (b.fd < 0)
		return -errno;
	r = step_child(run_fd, &b);
	(void)close(b.fd);
	return r;
}

/* deleted FILE ARGV0 …: FILE has no name any more when it is executed */
static long do_deleted(int argc, char **argv)
{
	struct by_fd b = {open(argv[0], O_RDONLY | O_CLOEXEC), args_from(argc, argv, 1)};
	long r;

	if (b.fd < 0)
		return -errno;
	(void)unlink(argv[0]);
	r = step_child(run_fd, &b);
	(void)close(b.fd);
	return r;
}

/* env NAME=VALUE: for the programs that the step starts from here on */
static long do_env(int argc, char **argv)
{
	return argc > 0 && putenv(argv[0]) == 0 ? 0 : -EINVAL;
}

/* cwd FOLDER */
static long do_cwd(int argc, char **argv)
{
	return argc > 0 && chdir(argv[0]) == 0 ? 0 : -errno;
}

/* prctl-name NAME: calls itself something else */
static long do_prctl_name(int argc, char **argv)
{
	return argc > 0 && prctl(PR_SET_NAME, argv[0]) == 0 ? 0 : -errno;
}

/* long-exec PATH BYTES LAST ARGV0: LAST comes behind BYTES of arguments that mean nothing */
static long do_long_exec(int argc, char **argv)
{
	size_t bytes = argc > 1 ? (size_t)step_number(argv[1]) : 0;
	char *filler = calloc(1, bytes + 1), *args[4];
	long r;

	if (!filler || argc < 4)
		return -EINVAL;
	memset(filler, 'x', bytes);
	args[0] = argv[3];
	args[1] = filler;
	args[2] = argv[2];
	args[3] = NULL;
	r = step_run(argv[0], args);
	free(filler);
	return r;
}

struct on_tty {
	int fd;
	char **argv;
};

static void run_on_tty(void *arg)
{
	const struct on_tty *t = arg;

	if (login_tty(t->fd) == 0)
		(void)execve(t->argv[0], t->argv + 1, environ);
}

/* tty PATH ARGV0 …: with a terminal of its own */
static long do_tty(int argc, char **argv)
{
	struct on_tty t = {-1, args_from(argc, argv, 0)};
	int master;
	long r;

	if (openpty(&master, &t.fd, NULL, NULL, NULL) < 0)
		return -errno;
	r = step_child(run_on_tty, &t);
	(void)close(t.fd);
	(void)close(master);
	return r;
}

struct piped {
	int in, out;
	char **argv;
};

static void run_piped(void *arg)
{
	const struct piped *p = arg;

	if ((p->in < 0 || dup2(p->in, 0) == 0) && (p->out < 0 || dup2(p->out, 1) == 1))
		(void)execve(p->argv[0], p->argv + 1, environ);
}

/* pipe PATH ARGV0 …: with a pipe as its standard input that is empty */
static long do_pipe(int argc, char **argv)
{
	struct piped p = {-1, -1, args_from(argc, argv, 0)};
	int ends[2];
	long r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	(void)close(ends[1]);
	p.in = ends[0];
	r = step_child(run_piped, &p);
	(void)close(ends[0]);
	return r;
}

const struct step_op steps_exec_ops[] = {
	{"exec", do_exec},
	{"exec-here", do_exec_here},
	{"copy", do_copy},
	{"memfd", do_memfd},
	{"execveat", do_execveat},
	{"deleted", do_deleted},
	{"env", do_env},
	{"cwd", do_cwd},
	{"prctl-name", do_prctl_name},
	{"long-exec", do_long_exec},
	{"tty", do_tty},
	{"pipe", do_pipe},
	{NULL, NULL},
};
