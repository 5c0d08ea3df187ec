/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/selftest.h"

#include "common/wire/batch.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define DISCARD_PORT 9
#define DNS_PORT     53

static void close_quietly(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = {htonl(INADDR_LOOPBACK)},
	};
}

static int udp(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/* --- programs --- */

static void do_exec(const struct selftest_place *p)
{
	char *const argv[] = {(char[]){"podward-collector"}, (char[]){"--version"}, NULL};
	char *const env[] = {NULL};
	posix_spawn_file_actions_t quiet;
	pid_t pid = 0;

	(void)p;
	if (posix_spawn_file_actions_init(&quiet) != 0)
		return;
	(void)posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&pid, "/proc/self/exe", &quiet, NULL, argv, env) == 0)
		(void)waitpid(pid, NULL, 0);
	(void)posix_spawn_file_actions_destroy(&quiet);
}

/* --- files --- */

static void do_open(const struct selftest_place *p)
{
	(void)p;
	close_quietly(open("/dev/null", O_RDONLY | O_CLOEXEC));
}
static void do_rename(const struct selftest_place *p)
{
	(void)rename(p->file, p->other);
	(void)rename(p->other, p->file);
}
static void do_link(const struct selftest_place *p)
{
	(void)!link(p->file, p->other);
	(void)unlink(p->other);
}
static void do_symlink(const struct selftest_place *p)
{
	(void)!symlink("target", p->other);
	(void)unlink(p->other);
}
static void do_mkdir(const struct selftest_place *p)
{
	(void)mkdir(p->other, 0700);
	(void)rmdir(p->other);
}
static void do_mknod(const struct selftest_place *p)
{
	(void)mknod(p->other, S_IFIFO | 0600, 0);
	(void)unlink(p->other);
}
static void do_chmod(const struct selftest_place *p)
{
	(void)chmod(p->file, 0600);
}
static void do_chown(const struct selftest_place *p)
{
	if (chown(p->file, geteuid(), getegid()) < 0)
		return;
}
static void do_setxattr(const struct selftest_place *p)
{
	/* refused: the right is given up; user.* is refused otherwise where tmpfs has none */
	(void)setxattr(p->file, "trusted.podward", "1", 1, 0);
}
static void do_truncate(const struct selftest_place *p)
{
	if (truncate(p->file, 1) < 0)
		return;
}
static void do_utimes(const struct selftest_place *p)
{
	(void)utimensat(AT_FDCWD, p->file, NULL, 0);
}
static void do_chdir(const struct selftest_place *p)
{
	(void)p;
	if (chdir(".") < 0)
		return;
}
static void do_chroot(const struct selftest_place *p)
{
	(void)p;
	if (chroot("/") < 0)
		return;
}
static void do_open_by_handle(const struct selftest_place *p)
{
	struct {
		struct file_handle handle;
		unsigned char bytes[8];
	} none = {.handle = {.handle_bytes = 8}};

	(void)p;
	close_quietly(open_by_handle_at(AT_FDCWD, &none.handle, O_RDONLY | O_CLOEXEC));
}
static void do_memfd(const struct selftest_place *p)
{
	(void)p;
	close_quietly(memfd_create("podward-self-test", MFD_CLOEXEC));
}

/* --- network, loopback only --- */

static void do_connect(const struct selftest_place *p)
{
	struct sockaddr_in to = loopback(DISCARD_PORT);
	int fd = udp();

	(void)p;
	(void)connect(fd, (const struct sockaddr *)&to, sizeof(to));
	close_quietly(fd);
}
static void do_bind(const struct selftest_place *p)
{
	struct sockaddr_in to = loopback(0);
	int fd = udp();

	(void)p;
	(void)bind(fd, (const struct sockaddr *)&to, sizeof(to));
	close_quietly(fd);
}
static void do_listen(const struct selftest_place *p)
{
	(void)listen(p->listener, 1);
}
static void do_accept(const struct selftest_place *p)
{
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (getsockname(p->listener, (struct sockaddr *)&to, &len) == 0 &&
		connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		close_quietly(accept4(p->listener, NULL, NULL, SOCK_CLOEXEC));
	close_quietly(fd);
}
static void do_send(const struct selftest_place *p)
{
	struct sockaddr_in to = loopback(DISCARD_PORT);
	int fd = udp();

	(void)p;
	(void)sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to));
	close_quietly(fd);
}
static void do_socket(const struct selftest_place *p)
{
	(void)p;
	close_quietly(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}
/* A question for the name podward.invalid. Source: RFC 1035 section 4, RFC 2606. */
static void do_dns(const struct selftest_place *p)
{
	static const char question[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\7podward\7invalid\0\0\1\0";
	struct sockaddr_in to = loopback(DNS_PORT);
	int fd = udp();

	(void)p;
	(void)sendto(fd, question, sizeof(question), 0, (const struct sockaddr *)&to, sizeof(to));
	close_quietly(fd);
}
static void do_stdio(const struct selftest_place *p)
{
	int before = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
	int fd = udp();

	(void)p;
	(void)dup2(fd, STDIN_FILENO);
	if (before >= 0)
		(void)dup2(before, STDIN_FILENO);
	else
		(void)close(STDIN_FILENO);
	close_quietly(before);
	close_quietly(fd);
}

/* --- processes and privileges --- */

static void do_ptrace(const struct selftest_place *p)
{
	(void)p;
	(void)ptrace(PTRACE_ATTACH, getpid(), NULL, NULL); /* nobody may trace himself */
}
static void do_process_vm(const struct selftest_place *p)
{
	char from = 1, to = 0;
	struct iovec local = {&to, 1}, remote = {&from, 1};

	(void)p;
	(void)process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}
static void do_setid(const struct selftest_place *p)
{
	(void)p;
	if (setuid(getuid()) < 0)
		return;
}
static void do_capset(const struct selftest_place *p)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	(void)p;
	if (syscall(SYS_capget, &header, data) == 0)
		(void)syscall(SYS_capset, &header, data);
}
static void do_prctl(const struct selftest_place *p)
{
	char name[16] = "";

	(void)p;
	(void)prctl(PR_GET_NAME, name);
	(void)prctl(PR_SET_NAME, name);
}
static void do_memory_exec(const struct selftest_place *p)
{
	void *at = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)p;
	if (at != MAP_FAILED)
		(void)munmap(at, 4096);
}
static void do_time(const struct selftest_place *p)
{
	struct timespec now;

	(void)p;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)clock_settime(CLOCK_REALTIME, &now); /* CAP_SYS_TIME was given up */
}
static void do_hostname(const struct selftest_place *p)
{
	(void)p;
	(void)syscall(SYS_sethostname, "", -1); /* refused with every privilege */
}

/* --- namespaces and mounts: refused without CAP_SYS_ADMIN --- */

static void do_mount(const struct selftest_place *p)
{
	(void)p;
	(void)mount("none", "/nonexistent-podward", "tmpfs", 0, NULL);
}
static void do_umount(const struct selftest_place *p)
{
	(void)p;
	(void)umount2("/nonexistent-podward", 0);
}
static void do_pivot_root(const struct selftest_place *p)
{
	(void)p;
	(void)syscall(SYS_pivot_root, "/nonexistent-podward", "/nonexistent-podward");
}
static void do_setns(const struct selftest_place *p)
{
	int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

	(void)p;
	(void)setns(fd, CLONE_NEWUTS); /* the one it is in */
	close_quietly(fd);
}
static void do_unshare(const struct selftest_place *p)
{
	(void)p;
	(void)unshare(CLONE_NEWUTS);
}
static void do_clone_ns(const struct selftest_place *p)
{
	long pid = syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, NULL, NULL, NULL, NULL);

	(void)p;
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitpid((pid_t)pid, NULL, 0);
}

/* --- the kernel's doors --- */

static void do_module(const struct selftest_place *p)
{
	(void)p;
	(void)syscall(SYS_delete_module, "podward_nonexistent", O_NONBLOCK);
}
static void do_bpf(const struct selftest_place *p)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	(void)p;
	close_quietly((int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}
static void do_perf(const struct selftest_place *p)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.disabled = 1};

	(void)p;
	close_quietly((int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
}
static void do_userfaultfd(const struct selftest_place *p)
{
	(void)p;
	close_quietly((int)syscall(SYS_userfaultfd, O_CLOEXEC));
}
static void do_keyctl(const struct selftest_place *p)
{
	(void)p;
	(void)syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0, 0, 0);
}
static void do_io_uring(const struct selftest_place *p)
{
	uint64_t parameters[15] = {0}; /* struct io_uring_params, 120 bytes */

	(void)p;
	close_quietly((int)syscall(SYS_io_uring_setup, 1, parameters));
}

#define DO(kind, name)                                  \
	{                                               \
		PW_EVENT_##kind, do_##name, false, NULL \
	}
#define DO_WITH_FILE(kind, name)                       \
	{                                              \
		PW_EVENT_##kind, do_##name, true, NULL \
	}
#define NOT_TRIED(kind, why)                      \
	{                                         \
		PW_EVENT_##kind, NULL, false, why \
	}

const struct selftest_action selftest_actions[] = {
	DO(EXEC, exec),
	DO(EXIT, exec),
	DO(OPEN, open),
	DO(CONNECT, connect),
	DO_WITH_FILE(REMOVE, link),
	DO_WITH_FILE(RENAME, rename),
	DO_WITH_FILE(LINK, link),
	DO_WITH_FILE(SYMLINK, symlink),
	DO_WITH_FILE(MKDIR, mkdir),
	DO_WITH_FILE(MKNOD, mknod),
	DO_WITH_FILE(CHMOD, chmod),
	DO_WITH_FILE(CHOWN, chown),
	DO_WITH_FILE(SETXATTR, setxattr),
	DO_WITH_FILE(TRUNCATE, truncate),
	DO_WITH_FILE(UTIMES, utimes),
	DO(CHDIR, chdir),
	DO(CHROOT, chroot),
	DO(BIND, bind),
	DO(LISTEN, listen),
	DO(ACCEPT, accept),
	DO(SEND, send),
	DO(SOCKET, socket),
	DO(DNS, dns),
	DO(STDIO, stdio),
	DO(PTRACE, ptrace),
	DO(PROCESS_VM, process_vm),
	DO(SETID, setid),
	DO(CAPSET, capset),
	DO(PRCTL, prctl),
	NOT_TRIED(CAPABILITY, "not tried: seen by security hooks only"),
	DO(MOUNT, mount),
	DO(UMOUNT, umount),
	DO(PIVOT_ROOT, pivot_root),
	DO(SETNS, setns),
	DO(UNSHARE, unshare),
	DO(CLONE_NS, clone_ns),
	DO(OPEN_BY_HANDLE, open_by_handle),
	DO(MODULE, module),
	DO(BPF, bpf),
	DO(PERF, perf),
	DO(USERFAULTFD, userfaultfd),
	DO(KEYCTL, keyctl),
	DO(IO_URING, io_uring),
	DO(MEMFD, memfd),
	DO(MEMORY_EXEC, memory_exec),
	NOT_TRIED(KILL, "not tried: only to another container"),
	DO(TIME, time),
	DO(HOSTNAME, hostname),
	NOT_TRIED(SYSCALL, "not tried: only of containers"),
	{0, NULL, false, NULL},
};

void selftest_place_make(struct selftest_place *p)
{
	static const char *const folders[] = {"/tmp", "/dev/shm", "/run"};
	struct sockaddr_in to = loopback(0);

	*p = (struct selftest_place){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	(void)bind(p->listener, (const struct sockaddr *)&to, sizeof(to));
	for (size_t i = 0; i < PW_COUNT(folders); i++) {
		(void)snprintf(
			p->folder, sizeof(p->folder), "%s/podward-self-test-XXXXXX", folders[i]);
		if (mkdtemp(p->folder))
			break;
		p->folder[0] = '\0';
	}
	if (!p->folder[0])
		return;
	(void)snprintf(p->file, sizeof(p->file), "%s/file", p->folder);
	(void)snprintf(p->other, sizeof(p->other), "%s/other", p->folder);
	close_quietly(open(p->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

void selftest_place_remove(struct selftest_place *p)
{
	close_quietly(p->listener);
	if (!p->folder[0])
		return;
	(void)unlink(p->file);
	(void)unlink(p->other);
	(void)rmdir(p->folder);
}
