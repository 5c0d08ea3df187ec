/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of files and directories as the real kernel tells them, done and refused. */
#include "collector/tests/deeds.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

static struct rig rig;

static void make(const char *name)
{
	char path[128];
	int fd = open(
		rig_path(&rig, name, path, sizeof(path)), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

static int setup(void **state)
{
	static const char *const files[] = {"a", "b", "c", "d", "e", "f", "g"};
	char path[128];

	(void)state;
	rig_open(&rig, &(struct probe_options){0});
	assert_int_equal(chmod(rig.dir, 0755), 0);
	for (size_t i = 0; i < PW_COUNT(files); i++)
		make(files[i]);
	assert_int_equal(mkdir(rig_path(&rig, "sub", path, sizeof(path)), 0755), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static int dir_fd(void)
{
	return open("sub", O_RDONLY | O_DIRECTORY);
}

static int file_fd(void)
{
	return open("f", O_RDWR);
}

static long do_unlink(void)
{
	return syscall(SYS_unlink, "a");
}
static long do_unlinkat(void)
{
	return unlinkat(dir_fd(), "../b", 0);
}
static long do_mkdir(void)
{
	return syscall(SYS_mkdir, "m1", 0750);
}
static long do_mkdirat(void)
{
	return mkdirat(dir_fd(), "m2", 0700);
}
static long do_rmdir(void)
{
	return syscall(SYS_rmdir, "m1");
}
static long do_rmdirat(void)
{
	return unlinkat(dir_fd(), "m2", AT_REMOVEDIR);
}
static long do_rename(void)
{
	return syscall(SYS_rename, "c", "c2");
}
static long do_renameat2(void)
{
	return syscall(SYS_renameat2, AT_FDCWD, "c2", dir_fd(), "c3", 1u /* RENAME_NOREPLACE */);
}
static long do_link(void)
{
	return syscall(SYS_link, "d", "d2");
}
static long do_linkat(void)
{
	return linkat(AT_FDCWD, "d", dir_fd(), "d3", AT_SYMLINK_FOLLOW);
}
static long do_symlink(void)
{
	return syscall(SYS_symlink, "../target", "s1");
}
static long do_symlinkat(void)
{
	return symlinkat("/etc", dir_fd(), "s2");
}
static long do_mknod(void)
{
	return syscall(SYS_mknodat, AT_FDCWD, "n1", S_IFCHR | 0600, makedev(1, 3));
}
static long do_chmod(void)
{
	return syscall(SYS_chmod, "e", 04711);
}
static long do_fchmod(void)
{
	return fchmod(file_fd(), 0640);
}
static long do_fchmodat(void)
{
	return syscall(SYS_fchmodat, AT_FDCWD, "e", 0600);
}
static long do_chown(void)
{
	return syscall(SYS_lchown, "e", 1, -1);
}
static long do_fchown(void)
{
	return fchown(file_fd(), 0, 0);
}
static long do_setxattr(void)
{
	return setxattr("e", "trusted.podward", "1", 1, 0);
}
static long do_removexattr(void)
{
	return lremovexattr("e", "trusted.podward");
}
static long do_truncate(void)
{
	return truncate("f", 4711);
}
static long do_ftruncate(void)
{
	return ftruncate(file_fd(), 17);
}
static long do_utimensat(void)
{
	return utimensat(AT_FDCWD, "f", NULL, 0);
}
static long do_futimens(void)
{
	return futimens(file_fd(), NULL);
}
static long do_utimes(void)
{
	return syscall(SYS_utimes, "g", NULL);
}
static long do_chdir(void)
{
	return chdir("sub/../sub");
}
static long do_fchdir(void)
{
	return fchdir(dir_fd());
}
static long do_chroot(void)
{
	return chroot("sub");
}
static long do_unlink_by_link(void)
{
	int fd;

	if (symlink("sub", "l") < 0)
		return -1;
	fd = open("sub/x", O_CREAT | O_RDWR, 0600);
	return fd < 0 ? -1 : unlink("l/x");
}
static long do_exec(void)
{
	return execl("./g", "g", (char *)NULL);
}

static const struct deed deeds[] = {
	{"unlink refused", ABI_KIND_REMOVE, do_unlink, .err = EACCES, .as_nobody = true,
		.path = "a", .real = "a"},
	{"unlink", ABI_KIND_REMOVE, do_unlink, .path = "a", .call = 87, .real = "a"},
	{"unlinkat", ABI_KIND_REMOVE, do_unlinkat, .path = "../b", .call = 263, .num_mask = 1,
		.real = "b"},
	{"mkdir refused", ABI_KIND_MKDIR, do_mkdir, .err = EACCES, .as_nobody = true, .path = "m1",
		.real = "m1"},
	{"mkdir", ABI_KIND_MKDIR, do_mkdir, .path = "m1", .num = {0750}, .num_mask = 1, .call = 83,
		.real = "m1"},
	{"mkdirat", ABI_KIND_MKDIR, do_mkdirat, .path = "m2", .num = {0700}, .num_mask = 1,
		.real = "sub/m2"},
	{"rmdir", ABI_KIND_REMOVE, do_rmdir, .path = "m1", .call = 84, .real = "m1"},
	{"unlinkat of a directory", ABI_KIND_REMOVE, do_rmdirat, .path = "m2",
		.num = {AT_REMOVEDIR}, .num_mask = 1, .real = "sub/m2"},
	{"rename refused", ABI_KIND_RENAME, do_rename, .err = EACCES, .as_nobody = true,
		.path = "c", .path2 = "c2", .real = "c", .real2 = "c2"},
	{"rename", ABI_KIND_RENAME, do_rename, .path = "c", .path2 = "c2", .call = 82, .real = "c",
		.real2 = "c2"},
	{"renameat2", ABI_KIND_RENAME, do_renameat2, .path = "c2", .path2 = "c3", .num = {1},
		.num_mask = 1, .call = 316, .real = "c2", .real2 = "sub/c3"},
	{"link refused", ABI_KIND_LINK, do_link, .err = ANY_ERR, .as_nobody = true, .path = "d"},
	{"link", ABI_KIND_LINK, do_link, .path = "d", .path2 = "d2", .call = 86, .real = "d",
		.real2 = "d2"},
	{"linkat", ABI_KIND_LINK, do_linkat, .path = "d", .path2 = "d3", .call = 265, .real = "d",
		.real2 = "sub/d3"},
	{"symlink refused", ABI_KIND_SYMLINK, do_symlink, .err = EACCES, .as_nobody = true,
		.path = "s1", .real = "s1"},
	{"symlink", ABI_KIND_SYMLINK, do_symlink, .path = "s1", .text = "../target", .real = "s1"},
	{"symlinkat", ABI_KIND_SYMLINK, do_symlinkat, .path = "s2", .text = "/etc",
		.real = "sub/s2"},
	{"mknod refused", ABI_KIND_MKNOD, do_mknod, .err = ANY_ERR, .as_nobody = true, .path = "n1",
		.real = "n1"},
	{"mknodat", ABI_KIND_MKNOD, do_mknod, .path = "n1", .num = {S_IFCHR | 0600, 0x103},
		.num_mask = 3, .call = 259, .real = "n1"},
	{"chmod refused", ABI_KIND_CHMOD, do_chmod, .err = EPERM, .as_nobody = true, .path = "e",
		.real = "e"},
	{"chmod", ABI_KIND_CHMOD, do_chmod, .path = "e", .num = {04711}, .num_mask = 1, .call = 90,
		.real = "e"},
	{"fchmod", ABI_KIND_CHMOD, do_fchmod, .path = "/f", .num = {0640}, .num_mask = 1,
		.call = 91, .real = "f"},
	{"fchmodat", ABI_KIND_CHMOD, do_fchmodat, .path = "e", .num = {0600}, .num_mask = 1,
		.real = "e"},
	{"chown refused", ABI_KIND_CHOWN, do_chown, .err = EPERM, .as_nobody = true, .path = "e",
		.real = "e"},
	{"lchown", ABI_KIND_CHOWN, do_chown, .path = "e", .num = {1}, .num_mask = 1, .call = 94,
		.real = "e"},
	{"fchown", ABI_KIND_CHOWN, do_fchown, .path = "/f", .num = {0, 0}, .num_mask = 3,
		.real = "f"},
	{"setxattr refused", ABI_KIND_SETXATTR, do_setxattr, .err = EPERM, .as_nobody = true,
		.path = "e"},
	{"setxattr", ABI_KIND_SETXATTR, do_setxattr, .path = "e", .text = "trusted.podward",
		.call = 188},
	{"lremovexattr", ABI_KIND_SETXATTR, do_removexattr, .path = "e", .text = "trusted.podward"},
	{"truncate refused", ABI_KIND_TRUNCATE, do_truncate, .err = EACCES, .as_nobody = true,
		.path = "f"},
	{"truncate", ABI_KIND_TRUNCATE, do_truncate, .path = "f", .num = {4711}, .num_mask = 1,
		.real = "f"},
	{"ftruncate", ABI_KIND_TRUNCATE, do_ftruncate, .path = "/f", .num = {17}, .num_mask = 1},
	{"utimes refused", ABI_KIND_UTIMES, do_utimes, .err = EACCES, .as_nobody = true,
		.path = "g"},
	{"utimensat", ABI_KIND_UTIMES, do_utimensat, .path = "f", .call = 280},
	{"futimens", ABI_KIND_UTIMES, do_futimens, .path = "/f", .call = 280},
	{"utimes", ABI_KIND_UTIMES, do_utimes, .path = "g"},
	{"chdir", ABI_KIND_CHDIR, do_chdir, .path = "/sub", .call = 80},
	{"fchdir", ABI_KIND_CHDIR, do_fchdir, .path = "/sub", .call = 81},
	{"chroot refused", ABI_KIND_CHROOT, do_chroot, .err = EPERM, .as_nobody = true,
		.path = "sub"},
	{"chroot", ABI_KIND_CHROOT, do_chroot, .path = "/sub", .call = 161, .real = "sub"},
	{"unlink through a link", ABI_KIND_REMOVE, do_unlink_by_link, .path = "l/x",
		.real = "sub/x"},
	{"exec refused", ABI_KIND_EXEC_REFUSED, do_exec, .err = EACCES, .path = "./g", .call = 59},
};

static void each_change_is_told_with_its_object_and_outcome(void **state)
{
	(void)state;
	deeds_run(&rig, deeds, PW_COUNT(deeds));
}

/* --- what is relative to what --- */

static int run_relative(void *ctx)
{
	int dir;

	(void)ctx;
	if (chdir(rig.dir) < 0)
		return 98;
	dir = dir_fd();
	if (mkdirat(dir, "x", 0700) < 0 || chdir("sub") < 0 || mkdir("y", 0700) < 0)
		return 97;
	return syscall(SYS_renameat, AT_FDCWD, "y", dir, "z") < 0 ? 96 : 0;
}

static void words_are_relative_to_a_directory_that_the_kernel_resolved(void **state)
{
	pid_t pid = rig_run(&rig, run_relative, NULL);
	const struct abi_call *x = rig_find_call(&rig, ABI_KIND_MKDIR, pid, "x");
	const struct abi_call *y = rig_find_call(&rig, ABI_KIND_MKDIR, pid, "y");
	const struct abi_call *z = deeds_last(&rig, ABI_KIND_RENAME, pid);
	char sub[128];

	(void)state;
	(void)rig_path(&rig, "sub", sub, sizeof(sub));
	assert_non_null(x);
	assert_non_null(y);
	assert_non_null(z);
	assert_true(pw_slice_eq_str(rig_span(x, x->base), sub));
	assert_true(pw_slice_eq_str(rig_span(y, y->base), sub));
	assert_true(pw_slice_eq_str(rig_span(z, z->base), sub));
	assert_true(pw_slice_eq_str(rig_span(z, z->base2), sub));
	assert_int_equal(x->base_flags, 0);
	rig_clear(&rig);
}

/* --- hostile names --- */

#define DEEP 40

static int run_deep(void *ctx)
{
	char name[200];

	(void)ctx;
	if (chdir(rig.dir) < 0)
		return 98;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < DEEP; i++)
		if (mkdir(name, 0700) < 0 || chdir(name) < 0)
			return 97;
	return mkdir("\n\x1b[31m\xff", 0700) < 0 ? 96 : 0;
}

static void a_deep_tree_loses_its_front_and_nothing_else(void **state)
{
	pid_t pid = rig_run(&rig, run_deep, NULL);
	const struct abi_call *c = deeds_last(&rig, ABI_KIND_MKDIR, pid);
	struct abi_counters counters = rig_counters(&rig);

	(void)state;
	assert_int_equal(rig_count(&rig, ABI_KIND_MKDIR, pid), DEEP + 1);
	assert_true(pw_slice_eq_str(rig_span(c, c->path), "\n\x1b[31m\xff"));
	assert_true(c->base.len > ABI_PATH_MAX - 256 && c->base.len <= ABI_PATH_MAX);
	assert_true(c->base_flags & ABI_PATH_TRUNCATED);
	assert_int_equal(counters.dropped[ABI_KIND_MKDIR][ABI_DROP_READ], 0);
	rig_clear(&rig);
}

static int run_long(void *ctx)
{
	static char path[4096];
	int r;

	(void)ctx;
	if (chdir(rig.dir) < 0)
		return 98;
	memset(path, '/', sizeof(path) - 1);
	memcpy(path + sizeof(path) - 1 - strlen("tmp"), "tmp", strlen("tmp"));
	r = rmdir(path); /* as long as a path may be; not empty, so it fails without a report */
	if (r == 0 || chmod(path, 01777) < 0)
		return 97;
	return mkdir((const char *)0x10, 0700) < 0 ? 0 : 96; /* nothing there */
}

static void the_longest_path_is_whole(void **state)
{
	pid_t pid = rig_run(&rig, run_long, NULL);
	const struct abi_call *c = deeds_last(&rig, ABI_KIND_CHMOD, pid);

	(void)state;
	assert_non_null(c);
	if (rig.maps->noted_kinds & ABI_KIND_BIT(ABI_KIND_CHMOD))
		assert_true(pw_slice_eq_str(rig_span(c, c->base), "/tmp"));
	else
		assert_int_equal(c->path.len, 4095);
	assert_int_equal(c->path_flags, 0);
	assert_int_equal(rig_count(&rig, ABI_KIND_MKDIR, pid), 0); /* EFAULT is nobody's refusal */
	rig_clear(&rig);
}

static int run_gone(void *ctx)
{
	(void)ctx;
	if (chdir(rig.dir) < 0 || mkdir("gone", 0700) < 0 || chdir("gone") < 0)
		return 98;
	if (rmdir("../gone") < 0)
		return 97;
	return chmod(".", 0711) < 0 ? 96 : 0;
}

static void a_deleted_working_directory_says_so(void **state)
{
	pid_t pid = rig_run(&rig, run_gone, NULL);
	const struct abi_call *c = deeds_last(&rig, ABI_KIND_CHMOD, pid);

	(void)state;
	assert_non_null(c);
	assert_true(c->base_flags & ABI_PATH_DELETED);
	rig_clear(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_change_is_told_with_its_object_and_outcome),
		cmocka_unit_test(words_are_relative_to_a_directory_that_the_kernel_resolved),
		cmocka_unit_test(a_deep_tree_loses_its_front_and_nothing_else),
		cmocka_unit_test(the_longest_path_is_whole),
		cmocka_unit_test(a_deleted_working_directory_says_so),
	};

	rig_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
