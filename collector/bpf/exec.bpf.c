// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The life of processes: fork, exec, exit. */
#include "collector/bpf/note.h"
#include "collector/bpf/used.h"

#define PIDTYPE_SID 3
/* Slots of a record of each class: the three paths, the arguments, the environment. */
#define PATH_ROOM(cap) ((cap) == CLASS_EXEC ? 256u : (cap) == CLASS_EXEC2 ? 1024u : ABI_PATH_MAX)
#define ARGS_ROOM(cap) ((cap) == CLASS_EXEC ? 1200u : (cap) == CLASS_EXEC2 ? 4896u : ABI_ARGS_MAX)
#define ENV_ROOM(cap)  ((cap) == CLASS_EXEC ? 1920u : ABI_ENV_MAX)

#define EXEC_FITS(cap)                                                                           \
	_Static_assert(                                                                          \
		sizeof(struct abi_exec) + 3 * PATH_ROOM(cap) + ARGS_ROOM(cap) + ENV_ROOM(cap) <= \
			(cap),                                                                   \
		"slots")
EXEC_FITS(CLASS_EXEC);
EXEC_FITS(CLASS_EXEC2);
EXEC_FITS(CLASS_LARGE);

struct exec_build {
	struct scope_hit hit;
	struct path_walk exe, cwd;
	struct linux_binprm *bprm;
	struct file *file;
	uint64_t arg_start;
	uint64_t arg_len; /* kept */
	uint64_t env_start;
	uint64_t env_len; /* kept */
	uint32_t flags;   /* ABI_EXEC_* */
};

static __always_inline uint32_t fd_flags(
	struct task_struct *task, uint32_t fd, uint32_t socket, uint32_t pipe)
{
	uint32_t type = file_mode(file_of_fd(task, fd)) & MODE_TYPE;

	if (type == MODE_SOCKET)
		return socket;
	return type == MODE_FIFO ? pipe : 0;
}

/*
 * Overlayfs: the upper dentry follows the embedded VFS inode in struct ovl_inode, in every kernel
 * since 4.13; struct ovl_inode itself may live in a module whose BTF we may not read.
 * Source: fs/overlayfs/ovl_entry.h.
 */
static __always_inline bool in_upper_layer(struct inode *inode)
{
	void *upper = NULL;

	if (BPF_CORE_READ(inode, i_sb, s_magic) != MAGIC_OVERLAYFS)
		return false;
	if (bpf_probe_read_kernel(
		    &upper, sizeof(upper), (void *)inode + bpf_core_type_size(struct inode)))
		return false;
	return upper != NULL;
}

static __always_inline uint32_t exe_flags(struct inode *inode, uint32_t path_flags)
{
	uint64_t magic = BPF_CORE_READ(inode, i_sb, s_magic);
	bool unlinked = BPF_CORE_READ(inode, i_nlink) == 0;
	uint32_t flags = in_upper_layer(inode) ? ABI_EXEC_UPPER : 0;

	if (unlinked && (path_flags & ABI_PATH_DETACHED) &&
		(magic == MAGIC_TMPFS || magic == MAGIC_HUGETLBFS))
		return flags | ABI_EXEC_MEMFD;
	return unlinked ? flags | ABI_EXEC_DELETED : flags;
}

static __always_inline uint32_t task_tty(struct task_struct *task)
{
	struct tty_struct *tty = BPF_CORE_READ(task, signal, tty);

	if (!tty)
		return 0;
	return (uint32_t)BPF_CORE_READ(tty, driver, major) << 20 |
	       (uint32_t)(BPF_CORE_READ(tty, driver, minor_start) + BPF_CORE_READ(tty, index));
}

/* Two u32 in older kernels, one u64 in newer: the same bytes in little endian. */
static __always_inline uint64_t caps_at(const void *set)
{
	uint64_t caps = 0;

	if (bpf_probe_read_kernel(&caps, sizeof(caps), set))
		emit_read_failed(ABI_READ_TASK);
	return caps;
}

static __always_inline void exec_caps(struct abi_exec *e, const struct cred *cred)
{
	const void *c = cred;

	e->caps_effective = caps_at(c + bpf_core_field_offset(struct cred, cap_effective));
	e->caps_permitted = caps_at(c + bpf_core_field_offset(struct cred, cap_permitted));
	e->caps_inheritable = caps_at(c + bpf_core_field_offset(struct cred, cap_inheritable));
}

static __always_inline void exec_task(struct abi_exec *e, struct task_struct *task)
{
	struct pid *session = BPF_CORE_READ(task, signal, pids[PIDTYPE_SID]);

	e->parent.start_boot_ns = BPF_CORE_READ(task, real_parent, group_leader, start_boottime);
	e->parent.tgid = BPF_CORE_READ(task, real_parent, tgid);
	e->parent.reserved = 0;
	exec_caps(e, BPF_CORE_READ(task, cred));
	e->euid = BPF_CORE_READ(task, cred, euid.val);
	e->egid = BPF_CORE_READ(task, cred, egid.val);
	e->session = BPF_CORE_READ(session, numbers[0].nr);
	e->tty = task_tty(task);
	e->mnt_ns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	e->pid_in_ns = pid_in_own_ns(task, &e->pid_ns);
	read_comm(task, e->comm);
}

static __always_inline void exec_file(struct abi_exec *e, struct exec_build *b)
{
	struct file *file = b->file;
	struct dentry *cwd = b->cwd.dentry;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	uint32_t dev = BPF_CORE_READ(inode, i_sb, s_dev);

	e->inode = BPF_CORE_READ(inode, i_ino);
	e->dev_major = dev_major(dev);
	e->dev_minor = dev_minor(dev);
	e->exe_flags = b->exe.flags | path_deleted(b->exe.dentry, inode);
	e->cwd_flags = b->cwd.flags | path_deleted(cwd, BPF_CORE_READ(cwd, d_inode));
	e->exec_flags = b->flags | exe_flags(inode, b->exe.flags);
}

/* A block of user memory into its slot; what cannot be read is absent and counted. */
static __always_inline bool exec_block(struct abi_exec *e, struct abi_span *span, uint32_t off,
	uint64_t from, uint64_t len, const uint32_t room)
{
	span->off = off;
	span->len = 0;
	if (len > room)
		return false;
	if (bpf_probe_read_user((void *)e + off, len, (void *)from))
		return false;
	span->len = len;
	return true;
}

/* Arguments and environment as they lie in the new image. */
static __always_inline void exec_texts(
	struct abi_exec *e, struct exec_build *b, const uint32_t args, const uint32_t cap)
{
	if (!exec_block(e, &e->args, args, b->arg_start, b->arg_len, ARGS_ROOM(cap))) {
		emit_read_failed(ABI_READ_ARGS);
		b->flags |= ABI_EXEC_ARGS_TRUNCATED;
		b->hit.flags |= ABI_FLAG_PARTIAL;
	}
	if (!exec_block(
		    e, &e->env, args + ARGS_ROOM(cap), b->env_start, b->env_len, ENV_ROOM(cap))) {
		emit_read_failed(ABI_READ_ENV);
		b->flags |= ABI_EXEC_ENV_TRUNCATED;
	}
}

/* A path into its slot [from, from + room) of the record; it lies at the slot's end. */
static __always_inline void exec_path(struct abi_exec *e, struct abi_span *span, uint32_t from,
	uint32_t room, struct path_walk *walk, const uint32_t cap)
{
	uint32_t end = from + room;

	walk->len = room;
	span->off = path_write(e, cap, end, walk);
	span->len = end - span->off;
}

static __always_inline void exec_paths(
	struct exec_build *b, struct task_struct *task, struct linux_binprm *bprm)
{
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct file *file = BPF_CORE_READ(mm, exe_file);

	b->bprm = bprm;
	b->file = file;
	b->arg_start = BPF_CORE_READ(mm, arg_start);
	b->arg_len = BPF_CORE_READ(mm, arg_end) - b->arg_start;
	b->env_start = BPF_CORE_READ(mm, env_start);
	b->env_len = BPF_CORE_READ(mm, env_end) - b->env_start;
	walk_begin(
		&b->exe, task, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_path.mnt));
	walk_begin(&b->cwd, task, BPF_CORE_READ(fs, pwd.dentry), BPF_CORE_READ(fs, pwd.mnt));
}

static __always_inline void exec_flags(struct exec_build *b, struct task_struct *task)
{
	struct linux_binprm *bprm = b->bprm;

	b->flags = fd_flags(task, 0, ABI_EXEC_STDIN_SOCKET, ABI_EXEC_STDIN_PIPE);
	b->flags |= fd_flags(task, 1, ABI_EXEC_STDOUT_SOCKET, ABI_EXEC_STDOUT_PIPE);
	b->flags |= fd_flags(task, 2, ABI_EXEC_STDERR_SOCKET, 0);
	if (b->arg_len > ABI_ARGS_MAX) {
		b->arg_len = ABI_ARGS_MAX;
		b->flags |= ABI_EXEC_ARGS_TRUNCATED;
	}
	if (b->env_len > ABI_ENV_MAX) {
		b->env_len = ABI_ENV_MAX;
		b->flags |= ABI_EXEC_ENV_TRUNCATED;
	}
	if (BPF_CORE_READ(bprm, interp) != BPF_CORE_READ(bprm, filename))
		b->flags |= ABI_EXEC_SCRIPT;
	if (bpf_core_field_exists(bprm->fdpath) && BPF_CORE_READ(bprm, fdpath))
		b->flags |= ABI_EXEC_BY_FD;
}

/*
 * Slots of fixed size, so that one walk for each path is enough: exe, cwd, file name, then the
 * arguments. The walks come first, before anything branches, or older verifiers count each branch's
 * states again for every step. cap and room constant. False: something does not fit this class.
 */
static __always_inline bool exec_fill(
	struct exec_build *b, struct task_struct *task, const uint32_t cap)
{
	const uint32_t room = PATH_ROOM(cap);
	struct abi_exec *e = emit_reserve(ABI_KIND_EXEC, cap);
	const uint32_t exe = sizeof(*e), cwd = exe + room, name = cwd + room, args = name + room;
	struct linux_binprm *bprm = b->bprm;
	uint64_t n;

	if (!e)
		return true;
	exec_path(e, &e->exe, exe, room, &b->exe, cap);
	exec_path(e, &e->cwd, cwd, room, &b->cwd, cap);
	n = bpf_probe_read_kernel_str((void *)e + name, room, BPF_CORE_READ(bprm, filename));
	FORGET_RANGE(n, b->arg_start);
	if (cap != CLASS_LARGE &&
		(n == room || (b->exe.flags | b->cwd.flags) & ABI_PATH_TRUNCATED)) {
		emit_discard(e);
		return false;
	}
	(void)scope_current(ABI_KIND_EXEC, &b->hit); /* was true a moment ago */
	b->hit.cgroup_id = bpf_get_current_cgroup_id();
	exec_flags(b, task);
	if (n == 0 || n > room) { /* an error: a huge number */
		emit_read_failed(ABI_READ_NAME);
		b->hit.flags |= ABI_FLAG_PARTIAL;
		n = 1;
	}
	e->filename.off = name;
	e->filename.len = n - 1;
	exec_texts(e, b, args, cap);
	exec_task(e, task);
	exec_file(e, b);
	emit_header(&e->header, ABI_KIND_EXEC, args + ARGS_ROOM(cap) + e->env.len, task, &b->hit);
	emit_submit(e, ABI_KIND_EXEC, cap);
	return true;
}

static __always_inline bool exec_may_fit(const struct exec_build *b, const uint32_t cap)
{
	return b->arg_len <= ARGS_ROOM(cap) &&
	       (b->env_len <= ENV_ROOM(cap) || ENV_ROOM(cap) == ABI_ENV_MAX);
}

/* What security hooks noted for a thread that is no more, or has another number by now. */
static __always_inline void exec_note_gone(uint32_t tid)
{
	struct abi_settings *s = scope_settings();

	if (s && s->flags & SETTING_NOTES)
		note_drop_of(tid);
}

/* Four programs in a row, by tail call: each is small enough for every kernel's verifier. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec_done, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct scope_hit hit = {};
	uint32_t ns;

	exec_note_gone(old_pid);
	if (!scope_current(ABI_KIND_EXEC, &hit))
		return 0;
	if (pid_in_own_ns(task, &ns) == 1)
		used_begin(bpf_get_current_cgroup_id());
	emit_seen(ABI_KIND_EXEC);
	bpf_tail_call(ctx, &exec_stages, EXEC_STAGE_SMALL);
	emit_dropped(ABI_KIND_EXEC, ABI_DROP_READ);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec_small, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct exec_build b = {};

	exec_paths(&b, task, bprm);
	if (exec_may_fit(&b, CLASS_EXEC) && exec_fill(&b, task, CLASS_EXEC))
		return 0;
	bpf_tail_call(ctx, &exec_stages, EXEC_STAGE_MEDIUM);
	emit_dropped(ABI_KIND_EXEC, ABI_DROP_READ);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec_medium, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct exec_build b = {};

	exec_paths(&b, task, bprm);
	if (exec_may_fit(&b, CLASS_EXEC2) && exec_fill(&b, task, CLASS_EXEC2))
		return 0;
	bpf_tail_call(ctx, &exec_stages, EXEC_STAGE_LARGE);
	emit_dropped(ABI_KIND_EXEC, ABI_DROP_READ);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec_large, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct exec_build b = {};

	exec_paths(&b, task, bprm);
	(void)exec_fill(&b, task, CLASS_LARGE);
	return 0;
}

static __always_inline bool scope_task(
	struct task_struct *task, uint32_t kind, struct scope_hit *hit)
{
	return scope_find(scope_task_cgroup(task), BPF_CORE_READ(task, tgid), kind, hit);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(fork_done, struct task_struct *parent, struct task_struct *child)
{
	struct scope_hit hit = {};
	struct abi_fork *f;
	uint32_t ns;

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0;
	if (!scope_task(child, ABI_KIND_FORK, &hit))
		return 0;
	emit_seen(ABI_KIND_FORK);
	f = emit_reserve(ABI_KIND_FORK, sizeof(*f));
	if (!f)
		return 0;
	f->parent.start_boot_ns = BPF_CORE_READ(child, real_parent, group_leader, start_boottime);
	f->parent.tgid = BPF_CORE_READ(child, real_parent, tgid);
	f->parent.reserved = 0;
	f->pid_in_ns = pid_in_own_ns(child, &ns);
	f->reserved = 0;
	read_comm(child, f->comm);
	emit_header(&f->header, ABI_KIND_FORK, sizeof(*f), child, &hit);
	emit_submit(f, ABI_KIND_FORK, sizeof(*f));
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(exit_done, struct task_struct *task)
{
	struct scope_hit hit = {};
	uint32_t group_code;
	struct abi_exit *x;

	exec_note_gone(BPF_CORE_READ(task, pid));
	if (BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	if (!scope_current(ABI_KIND_EXIT, &hit))
		return 0;
	emit_seen(ABI_KIND_EXIT);
	x = emit_reserve(ABI_KIND_EXIT, sizeof(*x));
	if (!x)
		return 0;
	group_code = BPF_CORE_READ(task, signal, group_exit_code);
	x->status = group_code ? group_code : BPF_CORE_READ(task, exit_code);
	x->reserved = 0;
	read_comm(task, x->comm);
	emit_header(&x->header, ABI_KIND_EXIT, sizeof(*x), task, &hit);
	emit_submit(x, ABI_KIND_EXIT, sizeof(*x));
	return 0;
}
