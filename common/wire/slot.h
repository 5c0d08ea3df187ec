/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Slots: the 1,024 parts of all pod groups that analyzers share (ShardMap), and sets of them as 128
 * bytes, bit n = slot n. No state. Thread: any.
 */
#include <stdbool.h>
#include <stdint.h>

#define PW_SLOTS      1024u
#define PW_SLOT_BYTES (PW_SLOTS / 8)

/* group_hash: XXH3-64 of the pod group's key, as pw_container.group_hash. */
static inline uint32_t pw_slot_of(uint64_t group_hash)
{
	return (uint32_t)(group_hash % PW_SLOTS);
}

/* NULL = the empty set. */
static inline bool pw_slots_have(const uint8_t *set, uint32_t slot)
{
	return set && (set[slot / 8] >> (slot % 8) & 1);
}

static inline void pw_slots_add(uint8_t *set, uint32_t slot)
{
	set[slot / 8] |= (uint8_t)(1u << (slot % 8));
}
