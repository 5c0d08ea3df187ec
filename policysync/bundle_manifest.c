// SPDX-License-Identifier: Apache-2.0
#include "policysync/bundle_manifest.h"
#include "common/base/base64.h"
#include "policysync/crd_read.h"
#include <errno.h>
#include <stdio.h>

#define PAYLOAD_BYTES (BUNDLE_ENVELOPE_BYTES * 3 / 4)

/* Both alphabets, as DSSE asks. */
static int value_of(uint8_t c)
{
	return pw_base64_value(c == '-' ? '+' : c == '_' ? '/' : c);
}

/* Strict: no blanks, no bits left over, padding right or absent. */
static int decode_base64(struct pw_slice in, struct pw_buf *out)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t len = in.len;

	while (len > 0 && in.len - len < 2 && in.ptr[len - 1] == '=')
		len--;
	if (len % 4 == 1 || (len < in.len && in.len % 4 != 0))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		int value = value_of(in.ptr[i]);

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			(void)pw_buf_add_byte(out, (uint8_t)(bits >> have));
			bits &= (1u << have) - 1;
		}
	}
	return bits != 0 ? -EINVAL : pw_buf_error(out);
}

static void copy(struct pw_slice from, char *to, size_t size)
{
	size_t len = from.len < size - 1 ? from.len : size - 1;

	memcpy(to, from.ptr ? from.ptr : (const uint8_t *)"", len);
	to[len] = '\0';
}

/* One line of printable UTF-8 without control bytes. */
static void read_word(
	const struct pw_json_reader *r, const char *key, bool required, char *out, size_t size)
{
	struct pw_slice text = pw_read_text(r, key, required, size - 1);

	if (text.len > 0 && crd_check_line(text))
		crd_fail(r, key, -EINVAL, "expected %s", crd_check_line(text));
	else
		copy(text, out, size);
}

static void read_signature(const struct pw_json_reader *r, struct bundle_signature *s)
{
	static const char *const known[] = {"keyid", "sig", NULL};
	struct pw_slice text;
	pw_auto_buf bytes;
	int code;

	pw_buf_init(&bytes, 256);
	pw_read_only(r, known);
	read_word(r, "keyid", false, s->keyid, sizeof(s->keyid));
	text = pw_read_text(r, "sig", true, 256);
	if (crd_failed(r))
		return;
	code = decode_base64(text, &bytes);
	if (code < 0 || bytes.len != sizeof(s->bytes)) {
		crd_fail(r, "sig", code == -ENOMEM ? code : -EINVAL, "expected 64 bytes in base64");
		return;
	}
	memcpy(s->bytes, bytes.data, sizeof(s->bytes));
}

static void read_envelope(const struct pw_json_reader *r, struct bundle_envelope *e)
{
	static const char *const known[] = {"payloadType", "payload", "signatures", NULL};
	struct pw_json_reader array;
	struct pw_slice type, payload;
	size_t count;
	int code;

	pw_read_only(r, known);
	type = pw_read_text(r, "payloadType", true, 256);
	if (!crd_failed(r) && !pw_slice_eq_str(type, BUNDLE_PAYLOAD_TYPE))
		crd_fail(r, "payloadType", -EINVAL, "expected " BUNDLE_PAYLOAD_TYPE);
	payload = pw_read_text(r, "payload", true, BUNDLE_ENVELOPE_BYTES);
	count = pw_read_array(r, "signatures", BUNDLE_SIGNATURES, &array);
	if (crd_failed(r))
		return;
	code = decode_base64(payload, &e->payload);
	if (code < 0)
		crd_fail(r, "payload", code, "expected base64");
	for (size_t i = 0; i < count && !crd_failed(r); i++) {
		struct pw_json_reader item = pw_reader_item(&array, i);

		read_signature(&item, &e->signatures[e->signature_count++]);
	}
}

int bundle_envelope_parse(struct pw_slice text, struct bundle_envelope *ret, struct pw_err *err)
{
	struct bundle_envelope e = {.signature_count = 0};
	struct pw_err own = PW_ERR_INIT;
	struct pw_json *root = NULL;
	struct pw_json_reader r;

	if (text.len > BUNDLE_ENVELOPE_BYTES)
		return pw_err_set(
			err, -E2BIG, "manifest: larger than %zu bytes", BUNDLE_ENVELOPE_BYTES);
	if (pw_json_parse(text, &root, &own) < 0)
		return pw_err_set(err, own.code, "manifest: %s", own.msg);
	pw_buf_init(&e.payload, PAYLOAD_BYTES);
	pw_reader_init(&r, root, &own);
	read_envelope(&r, &e);
	pw_json_free(root);
	if (own.code < 0) {
		bundle_envelope_done(&e);
		return pw_err_set(err, own.code, "manifest: %s", own.msg);
	}
	*ret = e;
	return 0;
}

void bundle_envelope_done(struct bundle_envelope *e)
{
	pw_buf_done(&e->payload);
}

int bundle_pae(struct pw_slice payload, struct pw_buf *out)
{
	(void)pw_buf_addf(out, "DSSEv1 %zu %s %zu ", strlen(BUNDLE_PAYLOAD_TYPE),
		BUNDLE_PAYLOAD_TYPE, payload.len);
	return pw_buf_add_slice(out, payload);
}

static bool is_sha256(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
	return len == CRYPTO_HEX_SIZE - 1;
}

/* Names become parts of file names and of keys: as strict as Kubernetes is. */
static void read_object(const struct pw_json_reader *r, struct bundle_object *o)
{
	static const char *const known[] = {"kind", "namespace", "name", "sha256", "size", NULL};
	const char *why;

	pw_read_only(r, known);
	read_word(r, "kind", true, o->kind, sizeof(o->kind));
	read_word(r, "namespace", false, o->namespace_, sizeof(o->namespace_));
	read_word(r, "name", true, o->name, sizeof(o->name));
	read_word(r, "sha256", true, o->sha256, sizeof(o->sha256));
	o->size = (size_t)pw_read_int(r, "size", 1, (int64_t)BUNDLE_BLOB_BYTES, 0);
	if (crd_failed(r))
		return;
	why = crd_check_kind(pw_slice_str(o->kind));
	if (why)
		crd_fail(r, "kind", -EINVAL, "expected %s", why);
	why = crd_check_name(pw_slice_str(o->name));
	if (why)
		crd_fail(r, "name", -EINVAL, "expected %s", why);
	why = o->namespace_[0] ? crd_check_label(pw_slice_str(o->namespace_)) : NULL;
	if (why)
		crd_fail(r, "namespace", -EINVAL, "expected %s", why);
	if (!is_sha256(o->sha256))
		crd_fail(r, "sha256", -EINVAL, "expected 64 hexadecimal digits in lower case");
	if (o->size == 0)
		crd_fail(r, "size", -EINVAL, "is missing");
}

const struct bundle_object *bundle_manifest_find(
	const struct bundle_manifest *m, const struct bundle_object *like)
{
	for (size_t i = 0; i < m->object_count; i++) {
		const struct bundle_object *o = &m->objects[i];

		if (strcmp(o->kind, like->kind) == 0 && strcmp(o->name, like->name) == 0 &&
			strcmp(o->namespace_, like->namespace_) == 0)
			return o;
	}
	return NULL;
}

static void read_objects(const struct pw_json_reader *r, struct bundle_manifest *m)
{
	struct pw_json_reader array;
	size_t count = pw_read_array(r, "objects", BUNDLE_OBJECTS, &array);

	for (size_t i = 0; i < count && !crd_failed(r); i++) {
		struct pw_json_reader item = pw_reader_item(&array, i);
		struct bundle_object o = {.size = 0};

		read_object(&item, &o);
		if (!crd_failed(r) && bundle_manifest_find(m, &o))
			crd_fail(&item, "name", -EEXIST, "is given twice");
		m->objects[m->object_count++] = o;
	}
}

/* Line ends of PEM are the only control bytes; bundle_keys_parse says whether they are keys. */
static void read_keys(const struct pw_json_reader *r, struct bundle_manifest *m)
{
	static const char *const known[] = {"next", "threshold", NULL};
	struct pw_json_reader keys = pw_reader_field(r, "keys");
	struct pw_slice text;

	if (!crd_is_object(&keys, false))
		return;
	pw_read_only(&keys, known);
	text = pw_read_text(&keys, "next", true, sizeof(m->next_keys) - 1);
	m->next_threshold = (uint32_t)pw_read_int(&keys, "threshold", 1, 8, 1);
	if (crd_failed(r))
		return;
	if (text.len == 0 || pw_slice_find_byte(text, '\0') >= 0) {
		crd_fail(&keys, "next", -EINVAL, "expected public keys in PEM");
		return;
	}
	memcpy(m->next_keys, text.ptr, text.len);
}

static void read_manifest(const struct pw_json_reader *r, struct bundle_manifest *m)
{
	static const char *const known[] = {"schema", "channel", "serial", "revision", "issuedAt",
		"expiresAt", "minAgent", "prune", "maxPrunePercent", "keys", "objects", NULL};

	m->schema = pw_read_int(r, "schema", 1, INT32_MAX, 0);
	if (crd_failed(r) || m->schema != BUNDLE_SCHEMA)
		return; /* a later schema may have other members */
	pw_read_only(r, known);
	read_word(r, "channel", true, m->channel, sizeof(m->channel));
	read_word(r, "revision", false, m->revision, sizeof(m->revision));
	read_word(r, "minAgent", false, m->min_agent, sizeof(m->min_agent));
	m->serial = pw_read_int(r, "serial", 1, INT64_MAX, 0);
	m->issued_ns = crd_time(r, "issuedAt");
	m->expires_ns = crd_time(r, "expiresAt");
	m->prune = pw_read_bool(r, "prune", false);
	m->max_prune_percent = (uint32_t)pw_read_int(r, "maxPrunePercent", 0, 100, 50);
	if (!crd_failed(r) && m->serial == 0)
		crd_fail(r, "serial", -EINVAL, "is missing");
	if (!crd_failed(r) && m->expires_ns == 0)
		crd_fail(r, "expiresAt", -EINVAL, "is missing");
	read_keys(r, m);
	read_objects(r, m);
}

int bundle_manifest_parse(struct pw_slice payload, struct bundle_manifest *ret, struct pw_err *err)
{
	struct pw_err own = PW_ERR_INIT;
	struct pw_json *root = NULL;
	struct pw_json_reader r;

	*ret = (struct bundle_manifest){.schema = 0};
	if (pw_json_parse(payload, &root, &own) == 0) {
		pw_reader_init(&r, root, &own);
		read_manifest(&r, ret);
		if (own.code == 0 && ret->schema == 0)
			crd_fail(&r, "schema", -EINVAL, "is missing");
		pw_json_free(root);
	}
	return own.code < 0 ? pw_err_set(err, own.code, "payload: %s", own.msg) : 0;
}

static int compare_versions(const char *a, const char *b)
{
	unsigned left[3] = {0, 0, 0}, right[3] = {0, 0, 0};

	(void)sscanf(a, "%5u.%5u.%5u", &left[0], &left[1], &left[2]);
	(void)sscanf(b, "%5u.%5u.%5u", &right[0], &right[1], &right[2]);
	for (size_t i = 0; i < 3; i++)
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	return 0;
}

bool bundle_manifest_is_for_us(const struct bundle_manifest *m)
{
	return m->schema == BUNDLE_SCHEMA && compare_versions(m->min_agent, PODWARD_VERSION) <= 0;
}
