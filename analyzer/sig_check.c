/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_check.h"

#include "analyzer/field_get.h"
#include "common/base/glob.h"
#include "common/base/num.h"

#include <errno.h>

static int slice_order(const void *a, const void *b)
{
	return pw_slice_cmp(*(const struct pw_slice *)a, *(const struct pw_slice *)b);
}

static int number_order(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int no_memory(struct sig_lex *l)
{
	return pw_err_set(l->err, -ENOMEM, "condition: out of memory");
}

static int shown(struct pw_slice s)
{
	return (int)(s.len < 64 ? s.len : 64);
}

static bool is_calls(const struct sig_source *s)
{
	return s->ref.spec->get == get_evt_type && !s->transforms[0];
}

static int wrong_op(const struct sig_atom *t, size_t pos, struct sig_lex *l)
{
	return sig_lex_fail(l, pos, "operator %s does not fit the type of %s", sig_op_name(t->op),
		t->source->ref.spec->name);
}

/* ---- evt.type ---- */
static int make_calls(struct sig_atom *t, size_t pos, struct sig_lex *l)
{
	struct field_calls *calls = pw_arena_alloc0(l->arena, 1, sizeof(*calls));

	if (!calls)
		return no_memory(l);
	for (uint32_t i = 0; i < t->value_count; i++)
		if (field_calls_add(calls, t->values[i]) < 0)
			return sig_lex_fail(l, pos, "unknown event type %.*s", shown(t->values[i]),
				(const char *)t->values[i].ptr);
	field_calls_seal(calls);
	t->calls = calls;
	t->how = SIG_HOW_CALLS;
	return 0;
}

/* ---- numbers ---- */
static int parse_number(const struct sig_atom *t, struct pw_slice text, int64_t *ret)
{
	switch (t->source->type) {
	case FIELD_BOOL:
		if (!pw_slice_eq_str(text, "true") && !pw_slice_eq_str(text, "false"))
			return -EINVAL;
		*ret = pw_slice_eq_str(text, "true");
		return 0;
	case FIELD_PORT:
		return sig_value_port(text, ret);
	default:
		return sig_value_int(text, ret);
	}
}

static int make_numbers(struct sig_atom *t, size_t pos, struct sig_lex *l)
{
	static const char *const takes[] = {[FIELD_INT] = "a number",
		[FIELD_BOOL] = "true or false",
		[FIELD_PORT] = "a port or the name of a service"};

	if (t->op == SIG_OP_INTERSECTS || t->op == SIG_OP_EQ)
		t->op = SIG_OP_IN;
	if (t->op != SIG_OP_IN && (t->op < SIG_OP_LT || t->op > SIG_OP_GE))
		return wrong_op(t, pos, l);
	t->numbers = pw_arena_alloc0(l->arena, t->value_count + 1, sizeof(*t->numbers));
	if (!t->numbers)
		return no_memory(l);
	for (uint32_t i = 0; i < t->value_count; i++)
		if (parse_number(t, t->values[i], &t->numbers[i]) < 0)
			return sig_lex_fail(l, pos, "field %s takes %s, not %.*s",
				t->source->ref.spec->name, takes[t->source->type],
				shown(t->values[i]), (const char *)t->values[i].ptr);
	qsort(t->numbers, t->value_count, sizeof(*t->numbers), number_order);
	t->how = SIG_HOW_NUMBER;
	if (t->source->ref.spec->get == get_evt_num)
		t->always = sig_check_number(t, 1);
	return 0;
}

bool sig_check_number(const struct sig_atom *t, int64_t number)
{
	uint32_t low = 0, high = t->value_count;

	switch (t->op) {
	case SIG_OP_LT:
		return number < t->numbers[0];
	case SIG_OP_LE:
		return number <= t->numbers[0];
	case SIG_OP_GT:
		return number > t->numbers[0];
	case SIG_OP_GE:
		return number >= t->numbers[0];
	default:
		break;
	}
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (t->numbers[middle] == number)
			return true;
		if (t->numbers[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* ---- addresses ---- */
static int make_nets(struct sig_atom *t, size_t pos, struct sig_lex *l)
{
	if (t->op != SIG_OP_EQ && t->op != SIG_OP_IN && t->op != SIG_OP_INTERSECTS)
		return wrong_op(t, pos, l);
	t->op = SIG_OP_IN;
	t->nets = pw_arena_alloc0(l->arena, t->value_count + 1, sizeof(*t->nets));
	if (!t->nets)
		return no_memory(l);
	for (uint32_t i = 0; i < t->value_count; i++)
		if (sig_value_net(t->values[i], &t->nets[i]) < 0)
			return sig_lex_fail(l, pos,
				"field %s takes addresses and ranges such as 10.0.0.0/8, not %.*s",
				t->source->ref.spec->name, shown(t->values[i]),
				(const char *)t->values[i].ptr);
	t->how = SIG_HOW_NET;
	return 0;
}

/* ---- texts ---- */
static int make_lower(struct sig_atom *t, struct sig_lex *l)
{
	struct pw_slice *values = pw_arena_alloc0(l->arena, 1, sizeof(*values));
	struct pw_slice text = t->values[0];
	uint8_t *lower = pw_arena_alloc(l->arena, text.len + 1);

	if (!values || !lower)
		return no_memory(l);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t b = text.ptr[i];

		lower[i] = b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
	}
	values[0] = pw_slice_of(lower, text.len);
	t->values = values;
	return 0;
}

/* bcontains and bstartswith: the value is in hexadecimal. */
static int make_bytes(struct sig_atom *t, size_t pos, struct sig_lex *l)
{
	struct pw_slice *values = pw_arena_alloc0(l->arena, 1, sizeof(*values));
	struct pw_slice text = t->values[0];
	uint8_t *bytes = pw_arena_alloc(l->arena, text.len / 2 + 1);

	if (!values || !bytes)
		return no_memory(l);
	for (size_t i = 0; i < text.len / 2; i++) {
		uint64_t byte;

		if (pw_num_hex(pw_slice_sub(text, 2 * i, 2 * i + 2), 255, &byte) < 0)
			return sig_lex_fail(
				l, pos, "%s takes hexadecimal digits", sig_op_name(t->op));
		bytes[i] = (uint8_t)byte;
	}
	if (text.len % 2)
		return sig_lex_fail(
			l, pos, "%s takes pairs of hexadecimal digits", sig_op_name(t->op));
	values[0] = pw_slice_of(bytes, text.len / 2);
	t->values = values;
	t->how = t->op == SIG_OP_BCONTAINS ? SIG_HOW_CONTAINS : SIG_HOW_STARTS;
	return 0;
}

static bool is_plain_path(struct pw_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr("*?[\\", s.ptr[i]) && s.ptr[i])
			return false;
	return true;
}

/* Paths without wildcards share a trie; the others are matched one by one. */
static int make_paths(struct sig_atom *t, struct sig_lex *l)
{
	struct pw_slice *values = pw_arena_alloc0(l->arena, t->value_count + 1, sizeof(*values));

	if (!values)
		return no_memory(l);
	t->how = SIG_HOW_PATH;
	for (uint32_t i = 0; i < t->value_count; i++) {
		values[i] = pw_glob_strip(t->values[i]);
		if (values[i].len == 0 || !is_plain_path(values[i]))
			t->how = SIG_HOW_ALONE;
	}
	if (t->how == SIG_HOW_PATH)
		t->values = values;
	return 0;
}

static int make_regex(struct sig_atom *t, size_t pos, struct sig_lex *l)
{
	struct pw_err err = PW_ERR_INIT;
	int r = regex_new(t->values[0], l->arena, &t->regex, &err);

	t->how = SIG_HOW_ALONE;
	if (r == -ENOMEM)
		return no_memory(l);
	return r < 0 ? sig_lex_fail(l, pos, "%s", err.msg) : 0;
}

/* A pattern with stars at its ends only is a prefix, a suffix or a part: those share one pass. */
static int make_glob(struct sig_atom *t, struct sig_lex *l)
{
	struct pw_slice text = t->values[0], *values;
	bool starts = text.len > 0 && text.ptr[0] == '*', ends;

	if (starts)
		text = pw_slice_sub(text, 1, text.len);
	ends = text.len > 0 && text.ptr[text.len - 1] == '*';
	if (ends)
		text.len--;
	t->how = SIG_HOW_GLOB;
	if (!is_plain_path(text))
		return 0;
	values = pw_arena_alloc0(l->arena, 1, sizeof(*values));
	if (!values)
		return no_memory(l);
	values[0] = text;
	t->values = values;
	if (starts && ends)
		t->how = SIG_HOW_CONTAINS;
	else
		t->how = starts ? SIG_HOW_ENDS : ends ? SIG_HOW_STARTS : SIG_HOW_EQUAL;
	return 0;
}

static int make_texts(struct sig_atom *t, size_t pos, struct sig_lex *l)
{
	switch (t->op) {
	case SIG_OP_EQ:
	case SIG_OP_IN:
	case SIG_OP_INTERSECTS:
		t->op = SIG_OP_IN;
		t->how = SIG_HOW_EQUAL;
		if (t->value_count > 1)
			qsort(t->values, t->value_count, sizeof(*t->values), slice_order);
		return 0;
	case SIG_OP_STARTSWITH:
		t->how = SIG_HOW_STARTS;
		return 0;
	case SIG_OP_ENDSWITH:
		t->how = SIG_HOW_ENDS;
		return 0;
	case SIG_OP_CONTAINS:
		t->how = SIG_HOW_CONTAINS;
		return 0;
	case SIG_OP_ICONTAINS:
		t->how = SIG_HOW_ICONTAINS;
		return make_lower(t, l);
	case SIG_OP_BCONTAINS:
	case SIG_OP_BSTARTSWITH:
		return make_bytes(t, pos, l);
	case SIG_OP_PMATCH:
		return make_paths(t, l);
	case SIG_OP_REGEX:
		return make_regex(t, pos, l);
	case SIG_OP_GLOB:
		return make_glob(t, l);
	case SIG_OP_IGLOB:
		t->how = SIG_HOW_ALONE;
		return make_lower(t, l);
	default:
		t->how = SIG_HOW_ALONE;
		return 0;
	}
}

/* ---- comparison with another field ---- */
static bool is_numeric(enum field_type type)
{
	return type == FIELD_INT || type == FIELD_BOOL || type == FIELD_PORT;
}

static int make_right(struct sig_atom *t, size_t pos, struct sig_lex *l)
{
	bool numeric = is_numeric(t->source->type);

	if (numeric != is_numeric(t->right->type))
		return sig_lex_fail(l, pos, "%s and %s are of different types",
			t->source->ref.spec->name, t->right->ref.spec->name);
	if (t->op == SIG_OP_INTERSECTS || t->op == SIG_OP_IN)
		t->op = SIG_OP_EQ;
	if (t->op == SIG_OP_REGEX || t->op == SIG_OP_BCONTAINS || t->op == SIG_OP_BSTARTSWITH ||
		t->op == SIG_OP_ICONTAINS || t->op == SIG_OP_IGLOB ||
		(numeric && (t->op < SIG_OP_EQ || t->op > SIG_OP_GE)))
		return wrong_op(t, pos, l);
	t->how = SIG_HOW_RIGHT;
	return 0;
}

int sig_check_make(struct sig_atom *t, size_t pos, struct sig_lex *l)
{
	bool is_type = is_calls(t->source);

	if (t->op == SIG_OP_EXISTS) {
		t->how = SIG_HOW_EXISTS;
		return 0;
	}
	if (t->right)
		return make_right(t, pos, l);
	if (is_type) {
		int r = make_calls(t, pos, l); /* names are checked whatever the operator */

		if (r < 0 || t->op == SIG_OP_EQ || t->op == SIG_OP_IN ||
			t->op == SIG_OP_INTERSECTS) {
			t->op = SIG_OP_IN;
			return r;
		}
		t->calls = NULL;
	}
	switch (t->source->type) {
	case FIELD_TEXT:
		return make_texts(t, pos, l);
	case FIELD_IP:
		return make_nets(t, pos, l);
	default:
		return make_numbers(t, pos, l);
	}
}

void sig_check_rate(struct sig_atom *t)
{
	t->kinds = t->source->ref.spec->kinds;
	t->is_event = t->source->is_event;
	if (t->how == SIG_HOW_CALLS)
		t->kinds = t->calls->kinds;
	if (t->right) {
		t->kinds &= t->right->ref.spec->kinds;
		t->is_event |= t->right->is_event;
	}
	if (!t->is_event)
		t->cost = t->how >= SIG_HOW_ALONE ? 2 : 1;
	else if (t->how == SIG_HOW_CALLS)
		t->cost = 3;
	else if (t->how == SIG_HOW_NUMBER)
		t->cost = 4;
	else
		t->cost = t->regex ? 30 : t->how >= SIG_HOW_ALONE ? 20 : 6;
}
