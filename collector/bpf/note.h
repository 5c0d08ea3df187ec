/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * What a security hook saw of the system call that the current task is in: the objects that the
 * kernel resolved, the address that it copied. Left by the hook, taken by the end of the same call,
 * which alone makes records: so there is one for each deed, with the outcome, and a hook that was
 * skipped costs no event. Not a record, and nothing another task can write to.
 * Thread: kernel context of the task itself. Ceiling: the maps; what does not fit is counted as a
 * failed read and told as without hooks.
 */
#include "collector/bpf/read.h"
#include "collector/bpf/syscalls.h"

_Static_assert(NOTE_TEXT >= NAME_SLACK, "a path's writer needs it behind the last slot");

static __always_inline uint32_t note_key(void)
{
	return (uint32_t)bpf_get_current_pid_tgid();
}

/* The note about a call of this kind; NULL = there is none. */
static __always_inline struct note *note_find(uint32_t kind)
{
	uint32_t key = note_key();
	struct note *n = bpf_map_lookup_elem(&notes, &key);

	return n && n->kind == kind ? n : NULL;
}

static __always_inline struct note_text *note_text_find(void)
{
	uint32_t key = note_key();

	return bpf_map_lookup_elem(&note_texts, &key);
}

static __always_inline void note_drop_of(uint32_t tid)
{
	(void)bpf_map_delete_elem(&note_texts, &tid);
	(void)bpf_map_delete_elem(&notes, &tid);
}

static __always_inline void note_drop(void)
{
	note_drop_of(note_key());
}

/* A copy of the last thing that was noted, for a call's end; room constant. */
static __always_inline void note_copy(void *record, struct abi_span *span, uint32_t at,
	const void *from, uint64_t len, const uint32_t room)
{
	span->off = at;
	span->len = 0;
	if (len == 0 || len > room)
		return;
	BOUND(len, 8191);
	if (len > room || bpf_probe_read_kernel(record + at, len, from)) {
		emit_read_failed(ABI_READ_NAME);
		return;
	}
	span->len = len;
}
