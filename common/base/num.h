/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Numbers out of foreign text: whole slice must match, no sign tricks, no locale. Thread: any. */
#include "common/base/slice.h"

int pw_num_u64(struct pw_slice s, uint64_t max, uint64_t *ret); /* decimal; -EINVAL, -ERANGE */
int pw_num_i64(struct pw_slice s, int64_t min, int64_t max, int64_t *ret);
int pw_num_hex(struct pw_slice s, uint64_t max, uint64_t *ret); /* without 0x */
/* "4096", "64k", "32M", "1G" (powers of 1024) -> bytes. */
int pw_num_size(struct pw_slice s, uint64_t max, uint64_t *ret);
