/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/detections/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* r read, w write, a append, c create, t truncate, d folder, p path only */
static int flags_of(const char *mode)
{
	int flags = strchr(mode, 'w') ? (strchr(mode, 'r') ? O_RDWR : O_WRONLY) : O_RDONLY;

	flags |= strchr(mode, 'a') ? O_APPEND : 0;
	flags |= strchr(mode, 'c') ? O_CREAT : 0;
	flags |= strchr(mode, 't') ? O_TRUNC : 0;
	flags |= strchr(mode, 'd') ? O_DIRECTORY : 0;
	flags |= strchr(mode, 'p') ? O_PATH : 0;
	return flags | O_CLOEXEC | O_NONBLOCK;
}

static long close_it(long fd)
{
	if (fd >= 0)
		(void)close((int)fd);
	return fd < 0 ? -errno : 0;
}

/* open PATH MODE */
static long do_open(int argc, char **argv)
{
	return close_it(open(argv[0], flags_of(step_arg(argc, argv, 1, "r")), 0644));
}

/* openat2 PATH MODE */
static long do_openat2(int argc, char **argv)
{
	struct open_how how = {.flags = (uint64_t)flags_of(step_arg(argc, argv, 1, "r"))};

	return close_it(syscall(SYS_openat2, AT_FDCWD, argv[0], &how, sizeof(how)));
}

/* openat FOLDER NAME MODE: the path is never given as a whole */
static long do_openat(int argc, char **argv)
{
	int folder = open(argv[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
	long r;

	if (folder < 0 || argc < 2)
		return -errno;
	r = close_it(openat(folder, argv[1], flags_of(step_arg(argc, argv, 2, "r")), 0644));
	(void)close(folder);
	return r;
}

/* A 32-bit call from a 64-bit program. The path must lie where 32 bits reach. */
static long call_int80(long number, const char *path, long flags)
{
	char *low = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long r;

	if (low == MAP_FAILED)
		return -errno;
	(void)snprintf(low, 4096, "%s", path);
#if defined(__x86_64__)
	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(number), "b"(low), "c"(flags), "d"(0644)
			 : "memory");
#else
	r = -ENOSYS;
#endif
	(void)munmap(low, 4096);
	return r;
}

/* int80-open PATH MODE */
static long do_int80(int argc, char **argv)
{
	long fd = call_int80(5, argv[0], flags_of(step_arg(argc, argv, 1, "r")));

	if (fd >= 0)
		(void)close((int)fd);
	return fd;
}

/* x32-open PATH MODE: refused by kernels without that ABI */
static long do_x32(int argc, char **argv)
{
	return close_it(syscall(0x40000000 + SYS_openat, AT_FDCWD, argv[0],
		flags_of(step_arg(argc, argv, 1, "r")), 0));
}

struct ring {
	int fd;
	struct io_uring_params p;
	uint8_t *sq, *cq;
	struct io_uring_sqe *sqes;
};

static int ring_open(struct ring *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = (int)syscall(SYS_io_uring_setup, 2, &r->p);
	if (r->fd < 0)
		return -errno;
	r->sq = mmap(NULL, r->p.sq_off.array + r->p.sq_entries * 4, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
	r->cq = mmap(NULL, r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, r->p.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	return r->sq == MAP_FAILED || r->cq == MAP_FAILED || r->sqes == MAP_FAILED ? -ENOMEM : 0;
}

static long ring_do(struct ring *r, const struct io_uring_sqe *sqe)
{
	const struct io_uring_cqe *cqes = (const void *)(r->cq + r->p.cq_off.cqes);
	uint32_t *tail = (void *)(r->sq + r->p.sq_off.tail);

	r->sqes[0] = *sqe;
	*(uint32_t *)(void *)(r->sq + r->p.sq_off.array) = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	return cqes[0].res;
}

/* uring-open PATH MODE */
static long do_uring(int argc, char **argv)
{
	struct io_uring_sqe sqe = {.opcode = IORING_OP_OPENAT,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)argv[0],
		.open_flags = (uint32_t)flags_of(step_arg(argc, argv, 1, "r"))};
	struct ring r;
	int failed = ring_open(&r);

	return failed < 0 ? failed : ring_do(&r, &sqe);
}

/* uring-setup */
static long do_uring_setup(int argc, char **argv)
{
	struct ring r;

	(void)argc, (void)argv;
	return ring_open(&r);
}

/* write PATH TEXT [MODE]: makes a file, with "\n" at its end */
static long do_write(int argc, char **argv)
{
	int fd = open(argv[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	const char *text = step_arg(argc, argv, 1, "");

	if (fd < 0)
		return -errno;
	(void)fchmod(fd, (mode_t)step_number(step_arg(argc, argv, 2, "0644")));
	(void)!write(fd, text, strlen(text));
	(void)!write(fd, "\n", 1);
	return close_it(fd);
}

static long result_of(int r)
{
	return r < 0 ? -errno : r;
}

static long do_mkdir(int argc, char **argv)
{
	return argc < 1 ? -EINVAL : result_of(mkdir(argv[0], 0755));
}

static long do_unlink(int argc, char **argv)
{
	return argc < 1 ? -EINVAL : result_of(unlink(argv[0]));
}

static long do_rename(int argc, char **argv)
{
	return argc < 2 ? -EINVAL : result_of(rename(argv[0], argv[1]));
}

/* link EXISTING NEW */
static long do_link(int argc, char **argv)
{
	return argc < 2 ? -EINVAL : result_of(link(argv[0], argv[1]));
}

/* symlink TARGET NEW */
static long do_symlink(int argc, char **argv)
{
	return argc < 2 ? -EINVAL : result_of(symlink(argv[0], argv[1]));
}

static long do_chmod(int argc, char **argv)
{
	return argc < 2 ? -EINVAL : result_of(chmod(argv[0], (mode_t)step_number(argv[1])));
}

static long do_truncate(int argc, char **argv)
{
	return argc < 1 ? -EINVAL : result_of(truncate(argv[0], 0));
}

/* setxattr PATH NAME */
static long do_setxattr(int argc, char **argv)
{
	static const uint8_t caps[20] = {1, 0, 0, 2, 0, 0x20};

	return argc < 2 ? -EINVAL : result_of(setxattr(argv[0], argv[1], caps, sizeof(caps), 0));
}

/* utimes PATH: as if it were of the year 2001 */
static long do_utimes(int argc, char **argv)
{
	const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};

	return argc < 1 ? -EINVAL : result_of(utimensat(AT_FDCWD, argv[0], times, 0));
}

/* mknod PATH block|char MAJOR MINOR */
static long do_mknod(int argc, char **argv)
{
	mode_t type = strcmp(step_arg(argc, argv, 1, "block"), "block") == 0 ? S_IFBLK : S_IFCHR;
	uint64_t major = (uint64_t)step_number(step_arg(argc, argv, 2, "7"));
	uint64_t minor = (uint64_t)step_number(step_arg(argc, argv, 3, "0"));

	return argc < 1 ? -EINVAL : result_of(mknod(argv[0], type | 0600, major << 8 | minor));
}

/* own-proc FILE: opens /proc/<own pid>/FILE by number */
static long do_own_proc(int argc, char **argv)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)getpid(),
		step_arg(argc, argv, 0, "status"));
	return close_it(open(path, flags_of(step_arg(argc, argv, 1, "r"))));
}

/* Gives what is at the two paths to each other, until it is ended. */
static void swap_for_ever(void *paths)
{
	char **two = paths;

	for (;;)
		(void)renameat2(AT_FDCWD, two[0], AT_FDCWD, two[1], RENAME_EXCHANGE);
}

/* Inode of what a path leads to at this moment; 0 when it leads nowhere. */
static ino_t opened_inode(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st = {0};

	if (fd >= 0) {
		(void)fstat(fd, &st);
		(void)close(fd);
	}
	return st.st_ino;
}

/* swap-open FILE OTHER: opens a link that leads to one or the other, while it is being changed,
 * until both came */
static long do_swap(int argc, char **argv)
{
	char first[] = "/tmp/swap-a", second[] = "/tmp/swap-b", *links[] = {first, second};
	struct stat wanted;
	unsigned hits = 0, misses = 0;
	pid_t pid;

	if (argc < 2 || stat(argv[0], &wanted) < 0 || symlink(argv[1], first) < 0 ||
		symlink(argv[0], second) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		swap_for_ever(links);
	for (unsigned i = 0; i < 1000000 && (hits < 100 || misses < 100); i++) {
		if (opened_inode(first) == wanted.st_ino)
			hits++;
		else
			misses++;
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return hits;
}

/* reopen PATH: first without the right to read, then through the descriptor's link in /proc */
static long do_reopen(int argc, char **argv)
{
	int fd = argc < 1 ? -1 : open(argv[0], O_PATH | O_CLOEXEC);
	char link[64];
	long r;

	if (fd < 0)
		return -errno;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	r = close_it(open(link, O_RDONLY | O_CLOEXEC));
	(void)close(fd);
	return r;
}

const struct step_op steps_file_ops[] = {
	{"swap-open", do_swap},
	{"reopen", do_reopen},
	{"open", do_open},
	{"openat", do_openat},
	{"openat2", do_openat2},
	{"int80-open", do_int80},
	{"x32-open", do_x32},
	{"uring-open", do_uring},
	{"uring-setup", do_uring_setup},
	{"write", do_write},
	{"mkdir", do_mkdir},
	{"unlink", do_unlink},
	{"rename", do_rename},
	{"link", do_link},
	{"symlink", do_symlink},
	{"chmod", do_chmod},
	{"truncate", do_truncate},
	{"setxattr", do_setxattr},
	{"utimes", do_utimes},
	{"mknod", do_mknod},
	{"own-proc", do_own_proc},
	{NULL, NULL},
};
