/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Behaviours that were told already. The first occurrence of (container, program, kind, object,
 * aux, outcome) passes at once; repeats are counted and come out as folds: every fold window, when
 * the container ends, and at stop. A fold goes with the latest process that repeated, whose image
 * it holds; the end of a process alone tells no folds, else short-lived ones would never be folded.
 * When the table is full everything new passes through and is counted as bypass: more traffic,
 * never less knowledge.
 * Keys are 64-bit hashes with a seed of this process, so that collisions cannot be crafted.
 * Thread: the pipeline's. Ceiling: entries given at creation (default 131,072); entries not used
 * for 30 min go in seen_sweep.
 */
#include "collector/occurrence.h"

struct seen;

enum seen_result {
	SEEN_NEW,    /* tell it */
	SEEN_REPEAT, /* counted, comes in a fold */
	SEEN_BYPASS, /* table full: tell it */
};

struct seen_stats {
	uint64_t folded;   /* repeats counted so far */
	uint64_t unfolded; /* of those: handed out as folds */
	uint64_t bypassed;
};

/* Gets a fold: count repeats, latest image and time; flags have EVENT_FLAG_FOLD. */
typedef void (*seen_fold_fn)(void *ctx, const struct occurrence *fold);

int seen_new(uint32_t limit, struct images *images, struct seen **ret) PW_MUST_CHECK;
void seen_free(struct seen *s); /* open folds are given up: flush first */
enum seen_result seen_note(struct seen *s, const struct occurrence *o);
/*
 * count repeats that the kernel side counted under a mark (occurrence.known). False: nobody knows
 * the mark any more.
 */
bool seen_repeats(struct seen *s, uint64_t mark, uint64_t count, struct pw_boot now);
/* Marks that are not announced again until the next call are forgotten then. */
void seen_rotate_marks(struct seen *s);
/* Hands out all open folds. */
void seen_flush(struct seen *s, seen_fold_fn fn, void *ctx);
/* Those of one container, and forgets what it did: it ended. */
void seen_flush_container(struct seen *s, const struct container *c, seen_fold_fn fn, void *ctx);
/* Forgets behaviours without open folds; the next occurrence of each is told again. */
void seen_forget(struct seen *s);
/* Forgets those without open folds that were last seen before `before`. */
void seen_sweep(struct seen *s, struct pw_boot before);
uint32_t seen_count(const struct seen *s);
void seen_get_stats(const struct seen *s, struct seen_stats *ret);
