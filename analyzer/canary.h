/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Signature sets on trial. The last version of each set that ran for all pod groups is kept; while
 * a set has a canary percentage, its new version runs for that share of the groups and the kept one
 * for the others. When the new version makes far more alerts than its share, it is taken back: the
 * kept one runs for all again until the set's content changes. Each analyzer decides for the pod
 * groups that it judges.
 * Thread: the rpc loop's. Ceilings: CANARY_SETS sets of CANARY_BYTES; others have no version to go
 * back to.
 */
#include "analyzer/problems.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "podward/v1/alert.pb-c.h"
#include "podward/v1/policy.pb-c.h"

#define CANARY_SETS      64u
#define CANARY_BYTES     (8u << 20)
#define CANARY_WINDOW_NS (600 * PW_NS_PER_S)
#define CANARY_LEAST     20u /* alerts of the new version within a window */
#define CANARY_TIMES     3u  /* as many as its share of what the version before makes elsewhere */

struct canary;

/* Is the group in the share that a set's new version runs for? Each set takes other groups. */
static inline bool canary_has(struct pw_slice pod_group, struct pw_slice set, uint32_t percent)
{
	return pw_hash64(pod_group, pw_hash64(set, 0)) % 100 < percent;
}

int canary_new(struct canary **ret) PW_MUST_CHECK;
void canary_free(struct canary *c); /* NULL is fine */
/*
 * What is to run in place of the snapshot's sets: a list in the arena, whose sets belong to m and
 * to c. m is not changed, nor is c. -ENOMEM.
 */
int canary_sets(const struct canary *c, const Podward__V1__PolicySnapshot *m,
	struct pw_arena *arena, Podward__V1__SignatureSet ***ret, size_t *ret_count) PW_MUST_CHECK;
/* The snapshot came into force: keeps what it has for all, starts the trials that are new. */
void canary_keep(struct canary *c, const Podward__V1__PolicySnapshot *m);
/* A new alert. True when a set was taken back by it: canary_sets gives others from now on. */
bool canary_on_alert(struct canary *c, const Podward__V1__Alert *alert, struct pw_mono now);
/* One problem for each set that was taken back. -ENOMEM. */
int canary_tell(const struct canary *c, struct problems *out) PW_MUST_CHECK;
bool canary_has_trial(const struct canary *c); /* also one that was taken back */
uint64_t canary_rollbacks(const struct canary *c);
