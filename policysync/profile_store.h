/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Learned profiles, in the same file and the same transaction as the alerts of the message they
 * came with. Everything merges as in a join-semilattice, so parts may arrive twice and in any
 * order: behaviours are a set (flags OR-ed, smallest first_wall), the state of the highest
 * generation wins, losses take the maximum. Thread: the store's. Ceilings: PROFILE_GROUPS groups,
 * PROFILE_ENTRIES behaviours each; refusals are counted.
 */
#include "common/base/arena.h"
#include "policysync/store.h"
#include "podward/v1/profile.pb-c.h"

#define PROFILE_GROUPS     10000
#define PROFILE_ENTRIES    100000
#define PROFILE_PAGE_ROWS  1024
#define PROFILE_PAGE_BYTES ((size_t)384 << 10) /* a message stays under 512 KiB */

struct profile_store;

struct profile_stats {
	uint64_t groups, behaviours; /* now */
	uint64_t refused_groups, refused_behaviours;
};

int profile_store_new(
	struct store *store, struct profile_store **ret, struct pw_err *err) PW_MUST_CHECK;
void profile_store_free(struct profile_store *p);
static inline void profile_store_freep(struct profile_store **p)
{
	profile_store_free(*p);
}
/* In the open transaction. A refused group or behaviour is counted, not an error. */
int profile_store_merge(struct profile_store *p, const Podward__V1__ProfileDelta *delta,
	struct pw_err *err) PW_MUST_CHECK;
int profile_store_reload(
	struct profile_store *p, struct pw_err *err) PW_MUST_CHECK; /* after a rollback */
void profile_store_get_stats(const struct profile_store *p, struct profile_stats *ret);

/* Place in a reading of all profiles; zeroed = from the start. */
struct profile_cursor {
	int64_t group;
	int64_t key;
	bool in_group; /* more behaviours of this group follow */
};
/* Pod groups that are wanted; none = all. */
struct profile_filter {
	const ProtobufCBinaryData *groups;
	size_t count;
	const uint8_t *slots; /* bit n = slot n (placement.h) is wanted; NULL = all */
};
/*
 * The next page: one group's state with up to PROFILE_PAGE_ROWS of its behaviours, in the arena.
 * 1 = a page, 0 = the end.
 */
int profile_store_read(struct profile_store *p, struct profile_cursor *cursor,
	const struct profile_filter *filter, struct pw_arena *arena,
	Podward__V1__ProfileDelta **ret, struct pw_err *err) PW_MUST_CHECK;
