/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Life of one baseline: Collecting from the first event on, Protected when the clock of the policy
 * is over. An event belongs to the phase of its own time, not of its arrival, so a batch that is
 * delivered late or twice is judged as it would have been in time. Losses while collecting make the
 * baseline partial. State is plain data that policysync keeps; it survives restarts.
 * Thread: the shard that owns the group.
 */
#include "podward/v1/profile.pb-c.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"

#include <stdbool.h>

#define LEARNING_DEFAULT_NS (24ull * 3600 * PW_NS_PER_S)
#define LEARNING_MIN_NS     (PW_NS_PER_S)
#define LEARNING_REASON     128

struct learning {
	uint32_t phase;      /* ProfilePhase; UNSPECIFIED = not begun */
	uint64_t generation; /* rises with every change of phase */
	int64_t started_wall_ns;
	uint64_t duration_ns;
	uint64_t lost_events;
	char partial_reason[LEARNING_REASON]; /* empty = complete */
	bool changed;                         /* since learning_taken */
};

/*
 * Brings the clock up to an event of this time (never later than now). Returns true while the
 * event belongs to the learning period.
 */
bool learning_at(
	struct learning *l, struct pw_wall event, struct pw_wall now, uint64_t duration_ns);
/* The clock alone, without an event. */
void learning_tick(struct learning *l, struct pw_wall now, uint64_t duration_ns);
/* Losses that touched the group; count only while it is collecting. */
void learning_lost(struct learning *l, uint64_t count, uint32_t reason);
/* The baseline cannot be complete, for this reason; the first one stays. */
void learning_partial(struct learning *l, const char *reason);
/* Merges stored state: the more advanced generation, the earliest start, the larger losses win. */
void learning_restore(struct learning *l, const Podward__V1__ProfileState *s);
bool learning_is_protected(const struct learning *l);
uint64_t learning_remaining_ns(const struct learning *l, struct pw_wall now);
const char *learning_phase_name(uint32_t phase); /* "Collecting", "Protected" … */
const char *learning_loss_name(uint32_t reason); /* "ring_full" … */
