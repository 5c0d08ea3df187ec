/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which losses were made good. After a loss everything is announced anew (pipeline_tick, once a
 * minute); what a container repeats is told then. A loss is made good when the container has lived
 * on without another one as long as it had lived until then, a minute at least, an hour at most:
 * whatever it does more than once in such a time has been told. What it does once, above all in its
 * first minute, is not repeated: a loss there is never made good, nor that of a container that
 * ended. Losses of the node are those of every container on it.
 * Thread: the pipeline's. Ceiling: REPAIR_DEBTS containers; losses of further ones are never said
 * to be made good.
 */
#include "common/base/clock.h"
#include <stdbool.h>

#define REPAIR_DEBTS    512u
#define REPAIR_START_NS (60 * PW_NS_PER_S)
#define REPAIR_LONG_NS  (3600 * PW_NS_PER_S)

struct repair_debt {
	uint32_t container; /* ref, 0 = node */
	uint64_t count;
	uint64_t want_ns;          /* time without a loss */
	struct pw_boot quiet_from; /* 0 = the next time that everything is announced anew */
};

struct repair {
	struct repair_debt debts[REPAIR_DEBTS];
	uint32_t count;
	struct pw_boot begun; /* of the watching */
};

/* since: start of the container, 0 = unknown or of the node. */
void repair_lost(struct repair *r, uint32_t container, uint64_t count, struct pw_boot now,
	struct pw_boot since);
void repair_ended(struct repair *r, uint32_t container);
/* Everything is announced anew from now on. Tells what was made good, and forgets it. */
void repair_renewed(struct repair *r, struct pw_boot now,
	void (*fn)(void *ctx, uint32_t container, uint64_t count), void *ctx);
