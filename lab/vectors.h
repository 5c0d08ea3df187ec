/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Conformance vectors: a file with one JSON object a line, each a condition and what should come of
 * it, against the compiler and evaluator. Two forms:
 *   {"event": 0, "cond": "…", "result": 1}, or "error" in place of "result"; needs a file of events
 *   {"cond": "…", "grammar_2026_07": true}: is it a sentence of the grammar?
 * Thread: one. Ceilings: 64 MiB a file, 1,024 events.
 */
#include "common/base/buf.h"
#include "common/base/err.h"

struct vectors_result {
	uint64_t agreed, differing;
	uint64_t deliberate; /* of those differing: regular expressions that are invalid */
};

/* events NULL = no file of events. Each difference goes to out as one line. */
int vectors_run(const char *file, const char *events, struct pw_buf *out,
	struct vectors_result *ret, struct pw_err *err) PW_MUST_CHECK;
