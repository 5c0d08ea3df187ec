/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Interned byte strings: equal bytes give the same id. Ids are 1, 2, 3 … without gaps; 0 means
 * absent or refused. Nothing is ever removed one by one: clear starts over.
 * Ceilings: number of strings and bytes; past either add returns 0 and refused counts.
 * Thread: the owner's.
 */
#include "common/base/alloc.h"
#include "common/base/slice.h"

struct pw_intern;

int pw_intern_new(uint32_t limit_count, size_t limit_bytes, struct pw_intern **ret) PW_MUST_CHECK;
void pw_intern_free(struct pw_intern *t);
/* Id of the string, added when new. 0 when a ceiling or memory refuses it. The bytes are copied. */
uint32_t pw_intern_add(struct pw_intern *t, struct pw_slice s);
uint32_t pw_intern_find(const struct pw_intern *t, struct pw_slice s); /* 0 = not there */
/* Bytes of an id, NUL behind them, valid until clear or free; empty slice for 0 or an unknown id.
 */
struct pw_slice pw_intern_get(const struct pw_intern *t, uint32_t id);
uint32_t pw_intern_count(const struct pw_intern *t);
size_t pw_intern_bytes(const struct pw_intern *t);
uint64_t pw_intern_refused(const struct pw_intern *t);
void pw_intern_clear(struct pw_intern *t);
