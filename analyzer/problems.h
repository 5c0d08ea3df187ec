/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What was refused in a policy snapshot, in words: object, field, message. Goes back to policysync
 * as PolicyProblem and to /v1/policy. Lives in the policy's arena.
 * Ceiling: 256 problems; the rest is counted.
 * Thread: the compiling one; constant afterwards.
 */
#include "common/base/arena.h"

#define PROBLEMS_LIMIT 256u

struct problem {
	struct pw_slice object, field, message;
};

struct problems {
	struct pw_arena *arena;
	struct problem *items;
	uint32_t count;
	uint32_t dropped;
};

int problems_init(struct problems *p, struct pw_arena *arena) PW_MUST_CHECK;
/* Copies all three. -ENOMEM only; past the ceiling it counts and returns 0. */
int problems_add(struct problems *p, struct pw_slice object, struct pw_slice field,
	struct pw_slice message) PW_MUST_CHECK;
