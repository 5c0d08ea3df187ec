/* SPDX-License-Identifier: Apache-2.0 */
/* The running collector holds what it needs and nothing else, whoever starts it and on whatever
 * root. */
#include "collector/probe.h"
#include "collector/tests/program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#define CAP(name) (1ull << CAP_##name)
#define NOBODY    65534

static struct running program;
static uint64_t needed = CAP(BPF) | CAP(PERFMON) | CAP(SYS_PTRACE);

static uint64_t field(const char *path, const char *name)
{
	FILE *f = fopen(path, "re");
	uint64_t value = ~0ull;
	char line[256];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtoull(line + strlen(name), NULL, 16);
	(void)fclose(f);
	return value;
}

/* Of each of its threads. */
static void check_threads(uint64_t bounding)
{
	char folder[64], path[400];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	(void)snprintf(folder, sizeof(folder), "/proc/%d/task", (int)program.pid);
	dir = opendir(folder);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s/status", folder, entry->d_name);
		assert_int_equal(field(path, "CapEff:"), needed);
		assert_int_equal(field(path, "CapPrm:"), needed);
		assert_int_equal(field(path, "CapInh:"), 0);
		assert_int_equal(field(path, "CapAmb:"), 0);
		assert_int_equal(field(path, "CapBnd:"), bounding);
		assert_int_equal(field(path, "NoNewPrivs:"), 1);
		assert_int_equal(field(path, "Seccomp:"), 2);
		count++;
	}
	(void)closedir(dir);
	assert_true(count > 0);
}

/* Starts it, sees an event, looks at its privileges while it lives, ends it in order. */
static void watch_and_check(int (*before)(void *ctx), void *ctx, uint64_t bounding)
{
	static const char *const arguments[] = {"--print=json", "--all", "--metrics-listen",
		"127.0.0.1:0", "--log-level", "warn", NULL};
	int fd;

	program_start(&program, arguments, before, ctx);
	if (!program_wait_for(&program, "\"type\"")) /* any event: it watches */
		fail_msg("no event came");
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	(void)close(fd);
	assert_true(program_wait_for(&program, "/dev/zero"));
	check_threads(bounding);
	assert_int_equal(program_end(&program), 0);
}

static void root_gives_all_else_up(void **state)
{
	(void)state;
	watch_and_check(NULL, NULL, 0);
}

/* Ambient capabilities are how a container runtime or systemd gives them to a user. */
static int become_nobody(void *ctx)
{
	uint64_t caps = *(uint64_t *)ctx;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{(uint32_t)caps, (uint32_t)caps, (uint32_t)caps},
		{(uint32_t)(caps >> 32), (uint32_t)(caps >> 32), (uint32_t)(caps >> 32)},
	};

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
		setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
		syscall(SYS_capset, &header, data) < 0)
		return 91;
	for (unsigned cap = 0; cap < 64; cap++)
		if ((caps & 1ull << cap) &&
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return 92;
	return 0;
}

static void an_ordinary_user_with_the_capabilities_is_enough(void **state)
{
	uint64_t bounding = field("/proc/self/status", "CapBnd:"); /* needs CAP_SETPCAP to shrink */

	(void)state;
	watch_and_check(become_nobody, &needed, bounding);
}

static int make_root_read_only(void *ctx)
{
	(void)ctx;
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return 93;
	if (open("/podward-test", O_WRONLY | O_CREAT, 0600) >= 0 || errno != EROFS)
		return 94;
	return 0;
}

static void a_read_only_root_is_enough(void **state)
{
	(void)state;
	watch_and_check(make_root_read_only, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_gives_all_else_up),
		cmocka_unit_test(an_ordinary_user_with_the_capabilities_is_enough),
		cmocka_unit_test(a_read_only_root_is_enough),
	};
	struct probe_facts facts;
	struct pw_err err = PW_ERR_INIT;

	if (probe_facts_read(&facts, &err) < 0 || probe_facts_check(&facts, &err) < 0) {
		printf("SKIP: %s\n", err.msg);
		return 77;
	}
	if (geteuid() != 0) {
		printf("SKIP: needs root to start it as others\n");
		return 77;
	}
	if (facts.kernel_major == 5 && facts.kernel_minor < 11)
		needed |= CAP(SYS_RESOURCE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
