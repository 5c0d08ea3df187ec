/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a shard does with its groups, without threads: judge a batch, restore a profile, collect
 * what was learned, sum up. The thread around it is shard.c. Thread: the owner's.
 */
#include "analyzer/shard.h"

#define SHARD_FLUSH_BEHAVIOURS 65536u /* in one flush */
#define SHARD_DELTA_BEHAVIOURS 1024u  /* in one message */
#define SHARD_DELTA_BYTES      (256u << 10)

struct shard_work {
	uint32_t index, count;
	struct groups *groups;
	struct judge *judge;
	uint64_t flush; /* number of the last flush that took everything */
	bool is_dirty;  /* something was learned since */
	uint64_t unattributed, refused_groups;
	struct pw_mono last_mono; /* of the last tick; 0 = none yet */
	struct pw_wall last_wall;
};

int shard_work_init(struct shard_work *w, const struct shard_config *config) PW_MUST_CHECK;
void shard_work_done(struct shard_work *w);
/*
 * Judges the events of this shard's groups. *ret_report is NULL when there is nothing to tell.
 * -ENOMEM: nothing is told, the batch must come again.
 */
int shard_work_batch(struct shard_work *w, const struct shard_batch *b, const struct policy *p,
	uint64_t policy_version, struct report **ret_report) PW_MUST_CHECK;
/* Number of the flush that a batch judged just now has to wait for; 0 = none. */
uint64_t shard_work_needs_flush(const struct shard_work *w);
int shard_work_load(struct shard_work *w, const Podward__V1__ProfileDelta *d) PW_MUST_CHECK;
/* Learning clocks of all groups, also those without events. -ENOMEM: the next tick goes on. */
int shard_work_tick(struct shard_work *w, struct pw_wall now) PW_MUST_CHECK;
/* What was learned since the last flush; *ret_report NULL = nothing. -ENOMEM: nothing was taken. */
int shard_work_flush(struct shard_work *w, struct report **ret_report) PW_MUST_CHECK;
/*
 * Groups of these slots go: what was not told of them is in *ret_report (NULL = nothing), then they
 * are forgotten. -ENOMEM: nothing was taken.
 */
int shard_work_release(
	struct shard_work *w, const uint8_t *slots, struct report **ret_report) PW_MUST_CHECK;
int shard_work_summary(const struct shard_work *w, struct shard_summary **ret) PW_MUST_CHECK;
void shard_summary_free(void *summary);
