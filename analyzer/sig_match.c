/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_match.h"

#include "common/base/glob.h"

#define ANCESTORS_LIMIT 64u

static bool in_sorted(const struct sig_check *k, struct pw_slice text)
{
	uint32_t low = 0, high = k->value_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = pw_slice_cmp(k->values[middle], text);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static uint8_t lower(uint8_t b)
{
	return b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
}

static bool icontains(struct pw_slice text, struct pw_slice needle)
{
	for (size_t at = 0; at + needle.len <= text.len; at++) {
		size_t i = 0;

		while (i < needle.len && lower(text.ptr[at + i]) == needle.ptr[i])
			i++;
		if (i == needle.len)
			return true;
	}
	return false;
}

static bool path_match(const struct sig_check *k, struct pw_slice text)
{
	for (uint32_t i = 0; i < k->value_count; i++)
		if (pw_glob_path(k->values[i], text))
			return true;
	return false;
}

static bool text_check(const struct sig_check *k, struct pw_slice text)
{
	switch (k->op) {
	case SIG_OP_EXISTS:
		return true;
	case SIG_OP_EQ:
		return pw_slice_eq(text, k->values[0]);
	case SIG_OP_NE:
		return !pw_slice_eq(text, k->values[0]);
	case SIG_OP_IN:
	case SIG_OP_INTERSECTS:
		return in_sorted(k, text);
	case SIG_OP_CONTAINS:
		return pw_slice_find(text, k->values[0]) >= 0;
	case SIG_OP_ICONTAINS:
		return icontains(text, k->values[0]);
	case SIG_OP_STARTSWITH:
		return pw_slice_starts(text, k->values[0]);
	case SIG_OP_ENDSWITH:
		return pw_slice_ends(text, k->values[0]);
	case SIG_OP_GLOB:
		return pw_glob(k->values[0], text);
	case SIG_OP_PMATCH:
		return path_match(k, text);
	default:
		return false;
	}
}

static bool in_numbers(const struct sig_check *k, int64_t number)
{
	for (uint32_t i = 0; i < k->value_count; i++)
		if (k->numbers[i] == number)
			return true;
	return false;
}

static bool number_check(const struct sig_check *k, int64_t number)
{
	switch (k->op) {
	case SIG_OP_EXISTS:
		return true;
	case SIG_OP_EQ:
		return number == k->numbers[0];
	case SIG_OP_NE:
		return number != k->numbers[0];
	case SIG_OP_LT:
		return number < k->numbers[0];
	case SIG_OP_LE:
		return number <= k->numbers[0];
	case SIG_OP_GT:
		return number > k->numbers[0];
	case SIG_OP_GE:
		return number >= k->numbers[0];
	case SIG_OP_IN:
	case SIG_OP_INTERSECTS:
		return in_numbers(k, number);
	default:
		return false;
	}
}

static bool one_value(const struct sig_check *k, int32_t index, struct field_ctx *ctx)
{
	struct field_value v = {.text = {NULL, 0}};

	if (!k->field->get(ctx, index, &v))
		return false;
	return k->field->type == FIELD_TEXT ? text_check(k, v.text) : number_check(k, v.number);
}

/* Without an index: some ancestor, not the process itself. */
static bool any_ancestor(const struct sig_check *k, struct field_ctx *ctx)
{
	for (uint32_t n = 1; n <= ANCESTORS_LIMIT; n++) {
		if (!field_ancestor(ctx->event->process, n))
			return false;
		if (one_value(k, (int32_t)n, ctx))
			return true;
	}
	return false;
}

static bool check_matches(const struct sig_check *k, struct field_ctx *ctx)
{
	if (k->field->is_event_type)
		return (k->event_mask >> ctx->event->kind & 1u) != 0;
	if (k->field->arg == FIELD_ANCESTOR && k->index < 0)
		return any_ancestor(k, ctx);
	return one_value(k, k->index, ctx);
}

bool sig_match_node(const struct sig_node *n, struct field_ctx *ctx)
{
	bool wanted;

	if (n->kind == SIG_CHECK)
		return check_matches(&n->check, ctx);
	if (n->kind == SIG_NOT)
		return !sig_match_node(n->first, ctx);
	wanted = n->kind == SIG_OR; /* the value that decides at once */
	for (const struct sig_node *child = n->first; child; child = child->next)
		if (sig_match_node(child, ctx) == wanted)
			return wanted;
	return !wanted;
}

bool sig_match_rule(const struct sig_rule *rule, struct field_ctx *ctx)
{
	return sig_match_node(rule->root, ctx);
}

uint32_t sig_match(const struct sig_set *set, struct field_ctx *ctx, const uint64_t *off,
	const struct sig_rule **out, uint32_t limit)
{
	uint8_t kind = ctx->event->kind;
	uint32_t found = 0;

	if (kind >= PW_EVENT_KINDS)
		return 0;
	for (uint32_t i = 0; i < set->by_kind_count[kind]; i++) {
		const struct sig_rule *rule = set->by_kind[kind][i];

		if (off && (off[rule->index / 64] >> rule->index % 64 & 1u))
			continue;
		if (!sig_match_rule(rule, ctx))
			continue;
		if (found < limit)
			out[found] = rule;
		found++;
	}
	return found;
}
