/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A profile that is too large for an object of the API server, made smaller step by step: first
 * without the evidence behind each behaviour, then with one template in place of many files of one
 * folder, the fewer the higher the level. What a template may never stand for (secrets, the
 * system's own folders, behaviours that somebody removed or that wait for a decision) stays as it
 * is. Thread: any. Ceiling: that of the arena.
 */
#include "common/base/arena.h"
#include "podward/v1/profile.pb-c.h"

#define PROFILE_SHRINK_LEVELS 4 /* 0 = as it is */

/*
 * *ret and what it points to is in the arena or borrowed from whole. ret_generalised: behaviours
 * that templates made here stand for. -ENOMEM.
 */
int profile_shrink(const Podward__V1__ProfileDelta *whole, unsigned level, struct pw_arena *a,
	Podward__V1__ProfileDelta *ret, size_t *ret_generalised) PW_MUST_CHECK;
