/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/tests/fakes.h"

#include "common/base/hash.h"
#include "common/base/u64map.h"
#include "common/rpc/server.h"
#include "podward/v1/collect.pb-c.h"
#include "podward/v1/report.pb-c.h"

#include <stdio.h>

struct stored {
	uint8_t *bytes;
	size_t len;
};

struct fake_sync {
	char address[200];
	struct pw_rpc_loop *loop;
	struct pw_server *server;
	struct pw_call *watcher;
	struct stored policy, deltas[FAKE_MAX];
	uint32_t delta_count;
	struct pw_u64map *alerts, *occurrences;
	struct fake_sync_look look;
	bool hold;
};

/* ---- policysync ---- */
static void send_policy(struct fake_sync *f)
{
	ProtobufCMessage *m;

	if (!f->watcher || !f->policy.bytes)
		return;
	m = protobuf_c_message_unpack(
		&podward__v1__policy_snapshot__descriptor, NULL, f->policy.len, f->policy.bytes);
	pw_assert(m && pw_call_send(f->watcher, m) == 0);
	protobuf_c_message_free_unpacked(m, NULL);
}

static int on_open(struct pw_call *call, void *ctx)
{
	pw_call_set_ctx(call, ctx);
	return 0;
}

static void on_watch(struct pw_call *call, const ProtobufCMessage *msg)
{
	struct fake_sync *f = pw_call_ctx(call);
	const Podward__V1__PolicyStatus *m = (const Podward__V1__PolicyStatus *)msg;

	if (m->serial == 0) {
		f->watcher = call;
		send_policy(f);
	} else {
		f->look.statuses++;
		f->look.in_force = m->in_force;
		f->look.problems = (uint32_t)m->n_problems;
	}
	pw_call_next(call);
}

static void on_watch_closed(struct pw_call *call)
{
	struct fake_sync *f = pw_call_ctx(call);

	if (f->watcher == call)
		f->watcher = NULL;
}

static void store_delta(struct fake_sync *f, const Podward__V1__ProfileDelta *d)
{
	struct stored *s = &f->deltas[f->delta_count++];

	pw_assert(f->delta_count < FAKE_MAX);
	s->len = protobuf_c_message_get_packed_size(&d->base);
	s->bytes = malloc(s->len + 1);
	(void)protobuf_c_message_pack(&d->base, s->bytes);
	f->look.behaviours += (uint32_t)d->n_behaviours;
}

static void store(struct fake_sync *f, const Podward__V1__ReportItems *m)
{
	for (size_t i = 0; i < m->n_alerts; i++) {
		uint64_t id = pw_hash64(pw_slice_of(m->alerts[i]->id.data, 16), 0);
		int r = pw_u64map_put(f->alerts, id, 0);

		f->look.alerts += r == 1;
		f->look.alerts_again += r == 0;
	}
	for (size_t i = 0; i < m->n_occurrences; i++) {
		const Podward__V1__AlertOccurrence *o = m->occurrences[i];
		uint64_t id = pw_hash64(pw_slice_of(o->alert_id.data, 16), 0);
		int r;

		pw_assert(pw_u64map_has(f->alerts, id));
		id = pw_hash64(pw_slice_of(o->source.data, o->source.len), pw_hash_mix(id, o->seq));
		r = pw_u64map_put(f->occurrences, id, 0);
		f->look.occurrences += r == 1;
		f->look.occurrences_again += r == 0;
		f->look.count += r == 1 ? o->count : 0;
	}
	for (size_t i = 0; i < m->n_profiles; i++)
		store_delta(f, m->profiles[i]);
}

static void on_report(struct pw_call *call, const ProtobufCMessage *msg)
{
	struct fake_sync *f = pw_call_ctx(call);
	const Podward__V1__ReportRequest *m = (const Podward__V1__ReportRequest *)msg;
	Podward__V1__ReportReply reply = PODWARD__V1__REPORT_REPLY__INIT;

	if (m->message_case == PODWARD__V1__REPORT_REQUEST__MESSAGE_HELLO)
		f->look.report_streams++;
	if (m->message_case == PODWARD__V1__REPORT_REQUEST__MESSAGE_ITEMS && !f->hold) {
		store(f, m->items);
		f->look.items++;
		reply.committed_seq = m->items->seq;
		(void)!pw_call_send(call, &reply.base);
	}
	pw_call_next(call);
}

static void on_load(struct pw_call *call, const ProtobufCMessage *msg)
{
	struct fake_sync *f = pw_call_ctx(call);

	(void)msg;
	for (uint32_t i = 0; i < f->delta_count; i++) {
		ProtobufCMessage *m =
			protobuf_c_message_unpack(&podward__v1__profile_delta__descriptor, NULL,
				f->deltas[i].len, f->deltas[i].bytes);

		pw_assert(m && pw_call_send(call, m) == 0);
		protobuf_c_message_free_unpacked(m, NULL);
	}
	pw_call_finish(call, PW_RPC_OK, "");
}

static void start_server(void *ctx)
{
	struct fake_sync *f = ctx;
	const ProtobufCServiceDescriptor *report = &podward__v1__report_service__descriptor;
	const struct pw_method methods[] = {
		{.service = &podward__v1__policy_service__descriptor,
			.name = "Watch",
			.on_open = on_open,
			.on_message = on_watch,
			.on_closed = on_watch_closed,
			.method_ctx = f},
		{.service = report,
			.name = "Report",
			.on_open = on_open,
			.on_message = on_report,
			.method_ctx = f},
		{.service = report,
			.name = "LoadProfiles",
			.on_open = on_open,
			.on_message = on_load,
			.method_ctx = f},
	};
	const char *address = f->address;
	struct pw_err err = PW_ERR_INIT;

	if (pw_server_start(&(struct pw_server_config){.loop = f->loop,
				    .addresses = &address,
				    .address_count = 1,
				    .methods = methods,
				    .method_count = PW_COUNT(methods)},
		    &f->server, &err) < 0)
		(void)fprintf(stderr, "%s\n", err.msg);
	pw_assert(f->server);
}

void fake_sync_start(struct fake_sync *f)
{
	pw_assert(pw_rpc_loop_call(f->loop, start_server, f) == 0);
}

struct fake_sync *fake_sync_new(const char *address)
{
	struct fake_sync *f = calloc(1, sizeof(*f));
	struct pw_err err = PW_ERR_INIT;

	(void)snprintf(f->address, sizeof(f->address), "%s", address);
	pw_assert(pw_u64map_new(1 << 20, &f->alerts) == 0);
	pw_assert(pw_u64map_new(1 << 20, &f->occurrences) == 0);
	pw_assert(pw_rpc_loop_start("fake-sync", &f->loop, &err) == 0);
	fake_sync_start(f);
	return f;
}

struct call {
	struct fake_sync *f;
	struct pw_slice bytes;
	bool hold;
	struct fake_sync_look look;
};

static void do_policy(void *ctx)
{
	struct call *c = ctx;

	free(c->f->policy.bytes);
	c->f->policy.bytes = malloc(c->bytes.len + 1);
	memcpy(c->f->policy.bytes, c->bytes.ptr, c->bytes.len);
	c->f->policy.len = c->bytes.len;
	send_policy(c->f);
}

void fake_sync_policy(struct fake_sync *f, struct pw_slice bytes)
{
	struct call c = {.f = f, .bytes = bytes};

	pw_assert(pw_rpc_loop_call(f->loop, do_policy, &c) == 0);
}

static void do_hold(void *ctx)
{
	struct call *c = ctx;

	c->f->hold = c->hold;
}

void fake_sync_hold(struct fake_sync *f, bool hold)
{
	struct call c = {.f = f, .hold = hold};

	pw_assert(pw_rpc_loop_call(f->loop, do_hold, &c) == 0);
}

void fake_sync_kill(struct fake_sync *f)
{
	pw_server_stop(PW_TAKE(f->server), 0);
}

static void do_look(void *ctx)
{
	struct call *c = ctx;

	c->look = c->f->look;
}

struct fake_sync_look fake_sync_look(struct fake_sync *f)
{
	struct call c = {.f = f};

	pw_assert(pw_rpc_loop_call(f->loop, do_look, &c) == 0);
	return c.look;
}

void fake_sync_free(struct fake_sync *f)
{
	if (f->server)
		fake_sync_kill(f);
	pw_rpc_loop_stop(f->loop);
	for (uint32_t i = 0; i < f->delta_count; i++)
		free(f->deltas[i].bytes);
	free(f->policy.bytes);
	pw_u64map_free(f->alerts);
	pw_u64map_free(f->occurrences);
	free(f);
}

/* ---- collector ---- */
struct fake_collector {
	struct pw_rpc_loop *loop;
	struct pw_channel *channel;
	struct pw_stream *stream;
	struct pw_encoder *encoder;
	struct pw_arena *arena;
	struct pw_batch **batches;
	uint32_t count, schema;
	uint64_t next; /* seq to send */
	bool is_welcome;
	const Podward__V1__EventBatch *raw;
	struct fake_collector_look look;
	char address[200];
};

static void collector_up(void *ctx)
{
	struct fake_collector *c = ctx;
	Podward__V1__CollectRequest m = PODWARD__V1__COLLECT_REQUEST__INIT;
	Podward__V1__CollectHello hello = PODWARD__V1__COLLECT_HELLO__INIT;

	c->is_welcome = false;
	pw_encoder_reset(c->encoder);
	hello.schema = c->schema;
	hello.node = kit_bytes("node-1");
	hello.instance = kit_bytes("0123456789abcdef");
	m.message_case = PODWARD__V1__COLLECT_REQUEST__MESSAGE_HELLO;
	m.hello = &hello;
	pw_assert(pw_stream_send(c->stream, &m.base) == 0);
}

static void collector_send(void *ctx)
{
	struct fake_collector *c = ctx;
	Podward__V1__CollectRequest m = PODWARD__V1__COLLECT_REQUEST__INIT;
	Podward__V1__EventBatch batch = PODWARD__V1__EVENT_BATCH__INIT;

	if (!c->is_welcome || !pw_stream_may_send(c->stream))
		return;
	m.message_case = PODWARD__V1__COLLECT_REQUEST__MESSAGE_BATCH;
	m.batch = &batch;
	pw_arena_reset(c->arena);
	if (c->raw) {
		m.batch = (Podward__V1__EventBatch *)c->raw;
		c->raw = NULL;
	} else if (c->next <= c->count) {
		pw_assert(pw_encode_batch(c->encoder, c->batches[c->next - 1], c->arena, &batch) ==
			  0);
		c->next++;
		c->look.sent++;
	} else {
		return;
	}
	pw_assert(pw_stream_send(c->stream, &m.base) == 0);
}

static void collector_message(void *ctx, const ProtobufCMessage *msg)
{
	struct fake_collector *c = ctx;
	const Podward__V1__CollectReply *m = (const Podward__V1__CollectReply *)msg;

	if (m->message_case == PODWARD__V1__COLLECT_REPLY__MESSAGE_WELCOME) {
		uint64_t from = m->welcome->received_seq;

		c->is_welcome = true;
		c->look.welcomes++;
		c->next = (from > c->look.durable ? from : c->look.durable) + 1;
		collector_send(c);
	} else if (m->message_case == PODWARD__V1__COLLECT_REPLY__MESSAGE_ACK) {
		c->look.received = m->ack->received_seq;
		if (m->ack->durable_seq > c->look.durable)
			c->look.durable = m->ack->durable_seq;
	} else if (m->message_case == PODWARD__V1__COLLECT_REPLY__MESSAGE_THROTTLE) {
		c->look.throttles++;
		c->look.throttle_ms = m->throttle->delay_ms;
	} else if (m->message_case == PODWARD__V1__COLLECT_REPLY__MESSAGE_DRAIN) {
		c->look.drains++;
		c->is_welcome = false;
		pw_stream_half_close(c->stream);
	}
	pw_stream_next(c->stream);
}

static void collector_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	struct fake_collector *c = ctx;

	(void)delay_ms;
	c->is_welcome = false;
	if (c->look.downs++ == 0)
		c->look.first_status = status;
	c->look.last_status = status;
	(void)snprintf(c->look.detail, sizeof(c->look.detail), "%s", detail);
}

static void start_collector(void *ctx)
{
	static const struct pw_stream_ops ops = {
		collector_up, collector_message, collector_send, collector_down};
	static const struct pw_stream_limits limits = {20, 200, 1 << 20};
	struct fake_collector *c = ctx;
	struct pw_err err = PW_ERR_INIT;

	pw_assert(pw_channel_new(&(struct pw_channel_config){.loop = c->loop, .target = c->address},
			  &c->channel, &err) == 0);
	pw_assert(pw_stream_start(c->channel,
			  &(struct pw_stream_config){
				  .service = &podward__v1__collect_service__descriptor,
				  .method = "Stream",
				  .ops = &ops,
				  .ctx = c,
				  .limits = &limits},
			  &c->stream, &err) == 0);
}

struct fake_collector *fake_collector_new(
	const char *address, uint32_t schema, struct pw_batch **batches, uint32_t count)
{
	struct fake_collector *c = calloc(1, sizeof(*c));
	struct pw_err err = PW_ERR_INIT;

	(void)snprintf(c->address, sizeof(c->address), "%s", address);
	c->schema = schema;
	c->batches = batches;
	c->count = count;
	c->next = 1;
	pw_assert(pw_encoder_new(&c->encoder) == 0);
	pw_assert(pw_arena_new(64 << 10, 8 << 20, &c->arena) == 0);
	pw_assert(pw_rpc_loop_start("fake-collector", &c->loop, &err) == 0);
	pw_assert(pw_rpc_loop_call(c->loop, start_collector, c) == 0);
	return c;
}

struct collector_call {
	struct fake_collector *c;
	const Podward__V1__EventBatch *raw;
	struct fake_collector_look look;
};

static void do_raw(void *ctx)
{
	struct collector_call *call = ctx;

	call->c->raw = call->raw;
	collector_send(call->c);
}

void fake_collector_send_raw(struct fake_collector *c, const Podward__V1__EventBatch *m)
{
	struct collector_call call = {.c = c, .raw = m};

	pw_assert(pw_rpc_loop_call(c->loop, do_raw, &call) == 0);
}

static void do_forget(void *ctx)
{
	struct fake_collector *c = ctx;

	c->look.durable = c->look.received = 0;
}

void fake_collector_forget(struct fake_collector *c)
{
	pw_assert(pw_rpc_loop_call(c->loop, do_forget, c) == 0);
}

static void do_collector_look(void *ctx)
{
	struct collector_call *call = ctx;

	call->look = call->c->look;
}

struct fake_collector_look fake_collector_look(struct fake_collector *c)
{
	struct collector_call call = {.c = c};

	pw_assert(pw_rpc_loop_call(c->loop, do_collector_look, &call) == 0);
	return call.look;
}

static void stop_collector(void *ctx)
{
	struct fake_collector *c = ctx;

	pw_stream_stop(c->stream);
	pw_channel_free(c->channel);
}

void fake_collector_free(struct fake_collector *c)
{
	pw_assert(pw_rpc_loop_call(c->loop, stop_collector, c) == 0);
	pw_rpc_loop_stop(c->loop);
	pw_encoder_free(c->encoder);
	pw_arena_free(c->arena);
	for (uint32_t i = 0; i < c->count; i++)
		pw_batch_free(c->batches[i]);
	free(c->batches);
	free(c);
}
