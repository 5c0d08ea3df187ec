// SPDX-License-Identifier: Apache-2.0
/* Digests and signatures against published vectors. */
#include "fixture.h"

#include "policysync/crypto.h"
#include <errno.h>

static void unhex(const char *hex, uint8_t *out)
{
	for (size_t i = 0; hex[2 * i]; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
}

/* Source: FIPS 180-4's example and RFC 4231, test case 2. */
static void digests_are_those_of_the_standards(void **state)
{
	const struct pw_slice parts[] = {
		PW_SLICE_LIT("what do ya want "), PW_SLICE_LIT(""), PW_SLICE_LIT("for nothing?")};
	char hex[CRYPTO_HEX_SIZE];

	(void)state;
	assert_int_equal(crypto_sha256_hex(PW_SLICE_LIT("abc"), hex), 0);
	assert_string_equal(
		hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(
		crypto_hmac_sha256_hex(PW_SLICE_LIT("Jefe"), parts, PW_COUNT(parts), hex), 0);
	assert_string_equal(
		hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/* Source: RFC 8032, 7.1, test 2. */
static void a_signature_holds_for_its_bytes_and_its_key_only(void **state)
{
	uint8_t key[32], signature[64], other[32];
	struct pw_slice good = pw_slice_of(signature, sizeof(signature));

	(void)state;
	unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", key);
	unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
	      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		signature);
	memcpy(other, key, sizeof(other));
	other[0] ^= 1;
	assert_int_equal(crypto_ed25519_verify(key, PW_SLICE_LIT("r"), good), 0);
	assert_int_equal(crypto_ed25519_verify(key, PW_SLICE_LIT("s"), good), -EKEYREJECTED);
	assert_true(crypto_ed25519_verify(other, PW_SLICE_LIT("r"), good) < 0);
	assert_int_equal(crypto_ed25519_verify(key, PW_SLICE_LIT("r"), pw_slice_sub(good, 0, 63)),
		-EKEYREJECTED);
	assert_int_equal(
		crypto_ed25519_verify(key, PW_SLICE_LIT("r"), PW_SLICE_LIT("")), -EKEYREJECTED);
	signature[40] ^= 1;
	assert_int_equal(crypto_ed25519_verify(key, PW_SLICE_LIT("r"), good), -EKEYREJECTED);
}

static void only_ed25519_keys_are_taken(void **state)
{
	static const char ed25519[] =
		"-----BEGIN PUBLIC KEY-----\n"
		"MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n"
		"-----END PUBLIC KEY-----\n";
	static const char p256[] =
		"-----BEGIN PUBLIC KEY-----\n"
		"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
		"6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
		"-----END PUBLIC KEY-----\n";
	static const struct {
		const char *pem, *words; /* words NULL = taken */
	} rows[] = {
		{ed25519, NULL},
		{p256, "not an Ed25519 key"},
		{"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "PEM"},
		{"garbage", "PEM"},
		{"", "PEM"},
	};
	uint8_t key[32], want[32];

	(void)state;
	unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", want);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		int r = crypto_ed25519_from_pem(pw_slice_str(rows[i].pem), key, &err);

		if (rows[i].words && (r == 0 || !strstr(err.msg, rows[i].words)))
			fail_msg("row %zu: %s", i, err.msg);
		if (!rows[i].words && (r < 0 || memcmp(key, want, 32) != 0))
			fail_msg("row %zu: %s", i, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_those_of_the_standards),
		cmocka_unit_test(a_signature_holds_for_its_bytes_and_its_key_only),
		cmocka_unit_test(only_ed25519_keys_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
