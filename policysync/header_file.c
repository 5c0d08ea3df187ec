// SPDX-License-Identifier: Apache-2.0
#include "policysync/header_file.h"
#include "common/base/file.h"
#include <errno.h>

#define BYTES_MAX ((size_t)16 << 10)

/* The text is not shown: it holds secrets. */
static int check_header(struct pw_slice line, const char *path, size_t number, struct pw_err *err)
{
	ptrdiff_t colon = pw_slice_find_byte(line, ':');

	for (size_t i = 0; i < line.len; i++) {
		bool in_name = colon < 0 || (ptrdiff_t)i < colon;

		if (colon <= 0 || line.ptr[i] < (in_name ? 0x21 : 0x20) || line.ptr[i] == 0x7f)
			return pw_err_set(err, -EINVAL,
				"header file %s: line %zu: expected \"Name: value\"", path, number);
	}
	return 0;
}

static int split(struct header_file *h, const char *path, struct pw_err *err)
{
	char *at = (char *)h->text.data, *end = at + h->text.len;
	size_t number = 0;
	int r;

	while (at < end) {
		char *line_end = memchr(at, '\n', (size_t)(end - at));
		char *next = line_end ? line_end + 1 : end;
		size_t len = (size_t)((line_end ? line_end : end) - at);

		number++;
		if (len > 0 && at[len - 1] == '\r')
			len--;
		at[len] = '\0'; /* a pw_buf has a NUL behind its last byte */
		if (len > 0 && at[0] != '#') {
			if (h->count == HEADER_FILE_LINES)
				return pw_err_set(err, -E2BIG,
					"header file %s: more than %d headers", path,
					HEADER_FILE_LINES);
			r = check_header(pw_slice_of(at, len), path, number, err);
			if (r < 0)
				return r;
			h->lines[h->count++] = at;
		}
		at = next;
	}
	return 0;
}

int header_file_read(const char *path, struct header_file *ret, struct pw_err *err)
{
	int r;

	*ret = (struct header_file){.count = 0};
	pw_buf_init(&ret->text, BYTES_MAX);
	if (!path || !path[0])
		return 0;
	r = pw_file_read("header file", path, &ret->text, err);
	return r < 0 ? r : split(ret, path, err);
}

void header_file_done(struct header_file *h)
{
	pw_buf_done(&h->text);
	h->count = 0;
}
