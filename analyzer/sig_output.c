/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_output.h"

#include "common/base/escape.h"

#include <errno.h>

#define VALUE_BYTES 512u

/* "%name", "%name[arg]", "%tolower(name)", "%12name": which field, padded to which width. */
struct placeholder {
	struct field_ref ref;
	uint32_t width;
	char change; /* 'u' to capital letters, 'l' to small ones, 0 as it is */
};

static bool is_field_byte(struct pw_slice s, size_t i)
{
	uint8_t c = s.ptr[i];

	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')
		return true;
	/* A dot belongs to the field only when a name follows: "%proc.name." ends a sentence. */
	return c == '.' && i + 1 < s.len && s.ptr[i + 1] != '.' && is_field_byte(s, i + 1);
}

static size_t read_width(struct pw_slice format, size_t i, uint32_t *ret)
{
	while (i < format.len && format.ptr[i] >= '0' && format.ptr[i] <= '9' && *ret < 1000)
		*ret = *ret * 10 + (uint32_t)(format.ptr[i++] - '0');
	return i;
}

static size_t read_change(struct pw_slice format, size_t i, char *ret)
{
	struct pw_slice rest = pw_slice_sub(format, i, format.len);

	if (!pw_slice_starts(rest, PW_SLICE_LIT("tolower(")) &&
		!pw_slice_starts(rest, PW_SLICE_LIT("toupper(")))
		return i;
	*ret = format.ptr[i + 2] == 'l' ? 'l' : 'u';
	return i + 8;
}

/* Reads [arg] at *at when there is one and moves behind it. */
static struct pw_slice read_arg(struct pw_slice format, size_t *at)
{
	struct pw_slice rest = pw_slice_sub(format, *at + 1, format.len);
	ptrdiff_t end = pw_slice_find_byte(rest, ']');

	if (*at >= format.len || format.ptr[*at] != '[' || end < 0)
		return (struct pw_slice){NULL, 0};
	*at += 2 + (size_t)end;
	return pw_slice_sub(rest, 0, (size_t)end);
}

/* Reads the placeholder behind a % at *at and moves behind it. */
static int read_placeholder(
	struct pw_slice format, size_t *at, struct placeholder *ret, struct pw_err *err)
{
	const char *fault = NULL;
	struct pw_slice name, arg, shown;
	size_t i, from;

	*ret = (struct placeholder){.width = 0};
	i = read_change(format, read_width(format, *at, &ret->width), &ret->change);
	from = i;
	while (i < format.len && is_field_byte(format, i))
		i++;
	name = pw_slice_sub(format, from, i);
	arg = read_arg(format, &i);
	shown = pw_slice_sub(name, 0, 64);
	if (field_ref_make(name, arg, &ret->ref, &fault) < 0) {
		ret->ref.spec = field_find(name);
		if (ret->ref.spec && !ret->ref.spec->get) {
			*at = i + (ret->change && i < format.len && format.ptr[i] == ')');
			return 0; /* a text is worth printing with a gap in it */
		}
	}
	if (fault)
		return pw_err_set(err, -EINVAL, "column %zu: field %%%.*s %s", from, (int)shown.len,
			shown.ptr ? (const char *)shown.ptr : "", fault);
	if (ret->change && (i >= format.len || format.ptr[i++] != ')'))
		return pw_err_set(err, -EINVAL, "column %zu: expected )", i);
	*at = i;
	return 0;
}

static void print_changed(struct pw_slice value, char change, struct pw_buf *out)
{
	uint8_t changed[VALUE_BYTES];
	size_t len = value.len < sizeof(changed) ? value.len : sizeof(changed);
	uint8_t from = change == 'l' ? 'A' : 'a';

	for (size_t i = 0; i < len; i++) {
		uint8_t b = value.ptr[i];

		changed[i] = b >= from && b < from + 26 ? (uint8_t)(b ^ 0x20u) : b;
	}
	(void)pw_escape(out, pw_slice_of(changed, len), VALUE_BYTES);
}

static void print_placeholder(
	const struct placeholder *p, struct field_ctx *ctx, struct pw_buf *out)
{
	struct pw_slice value = {NULL, 0};
	size_t from = out->len;
	char number[24];

	ctx->used = 0; /* texts that were built before are not needed any more */
	if (pw_slice_eq_str(pw_slice_str(p->ref.spec->name), "container.info"))
		return; /* stands for nothing in newer engines too */
	if (!p->ref.spec->get || !field_print(&p->ref, ctx, number, &value))
		(void)pw_buf_add_str(out, "<NA>");
	else if (p->change)
		print_changed(value, p->change, out);
	else
		(void)pw_escape(out, value, VALUE_BYTES);
	while (out->len - from < p->width && pw_buf_add_byte(out, ' ') == 0)
		;
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
