// SPDX-License-Identifier: Apache-2.0
/* What a backend answers: an envelope, and the payload inside it, before anybody signed anything.
 */
#include "policysync/bundle_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_manifest(struct pw_slice payload)
{
	struct bundle_manifest *m = pw_alloc0(1, sizeof(*m));
	struct pw_err err = PW_ERR_INIT;
	int r;

	pw_assert(m != NULL);
	r = bundle_manifest_parse(payload, m, &err);
	pw_assert(r == 0 || err.msg[0] != '\0');
	pw_assert(m->object_count <= BUNDLE_OBJECTS);
	for (size_t i = 0; r == 0 && m->schema == BUNDLE_SCHEMA && i < m->object_count; i++) {
		const struct bundle_object *o = &m->objects[i];

		pw_assert(strlen(o->sha256) == 64 && o->size > 0 && o->size <= BUNDLE_BLOB_BYTES);
		pw_assert(!strchr(o->kind, '/') && !strchr(o->name, '/'));
		pw_assert(bundle_manifest_find(m, o) == o);
	}
	(void)bundle_manifest_is_for_us(m);
	free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_slice text = pw_slice_of(data, size);
	struct pw_err err = PW_ERR_INIT;
	struct bundle_envelope e;

	check_manifest(text);
	if (bundle_envelope_parse(text, &e, &err) < 0) {
		pw_assert(err.msg[0] != '\0');
		return 0;
	}
	pw_assert(e.signature_count <= BUNDLE_SIGNATURES);
	check_manifest(pw_buf_slice(&e.payload));
	bundle_envelope_done(&e);
	return 0;
}
