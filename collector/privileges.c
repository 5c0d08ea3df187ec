/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/privileges.h"

#include <asm/termbits.h>
#include <cap-ng.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/base/log.h"

#define MODULE   "privileges"
#define BIT(cap) (1ull << (cap))

/* --- capabilities --- */

uint64_t privileges_wanted(
	bool live, unsigned kernel_major, unsigned kernel_minor, uint64_t permitted)
{
	const uint64_t both = BIT(CAP_BPF) | BIT(CAP_PERFMON);
	uint64_t wanted = 0;

	if (!live)
		return 0;
	wanted = both | BIT(CAP_SYS_PTRACE); /* /proc/PID/exe of processes older than we are */
	/* Source: kernel commit d5299b67dd59, 5.11: BPF memory is charged to the memory cgroup. */
	if (kernel_major < 5 || (kernel_major == 5 && kernel_minor < 11))
		wanted |= BIT(CAP_SYS_RESOURCE);
	if ((permitted & both) != both)
		wanted |= BIT(CAP_SYS_ADMIN);
	return wanted & permitted;
}

static uint64_t permitted_now(void)
{
	uint64_t found = 0;

	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (capng_have_capability(CAPNG_PERMITTED, cap))
			found |= BIT(cap);
	return found;
}

int privileges_drop(bool live, struct pw_err *err)
{
	unsigned major = 0, minor = 0;
	struct utsname name;
	uint64_t wanted = 0;
	bool bounding = false;

	if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return pw_err_set(err, -EINVAL, "kernel release is not of the form major.minor");
	if (capng_get_caps_process() < 0)
		return pw_err_set(err, -EIO, "capabilities cannot be read");
	wanted = privileges_wanted(live, major, minor, permitted_now());
	bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (wanted & BIT(cap))
			(void)capng_update(
				CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED), cap);
	if (capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) < 0)
		return pw_err_set(err, -EPERM, "capabilities cannot be given up");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return pw_err_set(err, -errno, "no_new_privs: %s", pw_err_text(errno));
	return 0;
}

/* --- system calls --- */

/*
 * By what they are for. What the collector, gRPC core, libmicrohttpd, libuv and glibc were seen to
 * call (strace of a run with lost and new peers), and their forms on other versions and machines.
 */
static const char *const allowed[] = {
	/* memory */
	"brk",
	"madvise",
	"mremap",
	"munmap",
	/* files */
	"access",
	"close",
	"close_range",
	"dup",
	"dup2",
	"dup3",
	"faccessat",
	"faccessat2",
	"fallocate",
	"fcntl",
	"fcntl64",
	"fdatasync",
	"flock",
	"fstat",
	"fstatfs",
	"fsync",
	"ftruncate",
	"getcwd",
	"getdents64",
	"lseek",
	"lstat",
	"mkdir",
	"mkdirat",
	"newfstatat",
	"open",
	"openat",
	"pipe2",
	"pread64",
	"preadv",
	"pwrite64",
	"pwritev",
	"read",
	"readlink",
	"readlinkat",
	"readv",
	"rename",
	"renameat",
	"renameat2",
	"stat",
	"statfs",
	"statx",
	"unlink",
	"unlinkat",
	"write",
	"writev",
	/* sockets and waiting */
	"accept",
	"accept4",
	"bind",
	"connect",
	"epoll_create1",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"eventfd2",
	"getpeername",
	"getsockname",
	"getsockopt",
	"listen",
	"poll",
	"ppoll",
	"pselect6",
	"recvfrom",
	"recvmmsg",
	"recvmsg",
	"select",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shutdown",
	"socketpair",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	/* threads and signals */
	"exit",
	"exit_group",
	"futex",
	"futex_time64",
	"membarrier",
	"restart_syscall",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigtimedwait",
	"rseq",
	"sched_getaffinity",
	"sched_getparam",
	"sched_getscheduler",
	"sched_yield",
	"set_robust_list",
	"sigaltstack",
	"signalfd4",
	/* time */
	"clock_getres",
	"clock_gettime",
	"clock_nanosleep",
	"gettimeofday",
	"nanosleep",
	"time",
	/* facts */
	"capget",
	"getegid",
	"geteuid",
	"getgid",
	"getgroups",
	"getpid",
	"getppid",
	"getrandom",
	"getrusage",
	"gettid",
	"getuid",
	"sysinfo",
	"uname",
};

/* One argument must have one of these values. */
struct narrow {
	const char *call;
	unsigned argument;
	uint64_t mask; /* of the argument; all ones = as it is */
	const uint64_t *values;
	size_t count;
};
#define NARROW(call, argument, mask, ...)                                           \
	{                                                                           \
		call, argument, mask, (const uint64_t[]){__VA_ARGS__},              \
			sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), \
	}
#define WHOLE    (~0ull)
#define INT_ONLY 0xffffffffull

static const struct narrow narrowed[] = {
	/* never writable and executable at once */
	NARROW("mmap", 2, PROT_WRITE | PROT_EXEC, 0, PROT_WRITE, PROT_EXEC),
	NARROW("mprotect", 2, PROT_WRITE | PROT_EXEC, 0, PROT_WRITE, PROT_EXEC),
	/* a thread, not a process; clone3 hides its flags in memory and is answered with ENOSYS */
	NARROW("clone", 0, CLONE_VM | CLONE_THREAD | CLONE_NEWUSER | CLONE_NEWNS,
		CLONE_VM | CLONE_THREAD),
	NARROW("prctl", 0, INT_ONLY, PR_SET_NAME),
	NARROW("prlimit64", 2, WHOLE, 0), /* reads */
	NARROW("ioctl", 1, INT_ONLY, FIONBIO, FIONREAD, TCGETS, TIOCGWINSZ),
	/* netlink: glibc asks for the own addresses when it resolves a name */
	NARROW("socket", 0, INT_ONLY, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK),
	/* maps of programs that are loaded, and nothing new */
	NARROW("bpf", 0, INT_ONLY, BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM,
		BPF_MAP_GET_NEXT_KEY, BPF_OBJ_GET_INFO_BY_FD),
};

/* Names that this libseccomp or machine does not know are left out: they cannot be called. */
static int allow(scmp_filter_ctx filter, const char *name, const struct scmp_arg_cmp *comparison)
{
	int number = seccomp_syscall_resolve_name(name);
	int r = 0;

	if (number == __NR_SCMP_ERROR)
		return 0;
	if (comparison)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, comparison);
	else
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 0, NULL);
	/* -EDOM: a number that only another architecture has */
	return r == -EDOM ? 0 : r;
}

static int allow_narrow(scmp_filter_ctx filter, const struct narrow *n)
{
	for (size_t i = 0; i < n->count; i++) {
		struct scmp_arg_cmp comparison =
			SCMP_CMP(n->argument, SCMP_CMP_MASKED_EQ, n->mask, n->values[i]);
		int r = allow(filter, n->call, &comparison);

		if (r < 0)
			return r;
	}
	return 0;
}

/* abort() and pthread_kill: signals to the own process only. */
static int allow_own_signals(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp own = {0, SCMP_CMP_EQ, (uint64_t)getpid(), 0};

	return allow(filter, "tgkill", &own);
}

static int fill(scmp_filter_ctx filter)
{
	int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	for (size_t i = 0; r == 0 && i < PW_COUNT(allowed); i++)
		r = allow(filter, allowed[i], NULL);
	for (size_t i = 0; r == 0 && i < PW_COUNT(narrowed); i++)
		r = allow_narrow(filter, &narrowed[i]);
	if (r == 0)
		r = allow_own_signals(filter);
	if (r == 0)
		r = seccomp_rule_add_array(
			filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
	return r < 0 ? r : seccomp_load(filter);
}

int privileges_sandbox(enum privileges_sandbox how, struct pw_err *err)
{
	scmp_filter_ctx filter = NULL;
	int r = 0;

	if (how == PRIVILEGES_SANDBOX_OFF) {
		pw_log_warn(MODULE, "the system call filter is off, as asked for");
		return 0;
	}
	filter = seccomp_init(how == PRIVILEGES_SANDBOX_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
	if (!filter)
		return pw_err_set(err, -ENOMEM, "system call filter: out of memory");
	r = fill(filter);
	seccomp_release(filter);
	return r < 0 ? pw_err_set(err, r, "system call filter: %s", pw_err_text(r)) : 0;
}
