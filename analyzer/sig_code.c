/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_code.h"

#include <errno.h>
#include <stdio.h>

struct writer {
	struct sig_atoms *atoms;
	struct sig_lex lex; /* of the text that the node stands in, for messages */
	struct sig_code *code;
	uint32_t from; /* where this condition's tests start */
	uint8_t kind;
	uint32_t depth;
	uint32_t steps; /* checks met, also in macros that are used again */
};

/* Walks into a macro: its nodes' positions are in its own text. */
static struct sig_lex enter(struct writer *w, const struct sig_node *n)
{
	struct sig_lex outer = w->lex;

	w->lex = n->definition->text.lex;
	w->lex.err = outer.err;
	return outer;
}

static int leave(struct writer *w, const struct sig_node *n, struct sig_lex outer, int r)
{
	w->lex = outer;
	if (r >= 0)
		return r;
	return pw_err_wrap(outer.err, r, "macro %.*s", (int)(n->macro.len < 64 ? n->macro.len : 64),
		(const char *)n->macro.ptr);
}

static int too_deep(struct writer *w)
{
	return pw_err_set(w->lex.err, -E2BIG, "condition nested deeper than %u with its macros",
		SIG_CODE_DEPTH);
}

/* ---- which kinds ---- */
struct kinds {
	uint64_t yes, no; /* for which it may be true, may be false */
};

static struct kinds found_kinds(const struct sig_found *f)
{
	struct kinds k = {f->atom->kinds, FIELD_ALL_KINDS};

	if (f->atom->always >= 0)
		k = (struct kinds){f->atom->always ? FIELD_ALL_KINDS : 0,
			f->atom->always ? 0 : FIELD_ALL_KINDS};
	if (f->atom->how == SIG_HOW_CALLS)
		k.no = FIELD_ALL_KINDS & ~f->atom->calls->whole;
	if (!f->inverted)
		return k;
	return (struct kinds){k.no & f->exists->kinds, FIELD_ALL_KINDS};
}

/* Looks the check up once; what is found stays at the node. */
static int find_atoms(struct writer *w, struct sig_check *c)
{
	uint32_t count = c->modifier == SIG_PLAIN ? 1 : c->value_count;
	struct sig_found *found;

	if (c->found)
		return 0;
	if (c->modifier != SIG_PLAIN && c->op == SIG_OP_NE)
		return sig_lex_fail(
			&w->lex, c->left->pos, "!= takes no oneof, anyof or allof; use not");
	found = pw_arena_alloc0(w->atoms->arena, count + 1, sizeof(*found));
	if (!found)
		return pw_err_set(w->lex.err, -ENOMEM, "condition: out of memory");
	for (uint32_t i = 0; i < count; i++) {
		int32_t value = c->modifier == SIG_PLAIN ? -1 : (int32_t)i;
		int r = sig_atoms_get(w->atoms, c, value, &w->lex, &found[i]);

		if (r < 0)
			return r;
	}
	c->found = found;
	return 0;
}

static int check_kinds(struct writer *w, struct sig_node *n, struct kinds *ret)
{
	struct sig_check *c = &n->check;
	int r;

	w->steps += c->modifier == SIG_PLAIN ? 1 : c->value_count;
	if (w->steps > SIG_CODE_TESTS)
		return pw_err_set(
			w->lex.err, -E2BIG, "more than %u checks with the macros", SIG_CODE_TESTS);
	r = find_atoms(w, c);
	if (r < 0)
		return r;
	*ret = (struct kinds){0, FIELD_ALL_KINDS};
	if (c->modifier == SIG_PLAIN)
		*ret = found_kinds(&c->found[0]);
	else
		for (uint32_t i = 0; i < c->value_count; i++)
			ret->yes |= c->found[i].atom->kinds;
	return 0;
}

static int node_kinds(struct writer *w, struct sig_node *n, struct kinds *ret);

static int children_kinds(struct writer *w, struct sig_node *n, struct kinds *ret)
{
	bool all = n->kind == SIG_AND;
	struct kinds child;

	*ret = all ? (struct kinds){FIELD_ALL_KINDS, 0} : (struct kinds){0, FIELD_ALL_KINDS};
	for (struct sig_node *at = n->first; at; at = at->next) {
		int r = node_kinds(w, at, &child);

		if (r < 0)
			return r;
		ret->yes = all ? ret->yes & child.yes : ret->yes | child.yes;
		ret->no = all ? ret->no | child.no : ret->no & child.no;
	}
	return 0;
}

static int node_kinds(struct writer *w, struct sig_node *n, struct kinds *ret)
{
	struct sig_lex outer;
	struct kinds child;
	int r;

	if (n->kind == SIG_CHECK)
		return check_kinds(w, n, ret);
	if (w->depth >= SIG_CODE_DEPTH)
		return too_deep(w);
	w->depth++;
	if (n->kind == SIG_MACRO) {
		outer = enter(w, n);
		r = leave(w, n, outer, node_kinds(w, n->definition->text.root, ret));
	} else if (n->kind == SIG_NOT) {
		r = node_kinds(w, n->first, &child);
		if (r == 0)
			*ret = (struct kinds){child.no, child.yes};
	} else {
		r = children_kinds(w, n, ret);
	}
	w->depth--;
	return r;
}

int sig_code_kinds(
	struct sig_atoms *a, const struct sig_text *text, struct pw_err *err, uint64_t *ret)
{
	struct writer w = {.atoms = a, .lex = text->lex};
	struct kinds k;
	int r;

	w.lex.err = err;
	r = node_kinds(&w, text->root, &k);
	if (r == 0)
		*ret = k.yes;
	return r;
}

/* ---- writing ---- */
static int emit(struct writer *w, const struct sig_atom *t, int32_t yes, int32_t no, int32_t *ret)
{
	struct sig_code *code = w->code;
	struct sig_test *grown;
	uint32_t want = code->capacity ? code->capacity * 2 : 1024;

	if (code->count - w->from >= SIG_CODE_TESTS || code->count >= code->limit)
		return -E2BIG;
	if (code->count == code->capacity) {
		grown = pw_realloc(code->tests, want, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		code->tests = grown;
		code->capacity = want;
	}
	code->tests[code->count] =
		(struct sig_test){t->bit | (t->is_event ? SIG_EVENT_ATOM : 0), yes, no};
	*ret = (int32_t)code->count++;
	return 0;
}

/* What the kind of event decides: 1, 0, or -1 when the event must be asked. */
static int decided(const struct writer *w, const struct sig_atom *t)
{
	if (t->always >= 0)
		return t->always;
	if (!(t->kinds >> w->kind & 1u))
		return 0;
	if (t->how == SIG_HOW_CALLS && (t->calls->whole >> w->kind & 1u))
		return 1;
	return -1;
}

static int write_atom(
	struct writer *w, const struct sig_atom *t, int32_t yes, int32_t no, int32_t *ret)
{
	int known = decided(w, t);

	if (known >= 0 || yes == no) {
		*ret = known == 0 ? no : yes;
		return 0;
	}
	return emit(w, t, yes, no, ret);
}

static int write_found(
	struct writer *w, const struct sig_found *f, int32_t yes, int32_t no, int32_t *ret)
{
	int32_t inner;
	int r;

	if (!f->inverted)
		return write_atom(w, f->atom, yes, no, ret);
	r = write_atom(w, f->atom, no, yes, &inner);
	return r < 0 ? r : write_atom(w, f->exists, inner, no, ret);
}

/* allof: every value, anyof: at least one, oneof: exactly one. Written from the last value. */
static int write_modified(
	struct writer *w, const struct sig_check *c, int32_t yes, int32_t no, int32_t *ret)
{
	int32_t none = c->modifier == SIG_ALLOF ? yes : no; /* entry when no value was true yet */
	int32_t one = yes;                                  /* oneof: when one was */

	for (uint32_t i = c->value_count; i-- > 0;) {
		const struct sig_atom *t = c->found[i].atom;
		int32_t next_one = one;
		int r = 0;

		if (c->modifier == SIG_ONEOF)
			r = write_atom(w, t, no, one, &next_one);
		if (r == 0 && c->modifier == SIG_ALLOF)
			r = write_atom(w, t, none, no, &none);
		else if (r == 0)
			r = write_atom(w, t, c->modifier == SIG_ONEOF ? one : yes, none, &none);
		if (r < 0)
			return r;
		one = next_one;
	}
	*ret = none;
	return 0;
}

static uint32_t cost_of(struct writer *w, const struct sig_node *n, uint32_t depth)
{
	uint32_t sum = 0;

	if (depth > 8)
		return 1000;
	if (n->kind == SIG_MACRO)
		return cost_of(w, n->definition->text.root, depth + 1);
	if (n->kind == SIG_CHECK && n->check.modifier != SIG_PLAIN)
		return 100;
	if (n->kind == SIG_CHECK)
		return decided(w, n->check.found[0].atom) >= 0 ? 0 : n->check.found[0].atom->cost;
	for (const struct sig_node *at = n->first; at && sum < 1000; at = at->next)
		sum += cost_of(w, at, depth + 1);
	return sum;
}

struct child {
	const struct sig_node *node;
	uint32_t cost, order;
};

static int child_order(const void *a, const void *b)
{
	const struct child *x = a, *y = b;

	if (x->cost != y->cost)
		return x->cost < y->cost ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int write_node(
	struct writer *w, const struct sig_node *n, int32_t yes, int32_t no, int32_t *ret);

/* and: a true child goes on to the next one; or: a false one does. Written from the last. */
static int write_children(
	struct writer *w, const struct sig_node *n, int32_t yes, int32_t no, int32_t *ret)
{
	int32_t entry = n->kind == SIG_AND ? yes : no;
	struct child *children;
	uint32_t count = 0, i = 0;
	int r = 0;

	for (const struct sig_node *at = n->first; at; at = at->next)
		count++;
	children = pw_alloc0(count, sizeof(*children));
	if (!children)
		return -ENOMEM;
	for (const struct sig_node *at = n->first; at; at = at->next, i++)
		children[i] = (struct child){at, cost_of(w, at, 0), i};
	qsort(children, count, sizeof(*children), child_order);
	while (r == 0 && count-- > 0)
		r = n->kind == SIG_AND ? write_node(w, children[count].node, entry, no, &entry)
				       : write_node(w, children[count].node, yes, entry, &entry);
	free(children);
	if (r == 0)
		*ret = entry;
	return r;
}

static int write_node(
	struct writer *w, const struct sig_node *n, int32_t yes, int32_t no, int32_t *ret)
{
	switch (n->kind) {
	case SIG_NOT:
		return write_node(w, n->first, no, yes, ret);
	case SIG_MACRO:
		return write_node(w, n->definition->text.root, yes, no, ret);
	case SIG_CHECK:
		if (n->check.modifier != SIG_PLAIN)
			return write_modified(w, &n->check, yes, no, ret);
		return write_found(w, &n->check.found[0], yes, no, ret);
	default:
		return write_children(w, n, yes, no, ret);
	}
}

int sig_code_add(
	struct sig_code *code, const struct sig_text *text, uint8_t kind, int32_t *ret_entry)
{
	struct writer w = {.code = code, .from = code->count, .kind = kind};

	return write_node(&w, text->root, SIG_TRUE, SIG_FALSE, ret_entry);
}
