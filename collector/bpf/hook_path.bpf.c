// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Security hooks of files and directories: what the kernel made of the paths of a call. */
#include "collector/bpf/hook.h"
#include "collector/bpf/open.h"

/* Opened by the kernel for itself, such as the file below an overlay's. Source: linux/fs.h. */
#define FMODE_NOACCOUNT 0x20000000u

/* --- opens --- */

static __always_inline void hook_opened(struct note *n, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	n->open_flags = BPF_CORE_READ(file, f_flags); /* with those of the call only */
	n->inode = BPF_CORE_READ(inode, i_ino);
	n->mode = BPF_CORE_READ(inode, i_mode);
	n->dev = BPF_CORE_READ(inode, i_sb, s_dev);
}

/* The collector's own opens show at start that the hooks are called. */
static __always_inline bool hook_is_own(void)
{
	struct abi_settings *s = scope_settings();
	uint32_t zero = 0;
	uint64_t *count;

	if (!s || s->self_tgid != bpf_get_current_pid_tgid() >> 32)
		return false;
	count = bpf_map_lookup_elem(&canary, &zero);
	if (count)
		__sync_fetch_and_add(count, 1);
	return true;
}

static __always_inline void file_open(uint64_t *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct file *file = (void *)ctx[0];
	struct scope_hit hit = {};
	struct note_text *t;
	struct note *n;
	uint32_t kind;

	if (hook_is_own())
		return;
	if (hook_wanted(ABI_KIND_OPEN, &hit))
		kind = ABI_KIND_OPEN;
	else if (hook_wanted(ABI_KIND_OPEN_BY_HANDLE, &hit))
		kind = ABI_KIND_OPEN_BY_HANDLE;
	else
		return;
	if (BPF_CORE_READ(file, f_mode) & FMODE_NOACCOUNT)
		return;
	n = hook_note(kind, kind == ABI_KIND_OPEN ? HANDLER_NOTED_OPEN : HANDLER_NOTED_PATH);
	if (!n)
		return;
	hook_opened(n, file);
	if (kind == ABI_KIND_OPEN) {
		n->mark = open_mark(&hit, task, file, n->open_flags);
		if (known_is(n->mark))
			return; /* its end only counts it */
	}
	t = hook_text();
	if (t)
		hook_walk(n, t, 0, BPF_CORE_READ(file, f_path.dentry),
			BPF_CORE_READ(file, f_path.mnt), false);
}
HOOK(file_open, "file_open", "security_file_open")

/* --- what is about an object --- */

static __always_inline void hook_object_at(
	uint32_t kind, struct dentry *dentry, struct vfsmount *mnt, bool from_tree)
{
	struct scope_hit hit = {};
	struct note_text *t;
	struct note *n;

	if (!hook_wanted(kind, &hit))
		return;
	n = hook_note(kind, HANDLER_NOTED_PATH);
	if (!n)
		return;
	t = hook_text();
	if (t)
		hook_walk(n, t, 0, dentry, mnt, from_tree);
}

static __always_inline void hook_object(uint32_t kind, struct path *path)
{
	hook_object_at(kind, BPF_CORE_READ(path, dentry), BPF_CORE_READ(path, mnt), false);
}

static __always_inline void path_chmod(uint64_t *ctx)
{
	hook_object(ABI_KIND_CHMOD, (void *)ctx[0]);
}
HOOK(path_chmod, "path_chmod", "security_path_chmod")

static __always_inline void path_chown(uint64_t *ctx)
{
	hook_object(ABI_KIND_CHOWN, (void *)ctx[0]);
}
HOOK(path_chown, "path_chown", "security_path_chown")

static __always_inline void path_truncate(uint64_t *ctx)
{
	hook_object(ABI_KIND_TRUNCATE, (void *)ctx[0]);
}
HOOK(path_truncate, "path_truncate", "security_path_truncate")

/* Up to the mount tree's root, as its end tells it. */
static __always_inline void path_chroot(uint64_t *ctx)
{
	struct path *path = (void *)ctx[0];

	hook_object_at(
		ABI_KIND_CHROOT, BPF_CORE_READ(path, dentry), BPF_CORE_READ(path, mnt), true);
}
HOOK(path_chroot, "path_chroot", "security_path_chroot")

static __always_inline void bprm_check(uint64_t *ctx)
{
	struct linux_binprm *bprm = (void *)ctx[0];
	struct file *file = BPF_CORE_READ(bprm, file);

	hook_object_at(ABI_KIND_EXEC_REFUSED, BPF_CORE_READ(file, f_path.dentry),
		BPF_CORE_READ(file, f_path.mnt), false);
}
HOOK(bprm_check, "bprm_check_security", "security_bprm_check")

static __always_inline void kernel_read_file(uint64_t *ctx)
{
	struct file *file = (void *)ctx[0];

	hook_object_at(ABI_KIND_MODULE, BPF_CORE_READ(file, f_path.dentry),
		BPF_CORE_READ(file, f_path.mnt), false);
}
HOOK(kernel_read_file, "kernel_read_file", "security_kernel_read_file")

/* --- names in directories --- */

/* Directory and name into the slot. */
static __always_inline void hook_child(struct note *n, struct note_text *t, const uint32_t slot,
	struct path *dir, struct dentry *child)
{
	hook_walk(n, t, slot, BPF_CORE_READ(dir, dentry), BPF_CORE_READ(dir, mnt), false);
	hook_name(n, t, slot, child);
}

static __always_inline void hook_one_child(
	uint32_t kind, struct path *dir, struct dentry *child, const char *text)
{
	struct scope_hit hit = {};
	struct note_text *t;
	struct note *n;

	if (!hook_wanted(kind, &hit))
		return;
	n = hook_note(kind, HANDLER_NOTED_PATH);
	if (!n)
		return;
	t = hook_text();
	if (!t)
		return;
	hook_child(n, t, 0, dir, child);
	hook_string(n, t, text);
}

static __always_inline void path_unlink(uint64_t *ctx)
{
	hook_one_child(ABI_KIND_REMOVE, (void *)ctx[0], (void *)ctx[1], NULL);
}
HOOK(path_unlink, "path_unlink", "security_path_unlink")

static __always_inline void path_rmdir(uint64_t *ctx)
{
	hook_one_child(ABI_KIND_REMOVE, (void *)ctx[0], (void *)ctx[1], NULL);
}
HOOK(path_rmdir, "path_rmdir", "security_path_rmdir")

static __always_inline void path_mkdir(uint64_t *ctx)
{
	hook_one_child(ABI_KIND_MKDIR, (void *)ctx[0], (void *)ctx[1], NULL);
}
HOOK(path_mkdir, "path_mkdir", "security_path_mkdir")

static __always_inline void path_mknod(uint64_t *ctx)
{
	hook_one_child(ABI_KIND_MKNOD, (void *)ctx[0], (void *)ctx[1], NULL);
}
HOOK(path_mknod, "path_mknod", "security_path_mknod")

static __always_inline void path_symlink(uint64_t *ctx)
{
	hook_one_child(ABI_KIND_SYMLINK, (void *)ctx[0], (void *)ctx[1], (void *)ctx[2]);
}
HOOK(path_symlink, "path_symlink", "security_path_symlink")

/* The existing object is on the mount of the new one. */
static __always_inline void path_link(uint64_t *ctx)
{
	struct dentry *old = NULL;
	struct path *dir = (void *)ctx[1];
	struct scope_hit hit = {};
	struct note_text *t;
	struct note *n;

	if (!hook_wanted(ABI_KIND_LINK, &hit))
		return;
	n = hook_note(ABI_KIND_LINK, HANDLER_NOTED_PATH);
	if (!n)
		return;
	t = hook_text();
	if (!t)
		return;
	/* As a number: the verifier has no arithmetic on a pointer that it knows. */
	if (bpf_probe_read_kernel(&old, sizeof(old), ctx))
		return;
	hook_walk(n, t, 0, old, BPF_CORE_READ(dir, mnt), false);
	hook_child(n, t, 1, dir, (void *)ctx[2]);
}
HOOK(path_link, "path_link", "security_path_link")

static __always_inline void path_rename(uint64_t *ctx)
{
	struct scope_hit hit = {};
	struct note_text *t;
	struct note *n;

	if (!hook_wanted(ABI_KIND_RENAME, &hit))
		return;
	n = hook_note(ABI_KIND_RENAME, HANDLER_NOTED_PATH);
	if (!n)
		return;
	t = hook_text();
	if (!t)
		return;
	hook_child(n, t, 0, (void *)ctx[0], (void *)ctx[1]);
	hook_child(n, t, 1, (void *)ctx[2], (void *)ctx[3]);
}
HOOK(path_rename, "path_rename", "security_path_rename")
