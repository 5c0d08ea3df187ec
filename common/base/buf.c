/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void pw_buf_init(struct pw_buf *b, size_t limit_bytes)
{
	*b = (struct pw_buf){.limit = limit_bytes};
}

void pw_buf_done(struct pw_buf *b)
{
	free(b->data);
	*b = (struct pw_buf){.limit = 0};
}

void pw_buf_clear(struct pw_buf *b)
{
	b->len = 0;
	b->error = 0;
	if (b->data)
		b->data[0] = '\0';
}

int pw_buf_error(const struct pw_buf *b)
{
	return b->error;
}

/* Room for more bytes and the NUL behind them. */
static int reserve(struct pw_buf *b, size_t more)
{
	size_t need, cap;
	uint8_t *grown;

	if (b->error)
		return b->error;
	if (__builtin_add_overflow(b->len, more, &need) || need > b->limit)
		return b->error = -E2BIG;
	if (need + 1 <= b->cap)
		return 0;
	cap = b->cap ? b->cap : 64;
	while (cap < need + 1)
		cap = cap > SIZE_MAX / 2 ? need + 1 : cap * 2;
	grown = pw_realloc(b->data, cap, 1);
	if (!grown)
		return b->error = -ENOMEM;
	b->data = grown;
	b->cap = cap;
	return 0;
}

int pw_buf_add(struct pw_buf *b, const void *ptr, size_t len)
{
	int r = reserve(b, len);

	if (r < 0)
		return r;
	if (len)
		memcpy(b->data + b->len, ptr, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int pw_buf_add_slice(struct pw_buf *b, struct pw_slice s)
{
	return pw_buf_add(b, s.ptr, s.len);
}

int pw_buf_add_str(struct pw_buf *b, const char *text)
{
	return pw_buf_add(b, text, strlen(text));
}

int pw_buf_add_byte(struct pw_buf *b, uint8_t byte)
{
	return pw_buf_add(b, &byte, 1);
}

int pw_buf_addf(struct pw_buf *b, const char *format, ...)
{
	va_list args;
	int need, r;

	va_start(args, format);
	need = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (need < 0)
		return b->error ? b->error : (b->error = -EINVAL);
	r = reserve(b, (size_t)need);
	if (r < 0)
		return r;
	va_start(args, format);
	(void)vsnprintf((char *)b->data + b->len, (size_t)need + 1, format, args);
	va_end(args);
	b->len += (size_t)need;
	return 0;
}

void *pw_buf_extend(struct pw_buf *b, size_t len)
{
	uint8_t *at;

	if (reserve(b, len) < 0)
		return NULL;
	at = b->data + b->len;
	memset(at, 0, len + 1);
	b->len += len;
	return at;
}

const char *pw_buf_text(const struct pw_buf *b)
{
	return b->data ? (const char *)b->data : "";
}

uint8_t *pw_buf_take(struct pw_buf *b, size_t *ret_len)
{
	uint8_t *data = b->data;

	if (ret_len)
		*ret_len = b->len;
	*b = (struct pw_buf){.limit = b->limit};
	return data;
}
