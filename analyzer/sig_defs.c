/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_defs.h"

#include "common/base/buf.h"
#include "common/base/hash.h"

#include <errno.h>
#include <stdio.h>

static struct pw_slice bytes_of(ProtobufCBinaryData b)
{
	return pw_slice_of(b.data, b.len);
}

#define BUCKETS 8192u /* twice SIG_LISTS_LIMIT */
_Static_assert(BUCKETS >= 2 * SIG_LISTS_LIMIT, "half of the buckets stay free");

/* Slot of the list with this name, or the free one where it would stand. */
static uint32_t *list_slot(const struct sig_defs *d, struct pw_slice name)
{
	uint32_t i = (uint32_t)pw_hash64(name, 0) % BUCKETS;

	while (d->buckets[i] && !pw_slice_eq(d->lists[d->buckets[i] - 1].name, name))
		i = (i + 1) % BUCKETS;
	return &d->buckets[i];
}

static struct sig_list *find_list(const struct sig_defs *d, struct pw_slice name)
{
	uint32_t number = d->list_count ? *list_slot(d, name) : 0;

	return number ? &d->lists[number - 1] : NULL;
}

static struct sig_macro *find_macro(const struct sig_defs *d, struct pw_slice name, uint32_t before)
{
	for (uint32_t i = before; i > 0; i--)
		if (pw_slice_eq(d->macros[i - 1].name, name))
			return &d->macros[i - 1];
	return NULL;
}

static int complain(struct problems *problems, const Podward__V1__SignatureSet *set,
	const char *what, size_t index, const char *message)
{
	struct pw_slice name = bytes_of(set->name);
	char object[160], field[64];
	int len = snprintf(object, sizeof(object), "SignatureSet/%.*s",
		(int)(name.len < 100 ? name.len : 100), (const char *)name.ptr);
	int field_len = snprintf(field, sizeof(field), "spec.%s[%zu]", what, index);

	return problems_add(problems, pw_slice_of(object, (size_t)len),
		pw_slice_of(field, (size_t)field_len), pw_slice_str(message));
}

/* ---- lists ---- */
static bool is_bare(struct pw_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || strchr("()\"'=,", s.ptr[i]))
			return false;
	return s.len > 0;
}

static bool is_quoted(struct pw_slice s)
{
	return s.len >= 2 && (s.ptr[0] == '"' || s.ptr[0] == '\'') && s.ptr[s.len - 1] == s.ptr[0];
}

static void add_quoted(struct pw_buf *out, struct pw_slice s)
{
	(void)pw_buf_add_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			(void)pw_buf_add_byte(out, '\\');
		(void)pw_buf_add_byte(out, s.ptr[i]);
	}
	(void)pw_buf_add_byte(out, '"');
}

static void add_item(struct sig_defs *d, struct pw_slice item, struct pw_buf *out)
{
	struct sig_list *other = find_list(d, item);

	if (other && other->text.len == 0)
		return;
	if (out->len > 0)
		(void)pw_buf_add_str(out, ", ");
	if (other)
		(void)pw_buf_add_slice(out, other->text);
	else if (is_bare(item) || is_quoted(item))
		(void)pw_buf_add_slice(out, item);
	else
		add_quoted(out, item);
}

/* 0, -E2BIG, -ENOMEM. */
static int add_list(struct sig_defs *d, const Podward__V1__SignatureList *m)
{
	struct sig_list *l = &d->lists[d->list_count];
	pw_auto_buf text;

	pw_buf_init(&text, SIG_CONDITION_BYTES);
	for (size_t i = 0; i < m->n_items; i++)
		add_item(d, bytes_of(m->items[i]), &text);
	if (pw_buf_error(&text))
		return pw_buf_error(&text);
	*l = (struct sig_list){
		bytes_of(m->name), pw_arena_dup(d->arena, pw_buf_slice(&text)), false};
	if (text.len > 0 && !l->text.ptr)
		return -ENOMEM;
	*list_slot(d, l->name) = ++d->list_count; /* the last definition of a name counts */
	return 0;
}

static int add_lists(
	struct sig_defs *d, const Podward__V1__SignatureSet *set, struct problems *problems)
{
	size_t items = 0;

	for (size_t i = 0; i < set->n_lists; i++) {
		int r;

		items += set->lists[i]->n_items;
		if (i >= SIG_LISTS_LIMIT || items > SIG_ITEMS_LIMIT)
			return complain(problems, set, "lists", i,
				"too many lists or items: this list and those behind it are "
				"ignored");
		r = add_list(d, set->lists[i]);
		if (r == -ENOMEM)
			return r;
		if (r < 0 && complain(problems, set, "lists", i,
				     "the list has more than 64 KiB of text: it is ignored") < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- putting lists into a text ---- */
static bool is_delimiter(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '(' || c == ')' ||
	       c == ',' || c == '=';
}

static size_t token_end(struct pw_slice s, size_t from)
{
	while (from < s.len && !is_delimiter(s.ptr[from]))
		from++;
	return from;
}

struct putting {
	struct pw_slice in;
	struct pw_buf out;
	struct sig_origin *origins;
	uint32_t count;
};

static uint32_t count_lists(const struct sig_defs *d, struct pw_slice in)
{
	uint32_t n = 0;

	for (size_t i = 0; i < in.len;) {
		size_t end = token_end(in, i);

		n += end > i && find_list(d, pw_slice_sub(in, i, end)) != NULL;
		i = end > i ? end : i + 1;
	}
	return n;
}

/* An empty list takes the comma behind it away, or else the one before. Returns where to go on. */
static size_t drop_comma(struct putting *p, size_t at)
{
	size_t next = at, kept = p->out.len;

	while (next < p->in.len && is_delimiter(p->in.ptr[next]) && p->in.ptr[next] != ',' &&
		p->in.ptr[next] != ')')
		next++;
	if (next < p->in.len && p->in.ptr[next] == ',')
		return next + 1;
	while (kept > 0 && is_delimiter((uint8_t)p->out.data[kept - 1]) &&
		p->out.data[kept - 1] != ',' && p->out.data[kept - 1] != '(')
		kept--;
	if (kept > 0 && p->out.data[kept - 1] == ',')
		p->out.len = kept - 1;
	return at;
}

static size_t put_list(struct putting *p, struct sig_list *l, size_t from, size_t end)
{
	l->used = true;
	p->origins[p->count++] = (struct sig_origin){p->out.len, from, true};
	(void)pw_buf_add_slice(&p->out, l->text);
	if (l->text.len == 0)
		end = drop_comma(p, end);
	p->origins[p->count++] = (struct sig_origin){p->out.len, end, false};
	return end;
}

static int put_lists(struct sig_defs *d, struct pw_slice condition, struct sig_lex *l)
{
	uint32_t lists = count_lists(d, condition);
	struct putting p = {.in = condition};
	int r = 0;

	if (lists == 0)
		return 0;
	p.origins = pw_arena_alloc0(d->arena, 2 * (size_t)lists + 1, sizeof(*p.origins));
	if (!p.origins)
		return pw_err_set(l->err, -ENOMEM, "condition: out of memory");
	p.origins[p.count++] = (struct sig_origin){0, 0, false};
	pw_buf_init(&p.out, SIG_CONDITION_BYTES);
	for (size_t i = 0; i < condition.len;) {
		size_t end = token_end(condition, i);
		struct pw_slice token = pw_slice_sub(condition, i, end > i ? end : i + 1);
		struct sig_list *list = end > i ? find_list(d, token) : NULL;

		if (!list)
			(void)pw_buf_add_slice(&p.out, token);
		i = list ? put_list(&p, list, i, end) : i + token.len;
	}
	l->text = pw_arena_dup(d->arena, pw_buf_slice(&p.out));
	if (pw_buf_error(&p.out) == -ENOMEM || (p.out.len > 0 && !l->text.ptr))
		r = pw_err_set(l->err, -ENOMEM, "condition: out of memory");
	else if (pw_buf_error(&p.out))
		r = pw_err_set(l->err, -EINVAL, "condition longer than %u bytes with its lists",
			SIG_CONDITION_BYTES);
	pw_buf_done(&p.out);
	l->origins = p.origins;
	l->origin_count = p.count;
	return r;
}

/* ---- macros ---- */
static int resolve(struct sig_defs *d, struct sig_node *n, uint32_t before, struct sig_lex *l)
{
	struct sig_macro *m;
	int shown = (int)(n->macro.len < 64 ? n->macro.len : 64);

	if (n->kind != SIG_MACRO) {
		for (struct sig_node *child = n->first; child; child = child->next) {
			int r = resolve(d, child, before, l);

			if (r < 0)
				return r;
		}
		return 0;
	}
	m = find_macro(d, n->macro, before);
	if (!m)
		return sig_lex_fail(
			l, n->pos, "unknown macro %.*s", shown, (const char *)n->macro.ptr);
	m->used = true;
	if (!m->text.root)
		return sig_lex_fail(
			l, n->pos, "macro %.*s was refused", shown, (const char *)n->macro.ptr);
	n->definition = m;
	return 0;
}

static int read_text(struct sig_defs *d, struct pw_slice condition, uint32_t before,
	struct sig_text *ret, struct pw_err *err)
{
	struct sig_node *root = NULL;
	int r;

	*ret = (struct sig_text){
		.lex = {.text = condition, .arena = d->arena, .err = err, .written = condition}};
	r = put_lists(d, condition, &ret->lex);
	if (r == 0)
		r = sig_parse_with(&ret->lex, &root);
	if (r == 0)
		r = resolve(d, root, before, &ret->lex);
	ret->lex.err = NULL;
	ret->root = r == 0 ? root : NULL;
	return r;
}

static int add_macros(
	struct sig_defs *d, const Podward__V1__SignatureSet *set, struct problems *problems)
{
	for (size_t i = 0; i < set->n_macros; i++) {
		struct sig_macro *m = &d->macros[i];
		struct pw_err err = PW_ERR_INIT;
		int r;

		if (i >= SIG_MACROS_LIMIT)
			return complain(problems, set, "macros", i,
				"too many macros: this one and those behind it are ignored");
		m->name = bytes_of(set->macros[i]->name);
		r = read_text(d, bytes_of(set->macros[i]->condition), (uint32_t)i, &m->text, &err);
		if (r == -ENOMEM)
			return r;
		d->macro_count = (uint32_t)i + 1;
		if (r < 0 && complain(problems, set, "macros", i, err.msg) < 0)
			return -ENOMEM;
	}
	return 0;
}

int sig_defs_make(const Podward__V1__SignatureSet *set, struct problems *problems,
	struct pw_arena *arena, struct sig_defs **ret)
{
	struct sig_defs *d = pw_arena_alloc0(arena, 1, sizeof(*d));
	size_t lists = set && set->n_lists < SIG_LISTS_LIMIT ? set->n_lists : SIG_LISTS_LIMIT;
	size_t macros = set && set->n_macros < SIG_MACROS_LIMIT ? set->n_macros : SIG_MACROS_LIMIT;
	int r;

	if (!d)
		return -ENOMEM;
	d->arena = arena;
	*ret = d;
	if (!set)
		return 0;
	d->lists = pw_arena_alloc0(arena, lists + 1, sizeof(*d->lists));
	d->macros = pw_arena_alloc0(arena, macros + 1, sizeof(*d->macros));
	d->buckets = pw_arena_alloc0(arena, BUCKETS, sizeof(*d->buckets));
	if (!d->lists || !d->macros || !d->buckets)
		return -ENOMEM;
	r = add_lists(d, set, problems);
	return r < 0 ? r : add_macros(d, set, problems);
}

int sig_defs_read(
	struct sig_defs *d, struct pw_slice condition, struct sig_text *ret, struct pw_err *err)
{
	return read_text(d, condition, d->macro_count, ret, err);
}
