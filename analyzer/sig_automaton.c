/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_automaton.h"

#include "common/base/glob.h"

#include <errno.h>

#define DEAD    UINT32_MAX
#define NOTHING UINT32_MAX

/* One number that a state stands for, and the next one of the same state. */
struct output {
	uint32_t bit, next;
};

struct sig_automaton {
	enum sig_automaton_mode mode;
	uint32_t classes; /* columns of the table; class 0 = bytes of no pattern */
	uint32_t states;
	uint16_t class_of[256];
	uint32_t *next;    /* states × classes */
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
	uint32_t classes = a->classes, s = 0;

	emit(a, 0, bits);
	for (size_t i = 0; i < text.len; i++) {
		s = next[(size_t)s * classes + a->class_of[text.ptr[i]]];
		if (s == 0)
			continue;
		if (a->first[s] != NOTHING)
			emit(a, s, bits);
		for (uint32_t t = a->shorter[s]; t; t = a->shorter[t])
			emit(a, t, bits);
	}
}

static void run_edge(const struct sig_automaton *a, struct pw_slice text, uint64_t *bits)
{
	uint32_t s = 0;

	if (a->mode == SIG_AS_PATH)
		text = pw_glob_strip(text);
	for (size_t i = 0; s != DEAD; i++) {
		bool ends_here = a->mode != SIG_AS_PATH || i == text.len || text.ptr[i] == '/';

		if (a->first[s] != NOTHING && ends_here)
			emit(a, s, bits);
		if (i == text.len)
			return;
		s = a->next[(size_t)s * a->classes +
			    a->class_of[text.ptr[a->mode == SIG_AT_END ? text.len - 1 - i : i]]];
	}
}

void sig_automaton_run(const struct sig_automaton *a, struct pw_slice text, uint64_t *bits)
{
	if (!a)
		return;
	if (a->mode == SIG_ANYWHERE)
		run_anywhere(a, text, bits);
	else
		run_edge(a, text, bits);
}
