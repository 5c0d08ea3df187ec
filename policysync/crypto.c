// SPDX-License-Identifier: Apache-2.0
#include "policysync/crypto.h"
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static void to_hex(const uint8_t digest[32], char out[CRYPTO_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 32; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[64] = '\0';
}

int crypto_sha256_hex(struct pw_slice data, char out[CRYPTO_HEX_SIZE])
{
	uint8_t digest[32];
	unsigned len = 0;

	if (EVP_Digest(data.ptr, data.len, digest, &len, EVP_sha256(), NULL) != 1 || len != 32)
		return -ENOMEM;
	to_hex(digest, out);
	return 0;
}

int crypto_hmac_sha256_hex(
	struct pw_slice key, const struct pw_slice *parts, size_t count, char out[CRYPTO_HEX_SIZE])
{
	char name[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end()};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	uint8_t digest[32];
	size_t len = 0;
	int ok = ctx && EVP_MAC_init(ctx, key.ptr, key.len, params) == 1;

	for (size_t i = 0; ok && i < count; i++)
		ok = EVP_MAC_update(ctx, parts[i].ptr, parts[i].len) == 1;
	ok = ok && EVP_MAC_final(ctx, digest, &len, sizeof(digest)) == 1 && len == 32;
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	if (!ok)
		return -ENOMEM;
	to_hex(digest, out);
	return 0;
}

int crypto_ed25519_verify(
	const uint8_t key[CRYPTO_KEY_BYTES], struct pw_slice data, struct pw_slice signature)
{
	EVP_PKEY *public_key =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, CRYPTO_KEY_BYTES);
	EVP_MD_CTX *ctx = public_key ? EVP_MD_CTX_new() : NULL;
	int r = -ENOMEM;

	if (ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, public_key) == 1)
		r = EVP_DigestVerify(ctx, signature.ptr, signature.len, data.ptr, data.len) == 1
			    ? 0
			    : -EKEYREJECTED;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(public_key);
	return r;
}

int crypto_ed25519_from_pem(struct pw_slice pem, uint8_t ret[CRYPTO_KEY_BYTES], struct pw_err *err)
{
	BIO *bio = pem.len > 0 && pem.len <= CRYPTO_KEY_PEM_BYTES
			   ? BIO_new_mem_buf(pem.ptr, (int)pem.len)
			   : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	size_t len = CRYPTO_KEY_BYTES;
	int r = 0;

	if (!key)
		r = pw_err_set(err, -EINVAL, "not a public key in PEM form");
	else if (EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 ||
		 EVP_PKEY_get_raw_public_key(key, ret, &len) != 1 || len != CRYPTO_KEY_BYTES)
		r = pw_err_set(err, -EINVAL, "not an Ed25519 key");
	EVP_PKEY_free(key);
	BIO_free(bio);
	return r;
}
