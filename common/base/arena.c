/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/arena.h"

#include <errno.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#endif
#ifndef ASAN_POISON_MEMORY_REGION
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define ALIGN 16

struct chunk {
	struct chunk *next; /* the one before it in time */
	size_t cap, used;
	_Alignas(ALIGN) uint8_t data[];
};

struct pw_arena {
	struct chunk *first, *last;
	size_t chunk_bytes, limit, held, used;
	uint64_t refused;
};

static struct chunk *chunk_new(size_t cap)
{
	struct chunk *c = malloc(sizeof(*c) + cap);

	if (!c)
		return NULL;
	c->next = NULL;
	c->cap = cap;
	c->used = 0;
	ASAN_POISON_MEMORY_REGION(c->data, cap);
	return c;
}

static void chunk_free(struct chunk *c)
{
	ASAN_UNPOISON_MEMORY_REGION(c->data, c->cap);
	free(c);
}

int pw_arena_new(size_t chunk_bytes, size_t limit_bytes, struct pw_arena **ret)
{
	pw_auto_free struct pw_arena *a = pw_alloc0(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->chunk_bytes = chunk_bytes < limit_bytes ? chunk_bytes : limit_bytes;
	a->limit = limit_bytes;
	a->first = a->last = chunk_new(a->chunk_bytes);
	if (!a->first)
		return -ENOMEM;
	a->held = a->chunk_bytes;
	*ret = PW_TAKE(a);
	return 0;
}

static void free_after_first(struct pw_arena *a)
{
	while (a->last != a->first) {
		struct chunk *gone = a->last;

		a->last = gone->next;
		a->held -= gone->cap;
		chunk_free(gone);
	}
}

void pw_arena_free(struct pw_arena *a)
{
	if (!a)
		return;
	free_after_first(a);
	chunk_free(a->first);
	free(a);
}

static struct chunk *grow(struct pw_arena *a, size_t bytes)
{
	size_t cap = bytes > a->chunk_bytes ? bytes : a->chunk_bytes;
	struct chunk *c;

	if (cap > a->limit - a->held)
		cap = bytes; /* the last piece may be smaller than a chunk */
	if (cap > a->limit - a->held)
		return NULL;
	c = chunk_new(cap);
	if (!c)
		return NULL;
	c->next = a->last;
	a->last = c;
	a->held += cap;
	return c;
}

void *pw_arena_alloc(struct pw_arena *a, size_t bytes)
{
	struct chunk *c = a->last;
	size_t size;
	void *p;

	if (__builtin_add_overflow(bytes ? bytes : 1, (size_t)ALIGN - 1, &size))
		goto refused;
	size &= ~((size_t)ALIGN - 1);
	if (size > c->cap - c->used) {
		c = size > a->limit ? NULL : grow(a, size);
		if (!c)
			goto refused;
	}
	p = c->data + c->used;
	ASAN_UNPOISON_MEMORY_REGION(p, bytes ? bytes : 1);
	c->used += size;
	a->used += size;
	return p;
refused:
	a->refused++;
	return NULL;
}

void *pw_arena_alloc0(struct pw_arena *a, size_t count, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		a->refused++;
		return NULL;
	}
	p = pw_arena_alloc(a, bytes);
	if (p)
		memset(p, 0, bytes);
	return p;
}

struct pw_slice pw_arena_dup(struct pw_arena *a, struct pw_slice s)
{
	uint8_t *copy = s.len < SIZE_MAX ? pw_arena_alloc(a, s.len + 1) : NULL;

	if (!copy)
		return pw_slice_of(NULL, 0);
	if (s.len)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return pw_slice_of(copy, s.len);
}

void pw_arena_reset(struct pw_arena *a)
{
	free_after_first(a);
	a->first->used = 0;
	a->used = 0;
	ASAN_POISON_MEMORY_REGION(a->first->data, a->first->cap);
}

size_t pw_arena_used(const struct pw_arena *a)
{
	return a->used;
}

uint64_t pw_arena_refused(const struct pw_arena *a)
{
	return a->refused;
}
