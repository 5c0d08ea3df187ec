// SPDX-License-Identifier: Apache-2.0
#include "policysync/output_otlp.h"
#include "common/base/escape.h"
#include "common/web/json.h"
#include "policysync/alert_ocsf.h"
#include "policysync/json_write.h"
#include <errno.h>
#include <stdio.h>

#define BATCH 100

struct output_otlp {
	struct output_http *http; /* first, see output_http_owner_destroy */
	char cluster[128];
};

/* Source: OpenTelemetry logs data model, "SeverityNumber". */
static unsigned severity_number(Podward__V1__Severity severity)
{
	static const unsigned values[] = {0, 9, 10, 13, 17, 21};

	return (unsigned)severity < PW_COUNT(values) ? values[severity] : values[0];
}

static void add_any(struct json_writer *w, const char *name, const struct pw_json *value);

static void add_map(struct json_writer *w, const struct pw_json *object)
{
	const struct pw_json *member;
	const char *key = NULL;
	void *cursor = NULL;

	json_open_object(w, "kvlistValue");
	json_open_array(w, "values");
	while ((member = pw_json_next(object, &cursor, &key)) != NULL) {
		json_open_object(w, NULL);
		json_text(w, "key", key);
		add_any(w, "value", member);
		json_close_object(w);
	}
	json_close_array(w);
	json_close_object(w);
}

static void add_list(struct json_writer *w, const struct pw_json *array)
{
	json_open_object(w, "arrayValue");
	json_open_array(w, "values");
	for (size_t i = 0; i < pw_json_size(array); i++)
		add_any(w, NULL, pw_json_at(array, i));
	json_close_array(w);
	json_close_object(w);
}

/* AnyValue: an object with the one member that names the type; 64-bit numbers are strings. The
 * depth is that of OCSF, which is ours. */
static void add_any(struct json_writer *w, const char *name, const struct pw_json *value)
{
	char number[24];

	json_open_object(w, name);
	switch (pw_json_type(value)) {
	case PW_JSON_OBJECT:
		add_map(w, value);
		break;
	case PW_JSON_ARRAY:
		add_list(w, value);
		break;
	case PW_JSON_TEXT:
		json_slice(w, "stringValue", pw_json_text(value));
		break;
	case PW_JSON_INT:
		(void)snprintf(number, sizeof(number), "%lld", (long long)pw_json_int(value));
		json_text(w, "intValue", number);
		break;
	case PW_JSON_BOOL:
		json_bool(w, "boolValue", pw_json_bool(value));
		break;
	default:
		break; /* OCSF as we write it has neither reals nor nulls */
	}
	json_close_object(w);
}

static void add_attribute(struct json_writer *w, const char *key, struct pw_slice value)
{
	if (value.len == 0)
		return;
	json_open_object(w, NULL);
	json_text(w, "key", key);
	json_open_object(w, "value");
	json_slice(w, "stringValue", value);
	json_close_object(w);
	json_close_object(w);
}

static void add_attributes(struct json_writer *w, const Podward__V1__Alert *a)
{
	struct alert_parts parts;

	alert_parts(a, &parts);
	json_open_array(w, "attributes");
	add_attribute(w, "podward.alert.id", pw_slice_str(parts.id));
	add_attribute(w, "podward.rule", pw_slice_of(a->detector.data, a->detector.len));
	add_attribute(w, "podward.engine", pw_slice_str(alert_engine_name(a->engine)));
	add_attribute(w, "k8s.namespace.name", parts.namespace_);
	add_attribute(w, "k8s.pod.name", pw_slice_of(a->pod_name.data, a->pod_name.len));
	add_attribute(w, "k8s.node.name", pw_slice_of(a->node.data, a->node.len));
	add_attribute(w, "container.id", pw_slice_of(a->container_id.data, a->container_id.len));
	json_close_array(w);
}

/* The finding is written once as text and read back: one place knows what OCSF looks like. */
static int add_body(struct json_writer *w, const char *cluster, const struct output_item *item)
{
	struct pw_json *tree = NULL;
	struct pw_err ignored = PW_ERR_INIT;
	pw_auto_buf text;
	int r;

	pw_buf_init(&text, OUTPUT_BODY_BYTES);
	r = alert_ocsf(&text, item->alert, &item->seen, cluster);
	if (r == 0)
		r = pw_json_parse(pw_buf_slice(&text), &tree, &ignored);
	if (r < 0)
		return r;
	add_any(w, "body", tree);
	pw_json_free(tree);
	return 0;
}

static int add_record(struct json_writer *w, const char *cluster, const struct output_item *item)
{
	char time[24], seen[24];
	int r;

	(void)snprintf(time, sizeof(time), "%lld", (long long)item->alert->first_wall_ns);
	(void)snprintf(seen, sizeof(seen), "%lld", (long long)pw_wall_now().ns);
	json_open_object(w, NULL);
	json_text(w, "timeUnixNano", time);
	json_text(w, "observedTimeUnixNano", seen);
	json_u64(w, "severityNumber", severity_number(item->alert->severity));
	json_text(w, "severityText", alert_severity_name(item->alert->severity));
	json_text(w, "eventName", "podward.alert");
	add_attributes(w, item->alert);
	r = add_body(w, cluster, item);
	json_close_object(w);
	return r;
}

static void add_resource(struct json_writer *w, const char *cluster)
{
	json_open_object(w, "resource");
	json_open_array(w, "attributes");
	add_attribute(w, "service.name", PW_SLICE_LIT("podward"));
	add_attribute(w, "service.version", PW_SLICE_LIT(PODWARD_VERSION));
	add_attribute(w, "k8s.cluster.name", pw_slice_str(cluster));
	json_close_array(w);
	json_close_object(w);
}

int output_otlp_body(
	struct pw_buf *out, const char *cluster, const struct output_item *items, size_t count)
{
	struct json_writer w = JSON_WRITER(out);
	int r = 0;

	json_open_object(&w, NULL);
	json_open_array(&w, "resourceLogs");
	json_open_object(&w, NULL);
	add_resource(&w, cluster);
	json_open_array(&w, "scopeLogs");
	json_open_object(&w, NULL);
	json_open_object(&w, "scope");
	json_text(&w, "name", "podward");
	json_close_object(&w);
	json_open_array(&w, "logRecords");
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_record(&w, cluster, &items[i]);
	json_close_array(&w);
	json_close_object(&w);
	json_close_array(&w);
	json_close_object(&w);
	json_close_array(&w);
	json_close_object(&w);
	return r < 0 ? r : pw_buf_error(out);
}

/* An empty answer, or one without partialSuccess, is full success; int64 is a string in this JSON.
 */
static enum output_result read_answer(struct pw_slice answer, size_t count, struct pw_err *err)
{
	struct pw_json *root = NULL;
	struct pw_err ignored = PW_ERR_INIT;
	const struct pw_json *partial, *rejected;
	struct pw_slice text;
	char shown[128];
	bool any;

	(void)count;
	if (answer.len == 0 || pw_json_parse(answer, &root, &ignored) < 0)
		return OUTPUT_DONE; /* a 2xx of something between us and the collector */
	partial = pw_json_get(root, "partialSuccess");
	rejected = pw_json_get(partial, "rejectedLogRecords");
	text = pw_json_text(rejected);
	any = pw_json_int(rejected) > 0 || (text.len > 0 && !pw_slice_eq_str(text, "0"));
	if (any)
		(void)pw_err_set(err, -EPROTO, "partial success: %s",
			pw_escape_to(pw_json_text(pw_json_get(partial, "errorMessage")), shown,
				sizeof(shown)));
	pw_json_free(root);
	return any ? OUTPUT_REFUSED : OUTPUT_DONE;
}

static enum output_result do_send(void *ctx, const struct output_item *items, size_t count,
	uint32_t *ret_wait_ms, struct pw_err *err)
{
	struct output_otlp *o = ctx;
	struct output_http_post post = {.content_type = "application/json",
		.first = items[0].n,
		.last = items[count - 1].n,
		.read = read_answer,
		.count = count};
	pw_auto_buf body;
	int r;

	pw_buf_init(&body, OUTPUT_BODY_BYTES);
	r = output_otlp_body(&body, o->cluster, items, count);
	if (r < 0) {
		(void)pw_err_set(err, r, "body: %s", pw_err_text(r));
		return r == -ENOMEM ? OUTPUT_RETRY : OUTPUT_REFUSED;
	}
	post.body = pw_buf_slice(&body);
	return output_http_post(o->http, &post, ret_wait_ms, err);
}

int output_otlp_new(const struct otlp_settings *s, struct output *ret, struct pw_err *err)
{
	struct output_otlp *o = pw_alloc0(1, sizeof(*o));
	int r;

	if (!o)
		return pw_err_set(err, -ENOMEM, "out of memory");
	(void)snprintf(o->cluster, sizeof(o->cluster), "%s", s->cluster);
	r = output_http_new_at(&s->http, "/v1/logs", &o->http, err);
	if (r < 0) {
		output_http_owner_destroy(o);
		return r;
	}
	ret->send = do_send;
	ret->cancel = output_http_owner_cancel;
	ret->destroy = output_http_owner_destroy;
	ret->ctx = o;
	ret->max_rows = BATCH;
	return 0;
}
