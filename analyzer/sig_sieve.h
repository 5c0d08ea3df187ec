/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which entries of a kind can come out true at all? For each entry a few atoms are known of which
 * one must be true ("fd.name starts with /etc/ or is …"); an entry without a true one is not run.
 * So an ordinary event costs the look-up of its values, and not one jump for each rule.
 * One sieve for what the event says and one for what the process says, of each kind.
 * Thread: made by one; run by any. Ceilings: SIG_SIEVE_ATOMS for an entry, SIG_SIEVE_STEPS of
 * looking for them; an entry over them always passes.
 */
#include "analyzer/sig_defs.h"
#include "analyzer/sig_group.h"

#define SIG_SIEVE_ATOMS 512u
#define SIG_SIEVE_STEPS 4096u

struct sig_sieve {
	uint32_t *groups; /* to be answered first */
	uint32_t group_count;
	uint64_t *known; /* all words of the scope: what is answered then; NULL without groups */
	uint32_t first_word, word_count; /* of the scope's bits: what mask covers */
	uint64_t *mask;                  /* bits that let an entry pass */
	uint32_t *rank;                  /* of each word: bits of mask in the words before */
	uint32_t *start;                 /* of each bit of mask, and one more: where in entries */
	uint32_t *entries;
	uint64_t *unsifted; /* bit per entry: no atom decides it */
	uint32_t entry_words, entry_count;
	bool is_useful; /* stops an entry at all */
};

/* Whose conditions, in the order of the kind's entries. */
struct sig_sieve_job {
	const struct sig_groups *groups;
	struct pw_arena *arena;
	struct sig_node *const *roots;
	uint32_t count;
	uint8_t kind;
	bool is_event;
};

/* -ENOMEM. All roots have been accepted by sig_code_kinds, the groups are made. */
int sig_sieve_make(const struct sig_sieve_job *job, struct sig_sieve *ret) PW_MUST_CHECK;
/* value: the scope's answers, valid for the sieve's groups. candidates: entry_words of them, the
 * ones that do not pass are cleared. */
void sig_sieve_run(const struct sig_sieve *s, const uint64_t *value, uint64_t *candidates);
