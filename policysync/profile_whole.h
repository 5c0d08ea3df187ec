/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A learned profile as a whole, out of and into the store, which holds it in pages. Thread: the
 * store's. Ceiling: PROFILE_ENTRIES behaviours.
 */
#include "policysync/profile_store.h"

/* Everything of one pod group, in the arena. -ENOENT when nothing is known of it. */
int profile_whole_read(struct profile_store *store, struct pw_slice group, struct pw_arena *a,
	Podward__V1__ProfileDelta *ret, struct pw_err *err) PW_MUST_CHECK;
/* In the open transaction, in parts and checked as those of an analyzer. -EINVAL names the field.
 */
int profile_whole_merge(struct profile_store *store, const Podward__V1__ProfileDelta *whole,
	struct pw_err *err) PW_MUST_CHECK;
