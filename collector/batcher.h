/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Occurrences -> batches. Gives dictionary ids, adds the definitions that a batch needs to stand
 * alone, closes it by count, bytes or age and hands it to the sink. Starts a new dictionary epoch
 * when the dictionary or the number of containers told comes near what the receiver accepts.
 * Sequence numbers are given later, when a batch is first sent (uplink.c), so that batches which
 * the backlog had to drop leave no gap.
 * Thread: the pipeline's. Ceilings: struct batcher_settings; an occurrence that does not fit is
 * counted as lost.
 */
#include "collector/loss.h"
#include "collector/occurrence.h"

struct batcher;

struct batcher_settings {
	struct pw_batch_limits limits;
	uint32_t dict_strings; /* per epoch */
	size_t dict_bytes;
	uint32_t dict_containers;
	uint64_t age_ns;
	uint64_t first_epoch; /* 0 = 1 */
	/* Takes the batch over; it is closed but not sealed. */
	void (*sink)(void *ctx, struct pw_batch *b);
	void *sink_ctx;
};

/* Below the ceilings of common/wire/decode.h. */
#define BATCHER_SETTINGS_DEFAULT                                                                   \
	{                                                                                          \
		.limits = PW_BATCH_LIMITS_DEFAULT, .dict_strings = 60000, .dict_bytes = 24u << 20, \
		.dict_containers = 8000, .age_ns = 50 * PW_NS_PER_MS,                              \
	}

struct batcher_stats {
	uint64_t batches, events, folded, epochs; /* folded: sum of counts of fold rows */
	uint64_t lost; /* occurrences that could not be added, with their counts */
	uint32_t dict_strings;
	size_t dict_bytes;
};

int batcher_new(const struct batcher_settings *settings, struct images *images, struct pods *pods,
	struct loss *loss, struct batcher **ret) PW_MUST_CHECK;
void batcher_free(struct batcher *b); /* an open batch is given up: close it first */
/* Adds, or counts as lost. `now` starts the age of a new batch. */
void batcher_add(struct batcher *b, const struct occurrence *o, struct pw_boot now);
/* Told images that are gone; goes out with the next batch. */
void batcher_exited(struct batcher *b, const struct image *i);
/* Closes what is old enough, and carries losses and exits that found no batch. */
void batcher_tick(struct batcher *b, struct pw_boot now);
void batcher_close(struct batcher *b); /* closes the open batch now, with all losses */
void batcher_set_max_events(struct batcher *b, uint32_t events); /* from the analyzer's Welcome */
void batcher_get_stats(const struct batcher *b, struct batcher_stats *ret);
