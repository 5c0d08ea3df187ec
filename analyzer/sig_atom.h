/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The different checks of a compiled set, each once. A check of a condition is looked up among the
 * fields, its values are read by the field's type, and equal checks of all rules become one atom.
 * Atoms of one source (field, argument, transformers) are evaluated together: sig_group.h.
 * Thread: the compiling one; constant afterwards. Ceilings: SIG_ATOMS_LIMIT, SIG_SOURCES_LIMIT.
 */
#include "analyzer/field_calls.h"
#include "analyzer/fields.h"
#include "analyzer/regex.h"
#include "analyzer/sig_parse.h"
#include "analyzer/sig_value.h"
#include "common/base/hash.h"

#define SIG_ATOMS_LIMIT   65536u
#define SIG_SOURCES_LIMIT 8192u
#define SIG_TRANSFORMS    4u

enum sig_transform { SIG_TOLOWER = 1, SIG_TOUPPER, SIG_BASENAME, SIG_B64, SIG_LEN };

/* What a check takes its value from. */
struct sig_source {
	struct field_ref ref;
	uint8_t transforms[SIG_TRANSFORMS]; /* innermost first, 0 = end */
	enum field_type type;               /* of the transformed value */
	bool is_event;                      /* false: constant for a process */
	uint32_t group;                     /* private to sig_group.c */
};

/* How an atom is evaluated; the first ones share one pass over the source's value. */
enum sig_how {
	SIG_HOW_EXISTS,
	SIG_HOW_EQUAL,
	SIG_HOW_STARTS,
	SIG_HOW_PATH,
	SIG_HOW_ENDS,
	SIG_HOW_CONTAINS,
	SIG_HOW_ICONTAINS,
	SIG_HOW_UNION, /* any of its parts, which are the ones above */
	SIG_HOW_NUMBER,
	SIG_HOW_NET,
	SIG_HOW_GLOB,
	SIG_HOW_ALONE, /* from here on: one group each */
	SIG_HOW_CALLS,
	SIG_HOW_RIGHT,
};

struct sig_atom {
	const struct sig_source *source;
	enum sig_how how;
	enum sig_op op;
	struct pw_slice *values;
	uint32_t value_count;
	int64_t *numbers; /* sorted */
	struct sig_net *nets;
	struct field_calls *calls;
	struct regex *regex;
	const struct sig_source *right;
	const struct sig_atom **parts; /* SIG_HOW_UNION; as many as value_count */
	uint64_t kinds;                /* event kinds for which it can be true */
	int8_t always;                 /* 1 true, 0 false whatever the event, -1 = it depends */
	uint8_t cost;
	bool is_event;
	uint32_t bit;   /* set by sig_group.c */
	int32_t hint;   /* the same; bit of the literal that a glob must have, -1 = none */
	uint32_t group; /* the same */
	struct pw_hash128 identity;
};

struct sig_atoms {
	struct pw_arena *arena;
	struct sig_atom **items;
	struct sig_source **sources;
	uint32_t count, source_count, capacity;
	uint32_t *buckets; /* item numbers by identity */
};

int sig_atoms_new(struct pw_arena *arena, struct sig_atoms **ret) PW_MUST_CHECK;
/*
 * The atom of one check; *ret_exists is set when the check is true only if that is too (a != b is
 * "a exists and not a = b"), *ret_inverted when the atom is to be inverted. value: which of the
 * check's values under a modifier, -1 = all of them. Errors as sig_lex_fail; -E2BIG over a ceiling.
 */
struct sig_found {
	const struct sig_atom *atom, *exists;
	bool inverted;
};
int sig_atoms_get(struct sig_atoms *a, const struct sig_check *c, int32_t value, struct sig_lex *l,
	struct sig_found *ret) PW_MUST_CHECK;
/* One atom for "a or b or …" of atoms with the same source; they are looked for together anyway. */
int sig_atoms_union(struct sig_atoms *a, const struct sig_atom **parts, uint32_t count,
	struct sig_lex *l, const struct sig_atom **ret) PW_MUST_CHECK;
static inline bool sig_atom_is_mergeable(const struct sig_atom *t)
{
	return t->how >= SIG_HOW_EQUAL && t->how <= SIG_HOW_ICONTAINS;
}
/* What the kind of event decides: 1, 0, or -1 when the event must be asked. */
static inline int sig_atom_decided(const struct sig_atom *t, uint8_t kind)
{
	if (t->always >= 0)
		return t->always;
	if (!(t->kinds >> kind & 1u))
		return 0;
	return t->how == SIG_HOW_CALLS && (t->calls->whole >> kind & 1u) ? 1 : -1;
}
/* A field that is no comparison: for aggregates. */
int sig_atoms_source(struct sig_atoms *a, const struct sig_operand *o, struct sig_lex *l,
	struct sig_source **ret) PW_MUST_CHECK;
