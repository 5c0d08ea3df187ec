// SPDX-License-Identifier: Apache-2.0
#include "policysync/falco_private.h"
#include <errno.h>

#define CONDITION_MAX ((size_t)64 << 10)

/* ---- taking them over ---- */
static struct falco_exception *find(struct falco_rule *r, struct pw_slice name)
{
	for (uint32_t i = 0; i < r->exception_count; i++)
		if (pw_slice_eq(r->exceptions[i].name, name))
			return &r->exceptions[i];
	return NULL;
}

static bool lengths_fit(const struct falco_exception *e)
{
	if (pw_json_type(e->fields) != PW_JSON_ARRAY)
		return pw_json_type(e->comps) != PW_JSON_ARRAY;
	return !e->comps || pw_json_size(e->comps) == pw_json_size(e->fields);
}

/* 1 = taken, 0 = refused, -ENOMEM. */
static int take_new(
	struct falco *f, struct falco_rule *r, const struct pw_json *j, struct pw_slice name)
{
	struct falco_exception e = {
		.name = name, .fields = pw_json_get(j, "fields"), .comps = pw_json_get(j, "comps")};

	if (r->exception_count == FALCO_EXCEPTIONS)
		return falco_refuse(f, "more than %u exceptions", FALCO_EXCEPTIONS);
	if (!e.fields || !lengths_fit(&e))
		return falco_refuse(f, "exception %.*s: %s", (int)(name.len < 60 ? name.len : 60),
			(const char *)name.ptr,
			e.fields ? "comps and fields must be alike" : "fields is missing");
	if (pw_json_get(j, "values"))
		e.values[e.value_count++] = pw_json_get(j, "values");
	if (!r->exceptions)
		r->exceptions = pw_arena_alloc0(f->arena, FALCO_EXCEPTIONS, sizeof(*r->exceptions));
	if (!r->exceptions)
		return -ENOMEM;
	r->exceptions[r->exception_count++] = e;
	return 1;
}

static int take_one(struct falco *f, struct falco_rule *r, const struct pw_json *j)
{
	struct pw_slice name = falco_text(f, pw_json_get(j, "name"));
	struct falco_exception *old = find(r, name);

	if (name.len == 0)
		return falco_refuse(f, "exceptions: an exception has no name");
	if (!old)
		return take_new(f, r, j, name);
	if (pw_json_get(j, "fields") || pw_json_get(j, "comps"))
		return falco_refuse(f, "exception %.*s is there already: only values can be added",
			(int)(name.len < 60 ? name.len : 60), (const char *)name.ptr);
	if (old->value_count == PW_COUNT(old->values))
		return falco_refuse(f, "values of an exception are added more than %zu times",
			PW_COUNT(old->values));
	if (pw_json_get(j, "values"))
		old->values[old->value_count++] = pw_json_get(j, "values");
	return 1;
}

int falco_exceptions_take(
	struct falco *f, struct falco_rule *r, const struct pw_json *exceptions, enum falco_way way)
{
	int taken = 1;

	if (pw_json_type(exceptions) != PW_JSON_ARRAY)
		return falco_refuse(f, "exceptions must be a list");
	if (way != FALCO_APPEND)
		r->exception_count = 0;
	for (size_t i = 0; taken > 0 && i < pw_json_size(exceptions); i++)
		taken = take_one(f, r, pw_json_at(exceptions, i));
	return taken;
}

/* ---- as a condition ---- */
static bool is_bare(struct pw_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || strchr("()\"'=,", s.ptr[i]))
			return false;
	return s.len > 0;
}

static void add_value(struct pw_buf *out, struct pw_slice s)
{
	if (is_bare(s)) {
		(void)pw_buf_add_slice(out, s);
		return;
	}
	(void)pw_buf_add_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			(void)pw_buf_add_byte(out, '\\');
		(void)pw_buf_add_byte(out, s.ptr[i]);
	}
	(void)pw_buf_add_byte(out, '"');
}

static void add_list(struct falco *f, struct pw_buf *out, const struct pw_json *values)
{
	(void)pw_buf_add_byte(out, '(');
	for (size_t i = 0; i < pw_json_size(values); i++) {
		(void)pw_buf_add_str(out, i ? ", " : "");
		add_value(out, falco_text(f, pw_json_at(values, i)));
	}
	(void)pw_buf_add_byte(out, ')');
}

static bool takes_list(struct pw_slice comp)
{
	return pw_slice_eq_str(comp, "in") || pw_slice_eq_str(comp, "intersects") ||
	       pw_slice_eq_str(comp, "pmatch");
}

static void add_check(struct falco *f, struct pw_buf *out, struct pw_slice field,
	struct pw_slice comp, const struct pw_json *value)
{
	(void)pw_buf_add_slice(out, field);
	(void)pw_buf_add_byte(out, ' ');
	(void)pw_buf_add_slice(out, comp);
	(void)pw_buf_add_byte(out, ' ');
	if (pw_json_type(value) == PW_JSON_ARRAY) {
		add_list(f, out, value);
		return;
	}
	(void)pw_buf_add_str(out, takes_list(comp) ? "(" : "");
	add_value(out, falco_text(f, value));
	(void)pw_buf_add_str(out, takes_list(comp) ? ")" : "");
}

/* One row of values against the fields: all must hold. */
static void add_row(struct falco *f, const struct falco_exception *e, const struct pw_json *row,
	struct pw_buf *out)
{
	size_t n = pw_json_size(e->fields);

	(void)pw_buf_add_byte(out, '(');
	for (size_t i = 0; i < n && i < pw_json_size(row); i++) {
		struct pw_slice comp =
			e->comps ? falco_text(f, pw_json_at(e->comps, i)) : PW_SLICE_LIT("=");

		(void)pw_buf_add_str(out, i ? " and " : "");
		add_check(
			f, out, falco_text(f, pw_json_at(e->fields, i)), comp, pw_json_at(row, i));
	}
	(void)pw_buf_add_byte(out, ')');
}

static bool add_values(struct falco *f, const struct falco_exception *e,
	const struct pw_json *values, bool any, struct pw_buf *out)
{
	if (pw_json_type(e->fields) != PW_JSON_ARRAY) {
		struct pw_slice comp = e->comps ? falco_text(f, e->comps) : PW_SLICE_LIT("in");

		if (pw_json_size(values) == 0)
			return any;
		(void)pw_buf_add_str(out, any ? " or " : "");
		add_check(f, out, falco_text(f, e->fields), comp, values);
		return true;
	}
	for (size_t i = 0; i < pw_json_size(values); i++) {
		(void)pw_buf_add_str(out, any ? " or " : "");
		add_row(f, e, pw_json_at(values, i), out);
		any = true;
	}
	return any;
}

struct pw_slice falco_condition(struct falco *f, const struct falco_rule *r)
{
	struct pw_slice made = r->condition;
	pw_auto_buf all;
	bool has_any = false;

	pw_buf_init(&all, CONDITION_MAX);
	(void)pw_buf_add_byte(&all, '(');
	(void)pw_buf_add_slice(&all, r->condition);
	(void)pw_buf_add_byte(&all, ')');
	for (uint32_t i = 0; i < r->exception_count; i++) {
		size_t before = all.len;
		bool any = false;

		(void)pw_buf_add_str(&all, " and not (");
		for (uint32_t k = 0; k < r->exceptions[i].value_count; k++)
			any = add_values(
				f, &r->exceptions[i], r->exceptions[i].values[k], any, &all);
		if (!any)
			all.len = before;
		else
			(void)pw_buf_add_byte(&all, ')');
		has_any |= any;
	}
	if (pw_buf_error(&all))
		return (struct pw_slice){NULL, 0};
	if (has_any)
		made = pw_arena_dup(f->arena, pw_buf_slice(&all));
	return made;
}
