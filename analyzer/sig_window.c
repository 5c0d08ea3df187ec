/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_window.h"

#include "analyzer/sig_group.h"
#include "common/base/clock.h"
#include "common/base/num.h"

#include <errno.h>
#include <stdio.h>

#define WAYS     4u
#define SETS_MAX 1024u

/* ---- text ---- */
static int parse_field(struct sig_lex *l, struct sig_atoms *atoms, const struct sig_source **ret)
{
	struct sig_operand o = {.kind = SIG_FIELD};
	struct sig_source *source = NULL;
	int r;

	sig_lex_blanks(l);
	o.pos = l->pos;
	r = sig_lex_field(l, &o.name, &o.arg);
	if (r == 0)
		r = sig_atoms_source(atoms, &o, l, &source);
	if (r == 0)
		*ret = source;
	return r;
}

static int parse_distinct(struct sig_lex *l, struct sig_atoms *atoms, struct sig_window *w)
{
	int r;

	if (!sig_lex_eat(l, '('))
		return 0;
	if (!sig_lex_word(l, "distinct"))
		return sig_lex_fail(l, l->pos, "expected distinct");
	r = parse_field(l, atoms, &w->distinct);
	if (r == 0 && !sig_lex_eat(l, ')'))
		r = sig_lex_fail(l, l->pos, "expected ) behind the field");
	return r;
}

static int parse_by(struct sig_lex *l, struct sig_atoms *atoms, struct sig_window *w)
{
	uint32_t n = 0;

	if (!sig_lex_word(l, "by"))
		return 0;
	do {
		int r;

		if (n == SIG_WINDOW_BY)
			return sig_lex_fail(
				l, l->pos, "more than %u fields behind by", SIG_WINDOW_BY);
		r = parse_field(l, atoms, &w->by[n++]);
		if (r < 0)
			return r;
	} while (sig_lex_eat(l, ','));
	return 0;
}

static int parse_limits(struct sig_lex *l, struct sig_window *w)
{
	struct pw_slice text = {NULL, 0};
	char duration[32];
	uint64_t number;
	int r;

	if (!sig_lex_word(l, "within"))
		return sig_lex_fail(l, l->pos, "expected within and a time such as 10s");
	r = sig_lex_value(l, &text);
	if (r < 0)
		return r;
	(void)snprintf(duration, sizeof(duration), "%.*s",
		(int)(text.len < sizeof(duration) ? text.len : sizeof(duration) - 1),
		(const char *)text.ptr);
	if (pw_duration_parse(duration, &w->within_ns) < 0 || w->within_ns == 0 ||
		w->within_ns > 24 * 3600 * PW_NS_PER_S)
		return sig_lex_fail(l, l->pos, "expected a time from 1ms to 24h");
	sig_lex_blanks(l);
	if (!sig_lex_eat(l, '>') || !sig_lex_eat(l, '='))
		return sig_lex_fail(l, l->pos, "expected >=");
	if (!sig_lex_number(l, &text) || pw_num_u64(text, SIG_WINDOW_MOST, &number) < 0 ||
		number == 0)
		return sig_lex_fail(l, l->pos, "expected a number from 1 to %u", SIG_WINDOW_MOST);
	w->at_least = (uint32_t)number;
	if (!sig_lex_at_end(l))
		return sig_lex_fail(l, l->pos, "expected the end");
	return 0;
}

int sig_window_parse(
	struct pw_slice text, struct sig_atoms *atoms, struct sig_window *ret, struct pw_err *err)
{
	struct sig_lex l = {.text = text, .arena = atoms->arena, .err = err};
	struct sig_window w = {.at_least = 0};
	int r;

	if (!sig_lex_word(&l, "count"))
		return sig_lex_fail(&l, l.pos, "expected count");
	r = parse_distinct(&l, atoms, &w);
	if (r == 0)
		r = parse_by(&l, atoms, &w);
	if (r == 0)
		r = parse_limits(&l, &w);
	if (r == 0)
		*ret = w;
	return r;
}

/* ---- counts ---- */
struct match {
	int64_t wall_ns;
	uint64_t what; /* hash of the distinct value, 0 = free */
};

struct count {
	uint64_t key; /* 0 = free */
	int64_t touched_ns;
	uint64_t pass; /* in which it was last put into the log; 0 = never */
	uint32_t next; /* the oldest match, once the ring is full */
};

/* A count as it was before this pass; behind it its ring. */
struct saved {
	uint32_t table, index;
	struct count count;
};

struct table {
	uint32_t sets, ring;
	struct count *counts;  /* sets × WAYS */
	struct match *matches; /* ring of each count */
};

struct sig_counts {
	uint32_t table_count;
	uint64_t forgotten, pass;
	uint8_t *log; /* of struct saved and rings, in order */
	size_t log_bytes, log_used;
	struct table tables[];
};

static uint32_t sets_of(const struct sig_window *w, uint32_t windows)
{
	size_t each = WAYS * (sizeof(struct count) + (size_t)w->at_least * sizeof(struct match));
	size_t most = SIG_WINDOW_BYTES / windows / each;
	uint32_t sets = 1;

	while (sets * 2 <= most && sets < SETS_MAX)
		sets *= 2;
	return sets;
}

static size_t saved_size(const struct table *t)
{
	return sizeof(struct saved) + t->ring * sizeof(struct match);
}

static int make_log(struct sig_counts *c)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < c->table_count; i++)
		bytes += (size_t)c->tables[i].sets * WAYS * saved_size(&c->tables[i]);
	c->log_bytes = bytes < SIG_WINDOW_LOG_BYTES ? bytes : SIG_WINDOW_LOG_BYTES;
	c->log = pw_alloc0(c->log_bytes, 1);
	return c->log ? 0 : -ENOMEM;
}

int sig_counts_new(const struct sig_window *const *windows, uint32_t count, struct sig_counts **ret)
{
	struct sig_counts *c = pw_alloc0(1, sizeof(*c) + count * sizeof(c->tables[0]));

	if (!c)
		return -ENOMEM;
	c->pass = 1;
	for (uint32_t i = 0; i < count; i++) {
		struct table *t = &c->tables[i];

		c->table_count++;
		t->sets = sets_of(windows[i], count);
		t->ring = windows[i]->at_least;
		t->counts = pw_alloc0((size_t)t->sets * WAYS, sizeof(*t->counts));
		t->matches = pw_alloc0((size_t)t->sets * WAYS * t->ring, sizeof(*t->matches));
		if (!t->counts || !t->matches) {
			sig_counts_free(c);
			return -ENOMEM;
		}
	}
	if (make_log(c) < 0) {
		sig_counts_free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

void sig_counts_free(struct sig_counts *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->table_count; i++) {
		free(c->tables[i].counts);
		free(c->tables[i].matches);
	}
	free(c->log);
	free(c);
}

uint64_t sig_counts_forgotten(const struct sig_counts *c)
{
	return c->forgotten;
}

/* Hash of a source's first value; never 0. */
static uint64_t value_hash(const struct sig_source *s, struct field_ctx *ctx)
{
	size_t used = ctx->used;
	struct field_value v;
	uint64_t hash = 1;

	if (sig_source_value(s, 0, ctx, &v) > 0)
		hash = pw_hash_mix(pw_hash64(v.text, 0), (uint64_t)v.number);
	ctx->used = used;
	return hash ? hash : 1;
}

static uint64_t key_of(const struct sig_window *w, struct field_ctx *ctx)
{
	const struct pw_container *c = ctx->event->process->container;
	uint64_t key = c ? c->group_hash : 0;

	for (uint32_t i = 0; i < SIG_WINDOW_BY && w->by[i]; i++)
		key = pw_hash_mix(key, value_hash(w->by[i], ctx));
	return key ? key : 1;
}

/* ---- taking back ---- */
/* What was there before this pass is kept once; a full log keeps no more of this pass. */
static void save(struct sig_counts *c, struct table *t, uint32_t i)
{
	struct saved s = {(uint32_t)(t - c->tables), i, t->counts[i]};
	uint8_t *to = c->log + c->log_used;

	if (t->counts[i].pass == c->pass || saved_size(t) > c->log_bytes - c->log_used)
		return;
	memcpy(to, &s, sizeof(s));
	memcpy(to + sizeof(s), &t->matches[(size_t)i * t->ring], saved_size(t) - sizeof(s));
	c->log_used += saved_size(t);
	t->counts[i].pass = c->pass;
}

void sig_counts_keep(struct sig_counts *c)
{
	c->log_used = 0;
	c->pass++;
}

void sig_counts_undo(struct sig_counts *c)
{
	for (size_t at = 0; at < c->log_used;) {
		struct saved s;
		struct table *t;

		memcpy(&s, c->log + at, sizeof(s));
		t = &c->tables[s.table];
		t->counts[s.index] = s.count;
		memcpy(&t->matches[(size_t)s.index * t->ring], c->log + at + sizeof(s),
			saved_size(t) - sizeof(s));
		at += saved_size(t);
	}
	sig_counts_keep(c);
}

/* The count of the key; an old one makes room. */
static uint32_t find_count(struct sig_counts *c, struct table *t, uint64_t key)
{
	uint32_t base = (uint32_t)(key >> 32) % t->sets * WAYS, oldest = base;

	for (uint32_t i = base; i < base + WAYS; i++) {
		if (t->counts[i].key == key) {
			save(c, t, i);
			return i;
		}
		if (t->counts[oldest].key &&
			(!t->counts[i].key ||
				t->counts[i].touched_ns < t->counts[oldest].touched_ns))
			oldest = i;
	}
	save(c, t, oldest);
	c->forgotten += t->counts[oldest].key != 0;
	t->counts[oldest] = (struct count){.key = key, .pass = t->counts[oldest].pass};
	memset(&t->matches[(size_t)oldest * t->ring], 0, t->ring * sizeof(struct match));
	return oldest;
}

static void add_match(struct table *t, uint32_t i, struct match made, bool distinct)
{
	struct match *ring = &t->matches[(size_t)i * t->ring];

	for (uint32_t k = 0; distinct && k < t->ring; k++) {
		if (ring[k].what != made.what)
			continue;
		ring[k].wall_ns = made.wall_ns;
		return;
	}
	ring[t->counts[i].next] = made;
	t->counts[i].next = (t->counts[i].next + 1) % t->ring;
}

bool sig_counts_add(struct sig_counts *c, const struct sig_window *w, struct field_ctx *ctx)
{
	struct table *t = &c->tables[w->number];
	uint32_t i = find_count(c, t, key_of(w, ctx)), found = 0;
	struct match made = {ctx->event->wall.ns, 1};
	struct match *ring = &t->matches[(size_t)i * t->ring];
	uint32_t times = w->distinct ? 1 : ctx->event->count;

	if (w->distinct)
		made.what = value_hash(w->distinct, ctx);
	t->counts[i].touched_ns = made.wall_ns;
	for (uint32_t k = 0; k < times && k < t->ring; k++)
		add_match(t, i, made, w->distinct != NULL);
	for (uint32_t k = 0; k < t->ring; k++)
		found += ring[k].what && ring[k].wall_ns > made.wall_ns - (int64_t)w->within_ns;
	if (found < w->at_least)
		return false;
	memset(ring, 0, t->ring * sizeof(*ring));
	t->counts[i].next = 0;
	return true;
}
