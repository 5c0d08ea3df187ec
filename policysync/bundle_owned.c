// SPDX-License-Identifier: Apache-2.0
#include "policysync/bundle_owned.h"
#include "policysync/kube_object.h"
#include <errno.h>
#include <stdio.h>

#define METADATA "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
#define PAGE     "50"

/* Who applied under our name wrote it; the API server keeps this, not the object's author. */
static bool was_applied_by_us(const struct pw_json *meta)
{
	const struct pw_json *fields = pw_json_get(meta, "managedFields");

	for (size_t i = 0; i < pw_json_size(fields); i++) {
		const struct pw_json *f = pw_json_at(fields, i);

		if (pw_slice_eq_str(pw_json_text(pw_json_get(f, "manager")), "podward") &&
			pw_slice_eq_str(pw_json_text(pw_json_get(f, "operation")), "Apply"))
			return true;
	}
	return false;
}

static struct pw_slice annotation(const struct pw_json *meta, const char *name)
{
	return pw_json_text(pw_json_get(pw_json_get(meta, "annotations"), name));
}

enum bundle_owner bundle_owner_of(const struct pw_json *object)
{
	const struct pw_json *meta = pw_json_get(object, "metadata");
	struct pw_slice label =
		pw_json_text(pw_json_get(pw_json_get(meta, "labels"), BUNDLE_LABEL));

	if (!pw_slice_eq_str(label, BUNDLE_LABEL_IS) || !was_applied_by_us(meta) ||
		pw_slice_eq_str(annotation(meta, BUNDLE_UNMANAGED), "true"))
		return BUNDLE_USERS;
	return BUNDLE_OURS;
}

static int copy(char *out, size_t size, struct pw_slice text)
{
	return snprintf(out, size, "%.*s", PW_SLICE_ARG(text)) < (int)size ? 0 : -EINVAL;
}

int bundle_owned_read(const struct pw_json *object, const char *kind, struct bundle_owned *ret)
{
	const struct pw_json *meta = pw_json_get(object, "metadata");
	struct bundle_object *o = &ret->object;
	int r;

	*ret = (struct bundle_owned){.generation = pw_json_int(pw_json_get(meta, "generation"))};
	r = copy(o->kind, sizeof(o->kind), pw_slice_str(kind));
	if (r == 0)
		r = copy(o->namespace_, sizeof(o->namespace_),
			pw_json_text(pw_json_get(meta, "namespace")));
	if (r == 0)
		r = copy(o->name, sizeof(o->name), pw_json_text(pw_json_get(meta, "name")));
	if (r == 0)
		r = copy(o->sha256, sizeof(o->sha256), annotation(meta, BUNDLE_SHA256));
	if (r == 0)
		r = copy(ret->uid, sizeof(ret->uid), pw_json_text(pw_json_get(meta, "uid")));
	return r < 0 ? r
		     : copy(ret->version, sizeof(ret->version),
			       pw_json_text(pw_json_get(meta, "resourceVersion")));
}

int bundle_object_path(const struct bundle_object *o, char *out, size_t size, struct pw_err *err)
{
	char key[CRD_KEY_MAX];
	int r;

	(void)snprintf(key, sizeof(key), "%s/%s%s%s", o->kind, o->namespace_,
		o->namespace_[0] ? "/" : "", o->name);
	r = kube_object_path(key, out, size);
	return r < 0 ? pw_err_set(err, r, "%s: no such kind", key) : 0;
}

struct page {
	const char *kind;
	char next[1024]; /* token of the page after it, encoded */
	size_t seen;
};

/* The token goes into a URL. */
static int encode(struct pw_slice token, char *out, size_t size)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t used = 0;

	for (size_t i = 0; i < token.len; i++) {
		if (used + 4 > size)
			return -E2BIG;
		out[used++] = '%';
		out[used++] = digits[token.ptr[i] >> 4];
		out[used++] = digits[token.ptr[i] & 15];
	}
	out[used] = '\0';
	return 0;
}

static int take_page(const struct pw_json *list, struct page *p,
	int (*each)(void *ctx, const struct bundle_owned *o), void *ctx)
{
	const struct pw_json *items = pw_json_get(list, "items");
	struct bundle_owned owned;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < pw_json_size(items); i++) {
		const struct pw_json *item = pw_json_at(items, i);

		if (++p->seen > BUNDLE_OWNED)
			return -E2BIG;
		if (bundle_owner_of(item) == BUNDLE_OURS &&
			bundle_owned_read(item, p->kind, &owned) == 0)
			r = each(ctx, &owned);
	}
	return r < 0 ? r
		     : encode(pw_json_text(pw_json_get(pw_json_get(list, "metadata"), "continue")),
			       p->next, sizeof(p->next));
}

static int each_of_kind(struct pw_kube *k, enum crd_kind kind,
	int (*each)(void *ctx, const struct bundle_owned *o), void *ctx, struct pw_err *err)
{
	struct page p = {.kind = crd_kind_name(kind)};
	char path[1400];
	int r;

	do {
		struct pw_json *list = NULL;

		(void)snprintf(path, sizeof(path),
			"%s?limit=" PAGE
			"&labelSelector=app.kubernetes.io%%2Fmanaged-by%%3D" BUNDLE_LABEL_IS "%s%s",
			kube_kind_path(kind), p.next[0] ? "&continue=" : "", p.next);
		r = pw_kube_object(k,
			&(struct pw_kube_call){.method = "GET", .path = path, .accept = METADATA},
			&list, err);
		if (r == 0) {
			r = take_page(list, &p, each, ctx);
			if (r < 0)
				(void)pw_err_set(
					err, r, "%s of the bundle: %s", p.kind, pw_err_text(r));
		}
		pw_json_free(list);
	} while (r == 0 && p.next[0]);
	return r;
}

int bundle_owned_each(struct pw_kube *k, int (*each)(void *ctx, const struct bundle_owned *o),
	void *ctx, struct pw_err *err)
{
	int r = 0;

	for (int kind = 0; r == 0 && kind < CRD_KINDS; kind++)
		r = each_of_kind(k, (enum crd_kind)kind, each, ctx, err);
	return r;
}
