/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The cgroups of this node by id: which of them are (in) a container. Filled by a scan of the v2
 * hierarchy at start and kept by the kernel's mkdir and rmdir records; single ones are asked for
 * by path when a record was lost. A directory below a container belongs to that container.
 * Thread: the pipeline's. Ceiling: 65,536 directories; past it cgtree_add refuses and counts.
 */
#include "collector/pods.h"
#include "common/base/err.h"

struct cgnode {
	uint64_t id, parent_id;
	struct container *container; /* held; a service is one too; NULL = neither */
	enum cgroup_kind kind;
	struct pw_slice path; /* own memory; from the root of the hierarchy; empty = nobody's */
	bool is_missed;       /* was not in the filesystem at the last sweep */
};

struct cgtree;

struct cgtree_settings {
	const char
		*root; /* mount point of the v2 hierarchy; NULL = no filesystem (replay, tests) */
	uint32_t limit;
};

/* Mount point from /proc/self/mountinfo; -ENOENT with words when there is no v2 hierarchy. */
int cgtree_find_root(char *out, size_t size, struct pw_err *err) PW_MUST_CHECK;
/*
 * The v2 hierarchy at a path that somebody named: the path itself, or "unified" below it, which is
 * where hosts with both versions have it. -ENOTSUP with words when neither is one.
 */
int cgtree_named_root(const char *named, char *out, size_t size, struct pw_err *err) PW_MUST_CHECK;
int cgtree_new(const struct cgtree_settings *settings, struct pods *pods,
	struct cgtree **ret) PW_MUST_CHECK;
void cgtree_free(struct cgtree *t);
/* Reads the hierarchy. Directories that vanish meanwhile are left out. Number of directories or
 * -errno. */
int cgtree_scan(struct cgtree *t, struct pw_err *err) PW_MUST_CHECK;
/*
 * Enters a directory. When the parent is known its path goes before the last part of `path`, so a
 * path seen from outside of our cgroup namespace still fits. 1 = new, 0 = was there, -ENOSPC,
 * -ENOMEM.
 */
int cgtree_add(struct cgtree *t, uint64_t id, uint64_t parent_id, struct pw_slice path,
	struct cgnode **ret) PW_MUST_CHECK;
struct cgnode *cgtree_find(const struct cgtree *t, uint64_t id); /* NULL when unknown */
/* Looks at the directory with this path in the filesystem and enters it. -ENOENT, -ENOSPC, … */
int cgtree_resolve(struct cgtree *t, struct pw_slice path, struct cgnode **ret) PW_MUST_CHECK;
/*
 * Forgets a directory. *ret_last: the container that lost its last directory by this, or NULL; its
 * object is still there for the caller, who ends with pods_leave.
 */
void cgtree_remove(struct cgtree *t, uint64_t id, struct container **ret_last);
/*
 * Forgets what was in the filesystem neither at this sweep nor at the one before, calling fn for
 * each container that ended. Not at once: records of a directory just removed may be on their way,
 * its own removal the last of them.
 */
void cgtree_sweep(struct cgtree *t, void (*fn)(void *ctx, struct container *c), void *ctx);
/* Iteration; start with *cursor = 0. No add or remove in between. */
struct cgnode *cgtree_next(const struct cgtree *t, size_t *cursor);
uint32_t cgtree_count(const struct cgtree *t);
uint64_t cgtree_refused(const struct cgtree *t);
