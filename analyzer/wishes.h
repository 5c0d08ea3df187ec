/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a policy wants of a baseline that is there already: frozen, let in new behaviours for a
 * time, start over, leave something out for good. Doing it twice changes nothing. Thread: the shard
 * that owns the group.
 */
#include "analyzer/group.h"

#define WISHES_RELEARN_NS (3600ull * PW_NS_PER_S)

/* -ENOMEM: only a part was done, to be repeated. */
int wishes_apply(struct group *g, const struct view *v, struct pw_wall now) PW_MUST_CHECK;
