/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Open-addressing hash map from 64-bit keys to 64-bit values: one probe in the common case, no
 * pointer chase, removal without tombstones. Keys are hashes or ids made by us; they are mixed once
 * more, so that crafted ids cannot line up. Ceiling: limit entries, past it put returns -ENOSPC and
 * refused counts. Serves as a set when values are not looked at.
 * Thread: the owner's.
 */
#include "common/base/alloc.h"
#include <stdbool.h>
#include <stdint.h>

struct pw_u64map;

int pw_u64map_new(size_t limit, struct pw_u64map **ret) PW_MUST_CHECK;
void pw_u64map_free(struct pw_u64map *m);
static inline void pw_u64map_freep(struct pw_u64map **m)
{
	pw_u64map_free(*m);
}
/* Pointer to the value, valid until the next put or remove; NULL when absent. */
uint64_t *pw_u64map_find(const struct pw_u64map *m, uint64_t key);
static inline bool pw_u64map_has(const struct pw_u64map *m, uint64_t key)
{
	return pw_u64map_find(m, key) != NULL;
}
/* Inserts or overwrites. 1 = new key, 0 = overwritten, -ENOSPC at the ceiling, -ENOMEM. */
int pw_u64map_put(struct pw_u64map *m, uint64_t key, uint64_t value) PW_MUST_CHECK;
/* True when the key was there; *ret_value (may be NULL) gets its value. */
bool pw_u64map_remove(struct pw_u64map *m, uint64_t key, uint64_t *ret_value);
void pw_u64map_clear(struct pw_u64map *m);
size_t pw_u64map_count(const struct pw_u64map *m);
uint64_t pw_u64map_refused(const struct pw_u64map *m);
size_t pw_u64map_bytes(const struct pw_u64map *m); /* memory held */
/* Iteration: start with *cursor = 0; false at the end. No put or remove in between. */
bool pw_u64map_next(
	const struct pw_u64map *m, size_t *cursor, uint64_t *ret_key, uint64_t *ret_value);
