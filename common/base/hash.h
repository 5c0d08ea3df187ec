/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* XXH3 (door of xxHash). Stable over machines and releases: values go to disk and on the wire.
 * Thread: any. */
#include "common/base/slice.h"

struct pw_hash128 {
	uint64_t high, low;
};

uint64_t pw_hash64(struct pw_slice s, uint64_t seed);
struct pw_hash128 pw_hash128(struct pw_slice s, uint64_t seed);
/* Mixes a further number into a hash (order matters). */
uint64_t pw_hash_mix(uint64_t hash, uint64_t value);
/* 32 hexadecimal digits and a NUL. */
void pw_hash128_hex(struct pw_hash128 h, char out[33]);
