// SPDX-License-Identifier: Apache-2.0
#include "policysync/bundle_plan.h"
#include "common/base/escape.h"
#include "common/base/log.h"
#include <errno.h>
#include <stdio.h>

#define BODY_MAX ((size_t)3 << 20)

void bundle_plan_done(struct bundle_plan *p)
{
	for (size_t i = 0; i < p->count; i++) {
		pw_buf_done(&p->steps[i].wanted);
		pw_buf_done(&p->steps[i].before);
	}
	free(p->steps);
	*p = (struct bundle_plan){.count = 0};
}

static struct bundle_step *add_step(struct bundle_plan *p)
{
	size_t cap = p->cap ? p->cap * 2 : 32;
	struct bundle_step *grown;

	if (p->count == BUNDLE_PLAN_STEPS)
		return NULL;
	if (p->count == p->cap) {
		grown = pw_realloc(p->steps, cap, sizeof(*grown));
		if (!grown)
			return NULL;
		p->steps = grown;
		p->cap = cap;
	}
	grown = &p->steps[p->count++];
	*grown = (struct bundle_step){.path = ""};
	pw_buf_init(&grown->wanted, BODY_MAX);
	pw_buf_init(&grown->before, BODY_MAX);
	return grown;
}

/* What we say of an object: who it is, that it is ours, from which blob, and its spec. */
static int write_body(const struct bundle_object *o, const struct pw_json *spec, struct pw_buf *out)
{
	(void)pw_buf_addf(out,
		"{\"apiVersion\":\"" CRD_API_VERSION
		"\",\"kind\":\"%s\",\"metadata\":{\"name\":\"%s\"",
		o->kind, o->name);
	if (o->namespace_[0])
		(void)pw_buf_addf(out, ",\"namespace\":\"%s\"", o->namespace_);
	(void)pw_buf_addf(out, ",\"labels\":{\"" BUNDLE_LABEL "\":\"" BUNDLE_LABEL_IS "\"},"
			       "\"annotations\":{\"" BUNDLE_SHA256 "\":");
	(void)pw_escape_json(out, pw_slice_str(o->sha256));
	(void)pw_buf_add_str(out, "}},\"spec\":");
	if (!spec)
		(void)pw_buf_add_str(out, "{}");
	else if (pw_json_dump(spec, out) < 0)
		return pw_buf_error(out) < 0 ? pw_buf_error(out) : -ENOMEM;
	return pw_buf_add_byte(out, '}');
}

/* What is there now. 1 = ours, 0 = nothing, -EEXIST = a user's. */
static int look(struct pw_kube *k, struct bundle_plan *p, struct bundle_step *s, struct pw_err *err)
{
	struct pw_err own = PW_ERR_INIT;
	struct pw_json *now = NULL;
	int r = pw_kube_object(
		k, &(struct pw_kube_call){.method = "GET", .path = s->path}, &now, &own);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return pw_err_set(err, r, "%s", own.msg);
	r = -EEXIST;
	if (bundle_owner_of(now) == BUNDLE_OURS) {
		const char *kind = s->owned.object.kind;
		char copy[sizeof(s->owned.object.kind)];

		(void)snprintf(copy, sizeof(copy), "%s", kind);
		r = bundle_owned_read(now, copy, &s->owned);
		if (r == 0)
			r = write_body(&s->owned.object, pw_json_get(now, "spec"), &s->before);
		p->bytes += s->before.len;
		if (r == 0 && p->bytes > BUNDLE_PLAN_BYTES)
			r = -E2BIG;
		r = r < 0 ? pw_err_set(err, r, "%s: what is there: %s", s->path, pw_err_text(r))
			  : 1;
	}
	pw_json_free(now);
	return r;
}

static void drop_last(struct bundle_plan *p)
{
	struct bundle_step *s = &p->steps[--p->count];

	pw_buf_done(&s->wanted);
	pw_buf_done(&s->before);
}

static int write_wanted(
	const struct bundle_object *o, struct pw_slice blob, struct pw_buf *out, struct pw_err *err)
{
	struct pw_json **docs = NULL;
	size_t count = 0;
	int r = pw_yaml_parse(blob, &docs, &count, err);

	if (r == 0)
		r = count == 1 ? write_body(o, pw_json_get(docs[0], "spec"), out) : -EINVAL;
	pw_yaml_docs_free(docs, count);
	return r < 0 ? pw_err_wrap(err, r, "%s/%s", o->kind, o->name) : 0;
}

static int add_put(struct pw_kube *k, const struct bundle_object *o, struct pw_slice blob,
	struct bundle_plan *p, struct pw_err *err)
{
	struct bundle_step *s = add_step(p);
	int r;

	if (!s)
		return pw_err_set(err, -ENOMEM, "too many objects or out of memory");
	s->owned.object = *o;
	r = bundle_object_path(o, s->path, sizeof(s->path), err);
	if (r == 0)
		r = look(k, p, s, err);
	if (r == -EEXIST) {
		if (p->users++ == 0)
			(void)snprintf(
				p->users_first, sizeof(p->users_first), "%s/%s", o->kind, o->name);
		drop_last(p);
		return 0;
	}
	return r < 0 ? r : write_wanted(o, blob, &s->wanted, err);
}

struct making {
	struct pw_kube *kube;
	const struct bundle *bundle;
	struct bundle_plan *plan;
	struct pw_err *err;
};

/* Of the last bundle and not of this one: deleted as it is now, and not if somebody changes it. */
static int add_delete(void *ctx, const struct bundle_owned *o)
{
	struct making *m = ctx;
	struct bundle_step *s;
	int r;

	if (bundle_manifest_find(m->bundle->manifest, &o->object))
		return 0;
	s = add_step(m->plan);
	if (!s)
		return -ENOMEM;
	s->owned = *o;
	r = bundle_object_path(&o->object, s->path, sizeof(s->path), m->err);
	if (r == 0)
		r = look(m->kube, m->plan, s, m->err);
	if (r == 0 || r == -EEXIST)
		drop_last(m->plan); /* somebody was faster */
	return r == -EEXIST || r > 0 ? 0 : r;
}

int bundle_plan_make(
	struct pw_kube *k, const struct bundle *b, struct bundle_plan *ret, struct pw_err *err)
{
	struct bundle_plan p = {.count = 0};
	struct making m = {k, b, &p, err};
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->manifest->object_count; i++)
		r = add_put(k, &b->manifest->objects[i], b->blobs[i], &p, err);
	if (r == 0)
		r = bundle_owned_each(k, add_delete, &m, err);
	if (r < 0) {
		bundle_plan_done(&p);
		return r;
	}
	*ret = p;
	return 0;
}

/* A bundle that names a namespace that is not there can not be applied as it is. */
int bundle_plan_try(struct pw_kube *k, struct bundle_plan *p, struct pw_err *err)
{
	char path[900];

	for (size_t i = 0; i < p->count; i++) {
		struct pw_err own = PW_ERR_INIT;
		int r;

		if (p->steps[i].wanted.len == 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s?fieldManager=podward&force=true&dryRun=All",
			p->steps[i].path);
		r = pw_kube_object(k,
			&(struct pw_kube_call){.method = "PATCH",
				.path = path,
				.content_type = "application/apply-patch+yaml",
				.body = pw_buf_slice(&p->steps[i].wanted)},
			NULL, &own);
		if (r < 0)
			return pw_err_set(err, r == -ENOENT || r == -E2BIG ? -EINVAL : r,
				"%s/%s: %s", p->steps[i].owned.object.kind,
				p->steps[i].owned.object.name, own.msg);
	}
	return 0;
}

static int delete_object(
	struct pw_kube *k, const struct bundle_step *s, bool exact, struct pw_err *err)
{
	char body[300] = "";
	int r;

	if (exact)
		(void)snprintf(body, sizeof(body),
			"{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":"
			"{\"uid\":\"%s\",\"resourceVersion\":\"%s\"}}",
			s->owned.uid, s->owned.version);
	r = pw_kube_object(k,
		&(struct pw_kube_call){
			.method = "DELETE", .path = s->path, .body = pw_slice_str(body)},
		NULL, err);
	return r == -ENOENT ? 0 : r;
}

static int put_object(
	struct pw_kube *k, struct bundle_step *s, struct pw_slice body, struct pw_err *err)
{
	char kind[sizeof(s->owned.object.kind)];
	struct pw_json *now = NULL;
	int r = pw_kube_apply(k, s->path, body, &now, err);

	memcpy(kind, s->owned.object.kind, sizeof(kind));
	if (r == 0)
		r = bundle_owned_read(now, kind, &s->owned);
	pw_json_free(now);
	return r < 0 && err->code == 0
		       ? pw_err_set(err, r, "%s: the answer makes no sense", s->path)
		       : r;
}

static void undo(struct pw_kube *k, struct bundle_plan *p, size_t count)
{
	for (size_t i = count; i-- > 0;) {
		struct bundle_step *s = &p->steps[i];
		struct pw_err err = PW_ERR_INIT;
		int r = s->before.len > 0 ? put_object(k, s, pw_buf_slice(&s->before), &err)
					  : delete_object(k, s, false, &err);

		if (r < 0)
			pw_log_limited(PW_LOG_ERROR, 6, "bundle",
				"%s: cannot be put back as it was: %s", s->path, err.msg);
	}
}

int bundle_plan_run(struct pw_kube *k, struct bundle_plan *p, bool (*may)(void *ctx), void *ctx,
	struct pw_err *err)
{
	for (size_t i = 0; i < p->count; i++) {
		struct bundle_step *s = &p->steps[i];
		int r = may(ctx)
				? 0
				: pw_err_set(err, -ECANCELED, "another replica writes from now on");

		if (r == 0)
			r = s->wanted.len > 0 ? put_object(k, s, pw_buf_slice(&s->wanted), err)
					      : delete_object(k, s, true, err);
		if (r == 0)
			continue;
		if (r != -ECANCELED)
			undo(k, p, i + 1); /* it may have been taken all the same */
		return r;
	}
	return 0;
}
