/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/fields.h"

#include "analyzer/field_get.h"
#include "common/base/num.h"

#include <errno.h>
#include <stdio.h>

int field_ctx_new(struct field_ctx **ret)
{
	struct field_ctx *c = pw_alloc0(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*ret = c;
	return 0;
}

void field_ctx_free(struct field_ctx *c)
{
	free(c);
}

void field_ctx_begin(struct field_ctx *c, const struct pw_event *event)
{
	c->event = event;
	c->used = 0;
	c->args.is_built = false;
	c->cmdline.is_built = false;
}

const struct field_spec *field_find(struct pw_slice name)
{
	for (size_t i = 0; i < field_count; i++)
		if (pw_slice_eq_str(name, field_table[i].name))
			return &field_table[i];
	return NULL;
}

static const char *index_fault(
	const struct field_spec *f, struct pw_slice arg, struct field_ref *ret)
{
	uint64_t index;

	switch (f->arg) {
	case FIELD_KEY:
		ret->key = arg;
		return arg.ptr ? NULL : "takes a name in [ ]";
	case FIELD_ANCESTOR:
		if (!arg.ptr)
			return NULL;
		if (pw_num_u64(arg, FIELD_INDEX_LIMIT, &index) < 0)
			return "takes a number from 0 to 64 in [ ]";
		ret->index = (int32_t)index;
		return NULL;
	default:
		return arg.ptr ? "takes no [argument]" : NULL;
	}
}

int field_ref_make(
	struct pw_slice name, struct pw_slice arg, struct field_ref *ret, const char **ret_fault)
{
	struct field_ref made = {.spec = field_find(name), .index = -1};
	const char *fault = "is unknown";

	if (made.spec && !made.spec->get)
		fault = made.spec->help;
	else if (made.spec)
		fault = index_fault(made.spec, arg, &made);
	if (fault) {
		*ret_fault = fault;
		return -EINVAL;
	}
	*ret = made;
	return 0;
}

bool field_print(const struct field_ref *r, struct field_ctx *c, char out[24], struct pw_slice *ret)
{
	struct field_value v = {.text = {NULL, 0}};

	if (!r->spec->get(c, r, &v))
		return false;
	if (r->spec->type == FIELD_TEXT || r->spec->type == FIELD_IP)
		*ret = v.text;
	else if (r->spec->type == FIELD_BOOL)
		*ret = pw_slice_str(v.number ? "true" : "false");
	else
		*ret = pw_slice_of(out, (size_t)snprintf(out, 24, "%lld", (long long)v.number));
	return true;
}

const struct pw_process *field_ancestor(const struct pw_process *p, uint32_t n)
{
	while (p && n-- > 0)
		p = p->parent;
	return p;
}

const char *field_result_name(int32_t ret)
{
	const char *name;

	if (ret >= 0)
		return "SUCCESS";
	/* ret is not trusted: negating INT32_MIN must not overflow. */
	name = ret > -4096 ? strerrorname_np(-ret) : NULL;
	return name ? name : "UNKNOWN";
}

bool field_is_done(const struct pw_event *e)
{
	return e->ret >= 0 || e->kind == PW_EVENT_EXIT ||
	       (e->kind == PW_EVENT_CONNECT && e->ret == -EINPROGRESS);
}

/* ---- shared by the getters ---- */
struct field_build field_build(struct field_ctx *c)
{
	return (struct field_build){c, c->used};
}

void field_add(struct field_build *b, struct pw_slice s)
{
	size_t room = sizeof(b->c->scratch) - b->c->used;
	size_t left = FIELD_TEXT_BYTES - (b->c->used - b->from);

	if (room > left)
		room = left;
	if (s.len > room)
		s.len = room;
	if (s.len > 0)
		memcpy(b->c->scratch + b->c->used, s.ptr, s.len);
	b->c->used += s.len;
}

struct pw_slice field_built(const struct field_build *b)
{
	return pw_slice_of(b->c->scratch + b->from, b->c->used - b->from);
}

struct pw_slice field_base_name(struct pw_slice path)
{
	ptrdiff_t slash = pw_slice_rfind_byte(path, '/');

	return slash < 0 ? path : pw_slice_sub(path, (size_t)slash + 1, path.len);
}

struct pw_slice field_process_name(const struct pw_process *p)
{
	return p->comm.len > 0 ? p->comm : field_base_name(p->exe);
}

struct pw_slice field_decimal(struct field_ctx *c, int64_t n)
{
	struct field_build b = field_build(c);
	char text[24];

	field_add(
		&b, pw_slice_of(text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)n)));
	return field_built(&b);
}
