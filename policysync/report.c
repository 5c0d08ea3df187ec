// SPDX-License-Identifier: Apache-2.0
#include "policysync/report.h"
#include "common/base/escape.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/wire/arena_alloc.h"
#include "policysync/report_load.h"
#include <errno.h>

#define UNPACK_BYTES ((size_t)16 << 20)

struct report {
	struct pw_rpc_loop *loop;
	struct keeper *keeper;
	struct pw_metrics *metrics;
	uint32_t streams;
	struct load_ctx load;
	void (*on_learned)(void *ctx, struct pw_slice group);
	void *learned_ctx;
	void (*on_hit)(void *ctx, const Podward__V1__ExclusionHit *hit);
	void *hit_ctx;
	bool (*may_write)(const void *ctx, struct pw_slice analyzer, uint64_t group_hash);
	const void *may_write_ctx;
};

/* One Report call. References: the call's own until on_closed, and one of each job in flight. */
struct stream {
	struct report *report;
	struct pw_call *call; /* held */
	uint32_t refs, in_flight;
	bool greeted, closed, finished;
	bool stopping;    /* ends when nothing is in flight any more */
	bool wants_next;  /* the window is full: the next message is asked for with an ack */
	bool ack_waiting; /* the send queue was full */
	uint64_t last_seq, committed_seq;
	/*
	 * Keeper's thread only: a message was rolled back, so later ones must not be applied before
	 * it is sent again, or its occurrences would look like repeats.
	 */
	bool broken;
	char analyzer[128]; /* escaped */
	uint8_t name[64];   /* as it came */
	size_t name_len;
};

struct items_job {
	struct keeper_job job;
	struct stream *stream;
	struct report *report;
	uint64_t seq;
	int result;
	bool skipped;
	size_t packed_len;
	uint8_t packed[];
};

static void count_message(struct report *r, const char *result)
{
	if (r->metrics)
		pw_metric_add(metric(r->metrics, METRIC_REPORT_MESSAGES, result, NULL), 1);
}

static void stream_put(struct stream *s)
{
	if (--s->refs > 0)
		return;
	s->report->streams--;
	pw_call_put(s->call);
	free(s);
}

static void stream_end(struct stream *s, int status, const char *detail)
{
	if (s->finished || s->closed)
		return;
	s->finished = true;
	pw_call_finish(s->call, status, detail);
}

/* The last acknowledgements first: what they cover need not come again. */
static void stream_stop(struct stream *s)
{
	if (s->stopping && s->in_flight == 0)
		stream_end(s, PW_RPC_UNAVAILABLE, "policysync stops");
}

static void on_stop(struct pw_call *call)
{
	struct stream *s = pw_call_ctx(call);

	s->stopping = true;
	stream_stop(s);
}

static int on_open(struct pw_call *call, void *method_ctx)
{
	struct report *r = method_ctx;
	struct stream *s;

	if (r->streams >= REPORT_STREAMS)
		return PW_RPC_RESOURCE_EXHAUSTED;
	s = pw_alloc0(1, sizeof(*s));
	if (!s)
		return PW_RPC_RESOURCE_EXHAUSTED;
	s->report = r;
	s->refs = 1;
	s->call = pw_call_hold(call);
	r->streams++;
	pw_call_set_ctx(call, s);
	return 0;
}

static void on_closed(struct pw_call *call)
{
	struct stream *s = pw_call_ctx(call);

	if (!s)
		return;
	s->closed = true;
	if (s->greeted)
		pw_log_info("report", "stream of analyzer %s ended", s->analyzer);
	stream_put(s);
}

static void send_ack(struct stream *s)
{
	Podward__V1__ReportReply reply = PODWARD__V1__REPORT_REPLY__INIT;

	if (s->closed || s->finished)
		return;
	reply.committed_seq = s->committed_seq;
	s->ack_waiting = pw_call_send(s->call, &reply.base) == -EAGAIN;
}

static void on_sent(struct pw_call *call)
{
	struct stream *s = pw_call_ctx(call);

	if (s->ack_waiting)
		send_ack(s);
}

/* Rpc loop: the job is on disk, or failed. */
static void on_settled(void *ctx)
{
	struct items_job *job = ctx;
	struct stream *s = job->stream;

	s->in_flight--;
	if (job->result == 0) {
		count_message(s->report, "committed");
		s->committed_seq = job->seq;
		send_ack(s);
	} else {
		count_message(s->report, "failed");
		stream_end(s, PW_RPC_UNAVAILABLE, "the database does not accept anything now");
	}
	if (s->wants_next && !s->closed && !s->finished && !s->stopping) {
		s->wants_next = false;
		pw_call_next(s->call);
	}
	stream_stop(s);
	free(job);
	stream_put(s);
}

static void job_done(struct keeper_job *base, int result)
{
	struct items_job *job = PW_CONTAINER_OF(base, struct items_job, job);

	job->result = job->skipped ? -ECANCELED : result;
	if (job->result < 0)
		job->stream->broken = true;
	/* The windows of all streams together are below the loop's ceiling, and it stops after the
	 * keeper. */
	pw_assert(pw_rpc_loop_post(job->report->loop, on_settled, job) == 0);
}

static int apply_alert(
	struct keeper *k, const Podward__V1__Alert *a, struct pw_buf *body, struct pw_err *err)
{
	int r;

	pw_buf_clear(body);
	if (!pw_buf_extend(body, podward__v1__alert__get_packed_size(a)))
		return pw_err_set(err, -ENOMEM, "out of memory");
	(void)podward__v1__alert__pack(a, body->data);
	r = spool_add(keeper_spool(k), a, pw_buf_slice(body), err);
	return r < 0 ? r : 0;
}

static int apply_items(struct keeper *k, const Podward__V1__ReportItems *items, struct pw_err *err)
{
	pw_auto_buf body;
	int r = 0;

	pw_buf_init(&body, 4 << 20);
	for (size_t i = 0; r >= 0 && i < items->n_alerts; i++)
		r = apply_alert(k, items->alerts[i], &body, err);
	for (size_t i = 0; r >= 0 && i < items->n_occurrences; i++)
		r = spool_add_occurrence(keeper_spool(k), items->occurrences[i], err);
	for (size_t i = 0; r >= 0 && i < items->n_profiles; i++)
		r = profile_store_merge(keeper_profiles(k), items->profiles[i], err);
	return r < 0 ? r : 0;
}

static int job_apply(struct keeper *k, struct keeper_job *base, struct pw_err *err)
{
	struct items_job *job = PW_CONTAINER_OF(base, struct items_job, job);
	pw_cleanup(pw_arena_freep) struct pw_arena *a = NULL;
	ProtobufCMessage *msg;
	int r;

	job->skipped = job->stream->broken;
	if (job->skipped)
		return 0;
	r = pw_arena_new(64 << 10, UNPACK_BYTES, &a);
	if (r < 0)
		return pw_err_set(err, r, "out of memory");
	msg = pw_unpack(a, &podward__v1__report_items__descriptor,
		pw_slice_of(job->packed, job->packed_len));
	if (!msg)
		return pw_err_set(err, -ENOMEM, "out of memory");
	return apply_items(k, (const Podward__V1__ReportItems *)msg, err);
}

static void tell_learned(const struct report *r, const Podward__V1__ReportItems *items)
{
	for (size_t i = 0; r->on_learned && i < items->n_profiles; i++) {
		ProtobufCBinaryData group = items->profiles[i]->state->pod_group;

		r->on_learned(r->learned_ctx, pw_slice_of(group.data, group.len));
	}
}

static int hand_over(struct stream *s, const Podward__V1__ReportItems *items)
{
	size_t len = podward__v1__report_items__get_packed_size(items);
	struct items_job *job = pw_alloc0(1, sizeof(*job) + len);
	int r;

	if (!job)
		return -ENOMEM;
	(void)podward__v1__report_items__pack(items, job->packed);
	job->packed_len = len;
	job->seq = items->seq;
	job->stream = s;
	job->report = s->report;
	job->job.apply = job_apply;
	job->job.done = job_done;
	job->job.items = items->n_alerts + items->n_occurrences + items->n_profiles + 1;
	r = keeper_write(s->report->keeper, &job->job);
	if (r < 0) {
		free(job);
		return r;
	}
	tell_learned(s->report, items);
	for (size_t i = 0; s->report->on_hit && i < items->n_hits; i++)
		s->report->on_hit(s->report->hit_ctx, items->hits[i]);
	s->refs++;
	s->in_flight++;
	return 0;
}

static void take_hello(struct stream *s, const Podward__V1__ReportHello *hello)
{
	if (hello->schema != 1) {
		stream_end(s, PW_RPC_FAILED_PRECONDITION, "schema: this policysync knows schema 1");
		return;
	}
	if (s->greeted || hello->analyzer.len == 0 || hello->analyzer.len > 64 ||
		hello->instance.len != 16) {
		stream_end(s, PW_RPC_INVALID_ARGUMENT,
			"hello: once, with analyzer (1 to 64 bytes) and instance (16 bytes)");
		return;
	}
	if (!pw_call_may_be(s->call, pw_slice_of(hello->analyzer.data, hello->analyzer.len))) {
		stream_end(s, PW_RPC_PERMISSION_DENIED,
			"hello.analyzer: the certificate names another analyzer or none");
		return;
	}
	(void)pw_escape_to(pw_slice_of(hello->analyzer.data, hello->analyzer.len), s->analyzer,
		sizeof(s->analyzer));
	memcpy(s->name, hello->analyzer.data, hello->analyzer.len);
	s->name_len = hello->analyzer.len;
	s->greeted = true;
	pw_log_info("report", "analyzer %s reports", s->analyzer);
	pw_call_next(s->call);
}

/*
 * One that was given up without knowing it: what it saw happened, but its clocks and phases are not
 * those of the group any more. Generation 0 is older than whatever the owner says.
 */
static void fence(struct stream *s, const Podward__V1__ReportItems *items)
{
	const struct report *r = s->report;

	for (size_t i = 0; r->may_write && i < items->n_profiles; i++) {
		Podward__V1__ProfileState *state = items->profiles[i]->state;
		struct pw_slice group = pw_slice_of(state->pod_group.data, state->pod_group.len);

		if (r->may_write(r->may_write_ctx, pw_slice_of(s->name, s->name_len),
			    pw_hash64(group, 0)))
			continue;
		state->generation = state->serial = 0;
		count_message(s->report, "fenced");
	}
}

static void take_items(struct stream *s, const Podward__V1__ReportItems *items)
{
	struct pw_err err = PW_ERR_INIT;
	int r = report_check_items(items, &err);

	if (r == 0 && !s->greeted)
		r = pw_err_set(&err, -EINVAL, "items: before the hello");
	if (r == 0 && items->seq <= s->last_seq)
		r = pw_err_set(&err, -EINVAL, "items.seq: does not rise");
	if (r < 0) {
		count_message(s->report, "refused");
		pw_log_limited(PW_LOG_WARN, 6, "report", "message of analyzer %s refused: %s",
			s->analyzer, err.msg);
		stream_end(s, PW_RPC_INVALID_ARGUMENT, err.msg);
		return;
	}
	s->last_seq = items->seq;
	fence(s, items);
	if (hand_over(s, items) < 0) {
		stream_end(s, PW_RPC_UNAVAILABLE, "too much is waiting for the database");
		return;
	}
	if (s->stopping)
		return;
	if (s->in_flight < REPORT_WINDOW)
		pw_call_next(s->call);
	else
		s->wants_next = true;
}

static void on_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	struct stream *s = pw_call_ctx(call);
	const Podward__V1__ReportRequest *request = (const Podward__V1__ReportRequest *)msg;

	if (request->message_case == PODWARD__V1__REPORT_REQUEST__MESSAGE_HELLO)
		take_hello(s, request->hello);
	else if (request->message_case == PODWARD__V1__REPORT_REQUEST__MESSAGE_ITEMS)
		take_items(s, request->items);
	else
		stream_end(s, PW_RPC_INVALID_ARGUMENT, "message: neither hello nor items");
}

int report_new(struct pw_rpc_loop *loop, struct keeper *keeper, struct pw_metrics *metrics,
	struct report **ret)
{
	struct report *r = pw_alloc0(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->keeper = keeper;
	r->metrics = metrics;
	r->load = (struct load_ctx){loop, keeper, false};
	*ret = r;
	return 0;
}

void report_free(struct report *r)
{
	free(r);
}

void report_methods(struct report *r, struct pw_method out[REPORT_METHODS])
{
	out[0] = (struct pw_method){
		.service = &podward__v1__report_service__descriptor,
		.name = "Report",
		.roles = PW_ROLE_ANALYZER,
		.on_open = on_open,
		.on_message = on_message,
		.on_sent = on_sent,
		.on_closed = on_closed,
		.on_stop = on_stop,
		.method_ctx = r,
	};
	report_load_method(&r->load, &out[1]);
}

void report_on_learned(struct report *r, void (*fn)(void *ctx, struct pw_slice group), void *ctx)
{
	r->on_learned = fn;
	r->learned_ctx = ctx;
	r->load.held = true;
}

void report_on_hit(
	struct report *r, void (*fn)(void *ctx, const Podward__V1__ExclusionHit *hit), void *ctx)
{
	r->on_hit = fn;
	r->hit_ctx = ctx;
}

void report_fence(struct report *r,
	bool (*may_write)(const void *ctx, struct pw_slice analyzer, uint64_t group_hash),
	const void *ctx)
{
	r->may_write = may_write;
	r->may_write_ctx = ctx;
}

static void on_loaded(void *ctx)
{
	struct report *r = ctx;

	r->load.held = false;
}

void report_post_loaded(struct report *r)
{
	if (pw_rpc_loop_post(r->loop, on_loaded, r) < 0)
		pw_log_error("report", "too much is posted; profiles stay held back");
}
