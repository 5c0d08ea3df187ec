/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * NodeUpdate message -> struct node_update (node_watch.h), checked and owning its memory.
 * Thread: any; no state.
 */
#include "collector/node_watch.h"
#include "podward/v1/node.pb-c.h"

/* -EINVAL (empty id, group, name or address), -E2BIG (ceilings of node_watch.h), -ENOMEM. */
int node_update_copy(const Podward__V1__NodeUpdate *m, struct node_update **ret) PW_MUST_CHECK;
