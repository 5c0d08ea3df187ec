/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Heap memory: sizes checked for overflow, cleanup attributes, hand-over by PW_TAKE.
 * Running out of memory is an ordinary error (NULL); tests make every allocation fail once by
 * wrapping malloc, calloc and realloc at link time (common/testing/oom.h).
 * Thread: any.
 */
#include <stddef.h>
#include <stdlib.h>

#define PW_MUST_CHECK   __attribute__((warn_unused_result))
#define PW_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Zeroed memory for count objects of size bytes; NULL when out of memory or count * size overflows.
 */
void *pw_alloc0(size_t count, size_t size) PW_MUST_CHECK;
/* Like realloc with an overflow check; the new part is not zeroed. p stays valid on failure. */
void *pw_realloc(void *p, size_t count, size_t size) PW_MUST_CHECK;
/* Copy of len bytes with a NUL behind them; NULL when out of memory. */
char *pw_memdupz(const void *p, size_t len) PW_MUST_CHECK;
char *pw_strdup(const char *text) PW_MUST_CHECK;

static inline void pw_free_ptr(void *p)
{
	free(*(void **)p);
}
#define pw_auto_free  __attribute__((cleanup(pw_free_ptr)))
#define pw_cleanup(f) __attribute__((cleanup(f)))

/* Hands a local over: yields its value and leaves NULL behind, so that the cleanup does nothing. */
#define PW_TAKE(p)                             \
	__extension__({                        \
		__typeof__(p) pw_taken_ = (p); \
		(p) = NULL;                    \
		pw_taken_;                     \
	})
#define PW_COUNT(a)                        (sizeof(a) / sizeof((a)[0]))
#define PW_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
