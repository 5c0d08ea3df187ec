/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_automaton.h"

#include "common/base/glob.h"

#include <errno.h>

#define DEAD    UINT32_MAX
#define NOTHING UINT32_MAX
#define HIT     0x80000000u /* of a cell: the state that it leads to has something to say */

/* One number that a state stands for, and the next one of the same state. */
struct output {
	uint32_t bit, next;
};

struct sig_automaton {
	enum sig_automaton_mode mode;
	uint32_t classes; /* columns of the table; class 0 = bytes of no pattern */
	uint32_t states;
	uint16_t class_of[256];
	/* States × classes. A cell is the place of the next state's row, so that a step is one load
	 * that waits for the one before, and no multiplication; DEAD or with HIT. */
	uint32_t *next;
	uint32_t *first;   /* per state: first output, NOTHING = none */
	uint32_t *shorter; /* per state: nearest suffix with an output, 0 = none (SIG_ANYWHERE) */
	struct output *outputs;
};

static uint8_t lower(uint8_t b)
{
	return b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
}

static size_t number_classes(
	struct sig_automaton *a, const struct sig_pattern *p, uint32_t count, bool fold)
{
	size_t bytes = 1;

	a->classes = 1;
	for (uint32_t i = 0; i < count; i++) {
		bytes += p[i].text.len;
		for (size_t k = 0; k < p[i].text.len; k++)
			if (!a->class_of[p[i].text.ptr[k]])
				a->class_of[p[i].text.ptr[k]] = (uint16_t)a->classes++;
	}
	for (unsigned b = 'A'; fold && b <= 'Z'; b++)
		a->class_of[b] = a->class_of[lower((uint8_t)b)];
	return bytes;
}

static void insert(struct sig_automaton *a, const struct sig_pattern *p, uint32_t number)
{
	uint32_t s = 0;

	for (size_t i = 0; i < p->text.len; i++) {
		size_t at = a->mode == SIG_AT_END ? p->text.len - 1 - i : i;
		uint32_t *to = &a->next[(size_t)s * a->classes + a->class_of[p->text.ptr[at]]];

		if (*to == DEAD)
			*to = a->states++;
		s = *to;
	}
	a->outputs[number] = (struct output){p->bit, a->first[s]};
	a->first[s] = number;
}

/* Breadth first: where to go on when the text leaves a pattern. */
static int link_states(struct sig_automaton *a, struct pw_arena *arena)
{
	uint32_t *queue = pw_arena_alloc0(arena, a->states, sizeof(*queue));
	uint32_t *fail = pw_arena_alloc0(arena, a->states, sizeof(*fail));
	uint32_t head = 0, tail = 0;

	if (!queue || !fail)
		return -ENOMEM;
	queue[tail++] = 0;
	while (head < tail) {
		uint32_t s = queue[head++];

		for (uint32_t k = 0; k < a->classes; k++) {
			uint32_t *to = &a->next[(size_t)s * a->classes + k];
			uint32_t back = s ? a->next[(size_t)fail[s] * a->classes + k] : 0;

			if (*to == DEAD) {
				*to = back;
				continue;
			}
			fail[*to] = back;
			a->shorter[*to] = a->first[back] != NOTHING ? back : a->shorter[back];
			queue[tail++] = *to;
		}
	}
	return 0;
}

/* Numbers of states become places of rows. */
static void flatten(struct sig_automaton *a)
{
	for (size_t i = 0; i < (size_t)a->states * a->classes; i++) {
		uint32_t s = a->next[i];
		bool says = s != DEAD && (a->first[s] != NOTHING || a->shorter[s]);

		if (s != DEAD)
			a->next[i] = s * a->classes | (says ? HIT : 0);
	}
}

int sig_automaton_build(const struct sig_pattern *patterns, uint32_t count,
	enum sig_automaton_mode mode, bool fold, struct pw_arena *arena, struct sig_automaton **ret)
{
	struct sig_automaton *a;
	size_t states, cells;

	if (count == 0) {
		*ret = NULL;
		return 0;
	}
	a = pw_arena_alloc0(arena, 1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->mode = mode;
	states = number_classes(a, patterns, count, fold);
	cells = states * a->classes;
	if (states > SIG_AUTOMATON_BYTES || cells * sizeof(*a->next) > SIG_AUTOMATON_BYTES)
		return -E2BIG;
	a->next = pw_arena_alloc0(arena, cells, sizeof(*a->next));
	a->first = pw_arena_alloc0(arena, states, sizeof(*a->first));
	a->shorter = pw_arena_alloc0(arena, states, sizeof(*a->shorter));
	a->outputs = pw_arena_alloc0(arena, count, sizeof(*a->outputs));
	if (!a->next || !a->first || !a->shorter || !a->outputs)
		return -ENOMEM;
	memset(a->next, 0xff, cells * sizeof(*a->next));
	memset(a->first, 0xff, states * sizeof(*a->first));
	a->states = 1;
	for (uint32_t i = 0; i < count; i++)
		insert(a, &patterns[i], i);
	if (mode == SIG_ANYWHERE && link_states(a, arena) < 0)
		return -ENOMEM;
	flatten(a);
	*ret = a;
	return 0;
}

static void emit(const struct sig_automaton *a, uint32_t s, uint64_t *bits)
{
	for (uint32_t o = a->first[s]; o != NOTHING; o = a->outputs[o].next)
		bits[a->outputs[o].bit / 64] |= 1ull << a->outputs[o].bit % 64;
}

static void run_anywhere(const struct sig_automaton *a, struct pw_slice text, uint64_t *bits)
{
	const uint32_t *next = a->next;
	uint32_t at = 0;

	emit(a, 0, bits);
	for (size_t i = 0; i < text.len; i++) {
		at = next[(at & ~HIT) + a->class_of[text.ptr[i]]];
		if (!(at & HIT))
			continue;
		for (uint32_t s = (at & ~HIT) / a->classes; s; s = a->shorter[s])
			emit(a, s, bits);
	}
}

static void run_start(const struct sig_automaton *a, struct pw_slice text, uint64_t *bits)
{
	uint32_t at = 0;

	emit(a, 0, bits);
	for (size_t i = 0; i < text.len; i++) {
		at = a->next[(at & ~HIT) + a->class_of[text.ptr[i]]];
		if (at == DEAD)
			return;
		if (at & HIT)
			emit(a, (at & ~HIT) / a->classes, bits);
	}
}

static void run_end(const struct sig_automaton *a, struct pw_slice text, uint64_t *bits)
{
	uint32_t at = 0;

	emit(a, 0, bits);
	for (size_t i = text.len; i > 0; i--) {
		at = a->next[(at & ~HIT) + a->class_of[text.ptr[i - 1]]];
		if (at == DEAD)
			return;
		if (at & HIT)
			emit(a, (at & ~HIT) / a->classes, bits);
	}
}

static void run_path(const struct sig_automaton *a, struct pw_slice text, uint64_t *bits)
{
	uint32_t at = 0;

	text = pw_glob_strip(text);
	if (text.len == 0 || text.ptr[0] == '/')
		emit(a, 0, bits);
	for (size_t i = 0; i < text.len; i++) {
		at = a->next[(at & ~HIT) + a->class_of[text.ptr[i]]];
		if (at == DEAD)
			return;
		if ((at & HIT) && (i + 1 == text.len || text.ptr[i + 1] == '/'))
			emit(a, (at & ~HIT) / a->classes, bits);
	}
}

void sig_automaton_run(const struct sig_automaton *a, struct pw_slice text, uint64_t *bits)
{
	if (!a)
		return;
	switch (a->mode) {
	case SIG_ANYWHERE:
		run_anywhere(a, text, bits);
		return;
	case SIG_AT_START:
		run_start(a, text, bits);
		return;
	case SIG_AT_END:
		run_end(a, text, bits);
		return;
	case SIG_AS_PATH:
		run_path(a, text, bits);
		return;
	}
}
