/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One pod group <-> the messages that policysync keeps of it: state, evidence, image versions, and
 * the behaviours that changed since the last flush, in parts of bounded size.
 * Thread: the shard that owns the group.
 */
#include "analyzer/group.h"
#include "analyzer/report.h"

/* Merges a stored part; what is of before a reset is left out. -ENOMEM. */
int profile_message_load(struct group *g, const Podward__V1__ProfileDelta *d) PW_MUST_CHECK;
/* Adds what changed, one message at least. -ENOMEM. */
int profile_message_add(struct report *r, const struct group *g) PW_MUST_CHECK;
