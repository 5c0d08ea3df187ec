/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Condition tree -> code for one kind of event: a list of tests, each with the two places where it
 * goes on. What the kind decides (evt.type, fields that it does not carry) is folded away; cheap
 * tests come first, which changes nothing because a test has no effect but its result.
 * Code is written from its end, so every jump goes to a smaller index.
 * Thread: the compiling one; constant afterwards. Ceilings: 16,384 tests and a depth of 1,024 for
 * one condition with its macros.
 */
#include "analyzer/sig_atom.h"
#include "analyzer/sig_defs.h"

#define SIG_CODE_TESTS 16384u
#define SIG_CODE_DEPTH 1024u
#define SIG_TRUE       (-1)
#define SIG_FALSE      (-2)
#define SIG_EVENT_ATOM 0x80000000u
#define SIG_COMPOUND   0x40000000u
#define SIG_COMPOUNDS  65536u

struct sig_test {
	/* Bit of the atom, or with SIG_COMPOUND number of the compound; SIG_EVENT_ATOM for events.
	 */
	uint32_t atom;
	int32_t yes, no; /* index of the next test, SIG_TRUE or SIG_FALSE */
};

/*
 * A part of a condition that is answered once and kept: what depends on the process only (for the
 * image), or a macro (for the event). Its code ends in SIG_TRUE or SIG_FALSE.
 */
struct sig_compounds {
	int32_t *entries;
	uint32_t count, capacity;
};

struct sig_code {
	struct sig_test *tests;
	uint32_t count, capacity, limit;
	struct sig_compounds process, event;
};

void sig_code_done(struct sig_code *code);

/* Kinds for which the condition may be true. Finds all errors of the condition. */
int sig_code_kinds(struct sig_atoms *a, const struct sig_text *text, struct pw_err *err,
	uint64_t *ret) PW_MUST_CHECK;
/* Appends the code of a condition that sig_code_kinds accepted; *ret_entry is where it starts. */
int sig_code_add(struct sig_code *code, struct sig_text *text, uint8_t kind,
	int32_t *ret_entry) PW_MUST_CHECK;
