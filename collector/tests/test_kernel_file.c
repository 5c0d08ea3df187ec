/* SPDX-License-Identifier: Apache-2.0 */
/* Opens as the real kernel tells them: the path is the opened object's, whatever the caller wrote.
 */
#include "collector/tests/kernel_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

static struct rig rig;

static int setup(void **state)
{
	char path[128];

	(void)state;
	rig_open(&rig, &(struct probe_options){0});
	(void)close(open(
		rig_path(&rig, "file", path, sizeof(path)), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	assert_int_equal(symlink("file", rig_path(&rig, "link", path, sizeof(path))), 0);
	assert_int_equal(mkdir(rig_path(&rig, "dir", path, sizeof(path)), 0755), 0);
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

/* One way to open something; the child has its working directory in the scratch directory. */
struct way {
	const char *name;
	long (*open_it)(void);
	const char
		*path; /* expected, below the scratch directory; absolute when it begins with '/' */
	uint32_t flags; /* expected O_* bits … */
	uint32_t mask;  /* … among these */
};

static long by_absolute(void)
{
	char path[128];

	return open(rig_path(&rig, "file", path, sizeof(path)), O_RDONLY);
}

static long by_relative(void)
{
	return open("file", O_WRONLY);
}

static long by_dots(void)
{
	return open("dir/../dir/.././file", O_RDWR);
}

static long by_symlink(void)
{
	return open("link", O_RDONLY);
}

static long by_dirfd(void)
{
	int dir = open("dir", O_RDONLY | O_DIRECTORY);

	return openat(dir, "../file", O_RDONLY);
}

static long by_create(void)
{
	return open("dir/new", O_CREAT | O_EXCL | O_WRONLY, 0600);
}

static long by_creat(void)
{
	return syscall(SYS_creat, "dir/creat", 0600);
}

static long by_openat2(void)
{
	struct open_how how = {.flags = O_RDWR | O_CREAT | O_TRUNC, .mode = 0600};

	return syscall(SYS_openat2, AT_FDCWD, "dir/how", &how, sizeof(how));
}

static long by_old_open(void)
{
	return syscall(SYS_open, "file", O_RDONLY | O_NOFOLLOW);
}

static long by_path_only(void)
{
	return open("link", O_PATH | O_NOFOLLOW);
}

static long by_directory(void)
{
	return open(".", O_RDONLY | O_DIRECTORY);
}

static long by_proc_fd(void)
{
	char path[64];
	int fd = open("file", O_RDONLY);

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY);
}

static long by_proc(void)
{
	return open("/proc/sys/kernel/ostype", O_RDONLY);
}

static const struct way ways[] = {
	{"absolute path", by_absolute, "file", O_RDONLY, O_ACCMODE},
	{"relative path", by_relative, "file", O_WRONLY, O_ACCMODE},
	{"dots on the way", by_dots, "file", O_RDWR, O_ACCMODE},
	{"symbolic link", by_symlink, "file", O_RDONLY, O_ACCMODE},
	{"openat relative to a descriptor", by_dirfd, "file", O_RDONLY, O_ACCMODE},
	{"creation", by_create, "dir/new", O_WRONLY | O_CREAT | O_EXCL,
		O_ACCMODE | O_CREAT | O_EXCL},
	{"creat", by_creat, "dir/creat", O_WRONLY | O_CREAT | O_TRUNC,
		O_ACCMODE | O_CREAT | O_TRUNC},
	{"openat2", by_openat2, "dir/how", O_RDWR | O_CREAT | O_TRUNC,
		O_ACCMODE | O_CREAT | O_TRUNC},
	{"the old open call", by_old_open, "file", O_RDONLY, O_ACCMODE},
	{"O_PATH of the link itself", by_path_only, "link", O_PATH, O_PATH},
	{"directory", by_directory, "", O_DIRECTORY, O_DIRECTORY},
	{"/proc/self/fd", by_proc_fd, "file", O_WRONLY, O_ACCMODE},
	{"another filesystem", by_proc, "/proc/sys/kernel/ostype", O_RDONLY, O_ACCMODE},
};

static int run_way(void *ctx)
{
	const struct way *way = ctx;

	if (chdir(rig.dir) < 0)
		return 98;
	return way->open_it() < 0 ? 97 : 0;
}

static const struct abi_open *last_open(pid_t pid)
{
	size_t n = rig_count(&rig, ABI_KIND_OPEN, pid);

	return n ? rig_nth(&rig, ABI_KIND_OPEN, pid, n - 1) : NULL;
}

static void each_way_of_opening_gives_the_real_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < PW_COUNT(ways); i++) {
		const struct way *way = &ways[i];
		pid_t pid = rig_run(&rig, run_way, (void *)(uintptr_t)way);
		const struct abi_open *o = last_open(pid);
		char want[128];
		struct stat st;

		if (way->path[0] == '/')
			(void)snprintf(want, sizeof(want), "%s", way->path);
		else
			(void)snprintf(want, sizeof(want), "%s%s%s", rig.dir,
				way->path[0] ? "/" : "", way->path);
		if (!o || !pw_slice_eq_str(rig_span(o, o->path), want))
			fail_msg("%s: %.*s", way->name, o ? (int)o->path.len : 0,
				o ? (const char *)o + o->path.off : "");
		assert_true(o->ret >= 0);
		assert_int_equal(o->path_flags, 0);
		if ((o->open_flags & way->mask) != way->flags)
			fail_msg("%s: flags %o", way->name, o->open_flags);
		assert_int_equal(lstat(want, &st), 0);
		assert_int_equal(o->inode, st.st_ino);
		assert_int_equal(o->mode, st.st_mode);
		assert_int_equal(o->dev_major, major(st.st_dev));
		assert_int_equal(o->dev_minor, minor(st.st_dev));
		assert_int_equal(o->header.tgid, pid);
		assert_int_equal(o->header.ppid, getpid());
	}
}

#define SWAP_OPENS 20000

struct swap {
	_Atomic int stop;
	char path[16];
};

/* Another thread changes the path in user memory while calls run. */
static void *run_swapper(void *ctx)
{
	struct swap *swap = ctx;

	while (!swap->stop) {
		memcpy(swap->path, "link", 5);
		memcpy(swap->path, "dir\0", 5);
	}
	return NULL;
}

static int run_swapped(void *ctx)
{
	static struct swap swap = {.path = "dir"};
	pthread_t thread;

	(void)ctx;
	if (chdir(rig.dir) < 0 || pthread_create(&thread, NULL, run_swapper, &swap) != 0)
		return 98;
	for (int i = 0; i < SWAP_OPENS; i++) {
		int fd = open(swap.path, O_RDONLY);

		if (fd >= 0)
			(void)close(fd);
	}
	swap.stop = 1;
	(void)pthread_join(thread, NULL);
	return 0;
}

/* What the opened objects are really called. */
struct truth {
	char file[128], dir[128];
	struct stat is_file, is_dir;
	size_t seen, wrong;
};

static int check_swapped(void *ctx, const void *record, size_t len)
{
	const struct abi_open *o = record;
	struct truth *t = ctx;
	const char *want;

	(void)len;
	if (o->header.kind != ABI_KIND_OPEN || o->ret < 0)
		return 0;
	if (o->inode != t->is_dir.st_ino && o->inode != t->is_file.st_ino)
		return 0; /* the thread library's own files */
	want = o->inode == t->is_dir.st_ino ? t->dir : t->file;
	t->wrong += !pw_slice_eq_str(rig_span(o, o->path), want);
	t->seen++;
	return 0;
}

static void swapped_user_memory_cannot_make_path_and_object_disagree(void **state)
{
	struct probe_options every = {
		.every_mask = ABI_KIND_BIT(ABI_KIND_OPEN), .level = rig_level()};
	struct abi_scope entry = {.group = RIG_GROUP};
	struct source *folding = rig.source;
	struct pw_err err = PW_ERR_INIT;
	struct truth truth = {0};

	(void)state;
	assert_int_equal(
		stat(rig_path(&rig, "file", truth.file, sizeof(truth.file)), &truth.is_file), 0);
	assert_int_equal(
		stat(rig_path(&rig, "dir", truth.dir, sizeof(truth.dir)), &truth.is_dir), 0);
	assert_int_equal(probe_open(&every, &rig.source, &err), 0);
	assert_int_equal(kmaps_scope_set(probe_maps(rig.source), rig.cgroup_id, entry, &err), 0);
	assert_int_equal(
		rig_watch(&rig, rig_start(&rig, run_swapped, NULL), check_swapped, &truth), 0);
	source_close(rig.source);
	rig.source = folding;
	assert_int_equal(truth.wrong, 0);
	assert_true(truth.seen > SWAP_OPENS / 2);
}

/* Inside a mount namespace of its own, changed root on a bind mount. */
static int run_chroot(void *ctx)
{
	char jail[128], inside[192];
	int fd;

	(void)ctx;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 98;
	(void)rig_path(&rig, "jail", jail, sizeof(jail));
	(void)snprintf(inside, sizeof(inside), "%s/data", jail);
	if (mkdir(jail, 0755) < 0 || mount("tmpfs", jail, "tmpfs", 0, NULL) < 0)
		return 97;
	if (mkdir(inside, 0755) < 0 || mount(rig.dir, inside, NULL, MS_BIND, NULL) < 0)
		return 96;
	if (chroot(jail) < 0 || chdir("/") < 0)
		return 95;
	fd = open("data/file", O_RDONLY);
	if (fd < 0 || open("/", O_RDONLY) < 0)
		return 94;
	return 0;
}

static void paths_are_those_of_the_process_root(void **state)
{
	pid_t pid = rig_run(&rig, run_chroot, NULL);
	const struct abi_open *o = rig_find_open(&rig, pid, "/data/file");

	(void)state;
	assert_non_null(o);
	assert_int_equal(o->path_flags, 0);
	assert_non_null(rig_find_open(&rig, pid, "/"));
}

static int run_outside(void *ctx)
{
	int dir = open(rig.dir, O_RDONLY | O_DIRECTORY);

	(void)ctx;
	if (chroot("/usr/lib") < 0 || chdir("/") < 0)
		return 98;
	return openat(dir, "file", O_RDONLY) < 0 ? 97 : 0;
}

/* From the root of the mount tree: on a machine whose own root is a changed one, with what lies
 * above. */
static void file_outside_the_changed_root_is_marked(void **state)
{
	const struct abi_open *o = last_open(rig_run(&rig, run_outside, NULL));
	char file[128];

	(void)state;
	assert_non_null(o);
	(void)rig_path(&rig, "file", file, sizeof(file));
	assert_true(pw_slice_ends(rig_span(o, o->path), pw_slice_str(file)));
	assert_int_equal(o->path_flags, ABI_PATH_OUTSIDE);
}

struct depth {
	size_t names, name_len;
	char path[70000]; /* the whole path of the file */
};

/* Goes down one directory at a time, so that the path can be longer than one call would take. */
static int run_deep(void *ctx)
{
	struct depth *d = ctx;
	char name[256];

	memset(name, 'n', sizeof(name));
	name[d->name_len] = '\0';
	if (chdir(rig.dir) < 0)
		return 98;
	for (size_t i = 0; i < d->names; i++) {
		if ((mkdir(name, 0755) < 0 && errno != EEXIST) || chdir(name) < 0)
			return 97;
	}
	return open("leaf", O_CREAT | O_WRONLY, 0644) < 0 ? 96 : 0;
}

static void deep_path(struct depth *d)
{
	size_t at = (size_t)snprintf(d->path, sizeof(d->path), "%s", rig.dir);

	for (size_t i = 0; i < d->names; i++) {
		d->path[at++] = '/';
		memset(d->path + at, 'n', d->name_len);
		at += d->name_len;
	}
	(void)snprintf(d->path + at, sizeof(d->path) - at, "/leaf");
}

static void long_paths_are_whole_up_to_the_ceiling_and_keep_their_end(void **state)
{
	static const struct {
		size_t names, name_len;
		bool truncated;
	} rows[] = {
		{1, 60, false},
		{1, 255, false},
		{2, 200, false},
		{3, 255, false},
		{15, 255, false},
		{15, 254, false},
		{16, 250, false},
		{16, 255, true},
		{40, 255, true},
		{40, 1, false},
		{100, 1, true},
	};
	static struct depth d;

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		const struct abi_open *o;
		struct pw_slice path;
		size_t len;

		d.names = rows[i].names;
		d.name_len = rows[i].name_len;
		o = last_open(rig_run(&rig, run_deep, &d));
		deep_path(&d);
		len = strlen(d.path);
		assert_non_null(o);
		path = rig_span(o, o->path);
		if (path.len > len || memcmp(path.ptr, d.path + len - path.len, path.len) != 0)
			fail_msg("row %zu: %zu bytes: %.*s", i, path.len, PW_SLICE_ARG(path));
		assert_int_equal(!!(o->path_flags & ABI_PATH_TRUNCATED), rows[i].truncated);
		assert_int_equal(path.len < len, rows[i].truncated);
		assert_true(path.len > (rows[i].truncated ? 80u : 0u));
	}
}

struct refusal {
	char path[128];
	size_t pad;
};

static int run_refused(void *ctx)
{
	const struct refusal *refusal = ctx;
	char path[4096];
	size_t at;

	for (at = 0; at < refusal->pad; at += 2)
		memcpy(path + at, "/.", 2);
	(void)snprintf(path + at, sizeof(path) - at, "%s", refusal->path);
	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 98;
	(void)open("/nonexistent", O_RDONLY);
	return open(path, O_RDWR) < 0 && errno == EACCES ? 0 : 97;
}

static void refused_open_arrives_with_the_callers_string(void **state)
{
	static const size_t pads[] = {0, 200, 600, 3900};
	struct refusal refusal;

	(void)state;
	(void)rig_path(&rig, "file", refusal.path, sizeof(refusal.path));
	assert_int_equal(chmod(refusal.path, 0600), 0);
	assert_int_equal(chmod(rig.dir, 0755), 0);
	for (size_t i = 0; i < PW_COUNT(pads); i++) {
		const struct abi_open *o;
		pid_t pid;

		refusal.pad = pads[i];
		pid = rig_run(&rig, run_refused, &refusal);
		assert_int_equal(rig_count(&rig, ABI_KIND_OPEN, pid), 1);
		o = last_open(pid);
		assert_int_equal(o->ret, -EACCES);
		assert_int_equal(o->path_flags, ABI_PATH_USER);
		assert_int_equal(o->dirfd, AT_FDCWD);
		assert_int_equal(o->open_flags & O_ACCMODE, O_RDWR);
		assert_int_equal(o->inode, 0);
		assert_int_equal(o->header.uid, 65534);
		assert_int_equal(o->path.len, pads[i] + strlen(refusal.path));
		assert_true(pw_slice_ends(rig_span(o, o->path), pw_slice_str(refusal.path)));
	}
}

static int run_tmpfile(void *ctx)
{
	(void)ctx;
	return open(rig.dir, O_TMPFILE | O_RDWR, 0600) < 0 ? 98 : 0;
}

static void file_without_a_name_is_marked_deleted(void **state)
{
	pid_t pid = rig_run(&rig, run_tmpfile, NULL);
	const struct abi_open *o = last_open(pid);

	(void)state;
	assert_non_null(o);
	assert_true(o->path_flags & ABI_PATH_DELETED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_way_of_opening_gives_the_real_path, clear),
		cmocka_unit_test_setup(
			swapped_user_memory_cannot_make_path_and_object_disagree, clear),
		cmocka_unit_test_setup(paths_are_those_of_the_process_root, clear),
		cmocka_unit_test_setup(file_outside_the_changed_root_is_marked, clear),
		cmocka_unit_test_setup(
			long_paths_are_whole_up_to_the_ceiling_and_keep_their_end, clear),
		cmocka_unit_test_setup(refused_open_arrives_with_the_callers_string, clear),
		cmocka_unit_test_setup(file_without_a_name_is_marked_deleted, clear),
	};

	rig_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
