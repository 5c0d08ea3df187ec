/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Digests and signatures (door of OpenSSL's libcrypto): SHA-256, HMAC-SHA-256, Ed25519
 * verification. Nothing here signs and nothing holds a private key. Thread: any.
 */
#include "common/base/err.h"
#include "common/base/slice.h"

#define CRYPTO_HEX_SIZE      65 /* of 32 bytes, with NUL */
#define CRYPTO_KEY_BYTES     32 /* an Ed25519 public key */
#define CRYPTO_KEY_PEM_BYTES ((size_t)4 << 10)

int crypto_sha256_hex(struct pw_slice data, char out[CRYPTO_HEX_SIZE]) PW_MUST_CHECK;
/* Over the parts one after the other. */
int crypto_hmac_sha256_hex(struct pw_slice key, const struct pw_slice *parts, size_t count,
	char out[CRYPTO_HEX_SIZE]) PW_MUST_CHECK;
/* 0 = the signature is right, -EKEYREJECTED = it is not, -ENOMEM. */
int crypto_ed25519_verify(const uint8_t key[CRYPTO_KEY_BYTES], struct pw_slice data,
	struct pw_slice signature) PW_MUST_CHECK;
/* A public key in PEM (openssl pkey -pubout); anything but Ed25519 is refused. */
int crypto_ed25519_from_pem(
	struct pw_slice pem, uint8_t ret[CRYPTO_KEY_BYTES], struct pw_err *err) PW_MUST_CHECK;
