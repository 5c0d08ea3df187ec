/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/hash.h"

#include <stdio.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

uint64_t pw_hash64(struct pw_slice s, uint64_t seed)
{
	return XXH3_64bits_withSeed(s.len ? (const void *)s.ptr : "", s.len, seed);
}

struct pw_hash128 pw_hash128(struct pw_slice s, uint64_t seed)
{
	XXH128_hash_t h = XXH3_128bits_withSeed(s.len ? (const void *)s.ptr : "", s.len, seed);

	return (struct pw_hash128){h.high64, h.low64};
}

/* Finaliser of MurmurHash3 over both parts. Source: Austin Appleby, public domain. */
uint64_t pw_hash_mix(uint64_t hash, uint64_t value)
{
	uint64_t x = hash ^ (value + 0x9e3779b97f4a7c15ull + (hash << 6) + (hash >> 2));

	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	x ^= x >> 33;
	return x;
}

void pw_hash128_hex(struct pw_hash128 h, char out[33])
{
	(void)snprintf(
		out, 33, "%016llx%016llx", (unsigned long long)h.high, (unsigned long long)h.low);
}
