/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bump allocator for things that die together (one batch, one request). Memory comes in chunks up
 * to a ceiling; past it allocations return NULL and refused_count rises. Reset keeps the first
 * chunk. Under AddressSanitizer freed parts are poisoned.
 * Thread: the owner's.
 */
#include "common/base/slice.h"
#include "common/base/alloc.h"

struct pw_arena;

int pw_arena_new(size_t chunk_bytes, size_t limit_bytes, struct pw_arena **ret) PW_MUST_CHECK;
void pw_arena_free(struct pw_arena *a); /* NULL is fine */
static inline void pw_arena_freep(struct pw_arena **a)
{
	pw_arena_free(*a);
}
/* Aligned to 16 bytes, not zeroed. NULL at the ceiling or out of memory. */
void *pw_arena_alloc(struct pw_arena *a, size_t bytes) PW_MUST_CHECK;
void *pw_arena_alloc0(struct pw_arena *a, size_t count, size_t size) PW_MUST_CHECK;
/* Copies the bytes; a NUL is put behind them (not counted in len). ptr NULL on failure when s.len >
 * 0. */
struct pw_slice pw_arena_dup(struct pw_arena *a, struct pw_slice s);
void pw_arena_reset(struct pw_arena *a);
size_t pw_arena_used(const struct pw_arena *a);      /* bytes handed out since the last reset */
uint64_t pw_arena_refused(const struct pw_arena *a); /* allocations refused since creation */
