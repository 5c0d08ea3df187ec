// SPDX-License-Identifier: Apache-2.0
#include "policysync/bundle_verify.h"
#include "common/base/file.h"
#include <errno.h>
#include <stdlib.h>

#define KEY_FILE_BYTES ((size_t)32 << 10)

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, CRYPTO_KEY_BYTES);
}

static int add_key(struct bundle_keys *k, struct pw_slice pem, struct pw_err *err)
{
	int r;

	if (k->count == BUNDLE_KEYS)
		return pw_err_set(err, -E2BIG, "more than %d keys", BUNDLE_KEYS);
	r = crypto_ed25519_from_pem(pem, k->keys[k->count], err);
	if (r < 0)
		return pw_err_wrap(err, r, "key %zu", k->count + 1);
	for (size_t i = 0; i < k->count; i++)
		if (memcmp(k->keys[i], k->keys[k->count], CRYPTO_KEY_BYTES) == 0)
			return pw_err_set(err, -EEXIST, "key %zu is there twice", i + 1);
	k->count++;
	return 0;
}

int bundle_keys_parse(
	struct pw_slice pem, size_t threshold, struct bundle_keys *ret, struct pw_err *err)
{
	const struct pw_slice begin = PW_SLICE_LIT("-----BEGIN"), end = PW_SLICE_LIT("-----END");
	struct bundle_keys k = {.threshold = threshold};
	ptrdiff_t from, to;
	int r = 0;

	while (r == 0 && (from = pw_slice_find(pem, begin)) >= 0) {
		pem = pw_slice_sub(pem, (size_t)from, pem.len);
		to = pw_slice_find(pem, end);
		if (to < 0)
			return pw_err_set(err, -EINVAL, "a key without its end");
		/* The rest of the line of the end belongs to it. */
		from = pw_slice_find_byte(pw_slice_sub(pem, (size_t)to, pem.len), '\n');
		to = from < 0 ? (ptrdiff_t)pem.len : to + from + 1;
		r = add_key(&k, pw_slice_sub(pem, 0, (size_t)to), err);
		pem = pw_slice_sub(pem, (size_t)to, pem.len);
	}
	if (r < 0)
		return r;
	if (threshold == 0 || k.count < threshold)
		return pw_err_set(err, -EINVAL, "%zu keys, but %zu must sign", k.count, threshold);
	qsort(k.keys, k.count, CRYPTO_KEY_BYTES, compare_keys);
	r = crypto_sha256_hex(pw_slice_of(k.keys, k.count * CRYPTO_KEY_BYTES), k.set_id);
	if (r < 0)
		return pw_err_set(err, r, "out of memory");
	*ret = k;
	return 0;
}

int bundle_keys_read(
	const char *path, size_t threshold, struct bundle_keys *ret, struct pw_err *err)
{
	pw_auto_buf text;
	int r;

	pw_buf_init(&text, KEY_FILE_BYTES);
	r = pw_file_read("keys", path, &text, err);
	if (r == 0)
		r = bundle_keys_parse(pw_buf_slice(&text), threshold, ret, err);
	return r < 0 ? pw_err_wrap(err, r, "--backend-keys %s", path) : 0;
}

/* True when one of the signatures is by this key. */
static int signed_by(const struct bundle_envelope *e, const uint8_t *key, struct pw_slice pae)
{
	int r = -EKEYREJECTED;

	for (size_t i = 0; r == -EKEYREJECTED && i < e->signature_count; i++)
		r = crypto_ed25519_verify(key, pae,
			pw_slice_of(e->signatures[i].bytes, sizeof(e->signatures[i].bytes)));
	return r;
}

int bundle_verify(
	const struct bundle_envelope *e, const struct bundle_keys *keys, struct pw_err *err)
{
	size_t signers = 0;
	pw_auto_buf pae;
	int r;

	pw_buf_init(&pae, BUNDLE_ENVELOPE_BYTES);
	r = bundle_pae(pw_buf_slice(&e->payload), &pae);
	if (r < 0)
		return pw_err_set(err, r, "out of memory");
	for (size_t i = 0; i < keys->count; i++) {
		r = signed_by(e, keys->keys[i], pw_buf_slice(&pae));
		if (r == -ENOMEM)
			return pw_err_set(err, r, "out of memory");
		signers += r == 0;
	}
	if (signers >= keys->threshold)
		return 0;
	return pw_err_set(err, -EKEYREJECTED, "signed by %zu of %zu trusted keys, %zu must sign",
		signers, keys->count, keys->threshold);
}
