/* SPDX-License-Identifier: Apache-2.0 */
/* The life of processes as the real kernel tells it: fork, exec, exit in a watched cgroup. */
#include "collector/tests/kernel_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, &(struct probe_options){0});
	return 0;
}

static int clear(void **state)
{
	(void)state;
	rig_clear(&rig);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

/* Where the file behind a path really is, e.g. /usr/bin/true for /bin/true. */
static const char *real(const char *path)
{
	static char out[4096];

	assert_non_null(realpath(path, out));
	return out;
}

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC),
	    out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char block[65536];
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, block, sizeof(block))) > 0)
		assert_int_equal(write(out, block, (size_t)n), n);
	(void)close(in);
	(void)close(out);
}

static int run_true(void *ctx)
{
	char *argv[] = {(char *)"true", (char *)"--flag", (char *)"two words", (char *)"",
		(char *)"last", NULL};

	(void)ctx;
	if (chdir("/usr/lib") < 0)
		return 98;
	(void)execv("/bin/true", argv);
	return 97;
}

static void exec_arrives_with_path_arguments_and_parent(void **state)
{
	static const char args[] = "true\0--flag\0two words\0\0last";
	pid_t pid = rig_run(&rig, run_true, NULL);
	const struct abi_exec *e = rig_find_exec(&rig, pid, real("/bin/true"));
	struct stat st;

	(void)state;
	assert_non_null(e);
	assert_int_equal(e->header.ppid, getpid());
	assert_int_equal(e->header.tid, pid);
	assert_int_equal(e->header.uid, 0);
	assert_int_equal(e->header.cgroup_id, rig.cgroup_id);
	assert_int_equal(e->header.group, RIG_GROUP);
	assert_int_equal(e->header.flags, 0);
	assert_int_equal(e->parent.tgid, getpid());
	assert_true(e->parent.start_boot_ns > 0);
	assert_true(e->header.start_boot_ns >= e->parent.start_boot_ns);
	assert_true(e->header.boot_ns >= e->header.start_boot_ns);
	assert_true(pw_slice_eq(rig_span(e, e->args), pw_slice_of(args, sizeof(args))));
	assert_true(pw_slice_eq_str(rig_span(e, e->filename), "/bin/true"));
	assert_true(pw_slice_eq_str(rig_span(e, e->cwd), "/usr/lib"));
	assert_string_equal(e->comm, "true");
	assert_int_equal(e->session, getsid(0));
	assert_int_equal(e->pid_in_ns, pid);
	assert_int_equal(e->exe_flags, 0);
	assert_int_equal(e->cwd_flags, 0);
	assert_int_equal(stat("/bin/true", &st), 0);
	assert_int_equal(e->inode, st.st_ino);
	assert_int_equal(e->exec_flags & (ABI_EXEC_MEMFD | ABI_EXEC_DELETED | ABI_EXEC_SCRIPT), 0);
}

static int fork_then_exit(void *ctx)
{
	int status;
	pid_t pid = fork();

	(void)ctx;
	if (pid == 0) {
		(void)usleep(1);
		(void)raise(SIGKILL);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		return 98;
	return 7;
}

static void fork_and_exit_arrive_with_lineage_and_status(void **state)
{
	int status;
	pid_t pid = rig_run_in(&rig, rig.cgroup, fork_then_exit, NULL, &status);
	const struct abi_fork *f = NULL;
	const struct abi_exit *x = rig_nth(&rig, ABI_KIND_EXIT, pid, 0);

	(void)state;
	for (size_t i = 0; !f && rig_nth(&rig, ABI_KIND_FORK, 0, i); i++) {
		f = rig_nth(&rig, ABI_KIND_FORK, 0, i);
		if (f->parent.tgid != (uint32_t)pid)
			f = NULL;
	}
	assert_non_null(f);
	assert_int_equal(f->header.ppid, pid);
	assert_non_null(x);
	assert_int_equal(f->parent.start_boot_ns, x->header.start_boot_ns);
	assert_int_equal(x->status, 7 << 8);
	assert_int_equal(rig_count(&rig, ABI_KIND_EXIT, pid), 1);
	x = rig_nth(&rig, ABI_KIND_EXIT, (pid_t)f->header.tgid, 0);
	assert_non_null(x);
	assert_int_equal(x->status & 0x7f, SIGKILL);
	assert_int_equal(x->header.start_boot_ns, f->header.start_boot_ns);
}

static int run_path(void *path)
{
	char *argv[] = {(char *)"x", NULL};

	(void)execv(path, argv);
	return 97;
}

static void symlink_resolves_to_the_executable(void **state)
{
	char link[128], target[128];
	const struct abi_exec *e;
	pid_t pid;

	(void)state;
	copy_file("/bin/true", rig_path(&rig, "target", target, sizeof(target)));
	assert_int_equal(symlink("target", rig_path(&rig, "link", link, sizeof(link))), 0);
	pid = rig_run(&rig, run_path, link);
	e = rig_find_exec(&rig, pid, target);
	assert_non_null(e);
	assert_true(pw_slice_eq_str(rig_span(e, e->filename), link));
}

static int run_relative(void *ctx)
{
	char *argv[] = {(char *)"x", NULL};

	if (chdir(ctx) < 0)
		return 98;
	(void)execv("./sub/../rel", argv);
	return 97;
}

static void relative_path_resolves(void **state)
{
	char target[128], sub[128];
	const struct abi_exec *e;
	pid_t pid;

	(void)state;
	copy_file("/bin/true", rig_path(&rig, "rel", target, sizeof(target)));
	assert_int_equal(mkdir(rig_path(&rig, "sub", sub, sizeof(sub)), 0755), 0);
	pid = rig_run(&rig, run_relative, rig.dir);
	e = rig_find_exec(&rig, pid, target);
	assert_non_null(e);
	assert_true(pw_slice_eq_str(rig_span(e, e->filename), "./sub/../rel"));
	assert_true(pw_slice_eq_str(rig_span(e, e->cwd), rig.dir));
}

static int run_execveat(void *ctx)
{
	char *argv[] = {(char *)"x", NULL}, *env[] = {NULL};
	int fd = open(ctx, O_PATH);

	(void)syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
	return 97;
}

static void execveat_by_descriptor_resolves(void **state)
{
	char path[] = "/bin/true";
	pid_t pid = rig_run(&rig, run_execveat, path);
	const struct abi_exec *e = rig_find_exec(&rig, pid, real(path));

	(void)state;
	assert_non_null(e);
	assert_true(e->exec_flags & ABI_EXEC_BY_FD);
}

static void script_names_script_and_interpreter(void **state)
{
	char path[128];
	FILE *f = fopen(rig_path(&rig, "script", path, sizeof(path)), "we");
	const struct abi_exec *e;
	pid_t pid;

	(void)state;
	assert_non_null(f);
	(void)fputs("#!/bin/sh\nexit 0\n", f);
	(void)fclose(f);
	assert_int_equal(chmod(path, 0755), 0);
	pid = rig_run(&rig, run_path, path);
	e = rig_find_exec(&rig, pid, real("/bin/sh"));
	assert_non_null(e);
	assert_true(e->exec_flags & ABI_EXEC_SCRIPT);
	assert_true(pw_slice_eq_str(rig_span(e, e->filename), path));
}

static int run_memfd(void *ctx)
{
	char *argv[] = {(char *)"x", NULL}, *env[] = {NULL}, block[65536];
	int in = open("/bin/true", O_RDONLY | O_CLOEXEC), fd = memfd_create("payload", MFD_CLOEXEC);
	ssize_t n;

	(void)ctx;
	while ((n = read(in, block, sizeof(block))) > 0) {
		if (write(fd, block, (size_t)n) != n)
			return 98;
	}
	(void)fexecve(fd, argv, env);
	return 97;
}

static void memfd_is_told(void **state)
{
	pid_t pid = rig_run(&rig, run_memfd, NULL);
	const struct abi_exec *e = rig_find_exec(&rig, pid, "/memfd:payload");

	(void)state;
	assert_non_null(e);
	assert_true(e->exec_flags & ABI_EXEC_MEMFD);
	assert_true(e->exe_flags & ABI_PATH_DETACHED);
}

static int run_deleted(void *path)
{
	char *argv[] = {(char *)"x", NULL}, *env[] = {NULL};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (unlink(path) < 0)
		return 98;
	(void)fexecve(fd, argv, env);
	return 97;
}

static void deleted_executable_is_told(void **state)
{
	char path[128];
	const struct abi_exec *e;
	pid_t pid;

	(void)state;
	copy_file("/bin/true", rig_path(&rig, "gone", path, sizeof(path)));
	pid = rig_run(&rig, run_deleted, path);
	e = rig_find_exec(&rig, pid, path);
	assert_non_null(e);
	assert_true(e->exec_flags & ABI_EXEC_DELETED);
	assert_true(e->exe_flags & ABI_PATH_DELETED);
	assert_false(e->exec_flags & ABI_EXEC_MEMFD);
}

static int run_socket_stdin(void *ctx)
{
	char *argv[] = {(char *)"true", NULL};
	int pair[2], pipes[2];

	(void)ctx;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || pipe(pipes) < 0)
		return 98;
	(void)dup2(pair[0], 0);
	(void)dup2(pipes[1], 1);
	(void)execv("/bin/true", argv);
	return 97;
}

static void sockets_and_pipes_as_standard_streams_are_told(void **state)
{
	pid_t pid = rig_run(&rig, run_socket_stdin, NULL);
	const struct abi_exec *e = rig_nth(&rig, ABI_KIND_EXEC, pid, 0);

	(void)state;
	assert_non_null(e);
	assert_true(e->exec_flags & ABI_EXEC_STDIN_SOCKET);
	assert_true(e->exec_flags & ABI_EXEC_STDOUT_PIPE);
	assert_false(e->exec_flags & (ABI_EXEC_STDOUT_SOCKET | ABI_EXEC_STDIN_PIPE));
}

static int run_long_args(void *ctx)
{
	size_t len = *(size_t *)ctx;
	char *text = malloc(len + 1), *argv[] = {(char *)"true", text, NULL};

	memset(text, 'a', len);
	text[len] = '\0';
	(void)execv("/bin/true", argv);
	return 97;
}

static void long_arguments_are_kept_to_the_ceiling_and_marked(void **state)
{
	static const struct {
		size_t len, kept;
		bool truncated;
	} rows[] = {
		{100, 106, false},
		{700, 706, false},
		{3000, 3006, false},
		{9000, 9006, false},
		{16378, 16384, false},
		{16379, 16384, true},
		{50000, 16384, true},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		size_t len = rows[i].len;
		pid_t pid = rig_run(&rig, run_long_args, &len);
		const struct abi_exec *e = rig_find_exec(&rig, pid, real("/bin/true"));
		struct pw_slice args;

		assert_non_null(e);
		args = rig_span(e, e->args);
		assert_int_equal(args.len, rows[i].kept);
		assert_int_equal(args.ptr[5], 'a');
		assert_int_equal(args.ptr[args.len - 1], rows[i].truncated ? 'a' : '\0');
		assert_int_equal(!!(e->exec_flags & ABI_EXEC_ARGS_TRUNCATED), rows[i].truncated);
	}
}

/* A directory below the scratch one whose path is longer than `at_least` bytes. */
static size_t deep_dir(char *out, size_t size, size_t at_least)
{
	size_t at = (size_t)snprintf(out, size, "%s", rig.dir);

	while (at < at_least) {
		at += (size_t)snprintf(out + at, size - at, "/%0200d", 0);
		assert_true(at < size);
		if (mkdir(out, 0755) < 0)
			assert_int_equal(errno, EEXIST);
	}
	return at;
}

static void long_executable_paths_are_whole(void **state)
{
	static const size_t rows[] = {200, 300, 600, 1000, 3000, 3900};
	char path[4200];

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		const struct abi_exec *e;
		size_t at;
		pid_t pid;

		at = deep_dir(path, sizeof(path), rows[i]);
		(void)snprintf(path + at, sizeof(path) - at, "/exe");
		copy_file("/bin/true", path);
		pid = rig_run(&rig, run_path, path);
		e = rig_find_exec(&rig, pid, path);
		assert_non_null(e);
		assert_true(pw_slice_eq_str(rig_span(e, e->filename), path));
		assert_int_equal(e->exe_flags, 0);
	}
}

static int run_failing(void *ctx)
{
	char *argv[] = {(char *)"x", NULL};

	(void)ctx;
	(void)execv("/nonexistent", argv);
	return 0;
}

static void failed_exec_is_no_exec(void **state)
{
	pid_t pid = rig_run(&rig, run_failing, NULL);

	(void)state;
	assert_int_equal(rig_count(&rig, ABI_KIND_EXEC, pid), 0);
	assert_int_equal(rig_count(&rig, ABI_KIND_EXIT, pid), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(exec_arrives_with_path_arguments_and_parent, clear),
		cmocka_unit_test_setup(fork_and_exit_arrive_with_lineage_and_status, clear),
		cmocka_unit_test_setup(symlink_resolves_to_the_executable, clear),
		cmocka_unit_test_setup(relative_path_resolves, clear),
		cmocka_unit_test_setup(execveat_by_descriptor_resolves, clear),
		cmocka_unit_test_setup(script_names_script_and_interpreter, clear),
		cmocka_unit_test_setup(memfd_is_told, clear),
		cmocka_unit_test_setup(deleted_executable_is_told, clear),
		cmocka_unit_test_setup(sockets_and_pipes_as_standard_streams_are_told, clear),
		cmocka_unit_test_setup(long_arguments_are_kept_to_the_ceiling_and_marked, clear),
		cmocka_unit_test_setup(long_executable_paths_are_whole, clear),
		cmocka_unit_test_setup(failed_exec_is_no_exec, clear),
	};

	rig_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
