/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/escape.h"

#include <errno.h>
#include <stdio.h>

/* Length of the valid UTF-8 sequence at s, 0 when there is none. Source: RFC 3629, section 4. */
static size_t utf8_take(struct pw_slice s, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t first = s.ptr[0];
	size_t len;
	uint32_t code;

	if (first < 0x80) {
		*ret = first;
		return 1;
	}
	len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
	if (!len || first > 0xf4 || s.len < len)
		return 0;
	code = first & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s.ptr[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s.ptr[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret = code;
	return len;
}

bool pw_utf8_valid(struct pw_slice s)
{
	uint32_t code;

	while (s.len) {
		size_t len = utf8_take(s, &code);

		if (!len)
			return false;
		s = pw_slice_sub(s, len, s.len);
	}
	return true;
}

/* Code points that change how a terminal or a page shows the rest. Source: Unicode TR 36, UAX 9. */
static bool is_deceptive(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x115f ||
	       c == 0x180e || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
	       (c >= 0xe0000 && c <= 0xe0fff);
}

/* One unit of input -> text in out; returns the input bytes it took. */
static size_t escape_one(struct pw_slice s, char out[16], size_t *ret_len)
{
	uint32_t code = 0;
	size_t len = utf8_take(s, &code);
	int wrote;

	if (!len) {
		wrote = snprintf(out, 16, "\\x%02x", s.ptr[0]);
		len = 1;
	} else if (code == '\n' || code == '\t' || code == '\r') {
		wrote = snprintf(out, 16, "\\%c", code == '\n' ? 'n' : code == '\t' ? 't' : 'r');
	} else if (code == '"' || code == '\\') {
		wrote = snprintf(out, 16, "\\%c", (char)code);
	} else if (code < 0x80 && is_deceptive(code)) {
		wrote = snprintf(out, 16, "\\x%02x", code);
	} else if (is_deceptive(code)) {
		wrote = snprintf(out, 16, "\\u{%04x}", code);
	} else {
		memcpy(out, s.ptr, len);
		wrote = (int)len;
	}
	*ret_len = (size_t)wrote;
	return len;
}

#define MORE "\xe2\x80\xa6"

int pw_escape(struct pw_buf *out, struct pw_slice s, size_t max_bytes)
{
	size_t written = 0;

	while (s.len) {
		char unit[16];
		size_t len, took = escape_one(s, unit, &len);

		if (written + len > max_bytes)
			return pw_buf_add_str(out, MORE);
		(void)pw_buf_add(out, unit, len);
		written += len;
		s = pw_slice_sub(s, took, s.len);
	}
	return pw_buf_error(out);
}

const char *pw_escape_to(struct pw_slice s, char *out, size_t size)
{
	size_t written = 0, mark_at = 0; /* mark_at: the last place where the mark of a cut fits */

	if (!size)
		return out;
	while (s.len) {
		char unit[16];
		size_t len, took = escape_one(s, unit, &len);

		if (written + sizeof(MORE) <= size)
			mark_at = written;
		if (written + len >= size) {
			written = mark_at;
			if (written + sizeof(MORE) <= size) {
				memcpy(out + written, MORE, sizeof(MORE) - 1);
				written += sizeof(MORE) - 1;
			}
			break;
		}
		memcpy(out + written, unit, len);
		written += len;
		s = pw_slice_sub(s, took, s.len);
	}
	out[written] = '\0';
	return out;
}

int pw_escape_json(struct pw_buf *out, struct pw_slice s)
{
	(void)pw_buf_add_byte(out, '"');
	while (s.len) {
		uint32_t code = 0;
		size_t len = utf8_take(s, &code);

		if (!len)
			(void)pw_buf_addf(out, "\\\\x%02x", s.ptr[0]);
		else if (code == '"' || code == '\\')
			(void)pw_buf_addf(out, "\\%c", (char)code);
		else if (code > 0xffff && is_deceptive(code))
			(void)pw_buf_addf(out, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
				0xdc00 + ((code - 0x10000) & 0x3ff));
		else if (is_deceptive(code))
			(void)pw_buf_addf(out, "\\u%04x", code);
		else
			(void)pw_buf_add(out, s.ptr, len);
		s = pw_slice_sub(s, len ? len : 1, s.len);
	}
	return pw_buf_add_byte(out, '"');
}
