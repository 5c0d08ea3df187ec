/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * struct pw_slice: borrowed bytes, not NUL-terminated, any encoding. The owner is said by the
 * function that gives it. Thread: any.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pw_slice {
	const uint8_t *ptr; /* may be NULL when len is 0 */
	size_t len;
};

#define PW_SLICE_LIT(text) ((struct pw_slice){(const uint8_t *)("" text), sizeof(text) - 1})
/* For "%.*s" with text that is known to be printable (escape foreign bytes first). */
#define PW_SLICE_ARG(s) (int)(s).len, (const char *)(s).ptr

static inline struct pw_slice pw_slice_of(const void *ptr, size_t len)
{
	return (struct pw_slice){ptr, len};
}

static inline struct pw_slice pw_slice_str(const char *text)
{
	return (struct pw_slice){(const uint8_t *)text, text ? strlen(text) : 0};
}

static inline bool pw_slice_eq(struct pw_slice a, struct pw_slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool pw_slice_eq_str(struct pw_slice a, const char *text)
{
	return pw_slice_eq(a, pw_slice_str(text));
}

bool pw_slice_starts(struct pw_slice s, struct pw_slice prefix);
bool pw_slice_ends(struct pw_slice s, struct pw_slice suffix);
/* Offset of the first occurrence, or -1. An empty needle is found at 0. */
ptrdiff_t pw_slice_find(struct pw_slice s, struct pw_slice needle);
ptrdiff_t pw_slice_find_byte(struct pw_slice s, uint8_t byte);
ptrdiff_t pw_slice_rfind_byte(struct pw_slice s, uint8_t byte);
/* memcmp order, the shorter first when one is a prefix. */
int pw_slice_cmp(struct pw_slice a, struct pw_slice b);
/* Part [from, to), both clamped to the slice. */
struct pw_slice pw_slice_sub(struct pw_slice s, size_t from, size_t to);
/* Cuts off and returns everything before the separator (or all); *rest moves behind it. False at
 * the end. */
bool pw_slice_cut(struct pw_slice *rest, uint8_t separator, struct pw_slice *ret_part);
struct pw_slice pw_slice_trim(struct pw_slice s); /* ASCII blanks and newlines at both ends */
