/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept and what is given up, each case in a process of its own. */
#include "collector/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <pthread.h>
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define CAP(name) (1ull << CAP_##name)
#define THREE     (CAP(BPF) | CAP(PERFMON) | CAP(SYS_PTRACE))
#define EVERY     (~0ull)

static void wanted_capabilities_follow_kernel_and_purpose(void **state)
{
	static const struct {
		bool live;
		unsigned major, minor;
		uint64_t permitted, wanted;
	} rows[] = {
		{true, 6, 1, EVERY, THREE},
		{true, 5, 11, EVERY, THREE},
		{true, 5, 10, EVERY, THREE | CAP(SYS_RESOURCE)},
		{true, 6, 1, THREE, THREE},
		{true, 6, 1, 0, 0},
		{true, 6, 1, CAP(BPF) | CAP(NET_ADMIN), CAP(BPF)},
		{true, 6, 1, CAP(SYS_ADMIN) | CAP(CHOWN), CAP(SYS_ADMIN)},
		{false, 6, 1, EVERY, 0},
		{false, 5, 10, EVERY, 0},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		assert_int_equal(privileges_wanted(rows[i].live, rows[i].major, rows[i].minor,
					 rows[i].permitted),
			rows[i].wanted);
}

/* Wait status of a child that runs fn and ends with its value. */
static int run(int (*fn)(void))
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit no_core = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &no_core);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static uint64_t status_field(const char *name)
{
	FILE *f = fopen("/proc/self/status", "re");
	uint64_t value = EVERY;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtoull(line + strlen(name), NULL, 16);
	if (f)
		(void)fclose(f);
	return value;
}

static int nothing_is_left_but_the_wanted(void)
{
	uint64_t before = status_field("CapPrm:");
	uint64_t wanted = before & (THREE | CAP(SYS_RESOURCE));

	if (privileges_drop(true, NULL) < 0)
		return 1;
	if ((status_field("CapPrm:") & ~wanted) || (before & THREE & ~status_field("CapPrm:")))
		return 2;
	if (status_field("CapEff:") != status_field("CapPrm:"))
		return 3;
	if (status_field("CapInh:") || status_field("CapAmb:"))
		return 4;
	if ((before & CAP(SETPCAP)) && status_field("CapBnd:"))
		return 5;
	return status_field("NoNewPrivs:") == 1 ? 0 : 6;
}

static int a_replay_keeps_none(void)
{
	if (privileges_drop(false, NULL) < 0)
		return 1;
	return status_field("CapPrm:") || status_field("CapEff:") ? 2 : 0;
}

static void capabilities_are_given_up(void **state)
{
	(void)state;
	assert_int_equal(run(nothing_is_left_but_the_wanted), 0);
	assert_int_equal(run(a_replay_keeps_none), 0);
}

/* --- the filter --- */

static void *nothing(void *unused)
{
	return unused;
}

static int everyday_calls(void)
{
	char byte = 0;
	pthread_t thread;
	int fd, pair[2];
	void *page;

	if (privileges_drop(true, NULL) < 0 || privileges_sandbox(PRIVILEGES_SANDBOX_ON, NULL) < 0)
		return 1;
	fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &byte, 1) != 1 || close(fd) < 0)
		return 2;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || write(pair[0], &byte, 1) != 1)
		return 3;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0)
		return 4;
	if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
		return 5;
	return status_field("Seccomp:") == 2 ? 0 : 6;
}

static void what_the_collector_does_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(run(everyday_calls), 0);
}

static void try_exec(void)
{
	(void)execl("/bin/true", "true", (char *)NULL);
}
static void try_new_process(void)
{
	(void)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}
static void try_ptrace(void)
{
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static void try_load_program(void)
{
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER};

	(void)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}
static void try_mount(void)
{
	(void)mount("none", "/nowhere", "tmpfs", 0, NULL);
}
static void try_unshare(void)
{
	(void)unshare(CLONE_NEWUSER);
}
static void try_raw_socket(void)
{
	(void)socket(AF_PACKET, SOCK_RAW, 0);
}
static void try_written_code(void)
{
	(void)mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void try_kill(void)
{
	(void)kill(getppid(), 0);
}
static void try_other_thread(void)
{
	(void)syscall(SYS_tgkill, getppid(), getppid(), 0);
}
static void try_setuid(void)
{
	(void)syscall(SYS_setuid, 65534);
}
static void try_dumpable(void)
{
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}
static void try_read_process(void)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {&byte, 1};

	(void)process_vm_readv(getppid(), &here, 1, &there, 1, 0);
}
static void try_limit(void)
{
	struct rlimit limit = {1024, 1024};

	(void)setrlimit(RLIMIT_CORE, &limit);
}
static void try_module(void)
{
	(void)syscall(SYS_delete_module, "nothing", 0);
}
static void try_chroot(void)
{
	if (chroot("/nowhere") == 0)
		_exit(1);
}

static void (*attempt)(void);
static enum privileges_sandbox mode;

static int attempt_behind_the_filter(void)
{
	if (privileges_drop(true, NULL) < 0 || privileges_sandbox(mode, NULL) < 0)
		return 1;
	attempt();
	return 0;
}

static void what_only_an_attacker_would_call_ends_the_process(void **state)
{
	static void (*const rows[])(void) = {try_exec, try_new_process, try_ptrace,
		try_load_program, try_mount, try_unshare, try_raw_socket, try_written_code,
		try_kill, try_other_thread, try_setuid, try_dumpable, try_read_process, try_limit,
		try_module, try_chroot};

	(void)state;
	mode = PRIVILEGES_SANDBOX_ON;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		int status;

		attempt = rows[i];
		status = run(attempt_behind_the_filter);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("row %zu: wait status %#x", i, (unsigned)status);
	}
}

static void log_and_off_end_nothing(void **state)
{
	static const enum privileges_sandbox rows[] = {
		PRIVILEGES_SANDBOX_LOG, PRIVILEGES_SANDBOX_OFF};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		mode = rows[i];
		attempt = try_kill;
		assert_int_equal(run(attempt_behind_the_filter), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wanted_capabilities_follow_kernel_and_purpose),
		cmocka_unit_test(capabilities_are_given_up),
		cmocka_unit_test(what_the_collector_does_is_allowed),
		cmocka_unit_test(what_only_an_attacker_would_call_ends_the_process),
		cmocka_unit_test(log_and_off_end_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
