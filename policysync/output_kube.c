// SPDX-License-Identifier: Apache-2.0
#include "policysync/output_kube.h"
#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "policysync/kube_event.h"
#include <errno.h>
#include <stdio.h>

#define BATCH     50
#define WINDOW_NS (600 * (int64_t)PW_NS_PER_S)
#define AGAIN_NS  (30 * PW_NS_PER_S) /* between two counts of one Event */
#define BODY_MAX  ((size_t)16 << 10)
#define TEXT_MAX  ((size_t)4 << 10)

/* One Event that was written, or is to be. */
struct slot {
	struct pw_hash128 key; /* of pod, detector, window; its name */
	uint64_t count;
	uint64_t written_ns; /* mono; 0 = not yet */
};

struct output_kube {
	struct pw_kube *kube;
	struct pw_metrics *metrics;
	uint64_t minute_ns; /* when the minute of the rate began */
	unsigned writes;    /* in it */
	struct slot slots[OUTPUT_KUBE_SLOTS];
};

static struct pw_slice bin(ProtobufCBinaryData b)
{
	return pw_slice_of(b.data, b.len);
}

static void count(struct output_kube *o, const char *result)
{
	if (o->metrics)
		pw_metric_add(metric(o->metrics, METRIC_ALERT_EVENTS, result, NULL), 1);
}

static struct slot *find(struct output_kube *o, const Podward__V1__Alert *a)
{
	int64_t window = a->first_wall_ns / WINDOW_NS;
	struct pw_hash128 pod = pw_hash128(bin(a->pod_uid), (uint64_t)window),
			  name = pw_hash128(bin(a->pod_name), 1),
			  detector = pw_hash128(bin(a->detector), 2);
	struct pw_hash128 key = {pw_hash_mix(pw_hash_mix(pod.high, name.high), detector.high),
		pw_hash_mix(pw_hash_mix(pod.low, name.low), detector.low)};
	struct slot *s = &o->slots[key.low % OUTPUT_KUBE_SLOTS];

	if (s->key.high != key.high || s->key.low != key.low)
		*s = (struct slot){.key = key};
	return s;
}

/* False past the rate. */
static bool may_write(struct output_kube *o)
{
	uint64_t now = pw_mono_now().ns;

	if (o->minute_ns == 0 || now - o->minute_ns >= 60 * PW_NS_PER_S) {
		o->minute_ns = now;
		o->writes = 0;
	}
	return o->writes++ < OUTPUT_KUBE_PER_MINUTE;
}

/* What a pod and a namespace may be called; it becomes part of a path. */
static bool is_name(struct pw_slice text, size_t max)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
			return false;
	}
	return text.len > 0 && text.len <= max;
}

/* "High sig/default/x: title; reason" */
static int add_message(struct pw_buf *out, const Podward__V1__Alert *a)
{
	(void)pw_buf_add_str(out, alert_severity_name(a->severity));
	(void)pw_buf_add_byte(out, ' ');
	(void)pw_buf_add_slice(out, pw_slice_sub(bin(a->detector), 0, 256));
	(void)pw_buf_add_str(out, ": ");
	(void)pw_buf_add_slice(out, pw_slice_sub(bin(a->title), 0, 256));
	(void)pw_buf_add_str(out, "; ");
	return pw_buf_add_slice(out, pw_slice_sub(bin(a->reason), 0, 1024));
}

struct texts {
	char namespace[64], pod[254], uid[64], name[64];
};

static int write_event(const struct output_item *item, const struct slot *s, const struct texts *t,
	struct pw_buf *out)
{
	pw_auto_buf message;
	int r;

	pw_buf_init(&message, TEXT_MAX);
	r = add_message(&message, item->alert);
	if (r < 0)
		return r;
	return kube_event_write(
		&(struct kube_event){.name = t->name,
			.namespace = t->namespace,
			.api_version = "v1",
			.kind = "Pod",
			.object_namespace = t->namespace,
			.object = t->pod,
			.uid = t->uid,
			.reason = "PodwardAlert",
			.message = pw_buf_slice(&message),
			.is_warning = true,
			.count = (uint32_t)(s->count < INT32_MAX ? s->count : INT32_MAX),
			.first_ns = item->alert->first_wall_ns,
			.last_ns = item->seen.last.ns},
		out);
}

/* Count and time of an Event that is there; what it said first stays. */
static int update(struct output_kube *o, const struct output_item *item, const struct slot *s,
	const struct texts *t, struct pw_err *err)
{
	char path[512], body[200], last[PW_WALL_TEXT_SIZE];
	int n;

	pw_wall_format(item->seen.last, last);
	(void)snprintf(last + 19, sizeof(last) - 19, "Z");
	n = snprintf(body, sizeof(body), "{\"count\":%llu,\"lastTimestamp\":\"%s\"}",
		(unsigned long long)(s->count < INT32_MAX ? s->count : INT32_MAX), last);
	(void)snprintf(
		path, sizeof(path), "/api/v1/namespaces/%s/events/%s", t->namespace, t->name);
	return pw_kube_merge(o->kube, path, pw_slice_of(body, (size_t)n), NULL, err);
}

static int create(struct output_kube *o, const struct output_item *item, const struct slot *s,
	const struct texts *t, struct pw_err *err)
{
	pw_auto_buf body;
	char path[256];
	int r;

	pw_buf_init(&body, BODY_MAX);
	r = write_event(item, s, t, &body);
	if (r < 0)
		return pw_err_set(err, r, "event: %s", pw_err_text(r));
	(void)snprintf(path, sizeof(path), "/api/v1/namespaces/%s/events", t->namespace);
	return pw_kube_object(o->kube,
		&(struct pw_kube_call){.method = "POST", .path = path, .body = pw_buf_slice(&body)},
		NULL, err);
}

/* The other replica, or an earlier life, may have made it. */
static int put(struct output_kube *o, const struct output_item *item, const struct slot *s,
	const struct texts *t, struct pw_err *err)
{
	struct pw_err own = PW_ERR_INIT;
	int r = s->written_ns ? update(o, item, s, t, &own) : create(o, item, s, t, &own);

	if (r == -ESTALE || (r == -ENOENT && s->written_ns)) {
		pw_err_clear(&own);
		r = s->written_ns ? create(o, item, s, t, &own) : update(o, item, s, t, &own);
	}
	return r < 0 ? pw_err_set(err, r, "%s", own.msg) : 0;
}

static bool read_texts(const Podward__V1__Alert *a, const struct slot *s, struct texts *t)
{
	struct alert_parts parts;
	char hex[33], uid[65];

	alert_parts(a, &parts);
	if (!is_name(parts.namespace_, sizeof(t->namespace) - 1) ||
		!is_name(bin(a->pod_name), sizeof(t->pod) - 1))
		return false; /* not in a cluster */
	pw_hash128_hex(s->key, hex);
	(void)snprintf(t->namespace, sizeof(t->namespace), "%.*s", PW_SLICE_ARG(parts.namespace_));
	(void)snprintf(t->pod, sizeof(t->pod), "%.*s", PW_SLICE_ARG(bin(a->pod_name)));
	(void)snprintf(t->uid, sizeof(t->uid), "%s",
		pw_escape_to(pw_slice_sub(bin(a->pod_uid), 0, 63), uid, sizeof(uid)));
	(void)snprintf(t->name, sizeof(t->name), "podward.%s", hex);
	return true;
}

/* Everything but an answer that speaks of this Event. */
static bool is_away(int r)
{
	return r < 0 && r != -EACCES && r != -EINVAL && r != -ENOENT && r != -ESTALE && r != -E2BIG;
}

/* Failures of the server are waited for; what it does not want is not worth that. */
static int take(struct output_kube *o, const struct output_item *item, struct pw_err *err)
{
	struct slot *s = find(o, item->alert);
	uint64_t now = pw_mono_now().ns;
	struct pw_err own = PW_ERR_INIT;
	struct texts t;
	int r;

	if (!read_texts(item->alert, s, &t)) {
		count(o, "no_pod");
		return 0;
	}
	s->count += item->seen.count;
	if (s->written_ns && now - s->written_ns < AGAIN_NS) {
		count(o, "joined");
		return 0;
	}
	if (!may_write(o)) {
		count(o, "limited");
		return 0;
	}
	r = put(o, item, s, &t, &own);
	if (is_away(r)) {
		s->count -= item->seen.count;
		return pw_err_set(err, r, "%s", own.msg);
	}
	s->written_ns = now;
	count(o, r < 0 ? "failed" : "written");
	if (r < 0)
		pw_log_limited(PW_LOG_WARN, 2, "kube", "Event of pod %s/%s: %s", t.namespace, t.pod,
			own.msg);
	return 0;
}

static enum output_result do_send(void *ctx, const struct output_item *items, size_t item_count,
	uint32_t *ret_wait_ms, struct pw_err *err)
{
	*ret_wait_ms = 0;
	for (size_t i = 0; i < item_count; i++)
		if (take(ctx, &items[i], err) < 0)
			return OUTPUT_RETRY;
	return OUTPUT_DONE;
}

static void cancel(void *ctx)
{
	struct output_kube *o = ctx;

	pw_kube_cancel(o->kube);
}

static void destroy(void *ctx)
{
	struct output_kube *o = ctx;

	pw_kube_free(o->kube);
	free(o);
}

int output_kube_new(
	const struct output_kube_settings *settings, struct output *ret, struct pw_err *err)
{
	struct output_kube *o = pw_alloc0(1, sizeof(*o));
	int r;

	if (!o)
		return pw_err_set(err, -ENOMEM, "out of memory");
	o->metrics = settings->metrics;
	r = pw_kube_new(&settings->kube, &o->kube, err);
	if (r < 0) {
		free(o);
		return r;
	}
	ret->send = do_send;
	ret->cancel = cancel;
	ret->destroy = destroy;
	ret->ctx = o;
	ret->max_rows = BATCH;
	ret->filter.min_severity = PODWARD__V1__SEVERITY__SEVERITY_HIGH;
	return 0;
}
