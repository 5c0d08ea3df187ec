/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/slice.h"

bool pw_slice_starts(struct pw_slice s, struct pw_slice prefix)
{
	return s.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

bool pw_slice_ends(struct pw_slice s, struct pw_slice suffix)
{
	return s.len >= suffix.len &&
	       (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

ptrdiff_t pw_slice_find(struct pw_slice s, struct pw_slice needle)
{
	const uint8_t *at;

	if (needle.len == 0)
		return 0;
	if (s.len < needle.len)
		return -1;
	at = memmem(s.ptr, s.len, needle.ptr, needle.len);
	return at ? at - s.ptr : -1;
}

ptrdiff_t pw_slice_find_byte(struct pw_slice s, uint8_t byte)
{
	const uint8_t *at = s.len ? memchr(s.ptr, byte, s.len) : NULL;

	return at ? at - s.ptr : -1;
}

ptrdiff_t pw_slice_rfind_byte(struct pw_slice s, uint8_t byte)
{
	const uint8_t *at = s.len ? memrchr(s.ptr, byte, s.len) : NULL;

	return at ? at - s.ptr : -1;
}

int pw_slice_cmp(struct pw_slice a, struct pw_slice b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common ? memcmp(a.ptr, b.ptr, common) : 0;

	if (order)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}

struct pw_slice pw_slice_sub(struct pw_slice s, size_t from, size_t to)
{
	if (to > s.len)
		to = s.len;
	if (from > to)
		from = to;
	return pw_slice_of(s.ptr ? s.ptr + from : NULL, to - from);
}

bool pw_slice_cut(struct pw_slice *rest, uint8_t separator, struct pw_slice *ret_part)
{
	ptrdiff_t at;

	if (!rest->ptr)
		return false;
	at = pw_slice_find_byte(*rest, separator);
	if (at < 0) {
		*ret_part = *rest;
		*rest = pw_slice_of(NULL, 0);
		return true;
	}
	*ret_part = pw_slice_sub(*rest, 0, (size_t)at);
	*rest = pw_slice_sub(*rest, (size_t)at + 1, rest->len);
	return true;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct pw_slice pw_slice_trim(struct pw_slice s)
{
	while (s.len && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}
