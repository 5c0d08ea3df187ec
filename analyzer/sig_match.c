/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_match.h"

#include <errno.h>

/*
 * What is known of one process image. Behind it: known and value words of the process's atoms, then
 * for each kind's entries a bit "can fire".
 */
struct image {
	uint64_t number; /* pw_process.number; 0 = free */
	uint64_t met;    /* kinds of which an event was judged */
	uint64_t sifted; /* kinds whose entries' bits are valid */
	uint64_t words[];
};

struct sig_matcher {
	const struct sig_set *set;
	uint64_t set_number;
	uint8_t *images;
	size_t image_bytes;
	uint32_t image_mask;
	uint64_t *event_words; /* known, then value */
	struct sig_counts *counts;
	struct regex_scratch *regex;
	struct sig_matcher_stats stats;
	struct image *image; /* of the present event */
	struct field_ctx *ctx;
	struct field_dns dns;
};

int sig_matcher_new(struct sig_matcher **ret)
{
	struct sig_matcher *m = pw_alloc0(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	if (regex_scratch_new(&m->regex) < 0) {
		free(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

static void drop_set(struct sig_matcher *m)
{
	m->stats.forgotten += m->counts ? sig_counts_forgotten(m->counts) : 0;
	sig_counts_free(PW_TAKE(m->counts));
	free(PW_TAKE(m->images));
	free(PW_TAKE(m->event_words));
	m->set = NULL;
	m->set_number = 0;
}

void sig_matcher_free(struct sig_matcher *m)
{
	if (!m)
		return;
	drop_set(m);
	regex_scratch_free(m->regex);
	free(m);
}

static int make_counts(struct sig_matcher *m, const struct sig_set *set)
{
	const struct sig_window *windows[SIG_WINDOW_RULES];
	uint32_t n = 0;

	for (uint32_t i = 0; i < set->count; i++)
		if (set->rules[i].window)
			windows[n++] = set->rules[i].window;
	return n ? sig_counts_new(windows, n, &m->counts) : 0;
}

int sig_matcher_use(struct sig_matcher *m, const struct sig_set *set)
{
	size_t words = 2 * (size_t)set->groups.process_words + set->entry_count / 64 + 1;
	uint32_t images = 1;

	if (m->set_number == set->number) {
		m->set = set;
		return 0;
	}
	drop_set(m);
	m->image_bytes = sizeof(struct image) + words * sizeof(uint64_t);
	while (2 * images * m->image_bytes <= SIG_CACHE_BYTES && images < 8192)
		images *= 2;
	m->image_mask = images - 1;
	m->images = pw_alloc0(images, m->image_bytes);
	m->event_words = pw_alloc0(set->groups.event_words, 2 * sizeof(uint64_t));
	if (!m->images || !m->event_words || make_counts(m, set) < 0) {
		drop_set(m);
		return -ENOMEM;
	}
	m->set = set;
	m->set_number = set->number;
	return 0;
}

/* Image 0 belongs to processes that have no number; it is never found again. */
static struct image *image_of(struct sig_matcher *m, const struct pw_process *p)
{
	uint64_t at = p->number * 0x9e3779b97f4a7c15ull >> 32 & m->image_mask;
	struct image *i = (struct image *)(m->images + at * m->image_bytes);

	m->stats.images++;
	if (i->number == p->number && p->number) {
		m->stats.images_kept++;
		return i;
	}
	i->number = p->number;
	i->met = i->sifted = 0;
	memset(i->words, 0, m->set->groups.process_words * sizeof(uint64_t));
	return i;
}

static void learn_bits(uint64_t *known, uint32_t from, uint32_t count)
{
	while (count > 0) {
		uint32_t shift = from % 64, n = 64 - shift < count ? 64 - shift : count;

		known[from / 64] |= (n == 64 ? UINT64_MAX : (1ull << n) - 1) << shift;
		from += n;
		count -= n;
	}
}

/* Answers all atoms of the group that the bit belongs to. */
static void ask(struct sig_matcher *m, uint64_t *words, uint32_t word_count, uint32_t number)
{
	const struct sig_group *g = &m->set->groups.items[number];

	for (uint32_t w = g->first / 64; w <= (g->first + g->count - 1) / 64; w++)
		words[word_count + w] &= words[w]; /* values of bits not known yet may be old */
	learn_bits(words, g->first, g->count);
	sig_group_run(g, m->ctx, m->regex, words + word_count);
}

static bool test(struct sig_matcher *m, uint32_t atom)
{
	const struct sig_groups *g = &m->set->groups;
	uint32_t bit = atom & ~SIG_EVENT_ATOM, base = 0, count = g->process_words;
	uint64_t *words = m->image->words;

	if (atom & SIG_EVENT_ATOM) {
		words = m->event_words;
		base = g->process_words * 64;
		count = g->event_words;
	}
	if (!(words[bit / 64] >> bit % 64 & 1u))
		ask(m, words, count, g->of_bit[base + bit]);
	return words[count + bit / 64] >> bit % 64 & 1u;
}

static bool run(struct sig_matcher *m, int32_t at)
{
	const struct sig_test *tests = m->set->tests;

	while (at >= 0)
		at = test(m, tests[at].atom) ? tests[at].yes : tests[at].no;
	return at == SIG_TRUE;
}

/* Can the code come out true when what the process decides is decided, and all else may be? */
static bool may_be_true(struct sig_matcher *m, int32_t entry)
{
	const struct sig_test *tests = m->set->tests;
	uint8_t reached[512] = {0};
	int32_t lowest = entry - (int32_t)sizeof(reached) + 1;

	if (entry < 0)
		return entry == SIG_TRUE;
	reached[sizeof(reached) - 1] = 1;
	for (int32_t at = entry; at >= 0 && at >= lowest; at--) {
		int32_t ways[2] = {tests[at].yes, tests[at].no};

		if (!reached[at - lowest])
			continue;
		if (!(tests[at].atom & SIG_EVENT_ATOM))
			ways[0] = ways[1] = test(m, tests[at].atom) ? tests[at].yes : tests[at].no;
		for (int i = 0; i < 2; i++) {
			if (ways[i] == SIG_TRUE || (ways[i] >= 0 && ways[i] < lowest))
				return true;
			if (ways[i] >= 0)
				reached[ways[i] - lowest] = 1;
		}
	}
	return false;
}

static uint64_t *sift_words(const struct sig_matcher *m)
{
	return m->image->words + 2 * (size_t)m->set->groups.process_words;
}

/* A second event of a kind: from now on only rules that this process can fire are looked at. */
static void sift(struct sig_matcher *m, uint8_t kind)
{
	const struct sig_set *set = m->set;
	uint64_t *words = sift_words(m);

	for (uint32_t i = 0; i < set->by_kind_count[kind]; i++) {
		uint32_t bit = set->entry_first[kind] + i;

		words[bit / 64] &= ~(1ull << bit % 64);
		if (may_be_true(m, set->by_kind[kind][i].entry))
			words[bit / 64] |= 1ull << bit % 64;
	}
	m->image->sifted |= 1ull << kind;
}

static void meet(struct sig_matcher *m, uint8_t kind)
{
	uint64_t bit = 1ull << kind;

	if (!m->image->number || (m->image->sifted & bit))
		return;
	if (m->image->met & bit)
		sift(m, kind);
	m->image->met |= bit;
}

static bool fires(struct sig_matcher *m, const struct sig_entry *e)
{
	if (!run(m, e->entry))
		return false;
	return !e->rule->window || sig_counts_add(m->counts, e->rule->window, m->ctx);
}

static bool is_off(const uint64_t *off, uint32_t index)
{
	return off && (off[index / 64] >> index % 64 & 1u);
}

uint32_t sig_match(struct sig_matcher *m, struct field_ctx *ctx, const uint64_t *off,
	const struct sig_rule **out, uint32_t limit)
{
	const struct sig_set *set = m->set;
	uint8_t kind = ctx->event->kind;
	uint64_t bit = 1ull << kind % 64;
	uint32_t found = 0;

	if (kind >= PW_EVENT_KINDS)
		return 0;
	m->ctx = ctx;
	ctx->dns = &m->dns;
	if (kind == PW_EVENT_DNS)
		field_dns_learn(&m->dns, ctx->event);
	m->image = image_of(m, ctx->event->process);
	memset(m->event_words, 0, set->groups.event_words * sizeof(uint64_t));
	meet(m, kind);
	for (uint32_t i = 0; i < set->by_kind_count[kind]; i++) {
		const struct sig_entry *e = &set->by_kind[kind][i];
		uint32_t at = set->entry_first[kind] + i;

		if ((m->image->sifted & bit) && !(sift_words(m)[at / 64] >> at % 64 & 1u))
			continue;
		if (is_off(off, e->rule->index) || !fires(m, e))
			continue;
		if (found < limit)
			out[found] = e->rule;
		found++;
	}
	return found;
}

struct sig_matcher_stats sig_matcher_stats(const struct sig_matcher *m)
{
	struct sig_matcher_stats s = m->stats;

	s.forgotten += m->counts ? sig_counts_forgotten(m->counts) : 0;
	s.given_up = regex_given_up(m->regex);
	return s;
}
