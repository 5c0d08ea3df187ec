/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/procfs.h"
#include "collector/settings.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void the_name_of_a_process_does_not_confuse_the_fields(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *comm;
		uint32_t ppid, session, tty;
		uint64_t start;
	} rows[] = {
		{"7 (cat) S 3 7 5 34816 7 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 2\n", 0, "cat", 3,
			5, 136u << 20, 4711},
		{"7 (a) S 1 (b) S 3 7 5 0 7 4 1 0 0 0 0 0 0 0 20 0 1 0 9 1", 0, "a) S 1 (b", 3, 5,
			0, 9},
		{"7 () S 3 7 5 0 -1 4 1 0 0 0 0 0 0 0 20 0 1 0 9 1", 0, "", 3, 5, 0, 9},
		{"7 (a) S 3 7 5 0 7 4 1 0 0 0 0 0 0 0 20 0 1 0", -EINVAL, "", 0, 0, 0, 0},
		{"7 (a) S x 7 5 0 7 4 1 0 0 0 0 0 0 0 20 0 1 0 9", -EINVAL, "", 0, 0, 0, 0},
		{"7 a S 3", -EINVAL, "", 0, 0, 0, 0},
		{")(", -EINVAL, "", 0, 0, 0, 0},
		{"", -EINVAL, "", 0, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct procfs_stat s = {0};

		assert_int_equal(procfs_parse_stat(pw_slice_str(rows[i].text), &s), rows[i].result);
		if (rows[i].result < 0)
			continue;
		assert_true(pw_slice_eq_str(s.comm, rows[i].comm));
		assert_int_equal(s.ppid, rows[i].ppid);
		assert_int_equal(s.session, rows[i].session);
		assert_int_equal(s.tty, rows[i].tty);
		assert_int_equal(s.start_ticks, rows[i].start);
	}
}

static void the_status_gives_ids_and_the_innermost_pid(void **state)
{
	struct procfs_status s = {0};

	(void)state;
	assert_int_equal(
		procfs_parse_status(
			PW_SLICE_LIT("Name:\tx\nTgid:\t7\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n"
				     "NStgid:\t7\t3\t1\n"),
			&s),
		0);
	assert_int_equal(s.tgid, 7);
	assert_int_equal(s.uid, 1);
	assert_int_equal(s.gid, 5);
	assert_int_equal(s.pid_in_ns, 1);
	assert_int_equal(procfs_parse_status(PW_SLICE_LIT("Tgid:\t7\nUid:\t1\n"), &s), -EINVAL);
	assert_int_equal(procfs_parse_status(PW_SLICE_LIT(""), &s), -EINVAL);
}

static int count_self(void *ctx, uint32_t pid)
{
	unsigned *found = ctx;

	*found += pid == (uint32_t)getpid();
	return 0;
}

static void this_process_is_found_with_its_facts(void **state)
{
	struct procfs *p = NULL;
	struct proc_facts f;
	struct pw_slice path = {0};
	unsigned found = 0;

	(void)state;
	assert_int_equal(procfs_open("/proc", &p, NULL), 0);
	assert_int_equal(procfs_read(p, (uint32_t)getpid(), &f), 0);
	assert_int_equal(f.ppid, getppid());
	assert_int_equal(f.uid, getuid());
	assert_true(pw_slice_ends(f.program.exe, PW_SLICE_LIT("/test_procfs")));
	assert_true(pw_slice_find(f.program.args, PW_SLICE_LIT("test_procfs")) >= 0);
	assert_true(f.program.inode > 0);
	assert_true(f.start.ns > 0);
	assert_true(procfs_host_mnt_ns(p) > 0);
	assert_true(procfs_scan(p, count_self, &found) > 0);
	assert_int_equal(found, 1);
	assert_int_equal(procfs_read(p, 0x7fffffff, &f), -ESRCH);
	if (procfs_cgroup(p, (uint32_t)getpid(), &path) == 0)
		assert_int_equal(path.ptr[0], '/');
	assert_int_equal(procfs_cgroup(p, 0x7fffffff, &path), -ESRCH);
	procfs_close(p);
}

static int read_this_process(void *ctx)
{
	struct procfs *p = NULL;
	struct proc_facts facts;
	int r = procfs_open("/proc", &p, NULL);

	(void)ctx;
	if (r == 0)
		r = procfs_read(p, (uint32_t)getpid(), &facts);
	procfs_close(p);
	return r;
}

static void running_out_of_memory_is_an_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(read_this_process, NULL) >= 1);
}

static void a_missing_folder_is_named(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct procfs *p = NULL;

	(void)state;
	assert_int_equal(procfs_open("/nonexistent", &p, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent"));
}

static void settings_that_do_not_fit_together_are_refused_by_name(void **state)
{
	static const struct {
		const char *const argv[7];
		const char *word; /* in the message; NULL = fine */
	} rows[] = {
		{{"c", NULL}, "nothing to do"},
		{{"c", "--print", NULL}, NULL},
		{{"c", "--print=json", "--all", NULL}, NULL},
		{{"c", "--all", "--record=x", NULL}, "--all"},
		{{"c", "--record=x", "--replay=y", NULL}, "--record"},
		{{"c", "--analyzer=unix:/a", NULL}, NULL},
		{{"c", "--analyzer=127.0.0.1:1", NULL}, "--tls-cert"},
		{{"c", "--analyzer=h:1", "--tls-ca=a", "--tls-cert=c", "--tls-key=k", NULL}, NULL},
		{{"c", "--analyzer=h:1", "--tls-ca=a", "--tls-key=k", NULL}, "belong together"},
		{{"c", "--print", "--tls-ca=a", "--tls-cert=c", "--tls-key=k", "--insecure", NULL},
			"--insecure"},
		{{"c", "--analyzer=unix:/a", "--insecure", NULL}, NULL},
		{{"c", "--analyzer=127.0.0.1:1", "--insecure", NULL}, NULL},
		{{"c", "--analyzer=10.0.0.1:1", "--insecure", NULL}, "--analyzer"},
		{{"c", "--policysync=host:1", "--insecure", NULL}, "--policysync"},
		{{"c", "--policysync=nowhere", "--insecure", NULL}, "--policysync"},
		{{"c", "--print", "--ring-size=3M", NULL}, "--ring-size"},
		{{"c", "--print", "--node=", NULL}, "--node"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_config *config = NULL;
		struct settings s = {0};
		struct pw_err err = PW_ERR_INIT;
		int argc = 0;
		int r = 0;

		while (rows[i].argv[argc])
			argc++;
		r = pw_config_load(
			&settings_spec, argc, (char **)(size_t)rows[i].argv, &s, &config, &err);
		assert_int_equal(r, PW_CONFIG_RUN);
		r = settings_check(&s, &err);
		assert_int_equal(r < 0, rows[i].word != NULL);
		if (rows[i].word && !strstr(err.msg, rows[i].word))
			fail_msg("%s: %s", rows[i].word, err.msg);
		pw_config_free(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_name_of_a_process_does_not_confuse_the_fields),
		cmocka_unit_test(the_status_gives_ids_and_the_innermost_pid),
		cmocka_unit_test(this_process_is_found_with_its_facts),
		cmocka_unit_test(a_missing_folder_is_named),
		cmocka_unit_test(running_out_of_memory_is_an_error),
		cmocka_unit_test(settings_that_do_not_fit_together_are_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
