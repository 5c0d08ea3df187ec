/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which pod group a container belongs to, and which groups are watched: as told by policysync
 * (node_watch.h), or derived from the cgroup where the scope says so. Nothing is guessed: a
 * container that is in no assignment and may not be derived stays pending.
 * Thread: the pipeline's. Ceilings: 8,192 assignments, 256 exclusions.
 */
#include "collector/pods.h"

struct assignment {
	struct pw_slice container_id;
	struct container_facts facts;
};

struct scope_rules {
	bool derive_unassigned;
	bool systemd_units;
	uint32_t pending_ms;
	const struct pw_slice *exclude; /* globs on pod group keys */
	uint32_t exclude_count;
};

struct assignments;

#define ASSIGNMENTS_PENDING_MS_DEFAULT 30000

int assignments_new(uint32_t limit, struct assignments **ret) PW_MUST_CHECK;
void assignments_free(struct assignments *t);
/* Copies the rules. -E2BIG over the ceiling, -ENOMEM; the old ones stay then. */
int assignments_set_scope(struct assignments *t, const struct scope_rules *rules) PW_MUST_CHECK;
const struct scope_rules *assignments_scope(const struct assignments *t);
/* Adds or replaces. -EINVAL without id or group, -ENOSPC, -ENOMEM. */
int assignments_put(struct assignments *t, const struct assignment *a) PW_MUST_CHECK;
void assignments_remove(struct assignments *t, struct pw_slice container_id);
void assignments_clear(struct assignments *t);
uint32_t assignments_count(const struct assignments *t);
/*
 * Applies what is known to the container: its facts and its state. 1 = its state or facts changed,
 * 0 = as before, -ENOMEM.
 */
int assignments_apply(
	const struct assignments *t, struct pods *pods, struct container *c) PW_MUST_CHECK;
