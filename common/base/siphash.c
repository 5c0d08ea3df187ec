/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/siphash.h"

#define BLOCK_ROUNDS 2
#define LAST_ROUNDS  4

static uint64_t little_endian(const uint8_t *p, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

static uint64_t left(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void rounds(uint64_t v[4], unsigned count)
{
	while (count--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = left(v[1], 13) ^ v[0];
		v[3] = left(v[3], 16) ^ v[2];
		v[0] = left(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = left(v[1], 17) ^ v[2];
		v[3] = left(v[3], 21) ^ v[0];
		v[2] = left(v[2], 32);
	}
}

static void add_block(uint64_t v[4], uint64_t block)
{
	v[3] ^= block;
	rounds(v, BLOCK_ROUNDS);
	v[0] ^= block;
}

uint64_t pw_siphash(struct pw_slice s, const uint8_t key[PW_SIPHASH_KEY])
{
	uint64_t k0 = little_endian(key, 8), k1 = little_endian(key + 8, 8);
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
		k1 ^ 0x7465646279746573};
	size_t whole = s.len - s.len % 8;
	uint64_t last = (uint64_t)s.len << 56;

	for (size_t at = 0; at < whole; at += 8)
		add_block(v, little_endian(s.ptr + at, 8));
	if (s.len > whole)
		last |= little_endian(s.ptr + whole, s.len - whole);
	add_block(v, last);
	v[2] ^= 0xff;
	rounds(v, LAST_ROUNDS);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
