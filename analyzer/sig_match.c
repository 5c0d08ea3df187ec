/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_match.h"

#include <errno.h>

/*
 * What is known of one process image. Behind it: known and value words of the process's atoms, the
 * same of its compounds, then for each kind's entries a bit when this process can fire it, and
 * where the code goes on behind what the process decides.
 */
struct image {
	uint64_t number; /* pw_process.number; 0 = free */
	uint64_t met;    /* kinds of which an event was judged */
	uint64_t sifted; /* kinds whose entries and their bits are valid */
	uint64_t words[];
};

struct sig_matcher {
	const struct sig_set *set;
	uint64_t set_number;
	uint8_t *images;
	size_t image_bytes;
	uint32_t image_mask;
	uint32_t process_words, process_compounds, event_words, event_compounds; /* 64 bits each */
	/* By the two upper bits of sig_test.atom: of the present image and event. */
	struct region {
		uint64_t *known, *value;
	} regions[4];
	uint64_t *event_bits; /* known and value of atoms, the same of compounds */
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
	free(PW_TAKE(m->event_bits));
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
	uint32_t images = 1;
	size_t words;

	if (m->set_number == set->number) {
		m->set = set;
		return 0;
	}
	drop_set(m);
	m->process_words = set->groups.process_words;
	m->process_compounds = set->process.count / 64 + 1;
	m->event_words = set->groups.event_words;
	m->event_compounds = set->event.count / 64 + 1;
	words = 2 * (size_t)(m->process_words + m->process_compounds) + set->entry_word_count +
		set->entry_count / 2 + 1;
	m->image_bytes = sizeof(struct image) + words * sizeof(uint64_t);
	while (2 * images * m->image_bytes <= SIG_CACHE_BYTES && images < 8192)
		images *= 2;
	m->image_mask = images - 1;
	m->images = pw_alloc0(images, m->image_bytes);
	m->event_bits =
		pw_alloc0(2 * ((size_t)m->event_words + m->event_compounds), sizeof(uint64_t));
	if (!m->images || !m->event_bits || make_counts(m, set) < 0) {
		drop_set(m);
		return -ENOMEM;
	}
	m->regions[2] = (struct region){m->event_bits, m->event_bits + m->event_words};
	m->regions[3].known = m->event_bits + 2 * (size_t)m->event_words;
	m->regions[3].value = m->regions[3].known + m->event_compounds;
	m->set = set;
	m->set_number = set->number;
	return 0;
}

static void point_to_image(struct sig_matcher *m, struct image *i)
{
	uint64_t *compounds = i->words + 2 * (size_t)m->process_words;

	m->image = i;
	m->regions[0] = (struct region){i->words, i->words + m->process_words};
	m->regions[1] = (struct region){compounds, compounds + m->process_compounds};
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
	memset(i->words, 0, m->process_words * sizeof(uint64_t));
	memset(i->words + 2 * (size_t)m->process_words, 0, m->process_compounds * sizeof(uint64_t));
	return i;
}

/* Answers all atoms of the group. */
static void ask_group(struct sig_matcher *m, struct region *r, uint32_t number)
{
	const struct sig_group *g = &m->set->groups.items[number];

	for (uint32_t w = g->first / 64; w <= (g->first + g->count - 1) / 64; w++)
		r->value[w] &= r->known[w]; /* values of bits not known yet may be old */
	sig_group_learn(g, r->known);
	sig_group_run(g, m->ctx, m->regex, r->value);
}

static bool run(struct sig_matcher *m, int32_t at);

#define REGION(atom) ((atom) >> 30)
#define BIT(atom)    ((atom)&0x3fffffffu)
_Static_assert(REGION(SIG_EVENT_ATOM) == 2 && REGION(SIG_COMPOUND) == 1, "order of regions");

/* Runs the compound and keeps the answer; a value bit that is not known may be old. */
static void ask_compound(struct sig_matcher *m, uint32_t atom)
{
	struct region *r = &m->regions[REGION(atom)];
	bool is_event = atom & SIG_EVENT_ATOM;
	uint32_t number = BIT(atom);
	uint64_t bit = 1ull << number % 64;
	bool value = run(m, (is_event ? m->set->event : m->set->process).entries[number]);

	r->known[number / 64] |= bit;
	r->value[number / 64] = value ? r->value[number / 64] | bit : r->value[number / 64] & ~bit;
}

static __attribute__((noinline)) void ask(struct sig_matcher *m, uint32_t atom)
{
	uint32_t base = atom & SIG_EVENT_ATOM ? m->process_words * 64 : 0;

	if (atom & SIG_COMPOUND)
		ask_compound(m, atom);
	else
		ask_group(m, &m->regions[REGION(atom)], m->set->groups.of_bit[base + BIT(atom)]);
}

static inline bool test(struct sig_matcher *m, uint32_t atom)
{
	const struct region *r = &m->regions[REGION(atom)];
	uint32_t bit = BIT(atom);

	if (!(r->known[bit / 64] >> bit % 64 & 1u))
		ask(m, atom);
	return r->value[bit / 64] >> bit % 64 & 1u;
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
	uint8_t reached[2048] = {0};
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

/* ---- which entries to run ---- */
struct candidates {
	uint32_t words;
	uint64_t bits[SIG_RULES_LIMIT / 64 + 1];
};

static bool has_more_than(const struct candidates *c, uint32_t few)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < c->words && n <= few; w++)
		for (uint64_t left = c->bits[w]; left && n <= few; left &= left - 1)
			n++;
	return n > few;
}

static void all_entries(const struct sig_matcher *m, uint8_t kind, struct candidates *c)
{
	uint32_t count = m->set->by_kind_count[kind];

	c->words = count / 64 + 1;
	memset(c->bits, 0xff, c->words * sizeof(*c->bits));
	c->bits[count / 64] = (1ull << count % 64) - 1;
}

/* Is the first one to ask: nothing is known of the event before. */
static void sift_by_event(struct sig_matcher *m, const struct sig_sieve *s, struct candidates *c)
{
	struct region *r = &m->regions[2];

	memset(m->regions[3].known, 0, m->event_compounds * sizeof(uint64_t));
	if (!s || !s->known) {
		memset(r->known, 0, m->event_words * sizeof(uint64_t));
	} else {
		memcpy(r->known, s->known, m->event_words * sizeof(uint64_t));
		memset(r->value, 0, m->event_words * sizeof(uint64_t));
		for (uint32_t i = 0; i < s->group_count; i++)
			sig_group_run(
				&m->set->groups.items[s->groups[i]], m->ctx, m->regex, r->value);
	}
	if (s)
		sig_sieve_run(s, r->value, c->bits);
}

static void sift_by_process(struct sig_matcher *m, const struct sig_sieve *s, struct candidates *c)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->group_count; i++)
		(void)test(m, m->set->groups.items[s->groups[i]].first);
	sig_sieve_run(s, m->regions[0].value, c->bits);
}

static uint64_t *image_bits(const struct sig_matcher *m, uint8_t kind)
{
	return m->image->words + 2 * (size_t)(m->process_words + m->process_compounds) +
	       m->set->entry_word_first[kind];
}

static int32_t *image_entries(const struct sig_matcher *m, uint8_t kind)
{
	uint64_t *behind = image_bits(m, 0) + m->set->entry_word_count;

	return (int32_t *)behind + m->set->entry_first[kind];
}

/* A second event of a kind: from now on only rules that this process can fire are looked at. */
static void sift_for_image(struct sig_matcher *m, uint8_t kind)
{
	const struct sig_test *tests = m->set->tests;
	int32_t *entries = image_entries(m, kind);
	struct candidates c;

	all_entries(m, kind, &c);
	sift_by_process(m, m->set->by_process[kind], &c);
	for (uint32_t w = 0; w < c.words; w++) {
		for (uint64_t left = c.bits[w]; left; left &= left - 1) {
			uint32_t i = w * 64 + (uint32_t)__builtin_ctzll(left);
			int32_t at = m->set->by_kind[kind][i].entry;

			while (at >= 0 && !(tests[at].atom & SIG_EVENT_ATOM))
				at = test(m, tests[at].atom) ? tests[at].yes : tests[at].no;
			entries[i] = at;
			if (!may_be_true(m, at))
				c.bits[w] &= ~(1ull << i % 64);
		}
	}
	memcpy(image_bits(m, kind), c.bits, c.words * sizeof(*c.bits));
	m->image->sifted |= 1ull << kind;
}

#define FEW 3u /* as many are run without asking what the process rules out */

/* Takes out what the process cannot fire. Where the code of the rest starts, NULL = as compiled. */
static const int32_t *sift(struct sig_matcher *m, uint8_t kind, struct candidates *c)
{
	uint64_t bit = 1ull << kind;

	if (!(m->image->met & bit) || !m->image->number) {
		m->image->met |= bit;
		if (has_more_than(c, FEW))
			sift_by_process(m, m->set->by_process[kind], c);
		return NULL;
	}
	if (!(m->image->sifted & bit))
		sift_for_image(m, kind);
	for (uint32_t w = 0; w < c->words; w++)
		c->bits[w] &= image_bits(m, kind)[w];
	return image_entries(m, kind);
}

static bool fires(struct sig_matcher *m, const struct sig_rule *rule, int32_t entry)
{
	if (!run(m, entry))
		return false;
	return !rule->window || sig_counts_add(m->counts, rule->window, m->ctx);
}

static bool is_off(const uint64_t *off, uint32_t index)
{
	return off && (off[index / 64] >> index % 64 & 1u);
}

uint32_t sig_match(struct sig_matcher *m, struct field_ctx *ctx, const uint64_t *off,
	const struct sig_rule **out, uint32_t limit)
{
	uint8_t kind = ctx->event->kind;
	const int32_t *entries;
	struct candidates c;
	uint32_t found = 0;

	if (kind >= PW_EVENT_KINDS)
		return 0;
	m->ctx = ctx;
	ctx->dns = &m->dns;
	if (kind == PW_EVENT_DNS)
		field_dns_learn(&m->dns, ctx->event);
	all_entries(m, kind, &c);
	sift_by_event(m, m->set->by_event[kind], &c);
	if (!has_more_than(&c, 0))
		return 0;
	point_to_image(m, image_of(m, ctx->event->process));
	entries = sift(m, kind, &c);
	for (uint32_t w = 0; w < c.words; w++) {
		for (uint64_t left = c.bits[w]; left; left &= left - 1) {
			uint32_t i = w * 64 + (uint32_t)__builtin_ctzll(left);
			const struct sig_entry *e = &m->set->by_kind[kind][i];

			if (is_off(off, e->rule->index) ||
				!fires(m, e->rule, entries ? entries[i] : e->entry))
				continue;
			if (found < limit)
				out[found] = e->rule;
			found++;
		}
	}
	return found;
}

void sig_matcher_keep(struct sig_matcher *m)
{
	if (m->counts)
		sig_counts_keep(m->counts);
}

void sig_matcher_undo(struct sig_matcher *m)
{
	if (m->counts)
		sig_counts_undo(m->counts);
}

struct sig_matcher_stats sig_matcher_stats(const struct sig_matcher *m)
{
	struct sig_matcher_stats s = m->stats;

	s.forgotten += m->counts ? sig_counts_forgotten(m->counts) : 0;
	s.given_up = regex_given_up(m->regex);
	return s;
}
