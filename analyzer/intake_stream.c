/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/intake_stream.h"

#include "common/base/escape.h"
#include "common/base/log.h"
#include "podward/v1/collect.pb-c.h"

#include <errno.h>

#define MAP_WAIT_NS PW_NS_PER_S /* for a map that the sender knows already */

static void reply_ack(const struct source *s, Podward__V1__CollectAck *ack)
{
	podward__v1__collect_ack__init(ack);
	ack->received_seq = s->received;
	ack->durable_seq = s->durable;
}

void intake_stream_ack(struct intake_stream *st)
{
	Podward__V1__CollectReply m = PODWARD__V1__COLLECT_REPLY__INIT;
	Podward__V1__CollectAck ack;
	int r;

	if (!st || !st->source || !st->is_welcome || st->is_finished)
		return;
	reply_ack(st->source, &ack);
	m.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_ACK;
	m.ack = &ack;
	r = pw_call_send(st->call, &m.base);
	/* -EAGAIN: on_sent comes back to it. -EPIPE: nobody to tell. */
	st->ack_is_due = r == -EAGAIN || r == -ENOMEM;
	if (r == -ENOMEM)
		intake_ack_later(st->in);
}

void intake_stream_fail(struct intake_stream *st, int status, const char *detail)
{
	if (!st || st->is_finished)
		return;
	st->is_finished = true;
	pw_call_finish(st->call, status, detail);
}

void intake_stream_try_welcome(struct intake_stream *st)
{
	Podward__V1__CollectReply m = PODWARD__V1__COLLECT_REPLY__INIT;
	Podward__V1__CollectWelcome w = PODWARD__V1__COLLECT_WELCOME__INIT;

	if (!st || st->is_welcome || st->is_finished || !st->in->is_armed || st->source->is_busy)
		return;
	w.instance = (ProtobufCBinaryData){16, st->in->config.instance};
	w.received_seq = st->source->received;
	w.max_batch_events = INTAKE_BATCH_EVENTS;
	m.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_WELCOME;
	m.welcome = &w;
	if (pw_call_send(st->call, &m.base) < 0) {
		intake_stream_fail(st, PW_RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	st->is_welcome = true;
	st->waits_for_room = true;
	intake_stream_go_on(st);
}

void intake_stream_go_on(struct intake_stream *st)
{
	if (!st || !st->waits_for_room || st->is_finished ||
		!forward_has_room(st->in->config.forward))
		return;
	st->waits_for_room = false;
	pw_call_next(st->call);
}

void intake_stream_judged(struct intake_stream *st)
{
	if (!st)
		return;
	if (!st->is_welcome) {
		/* A new stream of the same collector waited for the batch of the old one. */
		intake_stream_try_welcome(st);
		return;
	}
	intake_stream_ack(st);
	st->waits_for_room = true;
	intake_stream_go_on(st);
}

void intake_stream_drain(struct intake_stream *st)
{
	Podward__V1__CollectReply m = PODWARD__V1__COLLECT_REPLY__INIT;
	Podward__V1__CollectDrain drain = PODWARD__V1__COLLECT_DRAIN__INIT;

	if (!st || st->is_finished)
		return;
	drain.reason = (ProtobufCBinaryData){8, (uint8_t *)"stopping"};
	m.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_DRAIN;
	m.drain = &drain;
	(void)!pw_call_send(st->call, &m.base); /* the end of the call says the same */
}

static int on_open(struct pw_call *call, void *method_ctx)
{
	struct intake *in = method_ctx;
	struct pw_decoder_limits limits = PW_DECODER_LIMITS_DEFAULT;
	struct intake_stream *st = pw_alloc0(1, sizeof(*st));

	if (!st || pw_decoder_new(&limits, &st->decoder) < 0) {
		free(st);
		return PW_RPC_RESOURCE_EXHAUSTED;
	}
	st->in = in;
	st->call = call;
	in->stats.streams++;
	pw_call_set_ctx(call, st);
	return 0;
}

static void reject_hello(struct intake_stream *st, int status, const char *why)
{
	st->in->stats.rejected_hello++;
	pw_log_limited(PW_LOG_WARN, 6, "intake", "collector at %s refused: %s",
		pw_call_peer(st->call), why);
	intake_stream_fail(st, status, why);
}

static void on_hello(struct intake_stream *st, const Podward__V1__CollectHello *h)
{
	struct intake_stream *old;
	char shown[64];

	if (st->source) {
		reject_hello(st, PW_RPC_INVALID_ARGUMENT, "hello: sent twice");
		return;
	}
	if (h->schema != 1) {
		reject_hello(st, PW_RPC_FAILED_PRECONDITION,
			"hello.schema: this analyzer knows schema 1 only");
		return;
	}
	if (h->instance.len != 16 || h->node.len == 0 || h->node.len >= SHARD_NODE_SIZE) {
		reject_hello(st, PW_RPC_INVALID_ARGUMENT,
			"hello: instance must have 16 bytes, node 1 to 255");
		return;
	}
	if (!pw_call_may_be(st->call, pw_slice_of(h->node.data, h->node.len))) {
		reject_hello(st, PW_RPC_PERMISSION_DENIED,
			"hello.node: the certificate names another node or none");
		return;
	}
	if (sources_get(st->in->sources, h->instance.data, &st->source) < 0) {
		st->in->stats.rejected_overload++;
		reject_hello(st, PW_RPC_RESOURCE_EXHAUSTED, "too many collectors");
		return;
	}
	memcpy(st->node, h->node.data, h->node.len);
	st->node_len = h->node.len;
	old = st->source->stream;
	st->source->stream = st;
	if (old) {
		old->source = NULL;
		intake_stream_fail(old, PW_RPC_CANCELLED, "the collector has a newer stream");
	}
	pw_log_info("intake", "collector %s, received up to %llu",
		pw_escape_to(
			h->node.len ? pw_slice_of(h->node.data, h->node.len) : PW_SLICE_LIT("?"),
			shown, sizeof(shown)),
		(unsigned long long)st->source->received);
	intake_stream_try_welcome(st);
}

static int dispatch(struct intake_stream *st, struct pw_decoded *decoded)
{
	struct intake *in = st->in;
	struct shard_batch *b = pw_alloc0(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->job.kind = SHARD_JOB_BATCH;
	b->decoded = decoded;
	b->owner = st->source;
	b->pending = in->config.shard_count;
	/* What another analyzer was sent before is counted under the name of then. */
	memcpy(b->source, decoded->origin_seq > 0 ? decoded->origin : st->source->instance, 16);
	memcpy(b->node, st->node, st->node_len);
	b->node_len = st->node_len;
	st->source->is_busy = true;
	st->taken = pw_mono_now();
	in->stats.batches++;
	in->stats.waiting++;
	in->stats.events += decoded->event_count;
	/* One batch per source under way, fewer sources than places in the queue. */
	for (uint32_t i = 0; i < in->config.shard_count; i++)
		pw_assert(shard_give(in->config.shards[i], &b->job));
	return 0;
}

static void release_held(struct intake_stream *st)
{
	if (!st->held)
		return;
	pw_decoded_free(PW_TAKE(st->held));
	st->in->held_count--;
}

static void refuse_owner(struct intake_stream *st, uint64_t seq)
{
	Podward__V1__CollectReply m = PODWARD__V1__COLLECT_REPLY__INIT;
	Podward__V1__CollectNotOwner not_owner = PODWARD__V1__COLLECT_NOT_OWNER__INIT;

	st->in->stats.not_owner++;
	not_owner.epoch = share_epoch(st->in->config.share);
	not_owner.seq = seq;
	m.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_NOT_OWNER;
	m.not_owner = &not_owner;
	(void)!pw_call_send(st->call, &m.base); /* the end of the call says the same */
	intake_stream_fail(st, PW_RPC_UNAVAILABLE, "a pod group of another analyzer");
}

static void judge(struct intake_stream *st, struct pw_decoded *decoded)
{
	if (dispatch(st, decoded) < 0) {
		pw_decoded_free(decoded);
		intake_stream_fail(st, PW_RPC_RESOURCE_EXHAUSTED, "out of memory");
	}
}

void intake_stream_look_again(struct intake_stream *st)
{
	enum share_verdict verdict;
	bool is_over;

	if (!st || !st->held || st->is_finished)
		return;
	verdict = share_ask(st->in->config.share, st->held, st->held_epoch);
	is_over = st->held_epoch > share_epoch(st->in->config.share) &&
		  pw_mono_now().ns >= st->held_until.ns;
	if (verdict == SHARE_WAIT && !is_over) {
		intake_ack_later(st->in);
		return;
	}
	if (verdict == SHARE_JUDGE) {
		st->in->held_count--;
		judge(st, PW_TAKE(st->held));
		return;
	}
	refuse_owner(st, st->held->seq);
	release_held(st);
}

/* The next batch is not asked for meanwhile. */
static void hold(struct intake_stream *st, struct pw_decoded *decoded, uint64_t epoch)
{
	st->held = decoded;
	st->held_epoch = epoch;
	st->held_until.ns = pw_mono_now().ns + MAP_WAIT_NS;
	st->in->held_count++;
	intake_stream_look_again(st);
	st->in->stats.held += st->held != NULL;
}

static void on_batch(struct intake_stream *st, const Podward__V1__EventBatch *m)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_decoded *decoded = NULL;
	int r;

	if (!st->is_welcome) {
		reject_hello(st, PW_RPC_FAILED_PRECONDITION, "a batch before the welcome");
		return;
	}
	r = pw_decode_batch(st->decoder, m, &decoded, &err);
	if (r < 0) {
		st->in->stats.rejected_decode++;
		pw_log_limited(PW_LOG_WARN, 6, "intake", "batch from %s refused: %s",
			pw_call_peer(st->call), err.msg);
		intake_stream_fail(st,
			r == -EINVAL ? PW_RPC_INVALID_ARGUMENT : PW_RPC_RESOURCE_EXHAUSTED,
			err.msg);
		return;
	}
	if (decoded->seq <= st->source->received) {
		/* Its definitions were needed, its events were judged before. */
		st->in->stats.duplicates++;
		pw_decoded_free(decoded);
		intake_stream_judged(st);
		return;
	}
	if (st->in->config.share)
		hold(st, decoded, m->map_epoch);
	else
		judge(st, decoded);
}

static void on_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	struct intake_stream *st = pw_call_ctx(call);
	const Podward__V1__CollectRequest *m = (const Podward__V1__CollectRequest *)msg;

	if (st->is_finished)
		return;
	if (m->message_case == PODWARD__V1__COLLECT_REQUEST__MESSAGE_HELLO)
		on_hello(st, m->hello);
	else if (m->message_case == PODWARD__V1__COLLECT_REQUEST__MESSAGE_BATCH)
		on_batch(st, m->batch);
	else
		reject_hello(st, PW_RPC_INVALID_ARGUMENT, "message: neither hello nor batch");
}

static void on_sent(struct pw_call *call)
{
	struct intake_stream *st = pw_call_ctx(call);

	if (st->ack_is_due)
		intake_stream_ack(st);
}

static void on_closed(struct pw_call *call)
{
	struct intake_stream *st = pw_call_ctx(call);

	if (!st)
		return;
	if (st->source && st->source->stream == st)
		st->source->stream = NULL;
	release_held(st);
	st->in->stats.streams--;
	pw_decoder_free(st->decoder);
	free(st);
}

struct pw_method intake_method(struct intake *in)
{
	return (struct pw_method){
		.service = &podward__v1__collect_service__descriptor,
		.name = "Stream",
		.roles = PW_ROLE_COLLECTOR,
		.on_open = on_open,
		.on_message = on_message,
		.on_sent = on_sent,
		.on_closed = on_closed,
		.method_ctx = in,
	};
}
