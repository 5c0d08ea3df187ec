/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which analyzer owns which slot: a pure function of the replicas' names, the measured load of the
 * slots and the placement before. Nothing here knows of clocks, leases or networks.
 *
 * A slot stays where it is unless its owner is gone or carries too much; what must move goes to the
 * replica that rendezvous hashing ranks first among those with room. So a replica that comes or
 * goes moves its own share and hardly more, and without a placement before, every caller computes
 * the same one whatever the order of the names.
 *
 * Thread: any. Ceilings: PLACEMENT_SLOTS slots, PLACEMENT_MEMBERS replicas.
 */
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/wire/slot.h"
#include <stdbool.h>
#include <stdint.h>

#define PLACEMENT_SLOTS   PW_SLOTS
#define PLACEMENT_MEMBERS 64u
#define PLACEMENT_NOBODY  UINT16_MAX

struct placement {
	uint16_t owners[PLACEMENT_SLOTS]; /* index of the replica, or PLACEMENT_NOBODY */
};

struct placement_input {
	const struct pw_slice *members; /* stable names, each once, none empty */
	uint32_t member_count;
	/* Load of each slot in any unit (events per second); NULL = not measured, all alike. */
	const uint64_t *loads;
	/* Owners now, as indices into members; NULL = none yet. Others than members = ownerless. */
	const struct placement *before;
};

/*
 * 0; -EINVAL for no member, an empty or a repeated name, -E2BIG for too many: err names it and
 * *ret is untouched.
 */
int placement_compute(const struct placement_input *input, struct placement *ret,
	struct pw_err *err) PW_MUST_CHECK;
/* Load of the busiest replica in per cent of the mean; 0 when nobody owns anything. */
uint32_t placement_peak_percent(const struct placement_input *input, const struct placement *p);
/*
 * The placement should be computed anew: a slot without a living owner, a replica without a slot,
 * or a replica above 125 % of the mean that could give something away.
 */
bool placement_is_due(const struct placement_input *input, const struct placement *p);
