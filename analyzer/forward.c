/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/forward.h"

#include "common/base/log.h"

#include <errno.h>

struct item {
	struct item *next;
	struct report *report;
	Podward__V1__ReportItems msg;
	size_t bytes;
	bool was_sent;
};

struct forward {
	struct forward_config config;
	struct pw_stream *stream;
	struct item *head, *tail;
	struct item *next; /* to send; NULL = all were sent on this stream */
	uint64_t last, committed;
	size_t bytes;
	uint64_t count, sent, resent, queued_alerts, committed_alerts;
};

static void item_free(struct item *it)
{
	if (--it->report->parts == 0)
		report_free(it->report);
	free(it);
}

static void send_hello(struct forward *f)
{
	Podward__V1__ReportHello hello = PODWARD__V1__REPORT_HELLO__INIT;
	Podward__V1__ReportRequest m = PODWARD__V1__REPORT_REQUEST__INIT;

	hello.schema = 1;
	hello.analyzer = (ProtobufCBinaryData){strlen(f->config.name), (uint8_t *)f->config.name};
	hello.instance = (ProtobufCBinaryData){16, f->config.instance};
	m.message_case = PODWARD__V1__REPORT_REQUEST__MESSAGE_HELLO;
	m.hello = &hello;
	if (pw_stream_send(f->stream, &m.base) < 0)
		pw_stream_restart(f->stream, 1000);
}

static void send_next(struct forward *f)
{
	Podward__V1__ReportRequest m = PODWARD__V1__REPORT_REQUEST__INIT;
	struct item *it = f->next;
	int r;

	if (!it || !pw_stream_may_send(f->stream))
		return;
	m.message_case = PODWARD__V1__REPORT_REQUEST__MESSAGE_ITEMS;
	m.items = &it->msg;
	r = pw_stream_send(f->stream, &m.base);
	if (r == -ENOMEM) {
		pw_log_limited(PW_LOG_ERROR, 6, "forward",
			"out of memory while sending a report, reconnecting");
		pw_stream_restart(f->stream, 1000);
	}
	if (r < 0)
		return;
	f->sent++;
	f->resent += it->was_sent;
	it->was_sent = true;
	f->next = it->next;
}

static void on_up(void *ctx)
{
	struct forward *f = ctx;

	pw_log_info(
		"forward", "reports go to policysync, %llu waiting", (unsigned long long)f->count);
	f->next = f->head;
	send_hello(f);
}

static void on_sent(void *ctx)
{
	send_next(ctx);
}

static void commit_until(struct forward *f, uint64_t seq)
{
	while (f->head && f->head->msg.seq <= seq) {
		struct item *it = f->head;

		if (f->next == it)
			f->next = it->next;
		f->head = it->next;
		f->committed = it->msg.seq;
		f->committed_alerts += it->msg.n_alerts;
		f->bytes -= it->bytes;
		f->count--;
		item_free(it);
	}
	if (!f->head)
		f->tail = NULL;
}

static void on_message(void *ctx, const ProtobufCMessage *msg)
{
	struct forward *f = ctx;
	const Podward__V1__ReportReply *reply = (const Podward__V1__ReportReply *)msg;
	uint64_t before = f->committed;

	commit_until(f, reply->committed_seq);
	pw_stream_next(f->stream);
	if (f->committed != before)
		f->config.on_commit(f->config.ctx);
}

static void on_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	struct forward *f = ctx;

	f->next = NULL;
	pw_log_limited(PW_LOG_WARN, 6, "forward",
		"report stream ended (%s: %s), retry in %u ms; %llu reports wait",
		pw_rpc_status_name(status), detail, delay_ms, (unsigned long long)f->count);
}

int forward_start(const struct forward_config *config, struct forward **ret, struct pw_err *err)
{
	static const struct pw_stream_ops ops = {on_up, on_message, on_sent, on_down};
	struct forward *f = pw_alloc0(1, sizeof(*f));
	int r;

	if (!f)
		return pw_err_set(err, -ENOMEM, "forward: out of memory");
	f->config = *config;
	r = pw_stream_start(config->channel,
		&(struct pw_stream_config){.service = &podward__v1__report_service__descriptor,
			.method = "Report",
			.ops = &ops,
			.ctx = f},
		&f->stream, err);
	if (r < 0) {
		free(f);
		return r;
	}
	*ret = f;
	return 0;
}

/* Where the next message of a report starts. */
struct cursor {
	size_t alert, occurrence, profile;
	bool has_hits; /* they are in the first message */
};

static size_t fill_alerts(struct item *it, struct cursor *at, size_t room)
{
	struct report *r = it->report;
	size_t bytes = 0;

	it->msg.alerts = r->alerts + at->alert;
	while (at->alert < r->alert_count && bytes < room) {
		bytes += protobuf_c_message_get_packed_size(&r->alerts[at->alert++]->base) + 6;
		it->msg.n_alerts++;
	}
	return bytes;
}

static size_t fill_occurrences(struct item *it, struct cursor *at, size_t room)
{
	struct report *r = it->report;
	size_t bytes = 0;

	it->msg.occurrences = r->occurrences + at->occurrence;
	while (at->occurrence < r->occurrence_count && bytes < room) {
		Podward__V1__AlertOccurrence *o = r->occurrences[at->occurrence++];

		bytes += protobuf_c_message_get_packed_size(&o->base) + 4;
		it->msg.n_occurrences++;
	}
	return bytes;
}

static size_t fill_profiles(struct item *it, struct cursor *at, size_t room)
{
	struct report *r = it->report;
	size_t bytes = 0;

	it->msg.profiles = r->profiles + at->profile;
	while (at->profile < r->profile_count && bytes < room) {
		bytes += protobuf_c_message_get_packed_size(&r->profiles[at->profile++]->base) + 6;
		it->msg.n_profiles++;
	}
	return bytes;
}

/* In order: an occurrence never comes before its alert. */
static void fill(struct item *it, struct cursor *at)
{
	if (!at->has_hits) {
		it->msg.hits = it->report->hits;
		it->msg.n_hits = it->report->hit_count;
		at->has_hits = true;
	}
	it->bytes = fill_alerts(it, at, FORWARD_PART_BYTES);
	if (at->alert < it->report->alert_count)
		return;
	if (it->bytes < FORWARD_PART_BYTES)
		it->bytes += fill_occurrences(it, at, FORWARD_PART_BYTES - it->bytes);
	if (it->bytes < FORWARD_PART_BYTES)
		it->bytes += fill_profiles(it, at, FORWARD_PART_BYTES - it->bytes);
}

static bool is_done(const struct report *r, const struct cursor *at)
{
	return at->alert == r->alert_count && at->occurrence == r->occurrence_count &&
	       at->profile == r->profile_count && (at->has_hits || r->hit_count == 0);
}

/* Cuts the report; the messages are linked from *ret_first to *ret_last. */
static int cut(struct report *report, uint64_t seq, struct item **ret_first, struct item **ret_last)
{
	struct cursor at = {.has_hits = false};
	struct item **link = ret_first;

	*ret_first = *ret_last = NULL;
	while (!is_done(report, &at)) {
		struct item *it = pw_alloc0(1, sizeof(*it));

		if (!it)
			return -ENOMEM;
		podward__v1__report_items__init(&it->msg);
		it->msg.seq = ++seq;
		it->report = report;
		fill(it, &at);
		*link = *ret_last = it;
		link = &it->next;
	}
	return 0;
}

int forward_put(struct forward *f, struct report *report, uint64_t *ret_seq)
{
	struct item *first, *last, *next;

	if (report_is_empty(report)) {
		report_free(report);
		*ret_seq = f->last;
		return 0;
	}
	if (cut(report, f->last, &first, &last) < 0) {
		for (; first; first = next) {
			next = first->next;
			free(first);
		}
		return -ENOMEM;
	}
	for (struct item *it = first; it; it = it->next) {
		report->parts++;
		f->bytes += it->bytes;
		f->count++;
		f->queued_alerts += it->msg.n_alerts;
	}
	if (f->tail)
		f->tail->next = first;
	else
		f->head = first;
	f->tail = last;
	f->last = last->msg.seq;
	if (!f->next && pw_stream_is_up(f->stream))
		f->next = first;
	*ret_seq = f->last;
	send_next(f);
	return 0;
}

uint64_t forward_last(const struct forward *f)
{
	return f->last;
}

uint64_t forward_committed(const struct forward *f)
{
	return f->committed;
}

bool forward_has_room(const struct forward *f)
{
	return f->count < f->config.item_limit && f->bytes < f->config.byte_limit;
}

void forward_get_stats(const struct forward *f, struct forward_stats *ret)
{
	*ret = (struct forward_stats){
		.items = f->count,
		.bytes = f->bytes,
		.sent = f->sent,
		.resent = f->resent,
		.committed_alerts = f->committed_alerts,
		.queued_alerts = f->queued_alerts,
		.is_up = pw_stream_is_up(f->stream),
	};
}

void forward_stop(struct forward *f)
{
	struct item *next;

	if (!f)
		return;
	pw_stream_stop(f->stream);
	for (struct item *it = f->head; it; it = next) {
		next = it->next;
		item_free(it);
	}
	free(f);
}
