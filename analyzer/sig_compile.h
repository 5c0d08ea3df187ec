/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Signature sets -> one immutable compiled set, indexed by event kind. A rule that cannot run is
 * refused alone, by name, with field and position; the rest of its set runs.
 * Ceiling: 4,096 rules in all.
 * Thread: compiled by one, matched by any number.
 */
#include "analyzer/problems.h"
#include "analyzer/sig_parse.h"
#include "podward/v1/policy.pb-c.h"

#define SIG_RULES_LIMIT 4096u

struct sig_rule {
	struct pw_slice set, id, title, output;
	struct pw_slice detector; /* "sig/<set>/<id>" */
	struct pw_slice condition;
	const ProtobufCBinaryData *mitre;
	size_t mitre_count;
	uint32_t severity; /* Severity */
	bool suppress_if_learned;
	uint64_t event_mask; /* bit per event kind that can fire it */
	uint32_t index;
	const struct sig_node *root;
};

struct sig_set {
	struct sig_rule *rules;
	uint32_t count;
	const struct sig_rule **by_kind[PW_EVENT_KINDS]; /* in load order */
	uint32_t by_kind_count[PW_EVENT_KINDS];
	uint32_t refused;
};

/*
 * The texts of sets must live as long as the arena. -ENOMEM is the only failure: what is wrong
 * with a rule becomes a problem.
 */
int sig_compile(Podward__V1__SignatureSet *const *sets, size_t set_count, struct pw_arena *arena,
	struct problems *problems, struct sig_set **ret) PW_MUST_CHECK;
/* One condition, checked against the field table; for tests, fuzzing and sig_compile. */
int sig_compile_condition(struct pw_slice condition, struct pw_arena *arena, struct sig_node **ret,
	uint64_t *ret_event_mask, struct pw_err *err) PW_MUST_CHECK;
