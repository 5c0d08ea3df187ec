/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/base64.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int pw_base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int pw_base64_encode(struct pw_slice bytes, struct pw_buf *out)
{
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t v = (uint32_t)bytes.ptr[i] << 16;
		char quad[4];

		v |= n > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0;
		v |= n > 2 ? bytes.ptr[i + 2] : 0;
		for (size_t k = 0; k < 4; k++)
			quad[k] = k <= n ? alphabet[v >> (18 - 6 * k) & 63] : '=';
		if (pw_buf_add(out, quad, 4) < 0)
			break;
	}
	return pw_buf_error(out);
}

static int add_bytes(struct pw_buf *out, uint32_t v, size_t sextets)
{
	uint8_t bytes[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	/* Bits past the last whole byte must be zero: one value has one text. */
	if (sextets < 2 || (sextets == 2 && bytes[1]) || (sextets == 3 && bytes[2]))
		return -EINVAL;
	return pw_buf_add(out, bytes, sextets - 1);
}

int pw_base64_decode(struct pw_slice text, struct pw_buf *out)
{
	uint32_t v = 0;
	size_t count = 0, padding = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];
		int value = pw_base64_value(c);

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			continue;
		padding += c == '=';
		if (c == '=' ? padding > 2 : value < 0 || padding > 0)
			return -EINVAL;
		v = v << 6 | (c == '=' ? 0 : (uint32_t)value);
		if (++count % 4)
			continue;
		if (add_bytes(out, v & 0xffffff, 4 - padding) < 0)
			return pw_buf_error(out) ? pw_buf_error(out) : -EINVAL;
	}
	return count % 4 ? -EINVAL : 0;
}
