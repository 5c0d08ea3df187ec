// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Security hooks of mounts: where something is mounted, from what the kernel resolved. */
#include "collector/bpf/hook.h"

static __always_inline struct note_text *hook_two(uint32_t kind, struct note **ret)
{
	struct scope_hit hit = {};

	if (!hook_wanted(kind, &hit))
		return NULL;
	*ret = hook_note(kind, HANDLER_NOTED_PATH);
	return *ret ? hook_text() : NULL;
}

/* The source as the kernel copied it: a name as often as a path. */
static __always_inline void sb_mount(uint64_t *ctx)
{
	const char *source = (void *)ctx[0];
	struct path *target = (void *)ctx[1];
	struct note *n = NULL;
	struct note_text *t = hook_two(ABI_KIND_MOUNT, &n);
	long len;

	if (!t || !n)
		return;
	hook_walk(n, t, 1, BPF_CORE_READ(target, dentry), BPF_CORE_READ(target, mnt), false);
	len = source ? bpf_probe_read_kernel_str(t->paths, NOTE_SLOT, source) : 1;
	n->path[0].len = len > 0 ? len - 1 : 0;
	hook_string(n, t, (void *)ctx[2]);
}
HOOK(sb_mount, "sb_mount", "security_sb_mount")

static __always_inline void move_mount(uint64_t *ctx)
{
	struct path *from = (void *)ctx[0], *to = (void *)ctx[1];
	struct note *n = NULL;
	struct note_text *t = hook_two(ABI_KIND_MOUNT, &n);

	if (!t || !n)
		return;
	hook_walk(n, t, 0, BPF_CORE_READ(from, dentry), BPF_CORE_READ(from, mnt), false);
	hook_walk(n, t, 1, BPF_CORE_READ(to, dentry), BPF_CORE_READ(to, mnt), false);
}
HOOK(move_mount, "move_mount", "security_move_mount")

static __always_inline void sb_umount(uint64_t *ctx)
{
	struct vfsmount *mnt = (void *)ctx[0];
	struct note *n = NULL;
	struct note_text *t = hook_two(ABI_KIND_UMOUNT, &n);

	if (t && n)
		hook_walk(n, t, 0, BPF_CORE_READ(mnt, mnt_root), mnt, false);
}
HOOK(sb_umount, "sb_umount", "security_sb_umount")

static __always_inline void sb_pivotroot(uint64_t *ctx)
{
	struct path *old = (void *)ctx[0], *new = (void *)ctx[1];
	struct note *n = NULL;
	struct note_text *t = hook_two(ABI_KIND_PIVOT_ROOT, &n);

	if (!t || !n)
		return;
	hook_walk(n, t, 0, BPF_CORE_READ(new, dentry), BPF_CORE_READ(new, mnt), false);
	hook_walk(n, t, 1, BPF_CORE_READ(old, dentry), BPF_CORE_READ(old, mnt), false);
}
HOOK(sb_pivotroot, "sb_pivotroot", "security_sb_pivotroot")
