/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_compile.h"

#include "analyzer/sig_output.h"
#include "common/base/num.h"

#include <errno.h>
#include <stdio.h>

#define MODE(x)   PODWARD__V1__SIGNATURE_PROFILE_MODE__SIGNATURE_PROFILE_MODE_##x
#define ALL_KINDS ((1ull << PW_EVENT_KINDS) - 2u) /* kind 0 does not occur */

struct compiler {
	struct sig_lex lex; /* for messages with position */
	struct pw_arena *arena;
};

static int slice_order(const void *a, const void *b)
{
	return pw_slice_cmp(*(const struct pw_slice *)a, *(const struct pw_slice *)b);
}

static int no_memory(struct compiler *c)
{
	return pw_err_set(c->lex.err, -ENOMEM, "condition: out of memory");
}

static int resolve_field(struct compiler *c, struct sig_node *n)
{
	struct sig_check *k = &n->check;
	uint64_t index;

	k->field = field_find(k->field_name);
	if (!k->field)
		return sig_lex_fail(&c->lex, n->pos, "unknown field %.*s",
			(int)(k->field_name.len < 64 ? k->field_name.len : 64),
			(const char *)k->field_name.ptr);
	k->index = -1;
	if (!k->field_arg.ptr)
		return 0;
	if (k->field->arg == FIELD_NO_ARG)
		return sig_lex_fail(
			&c->lex, n->pos, "field %s takes no [argument]", k->field->name);
	if (pw_num_u64(k->field_arg, 64, &index) < 0)
		return sig_lex_fail(&c->lex, n->pos, "field %s takes a number from 0 to 64 in [ ]",
			k->field->name);
	k->index = (int32_t)index;
	return 0;
}

static bool op_fits(enum field_type type, enum sig_op op)
{
	switch (op) {
	case SIG_OP_EQ:
	case SIG_OP_NE:
	case SIG_OP_IN:
	case SIG_OP_INTERSECTS:
	case SIG_OP_EXISTS:
		return true;
	case SIG_OP_LT:
	case SIG_OP_LE:
	case SIG_OP_GT:
	case SIG_OP_GE:
		return type == FIELD_INT;
	default:
		return type == FIELD_TEXT;
	}
}

static int check_event_type(struct compiler *c, struct sig_node *n)
{
	struct sig_check *k = &n->check;
	uint64_t mask = 0, one;

	if (k->op == SIG_OP_EXISTS) {
		k->event_mask = ALL_KINDS;
		return 0;
	}
	if (k->op != SIG_OP_EQ && k->op != SIG_OP_NE && k->op != SIG_OP_IN)
		return sig_lex_fail(&c->lex, n->pos, "evt.type knows =, !=, in and exists only");
	for (uint32_t i = 0; i < k->value_count; i++) {
		if (field_event_mask(k->values[i], &one) < 0)
			return sig_lex_fail(&c->lex, n->pos, "unknown system call %.*s",
				(int)(k->values[i].len < 32 ? k->values[i].len : 32),
				(const char *)k->values[i].ptr);
		mask |= one;
	}
	k->event_mask = k->op == SIG_OP_NE ? ALL_KINDS & ~mask : mask;
	return 0;
}

static int parse_number(struct compiler *c, struct sig_node *n, struct pw_slice text, int64_t *ret)
{
	if (n->check.field->type == FIELD_BOOL) {
		if (!pw_slice_eq_str(text, "true") && !pw_slice_eq_str(text, "false"))
			return sig_lex_fail(&c->lex, n->pos, "field %s takes true or false",
				n->check.field->name);
		*ret = pw_slice_eq_str(text, "true");
		return 0;
	}
	if (text.len > 1 && text.ptr[0] == '+')
		text = pw_slice_sub(text, 1, text.len);
	if (pw_num_i64(text, INT64_MIN, INT64_MAX, ret) < 0)
		return sig_lex_fail(
			&c->lex, n->pos, "field %s takes a number", n->check.field->name);
	return 0;
}

static int check_numbers(struct compiler *c, struct sig_node *n)
{
	struct sig_check *k = &n->check;
	int r;

	if (k->value_count == 0)
		return 0;
	k->numbers = pw_arena_alloc0(c->arena, k->value_count, sizeof(*k->numbers));
	if (!k->numbers)
		return no_memory(c);
	for (uint32_t i = 0; i < k->value_count; i++) {
		r = parse_number(c, n, k->values[i], &k->numbers[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_texts(struct compiler *c, struct sig_check *k)
{
	uint8_t *lower;

	if (k->value_count > 1 && (k->op == SIG_OP_IN || k->op == SIG_OP_INTERSECTS))
		qsort(k->values, k->value_count, sizeof(*k->values), slice_order);
	if (k->op != SIG_OP_ICONTAINS || k->values[0].len == 0)
		return 0;
	lower = pw_arena_alloc(c->arena, k->values[0].len);
	if (!lower)
		return no_memory(c);
	for (size_t i = 0; i < k->values[0].len; i++) {
		uint8_t b = k->values[0].ptr[i];

		lower[i] = b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
	}
	k->values[0].ptr = lower;
	return 0;
}

static int compile_check(struct compiler *c, struct sig_node *n)
{
	int r = resolve_field(c, n);

	if (r < 0)
		return r;
	if (n->check.field->is_event_type)
		return check_event_type(c, n);
	if (!op_fits(n->check.field->type, n->check.op))
		return sig_lex_fail(&c->lex, n->pos, "operator does not fit the type of %s",
			n->check.field->name);
	return n->check.field->type == FIELD_TEXT ? check_texts(c, &n->check) : check_numbers(c, n);
}

static int compile_node(struct compiler *c, struct sig_node *n)
{
	int r;

	if (n->kind == SIG_CHECK)
		return compile_check(c, n);
	for (struct sig_node *child = n->first; child; child = child->next) {
		r = compile_node(c, child);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Event kinds for which the node may be true, and for which it may be false. */
struct kinds {
	uint64_t yes, no;
};

static struct kinds kinds_of(const struct sig_node *n)
{
	struct kinds k = {ALL_KINDS, ALL_KINDS}, child;

	if (n->kind == SIG_CHECK) {
		if (n->check.field->is_event_type)
			k = (struct kinds){n->check.event_mask, ALL_KINDS & ~n->check.event_mask};
		return k;
	}
	if (n->kind == SIG_NOT) {
		child = kinds_of(n->first);
		return (struct kinds){child.no, child.yes};
	}
	k = n->kind == SIG_AND ? (struct kinds){ALL_KINDS, 0} : (struct kinds){0, ALL_KINDS};
	for (const struct sig_node *at = n->first; at; at = at->next) {
		child = kinds_of(at);
		k.yes = n->kind == SIG_AND ? k.yes & child.yes : k.yes | child.yes;
		k.no = n->kind == SIG_AND ? k.no | child.no : k.no & child.no;
	}
	return k;
}

int sig_compile_condition(struct pw_slice condition, struct pw_arena *arena, struct sig_node **ret,
	uint64_t *ret_event_mask, struct pw_err *err)
{
	struct compiler c = {.lex = {condition, 0, arena, err}, .arena = arena};
	struct sig_node *root = NULL;
	int r = sig_parse(condition, arena, &root, err);

	if (r < 0)
		return r;
	r = compile_node(&c, root);
	if (r < 0)
		return r;
	*ret_event_mask = kinds_of(root).yes;
	if (*ret_event_mask == 0)
		return pw_err_set(err, -EINVAL,
			"no event that the collector reports can make this condition true");
	*ret = root;
	return 0;
}

static struct pw_slice bytes_of(ProtobufCBinaryData b)
{
	return pw_slice_of(b.data, b.len);
}

static int make_detector(struct sig_rule *rule, struct pw_arena *arena)
{
	size_t size = rule->set.len + rule->id.len + 6;
	char *text = pw_arena_alloc(arena, size);

	if (!text)
		return -ENOMEM;
	rule->detector =
		pw_slice_of(text, (size_t)snprintf(text, size, "sig/%.*s/%.*s",
					  PW_SLICE_ARG(rule->set), PW_SLICE_ARG(rule->id)));
	return 0;
}

static int compile_rule(const Podward__V1__Signature *s, struct pw_slice set,
	struct pw_arena *arena, struct sig_rule *rule, struct pw_err *err)
{
	struct sig_node *root = NULL;
	int r;

	*rule = (struct sig_rule){
		.set = set,
		.id = bytes_of(s->id),
		.title = bytes_of(s->title),
		.output = bytes_of(s->output),
		.condition = bytes_of(s->condition),
		.mitre = s->mitre,
		.mitre_count = s->n_mitre,
		.severity = s->severity ? (uint32_t)s->severity
					: PODWARD__V1__SEVERITY__SEVERITY_MEDIUM,
		.suppress_if_learned = s->profile_mode == MODE(SUPPRESS_IF_LEARNED),
	};
	r = sig_compile_condition(rule->condition, arena, &root, &rule->event_mask, err);
	if (r < 0)
		return pw_err_wrap(err, r, "condition");
	rule->root = root;
	r = sig_output_check(rule->output, err);
	if (r < 0)
		return pw_err_wrap(err, r, "output");
	return make_detector(rule, arena);
}

static int refuse(struct problems *problems, struct pw_slice set, size_t index,
	const Podward__V1__Signature *s, const char *message)
{
	char object[160], field[160];
	int len = snprintf(object, sizeof(object), "SignatureSet/%.*s",
		(int)(set.len < 100 ? set.len : 100), (const char *)set.ptr);
	int field_len = snprintf(field, sizeof(field), "spec.rules[%zu] (%.*s)", index,
		(int)(s->id.len < 100 ? s->id.len : 100), (const char *)s->id.data);

	return problems_add(problems, pw_slice_of(object, (size_t)len),
		pw_slice_of(field, (size_t)field_len), pw_slice_str(message));
}

static int add_rule(struct sig_set *out, const Podward__V1__Signature *s, struct pw_slice set,
	size_t index, struct problems *problems)
{
	struct sig_rule *rule = &out->rules[out->count];
	struct pw_err err = PW_ERR_INIT;
	int r = -E2BIG;

	if (s->disabled)
		return 0;
	if (out->count >= SIG_RULES_LIMIT)
		(void)pw_err_set(&err, r, "more than %u rules in all", SIG_RULES_LIMIT);
	else if (s->id.len == 0 || s->id.len > 200)
		r = pw_err_set(&err, -EINVAL, "id must have 1 to 200 bytes");
	else
		r = compile_rule(s, set, problems->arena, rule, &err);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		out->refused++;
		return refuse(problems, set, index, s, err.msg);
	}
	rule->index = out->count++;
	return 0;
}

static int index_rules(struct sig_set *out, struct pw_arena *arena)
{
	for (uint32_t kind = 1; kind < PW_EVENT_KINDS; kind++) {
		uint32_t n = 0;

		if (out->count == 0)
			continue;
		out->by_kind[kind] = pw_arena_alloc0(arena, out->count, sizeof(void *));
		if (!out->by_kind[kind])
			return -ENOMEM;
		for (uint32_t i = 0; i < out->count; i++)
			if (out->rules[i].event_mask & 1ull << kind)
				out->by_kind[kind][n++] = &out->rules[i];
		out->by_kind_count[kind] = n;
	}
	return 0;
}

int sig_compile(Podward__V1__SignatureSet *const *sets, size_t set_count, struct pw_arena *arena,
	struct problems *problems, struct sig_set **ret)
{
	struct sig_set *out = pw_arena_alloc0(arena, 1, sizeof(*out));
	size_t total = 0;
	int r;

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < set_count; i++)
		total += sets[i]->n_rules;
	if (total > SIG_RULES_LIMIT)
		total = SIG_RULES_LIMIT;
	out->rules = pw_arena_alloc0(arena, total + 1, sizeof(*out->rules));
	if (!out->rules)
		return -ENOMEM;
	for (size_t i = 0; i < set_count; i++) {
		for (size_t k = 0; k < sets[i]->n_rules; k++) {
			r = add_rule(out, sets[i]->rules[k], bytes_of(sets[i]->name), k, problems);
			if (r < 0)
				return r;
		}
	}
	r = index_rules(out, arena);
	if (r < 0)
		return r;
	*ret = out;
	return 0;
}
