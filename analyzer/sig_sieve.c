/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_sieve.h"

#include <errno.h>

#define NOTHING    (-1)  /* no atoms decide it */
#define TOO_COMMON 600   /* atoms that are true for more events of a thousand sift too little */
#define LIST_LIMIT 4096u /* entries of a kind: SIG_RULES_LIMIT */

/* One atom that lets one entry pass. */
struct pass {
	uint32_t bit, entry;
};

struct search {
	const struct sig_sieve_job *job;
	uint32_t bits[SIG_SIEVE_ATOMS], count;
	uint32_t steps;
};

/* Texts with so few values that an ordinary event may well have the one that is asked for. */
static bool has_few_values(const struct field_spec *f)
{
	static const char *const names[] = {"fd.typechar", "fd.type", "fd.l4proto", "fd.sockfamily",
		"evt.res", "evt.dir", "evt.source", "outcome", "user.name", "group.name"};

	if (f->scope == FIELD_CONTAINER)
		return true;
	for (size_t i = 0; i < PW_COUNT(names); i++)
		if (strcmp(f->name, names[i]) == 0)
			return true;
	return false;
}

/* Events of a thousand for which it may be true, by its form; and what asking costs. */
static int32_t how_common(const struct sig_atom *t)
{
	switch (t->how) {
	case SIG_HOW_EXISTS:
		return TOO_COMMON;
	case SIG_HOW_CALLS:
		return 300;
	case SIG_HOW_NUMBER:
		return t->op == SIG_OP_IN ? 150 : 400;
	case SIG_HOW_NET:
		return 100;
	case SIG_HOW_UNION:
		return 40;
	case SIG_HOW_CONTAINS:
	case SIG_HOW_ICONTAINS:
	case SIG_HOW_GLOB:
		return 20;
	case SIG_HOW_EQUAL:
		return has_few_values(t->source->ref.spec) ? 300 : 10;
	default:
		return 10;
	}
}

static int32_t search_atom(struct search *s, const struct sig_atom *t)
{
	int known = sig_atom_decided(t, s->job->kind);

	if (known >= 0)
		return known ? NOTHING : 0;
	if (t->is_event != s->job->is_event || t->how == SIG_HOW_ALONE || t->how == SIG_HOW_RIGHT)
		return NOTHING;
	if (s->count == SIG_SIEVE_ATOMS || how_common(t) >= TOO_COMMON)
		return NOTHING;
	s->bits[s->count++] = t->bit;
	return how_common(t);
}

/* "not check" says nothing, but when the kind decides the check. */
static int32_t search_not_check(const struct search *s, const struct sig_check *c)
{
	if (c->modifier != SIG_PLAIN || c->found[0].inverted)
		return NOTHING;
	return sig_atom_decided(c->found[0].atom, s->job->kind) == 1 ? 0 : NOTHING;
}

static int32_t search_check(struct search *s, const struct sig_check *c)
{
	uint32_t from = s->count;
	int32_t sum = 0, one;

	if (c->modifier == SIG_PLAIN)
		return search_atom(s, c->found[0].inverted ? c->found[0].exists : c->found[0].atom);
	if (c->modifier == SIG_ALLOF)
		return c->value_count ? search_atom(s, c->found[0].atom) : NOTHING;
	for (uint32_t i = 0; i < c->value_count; i++) {
		one = search_atom(s, c->found[i].atom);
		sum += one;
		if (one == NOTHING || sum > TOO_COMMON) {
			s->count = from;
			return NOTHING;
		}
	}
	return sum;
}

static int32_t search_node(struct search *s, const struct sig_node *n, bool negated);

/* One of them must be true: all their atoms. */
static int32_t search_any(struct search *s, const struct sig_node *n, bool negated)
{
	uint32_t from = s->count;
	int32_t sum = 0;

	for (const struct sig_node *at = n->first; at; at = at->next) {
		int32_t one = search_node(s, at, negated);

		sum += one;
		if (one == NOTHING || sum > TOO_COMMON) {
			s->count = from;
			return NOTHING;
		}
	}
	return sum;
}

/* All of them must be true: the atoms of the rarest. */
static int32_t search_all(struct search *s, const struct sig_node *n, bool negated)
{
	uint32_t from = s->count, kept = from;
	int32_t best = NOTHING;

	for (const struct sig_node *at = n->first; at; at = at->next) {
		int32_t one = search_node(s, at, negated);

		if (one != NOTHING && (best == NOTHING || one < best)) {
			best = one;
			memmove(s->bits + from, s->bits + kept,
				(s->count - kept) * sizeof(*s->bits));
			kept = from + s->count - kept;
		}
		s->count = kept;
	}
	return best;
}

static int32_t search_node(struct search *s, const struct sig_node *n, bool negated)
{
	if (++s->steps > SIG_SIEVE_STEPS)
		return NOTHING;
	switch (n->kind) {
	case SIG_NOT:
		return search_node(s, n->first, !negated);
	case SIG_MACRO:
		return search_node(s, n->definition->text.root, negated);
	case SIG_CHECK:
		return negated ? search_not_check(s, &n->check) : search_check(s, &n->check);
	default:
		return (n->kind == SIG_AND) != negated ? search_all(s, n, negated)
						       : search_any(s, n, negated);
	}
}

/* ---- making ---- */
struct passes {
	struct pass *items;
	uint32_t count, capacity;
};

static int add_passes(struct passes *p, const struct search *s, uint32_t entry)
{
	uint32_t want = p->capacity ? p->capacity : 256;
	struct pass *grown;

	while (want < p->count + s->count)
		want *= 2;
	if (want > p->capacity) {
		grown = pw_realloc(p->items, want, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		p->items = grown;
		p->capacity = want;
	}
	for (uint32_t i = 0; i < s->count; i++)
		p->items[p->count++] = (struct pass){s->bits[i], entry};
	return 0;
}

static int find_passes(const struct sig_sieve_job *job, struct sig_sieve *out, struct passes *p)
{
	struct search *s = pw_alloc0(1, sizeof(*s));
	int r = s ? 0 : -ENOMEM;

	for (uint32_t i = 0; r == 0 && i < job->count; i++) {
		*s = (struct search){.job = job};
		if (search_node(s, job->roots[i], false) == NOTHING) {
			out->unsifted[i / 64] |= 1ull << i % 64;
			continue;
		}
		out->is_useful = true;
		r = add_passes(p, s, i);
	}
	free(s);
	return r;
}

static int pass_order(const void *a, const void *b)
{
	const struct pass *x = a, *y = b;

	if (x->bit != y->bit)
		return x->bit < y->bit ? -1 : 1;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static int reserve(const struct sig_sieve_job *job, const struct passes *p, struct sig_sieve *out)
{
	uint32_t last = p->items[p->count - 1].bit;

	out->first_word = p->items[0].bit / 64;
	out->word_count = last / 64 - out->first_word + 1;
	out->mask = pw_arena_alloc0(job->arena, out->word_count, sizeof(*out->mask));
	out->rank = pw_arena_alloc0(job->arena, out->word_count, sizeof(*out->rank));
	out->start = pw_arena_alloc0(job->arena, p->count + 1, sizeof(*out->start));
	out->entries = pw_arena_alloc0(job->arena, p->count, sizeof(*out->entries));
	out->groups = pw_arena_alloc0(job->arena, p->count, sizeof(*out->groups));
	out->known = pw_arena_alloc0(job->arena,
		job->is_event ? job->groups->event_words : job->groups->process_words,
		sizeof(*out->known));
	return out->mask && out->rank && out->start && out->entries && out->groups && out->known
		       ? 0
		       : -ENOMEM;
}

static void lay_out(const struct sig_sieve_job *job, const struct passes *p, struct sig_sieve *out)
{
	uint32_t base = job->is_event ? job->groups->process_words * 64 : 0, bits = 0;

	for (uint32_t i = 0; i < p->count; i++) {
		uint32_t bit = p->items[i].bit, group = job->groups->of_bit[base + bit];
		uint64_t *word = &out->mask[bit / 64 - out->first_word];

		out->entries[i] = p->items[i].entry;
		if (*word >> bit % 64 & 1u)
			continue;
		*word |= 1ull << bit % 64;
		out->start[bits++] = i;
		/* Bits of one group follow each other. */
		if (out->group_count == 0 || out->groups[out->group_count - 1] != group) {
			out->groups[out->group_count++] = group;
			sig_group_learn(&job->groups->items[group], out->known);
		}
	}
	out->start[bits] = p->count;
	for (uint32_t w = 1; w < out->word_count; w++)
		out->rank[w] = out->rank[w - 1] + (uint32_t)__builtin_popcountll(out->mask[w - 1]);
}

int sig_sieve_make(const struct sig_sieve_job *job, struct sig_sieve *ret)
{
	struct sig_sieve out = {.entry_words = job->count / 64 + 1, .entry_count = job->count};
	struct passes p = {.items = NULL};
	int r;

	out.unsifted = pw_arena_alloc0(job->arena, out.entry_words, sizeof(*out.unsifted));
	if (!out.unsifted)
		return -ENOMEM;
	r = find_passes(job, &out, &p);
	if (r == 0 && p.count > 0) {
		qsort(p.items, p.count, sizeof(*p.items), pass_order);
		r = reserve(job, &p, &out);
		if (r == 0)
			lay_out(job, &p, &out);
	}
	free(p.items);
	if (r == 0)
		*ret = out;
	return r;
}

/* ---- running ---- */
void sig_sieve_run(const struct sig_sieve *s, const uint64_t *value, uint64_t *candidates)
{
	uint64_t passed[LIST_LIMIT / 64 + 1];

	memcpy(passed, s->unsifted, s->entry_words * sizeof(*passed));
	for (uint32_t w = 0; w < s->word_count; w++) {
		uint64_t found = value[s->first_word + w] & s->mask[w];

		for (; found; found &= found - 1) {
			uint64_t below = (found & -found) - 1;
			uint32_t at =
				s->rank[w] + (uint32_t)__builtin_popcountll(s->mask[w] & below);

			for (uint32_t i = s->start[at]; i < s->start[at + 1]; i++)
				passed[s->entries[i] / 64] |= 1ull << s->entries[i] % 64;
		}
	}
	for (uint32_t w = 0; w < s->entry_words; w++)
		candidates[w] &= passed[w];
}
