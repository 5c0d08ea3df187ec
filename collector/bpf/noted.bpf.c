// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ends of calls that a security hook left a note about: the record has what the kernel resolved and
 * none of the caller's words. What it has of its note lies in fixed slots.
 */
#include "collector/bpf/call.h"
#include "collector/bpf/note.h"
#include "collector/bpf/open.h"

#define ROOM_SMALL       256u
#define CLASS_NOTED      1792u
#define CLASS_TWICE      9472u
#define NOTED_ROOM(room) (sizeof(struct abi_call) + NOTE_PATHS * ((room) + ROOM_SMALL) + NOTE_TEXT)

_Static_assert(NOTED_ROOM(ROOM_SMALL) <= CLASS_NOTED, "small");
_Static_assert(NOTED_ROOM(NOTE_SLOT) <= CLASS_TWICE, "large");

/* --- paths --- */

/* One of the two: what is left of the caller's words goes to `words` instead of a base. */
static __always_inline void noted_path(struct abi_call *a, const struct note *n,
	const struct note_text *t, const uint32_t slot, const uint32_t at, const uint32_t room)
{
	struct abi_span *base = slot ? &a->base2 : &a->base;
	struct abi_span *path = slot ? &a->path2 : &a->path;
	uint64_t off = n->path[slot].off;

	BOUND(off, NOTE_PATHS * NOTE_SLOT - 1);
	note_copy(a, base, at, t->paths + off, n->path[slot].len, room);
	note_copy(a, path, at + room, t->names[slot], n->path[slot].name_len, NOTE_TEXT);
	if (slot)
		a->base2_flags = n->path[slot].flags;
	else
		a->base_flags = n->path[slot].flags;
}

/* A mount's source is told as it was given, and what is moved like it. */
static __always_inline void noted_source(struct abi_call *a)
{
	if (a->header.kind != ABI_KIND_MOUNT)
		return;
	a->path = a->base;
	a->base.len = 0;
	a->base_flags = 0;
}

static __always_inline void noted_fill(const struct call *c, const struct note *n,
	const struct note_text *t, const uint32_t cap, const uint32_t room)
{
	struct abi_call *a = emit_reserve(c->kind, cap);
	const uint32_t first = sizeof(*a), second = first + room + NOTE_TEXT,
		       text = second + room + NOTE_TEXT;

	if (!a)
		return;
	call_common(a, c);
	a->header.kind = c->kind;
	a->resolved = 1;
	a->mode = n->mode;
	noted_path(a, n, t, 0, first, room);
	noted_path(a, n, t, 1, second, room);
	note_copy(a, &a->text, text, t->text, n->text_len, NOTE_TEXT);
	noted_source(a);
	call_submit(a, c, text + NOTE_TEXT, cap);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(noted_path_exit, struct pt_regs *regs, long ret)
{
	struct call c = {};
	struct note_text *t = note_text_find();
	struct note *n;

	if (!syscall_read_noted(regs, &c.s))
		return 0;
	n = note_find(c.s.entry->kind);
	if (!t || !n) {
		bpf_tail_call(ctx, &handlers, c.s.entry->handler);
		return 0;
	}
	if (call_begin_read(&c, ret)) {
		emit_seen(c.kind);
		call_note_change(&c);
		call_forget_ranges(&c);
		if (n->path[0].len <= ROOM_SMALL && n->path[1].len <= ROOM_SMALL)
			noted_fill(&c, n, t, CLASS_NOTED, ROOM_SMALL);
		else
			noted_fill(&c, n, t, CLASS_TWICE, NOTE_SLOT);
	}
	note_drop();
	return 0;
}

/* --- opens --- */

static __always_inline void noted_open(const struct open_call *call, struct task_struct *task,
	const struct note *n, const struct note_text *t, const uint32_t cap)
{
	const uint32_t room =
		cap == CLASS_SMALL ? CLASS_SMALL - sizeof(struct abi_open) : NOTE_SLOT;
	struct abi_open *o = emit_reserve(ABI_KIND_OPEN, cap);
	uint64_t off = n->path[0].off;

	if (!o)
		return;
	open_common(o, call, task);
	o->inode = n->inode;
	o->mode = n->mode;
	o->dev_major = dev_major(n->dev);
	o->dev_minor = dev_minor(n->dev);
	BOUND(off, NOTE_SLOT - 1);
	note_copy(o, &o->path, sizeof(*o), t->paths + off, n->path[0].len, room);
	o->path_flags = n->path[0].flags;
	emit_header(&o->header, ABI_KIND_OPEN, sizeof(*o) + o->path.len, task, &call->hit);
	if (call->ret >= 0)
		known_take(call->mark, &o->known);
	emit_submit(o, ABI_KIND_OPEN, cap);
}

/* True: told or counted. */
static __always_inline bool noted_open_end(
	struct open_call *call, const struct note *n, const struct note_text *t)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (call->ret >= 0 && known_repeat(ABI_KIND_OPEN, n->mark)) {
		emit_seen(ABI_KIND_OPEN);
		return true;
	}
	if (!t)
		return false; /* was known when it began, and is no more */
	emit_seen(ABI_KIND_OPEN);
	call->mark = n->mark;
	call->flags = n->open_flags;
	if (n->path[0].len <= CLASS_SMALL - sizeof(struct abi_open))
		noted_open(call, task, n, t, CLASS_SMALL);
	else
		noted_open(call, task, n, t, CLASS_PATH);
	return true;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(noted_open_exit, struct pt_regs *regs, long ret)
{
	struct open_call call = {.ret = ret};
	struct note_text *t = note_text_find();
	struct note *n = note_find(ABI_KIND_OPEN);
	struct syscall s = {};

	if (!n || !syscall_read_noted(regs, &s))
		return 0;
	call.dirfd = s.entry->dirfd ? (int32_t)syscall_arg(&s, s.entry->dirfd) : AT_FDCWD;
	call.call = s.entry->number + 1;
	if (scope_current(ABI_KIND_OPEN, &call.hit)) {
		if (s.compat)
			call.hit.flags |= ABI_FLAG_COMPAT;
		if (!noted_open_end(&call, n, t)) {
			note_drop();
			bpf_tail_call(ctx, &handlers, HANDLER_OPEN);
			return 0;
		}
	}
	note_drop();
	return 0;
}
