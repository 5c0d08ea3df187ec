/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Many patterns against one text in one pass over its bytes: at its start, at its end, anywhere in
 * it, or as a path (whole components). What is found are the patterns' numbers, as bits.
 * Tables are dense over the bytes that occur in patterns, so a step is one load.
 * Thread: built by one, run by any. Ceiling: SIG_AUTOMATON_BYTES of tables.
 */
#include "common/base/arena.h"

#define SIG_AUTOMATON_BYTES (8u << 20)

enum sig_automaton_mode { SIG_AT_START, SIG_AT_END, SIG_ANYWHERE, SIG_AS_PATH };

struct sig_pattern {
	struct pw_slice text; /* for SIG_AS_PATH without slashes at its ends */
	uint32_t bit;
};

struct sig_automaton;

/* fold: capital letters of the text count as small ones; patterns are given in small ones.
 * -E2BIG over the ceiling, -ENOMEM. No patterns: *ret is NULL. */
int sig_automaton_build(const struct sig_pattern *patterns, uint32_t count,
	enum sig_automaton_mode mode, bool fold, struct pw_arena *arena,
	struct sig_automaton **ret) PW_MUST_CHECK;
/* Sets the bits of all patterns that the text has. a may be NULL. */
void sig_automaton_run(const struct sig_automaton *a, struct pw_slice text, uint64_t *bits);
