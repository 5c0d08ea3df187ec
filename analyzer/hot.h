/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The set that judges: behaviour keys with a 32-bit value each, open addressing, twelve bytes a
 * slot at a load of 7/16 to 7/8. A known behaviour costs one probe. Keys are mixed with a secret
 * once more, so that names chosen by an attacker cannot line up. Thread: the shard that owns the
 * group. Ceiling: the owner's, who counts what it puts.
 */
#include "common/base/alloc.h"
#include <stdbool.h>
#include <stdint.h>

struct hot;

int hot_new(struct hot **ret) PW_MUST_CHECK;
void hot_free(struct hot *h); /* NULL is fine */
/* NULL = not there. Valid until the next put. */
uint32_t *hot_find(const struct hot *h, uint64_t key);
/* Inserts or overwrites. -ENOMEM. */
int hot_put(struct hot *h, uint64_t key, uint32_t value) PW_MUST_CHECK;
/* Room for so many keys, at a load of 4/5. -ENOMEM. */
int hot_reserve(struct hot *h, uint32_t count) PW_MUST_CHECK;
/* Walks over all: start with *cursor = 0; false at the end. No put in between. */
bool hot_next(const struct hot *h, uint32_t *cursor, uint64_t *ret_key, uint32_t **ret_value);
void hot_clear(struct hot *h);
uint32_t hot_count(const struct hot *h);
size_t hot_bytes(const struct hot *h);
