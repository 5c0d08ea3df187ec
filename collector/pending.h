/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What containers did before their pod group is known. It waits for the assignment and is then
 * told as if nothing had been. What waits too long or does not fit is given up: it is the loss of
 * its container once that has a group, and nobody's before. What the sandbox of a pod did (the
 * runtime's own container, which no API names) is left out on purpose.
 * Thread: the pipeline's. Ceilings: 4,096 occurrences and 1 MiB per container, 16 MiB in all, and
 * the time that the scope says.
 */
#include "collector/occurrence.h"

struct pending;

struct pending_stats {
	uint64_t late;    /* attributed after waiting */
	uint64_t never;   /* given up: too old or no room */
	uint64_t sandbox; /* left out: of a container beside one that has a group */
	uint64_t waiting;
};

typedef void (*pending_fn)(void *ctx, const struct occurrence *o);

int pending_new(struct images *images, struct pods *pods, struct pending **ret) PW_MUST_CHECK;
/* Gives up what waits; containers must still be there. */
void pending_free(struct pending *p);
/* Keeps a copy. -ENOSPC at a ceiling, -ENOMEM: given up and counted. */
int pending_add(struct pending *p, const struct occurrence *o);
/* Hands out what waits for this container, oldest first. */
void pending_release(struct pending *p, struct container *c, pending_fn fn, void *ctx);
/* The container turned out not to be watched: takes out what waits. Returns how many; no loss. */
uint64_t pending_withdraw(struct pending *p, struct container *c);
/* Gives up what is older than `before`. */
void pending_expire(struct pending *p, struct pw_boot before);
void pending_get_stats(const struct pending *p, struct pending_stats *ret);
