/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which alerts of a pod group have been announced in their window: further events then only add to
 * the count. Forgetting is harmless: the alert is sent again with the same id and dies in the
 * spool. Thread: the shard that owns the group. Ceiling: 4,096 alerts per group; what was forgotten
 * for room is counted.
 */
#include "common/base/alloc.h"
#include "common/base/hash.h"

#define SUPPRESS_LIMIT     4096u
#define SUPPRESS_WINDOW_NS (600ll * 1000000000ll)

struct suppress;

int suppress_new(uint32_t limit, struct suppress **ret) PW_MUST_CHECK;
void suppress_free(struct suppress *s);
/* Start of the window that holds this time. */
int64_t suppress_window(int64_t wall_ns);
bool suppress_has(const struct suppress *s, struct pw_hash128 alert_id);
/* Remembers; old windows go first when there is no room. */
void suppress_put(struct suppress *s, struct pw_hash128 alert_id, int64_t window_wall_ns);
uint64_t suppress_forgotten(const struct suppress *s);
