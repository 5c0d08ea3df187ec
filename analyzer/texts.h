/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Interned texts of one baseline, packed for size: two bytes of length, the bytes, and about seven
 * bytes of index each. The same bytes give the same id; ids are places in the heap, never 0. Not
 * pw_intern, which costs forty bytes a text to hand out slices that stay.
 * Thread: the shard that owns the group. Ceiling: bytes, given at creation; a text has at most
 * 65,535 bytes.
 */
#include "common/base/alloc.h"
#include "common/base/slice.h"

struct texts;

int texts_new(uint32_t limit_bytes, struct texts **ret) PW_MUST_CHECK;
void texts_free(struct texts *t); /* NULL is fine */
/* Id 0 for an empty text. -ENOSPC at the ceiling, -ENOMEM. The bytes must not be of this object. */
int texts_add(struct texts *t, struct pw_slice s, uint32_t *ret) PW_MUST_CHECK;
uint32_t texts_find(const struct texts *t, struct pw_slice s); /* 0 = not there, or empty */
/* Valid until the next add. */
struct pw_slice texts_get(const struct texts *t, uint32_t id);
/* All of it as bytes, valid until the next add, and made from such bytes again (not from foreign
 * ones: they are believed). -ENOMEM. */
struct pw_slice texts_heap(const struct texts *t);
int texts_from(uint32_t limit_bytes, struct pw_slice heap, struct texts **ret) PW_MUST_CHECK;
size_t texts_bytes(const struct texts *t); /* memory held */
