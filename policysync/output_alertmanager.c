// SPDX-License-Identifier: Apache-2.0
#include "policysync/output_alertmanager.h"
#include "policysync/json_write.h"
#include <errno.h>
#include <stdio.h>

#define BATCH      100
#define ACTIVE_NS  (300 * PW_NS_PER_S)
#define REFRESH_MS 60000

struct output_alertmanager {
	struct output_http *http; /* first, see output_http_owner_destroy */
	char cluster[128];
	uint32_t refresh_ms;
};

/* Values of the form "warning" are what routes out there match on; ours are as good and finer. */
static const char *severity_label(Podward__V1__Severity severity)
{
	static const char *const names[] = {
		"unspecified", "info", "low", "medium", "high", "critical"};

	return (unsigned)severity < PW_COUNT(names) ? names[severity] : names[0];
}

/* An empty label is no label. */
static void add_label(struct json_writer *w, const char *name, struct pw_slice value)
{
	if (value.len > 0)
		json_slice(w, name, value);
}

static void add_labels(struct json_writer *w, const struct output_alertmanager *o,
	const Podward__V1__Alert *a, const struct alert_parts *parts)
{
	pw_auto_buf workload;

	pw_buf_init(&workload, 8 << 10);
	(void)pw_buf_add_slice(&workload, parts->kind);
	if (parts->workload.len > 0)
		(void)pw_buf_add_byte(&workload, '/');
	(void)pw_buf_add_slice(&workload, parts->workload);
	json_open_object(w, "labels");
	json_text(w, "alertname", "PodwardAlert");
	json_text(w, "severity", severity_label(a->severity));
	add_label(w, "cluster", pw_slice_str(o->cluster));
	add_label(w, "namespace", parts->namespace_);
	add_label(w, "workload", pw_buf_slice(&workload));
	add_label(w, "container", parts->container);
	add_label(w, "rule", pw_slice_of(a->detector.data, a->detector.len));
	json_close_object(w);
}

static void add_annotations(
	struct json_writer *w, const struct output_item *item, const struct alert_parts *parts)
{
	const Podward__V1__Alert *a = item->alert;
	char count[24];

	(void)snprintf(count, sizeof(count), "%llu", (unsigned long long)item->seen.count);
	json_open_object(w, "annotations");
	json_bytes(w, "summary", a->title);
	json_bytes(w, "description", a->reason);
	json_text(w, "alert_id", parts->id);
	json_text(w, "event", alert_event_name(a->event_kind));
	json_bytes(w, "object", a->object);
	if (parts->process)
		json_bytes(w, "process", parts->process->exe);
	json_bytes(w, "node", a->node);
	json_bytes(w, "pod", a->pod_name);
	json_text(w, "count", count);
	json_bytes(w, "exclusion", a->exclusion);
	json_close_object(w);
}

static void add_alert(
	struct json_writer *w, const struct output_alertmanager *o, const struct output_item *item)
{
	struct alert_parts parts;
	int64_t ends = pw_wall_now().ns + 4ll * o->refresh_ms * (int64_t)PW_NS_PER_MS;

	alert_parts(item->alert, &parts);
	json_open_object(w, NULL);
	add_labels(w, o, item->alert, &parts);
	add_annotations(w, item, &parts);
	json_time(w, "startsAt", item->alert->first_wall_ns);
	json_time(w, "endsAt", ends);
	json_close_object(w);
}

static enum output_result do_send(void *ctx, const struct output_item *items, size_t count,
	uint32_t *ret_wait_ms, struct pw_err *err)
{
	struct output_alertmanager *o = ctx;
	struct output_http_post post = {.content_type = "application/json", .count = count};
	pw_auto_buf body;
	struct json_writer w = JSON_WRITER(&body);

	pw_buf_init(&body, OUTPUT_BODY_BYTES);
	json_open_array(&w, NULL);
	for (size_t i = 0; i < count; i++)
		add_alert(&w, o, &items[i]);
	json_close_array(&w);
	if (pw_buf_error(&body) < 0) {
		(void)pw_err_set(
			err, pw_buf_error(&body), "body: %s", pw_err_text(pw_buf_error(&body)));
		return pw_buf_error(&body) == -E2BIG ? OUTPUT_REFUSED : OUTPUT_RETRY;
	}
	post.body = pw_buf_slice(&body);
	return output_http_post(o->http, &post, ret_wait_ms, err);
}

int output_alertmanager_new(
	const struct alertmanager_settings *s, struct output *ret, struct pw_err *err)
{
	struct output_alertmanager *o = pw_alloc0(1, sizeof(*o));
	int r;

	if (!o)
		return pw_err_set(err, -ENOMEM, "out of memory");
	(void)snprintf(o->cluster, sizeof(o->cluster), "%s", s->cluster);
	o->refresh_ms = s->refresh_ms > 0 ? s->refresh_ms : REFRESH_MS;
	r = output_http_new_at(&s->http, "/api/v2/alerts", &o->http, err);
	if (r < 0) {
		output_http_owner_destroy(o);
		return r;
	}
	ret->send = do_send;
	ret->cancel = output_http_owner_cancel;
	ret->destroy = output_http_owner_destroy;
	ret->ctx = o;
	ret->max_rows = BATCH;
	ret->refresh_ms = o->refresh_ms;
	ret->active_ns = s->active_ns > 0 ? s->active_ns : ACTIVE_NS;
	return 0;
}
