/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Finds the variable parts of names by comparing the containers of a group: below one folder, names
 * that only one container showed, while other containers showed others of the same form, become one
 * template; a name that two containers share stays exact. With fewer than three containers only
 * numbers, dates and hexadecimal digits are taken for variable, and only when a folder has several
 * such names. A folder with more names than a limit becomes one template as the last resort.
 * Only widens: what was accepted stays accepted. The result depends on the rows alone, not on their
 * order. Sensitive names (template.h) always stay exact.
 * Thread: the shard that owns the group. Allocates; runs when a phase ends or a ceiling is near.
 */
#include "analyzer/baseline.h"

#define GENERALISE_CONTAINERS 3u  /* from so many on, containers are compared */
#define GENERALISE_CHILDREN   50u /* names in a folder, before it is taken as a whole */

struct generalise_options {
	uint32_t containers;  /* that the group showed so far */
	uint32_t child_limit; /* GENERALISE_CHILDREN, smaller near the ceiling of keys */
};

struct generalise_result {
	uint32_t templates; /* made new */
	uint32_t left_out;  /* rows that they stand for now */
};

/* 0, -ENOMEM (nothing or only a part was done; safe to repeat), -ENOSPC (no room for a template).
 */
int generalise(struct baseline *b, const struct generalise_options *o,
	struct generalise_result *ret) PW_MUST_CHECK;
