/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a backend says is in force: a DSSE envelope (payload type, payload, signatures) and the
 * manifest inside it. Only the form is checked here; who signed and whether it may be applied is
 * bundle_verify and bundle_apply. Signed bytes are those of DSSE's PAE, so nothing depends on how
 * JSON was written. Thread: any. Ceilings: envelope 1 MiB, 8 signatures, 256 objects of 768 KiB.
 * Source: https://github.com/secure-systems-lab/dsse, v1.
 */
#include "common/web/json.h"
#include "policysync/crypto.h"

#define BUNDLE_ENVELOPE_BYTES  ((size_t)1 << 20)
#define BUNDLE_BLOB_BYTES      ((size_t)768 << 10)
#define BUNDLE_SIGNATURES      8
#define BUNDLE_OBJECTS         256
#define BUNDLE_PAYLOAD_TYPE    "application/vnd.podward.manifest+json"
#define BUNDLE_SCHEMA          1
#define BUNDLE_NEXT_KEYS_BYTES 4096

struct bundle_signature {
	char keyid[CRYPTO_HEX_SIZE]; /* a hint only: the key that verifies counts */
	uint8_t bytes[64];
};

struct bundle_envelope {
	struct pw_buf payload; /* decoded */
	struct bundle_signature signatures[BUNDLE_SIGNATURES];
	size_t signature_count;
};

int bundle_envelope_parse(
	struct pw_slice text, struct bundle_envelope *ret, struct pw_err *err) PW_MUST_CHECK;
void bundle_envelope_done(struct bundle_envelope *e);
/* "DSSEv1 <len> <type> <len> <payload>": what is signed. */
int bundle_pae(struct pw_slice payload, struct pw_buf *out) PW_MUST_CHECK;

struct bundle_object {
	char kind[64], namespace_[64], name[254];
	char sha256[CRYPTO_HEX_SIZE];
	size_t size;
};

struct bundle_manifest {
	int64_t schema, serial;
	char channel[64], revision[64], min_agent[32];
	int64_t issued_ns, expires_ns; /* wall */
	bool prune;
	uint32_t max_prune_percent;
	/* Keys (PEM) that bundles after this one must be signed with; "" = the same as this. */
	char next_keys[BUNDLE_NEXT_KEYS_BYTES];
	uint32_t next_threshold;
	struct bundle_object objects[BUNDLE_OBJECTS];
	size_t object_count;
};

/* About 140 KiB: for the heap. */
int bundle_manifest_parse(
	struct pw_slice payload, struct bundle_manifest *ret, struct pw_err *err) PW_MUST_CHECK;
/* "1.2.3" against this program; a manifest that needs more is not for us. */
bool bundle_manifest_is_for_us(const struct bundle_manifest *m);
const struct bundle_object *bundle_manifest_find(
	const struct bundle_manifest *m, const struct bundle_object *like);
