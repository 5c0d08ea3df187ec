/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_group.h"

#include "analyzer/sig_check.h"
#include "common/base/glob.h"

#include <errno.h>

/* ---- evaluation ---- */
static void set_bit(uint64_t *bits, uint32_t bit)
{
	bits[bit / 64] |= 1ull << bit % 64;
}

static void run_equal(const struct sig_group *g, struct pw_slice text, uint64_t *bits)
{
	uint64_t hash;
	uint32_t i;

	hash = pw_hash64(text, 0);
	for (i = (uint32_t)hash & g->bucket_mask; g->buckets[i]; i = (i + 1) & g->bucket_mask) {
		const struct sig_equal *e = &g->equals[g->buckets[i]];

		if (e->hash != hash || !pw_slice_eq(e->text, text))
			continue;
		for (;; e = &g->equals[e->next]) {
			set_bit(bits, e->bit);
			if (!e->next)
				return;
		}
	}
}

static bool any_path(const struct sig_atom *t, struct pw_slice text)
{
	for (uint32_t i = 0; i < t->value_count; i++)
		if (t->values[i].len == 0 || pw_glob_path(t->values[i], text))
			return true;
	return false;
}

static bool fold_glob(struct pw_slice pattern, struct pw_slice text)
{
	uint8_t folded[4096];
	size_t len = text.len < sizeof(folded) ? text.len : sizeof(folded);

	for (size_t i = 0; i < len; i++) {
		uint8_t b = text.ptr[i];

		folded[i] = b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
	}
	return pw_glob(pattern, pw_slice_of(folded, len));
}

static bool compare(enum sig_op op, int order)
{
	switch (op) {
	case SIG_OP_LT:
		return order < 0;
	case SIG_OP_LE:
		return order <= 0;
	case SIG_OP_GT:
		return order > 0;
	case SIG_OP_GE:
		return order >= 0;
	default:
		return order == 0;
	}
}

static bool text_alone(const struct sig_atom *t, struct pw_slice text, struct regex_scratch *regex)
{
	switch (t->op) {
	case SIG_OP_GLOB:
		return pw_glob(t->values[0], text);
	case SIG_OP_IGLOB:
		return fold_glob(t->values[0], text);
	case SIG_OP_PMATCH:
		return any_path(t, text);
	case SIG_OP_REGEX:
		return regex_match(t->regex, text, regex);
	default:
		return compare(t->op, pw_slice_cmp(text, t->values[0]));
	}
}

static bool net_matches(const struct sig_atom *t, const struct sig_net *address)
{
	for (uint32_t i = 0; i < t->value_count; i++)
		if (sig_net_has(&t->nets[i], address))
			return true;
	return false;
}

/* The address is read once for all of the group's networks. */
static void run_nets(const struct sig_group *g, struct pw_slice text, uint64_t *bits)
{
	struct sig_net address;

	if (g->net_count == 0 || sig_value_net(text, &address) < 0)
		return;
	for (uint32_t i = 0; i < g->net_count; i++)
		if (net_matches(g->nets[i], &address))
			set_bit(bits, g->nets[i]->bit);
}

static bool text_right(enum sig_op op, struct pw_slice a, struct pw_slice b)
{
	switch (op) {
	case SIG_OP_CONTAINS:
		return pw_slice_find(a, b) >= 0;
	case SIG_OP_STARTSWITH:
		return pw_slice_starts(a, b);
	case SIG_OP_ENDSWITH:
		return pw_slice_ends(a, b);
	case SIG_OP_GLOB:
		return pw_glob(b, a);
	case SIG_OP_PMATCH:
		return pw_glob_path(b, a);
	case SIG_OP_ICONTAINS:
	case SIG_OP_IGLOB:
		return false; /* refused by sig_check_make */
	default:
		return compare(op, pw_slice_cmp(a, b));
	}
}

static bool right_matches(
	const struct sig_atom *t, const struct field_value *left, struct field_ctx *c)
{
	bool numeric = t->source->type != FIELD_TEXT && t->source->type != FIELD_IP;
	struct field_value right;
	int state;

	for (uint32_t round = 0; (state = sig_source_value(t->right, round, c, &right)) >= 0;
		round++) {
		if (state == 0)
			continue;
		if (numeric ? compare(t->op,
				      (left->number > right.number) - (left->number < right.number))
			    : text_right(t->op, left->text, right.text))
			return true;
	}
	return false;
}

static bool single_matches(const struct sig_atom *t, const struct field_value *v,
	struct field_ctx *c, struct regex_scratch *regex)
{
	switch (t->how) {
	case SIG_HOW_NUMBER:
		return sig_check_number(t, v->number);
	case SIG_HOW_RIGHT:
		return right_matches(t, v, c);
	default:
		return text_alone(t, v->text, regex);
	}
}

static uint8_t lower(uint8_t b)
{
	return b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
}

static bool folded_contains(struct pw_slice text, struct pw_slice needle)
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

static bool slow_matches(const struct sig_slow *s, struct pw_slice text)
{
	switch (s->how) {
	case SIG_HOW_STARTS:
		return pw_slice_starts(text, s->pattern.text);
	case SIG_HOW_ENDS:
		return pw_slice_ends(text, s->pattern.text);
	case SIG_HOW_CONTAINS:
		return pw_slice_find(text, s->pattern.text) >= 0;
	case SIG_HOW_ICONTAINS:
		return folded_contains(text, s->pattern.text);
	default:
		text = pw_glob_strip(text);
		return pw_slice_starts(text, s->pattern.text) &&
		       (text.len == s->pattern.text.len || text.ptr[s->pattern.text.len] == '/');
	}
}

static bool has_bit(const uint64_t *bits, uint32_t bit)
{
	return bits[bit / 64] >> bit % 64 & 1u;
}

/* Another value of the source may have left them. */
static void clear_hints(const struct sig_group *g, uint64_t *bits)
{
	for (uint32_t bit = g->first + g->atom_count; bit < g->first + g->count; bit++)
		bits[bit / 64] &= ~(1ull << bit % 64);
}

static void run_value(const struct sig_group *g, const struct field_value *v, struct field_ctx *c,
	struct regex_scratch *regex, uint64_t *bits)
{
	clear_hints(g, bits);
	if (g->exists >= 0)
		set_bit(bits, (uint32_t)g->exists);
	if (g->equal_count > 0)
		run_equal(g, v->text, bits);
	if (g->has_patterns) {
		sig_automaton_run(g->starts, v->text, bits);
		sig_automaton_run(g->paths, v->text, bits);
		sig_automaton_run(g->ends, v->text, bits);
		sig_automaton_run(g->contains, v->text, bits);
		sig_automaton_run(g->icontains, v->text, bits);
	}
	for (uint32_t i = 0; i < g->slow_count; i++)
		if (slow_matches(&g->slow[i], v->text))
			set_bit(bits, g->slow[i].pattern.bit);
	run_nets(g, v->text, bits);
	for (uint32_t i = 0; i < g->single_count; i++) {
		const struct sig_atom *t = g->singles[i];

		if (t->hint >= 0 && !has_bit(bits, (uint32_t)t->hint))
			continue;
		if (single_matches(t, v, c, regex))
			set_bit(bits, t->bit);
	}
}

void sig_group_run(
	const struct sig_group *g, struct field_ctx *c, struct regex_scratch *regex, uint64_t *bits)
{
	size_t used = c->used;
	struct field_value v;
	int state;

	if (g->single_count == 1 && g->singles[0]->how == SIG_HOW_CALLS) {
		if (field_calls_has(g->singles[0]->calls, c->event))
			set_bit(bits, g->singles[0]->bit);
		return;
	}
	if (g->is_single) {
		v.text = (struct pw_slice){NULL, 0};
		if (g->source->ref.spec->get(c, &g->source->ref, &v))
			run_value(g, &v, c, regex, bits);
		c->used = used;
		return;
	}
	for (uint32_t round = 0; (state = sig_source_value(g->source, round, c, &v)) >= 0;
		round++) {
		if (state > 0)
			run_value(g, &v, c, regex, bits);
		c->used = used; /* built texts are needed no longer */
	}
	c->used = used;
}

void sig_group_learn(const struct sig_group *g, uint64_t *known)
{
	uint32_t from = g->first, left = g->count;

	while (left > 0) {
		uint32_t shift = from % 64, n = 64 - shift < left ? 64 - shift : left;

		known[from / 64] |= (n == 64 ? UINT64_MAX : (1ull << n) - 1) << shift;
		from += n;
		left -= n;
	}
}

/* ---- making ---- */
static int atom_order(const void *a, const void *b)
{
	const struct sig_atom *x = *(struct sig_atom *const *)a, *y = *(struct sig_atom *const *)b;
	bool x_alone = x->how >= SIG_HOW_ALONE, y_alone = y->how >= SIG_HOW_ALONE;

	if (x->is_event != y->is_event)
		return x->is_event ? 1 : -1;
	if (x_alone != y_alone)
		return x_alone ? 1 : -1;
	if (x->source->group != y->source->group)
		return x->source->group < y->source->group ? -1 : 1;
	return x->group < y->group ? -1 : x->group > y->group;
}

/* The atoms that are looked for on behalf of this one: itself, or the parts of a union. */
struct wanted {
	const struct sig_atom *const *items;
	uint32_t count;
};

static struct wanted wanted_of(struct sig_atom *const *atom)
{
	if ((*atom)->how == SIG_HOW_UNION)
		return (struct wanted){(*atom)->parts, (*atom)->value_count};
	return (struct wanted){(const struct sig_atom *const *)atom, 1};
}

/* Patterns of all atoms that are evaluated in this way, each with the bit that it sets. */
static uint32_t list_patterns(const struct sig_group *g, struct sig_atom **atoms, enum sig_how how,
	struct sig_pattern *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->atom_count; i++) {
		struct wanted w = wanted_of(&atoms[i]);

		for (uint32_t k = 0; k < w.count; k++) {
			if (w.items[k]->how != how)
				continue;
			for (uint32_t v = 0; v < w.items[k]->value_count; v++, n++)
				if (out)
					out[n] = (struct sig_pattern){
						w.items[k]->values[v], atoms[i]->bit};
		}
		if (how == SIG_HOW_CONTAINS && atoms[i]->hint >= 0) {
			if (out)
				out[n] = (struct sig_pattern){pw_glob_literal(atoms[i]->values[0]),
					(uint32_t)atoms[i]->hint};
			n++;
		}
	}
	return n;
}

/* *ret is NULL when there are none; else to be freed. */
static int make_patterns(const struct sig_group *g, struct sig_atom **atoms, enum sig_how how,
	struct sig_pattern **ret, uint32_t *ret_count)
{
	*ret_count = list_patterns(g, atoms, how, NULL);
	if (*ret_count == 0)
		return 0;
	*ret = pw_alloc0(*ret_count, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(void)list_patterns(g, atoms, how, *ret);
	return 0;
}

static int fill_equals(struct sig_group *g, const struct sig_pattern *patterns, uint32_t count,
	struct pw_arena *arena)
{
	uint32_t buckets = 2;

	while (buckets < 2 * count)
		buckets *= 2;
	g->equals = pw_arena_alloc0(arena, count + 1, sizeof(*g->equals));
	g->buckets = pw_arena_alloc0(arena, buckets, sizeof(*g->buckets));
	if (!g->equals || !g->buckets)
		return -ENOMEM;
	g->bucket_mask = buckets - 1;
	for (uint32_t i = 0; i < count; i++) {
		struct sig_equal *e = &g->equals[++g->equal_count];
		uint32_t at;

		*e = (struct sig_equal){.hash = pw_hash64(patterns[i].text, 0),
			.text = patterns[i].text,
			.bit = patterns[i].bit};
		at = (uint32_t)e->hash & g->bucket_mask;
		while (g->buckets[at] && !pw_slice_eq(g->equals[g->buckets[at]].text, e->text))
			at = (at + 1) & g->bucket_mask;
		e->next = g->buckets[at];
		g->buckets[at] = g->equal_count;
	}
	return 0;
}

static int make_equals(struct sig_group *g, struct sig_atom **atoms, struct pw_arena *arena)
{
	struct sig_pattern *patterns = NULL;
	uint32_t count;
	int r = make_patterns(g, atoms, SIG_HOW_EQUAL, &patterns, &count);

	if (r == 0 && count > 0)
		r = fill_equals(g, patterns, count, arena);
	free(patterns);
	return r;
}

static int make_slow(struct sig_group *g, const struct sig_pattern *patterns, uint32_t count,
	enum sig_how how, struct pw_arena *arena)
{
	struct sig_slow *all = pw_arena_alloc0(arena, g->slow_count + count, sizeof(*all));

	if (!all)
		return -ENOMEM;
	if (g->slow_count > 0)
		memcpy(all, g->slow, g->slow_count * sizeof(*all));
	g->slow = all;
	for (uint32_t i = 0; i < count; i++)
		g->slow[g->slow_count++] = (struct sig_slow){how, patterns[i]};
	return 0;
}

static int make_automaton(struct sig_group *g, struct sig_atom **atoms, enum sig_how how,
	struct pw_arena *arena, struct sig_automaton **ret)
{
	static const enum sig_automaton_mode modes[] = {
		[SIG_HOW_STARTS] = SIG_AT_START,
		[SIG_HOW_PATH] = SIG_AS_PATH,
		[SIG_HOW_ENDS] = SIG_AT_END,
		[SIG_HOW_CONTAINS] = SIG_ANYWHERE,
		[SIG_HOW_ICONTAINS] = SIG_ANYWHERE,
	};
	struct sig_pattern *patterns = NULL;
	uint32_t count;
	int r = make_patterns(g, atoms, how, &patterns, &count);

	if (r == 0 && count > 0)
		r = sig_automaton_build(
			patterns, count, modes[how], how == SIG_HOW_ICONTAINS, arena, ret);
	if (r == -E2BIG)
		r = make_slow(g, patterns, count, how, arena);
	free(patterns);
	return r;
}

static int make_singles(struct sig_group *g, struct sig_atom **atoms, struct pw_arena *arena)
{
	g->singles = pw_arena_alloc0(arena, g->atom_count, sizeof(*atoms));
	g->nets = pw_arena_alloc0(arena, g->atom_count, sizeof(*atoms));
	if (!g->singles || !g->nets)
		return -ENOMEM;
	for (uint32_t i = 0; i < g->atom_count; i++) {
		if (atoms[i]->how == SIG_HOW_EXISTS)
			g->exists = (int32_t)atoms[i]->bit;
		else if (atoms[i]->how == SIG_HOW_NET)
			g->nets[g->net_count++] = atoms[i];
		else if (atoms[i]->how >= SIG_HOW_NUMBER)
			g->singles[g->single_count++] = atoms[i];
	}
	return 0;
}

/* atoms: those of the group, bits within the scope given. */
static int make_group(struct sig_group *g, struct sig_atom **atoms, struct pw_arena *arena)
{
	int r;

	g->source = atoms[0]->source;
	g->is_event = atoms[0]->is_event;
	g->is_single = !g->source->transforms[0] && g->source->ref.spec->arg != FIELD_SIDES &&
		       (g->source->ref.spec->arg != FIELD_ANCESTOR || g->source->ref.index >= 0);
	g->exists = -1;
	r = make_singles(g, atoms, arena);
	if (r == 0)
		r = make_equals(g, atoms, arena);
	if (r == 0)
		r = make_automaton(g, atoms, SIG_HOW_STARTS, arena, &g->starts);
	if (r == 0)
		r = make_automaton(g, atoms, SIG_HOW_PATH, arena, &g->paths);
	if (r == 0)
		r = make_automaton(g, atoms, SIG_HOW_ENDS, arena, &g->ends);
	if (r == 0)
		r = make_automaton(g, atoms, SIG_HOW_CONTAINS, arena, &g->contains);
	if (r == 0)
		r = make_automaton(g, atoms, SIG_HOW_ICONTAINS, arena, &g->icontains);
	g->has_patterns = g->starts || g->paths || g->ends || g->contains || g->icontains;
	return r;
}

/* Atoms from this one on that share its group. */
static uint32_t run_length(struct sig_atom **atoms, uint32_t left)
{
	uint32_t n = 1;

	if (atoms[0]->how >= SIG_HOW_ALONE)
		return 1;
	while (n < left && atoms[n]->how < SIG_HOW_ALONE && atoms[n]->source == atoms[0]->source &&
		atoms[n]->is_event == atoms[0]->is_event)
		n++;
	return n;
}

static bool has_hint(const struct sig_atom *t)
{
	return t->how == SIG_HOW_GLOB && pw_glob_literal(t->values[0]).len > 1;
}

/* Bits of the group's atoms, then of the hints. Returns the next free one. */
static uint32_t number_bits(struct sig_group *g, struct sig_atom **atoms, uint32_t bit)
{
	g->first = bit;
	for (uint32_t k = 0; k < g->atom_count; k++)
		atoms[k]->bit = bit++;
	for (uint32_t k = 0; k < g->atom_count; k++)
		atoms[k]->hint = has_hint(atoms[k]) ? (int32_t)bit++ : -1;
	g->count = bit - g->first;
	return bit;
}

static int make_all(struct sig_atoms *a, struct sig_groups *out)
{
	uint32_t bit = 0, base = 0;

	for (uint32_t i = 0; i < a->count;) {
		struct sig_group *g = &out->items[out->count];
		int r;

		if (a->items[i]->is_event && out->process_words == 0) {
			out->process_words = bit / 64 + 1;
			base = out->process_words * 64;
			bit = 0;
		}
		g->atom_count = run_length(a->items + i, a->count - i);
		bit = number_bits(g, a->items + i, bit);
		for (uint32_t k = 0; k < g->count; k++)
			out->of_bit[base + g->first + k] = out->count;
		r = make_group(g, a->items + i, a->arena);
		if (r < 0)
			return r;
		out->count++;
		i += g->atom_count;
	}
	if (out->process_words == 0) {
		out->process_words = bit / 64 + 1;
		bit = 0;
	}
	out->event_words = bit / 64 + 1;
	return 0;
}

int sig_groups_make(struct sig_atoms *a, struct sig_groups *ret)
{
	struct sig_groups out = {.count = 0};
	int r;

	for (uint32_t i = 0; i < a->source_count; i++)
		a->sources[i]->group = i;
	for (uint32_t i = 0; i < a->count; i++)
		a->items[i]->group = i;
	out.items = pw_arena_alloc0(a->arena, a->count + 1, sizeof(*out.items));
	/* An atom has two bits at most; each scope begins with a word of its own. */
	out.of_bit = pw_arena_alloc0(a->arena, 2 * (size_t)a->count + 129, sizeof(*out.of_bit));
	if (!out.items || !out.of_bit)
		return -ENOMEM;
	if (a->count > 1)
		qsort((void *)a->items, a->count, sizeof(*a->items), atom_order);
	r = make_all(a, &out);
	if (r == 0)
		*ret = out;
	return r;
}
