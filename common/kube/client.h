/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Requests to the API server: adds who we are, reads the token again on 401 and repeats once, goes
 * straight to the server whatever proxy the environment names, and turns refusals into words.
 * Blocking: belongs on a thread of its own, one client per thread (one connection each).
 * Ceilings: 4 MiB of answer, 2 MiB of body, times given by the caller.
 */
#include "common/kube/access.h"
#include "common/web/http.h"
#include "common/web/json.h"

#define PW_KUBE_ANSWER_MAX ((size_t)4 << 20)

struct pw_kube_settings {
	const char *kubeconfig; /* NULL = in a pod */
	const char *folder;     /* of the service account; NULL = the usual one */
};

struct pw_kube;

struct pw_kube_call {
	const char *method, *path; /* "/api/v1/pods?limit=1"; the query is encoded already */
	const char *content_type;  /* of the body; NULL = JSON */
	const char *accept;        /* NULL = JSON */
	struct pw_slice body;
	uint32_t timeout_ms; /* 0 = 30 s */
	int (*on_part)(void *ctx, struct pw_slice part);
	void *part_ctx;
};

int pw_kube_new(const struct pw_kube_settings *settings, struct pw_kube **ret,
	struct pw_err *err) PW_MUST_CHECK;
void pw_kube_free(struct pw_kube *k);
const char *pw_kube_namespace(const struct pw_kube *k); /* where we run */
/* 0 when an answer came, whatever its status. */
int pw_kube_do(struct pw_kube *k, const struct pw_kube_call *call, struct pw_http_response *ret,
	struct pw_err *err) PW_MUST_CHECK;
void pw_kube_cancel(struct pw_kube *k); /* as pw_http_cancel; any thread */

/*
 * 2xx = 0; else an errno and the server's words: -ENOENT (404), -ESTALE (409: someone was faster),
 * -EIDRM (410), -E2BIG (413, or an object too large for the store), -EINVAL (400, 422), -EACCES
 * (401, 403), -EBUSY (429, 503: retry_after_ms says when), -EIO.
 */
int pw_kube_check(const struct pw_http_response *answer, struct pw_err *err);

/* One request with its check. ret_object, when not NULL, is what the server has now. */
int pw_kube_object(struct pw_kube *k, const struct pw_kube_call *call, struct pw_json **ret_object,
	struct pw_err *err) PW_MUST_CHECK;
/* Server-side apply under the name "podward", taking fields over from others. path without query.
 */
int pw_kube_apply(struct pw_kube *k, const char *path, struct pw_slice body,
	struct pw_json **ret_object, struct pw_err *err) PW_MUST_CHECK;
/* Merge-patch, usually of PATH/status with metadata.resourceVersion in it. */
int pw_kube_merge(struct pw_kube *k, const char *path, struct pw_slice body,
	struct pw_json **ret_object, struct pw_err *err) PW_MUST_CHECK;
