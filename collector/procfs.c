/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/procfs.h"

#include "common/base/num.h"
#include "podward/v1/event.pb-c.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define FILE_BYTES  65536
#define NAME_SIZE   64
#define PIDS_MAX    (4u << 20) /* the kernel's own limit of pid_max */
#define DELETED_END " (deleted)"

struct procfs {
	int root;
	uint64_t ns_per_tick;
	char exe[ABI_PATH_MAX], cwd[ABI_PATH_MAX];
	char stat[4096], status[8192], cgroup[FILE_BYTES], args[ABI_ARGS_MAX];
};

int procfs_open(const char *root, struct procfs **ret, struct pw_err *err)
{
	struct procfs *p = NULL;
	long ticks = sysconf(_SC_CLK_TCK);
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return pw_err_set(err, -errno, "%s: %s", root, pw_err_text(errno));
	p = pw_alloc0(1, sizeof(*p));
	if (!p) {
		(void)close(fd);
		return pw_err_set(err, -ENOMEM, "out of memory");
	}
	p->root = fd;
	p->ns_per_tick = PW_NS_PER_S / (uint64_t)(ticks > 0 ? ticks : 100);
	*ret = p;
	return 0;
}

void procfs_close(struct procfs *p)
{
	if (!p)
		return;
	(void)close(p->root);
	free(p);
}

static int read_error(int code)
{
	return code == ENOENT || code == ESRCH ? -ESRCH : -code;
}

/* Whole file or its first part. */
static int read_file(
	const struct procfs *p, uint32_t pid, const char *name, char *out, size_t size, size_t *ret)
{
	char path[NAME_SIZE];
	size_t len = 0;
	ssize_t n = 0;
	int fd = -1;

	(void)snprintf(path, sizeof(path), "%u/%s", pid, name);
	fd = openat(p->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return read_error(errno);
	while (len < size) {
		n = read(fd, out + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (n < 0) {
		int r = read_error(errno);

		(void)close(fd);
		return r;
	}
	(void)close(fd);
	*ret = len;
	return 0;
}

/* A link's text; empty when it cannot be read (kernel threads, no permission). */
static struct pw_slice read_link(
	const struct procfs *p, uint32_t pid, const char *name, char *out, size_t size)
{
	char path[NAME_SIZE];
	ssize_t n = 0;

	(void)snprintf(path, sizeof(path), "%u/%s", pid, name);
	n = readlinkat(p->root, path, out, size);
	return n > 0 ? pw_slice_of(out, (size_t)n) : (struct pw_slice){0};
}

/* Inode number of something below /proc/PID that is followed; 0 = unknown. */
static uint64_t inode_of(const struct procfs *p, uint32_t pid, const char *name, struct stat *ret)
{
	char path[NAME_SIZE];

	(void)snprintf(path, sizeof(path), "%u/%s", pid, name);
	return fstatat(p->root, path, ret, 0) == 0 ? (uint64_t)ret->st_ino : 0;
}

/* Source: include/linux/kdev_t.h, new_encode_dev(): the form of tty_nr. */
static uint32_t device_of(uint64_t encoded)
{
	uint32_t major_number = (uint32_t)(encoded >> 8 & 0xfff);
	uint32_t minor_number = (uint32_t)((encoded & 0xff) | (encoded >> 12 & 0xfff00));

	return encoded ? major_number << 20 | minor_number : 0;
}

int procfs_parse_stat(struct pw_slice text, struct procfs_stat *ret)
{
	/* Fields behind the name, from "state" = 0 on. Source: proc(5). */
	enum { PPID = 1, SESSION = 3, TTY = 4, START = 19, WANTED };
	ptrdiff_t open_at = pw_slice_find_byte(text, '(');
	ptrdiff_t close_at = pw_slice_rfind_byte(text, ')');
	struct pw_slice rest = {0};
	struct pw_slice field = {0};
	uint64_t values[WANTED] = {0};

	if (open_at < 0 || close_at < open_at)
		return -EINVAL;
	rest = pw_slice_trim(pw_slice_sub(text, (size_t)close_at + 1, text.len));
	for (unsigned i = 0; i < WANTED; i++) {
		if (!pw_slice_cut(&rest, ' ', &field))
			return -EINVAL;
		if (i != PPID && i != SESSION && i != TTY && i != START)
			continue;
		if (pw_num_u64(field, i == START ? UINT64_MAX : UINT32_MAX, &values[i]) < 0)
			return -EINVAL;
	}
	*ret = (struct procfs_stat){
		.comm = pw_slice_sub(text, (size_t)open_at + 1, (size_t)close_at),
		.ppid = (uint32_t)values[PPID],
		.session = (uint32_t)values[SESSION],
		.tty = device_of(values[TTY]),
		.start_ticks = values[START],
	};
	return 0;
}

/* First and last number of a line of numbers. */
static int read_numbers(struct pw_slice line, uint32_t *ret_first, uint32_t *ret_last)
{
	struct pw_slice field = {0};
	uint64_t value = 0;
	unsigned count = 0;

	while (pw_slice_cut(&line, '\t', &field)) {
		field = pw_slice_trim(field);
		if (field.len == 0)
			continue;
		if (pw_num_u64(field, UINT32_MAX, &value) < 0)
			return -EINVAL;
		if (count++ == 0)
			*ret_first = (uint32_t)value;
		*ret_last = (uint32_t)value;
	}
	return count > 0 ? 0 : -EINVAL;
}

int procfs_parse_status(struct pw_slice text, struct procfs_status *ret)
{
	struct procfs_status s = {0};
	struct pw_slice line = {0};
	uint32_t first = 0;
	uint32_t last = 0;
	unsigned seen = 0;

	while (pw_slice_cut(&text, '\n', &line)) {
		struct pw_slice name = {0};

		if (!pw_slice_cut(&line, ':', &name) || read_numbers(line, &first, &last) < 0)
			continue;
		if (pw_slice_eq_str(name, "Tgid")) {
			s.tgid = first;
			seen |= 1;
		} else if (pw_slice_eq_str(name, "Uid")) {
			s.uid = first;
			seen |= 2;
		} else if (pw_slice_eq_str(name, "Gid")) {
			s.gid = first;
			seen |= 4;
		} else if (pw_slice_eq_str(name, "NStgid")) {
			s.pid_in_ns = last;
		}
	}
	if (seen != 7)
		return -EINVAL;
	*ret = s;
	return 0;
}

static void program_facts(struct procfs *p, uint32_t pid, struct program_facts *f)
{
	struct pw_slice deleted = PW_SLICE_LIT(DELETED_END);
	struct stat st;
	size_t len = 0;

	f->exe = read_link(p, pid, "exe", p->exe, sizeof(p->exe));
	f->cwd = read_link(p, pid, "cwd", p->cwd, sizeof(p->cwd));
	if (pw_slice_starts(f->exe, PW_SLICE_LIT("/memfd:")))
		f->flags |= (uint32_t)PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_MEMFD;
	if (pw_slice_ends(f->exe, deleted)) {
		f->flags |= (uint32_t)PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_DELETED;
		f->exe.len -= deleted.len;
	}
	if (read_file(p, pid, "cmdline", p->args, sizeof(p->args), &len) == 0)
		f->args = pw_slice_of(p->args, len);
	f->inode = inode_of(p, pid, "exe", &st);
	if (f->inode) {
		f->dev_major = major(st.st_dev);
		f->dev_minor = minor(st.st_dev);
	}
}

int procfs_read(void *ctx, uint32_t pid, struct proc_facts *ret)
{
	struct procfs *p = ctx;
	struct procfs_stat stat_facts;
	struct procfs_status status_facts;
	struct stat st;
	struct proc_facts f = {.pid = pid};
	size_t len = 0;
	int r = read_file(p, pid, "stat", p->stat, sizeof(p->stat), &len);

	if (r < 0)
		return r;
	r = procfs_parse_stat(pw_slice_of(p->stat, len), &stat_facts);
	if (r < 0)
		return r;
	r = read_file(p, pid, "status", p->status, sizeof(p->status), &len);
	if (r < 0)
		return r;
	r = procfs_parse_status(pw_slice_of(p->status, len), &status_facts);
	if (r < 0)
		return r;
	f.ppid = stat_facts.ppid;
	f.session = stat_facts.session;
	f.tty = stat_facts.tty;
	f.start.ns = stat_facts.start_ticks * p->ns_per_tick;
	f.uid = status_facts.uid;
	f.gid = status_facts.gid;
	f.pid_in_ns = status_facts.pid_in_ns;
	f.program.comm = stat_facts.comm;
	f.setup = inode_of(p, pid, "ns/mnt", &st) == procfs_host_mnt_ns(p);
	program_facts(p, pid, &f.program);
	*ret = f;
	return 0;
}

int procfs_cgroup(struct procfs *p, uint32_t pid, struct pw_slice *ret)
{
	size_t len = 0;
	int r = read_file(p, pid, "cgroup", p->cgroup, sizeof(p->cgroup), &len);

	if (r < 0)
		return r;
	*ret = cgroup_v2_line(pw_slice_of(p->cgroup, len));
	return ret->len > 0 ? 0 : -ENOENT;
}

/* Process 1 may be out of reach; kernel threads are in the same namespace. */
uint32_t procfs_host_mnt_ns(struct procfs *p)
{
	struct stat st;
	uint64_t inode = inode_of(p, 1, "ns/mnt", &st);

	if (inode == 0)
		inode = inode_of(p, 2, "ns/mnt", &st);
	if (inode == 0 && fstatat(p->root, "self/ns/mnt", &st, 0) == 0)
		inode = st.st_ino;
	return (uint32_t)inode;
}

struct started {
	uint32_t pid;
	uint64_t ticks;
};

static int by_start(const void *a, const void *b)
{
	const struct started *x = a;
	const struct started *y = b;

	if (x->ticks != y->ticks)
		return x->ticks < y->ticks ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static int collect(struct procfs *p, DIR *dir, struct started **ret_list, size_t *ret_count)
{
	struct procfs_stat facts;
	struct started *list = NULL;
	size_t count = 0;
	size_t cap = 0;

	for (const struct dirent *d = readdir(dir); d && count < PIDS_MAX; d = readdir(dir)) {
		uint64_t pid = 0;
		size_t len = 0;

		if (pw_num_u64(pw_slice_str(d->d_name), INT32_MAX, &pid) < 0 ||
			read_file(p, (uint32_t)pid, "stat", p->stat, sizeof(p->stat), &len) < 0 ||
			procfs_parse_stat(pw_slice_of(p->stat, len), &facts) < 0)
			continue;
		if (count == cap) {
			struct started *grown = NULL;

			cap = cap ? cap * 2 : 256;
			grown = pw_realloc(list, cap, sizeof(*list));
			if (!grown) {
				free(list);
				return -ENOMEM;
			}
			list = grown;
		}
		list[count++] = (struct started){(uint32_t)pid, facts.start_ticks};
	}
	*ret_list = list;
	*ret_count = count;
	return 0;
}

int procfs_scan(struct procfs *p, int (*fn)(void *ctx, uint32_t pid), void *ctx)
{
	pw_auto_free struct started *list = NULL;
	size_t count = 0;
	DIR *dir = NULL;
	int fd = openat(p->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	r = collect(p, dir, &list, &count);
	(void)closedir(dir);
	if (r < 0)
		return r;
	if (count > 0)
		qsort(list, count, sizeof(*list), by_start);
	for (size_t i = 0; i < count; i++) {
		r = fn(ctx, list[i].pid);
		if (r < 0)
			return r;
	}
	return (int)count;
}
