// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Calls that name objects by path. When they end, the kernel keeps no pointer to what the path led
 * to, so the record has the directory that it started from, resolved from the descriptor or the
 * working directory, and the caller's words. Calls on a descriptor, and chdir and chroot once done,
 * have the object itself.
 */
#include "collector/bpf/call.h"

#define AT_FDCWD (-100)

#define ROOM_ONE  256u
#define CLASS_ONE 1280u /* fixed part, base, path, text, NAME_SLACK behind the base */
#define CLASS_TWO 1792u
#define CLASS_BIG 18432u
#define TEXT_ROOM 256u

_Static_assert(sizeof(struct abi_call) + 2 * ROOM_ONE + TEXT_ROOM <= CLASS_ONE, "one");
_Static_assert(sizeof(struct abi_call) + 4 * ROOM_ONE + TEXT_ROOM <= CLASS_TWO, "two");
_Static_assert(sizeof(struct abi_call) + 4 * ABI_PATH_MAX + TEXT_ROOM <= CLASS_BIG, "big");

/* One of the two paths of a call. */
struct path_arg {
	struct path_walk walk;
	uint64_t user; /* 0 = none: the base is the object */
	uint32_t flags;
	uint32_t mode;
	uint64_t absent; /* 1: nothing of it is known */
};

/* Otherwise each combination of them walks the whole path again in the verifier. */
static __always_inline void path_forget_ranges(struct call *c, struct path_arg *p)
{
	uint64_t unknown = bpf_ktime_get_ns();

	FORGET_RANGE(p->walk.dentry, unknown);
	FORGET_RANGE(p->walk.mount, unknown);
	FORGET_RANGE(p->walk.root, unknown);
	FORGET_RANGE(p->walk.root_mount, unknown);
	FORGET_RANGE(p->user, unknown);
	FORGET_RANGE(p->absent, unknown);
	FORGET_RANGE(p->mode, unknown);
	call_forget_ranges(c);
}

static __always_inline char path_first_byte(uint64_t user)
{
	char first = 0;

	if (user && bpf_probe_read_user(&first, 1, (void *)user))
		return '/'; /* the string will fail too and be counted */
	return first;
}

/* The object that a descriptor, or what stands for it, leads to. */
static __always_inline void path_object(
	const struct call *c, struct path_arg *p, uint32_t dirfd_arg, bool at_all)
{
	const struct abi_syscall *e = c->s.entry;
	struct task_struct *task = c->task;
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct dentry *dentry = BPF_CORE_READ(fs, root.dentry);
	struct vfsmount *mnt = BPF_CORE_READ(fs, root.mnt);
	int32_t fd = dirfd_arg ? (int32_t)syscall_arg(&c->s, dirfd_arg) : AT_FDCWD;
	struct file *file = NULL;

	if (e->flags & SYSCALL_FD_RESULT)
		fd = c->ret;
	if (at_all && fd == AT_FDCWD && !(e->flags & SYSCALL_FD_RESULT)) {
		dentry = BPF_CORE_READ(fs, pwd.dentry);
		mnt = BPF_CORE_READ(fs, pwd.mnt);
	} else if (at_all) {
		file = file_of_fd(c->task, fd);
		p->mode = file_mode(file);
		p->absent = !file;
	}
	if (file) {
		dentry = BPF_CORE_READ(file, f_path.dentry);
		mnt = BPF_CORE_READ(file, f_path.mnt);
	}
	walk_begin(&p->walk, c->task, dentry, mnt);
}

static __always_inline void path_arg_begin(
	struct call *c, struct path_arg *p, uint32_t dirfd_arg, uint32_t path_arg)
{
	const struct abi_syscall *e = c->s.entry;
	char first;

	p->user = syscall_arg(&c->s, path_arg);
	if (c->ret >= 0 && e->flags & (SYSCALL_PWD_AFTER | SYSCALL_ROOT_AFTER))
		p->user = 0;
	first = path_first_byte(p->user);
	if (first == 0)
		p->user = 0;
	if (c->ret >= 0 && e->flags & SYSCALL_ROOT_AFTER) {
		path_object(c, p, 0, false);
		p->walk.root = NULL; /* up to the mount tree's own root */
	} else {
		path_object(c, p, dirfd_arg, first != '/');
	}
}

/* The resolved base into its slot; an absent one is cut to nothing afterwards. */
static __always_inline void path_base(struct abi_call *a, struct abi_span *span, struct path_arg *p,
	uint32_t from, const uint32_t room, const uint32_t cap)
{
	uint32_t end = from + room;

	p->walk.len = room;
	span->off = path_write(a, cap, end, &p->walk);
	span->len = end - span->off;
}

static __always_inline uint32_t path_base_flags(
	const struct call *c, const struct path_arg *p, struct abi_span *span)
{
	struct dentry *dentry = p->walk.dentry;
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);

	if (p->absent) {
		span->len = 0;
		if (!(c->s.entry->flags & SYSCALL_FD_OPTIONAL) && c->ret >= 0)
			emit_read_failed(ABI_READ_FILE);
		return c->s.entry->flags & SYSCALL_FD_OPTIONAL ? 0 : ABI_PATH_FAILED;
	}
	return p->walk.flags | path_deleted(dentry, inode);
}

/* cap, room constant. False: something does not fit this class. */
static __always_inline bool path_fill_one(
	const struct call *c, struct path_arg *p, const uint32_t cap, const uint32_t room)
{
	struct abi_call *a = emit_reserve(c->kind, cap);
	const uint32_t base = sizeof(*a), path = base + room, text = path + room;
	struct abi_span base_span;
	uint32_t text_flags = 0;

	if (!a)
		return true;
	path_base(a, &base_span, p, base, room, cap);
	call_common(a, c);
	a->base = base_span;
	if (p->user)
		call_string(a, &a->path, &a->path_flags, path, p->user, room);
	if (room != ABI_PATH_MAX && ((a->path_flags | p->walk.flags) & ABI_PATH_TRUNCATED)) {
		emit_discard(a);
		return false;
	}
	a->base_flags = path_base_flags(c, p, &a->base);
	a->mode = p->mode;
	if (c->s.entry->text)
		call_string(a, &a->text, &text_flags, text, syscall_arg(&c->s, c->s.entry->text),
			TEXT_ROOM);
	call_submit(a, c, text + TEXT_ROOM, cap);
	return true;
}

static __always_inline bool path_fill_two(const struct call *c, struct path_arg *p,
	struct path_arg *q, const uint32_t cap, const uint32_t room)
{
	struct abi_call *a = emit_reserve(c->kind, cap);
	const uint32_t base = sizeof(*a), base2 = base + room, path = base2 + room,
		       path2 = path + room, text = path2 + room;
	struct abi_span base_span, base2_span;
	uint32_t text_flags = 0;

	if (!a)
		return true;
	path_base(a, &base_span, p, base, room, cap);
	path_base(a, &base2_span, q, base2, room, cap);
	call_common(a, c);
	a->base = base_span;
	a->base2 = base2_span;
	if (p->user)
		call_string(a, &a->path, &a->path_flags, path, p->user, room);
	if (q->user)
		call_string(a, &a->path2, &a->path2_flags, path2, q->user, room);
	if (room != ABI_PATH_MAX &&
		((a->path_flags | a->path2_flags | p->walk.flags | q->walk.flags) &
			ABI_PATH_TRUNCATED)) {
		emit_discard(a);
		return false;
	}
	a->base_flags = path_base_flags(c, p, &a->base);
	a->base2_flags = path_base_flags(c, q, &a->base2);
	if (c->s.entry->text)
		call_string(a, &a->text, &text_flags, text, syscall_arg(&c->s, c->s.entry->text),
			TEXT_ROOM);
	call_submit(a, c, text + TEXT_ROOM, cap);
	return true;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(path_exit, struct pt_regs *regs, long ret)
{
	struct call c = {};
	struct path_arg p = {};

	if (!call_begin(&c, regs, ret, HANDLER_PATH))
		return 0;
	emit_seen(c.kind);
	call_note_change(&c);
	path_arg_begin(&c, &p, c.s.entry->dirfd, c.s.entry->path);
	path_forget_ranges(&c, &p);
	if (path_fill_one(&c, &p, CLASS_ONE, ROOM_ONE))
		return 0;
	bpf_tail_call(ctx, &handlers, HANDLER_PATHS_LARGE);
	emit_dropped(c.kind, ABI_DROP_READ);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(paths_exit, struct pt_regs *regs, long ret)
{
	struct call c = {};
	struct path_arg p = {}, q = {};

	if (!call_begin(&c, regs, ret, HANDLER_PATHS))
		return 0;
	emit_seen(c.kind);
	call_note_change(&c);
	path_arg_begin(&c, &p, c.s.entry->dirfd, c.s.entry->path);
	path_arg_begin(&c, &q, c.s.entry->dirfd2, c.s.entry->path2);
	path_forget_ranges(&c, &p);
	path_forget_ranges(&c, &q);
	if (path_fill_two(&c, &p, &q, CLASS_TWO, ROOM_ONE))
		return 0;
	bpf_tail_call(ctx, &handlers, HANDLER_PATHS_LARGE);
	emit_dropped(c.kind, ABI_DROP_READ);
	return 0;
}

/* The same for whatever did not fit; counted as seen already. */
SEC("tp_btf/sys_exit")
int BPF_PROG(paths_large_exit, struct pt_regs *regs, long ret)
{
	struct call c = {};
	struct path_arg p = {}, q = {};

	if (!call_begin(&c, regs, ret, HANDLER_PATH) && !call_begin(&c, regs, ret, HANDLER_PATHS)) {
		emit_filtered(c.kind); /* left the scope between the two programs */
		return 0;
	}
	path_arg_begin(&c, &p, c.s.entry->dirfd, c.s.entry->path);
	path_arg_begin(&c, &q, c.s.entry->dirfd2, c.s.entry->path2);
	path_forget_ranges(&c, &p);
	path_forget_ranges(&c, &q);
	(void)path_fill_two(&c, &p, &q, CLASS_BIG, ABI_PATH_MAX);
	return 0;
}
