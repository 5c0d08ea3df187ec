/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A recording (.pwrec) as batches, made once by the collector's own pipeline, and copies of them
 * with present stamps: so that many collectors can say that it happened to them.
 * Thread: one. Ceiling: RECORDING_BATCHES_MAX batches.
 */
#include "common/base/err.h"
#include "common/wire/batch.h"

#define RECORDING_BATCHES_MAX 4096u

struct recording;

/* -E2BIG past the ceiling; -ENODATA when nothing in it is a container's. */
int recording_load(const char *path, struct recording **ret, struct pw_err *err) PW_MUST_CHECK;
void recording_free(struct recording *r); /* NULL is fine */
uint32_t recording_count(const struct recording *r);
/* Batch `index`; its first event happens now. A round of all batches is an epoch. */
int recording_batch(const struct recording *r, uint32_t index, uint64_t epoch, struct pw_boot now,
	struct pw_batch **ret) PW_MUST_CHECK;
