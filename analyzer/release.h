/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The end of an image version's time of grace: its difference to what was known becomes one finding
 * (detector profile/release), what enough replicas did is accepted for the version; what a single
 * one of several did is told in the same finding and stays unknown, so it alerts from then on.
 * Thread: the shard that owns the group.
 */
#include "analyzer/group.h"
#include "analyzer/report.h"

#define RELEASE_SHOWN 20u /* behaviours named in the finding */

/*
 * Settles versions whose grace is over, their findings go into the report. Repeating it with the
 * same state gives the same; release_told ends that. -ENOMEM.
 */
int release_settle(struct group *g, struct pw_wall now, struct report *r) PW_MUST_CHECK;
/* The report has been taken: what was settled is settled. True = that is worth a message. */
bool release_told(struct group *g);
bool release_is_due(const struct group *g, struct pw_wall now);
