/* SPDX-License-Identifier: Apache-2.0 */
/* Our two ends: batches that lie ready are encoded, sent, unpacked, decoded and summed up. */
#include "common/rpc/bench/stream_bench.h"

#include "common/base/arena.h"
#include "common/rpc/client.h"
#include "common/wire/decode.h"
#include "common/wire/encode.h"
#include "podward/v1/collect.pb-c.h"

#include <stdio.h>
#include <unistd.h>

#define READY     32u /* batches that are sent over and over */
#define ACK_EVERY 16u

static struct pw_tls *open_tls(const struct stream_wish *w)
{
	const struct pw_tls_files files = {w->ca, w->cert, w->key, NULL, false};
	struct pw_err err = PW_ERR_INIT;
	struct pw_tls *t = NULL;

	if (w->ca && pw_tls_new(&files, &t, &err) < 0)
		(void)fprintf(stderr, "bench_stream: %s\n", err.msg);
	return t;
}

/* --- the analyzer's side --- */

struct server {
	uint32_t open, connections; /* streams still to end */
	uint64_t start_ns, end_ns, events, bytes, sum;
	int done[2]; /* pipe: a byte when all have ended */
};

struct server_stream {
	struct pw_decoder *decoder;
	uint32_t messages;
};

static int server_open(struct pw_call *call, void *ctx)
{
	struct pw_decoder_limits limits = PW_DECODER_LIMITS_DEFAULT;
	struct server_stream *s = pw_alloc0(1, sizeof(*s));

	(void)ctx;
	if (!s || pw_decoder_new(&limits, &s->decoder) < 0) {
		free(s);
		return PW_RPC_RESOURCE_EXHAUSTED;
	}
	pw_call_set_ctx(call, s);
	return 0;
}

static void reply(struct pw_call *call, uint64_t seq)
{
	Podward__V1__CollectReply m = PODWARD__V1__COLLECT_REPLY__INIT;
	Podward__V1__CollectAck ack = PODWARD__V1__COLLECT_ACK__INIT;

	ack.received_seq = seq;
	m.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_ACK;
	m.ack = &ack;
	if (pw_call_send(call, &m.base) < 0)
		pw_call_finish(call, PW_RPC_INTERNAL, "cannot answer");
}

static void take_batch(struct server *sv, struct pw_call *call, struct server_stream *s,
	const Podward__V1__EventBatch *m)
{
	struct pw_decoded *d = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (sv->start_ns == 0)
		sv->start_ns = stream_cpu_ns();
	if (pw_decode_batch(s->decoder, m, &d, &err) < 0) {
		(void)fprintf(stderr, "bench_stream: %s\n", err.msg);
		pw_call_finish(call, PW_RPC_INVALID_ARGUMENT, err.msg);
		return;
	}
	for (uint32_t i = 0; i < d->event_count; i++)
		sv->sum += d->events[i].time.ns + d->events[i].aux + d->events[i].object.len +
			   d->events[i].process->def.pid;
	sv->events += d->event_count;
	if (++s->messages % ACK_EVERY == 0)
		reply(call, d->seq);
	pw_decoded_free(d);
}

static void server_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	const Podward__V1__CollectRequest *m = (const Podward__V1__CollectRequest *)msg;

	if (m->message_case == PODWARD__V1__COLLECT_REQUEST__MESSAGE_BATCH)
		take_batch(pw_call_method_ctx(call), call, pw_call_ctx(call), m->batch);
	else
		reply(call, 0);
	pw_call_next(call);
}

static void server_closed(struct pw_call *call)
{
	struct server_stream *s = pw_call_ctx(call);
	struct server *sv = pw_call_method_ctx(call);

	pw_decoder_free(s->decoder);
	free(s);
	sv->end_ns = stream_cpu_ns();
	if (--sv->open == 0)
		(void)!write(sv->done[1], "x", 1);
}

int stream_ours_server(const struct stream_wish *w)
{
	static const char *const address = "127.0.0.1:0";
	struct server sv = {.open = w->connections};
	const struct pw_method method = {
		.service = &podward__v1__collect_service__descriptor,
		.name = "Stream",
		.on_open = server_open,
		.on_message = server_message,
		.on_closed = server_closed,
		.method_ctx = &sv,
	};
	struct pw_tls *tls = open_tls(w);
	struct pw_rpc_loop *loop = NULL;
	struct pw_server *server = NULL;
	struct pw_server_stats stats;
	struct pw_err err = PW_ERR_INIT;
	char byte;

	if (pipe(sv.done) < 0 || pw_rpc_loop_start("server", &loop, &err) < 0 ||
		pw_server_start(&(struct pw_server_config){.loop = loop,
					.addresses = &address,
					.address_count = 1,
					.methods = &method,
					.method_count = 1,
					.tls = tls},
			&server, &err) < 0) {
		(void)fprintf(stderr, "bench_stream: %s\n", err.msg);
		return 1;
	}
	stream_say_port(pw_server_port(server));
	(void)!read(sv.done[0], &byte, 1);
	pw_server_stats(server, &stats);
	stream_say_result(sv.end_ns - sv.start_ns, sv.events, stats.bytes_received);
	pw_server_stop(server, 0);
	pw_rpc_loop_stop(loop);
	pw_tls_free(tls);
	return 0;
}

/* --- the collector's side --- */

struct client {
	const struct stream_wish *wish;
	struct pw_batch *ready[READY];
	uint32_t open;
	uint64_t start_ns, end_ns, events;
	int done[2];
	bool has_failed;
};

struct client_stream {
	struct client *client;
	struct pw_channel *channel;
	struct pw_stream *stream;
	struct pw_encoder *encoder;
	struct pw_arena *arena;
	uint64_t seq;
	bool has_ended;
};

static void client_fail(struct client *c, const char *what)
{
	(void)fprintf(stderr, "bench_stream: client: %s\n", what);
	c->has_failed = true;
	(void)!write(c->done[1], "x", 1);
}

static void send_batch(struct client_stream *s)
{
	struct client *c = s->client;
	const struct pw_batch *b = c->ready[s->seq % READY];
	Podward__V1__EventBatch batch = PODWARD__V1__EVENT_BATCH__INIT;
	Podward__V1__CollectRequest m = PODWARD__V1__COLLECT_REQUEST__INIT;

	if (s->seq == c->wish->messages) {
		pw_stream_half_close(s->stream);
		return;
	}
	if (pw_encode_batch(s->encoder, b, s->arena, &batch) < 0) {
		client_fail(c, "cannot encode");
		return;
	}
	batch.seq = ++s->seq; /* the same rows again as a new batch */
	m.message_case = PODWARD__V1__COLLECT_REQUEST__MESSAGE_BATCH;
	m.batch = &batch;
	if (pw_stream_send(s->stream, &m.base) < 0)
		client_fail(c, "cannot send");
	pw_arena_reset(s->arena);
	c->events += b->event_count;
}

static void client_up(void *ctx)
{
	struct client_stream *s = ctx;
	Podward__V1__CollectHello hello = PODWARD__V1__COLLECT_HELLO__INIT;
	Podward__V1__CollectRequest m = PODWARD__V1__COLLECT_REQUEST__INIT;

	if (s->client->start_ns == 0)
		s->client->start_ns = stream_cpu_ns();
	m.message_case = PODWARD__V1__COLLECT_REQUEST__MESSAGE_HELLO;
	m.hello = &hello;
	if (pw_stream_send(s->stream, &m.base) < 0)
		client_fail(s->client, "cannot send the hello");
}

static void client_sent(void *ctx)
{
	send_batch(ctx);
}

static void client_message(void *ctx, const ProtobufCMessage *msg)
{
	struct client_stream *s = ctx;

	(void)msg;
	pw_stream_next(s->stream);
}

static void client_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	struct client_stream *s = ctx;
	struct client *c = s->client;

	(void)delay_ms;
	if (status != PW_RPC_OK) {
		client_fail(c, detail);
		return;
	}
	s->has_ended = true;
	c->end_ns = stream_cpu_ns();
	if (--c->open == 0)
		(void)!write(c->done[1], "x", 1);
}

struct start {
	struct client_stream *streams;
	uint32_t count;
	struct pw_rpc_loop *loop;
	struct pw_tls *tls;
	int result;
};

static int start_one(struct client_stream *s, const struct start *a)
{
	static const struct pw_stream_ops ops = {
		client_up, client_message, client_sent, client_down};
	const struct pw_stream_limits limits = {60000, 60000, 1 << 20}; /* it comes up once */
	char target[32];
	int r;

	(void)snprintf(target, sizeof(target), "127.0.0.1:%u", s->client->wish->port);
	r = pw_encoder_new(&s->encoder);
	if (r == 0)
		r = pw_arena_new(1 << 20, 16 << 20, &s->arena);
	if (r == 0)
		r = pw_channel_new(&(struct pw_channel_config){.loop = a->loop,
					   .target = target,
					   .tls = a->tls,
					   .role = PW_ROLE_ANALYZER},
			&s->channel, NULL);
	if (r == 0)
		r = pw_stream_start(s->channel,
			&(struct pw_stream_config){
				.service = &podward__v1__collect_service__descriptor,
				.method = "Stream",
				.ops = &ops,
				.ctx = s,
				.limits = &limits},
			&s->stream, NULL);
	return r;
}

static void start_all(void *ctx)
{
	struct start *a = ctx;

	for (uint32_t i = 0; a->result == 0 && i < a->count; i++)
		a->result = start_one(&a->streams[i], a);
}

static void stop_all(void *ctx)
{
	struct start *a = ctx;

	for (uint32_t i = 0; i < a->count; i++) {
		pw_stream_stop(a->streams[i].stream);
		pw_channel_free(a->streams[i].channel);
		pw_encoder_free(a->streams[i].encoder);
		pw_arena_free(a->streams[i].arena);
	}
}

/* --- the usual traffic of containers: programs, files and connections of processes that stay ---
 */

#define PROCESSES  40u
#define STRINGS    300u
#define CONTAINERS 5u
#define STAMP_NS   (5000ull * PW_NS_PER_S)

static uint32_t below(uint64_t *random, uint32_t bound)
{
	*random = *random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*random >> 33) % bound;
}

static int add_string(struct pw_batch *b, uint32_t id)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "/usr/share/some-package/data/file-%u.conf", id);
	return pw_batch_add_string(b, id, pw_slice_str(text));
}

static int add_process(struct pw_batch *b, uint32_t ref)
{
	const struct pw_container_def c = {.ref = 1 + ref % CONTAINERS,
		.id = PW_SLICE_LIT(
			"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
		.pod_group = PW_SLICE_LIT("cluster/shop/Deployment/web/app")};
	const struct pw_process_def p = {.ref = ref,
		.container = c.ref,
		.pid = 1000 + ref,
		.exe = ref,
		.args = ref,
		.start = {STAMP_NS}};
	int r = add_string(b, ref);

	if (r == 0)
		r = pw_batch_add_container(b, &c);
	return r < 0 ? r : pw_batch_add_process(b, &p);
}

static int add_event(struct pw_batch *b, uint64_t *random, uint64_t ns)
{
	static const uint8_t kinds[] = {
		PW_EVENT_OPEN, PW_EVENT_OPEN, PW_EVENT_OPEN, PW_EVENT_EXEC, PW_EVENT_CONNECT};
	const struct pw_event_row row = {.time = {ns},
		.process = 1 + below(random, PROCESSES),
		.object = 1 + PROCESSES + below(random, STRINGS - PROCESSES),
		.aux = below(random, 8),
		.count = below(random, 16) == 0 ? 1 + below(random, 500) : 1,
		.ret = (int32_t)below(random, 40) - 2,
		.kind = kinds[below(random, sizeof(kinds))],
		.syscall = 258};
	int r = add_process(b, row.process);

	if (r == 0)
		r = add_string(b, row.object);
	return r < 0 ? r : pw_batch_add_event(b, &row);
}

static int make_ready(struct client *c)
{
	const struct pw_batch_limits limits = PW_BATCH_LIMITS_DEFAULT;
	uint64_t random = 1, ns = STAMP_NS;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < READY; i++) {
		r = pw_batch_new(&limits, 1, &c->ready[i]);
		for (uint32_t k = 0; r == 0 && k < c->wish->batch; k++)
			r = add_event(c->ready[i], &random, ns += 10000);
		if (r == 0)
			pw_batch_seal(c->ready[i], i + 1, 1);
	}
	return r;
}

int stream_ours_client(const struct stream_wish *w)
{
	struct client c = {.wish = w, .open = w->connections};
	struct start a = {.count = w->connections, .tls = open_tls(w)};
	char byte;

	a.streams = pw_alloc0(w->connections, sizeof(*a.streams));
	if (!a.streams || make_ready(&c) < 0 || pipe(c.done) < 0 ||
		pw_rpc_loop_start("client", &a.loop, NULL) < 0)
		return 1;
	for (uint32_t i = 0; i < w->connections; i++)
		a.streams[i].client = &c;
	if (pw_rpc_loop_call(a.loop, start_all, &a) < 0 || a.result < 0)
		return 1;
	(void)!read(c.done[0], &byte, 1);
	stream_say_result(c.end_ns - c.start_ns, c.events, 0);
	(void)!pw_rpc_loop_call(a.loop, stop_all, &a);
	pw_rpc_loop_stop(a.loop);
	pw_tls_free(a.tls);
	for (uint32_t i = 0; i < READY; i++)
		pw_batch_free(c.ready[i]);
	free(a.streams);
	return c.has_failed ? 1 : 0;
}
