/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which events --print shows: by container, kind and process. What is not asked for passes.
 * It hides lines and nothing else: what is sent or recorded stays the same.
 * Thread: the pipeline's. Ceiling: PRINT_FILTER_WORDS words a list; texts are borrowed.
 */
#include "collector/pipeline.h"

#define PRINT_FILTER_WORDS 64u

struct print_filter_list {
	struct pw_slice words[PRINT_FILTER_WORDS];
	unsigned count;
};

struct print_filter {
	struct print_filter_list containers; /* globs; also the beginning of an id */
	struct print_filter_list processes;  /* pids, or globs over executable and name */
	uint64_t kinds;                      /* bit n = enum event_type n; 0 = all */
};

/* Lists are separated by commas; NULL = all. err names the flag and what it takes. */
int print_filter_init(struct print_filter *f, const char *containers, const char *kinds,
	const char *processes, struct pw_err *err) PW_MUST_CHECK;
bool print_filter_passes(const struct print_filter *f, const struct pipeline_view *v);
