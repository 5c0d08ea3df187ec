/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Life of one baseline: Collecting from the first event on, Protected when the clock of the policy
 * is over and the evidence is good enough; else Converging, the clock is extended, up to three
 * times the length in all. A clock shorter than ten minutes counts alone (demos, tests). Relearning
 * lets new behaviours in for a time, Frozen lets none in; both by a user's wish. An event belongs
 * to the phase of its own time, not of its arrival, so a batch that is delivered late or twice is
 * judged as it would have been in time. Losses while collecting make the baseline partial unless
 * everything was told again. State is plain data that policysync keeps; it survives restarts.
 * Thread: the shard that owns the group.
 */
#include "podward/v1/profile.pb-c.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/slice.h"

#include <stdbool.h>

#define LEARNING_DEFAULT_NS  (24ull * 3600 * PW_NS_PER_S)
#define LEARNING_MIN_NS      (PW_NS_PER_S)
#define LEARNING_EVIDENCE_NS (600ull * PW_NS_PER_S) /* shorter clocks count alone */
#define LEARNING_EXTENSIONS  2u
#define LEARNING_REASON      128

struct learning {
	uint32_t phase;      /* ProfilePhase; UNSPECIFIED = not begun */
	uint64_t epoch;      /* rises with every reset */
	uint64_t generation; /* rises with every change of phase */
	uint64_t serial;     /* rises with every change told to policysync */
	int64_t started_wall_ns;
	uint64_t duration_ns; /* once; the whole clock is (1 + extensions) of it */
	uint32_t extensions;
	uint64_t lost_events, repaired_events;
	char partial_reason[LEARNING_REASON];   /* empty = complete */
	char extension_reason[LEARNING_REASON]; /* empty = never extended */
	bool is_due;                            /* the clock is over: learning_decide is wanted */
	bool changed;                           /* since the last message */
};

/*
 * Brings the clock up to an event of this time (never later than now). Returns true while the
 * event belongs to the learning period; so it does until learning_decide when is_due.
 */
bool learning_at(
	struct learning *l, struct pw_wall event, struct pw_wall now, uint64_t duration_ns);
/* The clock alone, without an event. */
void learning_tick(struct learning *l, struct pw_wall now, uint64_t duration_ns);
/* The clock is over. doubt: why it is too early, NULL = it is not. */
void learning_decide(struct learning *l, const char *doubt);
/* The wall clock was set: what has passed of the learning time stays. */
void learning_shift(struct learning *l, int64_t jump_ns);
/* By a user: everything starts over / new behaviours are let in for a time / none are. */
void learning_reset(struct learning *l, uint64_t epoch);
void learning_relearn(struct learning *l, struct pw_wall now, uint64_t duration_ns);
void learning_freeze(struct learning *l);
void learning_thaw(struct learning *l); /* as protected as it was frozen */
/* Losses that touched the group; count only while it is collecting. */
void learning_lost(struct learning *l, uint64_t count, uint32_t reason);
/* So many of the losses were made good: everything was told again. They do not count any more. */
void learning_repaired(struct learning *l, uint64_t count);
/* The baseline cannot be complete, for this reason; the first one stays. */
void learning_partial(struct learning *l, const char *reason);
/* Merges stored state: the more advanced epoch and generation, the earliest start, the larger
 * losses win. */
void learning_restore(struct learning *l, const Podward__V1__ProfileState *s);
bool learning_is_protected(const struct learning *l);
uint64_t learning_remaining_ns(const struct learning *l, struct pw_wall now);
int64_t learning_end_ns(const struct learning *l);
const char *learning_phase_name(uint32_t phase); /* "Collecting", "Protected" … */
const char *learning_loss_name(uint32_t reason); /* "ring_full" … */
