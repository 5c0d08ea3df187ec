/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that do their best to be told wrongly. Long and deep paths, swaps: test_kernel_file. */
#include "collector/tests/kernel_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define BOMB_DEPTH  8
#define BOMB_FORKS  ((1u << BOMB_DEPTH) - 1)
#define ARGUMENTS   16
#define ARGUMENT    (120u << 10)
#define STACK_BYTES (32u << 20)
#define NAME        "a\nb\x1b[31m\xff\xfe\xc3(\"'\\ $(x)"

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, &(struct probe_options){0});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static int touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	return fd < 0 ? -1 : close(fd);
}

/* Whatever was told in this test was told of the test's cgroup. */
static void assert_all_from_the_cgroup(void)
{
	assert_true(rig.count > 0);
	for (size_t i = 0; i < rig.count; i++)
		assert_int_equal(rig.records[i]->cgroup_id, rig.cgroup_id);
}

/* --- exec --- */

static void *exec_here(void *ctx)
{
	(void)execl("/bin/true", "true", "of a thread", NULL);
	*(int *)ctx = errno;
	return NULL;
}

static int exec_from_a_thread(void *ctx)
{
	pthread_t thread;
	int failed = 0;

	(void)ctx;
	if (pthread_create(&thread, NULL, exec_here, &failed) != 0)
		return 98;
	(void)pthread_join(thread, NULL);
	return 97;
}

static void an_exec_of_a_thread_is_one_of_its_process(void **state)
{
	pid_t pid = rig_run(&rig, exec_from_a_thread, NULL);
	const struct abi_exec *e = rig_nth(&rig, ABI_KIND_EXEC, pid, 0);
	const char *args = "true\0of a thread";
	struct pw_slice told;

	(void)state;
	assert_non_null(e);
	assert_int_equal(rig_count(&rig, ABI_KIND_EXEC, pid), 1);
	assert_int_equal(rig_count(&rig, ABI_KIND_EXIT, pid), 1);
	assert_int_equal(e->header.tid, pid);
	assert_int_equal(e->parent.tgid, getpid());
	told = rig_span(e, e->args);
	assert_true(told.len >= 16);
	assert_memory_equal(told.ptr, args, 16);
	assert_all_from_the_cgroup();
	rig_clear(&rig);
}

static int exec_with_two_megabytes(void *ctx)
{
	const struct rlimit stack = {STACK_BYTES, STACK_BYTES};
	static char text[ARGUMENT], name[] = "true";
	char *argv[ARGUMENTS + 2] = {name};

	(void)ctx;
	if (setrlimit(RLIMIT_STACK, &stack) < 0)
		return 98;
	memset(text, 'x', sizeof(text) - 1);
	for (int i = 1; i <= ARGUMENTS; i++)
		argv[i] = text;
	(void)execv("/bin/true", argv);
	return 97;
}

static void two_megabytes_of_arguments_are_kept_to_the_ceiling(void **state)
{
	pid_t pid = rig_run(&rig, exec_with_two_megabytes, NULL);
	const struct abi_exec *e = rig_nth(&rig, ABI_KIND_EXEC, pid, 0);

	(void)state;
	assert_non_null(e);
	assert_true(e->exec_flags & ABI_EXEC_ARGS_TRUNCATED);
	assert_int_equal(e->args.len, ABI_ARGS_MAX);
	assert_memory_equal(rig_span(e, e->args).ptr, "true\0xxx", 8);
	rig_clear(&rig);
}

/* --- names --- */

static int open_hostile_name(void *ctx)
{
	return touch(ctx) < 0;
}

static void bytes_of_names_arrive_as_they_are(void **state)
{
	char path[128];
	pid_t pid;

	(void)state;
	(void)rig_path(&rig, NAME, path, sizeof(path));
	pid = rig_run(&rig, open_hostile_name, path);
	assert_non_null(rig_find_open(&rig, pid, path));
	rig_clear(&rig);
}

/* --- descriptors of others --- */

static int pair[2];

static int change_what_was_passed(void *ctx)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	int fd;

	(void)ctx;
	if (recvmsg(pair[1], &m, 0) != 1 || !CMSG_FIRSTHDR(&m))
		return 98;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fchmod(fd, 0640) < 0 ? 97 : 0;
}

static void pass(int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	assert_int_equal(sendmsg(pair[0], &m, 0), 1);
}

static void what_is_done_with_a_passed_descriptor_is_of_who_does_it(void **state)
{
	char path[128];
	pid_t pid;
	int fd;

	(void)state;
	(void)rig_path(&rig, "passed", path, sizeof(path));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pass(fd);
	pid = rig_run(&rig, change_what_was_passed, NULL);
	assert_non_null(rig_find_call(&rig, ABI_KIND_CHMOD, pid, "/passed"));
	assert_null(rig_find_open(&rig, pid, path));
	assert_all_from_the_cgroup();
	(void)close(fd);
	(void)close(pair[0]);
	(void)close(pair[1]);
	rig_clear(&rig);
}

/* --- mounts --- */

/* The same words mean three different files, one after the other, and two words the same one. */
static int move_mounts(void *ctx)
{
	(void)ctx;
	if (chdir(rig.dir) < 0 || mkdir("one", 0755) < 0 || mkdir("two", 0755) < 0)
		return 98;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 97;
	if (touch("one/f") < 0 || mount("one", "two", NULL, MS_BIND, NULL) < 0)
		return 96;
	if (touch("two/f") < 0 || mount("none", "one", "tmpfs", 0, NULL) < 0)
		return 95;
	if (touch("one/f") < 0 || rename("one/f", "one/g") < 0)
		return 94;
	return touch("one/g") < 0 ? 93 : 0;
}

static void mounts_and_renames_make_nothing_known_under_a_wrong_path(void **state)
{
	const char *const names[] = {"one/f", "two/f", "one/f", "one/g"};
	const struct abi_open *told[4] = {0}, *o;
	char path[128];
	size_t found = 0;
	pid_t pid;

	(void)state;
	pid = rig_run(&rig, move_mounts, NULL);
	for (size_t i = 0; found < 4 && (o = rig_nth(&rig, ABI_KIND_OPEN, pid, i)); i++) {
		(void)rig_path(&rig, names[found], path, sizeof(path));
		if (pw_slice_eq_str(rig_span(o, o->path), path))
			told[found++] = o;
	}
	assert_int_equal(found, 4);
	assert_int_equal(told[0]->inode, told[1]->inode);
	assert_int_equal(told[0]->dev_minor, told[1]->dev_minor);
	assert_int_equal(told[2]->inode, told[3]->inode);
	assert_true(told[0]->dev_minor != told[2]->dev_minor ||
		    told[0]->dev_major != told[2]->dev_major);
	rig_clear(&rig);
}

/* --- many processes --- */

/* Each of BOMB_DEPTH rounds doubles the processes: the child goes on with the rounds that are left.
 */
static int bomb(void *ctx)
{
	int failed = 0, status;

	(void)ctx;
	for (int round = 0; round < BOMB_DEPTH; round++) {
		if (fork() < 0)
			return 98;
	}
	while (wait(&status) > 0)
		failed |= status;
	return failed != 0;
}

static void a_fork_bomb_is_told_process_by_process(void **state)
{
	struct abi_counters before = rig_counters(&rig), after;
	size_t forks, ends;

	(void)state;
	(void)rig_run(&rig, bomb, NULL);
	after = rig_counters(&rig);
	forks = rig_count(&rig, ABI_KIND_FORK, 0);
	ends = rig_count(&rig, ABI_KIND_EXIT, 0);
	assert_int_equal(after.seen[ABI_KIND_FORK] - before.seen[ABI_KIND_FORK], BOMB_FORKS);
	assert_int_equal(after.seen[ABI_KIND_EXIT] - before.seen[ABI_KIND_EXIT], BOMB_FORKS + 1);
	assert_int_equal(after.submitted[ABI_KIND_FORK] - before.submitted[ABI_KIND_FORK], forks);
	assert_int_equal(after.dropped[ABI_KIND_FORK][ABI_DROP_RING_FULL] + forks, BOMB_FORKS);
	assert_int_equal(after.dropped[ABI_KIND_EXIT][ABI_DROP_RING_FULL] + ends, BOMB_FORKS + 1);
	assert_all_from_the_cgroup();
	rig_clear(&rig);
}

static int leave_a_zombie(void *ctx)
{
	siginfo_t info;
	pid_t pid = fork();

	(void)ctx;
	if (pid == 0)
		_exit(7);
	/* It stays a zombie: its end is seen, not taken. */
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0;
}

static void a_zombie_ends_once_and_with_its_status(void **state)
{
	pid_t pid = rig_run(&rig, leave_a_zombie, NULL);
	const struct abi_fork *f = rig_nth(&rig, ABI_KIND_FORK, 0, 0);
	const struct abi_exit *x;

	(void)state;
	assert_non_null(f);
	assert_int_equal(f->parent.tgid, pid);
	x = rig_nth(&rig, ABI_KIND_EXIT, (pid_t)f->header.tgid, 0);
	assert_non_null(x);
	assert_int_equal(rig_count(&rig, ABI_KIND_EXIT, (pid_t)f->header.tgid), 1);
	assert_int_equal(x->status, 7 << 8);
	assert_int_equal(x->header.start_boot_ns, f->header.start_boot_ns);
	rig_clear(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exec_of_a_thread_is_one_of_its_process),
		cmocka_unit_test(two_megabytes_of_arguments_are_kept_to_the_ceiling),
		cmocka_unit_test(bytes_of_names_arrive_as_they_are),
		cmocka_unit_test(what_is_done_with_a_passed_descriptor_is_of_who_does_it),
		cmocka_unit_test(mounts_and_renames_make_nothing_known_under_a_wrong_path),
		cmocka_unit_test(a_fork_bomb_is_told_process_by_process),
		cmocka_unit_test(a_zombie_ends_once_and_with_its_status),
	};

	rig_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
