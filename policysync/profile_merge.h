// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a stored behaviour has beside the columns of its row, as bytes, and how two of them join:
 * the smallest container hashes, all image versions, the larger of the counts of a template. And
 * the state of a profile as bytes. Thread: any. Ceilings: 3 containers, PROFILE_VERSIONS versions.
 */
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/slice.h"
#include "podward/v1/profile.pb-c.h"

#define PROFILE_CONTAINERS 3u
#define PROFILE_VERSIONS   64u

/* Joins what is stored (may be empty) with what arrived. -ENOMEM; bytes that cannot be read count
 * as empty. */
int profile_merge_body(struct pw_slice stored, const Podward__V1__Behaviour *arrived,
	struct pw_arena *scratch, struct pw_buf *out) PW_MUST_CHECK;
/* Puts the stored parts into a behaviour made from the columns; everything lives in the arena. */
int profile_merge_read(
	struct pw_slice stored, struct pw_arena *a, Podward__V1__Behaviour *ret) PW_MUST_CHECK;
int profile_merge_state(const Podward__V1__ProfileState *s, struct pw_buf *out) PW_MUST_CHECK;
