/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bounded queue of pointers between exactly one producer thread and one consumer thread; lock-free.
 * Ceiling: capacity (rounded up to a power of two); a full queue refuses and counts.
 */
#include "common/base/alloc.h"
#include <stdbool.h>
#include <stdint.h>

struct pw_spsc;

int pw_spsc_new(size_t capacity, struct pw_spsc **ret) PW_MUST_CHECK;
/* Does not free what is still queued: drain it first. */
void pw_spsc_free(struct pw_spsc *q);
bool pw_spsc_push(
	struct pw_spsc *q, void *item) PW_MUST_CHECK; /* producer; false = full, refused counted */
void *pw_spsc_pop(struct pw_spsc *q);                 /* consumer; NULL = empty */
size_t pw_spsc_count(const struct pw_spsc *q);        /* any thread, a moment's truth */
uint64_t pw_spsc_refused(const struct pw_spsc *q);
