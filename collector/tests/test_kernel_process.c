/* SPDX-License-Identifier: Apache-2.0 */
/* What processes do to themselves, to each other and to the kernel, done and refused. */
#include "collector/tests/deeds.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, &(struct probe_options){0});
	assert_int_equal(chmod(rig.dir, 0755), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	return pid;
}

static long with_sleeper(long (*fn)(pid_t pid))
{
	pid_t pid = sleeper();
	long r = fn(pid);
	int err = errno;

	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	errno = err;
	return r;
}

static long attach(pid_t pid)
{
	return ptrace(PTRACE_SEIZE, pid, NULL, NULL);
}
static long do_ptrace(void)
{
	return with_sleeper(attach);
}
static long do_ptrace_init(void)
{
	return ptrace(PTRACE_SEIZE, 1, NULL, NULL);
}
static long read_memory(pid_t pid)
{
	static char here;
	struct iovec local = {&here, 1}, remote = {&here, 1};

	return process_vm_readv(pid, &local, 1, &remote, 1, 0);
}
static long do_vm_read(void)
{
	return with_sleeper(read_memory);
}
static long do_vm_refused(void)
{
	return read_memory(1);
}
static long do_setuid(void)
{
	return syscall(SYS_setresuid, 0, 33, 0);
}
static long do_setgid(void)
{
	return syscall(SYS_setgid, 44);
}
static long do_setuid_root(void)
{
	return syscall(SYS_setuid, 0);
}
static long do_capset(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{.effective = 1, .permitted = 1}};

	return syscall(SYS_capset, &head, data);
}
static long do_capset_more(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{.effective = ~0u, .permitted = ~0u}};

	return syscall(SYS_capset, &head, data);
}
static long do_prctl_name(void)
{
	return prctl(PR_SET_NAME, "kworker/0:1");
}
static long do_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 0);
}
static long do_no_new_privs(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
static long do_seccomp(void)
{
	return syscall(SYS_seccomp, 1u, 0, NULL); /* a filter of nothing: EFAULT */
}
static long do_mount(void)
{
	(void)mkdir("mnt", 0755);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return mount("podward-source", "mnt", "tmpfs", MS_NOSUID, NULL);
}
static long do_mount_refused(void)
{
	return mount("podward-source", "mnt", "tmpfs", MS_NOSUID, NULL);
}
static long do_umount(void)
{
	return do_mount() < 0 ? -1 : umount2("mnt", MNT_DETACH);
}
static long do_umount_refused(void)
{
	return umount2("/", MNT_DETACH);
}
static long do_pivot(void)
{
	if (do_mount() < 0 || mkdir("mnt/old", 0755) < 0)
		return -1;
	return syscall(SYS_pivot_root, "mnt", "mnt/old");
}
static long do_pivot_refused(void)
{
	return syscall(SYS_pivot_root, "mnt", "mnt");
}
static long do_setns(void)
{
	return setns(open("/proc/self/ns/uts", O_RDONLY), CLONE_NEWUTS);
}
static long do_unshare(void)
{
	return unshare(CLONE_NEWUTS);
}
static long do_clone(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return pid;
}
static long do_clone3(void)
{
	struct clone_args args = {.flags = CLONE_NEWUTS | CLONE_NEWIPC, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return pid;
}
static long do_by_handle(void)
{
	struct {
		struct file_handle h;
		unsigned char bytes[MAX_HANDLE_SZ];
	} at = {.h.handle_bytes = MAX_HANDLE_SZ};
	int mount_id, dir = open("/", O_RDONLY | O_DIRECTORY);

	if (name_to_handle_at(dir, "etc/passwd", &at.h, &mount_id, 0) < 0) {
		errno = EOPNOTSUPP; /* overlay of a kind without handles */
		return -1;
	}
	return open_by_handle_at(dir, &at.h, O_RDONLY);
}
static long do_by_handle_refused(void)
{
	struct {
		struct file_handle h;
		unsigned char bytes[8];
	} at = {.h.handle_bytes = 8, .h.handle_type = 1};

	return open_by_handle_at(AT_FDCWD, &at.h, O_RDONLY);
}
static long do_init_module(void)
{
	return syscall(SYS_init_module, "not a module", 12, "");
}
static long do_finit_module(void)
{
	return syscall(SYS_finit_module, open("module", O_CREAT | O_RDWR, 0600), "", 0);
}
static long do_delete_module(void)
{
	return syscall(SYS_delete_module, "podward_no_such_module", O_NONBLOCK);
}
static long do_bpf(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}
static long do_perf(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}
static long do_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
}
static long do_keyctl(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1);
}
static long do_io_uring(void)
{
	struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE, .cq_entries = 8};

	return syscall(SYS_io_uring_setup, 4, &params);
}
static long do_memfd(void)
{
	return memfd_create("hidden", MFD_CLOEXEC);
}
static long do_mmap(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0) == MAP_FAILED
		       ? -1
		       : 0;
}
static long do_mmap_file(void)
{
	int fd = open("mapped", O_CREAT | O_RDWR, 0600);

	return mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0;
}
static long do_mprotect(void)
{
	void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(at, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}
static long do_kill_refused(void)
{
	return kill(getppid(), SIGTERM);
}
static long do_clock(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return clock_settime(CLOCK_REALTIME, &now);
}
static long do_hostname(void)
{
	return unshare(CLONE_NEWUTS) < 0 ? -1 : sethostname("podward-test", 12);
}
static long do_hostname_refused(void)
{
	return sethostname("podward-test", 12);
}

#define NS_FLAGS_32 (CLONE_NEWUTS | SIGCHLD)

static const struct deed deeds[] = {
	{"ptrace", ABI_KIND_PTRACE, do_ptrace, .num = {PTRACE_SEIZE}, .num_mask = 1, .call = 101},
	{"ptrace refused", ABI_KIND_PTRACE, do_ptrace_init, .err = EPERM, .as_nobody = true},
	{"process_vm_readv", ABI_KIND_PROCESS_VM, do_vm_read, .call = 310},
	{"process_vm_readv refused", ABI_KIND_PROCESS_VM, do_vm_refused, .err = EPERM,
		.as_nobody = true},
	{"setresuid", ABI_KIND_SETID, do_setuid, .num = {33, 0}, .num_mask = 3, .call = 117},
	{"setgid", ABI_KIND_SETID, do_setgid, .num = {0, 44}, .num_mask = 3, .call = 106},
	{"setuid refused", ABI_KIND_SETID, do_setuid_root, .err = EPERM, .as_nobody = true,
		.call = 105},
	{"capset", ABI_KIND_CAPSET, do_capset, .num = {1}, .num_mask = 1, .call = 126},
	{"capset refused", ABI_KIND_CAPSET, do_capset_more, .err = EPERM, .as_nobody = true},
	{"prctl name", ABI_KIND_PRCTL, do_prctl_name, .num = {PR_SET_NAME}, .num_mask = 1},
	{"prctl dumpable", ABI_KIND_PRCTL, do_dumpable, .num = {PR_SET_DUMPABLE, 0}, .num_mask = 3},
	{"prctl no_new_privs", ABI_KIND_PRCTL, do_no_new_privs, .num = {PR_SET_NO_NEW_PRIVS, 1},
		.num_mask = 3, .call = 157},
	{"seccomp", ABI_KIND_PRCTL, do_seccomp, .err = ANY_ERR, .num = {1}, .num_mask = 1,
		.call = 317},
	{"mount", ABI_KIND_MOUNT, do_mount, .path = "podward-source", .path2 = "mnt",
		.text = "tmpfs", .num = {MS_NOSUID}, .num_mask = 1, .call = 165, .real2 = "mnt"},
	{"mount refused", ABI_KIND_MOUNT, do_mount_refused, .err = EPERM, .as_nobody = true,
		.path2 = "mnt", .real2 = "mnt"},
	{"umount", ABI_KIND_UMOUNT, do_umount, .path = "mnt", .num = {MNT_DETACH}, .num_mask = 1,
		.real = "mnt"},
	{"umount refused", ABI_KIND_UMOUNT, do_umount_refused, .err = EPERM, .as_nobody = true,
		.path = "/"},
	{"pivot_root", ABI_KIND_PIVOT_ROOT, do_pivot, .path = "mnt", .path2 = "mnt/old",
		.call = 155, .real = "mnt", .real2 = "mnt/old"},
	{"pivot_root refused", ABI_KIND_PIVOT_ROOT, do_pivot_refused, .err = EPERM,
		.as_nobody = true, .path = "mnt", .path2 = "mnt"},
	{"setns", ABI_KIND_SETNS, do_setns, .num = {CLONE_NEWUTS}, .num_mask = 1, .call = 308},
	{"setns refused", ABI_KIND_SETNS, do_setns, .err = EPERM, .as_nobody = true},
	{"unshare", ABI_KIND_UNSHARE, do_unshare, .num = {CLONE_NEWUTS}, .num_mask = 1,
		.call = 272},
	{"unshare refused", ABI_KIND_UNSHARE, do_unshare, .err = EPERM, .as_nobody = true},
	{"clone", ABI_KIND_CLONE_NS, do_clone, .num = {NS_FLAGS_32}, .num_mask = 1, .call = 56},
	{"clone refused", ABI_KIND_CLONE_NS, do_clone, .err = EPERM, .as_nobody = true},
	{"clone3", ABI_KIND_CLONE_NS, do_clone3, .num = {CLONE_NEWUTS | CLONE_NEWIPC},
		.num_mask = 1, .call = 435},
	{"open_by_handle_at", ABI_KIND_OPEN_BY_HANDLE, do_by_handle, .path = "/etc/passwd",
		.num = {O_RDONLY}, .num_mask = 1, .call = 304, .real = "/etc/passwd"},
	{"open_by_handle_at refused", ABI_KIND_OPEN_BY_HANDLE, do_by_handle_refused, .err = ANY_ERR,
		.as_nobody = true},
	{"init_module", ABI_KIND_MODULE, do_init_module, .err = ANY_ERR, .call = 175},
	{"finit_module", ABI_KIND_MODULE, do_finit_module, .err = ANY_ERR, .path = "/module",
		.call = 313},
	{"delete_module", ABI_KIND_MODULE, do_delete_module, .err = ANY_ERR,
		.text = "podward_no_such_module", .call = 176},
	{"bpf", ABI_KIND_BPF, do_bpf, .num = {BPF_MAP_CREATE, 4ull << 32 | BPF_MAP_TYPE_ARRAY},
		.num_mask = 3, .call = 321},
	{"perf_event_open", ABI_KIND_PERF, do_perf,
		.num = {(uint64_t)sizeof(struct perf_event_attr) << 32 | PERF_TYPE_SOFTWARE, 0},
		.num_mask = 3, .call = 298},
	{"userfaultfd", ABI_KIND_USERFAULTFD, do_userfaultfd, .num = {O_CLOEXEC | O_NONBLOCK},
		.num_mask = 1, .call = 323},
	{"keyctl", ABI_KIND_KEYCTL, do_keyctl, .num = {KEYCTL_GET_KEYRING_ID}, .num_mask = 1},
	{"io_uring_setup", ABI_KIND_IO_URING, do_io_uring, .call = 425},
	{"memfd_create", ABI_KIND_MEMFD, do_memfd, .text = "hidden", .num = {MFD_CLOEXEC},
		.num_mask = 1, .call = 319},
	{"mmap", ABI_KIND_MEMORY_EXEC, do_mmap, .num = {7}, .num_mask = 1, .call = 9},
	{"mmap of a file", ABI_KIND_MEMORY_EXEC, do_mmap_file, .path = "/mapped", .num = {6},
		.num_mask = 1},
	{"mprotect", ABI_KIND_MEMORY_EXEC, do_mprotect, .num = {7}, .num_mask = 1, .call = 10},
	{"kill refused", ABI_KIND_KILL, do_kill_refused, .err = EPERM, .as_nobody = true,
		.num = {SIGTERM}, .num_mask = 1, .call = 62},
	{"clock_settime refused", ABI_KIND_TIME, do_clock, .err = EPERM, .as_nobody = true,
		.num = {CLOCK_REALTIME}, .num_mask = 1, .call = 227},
	{"sethostname", ABI_KIND_HOSTNAME, do_hostname, .text = "podward-test", .num = {12},
		.num_mask = 1, .call = 170},
	{"sethostname refused", ABI_KIND_HOSTNAME, do_hostname_refused, .err = EPERM,
		.as_nobody = true},
};

static void each_deed_is_told_with_its_numbers_and_outcome(void **state)
{
	(void)state;
	deeds_run(&rig, deeds, PW_COUNT(deeds));
}

/* --- signals to others --- */

static int run_kill(void *ctx)
{
	pid_t inside = sleeper();

	if (kill(inside, SIGKILL) < 0 || waitpid(inside, NULL, 0) != inside)
		return 98;
	return kill(*(pid_t *)ctx, SIGUSR2) < 0 ? 97 : 0;
}

static void a_signal_is_told_when_it_leaves_the_cgroup(void **state)
{
	pid_t outside = sleeper(), pid;
	const struct abi_call *c;

	(void)state;
	pid = rig_run(&rig, run_kill, &outside);
	(void)kill(outside, SIGKILL);
	(void)waitpid(outside, NULL, 0);
	assert_int_equal(rig_count(&rig, ABI_KIND_KILL, pid), 1);
	c = deeds_last(&rig, ABI_KIND_KILL, pid);
	assert_int_equal(c->num[0], SIGUSR2);
	assert_int_equal(c->target.tgid, outside);
	assert_true(c->target.start_boot_ns > 0);
	rig_clear(&rig);
}

/* --- first use --- */

static int run_same_calls(void *ctx)
{
	(void)ctx;
	return syscall(SYS_getpgid, 0) < 0 || syscall(SYS_getpgid, 0) < 0;
}

static size_t uses_of(unsigned number)
{
	size_t uses = 0;
	const struct abi_call *c;

	for (size_t i = 0; (c = rig_nth(&rig, ABI_KIND_SYSCALL, 0, i)); i++)
		uses += c->call == number + 1;
	return uses;
}

static void a_system_call_is_told_once_for_a_container(void **state)
{
	(void)state;
	(void)rig_run(&rig, run_same_calls, NULL);
	(void)rig_run(&rig, run_same_calls, NULL);
	assert_int_equal(uses_of(121), 1);
	rig_clear(&rig);
}

/* What a runtime does: the same call before its program and by its program, in a namespace of pids.
 */
static int run_setup_and_program(void *ctx)
{
	char self[] = "/proc/self/exe", word[] = "getpgrp", *args[] = {self, word, NULL};
	int status;
	pid_t pid;

	(void)ctx;
	if (unshare(CLONE_NEWPID) < 0)
		return 3;
	pid = fork();
	if (pid == 0) {
		(void)syscall(SYS_getpgrp);
		(void)execv(self, args);
		_exit(4);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 5;
}

static void what_a_runtime_used_is_told_again_of_its_program(void **state)
{
	(void)state;
	(void)rig_run(&rig, run_setup_and_program, NULL);
	assert_int_equal(uses_of(SYS_getpgrp), 2);
	rig_clear(&rig);
}

/* --- the capture plan --- */

static int run_memfd(void *ctx)
{
	(void)ctx;
	return do_memfd() < 0 || syscall(SYS_getsid, 0) < 0;
}

static void kinds_are_switched_off_and_on_while_running(void **state)
{
	const uint64_t all = ABI_KIND_BIT(ABI_KIND_COUNT) - 1;
	struct pw_err err = PW_ERR_INIT;
	pid_t pid;

	(void)state;
	assert_int_equal(
		kmaps_plan_set(rig.maps, all & ~ABI_KIND_BIT(ABI_KIND_MEMFD), 0, false, &err), 0);
	pid = rig_run(&rig, run_memfd, NULL);
	assert_int_equal(rig_count(&rig, ABI_KIND_MEMFD, pid), 0);
	assert_int_equal(rig_count(&rig, ABI_KIND_SYSCALL, pid), 0);
	assert_int_equal(rig_count(&rig, ABI_KIND_EXIT, pid), 1);
	assert_int_equal(kmaps_plan_set(rig.maps, all, 0, true, &err), 0);
	pid = rig_run(&rig, run_memfd, NULL);
	assert_int_equal(rig_count(&rig, ABI_KIND_MEMFD, pid), 1);
	rig_clear(&rig);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_deed_is_told_with_its_numbers_and_outcome),
		cmocka_unit_test(a_signal_is_told_when_it_leaves_the_cgroup),
		cmocka_unit_test(a_system_call_is_told_once_for_a_container),
		cmocka_unit_test(what_a_runtime_used_is_told_again_of_its_program),
		cmocka_unit_test(kinds_are_switched_off_and_on_while_running),
	};

	if (argc > 1 && strcmp(argv[1], "getpgrp") == 0)
		return syscall(SYS_getpgrp) < 0;
	rig_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
