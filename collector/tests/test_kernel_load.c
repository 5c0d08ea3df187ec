/* SPDX-License-Identifier: Apache-2.0 */
/* Loading and attaching: what is needed, what is said when it is missing, with which capabilities.
 */
#include "collector/tests/kernel_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void each_missing_prerequisite_is_named(void **state)
{
	const uint64_t both = 1ull << CAP_BPF | 1ull << CAP_PERFMON;
	const struct {
		struct probe_facts facts;
		int code;
		const char *word;
	} rows[] = {
		{{5, 10, true, both, false}, 0, ""},
		{{7, 3, true, 1ull << CAP_SYS_ADMIN, false}, 0, ""},
		{{5, 9, true, both, false}, -EOPNOTSUPP, "5.9 is too old: 5.10"},
		{{4, 19, true, both, false}, -EOPNOTSUPP, "4.19 is too old: 5.10"},
		{{6, 1, false, both, false}, -EOPNOTSUPP, "/sys/kernel/btf/vmlinux"},
		{{6, 1, true, 1ull << CAP_PERFMON, false}, -EPERM, "CAP_BPF"},
		{{6, 1, true, 1ull << CAP_BPF, false}, -EPERM, "CAP_PERFMON"},
		{{6, 1, true, 0, false}, -EPERM, "CAP_BPF"},
		{{6, 1, true, both, true}, -EPERM, "lockdown"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;

		assert_int_equal(probe_facts_check(&rows[i].facts, &err), rows[i].code);
		assert_non_null(strstr(err.msg, rows[i].word));
		assert_null(strchr(err.msg, '\n'));
	}
}

struct seen {
	size_t count, attached;
	bool has_exec, has_exit, has_fork, has_mkdir, has_open;
};

static int note_hook(void *ctx, const struct probe_hook *hook)
{
	struct seen *seen = ctx;

	seen->count++;
	seen->attached += hook->attached;
	seen->has_exec |= strcmp(hook->hook, "tp_btf/sched_process_exec") == 0;
	seen->has_fork |= strcmp(hook->hook, "tp_btf/sched_process_fork") == 0;
	seen->has_exit |= strcmp(hook->hook, "tp_btf/sched_process_exit") == 0;
	seen->has_mkdir |= strcmp(hook->hook, "raw_tp/cgroup_mkdir") == 0;
	seen->has_open |= strcmp(hook->program, "file_open_exit") == 0 && !hook->attached;
	return 0;
}

static void loads_attaches_and_names_its_hooks(void **state)
{
	struct probe_options options = {.level = PROBE_LEVEL_B};
	struct pw_err err = PW_ERR_INIT;
	struct source *source = NULL;
	struct source_info info;
	struct source_stats stats;
	struct seen seen = {0};

	(void)state;
	if (probe_open(&options, &source, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(probe_each_hook(source, note_hook, &seen), 0);
	/* 15 handlers; up to 3 programs are only for some kernels. */
	assert_in_range(seen.count, 22, 25);
	assert_int_equal(seen.count - seen.attached, 15);
	assert_true(seen.has_exec && seen.has_fork && seen.has_exit && seen.has_mkdir);
	assert_true(seen.has_open);
	source_info(source, &info);
	assert_true(info.live);
	assert_int_equal(info.abi_version, ABI_VERSION);
	assert_int_equal(strlen(info.boot_id), 36);
	assert_true(info.boot_to_wall_ns > 0);
	assert_int_equal(source_stats(source, &stats), 0);
	assert_int_equal(stats.delivered, 0);
	assert_true(source_fd(source) >= 0);
	source_close(source);
}

static void impossible_sizes_are_refused(void **state)
{
	static const uint32_t sizes[] = {1, 4096, 65537, 100000, 128u << 20};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(sizes); i++) {
		struct probe_options options = {.ring_bytes = sizes[i]};
		struct pw_err err = PW_ERR_INIT;
		struct source *source = NULL;

		assert_int_equal(probe_open(&options, &source, &err), -EINVAL);
		assert_null(source);
		assert_non_null(strstr(err.msg, "power of two"));
	}
}

static int note_open(void *ctx, const void *record, size_t len)
{
	const struct abi_header *h = record;

	(void)len;
	*(bool *)ctx |= h->kind == ABI_KIND_OPEN;
	return 0;
}

/* Runs in a process that gave everything else up: does it load, attach, and does an event come? */
static int probe_works(void)
{
	struct probe_options options = {.setting_flags = SETTING_WATCH_ALL};
	struct pw_err err = PW_ERR_INIT;
	struct source *source = NULL;
	bool seen = false;
	pid_t pid;

	if (probe_open(&options, &source, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return strstr(err.msg, "CAP_BPF") ? 2 : strstr(err.msg, "CAP_PERFMON") ? 3 : 4;
	}
	pid = fork();
	if (pid == 0)
		_exit(open("/dev/null", O_RDONLY) < 0);
	if (waitpid(pid, NULL, 0) != pid)
		return 5;
	while (source_consume(source, 0, note_open, &seen, &err) > 0)
		;
	source_close(source);
	return seen ? 0 : 6;
}

/* Becomes nobody with exactly these capabilities. libcap-ng has its door elsewhere. */
static int become_nobody(uint64_t caps)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = (uint32_t)caps, .permitted = (uint32_t)caps},
		{.effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32)},
	};

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
		setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		return -1;
	return (int)syscall(SYS_capset, &header, data);
}

static int run_with_capabilities(uint64_t caps)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(become_nobody(caps) == 0 && geteuid() == 65534 ? probe_works() : 91);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define CAP(name) (1ull << CAP_##name)

static void works_for_an_unprivileged_user_with_three_capabilities(void **state)
{
	uint64_t caps = CAP(BPF) | CAP(PERFMON) | CAP(SYS_PTRACE);
	struct probe_facts facts;

	(void)state;
	assert_int_equal(probe_facts_read(&facts, NULL), 0);
	if (facts.kernel_major == 5 && facts.kernel_minor < 11)
		caps |= CAP(SYS_RESOURCE); /* locked memory is still charged to the user */
	assert_int_equal(run_with_capabilities(caps), 0);
}

static void missing_capability_is_named(void **state)
{
	(void)state;
	assert_int_equal(run_with_capabilities(CAP(BPF)), 3);
	assert_int_equal(run_with_capabilities(CAP(PERFMON) | CAP(SYS_PTRACE)), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_missing_prerequisite_is_named),
		cmocka_unit_test(loads_attaches_and_names_its_hooks),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(works_for_an_unprivileged_user_with_three_capabilities),
		cmocka_unit_test(missing_capability_is_named),
	};

	rig_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
