/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_output.h"

#include "common/base/escape.h"
#include "common/base/num.h"

#include <errno.h>

#define VALUE_BYTES 512u

struct placeholder {
	const struct field_spec *field;
	int32_t index;
};

static bool is_field_byte(struct pw_slice s, size_t i)
{
	uint8_t c = s.ptr[i];

	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')
		return true;
	/* A dot belongs to the field only when a name follows: "%proc.name." ends a sentence. */
	return c == '.' && i + 1 < s.len && s.ptr[i + 1] != '.' && is_field_byte(s, i + 1);
}

/* Reads the placeholder behind a % at *at and moves behind it. */
static int read_placeholder(
	struct pw_slice format, size_t *at, struct placeholder *ret, struct pw_err *err)
{
	size_t i = *at, from = i, open;
	uint64_t index;

	while (i < format.len && is_field_byte(format, i))
		i++;
	ret->field = field_find(pw_slice_sub(format, from, i));
	ret->index = -1;
	if (!ret->field)
		return pw_err_set(err, -EINVAL, "column %zu: unknown field %%%.*s", from,
			(int)(i - from < 64 ? i - from : 64), (const char *)format.ptr + from);
	*at = i;
	if (ret->field->arg == FIELD_NO_ARG || i >= format.len || format.ptr[i] != '[')
		return 0;
	open = ++i;
	while (i < format.len && format.ptr[i] != ']')
		i++;
	if (i >= format.len || pw_num_u64(pw_slice_sub(format, open, i), 64, &index) < 0)
		return pw_err_set(err, -EINVAL, "column %zu: expected [0] to [64]", open);
	ret->index = (int32_t)index;
	*at = i + 1;
	return 0;
}

static void print_placeholder(
	const struct placeholder *p, struct field_ctx *ctx, struct pw_buf *out)
{
	struct pw_slice value = {NULL, 0};
	char number[24];

	if (field_print(p->field, p->index, ctx, number, &value))
		(void)pw_escape(out, value, VALUE_BYTES);
	else
		(void)pw_buf_add_str(out, "<NA>");
}

/* Walks the format; without ctx it only checks. */
static int walk(
	struct pw_slice format, struct field_ctx *ctx, struct pw_buf *out, struct pw_err *err)
{
	struct placeholder p;
	size_t i = 0;
	int r;

	while (i < format.len) {
		uint8_t c = format.ptr[i++];

		if (c != '%' || (i < format.len && format.ptr[i] == '%')) {
			i += c == '%';
			if (out)
				(void)pw_buf_add_byte(out, c);
			continue;
		}
		r = read_placeholder(format, &i, &p, err);
		if (r < 0)
			return r;
		if (out)
			print_placeholder(&p, ctx, out);
	}
	return 0;
}

int sig_output_check(struct pw_slice format, struct pw_err *err)
{
	return walk(format, NULL, NULL, err);
}

void sig_output_print(struct pw_slice format, struct field_ctx *ctx, struct pw_buf *out)
{
	/* Checked when it was compiled. */
	(void)walk(format, ctx, out, NULL);
}
