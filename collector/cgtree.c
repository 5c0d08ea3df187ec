/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/cgtree.h"

#include "common/base/buf.h"
#include "common/base/u64map.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DEPTH_MAX       32
#define MOUNTINFO_BYTES (1u << 20)
#define PATH_BYTES      8192

struct cgtree {
	struct pods *pods;
	struct pw_u64map *nodes;
	char *root; /* NULL = no filesystem */
	uint32_t limit;
	uint64_t refused;
};

static int read_whole(const char *path, struct pw_buf *out)
{
	char part[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, part, sizeof(part))) > 0)
		(void)pw_buf_add(out, part, (size_t)n);
	n = n < 0 ? -errno : pw_buf_error(out);
	(void)close(fd);
	return (int)n;
}

int cgtree_find_root(char *out, size_t size, struct pw_err *err)
{
	struct pw_slice found = {0};
	pw_auto_buf text;
	int r = 0;

	pw_buf_init(&text, MOUNTINFO_BYTES);
	r = read_whole("/proc/self/mountinfo", &text);
	if (r < 0)
		return pw_err_set(err, r, "/proc/self/mountinfo: %s", pw_err_text(r));
	found = cgroup_v2_mount(pw_buf_slice(&text));
	if (found.len == 0 || found.len >= size)
		return pw_err_set(err, -ENOENT,
			"no cgroup2 filesystem is mounted; mount one or name it with "
			"--cgroup-root");
	memcpy(out, found.ptr, found.len);
	out[found.len] = 0;
	return 0;
}

int cgtree_named_root(const char *named, char *out, size_t size, struct pw_err *err)
{
	static const char *const below[] = {"", "/unified"};
	char path[PATH_BYTES];

	for (size_t i = 0; i < PW_COUNT(below); i++) {
		struct statfs fs;
		int n = snprintf(path, sizeof(path), "%s%s", named, below[i]);

		if (n < 0 || (size_t)n >= sizeof(path) || (size_t)n >= size)
			return pw_err_set(err, -ENAMETOOLONG, "--cgroup-root: too long");
		if (statfs(path, &fs) < 0 || (uint64_t)fs.f_type != CGROUP2_SUPER_MAGIC)
			continue;
		memcpy(out, path, (size_t)n + 1);
		return 0;
	}
	return pw_err_set(err, -ENOTSUP,
		"--cgroup-root: neither %s nor %s/unified is a cgroup v2 hierarchy", named, named);
}

static void cgtree_freep(struct cgtree **t)
{
	cgtree_free(*t);
}

int cgtree_new(const struct cgtree_settings *settings, struct pods *pods, struct cgtree **ret)
{
	pw_cleanup(cgtree_freep) struct cgtree *t = pw_alloc0(1, sizeof(*t));
	int r = 0;

	if (!t)
		return -ENOMEM;
	t->pods = pods;
	t->limit = settings->limit;
	if (settings->root) {
		t->root = pw_strdup(settings->root);
		if (!t->root)
			return -ENOMEM;
	}
	r = pw_u64map_new(settings->limit, &t->nodes);
	if (r < 0)
		return r;
	*ret = PW_TAKE(t);
	return 0;
}

static void node_free(struct cgtree *t, struct cgnode *n)
{
	pods_put(t->pods, n->container);
	free(n);
}

void cgtree_free(struct cgtree *t)
{
	size_t cursor = 0;
	struct cgnode *n = NULL;

	if (!t)
		return;
	if (t->nodes)
		while ((n = cgtree_next(t, &cursor)))
			node_free(t, n);
	pw_u64map_free(t->nodes);
	free(t->root);
	free(t);
}

struct cgnode *cgtree_find(const struct cgtree *t, uint64_t id)
{
	const uint64_t *value = pw_u64map_find(t->nodes, id);

	return value ? (struct cgnode *)(uintptr_t)*value : NULL;
}

/* Parent's path and the last part of the given one. */
static struct pw_slice path_below(
	const struct cgnode *parent, struct pw_slice path, char *out, size_t size)
{
	ptrdiff_t slash = pw_slice_rfind_byte(path, '/');
	struct pw_slice last = pw_slice_sub(path, slash < 0 ? 0 : (size_t)slash, path.len);
	size_t front = parent->path.len == 1 ? 0 : parent->path.len;

	if (front + last.len > size)
		return path;
	memcpy(out, parent->path.ptr, front);
	memcpy(out + front, last.ptr, last.len);
	return pw_slice_of(out, front + last.len);
}

static int node_new(uint64_t id, uint64_t parent_id, struct pw_slice path, struct cgnode **ret)
{
	struct cgnode *n = pw_alloc0(1, sizeof(*n) + path.len);

	if (!n)
		return -ENOMEM;
	n->id = id;
	n->parent_id = parent_id;
	if (path.len > 0)
		memcpy(n + 1, path.ptr, path.len);
	n->path = pw_slice_of(n + 1, path.len);
	*ret = n;
	return 0;
}

/* Who lives there: below a container nobody else. */
static int node_identify(struct cgtree *t, struct cgnode *n, const struct cgnode *parent)
{
	struct cgroup_identity who;
	struct container *c = NULL;
	int r = 0;

	if (parent && parent->kind == CGROUP_CONTAINER) {
		n->kind = CGROUP_CONTAINER;
		n->container = pods_hold(parent->container);
		return 0;
	}
	cgroup_identify(n->path, &who);
	n->kind = who.kind;
	if (who.kind != CGROUP_CONTAINER && who.kind != CGROUP_UNIT)
		return 0;
	r = pods_get(t->pods, &who, &c);
	if (r == 0)
		n->container = pods_hold(c);
	return r;
}

int cgtree_add(struct cgtree *t, uint64_t id, uint64_t parent_id, struct pw_slice path,
	struct cgnode **ret)
{
	char joined[PATH_BYTES];
	struct cgnode *parent = cgtree_find(t, parent_id);
	struct cgnode *n = cgtree_find(t, id);
	int r = 0;

	if (n) {
		*ret = n;
		return 0;
	}
	if (parent && path.len > 1)
		path = path_below(parent, path, joined, sizeof(joined));
	r = node_new(id, parent_id, path, &n);
	if (r < 0)
		return r;
	r = node_identify(t, n, parent);
	if (r == 0) {
		r = pw_u64map_put(t->nodes, id, (uintptr_t)n);
		r = r < 0 ? r : 0;
	}
	if (r < 0) {
		struct container *c = n->container;

		t->refused++;
		node_free(t, n);
		if (c && c->cgroups == 0)
			pods_leave(t->pods, c);
		return r;
	}
	if (n->container)
		n->container->cgroups++;
	*ret = n;
	return 1;
}

struct scan {
	struct cgtree *t;
	char path[PATH_BYTES]; /* below the root, begins with '/' */
	int count;
};

static int scan_entry(struct scan *s, int fd, size_t len, uint64_t parent_id, unsigned depth);

/* The directory open as fd, whose path is s->path[0..len). Takes fd over. */
static int scan_children(struct scan *s, int fd, size_t len, uint64_t id, unsigned depth)
{
	DIR *dir = fdopendir(fd);
	int r = 0;

	if (!dir) {
		(void)close(fd);
		return 0;
	}
	for (const struct dirent *d = readdir(dir); d && r >= 0; d = readdir(dir)) {
		size_t name = strlen(d->d_name);
		size_t end = len == 1 ? 1 : len + 1;
		int child = -1;

		if (d->d_type != DT_DIR || d->d_name[0] == '.' || end + name >= sizeof(s->path))
			continue;
		child = openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (child < 0)
			continue; /* gone meanwhile */
		s->path[end - 1] = '/';
		memcpy(s->path + end, d->d_name, name);
		r = scan_entry(s, child, end + name, id, depth + 1);
	}
	(void)closedir(dir);
	return r;
}

static int scan_entry(struct scan *s, int fd, size_t len, uint64_t parent_id, unsigned depth)
{
	struct cgnode *n = NULL;
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0 || depth > DEPTH_MAX) {
		(void)close(fd);
		return 0;
	}
	r = cgtree_add(s->t, st.st_ino, parent_id, pw_slice_of(s->path, len), &n);
	if (r < 0 && r != -ENOSPC) {
		(void)close(fd);
		return r;
	}
	s->count++;
	return scan_children(s, fd, len, st.st_ino, depth);
}

int cgtree_scan(struct cgtree *t, struct pw_err *err)
{
	struct scan s = {.t = t, .path = "/"};
	int fd = -1;
	int r = 0;

	if (!t->root)
		return 0;
	fd = open(t->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return pw_err_set(err, -errno, "%s: %s", t->root, pw_err_text(errno));
	r = scan_entry(&s, fd, 1, 0, 0);
	if (r < 0)
		return pw_err_set(err, r, "%s: %s", t->root, pw_err_text(r));
	return s.count;
}

int cgtree_resolve(struct cgtree *t, struct pw_slice path, struct cgnode **ret)
{
	char full[PATH_BYTES];
	struct stat st;
	int len = 0;
	int r = 0;

	if (!t->root || path.len == 0 || path.ptr[0] != '/' || path.len > INT32_MAX)
		return -ENOENT;
	len = snprintf(full, sizeof(full), "%s%.*s", t->root, PW_SLICE_ARG(path));
	if (len < 0 || (size_t)len >= sizeof(full))
		return -ENAMETOOLONG;
	if (stat(full, &st) < 0)
		return -errno;
	r = cgtree_add(t, st.st_ino, 0, path, ret);
	return r < 0 ? r : 0;
}

void cgtree_remove(struct cgtree *t, uint64_t id, struct container **ret_last)
{
	struct cgnode *n = cgtree_find(t, id);
	struct container *c = n ? n->container : NULL;

	*ret_last = NULL;
	if (!n)
		return;
	(void)pw_u64map_remove(t->nodes, id, NULL);
	if (c && --c->cgroups == 0)
		*ret_last = c;
	/* The caller still looks at a container that ended: pods_leave frees it, not the last hold.
	 */
	node_free(t, n);
}

static bool is_there(const struct cgtree *t, const struct cgnode *n)
{
	char full[PATH_BYTES];
	struct stat st;
	int len = snprintf(full, sizeof(full), "%s%.*s", t->root, PW_SLICE_ARG(n->path));

	if (len < 0 || (size_t)len >= sizeof(full))
		return true;
	return stat(full, &st) == 0 ? st.st_ino == n->id : errno != ENOENT;
}

void cgtree_sweep(struct cgtree *t, void (*fn)(void *ctx, struct container *c), void *ctx)
{
	pw_auto_free uint64_t *gone = pw_alloc0(cgtree_count(t) + 1u, sizeof(*gone));
	struct cgnode *n = NULL;
	size_t cursor = 0;
	size_t count = 0;

	if (!t->root || !gone)
		return;
	while ((n = cgtree_next(t, &cursor))) {
		bool is_missing = !is_there(t, n);

		if (is_missing && (n->is_missed || n->path.len == 0))
			gone[count++] = n->id;
		n->is_missed = is_missing;
	}
	for (size_t i = 0; i < count; i++) {
		struct container *last = NULL;

		cgtree_remove(t, gone[i], &last);
		if (last)
			fn(ctx, last);
	}
}

struct cgnode *cgtree_next(const struct cgtree *t, size_t *cursor)
{
	uint64_t key = 0;
	uint64_t value = 0;

	if (!pw_u64map_next(t->nodes, cursor, &key, &value))
		return NULL;
	return (struct cgnode *)(uintptr_t)value;
}

uint32_t cgtree_count(const struct cgtree *t)
{
	return (uint32_t)pw_u64map_count(t->nodes);
}

uint64_t cgtree_refused(const struct cgtree *t)
{
	return t->refused;
}
