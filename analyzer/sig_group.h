/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * All atoms of one source, evaluated together: the value is fetched once, and one hash lookup, trie
 * walk or pass over its bytes answers all of them at once, as bits. Atoms of processes have the
 * lower bits, those of events the upper ones.
 * Thread: made by one; evaluated by any with its own context and bits.
 */
#include "analyzer/sig_atom.h"
#include "analyzer/sig_automaton.h"

/* A value of an equality, and the bit that it sets. */
struct sig_equal {
	uint64_t hash;
	struct pw_slice text;
	uint32_t bit, next; /* next: of the same value, 0 = none */
};

/* A pattern that no automaton had room for: compared alone, slow but right. */
struct sig_slow {
	enum sig_how how;
	struct sig_pattern pattern;
};

struct sig_group {
	const struct sig_source *source;
	uint32_t first, count; /* bits within the scope: of the atoms, then of hints for globs */
	uint32_t atom_count;
	bool is_event;
	bool is_single; /* one value, as the field gives it */
	bool has_patterns;
	int32_t exists; /* bit of the atom that asks for any value, -1 = none */
	struct sig_equal *equals;
	uint32_t *buckets; /* numbers in equals, 0 = free */
	uint32_t bucket_mask, equal_count;
	struct sig_automaton *starts, *paths, *ends, *contains, *icontains;
	const struct sig_atom **singles; /* numbers, globs, and what stands alone */
	const struct sig_atom **nets;    /* networks */
	uint32_t single_count, net_count;
	struct sig_slow *slow;
	uint32_t slow_count;
};

struct sig_groups {
	struct sig_group *items;
	uint32_t count;
	uint32_t *of_bit; /* group number by bit */
	uint32_t process_words, event_words;
};

/* Gives every atom its bit and group. -ENOMEM. */
int sig_groups_make(struct sig_atoms *a, struct sig_groups *ret) PW_MUST_CHECK;
/* Sets the bits of the group's atoms that are true for the context's event; they were clear. */
void sig_group_run(const struct sig_group *g, struct field_ctx *c, struct regex_scratch *regex,
	uint64_t *bits);
/* Sets all of the group's bits. */
void sig_group_learn(const struct sig_group *g, uint64_t *known);
/* One value of a source; round 0, 1 … for sources with several. 1 = value, 0 = none in this round,
 * -1 = no further rounds. */
int sig_source_value(
	const struct sig_source *s, uint32_t round, struct field_ctx *c, struct field_value *ret);
