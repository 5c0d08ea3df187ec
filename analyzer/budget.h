/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How many findings of the profile engine a pod group may announce in one window, by severity, so
 * that noise never starves what matters: 5 of severity info, 10 low, 20 medium, 50 high; critical
 * ones and signatures are never held back. What is over becomes occurrences of one summary per
 * severity, counted exactly. A batch that is judged again does not count twice.
 * Thread: the shard that owns the group.
 */
#include <stdbool.h>
#include <stdint.h>

#define BUDGET_SEVERITIES 6u

struct budget {
	int64_t window_wall_ns;
	uint64_t pass; /* the batch that pass_used belongs to */
	uint32_t used[BUDGET_SEVERITIES], pass_used[BUDGET_SEVERITIES];
};

/* True = may be announced. pass: number of the judging of a batch, never the same twice. */
bool budget_take(struct budget *b, uint64_t pass, int64_t window_wall_ns, uint32_t severity);
/* The batch was told. */
void budget_commit(struct budget *b, uint64_t pass);
