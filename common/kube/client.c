/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kube/client.h"

#include "common/base/escape.h"

#include <errno.h>
#include <stdio.h>

#define BODY_MAX ((size_t)2 << 20)
#define URL_MAX  2048

struct pw_kube {
	struct pw_http *http;
	struct pw_access access;
};

int pw_kube_new(const struct pw_kube_settings *settings, struct pw_kube **ret, struct pw_err *err)
{
	struct pw_kube *k = pw_alloc0(1, sizeof(*k));
	int r;

	if (!k)
		return pw_err_set(err, -ENOMEM, "out of memory");
	r = pw_access_open(&k->access, settings->kubeconfig, settings->folder, err);
	if (r == 0)
		r = pw_http_new(&k->http, err);
	if (r < 0) {
		pw_kube_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

void pw_kube_free(struct pw_kube *k)
{
	if (!k)
		return;
	pw_http_free(k->http);
	pw_access_close(&k->access);
	free(k);
}

const char *pw_kube_namespace(const struct pw_kube *k)
{
	return k->access.namespace;
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static int send_once(struct pw_kube *k, const struct pw_kube_call *call,
	struct pw_http_response *ret, struct pw_err *err)
{
	const struct pw_access *a = &k->access;
	char url[URL_MAX], content[128], accept[160];
	const char *headers[] = {accept, content, or_null(a->authorization), NULL};
	int n = snprintf(url, sizeof(url), "%s%s", a->server, call->path);

	if (n >= (int)sizeof(url))
		return pw_err_set(err, -ENAMETOOLONG, "%s: the path is too long", call->method);
	(void)snprintf(accept, sizeof(accept), "Accept: %s",
		call->accept ? call->accept : "application/json");
	(void)snprintf(content, sizeof(content), "Content-Type: %s",
		call->content_type ? call->content_type : "application/json");
	return pw_http_do(k->http,
		&(struct pw_http_request){
			.method = call->method,
			.url = url,
			.headers = headers,
			.body = call->body,
			.timeout_ms = call->timeout_ms,
			.response_limit = PW_KUBE_ANSWER_MAX,
			.ca_file = or_null(a->ca_file),
			.cert_file = or_null(a->cert_file),
			.key_file = or_null(a->key_file),
			.no_proxy = true,
			.on_part = call->on_part,
			.part_ctx = call->part_ctx,
		},
		ret, err);
}

int pw_kube_do(struct pw_kube *k, const struct pw_kube_call *call, struct pw_http_response *ret,
	struct pw_err *err)
{
	struct pw_http_response answer = {0};
	int r;

	if (call->body.len > BODY_MAX)
		return pw_err_set(err, -E2BIG, "%s: a body of %zu bytes, at most %zu are sent",
			call->method, call->body.len, BODY_MAX);
	pw_access_refresh(&k->access);
	r = send_once(k, call, &answer, err);
	if (r == 0 && answer.status == 401 && pw_access_reload(&k->access)) {
		pw_http_response_done(&answer);
		r = send_once(k, call, &answer, err);
	}
	if (r == 0)
		*ret = answer;
	return r;
}

void pw_kube_cancel(struct pw_kube *k)
{
	pw_http_cancel(k->http);
}

/* What etcd and its client say about an object that is too large, both with status 500.
 * Source: seen on kube-apiserver 1.20.2 with etcd 3.4. */
static bool is_too_large(struct pw_slice message)
{
	return pw_slice_find(message, PW_SLICE_LIT("request is too large")) >= 0 ||
	       pw_slice_find(message, PW_SLICE_LIT("message larger than max")) >= 0;
}

static int code_of(int status, struct pw_slice message)
{
	static const struct {
		int status, code;
	} rows[] = {
		{400, -EINVAL},
		{401, -EACCES},
		{403, -EACCES},
		{404, -ENOENT},
		{409, -ESTALE},
		{410, -EIDRM},
		{413, -E2BIG},
		{422, -EINVAL},
		{429, -EBUSY},
		{503, -EBUSY},
	};

	for (size_t i = 0; i < PW_COUNT(rows); i++)
		if (rows[i].status == status)
			return rows[i].code;
	return status == 500 && is_too_large(message) ? -E2BIG : -EIO;
}

int pw_kube_check(const struct pw_http_response *answer, struct pw_err *err)
{
	struct pw_slice message = pw_buf_slice(&answer->body);
	struct pw_json *status = NULL;
	char shown[400];
	int code;

	if (answer->status / 100 == 2)
		return 0;
	if (pw_json_parse(message, &status, NULL) == 0 &&
		pw_json_text(pw_json_get(status, "message")).len > 0)
		message = pw_json_text(pw_json_get(status, "message"));
	code = code_of(answer->status, message);
	(void)pw_err_set(err, code, "HTTP %d: %s", answer->status,
		pw_escape_to(message, shown, sizeof(shown)));
	pw_json_free(status);
	return code;
}

int pw_kube_object(struct pw_kube *k, const struct pw_kube_call *call, struct pw_json **ret_object,
	struct pw_err *err)
{
	struct pw_http_response answer = {0};
	int r = pw_kube_do(k, call, &answer, err);

	if (r < 0)
		return r;
	r = pw_kube_check(&answer, err);
	if (r == 0 && ret_object)
		r = pw_json_parse_large(
			pw_buf_slice(&answer.body), PW_KUBE_ANSWER_MAX, ret_object, err);
	pw_http_response_done(&answer);
	return r < 0 ? pw_err_wrap(err, r, "%s %.200s", call->method, call->path) : 0;
}

int pw_kube_apply(struct pw_kube *k, const char *path, struct pw_slice body,
	struct pw_json **ret_object, struct pw_err *err)
{
	char full[URL_MAX];

	if (snprintf(full, sizeof(full), "%s?fieldManager=podward&force=true", path) >=
		(int)sizeof(full))
		return pw_err_set(err, -ENAMETOOLONG, "apply: the path is too long");
	/* JSON is YAML. */
	return pw_kube_object(k,
		&(struct pw_kube_call){.method = "PATCH",
			.path = full,
			.content_type = "application/apply-patch+yaml",
			.body = body},
		ret_object, err);
}

int pw_kube_merge(struct pw_kube *k, const char *path, struct pw_slice body,
	struct pw_json **ret_object, struct pw_err *err)
{
	return pw_kube_object(k,
		&(struct pw_kube_call){.method = "PATCH",
			.path = path,
			.content_type = "application/merge-patch+json",
			.body = body},
		ret_object, err);
}
