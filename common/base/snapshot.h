/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A published immutable value: one writer replaces it, readers hold the version they took until
 * they put it back. Readers keep a cached reference and look at the version number (one relaxed
 * load) to see whether a newer one is there, so the lock is touched only on change.
 * Thread: any. Ceiling: one current value plus those still held by readers.
 */
#include "common/base/alloc.h"
#include <stdint.h>

struct pw_snapshot;     /* the place */
struct pw_snapshot_ref; /* one held version */

/* destroy is called once for each value after the last reader put it back (on that reader's
 * thread). */
int pw_snapshot_new(void (*destroy)(void *value), struct pw_snapshot **ret) PW_MUST_CHECK;
void pw_snapshot_free(struct pw_snapshot *s); /* all references must be back */
/* Takes value over and makes it current. -ENOMEM leaves the old one (value stays the caller's). */
int pw_snapshot_publish(struct pw_snapshot *s, void *value) PW_MUST_CHECK;
uint64_t pw_snapshot_version(const struct pw_snapshot *s); /* 0 = nothing published yet */
/* Current value with a reference, or NULL when nothing was published. */
struct pw_snapshot_ref *pw_snapshot_get(struct pw_snapshot *s);
void pw_snapshot_put(struct pw_snapshot_ref *ref); /* NULL is fine */
const void *pw_snapshot_value(const struct pw_snapshot_ref *ref);
uint64_t pw_snapshot_ref_version(const struct pw_snapshot_ref *ref);
/* Refreshes a cached reference when a newer version is there. True when it changed. */
int pw_snapshot_refresh(struct pw_snapshot *s, struct pw_snapshot_ref **cached);
