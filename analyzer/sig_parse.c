/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_parse.h"

#include <errno.h>

#define VALUES_LIMIT 65536u

struct parser {
	struct sig_lex lex;
	uint32_t depth;
	uint32_t values;
};

static int parse_or(struct parser *p, struct sig_node **ret);

static int node_new(struct parser *p, enum sig_node_kind kind, struct sig_node **ret)
{
	struct sig_node *n = pw_arena_alloc0(p->lex.arena, 1, sizeof(*n));

	if (!n)
		return pw_err_set(p->lex.err, -ENOMEM, "condition: out of memory");
	n->kind = kind;
	n->pos = p->lex.pos;
	*ret = n;
	return 0;
}

static int parse_group(struct parser *p, struct sig_node **ret)
{
	size_t open = p->lex.pos - 1;
	int r;

	if (p->depth >= SIG_DEPTH)
		return sig_lex_fail(&p->lex, open, "nested deeper than %u", SIG_DEPTH);
	p->depth++;
	r = parse_or(p, ret);
	p->depth--;
	if (r < 0)
		return r;
	if (!sig_lex_eat(&p->lex, ')'))
		return sig_lex_fail(&p->lex, p->lex.pos, "expected )");
	return 0;
}

static int values_grow(struct parser *p, struct sig_check *c, uint32_t *cap)
{
	uint32_t want = *cap ? *cap * 2 : 8;
	struct pw_slice *grown;

	if (c->value_count < *cap)
		return 0;
	if (p->values >= VALUES_LIMIT)
		return sig_lex_fail(&p->lex, p->lex.pos, "more than %u values", VALUES_LIMIT);
	grown = pw_arena_alloc0(p->lex.arena, want, sizeof(*grown));
	if (!grown)
		return pw_err_set(p->lex.err, -ENOMEM, "condition: out of memory");
	if (c->value_count > 0)
		memcpy(grown, c->values, c->value_count * sizeof(*grown));
	c->values = grown;
	*cap = want;
	return 0;
}

static int parse_list(struct parser *p, struct sig_check *c)
{
	uint32_t cap = 0;
	int r;

	if (!sig_lex_eat(&p->lex, '('))
		return sig_lex_fail(&p->lex, p->lex.pos, "expected a list in ( )");
	if (sig_lex_eat(&p->lex, ')'))
		return 0;
	do {
		r = values_grow(p, c, &cap);
		if (r < 0)
			return r;
		r = sig_lex_value(&p->lex, &c->values[c->value_count]);
		if (r < 0)
			return r;
		c->value_count++;
		p->values++;
	} while (sig_lex_eat(&p->lex, ','));
	if (!sig_lex_eat(&p->lex, ')'))
		return sig_lex_fail(&p->lex, p->lex.pos, "expected , or ) in the list");
	return 0;
}

static int parse_single(struct parser *p, struct sig_check *c)
{
	uint32_t cap = 0;
	int r = values_grow(p, c, &cap);

	if (r < 0)
		return r;
	r = sig_lex_value(&p->lex, &c->values[0]);
	if (r < 0)
		return r;
	c->value_count = 1;
	p->values++;
	return 0;
}

static int parse_operand(struct parser *p, struct sig_check *c, size_t op_pos, struct pw_slice word)
{
	switch (c->op) {
	case SIG_OP_NONE:
		if (pw_slice_find_byte(c->field_name, '.') < 0 &&
			!pw_slice_eq_str(c->field_name, "outcome"))
			return sig_lex_fail(&p->lex, op_pos, "unknown macro, or operator missing");
		return sig_lex_fail(&p->lex, op_pos, "expected an operator behind the field");
	case SIG_OP_UNSUPPORTED:
		return sig_lex_fail(
			&p->lex, op_pos, "operator %.*s is not supported", PW_SLICE_ARG(word));
	case SIG_OP_EXISTS:
		return 0;
	case SIG_OP_IN:
	case SIG_OP_PMATCH:
	case SIG_OP_INTERSECTS:
		return parse_list(p, c);
	default:
		return parse_single(p, c);
	}
}

static int parse_check(struct parser *p, struct sig_node **ret)
{
	struct sig_node *n = NULL;
	struct pw_slice word;
	size_t op_pos;
	int r;

	if (sig_lex_eat(&p->lex, '('))
		return parse_group(p, ret);
	sig_lex_blanks(&p->lex);
	r = node_new(p, SIG_CHECK, &n);
	if (r < 0)
		return r;
	r = sig_lex_field(&p->lex, &n->check.field_name, &n->check.field_arg);
	if (r < 0)
		return r;
	sig_lex_blanks(&p->lex);
	op_pos = p->lex.pos;
	n->check.op = sig_lex_operator(&p->lex, &word);
	r = parse_operand(p, &n->check, op_pos, word);
	if (r < 0)
		return r;
	*ret = n;
	return 0;
}

/* Any number of "not" before one check; pairs cancel. */
static int parse_not(struct parser *p, struct sig_node **ret)
{
	struct sig_node *n = NULL, *inner = NULL;
	bool inverted = false;
	int r;

	while (sig_lex_word(&p->lex, "not"))
		inverted = !inverted;
	r = parse_check(p, &inner);
	if (r < 0)
		return r;
	if (!inverted) {
		*ret = inner;
		return 0;
	}
	r = node_new(p, SIG_NOT, &n);
	if (r < 0)
		return r;
	n->first = inner;
	*ret = n;
	return 0;
}

/* operand (word operand)*; a single operand stays as it is. */
static int parse_chain(struct parser *p, enum sig_node_kind kind, struct sig_node **ret)
{
	const char *word = kind == SIG_AND ? "and" : "or";
	struct sig_node *n = NULL, *head = NULL, **tail = &head;
	uint32_t count = 0;
	int r;

	do {
		r = kind == SIG_AND ? parse_not(p, tail) : parse_chain(p, SIG_AND, tail);
		if (r < 0)
			return r;
		tail = &(*tail)->next;
		count++;
	} while (sig_lex_word(&p->lex, word));
	if (count == 1) {
		*ret = head;
		return 0;
	}
	r = node_new(p, kind, &n);
	if (r < 0)
		return r;
	n->first = head;
	*ret = n;
	return 0;
}

static int parse_or(struct parser *p, struct sig_node **ret)
{
	return parse_chain(p, SIG_OR, ret);
}

int sig_parse(struct pw_slice condition, struct pw_arena *arena, struct sig_node **ret,
	struct pw_err *err)
{
	struct parser p = {.lex = {condition, 0, arena, err}, .depth = 0, .values = 0};
	struct sig_node *root = NULL;
	int r;

	if (condition.len > SIG_CONDITION_BYTES)
		return pw_err_set(
			err, -EINVAL, "condition longer than %u bytes", SIG_CONDITION_BYTES);
	if (sig_lex_at_end(&p.lex))
		return sig_lex_fail(&p.lex, p.lex.pos, "empty condition");
	r = parse_or(&p, &root);
	if (r < 0)
		return r;
	if (!sig_lex_at_end(&p.lex))
		return sig_lex_fail(&p.lex, p.lex.pos, "expected and, or, or the end");
	*ret = root;
	return 0;
}
