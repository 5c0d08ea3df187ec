// SPDX-License-Identifier: Apache-2.0
#include "policysync/publish.h"
#include "common/base/escape.h"
#include "common/base/log.h"
#include "podward/v1/policy.pb-c.h"
#include <errno.h>
#include <stdio.h>
#include <utlist.h>

#define STATUS_BYTES ((size_t)1 << 20)

struct analyzer {
	struct publish *publish;
	struct pw_call *call; /* held */
	char name[128];       /* escaped; "" before the hello */
	char revision[72];    /* escaped; of the last status */
	uint64_t serial_sent, serial_in_force;
	bool in_force, finished;
	struct publish_problem problems[PUBLISH_PROBLEMS];
	size_t problem_count;
	struct analyzer *prev, *next;
};

struct publish {
	struct pw_rpc_loop *loop;
	struct pw_snapshot *policies;
	struct pw_snapshot_ref *current; /* cached */
	struct pw_snapshot *status;      /* char *: JSON text */
	struct pw_metrics *metrics;
	struct analyzer *analyzers;
	uint32_t count;
	void (*on_progress)(void *ctx, const struct publish_progress *progress);
	void *progress_ctx;
};

static void add_status(struct pw_buf *out, const struct analyzer *a)
{
	(void)pw_buf_addf(out,
		"{\"name\":\"%s\",\"serial\":%llu,\"revision\":\"%s\",\"inForce\":%s,\"problems\":"
		"[",
		a->name, (unsigned long long)a->serial_in_force, a->revision,
		a->in_force ? "true" : "false");
	for (size_t i = 0; i < a->problem_count; i++) {
		const struct publish_problem *p = &a->problems[i];

		(void)pw_buf_addf(out, "%s{\"object\":", i > 0 ? "," : "");
		(void)pw_escape_json(out, pw_slice_str(p->object));
		(void)pw_buf_add_str(out, ",\"field\":");
		(void)pw_escape_json(out, pw_slice_str(p->field));
		(void)pw_buf_add_str(out, ",\"message\":");
		(void)pw_escape_json(out, pw_slice_str(p->message));
		(void)pw_buf_add_byte(out, '}');
	}
	(void)pw_buf_add_str(out, "]}");
}

static void add_problems(struct publish_progress *to, const struct analyzer *a)
{
	for (size_t i = 0; i < a->problem_count && to->problem_count < PUBLISH_PROBLEMS; i++)
		to->problems[to->problem_count++] = a->problems[i];
}

static void tell_progress(struct publish *p)
{
	struct publish_progress *progress;
	const struct analyzer *a;

	if (!p->on_progress)
		return;
	progress = pw_alloc0(1, sizeof(*progress));
	if (!progress)
		return; /* the next change tells it */
	DL_FOREACH (p->analyzers, a) {
		if (!a->name[0])
			continue;
		progress->serials[progress->analyzer_count++] = a->serial_in_force;
		add_problems(progress, a);
	}
	p->on_progress(p->progress_ctx, progress);
	free(progress);
}

static void count_analyzers(struct publish *p)
{
	uint32_t in_force = 0, named = 0;
	const struct analyzer *a;

	DL_FOREACH (p->analyzers, a) {
		named += a->name[0] != '\0';
		in_force += a->name[0] && a->in_force && a->serial_in_force == a->serial_sent;
	}
	if (!p->metrics)
		return;
	pw_metric_set(metric(p->metrics, METRIC_ANALYZERS, "in_force", NULL), in_force);
	pw_metric_set(metric(p->metrics, METRIC_ANALYZERS, "behind", NULL), named - in_force);
}

/* Made anew with each change; pages read it from their thread. */
static void refresh_status(struct publish *p)
{
	pw_auto_buf out;
	const struct analyzer *a;
	bool first = true;
	char *text;

	count_analyzers(p);
	tell_progress(p);
	pw_buf_init(&out, STATUS_BYTES);
	(void)pw_buf_add_byte(&out, '[');
	DL_FOREACH (p->analyzers, a) {
		if (!a->name[0])
			continue;
		if (!first)
			(void)pw_buf_add_byte(&out, ',');
		first = false;
		add_status(&out, a);
	}
	(void)pw_buf_add_byte(&out, ']');
	if (pw_buf_error(&out) < 0)
		return;
	text = (char *)pw_buf_take(&out, NULL);
	if (text && pw_snapshot_publish(p->status, text) < 0)
		free(text);
}

static void finish(struct analyzer *a, int status, const char *detail)
{
	if (a->finished)
		return;
	a->finished = true;
	pw_call_finish(a->call, status, detail);
}

/* Sends the newest snapshot unless this analyzer has it; a full queue is tried again by on_sent. */
static void send_current(struct analyzer *a)
{
	struct publish *p = a->publish;
	const struct policy_set *set;

	(void)pw_snapshot_refresh(p->policies, &p->current);
	if (!p->current || !a->name[0] || a->finished)
		return;
	set = pw_snapshot_value(p->current);
	if (a->serial_sent == policy_set_serial(set))
		return;
	if (pw_call_send(a->call, &policy_set_message(set)->base) == 0)
		a->serial_sent = policy_set_serial(set);
}

static int on_open(struct pw_call *call, void *method_ctx)
{
	struct publish *p = method_ctx;
	struct analyzer *a;

	if (p->count >= PUBLISH_ANALYZERS)
		return PW_RPC_RESOURCE_EXHAUSTED;
	a = pw_alloc0(1, sizeof(*a));
	if (!a)
		return PW_RPC_RESOURCE_EXHAUSTED;
	a->publish = p;
	a->call = pw_call_hold(call);
	pw_call_set_ctx(call, a);
	DL_APPEND(p->analyzers, a);
	p->count++;
	return 0;
}

static void on_closed(struct pw_call *call)
{
	struct analyzer *a = pw_call_ctx(call);

	if (!a)
		return;
	if (a->name[0])
		pw_log_info("publish", "analyzer %s no longer watches policies", a->name);
	DL_DELETE(a->publish->analyzers, a);
	a->publish->count--;
	refresh_status(a->publish);
	pw_call_put(a->call);
	free(a);
}

static void escape_field(char *out, size_t size, ProtobufCBinaryData value)
{
	(void)pw_escape_to(pw_slice_of(value.data, value.len), out, size);
}

static void take_problems(struct analyzer *a, const Podward__V1__PolicyStatus *status)
{
	size_t count =
		status->n_problems < PUBLISH_PROBLEMS ? status->n_problems : PUBLISH_PROBLEMS;

	for (size_t i = 0; i < count; i++) {
		const Podward__V1__PolicyProblem *from = status->problems[i];
		struct publish_problem *to = &a->problems[i];

		escape_field(to->object, sizeof(to->object), from->object);
		escape_field(to->field, sizeof(to->field), from->field);
		escape_field(to->message, sizeof(to->message), from->message);
		pw_log_limited(PW_LOG_WARN, 60, "publish", "analyzer %s: %s: %s: %s", a->name,
			to->object, to->field, to->message);
	}
	a->problem_count = count;
}

static void take_status(struct analyzer *a, const Podward__V1__PolicyStatus *status)
{
	a->in_force = status->in_force;
	if (status->in_force)
		a->serial_in_force = status->serial;
	escape_field(a->revision, sizeof(a->revision), status->revision);
	if (!status->in_force)
		pw_log_limited(PW_LOG_WARN, 60, "publish",
			"analyzer %s refused revision %s, its previous one stays", a->name,
			a->revision);
	take_problems(a, status);
}

static void on_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	struct analyzer *a = pw_call_ctx(call);
	const Podward__V1__PolicyStatus *status = (const Podward__V1__PolicyStatus *)msg;

	if (!a->name[0] && status->schema != 1) {
		finish(a, PW_RPC_FAILED_PRECONDITION, "schema: this policysync knows schema 1");
		return;
	}
	if (!a->name[0] && (status->analyzer.len == 0 || status->analyzer.len > 64)) {
		finish(a, PW_RPC_INVALID_ARGUMENT, "analyzer: expected 1 to 64 bytes");
		return;
	}
	if (!a->name[0] &&
		!pw_call_may_be(call, pw_slice_of(status->analyzer.data, status->analyzer.len))) {
		finish(a, PW_RPC_PERMISSION_DENIED,
			"analyzer: the certificate names another analyzer or none");
		return;
	}
	if (!a->name[0]) {
		escape_field(a->name, sizeof(a->name), status->analyzer);
		pw_log_info("publish", "analyzer %s watches policies", a->name);
		send_current(a);
	}
	if (status->serial > 0)
		take_status(a, status);
	refresh_status(a->publish);
	pw_call_next(call);
}

static void on_stop(struct pw_call *call)
{
	finish(pw_call_ctx(call), PW_RPC_UNAVAILABLE, "policysync stops");
}

static void on_sent(struct pw_call *call)
{
	send_current(pw_call_ctx(call));
}

static void broadcast(void *ctx)
{
	struct publish *p = ctx;
	struct analyzer *a;

	DL_FOREACH (p->analyzers, a)
		send_current(a);
	count_analyzers(p);
}

void publish_changed(struct publish *p)
{
	if (pw_rpc_loop_post(p->loop, broadcast, p) < 0)
		pw_log_warn("publish",
			"too much is posted; analyzers get this revision with the next change");
}

int publish_status(struct publish *p, struct pw_buf *out)
{
	struct pw_snapshot_ref *ref = pw_snapshot_get(p->status);
	int r = pw_buf_add_str(out, ref ? pw_snapshot_value(ref) : "[]");

	pw_snapshot_put(ref);
	return r;
}

int publish_new(struct pw_rpc_loop *loop, struct pw_snapshot *policies, struct pw_metrics *metrics,
	struct publish **ret)
{
	struct publish *p = pw_alloc0(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	r = pw_snapshot_new(free, &p->status);
	if (r < 0) {
		free(p);
		return r;
	}
	p->loop = loop;
	p->policies = policies;
	p->metrics = metrics;
	*ret = p;
	return 0;
}

void publish_free(struct publish *p)
{
	if (!p)
		return;
	pw_snapshot_put(p->current);
	pw_snapshot_free(p->status);
	free(p);
}

void publish_method(struct publish *p, struct pw_method *out)
{
	*out = (struct pw_method){
		.service = &podward__v1__policy_service__descriptor,
		.name = "Watch",
		.roles = PW_ROLE_ANALYZER,
		.on_open = on_open,
		.on_message = on_message,
		.on_sent = on_sent,
		.on_closed = on_closed,
		.on_stop = on_stop,
		.method_ctx = p,
	};
}

void publish_on_progress(struct publish *p,
	void (*fn)(void *ctx, const struct publish_progress *progress), void *ctx)
{
	p->on_progress = fn;
	p->progress_ctx = ctx;
}
