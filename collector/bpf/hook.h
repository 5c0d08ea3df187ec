/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * Security hooks: what they share. Each is there twice, as LSM program and as fentry program on the
 * function that asks the security modules; user space loads the one that works (probe_hooks.c).
 * They decide nothing: they leave a note about the system call that they run in (note.h).
 * Thread: kernel context of the task itself.
 */
#include "collector/bpf/known.h"
#include "collector/bpf/note.h"

#define HOOK(name, module_hook, function)                        \
	SEC("lsm/" module_hook) int lsm_##name(uint64_t *ctx)    \
	{                                                        \
		name(ctx);                                       \
		return 0;                                        \
	}                                                        \
	SEC("fentry/" function) int fentry_##name(uint64_t *ctx) \
	{                                                        \
		name(ctx);                                       \
		return 0;                                        \
	}

static const struct note hook_blank;
static const struct note_text hook_blank_text;

/* Is the current system call of this kind, and watched? */
static __always_inline const struct abi_syscall *hook_wanted(uint32_t kind, struct scope_hit *hit)
{
	const struct abi_syscall *e;

	if (!scope_current(kind, hit))
		return NULL;
	e = syscall_current();
	return e && e->kind == kind && e->flags & SYSCALL_NOTED ? e : NULL;
}

/* A new note, which replaces one of the same call. handler 0 = the call's own takes it. */
static __always_inline struct note *hook_note(uint32_t kind, uint32_t handler)
{
	uint32_t key = note_key();
	struct note *n;

	if (bpf_map_update_elem(&notes, &key, &hook_blank, BPF_ANY)) {
		emit_read_failed(ABI_READ_NOTE);
		return NULL;
	}
	n = bpf_map_lookup_elem(&notes, &key);
	if (n) {
		n->kind = kind;
		n->handler = handler;
	}
	return n;
}

/* Room for its strings; without, the note is none. */
static __always_inline struct note_text *hook_text(void)
{
	uint32_t key = note_key();

	if (bpf_map_update_elem(&note_texts, &key, &hook_blank_text, BPF_ANY)) {
		emit_read_failed(ABI_READ_NOTE);
		note_drop();
		return NULL;
	}
	return bpf_map_lookup_elem(&note_texts, &key);
}

/* The path of an object into the n-th slot, n constant; root NULL = up to the mount tree's own. */
static __always_inline void hook_walk(struct note *n, struct note_text *t, const uint32_t slot,
	struct dentry *dentry, struct vfsmount *mnt, bool from_tree)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	const uint32_t end = (slot + 1) * NOTE_SLOT;
	struct path_walk walk;

	walk_begin(&walk, task, dentry, mnt);
	if (from_tree)
		walk.root = NULL;
	walk.len = NOTE_SLOT;
	n->path[slot].off = path_write(t, sizeof(*t), end, &walk);
	n->path[slot].len = end - n->path[slot].off;
	n->path[slot].flags = walk.flags | path_deleted(dentry, BPF_CORE_READ(dentry, d_inode));
}

/* The last name of what is in the directory of the slot. */
static __always_inline void hook_name(
	struct note *n, struct note_text *t, const uint32_t slot, struct dentry *child)
{
	uint32_t len = (uint32_t)(BPF_CORE_READ(child, d_name.hash_len) >> 32) & NAME_MASK;

	if (bpf_probe_read_kernel(t->names[slot], len, BPF_CORE_READ(child, d_name.name))) {
		emit_read_failed(ABI_READ_NAME);
		n->path[slot].flags |= ABI_PATH_FAILED;
		return;
	}
	n->path[slot].name_len = len;
}

/* A string of kernel memory. */
static __always_inline void hook_string(struct note *n, struct note_text *t, const char *from)
{
	long len = from ? bpf_probe_read_kernel_str(t->text, NOTE_TEXT, from) : 1;

	n->text_len = len > 0 ? len - 1 : 0;
}
