/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The ledger of everything lost on this node's side: by container and reason, until a batch
 * carries it away. Each loss is carried exactly once.
 * Thread: the pipeline's. Ceiling: 512 entries; what belongs to further containers is counted for
 * the node.
 */
#include "common/base/alloc.h"
#include <stdbool.h>
#include <stdint.h>

#define LOSS_ENTRIES 512
#define LOSS_REASONS 9 /* LossReason of event.proto that are losses, 0 is unused */

struct loss_entry {
	uint32_t container; /* container ref, 0 = node */
	uint32_t reason;
	uint64_t count;
};

/* Hears of each loss as it is booked. */
typedef void (*loss_added_fn)(void *ctx, uint32_t container, uint64_t count);

struct loss {
	loss_added_fn on_add; /* NULL = nobody */
	void *ctx;
	struct loss_entry entries[LOSS_ENTRIES];
	uint32_t count;
	uint64_t totals[LOSS_REASONS];     /* since start, for metrics */
	uint64_t node_extra[LOSS_REASONS]; /* for the node, when entries are full */
};

/* reason: LossReason, 1 … LOSS_REASONS - 1. */
void loss_add(struct loss *l, uint32_t container, uint32_t reason, uint64_t count);
/* So many losses of the container were made good. Without an entry it is never said. */
void loss_repaired(struct loss *l, uint32_t container, uint64_t count);
bool loss_is_empty(const struct loss *l);
/*
 * Hands out each entry; when fn returns 0 it is carried and forgotten, else it stays.
 * Returns 0 when all were carried.
 */
int loss_carry(struct loss *l, int (*fn)(void *ctx, const struct loss_entry *e), void *ctx);
const char *loss_reason_name(uint32_t reason); /* label of metrics: "ring_full" */
