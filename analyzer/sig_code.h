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

struct sig_test {
	uint32_t atom;   /* bit of the atom, with SIG_EVENT_ATOM for those of events */
	int32_t yes, no; /* index of the next test, SIG_TRUE or SIG_FALSE */
};

struct sig_code {
	struct sig_test *tests;
	uint32_t count, capacity, limit;
};

/* Kinds for which the condition may be true. Finds all errors of the condition. */
int sig_code_kinds(struct sig_atoms *a, const struct sig_text *text, struct pw_err *err,
	uint64_t *ret) PW_MUST_CHECK;
/* Appends the code of a condition that sig_code_kinds accepted; *ret_entry is where it starts. */
int sig_code_add(struct sig_code *code, const struct sig_text *text, uint8_t kind,
	int32_t *ret_entry) PW_MUST_CHECK;
