// SPDX-License-Identifier: Apache-2.0
#include "policysync/pod_json.h"
#include <errno.h>
#include <stdio.h>

#define ID_MAX 64

/* Texts are first counted, then copied behind the struct: the same walk twice. */
struct texts {
	char *at; /* NULL while counting */
	size_t bytes;
};

static const char *put(struct texts *t, struct pw_slice text)
{
	char *out = t->at;

	if (text.len > POD_TEXT)
		text.len = POD_TEXT;
	t->bytes += text.len + 1;
	if (!out)
		return "";
	if (text.len > 0)
		memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
	t->at += text.len + 1;
	return out;
}

static const char *put_field(struct texts *t, const struct pw_json *object, const char *key)
{
	struct pw_slice text = pw_json_text(pw_json_get(object, key));

	/* A text with a NUL is not what the server allows; what follows it is nobody's name. */
	return put(t, memchr(text.ptr ? (const void *)text.ptr : "", 0, text.len)
			      ? (struct pw_slice){NULL, 0}
			      : text);
}

/* The one that is responsible; the others are only kept until garbage is collected. */
static const struct pw_json *controller_of(const struct pw_json *meta)
{
	const struct pw_json *owners = pw_json_get(meta, "ownerReferences");

	for (size_t i = 0; i < pw_json_size(owners); i++) {
		const struct pw_json *owner = pw_json_at(owners, i);

		if (pw_json_bool(pw_json_get(owner, "controller")))
			return owner;
	}
	return NULL;
}

static struct pod_owner put_owner(struct texts *t, const struct pw_json *meta)
{
	const struct pw_json *owner = controller_of(meta);

	return (struct pod_owner){put_field(t, owner, "kind"), put_field(t, owner, "name"),
		put_field(t, owner, "uid")};
}

/* "containerd://<id>" -> the id, when it is one. */
static struct pw_slice id_of(const struct pw_json *status)
{
	struct pw_slice text = pw_json_text(pw_json_get(status, "containerID"));
	ptrdiff_t scheme = pw_slice_find(text, PW_SLICE_LIT("://"));
	struct pw_slice id = scheme < 0 ? pw_slice_of(NULL, 0)
					: pw_slice_sub(text, (size_t)scheme + 3, text.len);

	for (size_t i = 0; i < id.len; i++)
		if (!((id.ptr[i] >= '0' && id.ptr[i] <= '9') ||
			    (id.ptr[i] >= 'a' && id.ptr[i] <= 'f')))
			return pw_slice_of(NULL, 0);
	return id.len >= 12 && id.len <= ID_MAX ? id : pw_slice_of(NULL, 0);
}

/* "registry/image@sha256:…" and "sha256:…" -> "sha256:…" */
static struct pw_slice digest_of(const struct pw_json *status)
{
	struct pw_slice text = pw_json_text(pw_json_get(status, "imageID"));
	ptrdiff_t at = pw_slice_rfind_byte(text, '@');

	if (at >= 0)
		text = pw_slice_sub(text, (size_t)at + 1, text.len);
	return pw_slice_starts(text, PW_SLICE_LIT("sha256:")) ? text : pw_slice_of(NULL, 0);
}

static void put_containers(
	struct texts *t, const struct pw_json *list, struct pod *pod, size_t *count)
{
	for (size_t i = 0; i < pw_json_size(list) && *count < POD_CONTAINERS; i++) {
		const struct pw_json *status = pw_json_at(list, i);
		struct pw_slice id = id_of(status);
		struct pod_container c;

		if (id.len == 0)
			continue; /* not started yet */
		c.id = put(t, id);
		c.name = put_field(t, status, "name");
		c.image = put_field(t, status, "image");
		c.digest = put(t, digest_of(status));
		if (pod)
			pod->containers[*count] = c;
		(*count)++;
	}
}

static size_t put_pod(struct texts *t, const struct pw_json *object, struct pod *pod)
{
	static const char *const lists[] = {
		"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"};
	const struct pw_json *meta = pw_json_get(object, "metadata");
	const struct pw_json *status = pw_json_get(object, "status");
	struct pod local = {.uid = put_field(t, meta, "uid"),
		.namespace = put_field(t, meta, "namespace"),
		.name = put_field(t, meta, "name"),
		.node = put_field(t, pw_json_get(object, "spec"), "nodeName"),
		.generate = put_field(t, meta, "generateName"),
		.owner = put_owner(t, meta)};
	size_t count = 0;

	if (pod)
		*pod = local;
	for (size_t i = 0; i < PW_COUNT(lists); i++)
		put_containers(t, pw_json_get(status, lists[i]), pod, &count);
	if (pod)
		pod->container_count = count;
	return count;
}

static bool has_identity(const struct pw_json *object, bool namespaced)
{
	static const char *const keys[] = {"uid", "name", "namespace"};
	const struct pw_json *meta = pw_json_get(object, "metadata");

	for (size_t i = 0; i < (namespaced ? PW_COUNT(keys) : 1); i++) {
		struct pw_slice text = pw_json_text(pw_json_get(meta, keys[i]));

		if (text.len == 0 || text.len > 253 || memchr(text.ptr, 0, text.len) ||
			memchr(text.ptr, '/', text.len))
			return false;
	}
	return true;
}

int pod_read(const struct pw_json *object, struct pod **ret)
{
	struct texts t = {NULL, 0};
	size_t count, head;
	struct pod *pod;

	if (!has_identity(object, true))
		return -EINVAL;
	count = put_pod(&t, object, NULL);
	head = sizeof(*pod) + count * sizeof(pod->containers[0]);
	pod = pw_alloc0(1, head + t.bytes);
	if (!pod)
		return -ENOMEM;
	t.at = (char *)pod + head;
	(void)put_pod(&t, object, pod);
	*ret = pod;
	return 0;
}

int pod_parent_read(const struct pw_json *object, struct pod_parent **ret)
{
	const struct pw_json *meta = pw_json_get(object, "metadata");
	struct texts t = {NULL, 0};
	struct pod_parent *parent;

	if (!has_identity(object, false))
		return -EINVAL;
	(void)put_field(&t, meta, "uid");
	(void)put_owner(&t, meta);
	parent = pw_alloc0(1, sizeof(*parent) + t.bytes);
	if (!parent)
		return -ENOMEM;
	t.at = (char *)(parent + 1);
	parent->uid = put_field(&t, meta, "uid");
	parent->owner = put_owner(&t, meta);
	*ret = parent;
	return 0;
}
