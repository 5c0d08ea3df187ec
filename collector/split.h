/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One batch -> a batch for each analyzer that owns some of its pod groups. Rows go by the slot of
 * their pod group; what has no group (a process of the host) goes by the slot of the node. Losses
 * of a container go with its group, those of the node to everybody: any group may lack them.
 * Parts stand alone like the batch they are made of, and keep its order.
 * No state. Thread: any. Ceiling: SPLIT_LANES parts.
 */
#include "common/base/hash.h"
#include "common/wire/batch.h"
#include "common/wire/slot.h"

#define SPLIT_SLOTS PW_SLOTS
#define SPLIT_LANES 64u

struct split_map {
	uint64_t epoch;              /* ShardMap.epoch; 0 = nothing is shared */
	uint8_t lanes[SPLIT_SLOTS];  /* slot -> lane */
	bool in_use[SPLIT_LANES];    /* lanes that own something */
	uint32_t in_use_count, home; /* home: slot of the node */
};

/* As told by policysync. */
struct owners_member {
	const char *name, *address;
};
struct owners {
	uint64_t epoch;
	const struct owners_member *members;
	uint32_t member_count;
	const uint8_t *slots; /* SPLIT_SLOTS indices into members */
};

/* Slot of a pod group; the same on every side. */
static inline uint32_t split_slot(struct pw_slice pod_group)
{
	return pw_slot_of(pw_hash64(pod_group, 0));
}

/* Every slot to one lane. */
void split_map_single(struct split_map *map, uint32_t lane);
/* After lanes[] changed: in_use and its count. */
void split_map_count(struct split_map *map);
/* Everything in the batch that would go to one lane only: that lane. Else -1. */
int split_sole_lane(const struct pw_batch *b, const struct split_map *map);
/*
 * The parts, none sealed and none with an origin; NULL for lanes without one. Refs of ended
 * processes are in none of them. -ENOMEM: there are none.
 */
int split_batch(const struct pw_batch *b, const struct split_map *map,
	struct pw_batch *ret[SPLIT_LANES]) PW_MUST_CHECK;
