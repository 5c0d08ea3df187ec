/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A baseline at rest: rows and texts are packed, what answers stays. Known behaviours are still one
 * probe, templates and rows of image versions are asked as ever. What cannot be answered at rest
 * wakes it: the caller does, because waking needs memory. Not a checkpoint: the bytes never leave
 * this process.
 * Thread: the shard that owns the group. Ceiling: that of the baseline; asked by templates are
 * remembered 256 keys.
 */
#include "analyzer/baseline.h"

#define BASELINE_REST_CACHE 256u

/* Nothing may wait on the list of changes. -EBUSY then, -ENOMEM; awake as before. */
int baseline_rest(struct baseline *b) PW_MUST_CHECK;
/* 0 also when it is awake. -ENOMEM: at rest as before. */
int baseline_rest_wake(struct baseline *b) PW_MUST_CHECK;
bool baseline_rest_is(const struct baseline *b);
/* True: accepted for sure, at the start of a container when is_start. Else it must be asked awake.
 */
bool baseline_rest_knows(
	struct baseline *b, const struct behaviour *what, uint32_t versions, bool is_start);
