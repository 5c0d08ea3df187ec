/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Signature sets -> one immutable compiled set. All checks of all rules are one pool of atoms
 * (sig_atom.h), evaluated by source (sig_group.h); a rule is code over their bits, for each kind of
 * event that can fire it (sig_code.h). A rule that cannot run is refused alone, by name, with field
 * and position; the rest of its set runs.
 * Ceilings: 4,096 rules in all, SIG_TESTS_LIMIT tests of code, those of the parts.
 * Thread: compiled by one, matched by any number.
 */
#include "analyzer/problems.h"
#include "analyzer/sig_code.h"
#include "analyzer/sig_group.h"
#include "analyzer/sig_sieve.h"
#include "analyzer/sig_window.h"
#include "podward/v1/policy.pb-c.h"

#define SIG_RULES_LIMIT 4096u
#define SIG_TESTS_LIMIT (1u << 20)

struct sig_rule {
	struct pw_slice set, id, title, output;
	struct pw_slice detector; /* "sig/<set>/<id>" */
	struct pw_slice condition;
	const ProtobufCBinaryData *mitre;
	size_t mitre_count;
	uint32_t severity; /* Severity */
	bool suppress_if_learned;
	uint32_t canary_percent; /* of pod groups that the rule runs for; 0 = all */
	uint32_t canary_rest;    /* the rule runs for the others of this percentage; 0 = all */
	uint64_t event_mask;     /* bit per event kind that can fire it */
	uint32_t index;
	const struct sig_window *window; /* NULL = each match fires */
	struct sig_text text;
};

/* A rule for one kind of event, and where its code starts. */
struct sig_entry {
	const struct sig_rule *rule;
	int32_t entry;
};

struct sig_set {
	uint64_t number; /* no other set of this process has it */
	struct sig_rule *rules;
	uint32_t count;
	struct sig_entry *by_kind[PW_EVENT_KINDS]; /* in load order */
	uint32_t by_kind_count[PW_EVENT_KINDS];
	uint32_t entry_count;                 /* of all kinds */
	uint32_t entry_word_count;            /* the same as words of bits, each kind its own */
	uint32_t entry_first[PW_EVENT_KINDS]; /* where a kind's entries start in that count */
	uint32_t entry_word_first[PW_EVENT_KINDS];
	struct sig_sieve *by_event[PW_EVENT_KINDS],
		*by_process[PW_EVENT_KINDS]; /* NULL = useless */
	struct sig_test *tests;
	uint32_t test_count;
	struct sig_compounds process, event;
	struct sig_groups groups;
	uint32_t atom_count, window_count;
	uint32_t canary_count; /* rules that run for a share of pod groups */
	uint32_t refused;
	size_t bytes; /* of the compiled set, parse trees included */
};

/*
 * The texts of sets must live as long as the arena. -ENOMEM is the only failure: what is wrong
 * with a rule becomes a problem.
 */
int sig_compile(Podward__V1__SignatureSet *const *sets, size_t set_count, struct pw_arena *arena,
	struct problems *problems, struct sig_set **ret) PW_MUST_CHECK;
/* One condition as a set of one rule; for tests, fuzzing and the lab. */
int sig_compile_condition(struct pw_slice condition, struct pw_arena *arena, struct sig_set **ret,
	struct pw_err *err) PW_MUST_CHECK;
