// SPDX-License-Identifier: Apache-2.0
#include "policysync/crd_json.h"
#include "common/base/escape.h"
#include "policysync/crd_exclusion.h"
#include "policysync/crd_policy.h"
#include "policysync/crd_signature.h"
#include <errno.h>
#include <stdio.h>

#define ARENA_BYTES ((size_t)16 << 20)

struct kind_info {
	const char *name;
	bool namespaced;
};

static const struct kind_info kinds[CRD_KINDS] = {
	[CRD_RUNTIME_POLICY] = {"RuntimePolicy", true},
	[CRD_CLUSTER_RUNTIME_POLICY] = {"ClusterRuntimePolicy", false},
	[CRD_RUNTIME_EXCLUSION] = {"RuntimeExclusion", true},
	[CRD_CLUSTER_RUNTIME_EXCLUSION] = {"ClusterRuntimeExclusion", false},
	[CRD_SIGNATURE_SET] = {"SignatureSet", false},
};

const char *crd_kind_name(enum crd_kind kind)
{
	return kinds[kind].name;
}

/* CRD_KINDS when the text is no kind of ours. */
static enum crd_kind find_kind(struct pw_slice text)
{
	size_t i = 0;

	while (i < CRD_KINDS && !pw_slice_eq_str(text, kinds[i].name))
		i++;
	return (enum crd_kind)i;
}

/* What the API server adds (uid, managedFields …) is accepted, so that exported objects can be
 * used. */
static void read_meta(struct pw_arena *a, const struct pw_json_reader *root, struct crd_meta *meta)
{
	static const char *const known[] = {"name", "namespace", "labels", "annotations", "uid",
		"resourceVersion", "generation", "creationTimestamp", "managedFields",
		"ownerReferences", "finalizers", "selfLink", "generateName", "deletionTimestamp",
		"deletionGracePeriodSeconds", NULL};
	static const struct crd_text_rule name = {253, crd_check_name, true};
	static const struct crd_text_rule namespace = {63, crd_check_label, true};
	struct pw_json_reader r = pw_reader_field(root, "metadata");

	if (!crd_is_object(&r, true))
		return;
	pw_read_only(&r, known);
	meta->name = crd_text(a, &r, "name", &name);
	if (meta->namespaced)
		meta->namespace_ = crd_text(a, &r, "namespace", &namespace);
	else if (pw_json_get(r.node, "namespace"))
		crd_fail(&r, "namespace", -EINVAL, "this kind has no namespace");
}

static struct crd_object *object_new(enum crd_kind kind, struct pw_slice key, size_t packed_len)
{
	struct crd_object *o = pw_alloc0(1, sizeof(*o) + packed_len + key.len + 1);
	uint8_t *bytes = (uint8_t *)(o + 1);

	if (!o)
		return NULL;
	memcpy(bytes + packed_len, key.ptr, key.len);
	o->kind = kind;
	o->packed = pw_slice_of(bytes, packed_len);
	o->key = (const char *)bytes + packed_len;
	return o;
}

static int pack(enum crd_kind kind, struct pw_slice key, const ProtobufCMessage *msg,
	struct crd_object **ret, struct pw_err *err)
{
	size_t len = protobuf_c_message_get_packed_size(msg);
	struct crd_object *o;

	if (len > CRD_PACKED_MAX)
		return pw_err_set(err, -E2BIG,
			"spec: %zu bytes when packed, at most %zu are allowed", len,
			CRD_PACKED_MAX);
	o = object_new(kind, key, len);
	if (!o)
		return pw_err_set(err, -ENOMEM, "out of memory");
	(void)protobuf_c_message_pack(msg, (uint8_t *)(o + 1));
	*ret = o;
	return 0;
}

static int read_document(struct pw_arena *a, const struct pw_json *doc, enum crd_kind kind,
	struct crd_object **ret, struct pw_err *err)
{
	static const char *const known[] = {
		"apiVersion", "kind", "metadata", "spec", "status", NULL};
	struct crd_meta meta = {.namespaced = kinds[kind].namespaced};
	ProtobufCMessage *msg = NULL;
	struct pw_json_reader root, spec;
	char key[CRD_KEY_MAX];

	pw_reader_init(&root, doc, err);
	pw_read_only(&root, known);
	read_meta(a, &root, &meta);
	spec = pw_reader_field(&root, "spec");
	if (kind == CRD_SIGNATURE_SET)
		msg = (ProtobufCMessage *)crd_signature_set_read(a, &spec, &meta);
	else if (kind == CRD_RUNTIME_POLICY || kind == CRD_CLUSTER_RUNTIME_POLICY)
		msg = (ProtobufCMessage *)crd_policy_read(a, &spec, &meta);
	else
		msg = (ProtobufCMessage *)crd_exclusion_read(a, &spec, &meta);
	if (err->code)
		return err->code;
	pw_assert(msg != NULL);
	crd_identify(doc, key);
	return pack(kind, pw_slice_str(key), msg, ret, err);
}

int crd_parse(const struct pw_json *doc, struct crd_object **ret, struct pw_err *err)
{
	pw_cleanup(pw_arena_freep) struct pw_arena *a = NULL;
	struct pw_err local = PW_ERR_INIT;
	struct pw_slice version, kind_text;
	char shown[64], key[CRD_KEY_MAX];
	enum crd_kind kind;
	int r;

	if (pw_json_type(doc) != PW_JSON_OBJECT)
		return pw_err_set(err, -EINVAL, "document: expected object, got %s",
			pw_json_type_name(pw_json_type(doc)));
	version = pw_json_text(pw_json_get(doc, "apiVersion"));
	if (!pw_slice_eq_str(version, CRD_API_VERSION))
		return pw_err_set(err, -EINVAL, "apiVersion: expected %s, got \"%s\"",
			CRD_API_VERSION, pw_escape_to(version, shown, sizeof(shown)));
	kind_text = pw_json_text(pw_json_get(doc, "kind"));
	kind = find_kind(kind_text);
	if (kind == CRD_KINDS)
		return pw_err_set(err, -EINVAL, "kind: \"%s\" is unknown",
			pw_escape_to(kind_text, shown, sizeof(shown)));
	r = pw_arena_new(16 << 10, ARENA_BYTES, &a);
	if (r < 0)
		return pw_err_set(err, r, "out of memory");
	r = read_document(a, doc, kind, ret, &local);
	if (r == 0)
		return 0;
	crd_identify(doc, key);
	return pw_err_set(err, r, "%s: %s", key[0] ? key : kinds[kind].name, local.msg);
}

struct crd_object *crd_dup(const struct crd_object *o)
{
	struct crd_object *copy = object_new(o->kind, pw_slice_str(o->key), o->packed.len);

	if (copy && o->packed.len > 0)
		memcpy(copy + 1, o->packed.ptr, o->packed.len);
	return copy;
}

void crd_object_free(struct crd_object *o)
{
	free(o);
}

void crd_identify(const struct pw_json *doc, char out[CRD_KEY_MAX])
{
	const struct pw_json *meta = pw_json_get(doc, "metadata");
	struct pw_slice name = pw_json_text(pw_json_get(meta, "name"));
	struct pw_slice namespace = pw_json_text(pw_json_get(meta, "namespace"));
	enum crd_kind kind = find_kind(pw_json_text(pw_json_get(doc, "kind")));

	out[0] = '\0';
	if (kind == CRD_KINDS || crd_check_name(name) || name.len > 253)
		return;
	if (!kinds[kind].namespaced)
		(void)snprintf(out, CRD_KEY_MAX, "%s/%.*s", kinds[kind].name, PW_SLICE_ARG(name));
	else if (!crd_check_label(namespace) && namespace.len <= 63)
		(void)snprintf(out, CRD_KEY_MAX, "%s/%.*s/%.*s", kinds[kind].name,
			PW_SLICE_ARG(namespace), PW_SLICE_ARG(name));
}
