/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/detections/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A process of the step's own to act upon; ended by end_victim. */
static pid_t start_victim(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	return pid;
}

static void end_victim(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* ptrace attach|seize|traceme */
static long do_ptrace(int argc, char **argv)
{
	const char *what = step_arg(argc, argv, 0, "attach");
	pid_t pid;
	long r;

	if (strcmp(what, "traceme") == 0)
		return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	pid = start_victim();
	r = ptrace(strcmp(what, "seize") == 0 ? PTRACE_SEIZE : PTRACE_ATTACH, pid, NULL, NULL);
	r = r < 0 ? -errno : 0;
	end_victim(pid);
	return r;
}

/* process-vm read|write: of a process of its own */
static long do_process_vm(int argc, char **argv)
{
	static char here[16];
	struct iovec local = {here, sizeof(here)}, remote = {here, sizeof(here)};
	pid_t pid = start_victim();
	long r = strcmp(step_arg(argc, argv, 0, "write"), "read") == 0
			 ? process_vm_readv(pid, &local, 1, &remote, 1, 0)
			 : process_vm_writev(pid, &local, 1, &remote, 1, 0);

	r = r < 0 ? -errno : 0;
	end_victim(pid);
	return r;
}

/* setns PATH TYPE */
static long do_setns(int argc, char **argv)
{
	int fd = open(step_arg(argc, argv, 0, "/proc/self/ns/net"), O_RDONLY | O_CLOEXEC);
	long r;

	if (fd < 0)
		return -errno;
	r = setns(fd, (int)step_number(step_arg(argc, argv, 1, "0"))) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

/* unshare FLAGS */
static long do_unshare(int argc, char **argv)
{
	return unshare((int)step_number(step_arg(argc, argv, 0, "0x10000000"))) < 0 ? -errno : 0;
}

/* clone3 FLAGS [PATH ARGV0 …]: a child in a new namespace that ends at once or becomes PATH */
static long do_clone3(int argc, char **argv)
{
	struct clone_args args = {
		.flags = (uint64_t)step_number(step_arg(argc, argv, 0, "0x10000000")),
		.exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0 && argc > 2)
		(void)execv(argv[1], argv + 2);
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return -errno;
	(void)waitpid((pid_t)pid, NULL, 0);
	return 0;
}

/* mount SOURCE TARGET TYPE FLAGS */
static long do_mount(int argc, char **argv)
{
	unsigned long flags = (unsigned long)step_number(step_arg(argc, argv, 3, "0"));

	return argc < 3 || mount(argv[0], argv[1], argv[2], flags, NULL) < 0 ? -errno : 0;
}

/* chroot PATH */
static long do_chroot(int argc, char **argv)
{
	return argc < 1 || chroot(argv[0]) < 0 ? -errno : 0;
}

/* pivot-root NEW OLD */
static long do_pivot_root(int argc, char **argv)
{
	return argc < 2 || syscall(SYS_pivot_root, argv[0], argv[1]) < 0 ? -errno : 0;
}

/* module: a file that is no module, so that even a kernel that would let us refuses it */
static long do_module(int argc, char **argv)
{
	int fd = open(step_arg(argc, argv, 0, "/etc/passwd"), O_RDONLY | O_CLOEXEC);
	long r = syscall(SYS_finit_module, fd, "", 0) < 0 ? -errno : 0;

	(void)close(fd);
	return r;
}

/* init-module: the same by the older call */
static long do_init_module(int argc, char **argv)
{
	(void)argc, (void)argv;
	return syscall(SYS_init_module, "none", 4, "") < 0 ? -errno : 0;
}

/* bpf: the load of a program that no verifier accepts */
static long do_bpf(int argc, char **argv)
{
	static const struct bpf_insn nothing[1];
	union bpf_attr attr;

	(void)argc, (void)argv;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_KPROBE;
	attr.insns = (uintptr_t)nothing;
	attr.insn_cnt = 1;
	attr.license = (uintptr_t) "GPL";
	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* perf: counts its own instructions */
static long do_perf(int argc, char **argv)
{
	struct perf_event_attr attr;
	long fd;

	(void)argc, (void)argv;
	memset(&attr, 0, sizeof(attr));
	attr.type = PERF_TYPE_SOFTWARE;
	attr.size = sizeof(attr);
	attr.config = PERF_COUNT_SW_TASK_CLOCK;
	fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	if (fd < 0)
		return -errno;
	return close((int)fd);
}

static long do_userfaultfd(int argc, char **argv)
{
	long fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	(void)argc, (void)argv;
	if (fd < 0)
		return -errno;
	return close((int)fd);
}

/* keyctl: the session keyring of this process */
static long do_keyctl(int argc, char **argv)
{
	(void)argc, (void)argv;
	return syscall(SYS_keyctl, 0, -3, 0) < 0 ? -errno : 0;
}

struct handle {
	uint32_t bytes;
	int32_t type;
	uint8_t data[64];
};

/* open-by-handle PATH: by the handle of PATH, or a made-up one where there is none */
static long do_open_by_handle(int argc, char **argv)
{
	struct handle h = {8, 1, {2}};
	int mount_id, folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long fd;

	(void)name_to_handle_at(
		AT_FDCWD, step_arg(argc, argv, 0, "/etc/passwd"), (void *)&h, &mount_id, 0);
	fd = syscall(SYS_open_by_handle_at, folder, &h, O_RDONLY);
	(void)close(folder);
	if (fd < 0)
		return -errno;
	return close((int)fd);
}

/* clock: the time that it is, by the call that sets it; refused without SYS_TIME */
static long do_clock(int argc, char **argv)
{
	struct timespec now;

	(void)argc, (void)argv;
	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return -errno;
	return clock_settime(CLOCK_REALTIME, &now) < 0 ? -errno : 0;
}

const struct step_op steps_kernel_ops[] = {
	{"clock", do_clock},
	{"ptrace", do_ptrace},
	{"process-vm", do_process_vm},
	{"setns", do_setns},
	{"unshare", do_unshare},
	{"clone3", do_clone3},
	{"mount", do_mount},
	{"chroot", do_chroot},
	{"pivot-root", do_pivot_root},
	{"module", do_module},
	{"init-module", do_init_module},
	{"bpf", do_bpf},
	{"perf", do_perf},
	{"userfaultfd", do_userfaultfd},
	{"keyctl", do_keyctl},
	{"open-by-handle", do_open_by_handle},
	{NULL, NULL},
};
