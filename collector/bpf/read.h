/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Bounded reads of kernel objects: files behind descriptors and the path of an opened object,
 * walked through its dentries and mounts up to the process's root. Nothing here trusts user memory.
 * A path is measured first and written second, back to front, so that a record is reserved in the
 * right size and has no gap; a rename in between only shortens the result.
 * Ceilings: PATH_STEPS names and mount crossings, ABI_PATH_MAX bytes; past either the front is
 * missing. Thread: kernel context of any CPU.
 */
#include "collector/bpf/emit.h"

#define PATH_STEPS 48
#define NAME_MASK  255u /* NAME_MAX */
#define NAME_SLACK 256u /* free bytes that path_write wants behind its end */

#define MODE_TYPE   0170000
#define MODE_SOCKET 0140000
#define MODE_FIFO   0010000

#define MAGIC_OVERLAYFS 0x794c7630
#define MAGIC_TMPFS     0x01021994
#define MAGIC_HUGETLBFS 0x958458f6

/*
 * The verifier follows the range of a number through each branch of a loop; with two branches per
 * round that doubles the states each time. Mixing with an unknown number and back makes it forget.
 */
#define FORGET_RANGE(value, unknown)                                            \
	do {                                                                    \
		uint64_t mix_ = (unknown);                                      \
		asm volatile("%0 ^= %1\n\t%0 ^= %1" : "+r"(value) : "r"(mix_)); \
	} while (0)

/* value &= mask, in a way that the compiler cannot leave out because it knows better. */
#define BOUND(value, mask) asm volatile("%0 &= %1" : "+r"(value) : "i"(mask))

struct path_walk {
	struct dentry *dentry; /* leaf */
	struct mount *mount;
	struct dentry *root; /* of the process */
	struct mount *root_mount;
	uint32_t len;   /* of the whole path as measured */
	uint32_t flags; /* ABI_PATH_* */
};

enum path_step { STEP_NAME, STEP_LAST_NAME, STEP_CROSSED, STEP_ROOT, STEP_OUTSIDE, STEP_FAILED };

static __always_inline struct mount *mount_of(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

static __always_inline void walk_begin(
	struct path_walk *w, struct task_struct *task, struct dentry *dentry, struct vfsmount *mnt)
{
	w->dentry = dentry;
	w->mount = mount_of(mnt);
	w->root = BPF_CORE_READ(task, fs, root.dentry);
	w->root_mount = mount_of(BPF_CORE_READ(task, fs, root.mnt));
	w->len = 0;
	w->flags = 0;
}

/* One step towards the root: a name, or the crossing from a mounted filesystem to what carries it.
 */
static __always_inline enum path_step path_up(
	const struct path_walk *w, struct dentry **dentry, struct mount **mount, struct qstr *name)
{
	struct dentry *d = *dentry, *parent = NULL;
	struct mount *m = *mount, *above = NULL;

	if (d == w->root && m == w->root_mount)
		return STEP_ROOT;
	if (d == BPF_CORE_READ(m, mnt.mnt_root)) {
		above = BPF_CORE_READ(m, mnt_parent);
		if (above == m || !above)
			return STEP_OUTSIDE;
		*dentry = BPF_CORE_READ(m, mnt_mountpoint);
		*mount = above;
		return STEP_CROSSED;
	}
	if (BPF_CORE_READ_INTO(&parent, d, d_parent) || !parent)
		return STEP_FAILED;
	name->hash_len = BPF_CORE_READ(d, d_name.hash_len);
	name->name = BPF_CORE_READ(d, d_name.name);
	*dentry = parent;
	return parent == d ? STEP_LAST_NAME : STEP_NAME;
}

static __always_inline uint32_t name_len(const struct qstr *name)
{
	return (uint32_t)(name->hash_len >> 32) & NAME_MASK;
}

static __always_inline uint32_t path_end_flags(enum path_step step)
{
	switch (step) {
	case STEP_LAST_NAME:
		return ABI_PATH_DETACHED;
	case STEP_OUTSIDE:
		return ABI_PATH_OUTSIDE;
	case STEP_FAILED:
		return ABI_PATH_FAILED;
	default:
		return 0;
	}
}

/* First pass: sets w->len and w->flags. */
static __noinline __attribute__((unused)) int path_measure(struct path_walk *w)
{
	struct dentry *dentry = w->dentry;
	struct mount *mount = w->mount;
	struct qstr name = {};
	uint64_t len = 0, flags = ABI_PATH_TRUNCATED;

#pragma clang loop unroll(disable)
	for (int i = 0; i < PATH_STEPS; i++) {
		enum path_step step = path_up(w, &dentry, &mount, &name);
		uint64_t longer = len;

		if (step <= STEP_LAST_NAME)
			longer += 1 + name_len(&name);
		FORGET_RANGE(longer, (uint64_t)dentry);
		if (longer > ABI_PATH_MAX)
			break;
		len = longer;
		if (step == STEP_NAME || step == STEP_CROSSED)
			continue;
		flags = path_end_flags(step);
		break;
	}
	if (len == 0)
		len = 1;
	FORGET_RANGE(len, (uint64_t)dentry);
	FORGET_RANGE(flags, (uint64_t)dentry);
	w->len = len;
	w->flags = flags;
	if (flags & ABI_PATH_FAILED)
		emit_read_failed(ABI_READ_DENTRY);
	return 0;
}

/*
 * Second pass: writes the path so that it ends at record + end. cap is the reservation's size;
 * NAME_SLACK bytes behind end belong to it. Returns the offset of the path's first byte.
 */
static __noinline __attribute__((unused)) uint32_t path_write(
	void *record, uint32_t cap, uint32_t end, struct path_walk *w)
{
	struct dentry *dentry = w->dentry;
	struct mount *mount = w->mount;
	struct qstr name = {};
	uint64_t stop = end, limit = cap - NAME_SLACK - 1, flags = ABI_PATH_TRUNCATED, floor, at;

	/*
	 * A branch on constants makes verifiers up to 6.2 remember every constant of the caller
	 * too, because they cannot trace one across a call: hide that these may be constants.
	 */
	FORGET_RANGE(stop, (uint64_t)dentry);
	floor = stop - w->len;
	at = stop;
#pragma clang loop unroll(disable)
	for (int i = 0; i < PATH_STEPS; i++) {
		enum path_step step = path_up(w, &dentry, &mount, &name);
		uint64_t len = name_len(&name), before;

		if (step == STEP_CROSSED)
			continue;
		if (step > STEP_LAST_NAME) {
			flags = path_end_flags(step);
			break;
		}
		before = at - len - 1;
		if (before < floor || before > limit) {
			flags = ABI_PATH_TRUNCATED;
			break;
		}
		*(char *)(record + before) = '/';
		if (bpf_probe_read_kernel(record + before + 1, len & NAME_MASK, name.name)) {
			flags = ABI_PATH_FAILED;
			break;
		}
		at = before;
		FORGET_RANGE(at, (uint64_t)dentry);
		if (step == STEP_LAST_NAME) {
			flags = ABI_PATH_DETACHED;
			break;
		}
	}
	if (at == stop) { /* the root itself */
		at--;
		if (at <= limit)
			*(char *)(record + at) = '/';
	}
	FORGET_RANGE(at, (uint64_t)dentry);
	FORGET_RANGE(flags, (uint64_t)dentry);
	w->flags |= flags;
	return at;
}

/* ABI_PATH_DELETED for an object that its directory no longer names or that has no link left. */
static __always_inline uint32_t path_deleted(struct dentry *dentry, struct inode *inode)
{
	bool unhashed =
		!BPF_CORE_READ(dentry, d_hash.pprev) && BPF_CORE_READ(dentry, d_parent) != dentry;

	return unhashed || BPF_CORE_READ(inode, i_nlink) == 0 ? ABI_PATH_DELETED : 0;
}

static __always_inline struct file *file_of_fd(struct task_struct *task, uint32_t fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **slots = BPF_CORE_READ(table, fd), *file = NULL;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	if (bpf_probe_read_kernel(&file, sizeof(file), slots + fd))
		return NULL;
	return file;
}

static __always_inline uint32_t file_mode(struct file *file)
{
	return file ? BPF_CORE_READ(file, f_inode, i_mode) : 0;
}

/* In-kernel dev_t has 20 bits of minor. */
static __always_inline uint32_t dev_major(uint32_t dev)
{
	return dev >> 20;
}

static __always_inline uint32_t dev_minor(uint32_t dev)
{
	return dev & 0xfffff;
}

static __always_inline void read_comm(struct task_struct *task, char comm[ABI_COMM_SIZE])
{
	if (bpf_core_read(comm, ABI_COMM_SIZE, &task->comm))
		emit_read_failed(ABI_READ_TASK);
}

/* Process id as the process itself sees it. */
static __always_inline uint32_t pid_in_own_ns(struct task_struct *task, uint32_t *ret_ns)
{
	struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);
	uint32_t level = BPF_CORE_READ(pid, level);
	struct upid *upid = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
			    level * bpf_core_type_size(struct upid);

	*ret_ns = BPF_CORE_READ(upid, ns, ns.inum);
	return BPF_CORE_READ(upid, nr);
}
