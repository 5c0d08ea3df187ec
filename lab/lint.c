/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/lint.h"

#include "common/base/escape.h"

#define PARTS_MAX 64u
#define BROAD     20 /* kinds of events */
#define DEPTH_MAX 64u

static uint32_t tell(struct pw_buf *out, const struct sig_rule *r, const char *what)
{
	(void)pw_escape(out, r->detector, 400);
	(void)pw_buf_addf(out, ": %s\n", what);
	return 1;
}

/* ---- too broad ---- */
static uint32_t check_broad(const struct sig_rule *r, struct pw_buf *out)
{
	if (__builtin_popcountll(r->event_mask) < BROAD)
		return 0;
	return tell(out, r, "too broad: any kind of event can fire it; name some in evt.type");
}

/* ---- shadowed ---- */
/* What must all hold for the rule, by identity: checks and macros, plain or inverted. */
struct parts {
	const void *items[PARTS_MAX];
	uint32_t count;
	bool is_complete; /* nothing was left out */
};

static void add_part(struct parts *p, const void *what, bool inverted)
{
	if (p->count == PARTS_MAX) {
		p->is_complete = false;
		return;
	}
	/* Objects are aligned: the lowest bit is free. */
	p->items[p->count++] = (const char *)what + inverted;
}

static void collect(const struct sig_node *n, struct parts *p, uint32_t depth)
{
	bool inverted = n->kind == SIG_NOT;
	const struct sig_node *inner = inverted ? n->first : n;

	if (depth > DEPTH_MAX) {
		p->is_complete = false;
	} else if (n->kind == SIG_AND) {
		for (const struct sig_node *at = n->first; at; at = at->next)
			collect(at, p, depth + 1);
	} else if (inner->kind == SIG_MACRO) {
		add_part(p, inner->definition, inverted);
	} else if (inner->kind == SIG_CHECK && inner->check.modifier == SIG_PLAIN &&
		   inner->check.found) {
		add_part(p, inner->check.found[0].atom, inverted != inner->check.found[0].inverted);
	} else {
		add_part(p, inner, inverted);
	}
}

static bool has_all(const struct parts *all, const struct parts *of)
{
	for (uint32_t i = 0; i < of->count; i++) {
		uint32_t k = 0;

		while (k < all->count && all->items[k] != of->items[i])
			k++;
		if (k == all->count)
			return false;
	}
	return true;
}

/* Is b true whenever a is? */
static bool implies(const struct sig_rule *a, const struct sig_rule *b)
{
	struct parts of_a = {.is_complete = true}, of_b = {.is_complete = true};

	if (a->window || b->window)
		return false;
	collect(a->text.root, &of_a, 0);
	collect(b->text.root, &of_b, 0);
	return of_a.is_complete && of_b.is_complete && has_all(&of_a, &of_b);
}

static uint32_t check_shadow(
	const struct sig_set *set, const struct sig_rule *r, struct pw_buf *out)
{
	for (uint32_t i = 0; i < set->count; i++) {
		const struct sig_rule *other = &set->rules[i];

		if (other == r || !implies(r, other) || (implies(other, r) && other > r))
			continue;
		(void)pw_escape(out, r->detector, 400);
		(void)pw_buf_add_str(out, ": shadowed: whenever it fires, so does ");
		(void)pw_escape(out, other->detector, 400);
		(void)pw_buf_add_byte(out, '\n');
		return 1;
	}
	return 0;
}

/* ---- lists that are not there ---- */
/* "shell_binaries": small letters with an underscore, as lists are called and programs seldom. */
static bool looks_like_list(struct pw_slice s)
{
	bool underscore = false;

	for (size_t i = 0; i < s.len; i++) {
		underscore |= s.ptr[i] == '_';
		if (!((s.ptr[i] >= 'a' && s.ptr[i] <= 'z') || (s.ptr[i] == '_' && i > 0)))
			return false;
	}
	return underscore && s.ptr[s.len - 1] != '_';
}

static uint32_t check_lists(
	const struct sig_rule *r, const struct sig_node *n, uint32_t depth, struct pw_buf *out)
{
	uint32_t found = 0;

	if (n->kind == SIG_CHECK && n->check.op == SIG_OP_IN && n->check.value_count == 1 &&
		looks_like_list(n->check.values[0])) {
		(void)pw_escape(out, r->detector, 400);
		(void)pw_buf_add_str(out, ": unknown list? ");
		(void)pw_escape(out, n->check.values[0], 100);
		(void)pw_buf_add_str(out, " is taken as a value: no list has this name\n");
		return 1;
	}
	for (const struct sig_node *at = n->first; at && depth < DEPTH_MAX; at = at->next)
		found += check_lists(r, at, depth + 1, out);
	if (n->kind == SIG_MACRO && depth < DEPTH_MAX)
		found += check_lists(r, n->definition->text.root, depth + 1, out);
	return found;
}

uint32_t lab_lint(const struct policy *p, struct pw_buf *out)
{
	const struct sig_set *set = p->signatures;
	uint32_t found = 0;

	for (uint32_t i = 0; i < set->count; i++) {
		found += check_broad(&set->rules[i], out);
		found += check_shadow(set, &set->rules[i], out);
		found += check_lists(&set->rules[i], set->rules[i].text.root, 0, out);
	}
	return found;
}
