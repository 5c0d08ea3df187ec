/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kube/splitter.h"

#include <errno.h>

void pw_splitter_init(struct pw_splitter *s, enum pw_splitter_form form,
	int (*on_object)(void *ctx, struct pw_slice text), void *ctx)
{
	*s = (struct pw_splitter){.form = form, .on_object = on_object, .ctx = ctx};
	pw_buf_init(&s->object, PW_SPLITTER_OBJECT);
	pw_buf_init(&s->rest, PW_SPLITTER_REST);
}

void pw_splitter_done(struct pw_splitter *s)
{
	pw_buf_done(&s->object);
	pw_buf_done(&s->rest);
}

/* Depth at which objects begin. */
static uint32_t base_of(const struct pw_splitter *s)
{
	return s->form == PW_SPLITTER_WATCH ? 0 : 2;
}

static bool in_object(const struct pw_splitter *s)
{
	if (s->form == PW_SPLITTER_WATCH)
		return s->depth > 0;
	return s->in_items && s->depth > 2;
}

/* Keeps bytes of the object or of what surrounds the items. */
static int keep(struct pw_splitter *s, struct pw_slice part, bool object)
{
	int r;

	if (part.len == 0 || (object && s->skipping))
		return 0;
	if (!object)
		return s->form == PW_SPLITTER_LIST && !s->in_items
			       ? pw_buf_add_slice(&s->rest, part)
			       : 0;
	r = pw_buf_add_slice(&s->object, part);
	if (r == -E2BIG) {
		s->oversized++;
		s->skipping = true;
		r = 0;
	}
	return r;
}

static int end_object(struct pw_splitter *s)
{
	int r = s->skipping ? 0 : s->on_object(s->ctx, pw_buf_slice(&s->object));

	s->skipping = false;
	pw_buf_clear(&s->object);
	return r;
}

static bool opens_items(const struct pw_splitter *s, uint8_t c)
{
	return s->form == PW_SPLITTER_LIST && s->depth == 1 && c == '[' && s->name_len == 5 &&
	       memcmp(s->name, "items", 5) == 0;
}

/* Passes over a byte inside a string. */
static void quoted_byte(struct pw_splitter *s, uint8_t c)
{
	if (s->escaped) {
		s->escaped = false;
	} else if (c == '\\') {
		s->escaped = true;
	} else if (c == '"') {
		s->quoted = false;
		return;
	}
	if (s->depth == 1 && s->name_len < sizeof(s->name))
		s->name[s->name_len++] = (char)c;
}

struct feeding {
	struct pw_slice part;
	size_t start; /* of what is not kept yet */
};

static int keep_until(struct pw_splitter *s, struct feeding *f, size_t end, bool object)
{
	int r = keep(s, pw_slice_sub(f->part, f->start, end), object);

	f->start = end;
	return r;
}

static int open_bracket(struct pw_splitter *s, struct feeding *f, size_t at)
{
	uint8_t c = f->part.ptr[at];
	bool items = opens_items(s, c);
	int r = 0;

	if (!in_object(s) && s->depth == base_of(s) &&
		(s->form == PW_SPLITTER_WATCH || s->in_items))
		r = keep_until(s, f, at, false);
	else if (items)
		r = keep_until(s, f, at + 1, false);
	if (s->depth == PW_SPLITTER_DEPTH)
		return -EBADMSG;
	s->depth++;
	s->in_items |= items;
	return r;
}

static int close_bracket(struct pw_splitter *s, struct feeding *f, size_t at)
{
	bool object = in_object(s);
	int r = 0;

	if (s->depth == 0)
		return -EBADMSG;
	s->depth--;
	if (object && s->depth == base_of(s)) {
		r = keep_until(s, f, at + 1, true);
		return r < 0 ? r : end_object(s);
	}
	if (s->in_items && s->depth == 1) {
		f->start = at; /* what divided the items is nobody's */
		s->in_items = false;
	}
	return 0;
}

static int plain_byte(struct pw_splitter *s, struct feeding *f, size_t at)
{
	switch (f->part.ptr[at]) {
	case '"':
		s->quoted = true;
		if (s->depth == 1)
			s->name_len = 0;
		return 0;
	case '{':
	case '[':
		return open_bracket(s, f, at);
	case '}':
	case ']':
		return close_bracket(s, f, at);
	default:
		return 0;
	}
}

int pw_splitter_feed(struct pw_splitter *s, struct pw_slice part)
{
	struct feeding f = {part, 0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < part.len; i++) {
		if (s->quoted)
			quoted_byte(s, part.ptr[i]);
		else
			r = plain_byte(s, &f, i);
	}
	return r < 0 ? r : keep_until(s, &f, part.len, in_object(s));
}

bool pw_splitter_is_complete(const struct pw_splitter *s)
{
	return s->depth == 0 && !s->quoted;
}

struct pw_slice pw_splitter_rest(const struct pw_splitter *s)
{
	return pw_buf_slice(&s->rest);
}
