/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_parse.h"

#include <errno.h>

#define VALUES_LIMIT 65536u

#define CHECKS_LIMIT 16384u

struct parser {
	struct sig_lex *lex;
	uint32_t depth;
	uint32_t values, checks;
};

static int parse_or(struct parser *p, struct sig_node **ret);

static int node_new(struct parser *p, enum sig_node_kind kind, struct sig_node **ret)
{
	struct sig_node *n = pw_arena_alloc0(p->lex->arena, 1, sizeof(*n));

	if (!n)
		return pw_err_set(p->lex->err, -ENOMEM, "condition: out of memory");
	n->kind = kind;
	n->pos = p->lex->pos;
	*ret = n;
	return 0;
}

static int parse_group(struct parser *p, struct sig_node **ret)
{
	size_t open = p->lex->pos - 1;
	int r;

	if (p->depth >= SIG_DEPTH)
		return sig_lex_fail(p->lex, open, "nested deeper than %u", SIG_DEPTH);
	p->depth++;
	r = parse_or(p, ret);
	p->depth--;
	if (r < 0)
		return r;
	if (!sig_lex_eat(p->lex, ')'))
		return sig_lex_fail(p->lex, p->lex->pos, "expected )");
	return 0;
}

static int values_grow(struct parser *p, struct sig_check *c, uint32_t *cap)
{
	uint32_t want = *cap ? *cap * 2 : 8;
	struct pw_slice *grown;

	if (c->value_count < *cap)
		return 0;
	if (p->values >= VALUES_LIMIT)
		return sig_lex_fail(p->lex, p->lex->pos, "more than %u values", VALUES_LIMIT);
	grown = pw_arena_alloc0(p->lex->arena, want, sizeof(*grown));
	if (!grown)
		return pw_err_set(p->lex->err, -ENOMEM, "condition: out of memory");
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

	if (!sig_lex_eat(p->lex, '('))
		return sig_lex_fail(p->lex, p->lex->pos, "expected a list in ( )");
	if (sig_lex_eat(p->lex, ')'))
		return 0;
	do {
		r = values_grow(p, c, &cap);
		if (r < 0)
			return r;
		r = sig_lex_value(p->lex, &c->values[c->value_count]);
		if (r < 0)
			return r;
		c->value_count++;
		p->values++;
	} while (sig_lex_eat(p->lex, ','));
	if (!sig_lex_eat(p->lex, ')'))
		return sig_lex_fail(p->lex, p->lex->pos, "expected , or ) in the list");
	return 0;
}

static int parse_single(struct parser *p, struct sig_check *c)
{
	uint32_t cap = 0;
	int r = values_grow(p, c, &cap);

	if (r < 0)
		return r;
	r = sig_lex_value(p->lex, &c->values[0]);
	if (r < 0)
		return r;
	c->value_count = 1;
	p->values++;
	return 0;
}

static int operand_new(struct parser *p, enum sig_operand_kind kind, struct sig_operand **ret)
{
	struct sig_operand *o = pw_arena_alloc0(p->lex->arena, 1, sizeof(*o));

	if (!o)
		return pw_err_set(p->lex->err, -ENOMEM, "condition: out of memory");
	o->kind = kind;
	o->pos = p->lex->pos;
	*ret = o;
	return 0;
}

static bool is_transformer(struct pw_slice name)
{
	static const char *const names[] = {
		"tolower", "toupper", "b64", "basename", "len", "join", "concat", "getopt"};

	for (size_t i = 0; i < PW_COUNT(names); i++)
		if (pw_slice_eq_str(name, names[i]))
			return true;
	return false;
}

static bool is_field(struct pw_slice name)
{
	/* The fields of ours that have no dot. */
	return pw_slice_find_byte(name, '.') >= 0 || pw_slice_eq_str(name, "outcome");
}

static int parse_call(struct parser *p, struct sig_operand *call);

/* One argument of a transformer: another one, a field, a text, or a list of texts. */
static int parse_argument(struct parser *p, struct sig_operand ***tail)
{
	struct sig_operand *o = NULL;
	size_t from;
	int r;

	if (sig_lex_eat(p->lex, '(')) {
		do {
			r = parse_argument(p, tail);
			if (r < 0)
				return r;
		} while (sig_lex_eat(p->lex, ','));
		return sig_lex_eat(p->lex, ')')
			       ? 0
			       : sig_lex_fail(p->lex, p->lex->pos, "expected ) behind the list");
	}
	sig_lex_blanks(p->lex);
	r = operand_new(p, SIG_TEXT, &o);
	if (r < 0)
		return r;
	**tail = o;
	*tail = &o->next;
	from = p->lex->pos;
	if (sig_lex_sees(p->lex, '"') || sig_lex_sees(p->lex, '\''))
		return sig_lex_value(p->lex, &o->name);
	if (sig_lex_field(p->lex, &o->name, &o->arg) == 0) {
		o->kind = is_transformer(o->name) ? SIG_CALL : SIG_FIELD;
		if (o->kind == SIG_CALL)
			return parse_call(p, o);
		if (is_field(o->name))
			return 0;
		return sig_lex_fail(p->lex, from, "expected a field or a quoted text");
	}
	return -EINVAL;
}

/* The arguments behind a transformer's name. */
static int parse_call(struct parser *p, struct sig_operand *call)
{
	struct sig_operand **tail = &call->first;
	int r;

	if (p->depth >= SIG_DEPTH)
		return sig_lex_fail(p->lex, call->pos, "nested deeper than %u", SIG_DEPTH);
	if (!sig_lex_eat(p->lex, '('))
		return sig_lex_fail(p->lex, p->lex->pos, "expected ( behind the transformer");
	p->depth++;
	do {
		r = parse_argument(p, &tail);
		if (r < 0)
			return r;
	} while (sig_lex_eat(p->lex, ','));
	p->depth--;
	if (!sig_lex_eat(p->lex, ')'))
		return sig_lex_fail(p->lex, p->lex->pos, "expected ) behind the transformer");
	return 0;
}

/* val(field) or a transformer on the right side; leaves ret NULL when neither is next. */
static int parse_right(struct parser *p, struct sig_operand **ret)
{
	struct sig_operand *o = NULL;
	struct sig_lex at;
	int r;

	sig_lex_blanks(p->lex);
	at = *p->lex;
	at.err = NULL; /* only a look ahead */
	r = operand_new(p, SIG_CALL, &o);
	if (r < 0)
		return r;
	if (sig_lex_field(&at, &o->name, &o->arg) < 0 || o->arg.ptr || !sig_lex_sees(&at, '('))
		return 0;
	if (pw_slice_eq_str(o->name, "val")) {
		(void)sig_lex_eat(&at, '(');
		p->lex->pos = at.pos;
		sig_lex_blanks(p->lex);
		o->kind = SIG_FIELD;
		r = sig_lex_field(p->lex, &o->name, &o->arg);
		if (r == 0 && !sig_lex_eat(p->lex, ')'))
			r = sig_lex_fail(p->lex, p->lex->pos, "expected ) behind val(field");
	} else if (is_transformer(o->name)) {
		p->lex->pos = at.pos;
		r = parse_call(p, o);
	} else {
		return 0;
	}
	*ret = o;
	return r;
}

static int parse_modifier(struct parser *p, struct sig_check *c)
{
	static const struct {
		const char *word;
		enum sig_modifier modifier;
	} rows[] = {{"oneof", SIG_ONEOF}, {"anyof", SIG_ANYOF}, {"allof", SIG_ALLOF}};

	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct sig_lex at = *p->lex;

		if (!sig_lex_word(&at, rows[i].word) || !sig_lex_sees(&at, '('))
			continue;
		p->lex->pos = at.pos;
		c->modifier = rows[i].modifier;
		return parse_list(p, c);
	}
	return parse_single(p, c);
}

static int parse_number(struct parser *p, struct sig_check *c)
{
	uint32_t cap = 0;
	int r = values_grow(p, c, &cap);

	if (r < 0)
		return r;
	if (!sig_lex_number(p->lex, &c->values[0]))
		return sig_lex_fail(p->lex, p->lex->pos, "expected a number");
	c->value_count = 1;
	p->values++;
	return 0;
}

static int parse_values(struct parser *p, struct sig_check *c)
{
	switch (c->op) {
	case SIG_OP_IN:
	case SIG_OP_PMATCH:
	case SIG_OP_INTERSECTS:
		if (!sig_lex_sees(p->lex, '('))
			return sig_lex_fail(p->lex, p->lex->pos,
				"expected a list in ( ) or the name of a known list");
		return parse_list(p, c);
	case SIG_OP_LT:
	case SIG_OP_LE:
	case SIG_OP_GT:
	case SIG_OP_GE:
		return parse_number(p, c);
	default:
		return parse_modifier(p, c);
	}
}

static int parse_operand(struct parser *p, struct sig_check *c)
{
	int r;

	if (c->op == SIG_OP_NONE)
		return sig_lex_fail(p->lex, p->lex->pos, "expected an operator behind the field");
	if (c->op == SIG_OP_EXISTS)
		return 0;
	r = parse_right(p, &c->right);
	return r < 0 || c->right ? r : parse_values(p, c);
}

static int parse_left(struct parser *p, struct sig_node *n)
{
	struct sig_operand *o = NULL;
	struct pw_slice name = {NULL, 0}, arg = {NULL, 0};
	int r = operand_new(p, SIG_FIELD, &o);

	if (r < 0)
		return r;
	r = sig_lex_field(p->lex, &name, &arg);
	if (r < 0)
		return r;
	o->name = name;
	o->arg = arg;
	n->check.left = o;
	if (is_transformer(name) && sig_lex_sees(p->lex, '(')) {
		o->kind = SIG_CALL;
		return parse_call(p, o);
	}
	if (is_field(name))
		return 0;
	if (arg.ptr)
		return sig_lex_fail(p->lex, o->pos, "a macro takes no [argument]");
	n->kind = SIG_MACRO;
	n->macro = name;
	return 0;
}

static int parse_check(struct parser *p, struct sig_node **ret)
{
	struct sig_node *n = NULL;
	struct pw_slice word;
	int r;

	if (sig_lex_eat(p->lex, '('))
		return parse_group(p, ret);
	if (++p->checks > CHECKS_LIMIT)
		return sig_lex_fail(p->lex, p->lex->pos, "more than %u checks", CHECKS_LIMIT);
	sig_lex_blanks(p->lex);
	r = node_new(p, SIG_CHECK, &n);
	if (r < 0)
		return r;
	r = parse_left(p, n);
	if (r < 0)
		return r;
	if (n->kind == SIG_CHECK) {
		n->check.op = sig_lex_operator(p->lex, &word);
		r = parse_operand(p, &n->check);
		if (r < 0)
			return r;
	}
	*ret = n;
	return 0;
}

/* Any number of "not" before one check; pairs cancel. */
static int parse_not(struct parser *p, struct sig_node **ret)
{
	struct sig_node *n = NULL, *inner = NULL;
	bool inverted = false;
	int r;

	while (sig_lex_word(p->lex, "not"))
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
	} while (sig_lex_word(p->lex, word));
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

int sig_parse_with(struct sig_lex *l, struct sig_node **ret)
{
	struct parser p = {.lex = l};
	struct sig_node *root = NULL;
	int r;

	if (l->text.len > SIG_CONDITION_BYTES)
		return pw_err_set(
			l->err, -EINVAL, "condition longer than %u bytes", SIG_CONDITION_BYTES);
	if (sig_lex_at_end(l))
		return sig_lex_fail(l, l->pos, "empty condition");
	r = parse_or(&p, &root);
	if (r < 0)
		return r;
	if (!sig_lex_at_end(l))
		return sig_lex_fail(l, l->pos, "expected and, or, or the end");
	*ret = root;
	return 0;
}

int sig_parse(struct pw_slice condition, struct pw_arena *arena, struct sig_node **ret,
	struct pw_err *err)
{
	struct sig_lex l = {.text = condition, .arena = arena, .err = err};

	return sig_parse_with(&l, ret);
}
