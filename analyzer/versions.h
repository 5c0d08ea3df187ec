/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Image versions of one pod group. Those that were there while the base was learned are the base's.
 * A later one has a time of grace: what its containers do that the base does not know is collected,
 * not alerted; at the end of it what enough of its replicas did is accepted for this version (and
 * for later ones), and told in one finding. An older image that comes back finds its own
 * acceptances again. Numbers of versions are the bits of the baseline (baseline_version). Thread:
 * the shard that owns the group. Ceiling: BASELINE_VERSIONS; images past it count as the base.
 */
#include "analyzer/baseline.h"
#include "common/base/clock.h"

#define VERSIONS_GRACE_NS (3600ll * 1000000000ll)
#define VERSIONS_REPLICAS 16u

struct version {
	char *image; /* digest, or reference */
	int64_t first_wall_ns;
	uint32_t stage;                       /* ProfileVersionStage */
	uint32_t replicas[VERSIONS_REPLICAS]; /* hashes of its containers, the first ones */
	uint32_t replica_count;
	bool is_told; /* its finding is in a report that has been taken */
};

struct versions {
	struct version items[BASELINE_VERSIONS];
	uint32_t count;
};

void versions_done(struct versions *v);
/*
 * The version of this container, made when it is new: of the base while learning, else in grace.
 * BASELINE_NO_VERSION when there is no name or no room. 1 = it is new, 0, -ENOMEM.
 */
int versions_enter(struct versions *v, struct baseline *b, struct pw_slice image, bool learning,
	struct pw_wall at, uint32_t *ret_bit) PW_MUST_CHECK;
void versions_saw(struct versions *v, uint32_t bit, uint32_t container);
/* Bits whose differences are accepted for this version: its own and of settled ones not younger. */
uint32_t versions_accepted(const struct versions *v, uint32_t bit);
bool versions_in_grace(const struct versions *v, uint32_t bit);
/* So many replicas must have shown a behaviour. */
uint32_t versions_quorum(const struct version *v);
/* First version whose grace is over and that has not been settled; BASELINE_NO_VERSION = none. */
uint32_t versions_due(const struct versions *v, struct pw_wall now, int64_t grace_ns);
/* From a stored state: -ENOMEM. */
int versions_restore(struct versions *v, struct baseline *b, struct pw_slice image,
	int64_t first_wall_ns, uint32_t stage) PW_MUST_CHECK;
