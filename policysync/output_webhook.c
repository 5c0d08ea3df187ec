// SPDX-License-Identifier: Apache-2.0
#include "policysync/output_webhook.h"
#include "common/base/escape.h"
#include "common/web/json.h"
#include <errno.h>
#include <stdio.h>

#define BATCH 100

struct output_webhook {
	struct output_http *http; /* first, see output_http_owner_destroy */
	struct alert_form form;
	bool is_backend;
	char cluster[128];
};

/* The worst status of the items decides: later beats refused, so that nothing is given up early. */
static enum output_result read_bulk(struct pw_slice answer, size_t count, struct pw_err *err)
{
	struct pw_json *root = NULL;
	enum output_result result = OUTPUT_DONE;
	const struct pw_json *items;

	(void)count;
	if (pw_json_parse(answer, &root, err) < 0)
		return OUTPUT_RETRY;
	items = pw_json_get(root, "items");
	if (pw_json_type(items) != PW_JSON_ARRAY) {
		(void)pw_err_set(err, -EPROTO, "the answer is not one of _bulk: no items");
		result = OUTPUT_RETRY;
	}
	for (size_t i = 0; i < pw_json_size(items); i++) {
		const struct pw_json *item = pw_json_get(pw_json_at(items, i), "create");
		int64_t status = pw_json_int(pw_json_get(item, "status"));

		if ((status >= 200 && status < 300) || status == 409)
			continue;
		(void)pw_err_set(err, -EPROTO, "item status %lld", (long long)status);
		if (status < 400 || status >= 500 || status == 429) {
			result = OUTPUT_RETRY;
			break;
		}
		result = OUTPUT_REFUSED;
	}
	pw_json_free(root);
	return result;
}

/* An answer that is no JSON or counts wrongly is not believed. */
static enum output_result read_backend(struct pw_slice answer, size_t count, struct pw_err *err)
{
	struct pw_json *root = NULL;
	const struct pw_json *rejected;
	enum output_result result = OUTPUT_DONE;
	char shown[128];
	int64_t accepted;

	if (pw_json_parse(answer, &root, err) < 0)
		return OUTPUT_RETRY;
	rejected = pw_json_get(root, "rejected");
	accepted = pw_json_int(pw_json_get(root, "accepted"));
	if (pw_json_size(rejected) > 0) {
		struct pw_slice message =
			pw_json_text(pw_json_get(pw_json_at(rejected, 0), "message"));

		(void)pw_err_set(err, -EPROTO, "rejected by the backend: %s",
			pw_escape_to(message, shown, sizeof(shown)));
		result = OUTPUT_REFUSED;
	} else if (accepted < 0 || (uint64_t)accepted != count) {
		(void)pw_err_set(err, -EPROTO, "the backend accepted %lld of %zu alerts",
			(long long)accepted, count);
		result = OUTPUT_RETRY;
	}
	pw_json_free(root);
	return result;
}

static enum output_result do_send(void *ctx, const struct output_item *items, size_t count,
	uint32_t *ret_wait_ms, struct pw_err *err)
{
	struct output_webhook *w = ctx;
	struct output_http_post post = {
		.content_type = alert_form_content_type(&w->form),
		.first = items[0].n,
		.last = items[count - 1].n,
		.count = count,
	};
	pw_auto_buf body;
	int r;

	pw_buf_init(&body, OUTPUT_BODY_BYTES);
	r = alert_format_body(&body, &w->form, items, count);
	if (r == -E2BIG) {
		(void)pw_err_set(err, r, "larger than %zu bytes", OUTPUT_BODY_BYTES);
		return OUTPUT_REFUSED;
	}
	if (r < 0) {
		(void)pw_err_set(err, r, "out of memory");
		return OUTPUT_RETRY;
	}
	post.body = pw_buf_slice(&body);
	if (w->is_backend)
		post.read = read_backend;
	else if (w->form.format == ALERT_ELASTICSEARCH)
		post.read = read_bulk;
	return output_http_post(w->http, &post, ret_wait_ms, err);
}

int output_webhook_new(const struct webhook_settings *s, struct output *ret, struct pw_err *err)
{
	struct output_webhook *w = pw_alloc0(1, sizeof(*w));
	struct output_http_settings http = s->http;
	size_t batch = s->batch > 0 ? s->batch : BATCH;
	int r;

	if (!w)
		return pw_err_set(err, -ENOMEM, "out of memory");
	w->form = s->form;
	w->is_backend = s->is_backend;
	(void)snprintf(w->cluster, sizeof(w->cluster), "%s", s->form.cluster);
	w->form.cluster = w->cluster;
	http.cluster = s->is_backend ? w->cluster : NULL;
	r = alert_form_check(&w->form, err);
	if (r == 0)
		r = s->is_backend ? output_http_new_at(&http, "/v1/alerts", &w->http, err)
				  : output_http_new(&http, &w->http, err);
	if (r < 0) {
		output_http_owner_destroy(w);
		return r;
	}
	if (batch > WEBHOOK_BATCH_MAX)
		batch = WEBHOOK_BATCH_MAX;
	ret->send = do_send;
	ret->cancel = output_http_owner_cancel;
	ret->destroy = output_http_owner_destroy;
	ret->ctx = w;
	ret->max_rows = w->form.framing == ALERT_SINGLE ? 1 : batch;
	return 0;
}
