/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * An open as a record: from the opened object, or from the caller's words when there is none.
 * Who found out about it: file.bpf.c, uring.bpf.c.
 * Thread: kernel context of any CPU.
 */
#include "collector/bpf/known.h"

#define AT_FDCWD  -100
#define ERR_PERM  -1
#define ERR_ACCES -13
#define CALL_FLAGS \
	(00000100u | 00000200u | 00001000u) /* O_CREAT | O_EXCL | O_TRUNC: not kept in f_flags */

struct open_call {
	struct scope_hit hit;
	uint64_t user_path;
	uint64_t mark;
	uint32_t flags; /* as asked for */
	int32_t dirfd;
	int32_t ret;
	uint16_t call;
};

static __always_inline void open_common(
	struct abi_open *o, const struct open_call *call, struct task_struct *task)
{
	o->ret = call->ret;
	o->dirfd = call->dirfd;
	o->open_flags = call->flags;
	o->inode = 0;
	o->mode = 0;
	o->dev_major = 0;
	o->dev_minor = 0;
	o->path_flags = 0;
	o->call = call->call;
	o->reserved = 0;
	__builtin_memset(&o->known, 0, sizeof(o->known));
	read_comm(task, o->comm);
}

/* The caller's string, for what was never opened. cap constant. False: longer than this class
 * keeps. */
static __always_inline bool open_user(const struct open_call *call, struct task_struct *task,
	uint32_t extra_flags, const uint32_t cap)
{
	const uint32_t room =
		cap == CLASS_SMALL ? CLASS_SMALL - sizeof(struct abi_open) : ABI_PATH_MAX;
	struct abi_open *o = emit_reserve(ABI_KIND_OPEN, cap);
	long n;

	if (!o)
		return true;
	n = bpf_probe_read_user_str((void *)o + sizeof(*o), room, (void *)call->user_path);
	if (cap == CLASS_SMALL && n == room) {
		emit_discard(o);
		return false;
	}
	open_common(o, call, task);
	o->path_flags = ABI_PATH_USER | extra_flags;
	if (n == room)
		o->path_flags |= ABI_PATH_TRUNCATED;
	if (n <= 0) {
		emit_read_failed(ABI_READ_USER_PATH);
		o->path_flags |= ABI_PATH_FAILED;
		n = 1;
	}
	o->path.off = sizeof(*o);
	o->path.len = n - 1;
	emit_header(&o->header, ABI_KIND_OPEN, sizeof(*o) + n - 1, task, &call->hit);
	emit_submit(o, ABI_KIND_OPEN, cap);
	return true;
}

static __always_inline void open_file(const struct open_call *call, struct task_struct *task,
	struct file *file, struct path_walk *walk, const uint32_t cap)
{
	struct abi_open *o = emit_reserve(ABI_KIND_OPEN, cap);
	uint32_t end, dev, at;
	struct inode *inode;

	if (!o)
		return;
	inode = BPF_CORE_READ(file, f_inode);
	end = sizeof(*o) + walk->len;
	open_common(o, call, task);
	o->open_flags = BPF_CORE_READ(file, f_flags) | (call->flags & CALL_FLAGS);
	o->inode = BPF_CORE_READ(inode, i_ino);
	o->mode = BPF_CORE_READ(inode, i_mode);
	dev = BPF_CORE_READ(inode, i_sb, s_dev);
	o->dev_major = dev_major(dev);
	o->dev_minor = dev_minor(dev);
	at = path_write(o, cap, end, walk);
	o->path_flags = walk->flags | path_deleted(walk->dentry, inode);
	o->path.off = at;
	o->path.len = end - at;
	emit_header(&o->header, ABI_KIND_OPEN, end, task, &call->hit);
	known_take(call->mark, &o->known);
	emit_submit(o, ABI_KIND_OPEN, cap);
}

/*
 * Same process, same object under the same name and root, same way of opening. Renames and mounts
 * above it raise the epoch; a link of the object elsewhere is another dentry.
 */
static __always_inline uint64_t open_mark(
	const struct scope_hit *hit, struct task_struct *task, struct file *file, uint32_t flags)
{
	uint64_t h = known_begin(ABI_KIND_OPEN, hit, task);
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	if (!h)
		return 0;
	h = known_mix(h, (uint64_t)dentry);
	h = known_mix(h, (uint64_t)BPF_CORE_READ(file, f_path.mnt));
	h = known_mix(h, (uint64_t)BPF_CORE_READ(dentry, d_parent));
	h = known_mix(h, BPF_CORE_READ(dentry, d_name.hash_len));
	h = known_mix(h, (uint64_t)BPF_CORE_READ(task, fs, root.dentry));
	h = known_mix(h,
		(uint64_t)BPF_CORE_READ(inode, i_sb, s_dev) << 32 | BPF_CORE_READ(inode, i_nlink));
	h = known_mix(h, BPF_CORE_READ(inode, i_ino));
	return known_end(known_mix(h, flags));
}

static __always_inline void open_done(struct open_call *call, struct task_struct *task)
{
	struct file *file = file_of_fd(task, call->ret);
	struct path_walk walk;

	if (!file) { /* another thread closed it already */
		emit_read_failed(ABI_READ_FILE);
		if (!open_user(call, task, ABI_PATH_FAILED, CLASS_SMALL))
			(void)open_user(call, task, ABI_PATH_FAILED, CLASS_PATH);
		return;
	}
	call->mark = open_mark(
		&call->hit, task, file, BPF_CORE_READ(file, f_flags) | (call->flags & CALL_FLAGS));
	if (known_repeat(ABI_KIND_OPEN, call->mark))
		return;
	FORGET_RANGE(call->hit.flags, (uint64_t)file);
	FORGET_RANGE(call->flags, (uint64_t)file);
	FORGET_RANGE(call->dirfd, (uint64_t)file);
	walk_begin(
		&walk, task, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
	path_measure(&walk);
	if (sizeof(struct abi_open) + walk.len + NAME_SLACK < CLASS_SMALL)
		open_file(call, task, file, &walk, CLASS_SMALL);
	else if (sizeof(struct abi_open) + walk.len + NAME_SLACK < CLASS_MEDIUM)
		open_file(call, task, file, &walk, CLASS_MEDIUM);
	else
		open_file(call, task, file, &walk, CLASS_PATH);
}
