/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who may sign bundles: public Ed25519 keys from a PEM file and how many different ones must have
 * signed. The algorithm belongs to the key, never to what was received. Thread: any (immutable
 * after reading). Ceiling: 8 keys.
 */
#include "policysync/bundle_manifest.h"

#define BUNDLE_KEYS 8

struct bundle_keys {
	uint8_t keys[BUNDLE_KEYS][CRYPTO_KEY_BYTES];
	size_t count;
	size_t threshold; /* at least 1 */
	/* SHA-256 over the keys, sorted: a counter of serials counts for one set of keys only. */
	char set_id[CRYPTO_HEX_SIZE];
};

/* Blocks "-----BEGIN PUBLIC KEY-----"; refuses doubles, none, and a threshold above their number.
 */
int bundle_keys_parse(struct pw_slice pem, size_t threshold, struct bundle_keys *ret,
	struct pw_err *err) PW_MUST_CHECK;
int bundle_keys_read(const char *path, size_t threshold, struct bundle_keys *ret,
	struct pw_err *err) PW_MUST_CHECK;
/* 0 when at least threshold different keys signed this payload; -EKEYREJECTED. */
int bundle_verify(const struct bundle_envelope *e, const struct bundle_keys *keys,
	struct pw_err *err) PW_MUST_CHECK;
