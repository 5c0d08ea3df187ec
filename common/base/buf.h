/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * struct pw_buf: owned, growing bytes with a ceiling. Errors stick: after a refused append every
 * further append is refused too and pw_buf_error() tells why, so a writer checks once at the end.
 * There is always a NUL behind the last byte. Thread: the owner's.
 */
#include "common/base/alloc.h"
#include "common/base/slice.h"

struct pw_buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t limit; /* bytes; the ceiling given at init */
	int error;    /* 0, -ENOMEM or -E2BIG (ceiling) */
};

void pw_buf_init(struct pw_buf *b, size_t limit_bytes);
void pw_buf_done(struct pw_buf *b);  /* frees; reusable after another init */
void pw_buf_clear(struct pw_buf *b); /* empties, keeps memory, forgets the error */
int pw_buf_error(const struct pw_buf *b);
int pw_buf_add(struct pw_buf *b, const void *ptr, size_t len);
int pw_buf_add_slice(struct pw_buf *b, struct pw_slice s);
int pw_buf_add_str(struct pw_buf *b, const char *text);
int pw_buf_add_byte(struct pw_buf *b, uint8_t byte);
int pw_buf_addf(struct pw_buf *b, const char *format, ...) PW_PRINTF(2, 3);
/* Room for len bytes at the end, zeroed, or NULL (error sticks). */
void *pw_buf_extend(struct pw_buf *b, size_t len);
static inline struct pw_slice pw_buf_slice(const struct pw_buf *b)
{
	return (struct pw_slice){b->data, b->len};
}
/* The text, NUL-terminated; "" when empty. Valid until the next append. */
const char *pw_buf_text(const struct pw_buf *b);
/* Hands the memory over to the caller (free()); the buffer is empty afterwards. NULL when empty. */
uint8_t *pw_buf_take(struct pw_buf *b, size_t *ret_len);
#define pw_auto_buf __attribute__((cleanup(pw_buf_done))) struct pw_buf
