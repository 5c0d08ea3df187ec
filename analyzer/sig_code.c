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
	uint32_t steps;  /* checks met, also in macros that are used again */
	bool in_process; /* all of what is written belongs to a compound of the process */
};

/* Where a test goes on. */
struct sig_ways {
	int32_t yes, no;
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

/* ---- merging ---- */
/* The atom of a child that can be merged under this node: a check under or, "not check" under and.
 */
static const struct sig_atom *mergeable(const struct sig_node *n, const struct sig_node *child)
{
	if (n->kind == SIG_AND) {
		if (child->kind != SIG_NOT)
			return NULL;
		child = child->first;
	}
	if (child->kind != SIG_CHECK || child->check.modifier != SIG_PLAIN ||
		child->check.found[0].inverted ||
		!sig_atom_is_mergeable(child->check.found[0].atom))
		return NULL;
	return child->check.found[0].atom;
}

static int put_union(
	struct writer *w, struct sig_node *n, struct sig_node *first, const struct sig_atom *merged)
{
	struct sig_node *check = n->kind == SIG_AND ? first->first : first;
	struct sig_found *found = pw_arena_alloc0(w->atoms->arena, 1, sizeof(*found));
	struct sig_node *copy = pw_arena_alloc(w->atoms->arena, sizeof(*copy));

	if (!found || !copy)
		return pw_err_set(w->lex.err, -ENOMEM, "condition: out of memory");
	found->atom = merged;
	*copy = *check;
	copy->check.found = found;
	copy->next = n->kind == SIG_AND ? NULL : first->next;
	if (n->kind == SIG_AND)
		first->first = copy;
	else
		*first = *copy;
	return 0;
}

/* Takes the children with the same source as first out, and merges them into it. */
static int merge_into(struct writer *w, struct sig_node *n, struct sig_node *first)
{
	const struct sig_atom *atom = mergeable(n, first), **parts, *merged;
	uint32_t count = 1;
	int r;

	for (const struct sig_node *at = first->next; at; at = at->next)
		count += mergeable(n, at) && mergeable(n, at)->source == atom->source;
	if (count < 2)
		return 0;
	parts = pw_arena_alloc0(w->atoms->arena, count, sizeof(const struct sig_atom *));
	if (!parts)
		return pw_err_set(w->lex.err, -ENOMEM, "condition: out of memory");
	parts[0] = atom;
	count = 1;
	for (struct sig_node **at = &first->next; *at;) {
		const struct sig_atom *t = mergeable(n, *at);

		if (t && t->source == atom->source) {
			parts[count++] = t;
			*at = (*at)->next;
		} else {
			at = &(*at)->next;
		}
	}
	r = sig_atoms_union(w->atoms, parts, count, &w->lex, &merged);
	return r < 0 ? r : put_union(w, n, first, merged);
}

static int merge_children(struct writer *w, struct sig_node *n)
{
	int r = 0;

	for (struct sig_node *at = n->first; r == 0 && at; at = at->next)
		if (mergeable(n, at))
			r = merge_into(w, n, at);
	return r;
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
	return merge_children(w, n);
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
static int emit(struct writer *w, uint32_t atom, int32_t yes, int32_t no, int32_t *ret)
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
	code->tests[code->count] = (struct sig_test){atom, yes, no};
	*ret = (int32_t)code->count++;
	return 0;
}

static int write_atom(
	struct writer *w, const struct sig_atom *t, int32_t yes, int32_t no, int32_t *ret)
{
	int known = sig_atom_decided(t, w->kind);

	if (known >= 0 || yes == no) {
		*ret = known == 0 ? no : yes;
		return 0;
	}
	return emit(w, t->bit | (t->is_event ? SIG_EVENT_ATOM : 0), yes, no, ret);
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
		return sig_atom_decided(n->check.found[0].atom, w->kind) >= 0
			       ? 0
			       : n->check.found[0].atom->cost;
	for (const struct sig_node *at = n->first; at && sum < 1000; at = at->next)
		sum += cost_of(w, at, depth + 1);
	return sum;
}

#define RARELY 8u /* a check that decides is worth this many that seldom do */

/* ---- compounds ---- */
enum scope { SCOPE_UNKNOWN, SCOPE_PROCESS, SCOPE_EVENT };

static uint8_t check_scope(const struct sig_check *c)
{
	uint32_t count = c->modifier == SIG_PLAIN ? 1 : c->value_count;

	for (uint32_t i = 0; i < count; i++)
		if (c->found[i].atom->is_event)
			return SCOPE_EVENT;
	return SCOPE_PROCESS;
}

static uint8_t scope_of(struct sig_node *n)
{
	if (n->scope)
		return n->scope;
	if (n->kind == SIG_CHECK)
		n->scope = check_scope(&n->check);
	else if (n->kind == SIG_MACRO)
		n->scope = scope_of(n->definition->text.root);
	else
		n->scope = SCOPE_PROCESS;
	for (struct sig_node *at = n->first; at && n->scope == SCOPE_PROCESS; at = at->next)
		n->scope = scope_of(at);
	return n->scope;
}

static int add_compound(struct sig_compounds *c, int32_t entry, uint32_t *ret)
{
	uint32_t want = c->capacity ? c->capacity * 2 : 64;
	int32_t *grown;

	if (c->count == SIG_COMPOUNDS)
		return -E2BIG;
	if (c->count == c->capacity) {
		grown = pw_realloc(c->entries, want, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		c->entries = grown;
		c->capacity = want;
	}
	c->entries[c->count++] = entry;
	*ret = c->count; /* number + 1: 0 is none */
	return 0;
}

/* One test that asks the compound of this number + 1. */
static int write_compound(
	struct writer *w, uint32_t number, uint32_t flags, struct sig_ways ways, int32_t *ret)
{
	int32_t entry =
		(flags & SIG_EVENT_ATOM ? w->code->event : w->code->process).entries[number - 1];

	if (entry < 0 || ways.yes == ways.no) {
		*ret = entry == SIG_FALSE ? ways.no : ways.yes;
		return 0;
	}
	return emit(w, (number - 1) | SIG_COMPOUND | flags, ways.yes, ways.no, ret);
}

/* ---- nodes ---- */
struct child {
	struct sig_node *node;
	uint32_t cost, order;
};

static int child_order(const void *a, const void *b)
{
	const struct child *x = a, *y = b;

	if (x->cost != y->cost)
		return x->cost < y->cost ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int write_node(struct writer *w, struct sig_node *n, int32_t yes, int32_t no, int32_t *ret);

/* and: a true child goes on to the next one; or: a false one does. Written from the last. */
static int write_list(struct writer *w, enum sig_node_kind kind, const struct child *children,
	uint32_t count, struct sig_ways ways, int32_t *ret)
{
	int32_t entry = kind == SIG_AND ? ways.yes : ways.no;
	int r = 0;

	while (r == 0 && count-- > 0)
		r = kind == SIG_AND ? write_node(w, children[count].node, entry, ways.no, &entry)
				    : write_node(w, children[count].node, ways.yes, entry, &entry);
	if (r == 0)
		*ret = entry;
	return r;
}

/* Children that depend on the process only come first, as one compound that belongs to the node. */
static int write_process_part(struct writer *w, struct sig_node *n, struct child *children,
	uint32_t count, struct sig_ways ways, int32_t *ret)
{
	bool outer = w->in_process;
	int32_t entry;
	int r;

	if (!n->compound) {
		w->in_process = true;
		r = write_list(w, n->kind, children, count, (struct sig_ways){SIG_TRUE, SIG_FALSE},
			&entry);
		w->in_process = outer;
		if (r == 0)
			r = add_compound(&w->code->process, entry, &n->compound);
		if (r < 0)
			return r;
	}
	return write_compound(w, n->compound, 0, ways, ret);
}

/* Under and, what is likely false comes first, under or what is likely true: most events are
 * ordinary, so a check is likely false and a "not" likely true. */
static bool decides_often(const struct sig_node *n, const struct sig_node *child)
{
	return (n->kind == SIG_AND) == (child->kind != SIG_NOT);
}

static uint32_t collect(struct writer *w, struct sig_node *n, struct child *children)
{
	uint32_t count = 0, process = 0;

	for (struct sig_node *at = n->first; at; at = at->next, count++) {
		children[count] = (struct child){at, cost_of(w, at, 0), count};
		children[count].cost *= decides_often(n, at) ? 1 : RARELY;
		if (scope_of(at) == SCOPE_PROCESS)
			process++;
		else
			children[count].cost += 1u << 20; /* behind those of the process */
	}
	qsort(children, count, sizeof(*children), child_order);
	return process;
}

static int write_children(struct writer *w, struct sig_node *n, struct sig_ways ways, int32_t *ret)
{
	struct child *children;
	uint32_t count = 0, process;
	int32_t entry;
	int r;

	for (const struct sig_node *at = n->first; at; at = at->next)
		count++;
	children = pw_alloc0(count, sizeof(*children));
	if (!children)
		return -ENOMEM;
	process = collect(w, n, children);
	if (w->in_process || process < 2)
		process = 0;
	r = write_list(w, n->kind, children + process, count - process, ways, &entry);
	if (r == 0 && process > 0)
		r = n->kind == SIG_AND ? write_process_part(w, n, children, process,
						 (struct sig_ways){entry, ways.no}, &entry)
				       : write_process_part(w, n, children, process,
						 (struct sig_ways){ways.yes, entry}, &entry);
	free(children);
	if (r == 0)
		*ret = entry;
	return r;
}

static bool is_small(const struct sig_node *n)
{
	while (n->kind == SIG_NOT)
		n = n->first;
	return n->kind == SIG_CHECK || n->kind == SIG_MACRO;
}

/* A macro is answered once: for the image when it depends on the process only, else for the event.
 */
static int write_macro(struct writer *w, struct sig_macro *m, struct sig_ways ways, int32_t *ret)
{
	bool outer = w->in_process, is_event = scope_of(m->text.root) == SCOPE_EVENT;
	struct sig_compounds *compounds = is_event ? &w->code->event : &w->code->process;
	uint8_t slot = is_event ? w->kind : 0;
	int32_t entry;
	int r = 0;

	if (is_small(m->text.root))
		return write_node(w, m->text.root, ways.yes, ways.no, ret);
	if (!m->compounds)
		m->compounds = pw_arena_alloc0(m->text.lex.arena, PW_EVENT_KINDS, sizeof(uint32_t));
	if (!m->compounds)
		return -ENOMEM;
	if (!m->compounds[slot]) {
		w->in_process = !is_event;
		r = write_node(w, m->text.root, SIG_TRUE, SIG_FALSE, &entry);
		w->in_process = outer;
		if (r == 0)
			r = add_compound(compounds, entry, &m->compounds[slot]);
	}
	return r < 0 ? r
		     : write_compound(
			       w, m->compounds[slot], is_event ? SIG_EVENT_ATOM : 0, ways, ret);
}

static int write_node(struct writer *w, struct sig_node *n, int32_t yes, int32_t no, int32_t *ret)
{
	struct sig_ways ways = {yes, no};

	switch (n->kind) {
	case SIG_NOT:
		return write_node(w, n->first, no, yes, ret);
	case SIG_MACRO:
		return write_macro(w, n->definition, ways, ret);
	case SIG_CHECK:
		if (n->check.modifier != SIG_PLAIN)
			return write_modified(w, &n->check, yes, no, ret);
		return write_found(w, &n->check.found[0], yes, no, ret);
	default:
		return write_children(w, n, ways, ret);
	}
}

int sig_code_add(struct sig_code *code, struct sig_text *text, uint8_t kind, int32_t *ret_entry)
{
	struct writer w = {.code = code, .from = code->count, .kind = kind};

	return write_node(&w, text->root, SIG_TRUE, SIG_FALSE, ret_entry);
}

void sig_code_done(struct sig_code *code)
{
	free(code->tests);
	free(code->process.entries);
	free(code->event.entries);
}
