/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A server of the services under test on a unix socket, and a client stream that writes down what
 * it receives. Waiting is by condition with a deadline, never by a fixed time.
 */
#include "fixture.h"

#include "common/rpc/client.h"
#include "common/rpc/server.h"
#include <errno.h>
#include <pthread.h>
#include <time.h>

#define WAIT_S 20

struct service {
	struct folder folder;
	char address[128];
	struct pw_rpc_loop *server_loop, *client_loop;
	struct pw_server *server;
	struct pw_channel *channel;
};

/* A stream of the client; lock guards everything that the test's thread looks at. */
struct peer {
	struct service *service;
	struct pw_stream *stream;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t ups, downs;
	int status;
	char detail[256];
	const ProtobufCMessage *hello; /* sent when up; borrowed */
	struct pw_buf messages[64];    /* packed */
	size_t message_count;
};

static inline void service_start(struct service *s, const struct pw_method *methods, size_t count)
{
	static const struct pw_server_limits limits = PW_SERVER_LIMITS_DEFAULT;
	const char *addresses[] = {s->address};
	struct pw_err err = PW_ERR_INIT;

	if (pw_server_start(&(struct pw_server_config){.loop = s->server_loop,
				    .addresses = addresses,
				    .address_count = 1,
				    .methods = methods,
				    .method_count = count,
				    .limits = &limits},
		    &s->server, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline void service_loops(struct service *s)
{
	struct pw_err err = PW_ERR_INIT;

	folder_make(&s->folder);
	(void)snprintf(s->address, sizeof(s->address), "unix:%s/sock", s->folder.path);
	assert_int_equal(pw_rpc_loop_start("server", &s->server_loop, &err), 0);
	assert_int_equal(pw_rpc_loop_start("client", &s->client_loop, &err), 0);
}

static inline void peer_on_up(void *ctx)
{
	struct peer *p = ctx;

	(void)pthread_mutex_lock(&p->lock);
	p->ups++;
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
	if (p->hello)
		assert_int_equal(pw_stream_send(p->stream, p->hello), 0);
}

static inline void peer_on_message(void *ctx, const ProtobufCMessage *msg)
{
	struct peer *p = ctx;

	(void)pthread_mutex_lock(&p->lock);
	if (p->message_count < PW_COUNT(p->messages)) {
		struct pw_buf *b = &p->messages[p->message_count++];

		pw_buf_init(b, 4 << 20);
		if (pw_buf_extend(b, protobuf_c_message_get_packed_size(msg)))
			(void)protobuf_c_message_pack(msg, b->data);
	}
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
	pw_stream_next(p->stream);
}

static inline void peer_on_sent(void *ctx)
{
	struct peer *p = ctx;

	(void)pthread_mutex_lock(&p->lock);
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
}

static inline void peer_on_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	struct peer *p = ctx;

	(void)delay_ms;
	(void)pthread_mutex_lock(&p->lock);
	p->downs++;
	p->status = status;
	(void)snprintf(p->detail, sizeof(p->detail), "%s", detail ? detail : "");
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
}

struct peer_start {
	struct peer *peer;
	const ProtobufCServiceDescriptor *type;
	const char *method;
};

static inline void peer_do_start(void *ctx)
{
	static const struct pw_stream_ops ops = {
		peer_on_up, peer_on_message, peer_on_sent, peer_on_down};
	static const struct pw_stream_limits limits = {20, 200, 8 << 20};
	struct peer_start *a = ctx;
	struct pw_err err = PW_ERR_INIT;

	if (!a->peer->service->channel)
		assert_int_equal(
			pw_channel_new(
				&(struct pw_channel_config){.loop = a->peer->service->client_loop,
					.target = a->peer->service->address},
				&a->peer->service->channel, &err),
			0);
	assert_int_equal(pw_stream_start(a->peer->service->channel,
				 &(struct pw_stream_config){.service = a->type,
					 .method = a->method,
					 .ops = &ops,
					 .ctx = a->peer,
					 .limits = &limits},
				 &a->peer->stream, &err),
		0);
}

static inline void peer_start(struct peer *p, struct service *s,
	const ProtobufCServiceDescriptor *type, const char *method)
{
	struct peer_start a = {p, type, method};

	p->service = s;
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->changed, NULL);
	assert_int_equal(pw_rpc_loop_call(s->client_loop, peer_do_start, &a), 0);
}

static inline void peer_do_stop(void *ctx)
{
	struct peer *p = ctx;

	if (p->stream)
		pw_stream_stop(p->stream);
	p->stream = NULL;
}

static inline void peer_stop(struct peer *p)
{
	assert_int_equal(pw_rpc_loop_call(p->service->client_loop, peer_do_stop, p), 0);
	for (size_t i = 0; i < p->message_count; i++)
		pw_buf_done(&p->messages[i]);
	p->message_count = 0;
}

/* Waits until fn(p) holds. */
static inline void peer_wait(
	struct peer *p, bool (*fn)(const struct peer *p, uint64_t n), uint64_t n)
{
	struct timespec until;
	bool ok;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	(void)pthread_mutex_lock(&p->lock);
	while (!(ok = fn(p, n)))
		if (pthread_cond_timedwait(&p->changed, &p->lock, &until) != 0)
			break;
	(void)pthread_mutex_unlock(&p->lock);
	if (!ok)
		fail_msg("waited %d s; %zu messages, status %d %s", WAIT_S, p->message_count,
			p->status, p->detail);
}

static inline bool peer_has_messages(const struct peer *p, uint64_t n)
{
	return p->message_count >= n;
}

static inline bool peer_is_down(const struct peer *p, uint64_t n)
{
	return p->downs >= n;
}

struct peer_send {
	struct peer *peer;
	const ProtobufCMessage *msg;
	int result;
};

static inline void peer_do_send(void *ctx)
{
	struct peer_send *a = ctx;

	a->result = pw_stream_send(a->peer->stream, a->msg);
}

/* Sends, waiting while one is in flight. */
static inline void peer_send(struct peer *p, const ProtobufCMessage *msg)
{
	struct peer_send a = {p, msg, -1};

	for (int i = 0; i < WAIT_S * 1000; i++) {
		assert_int_equal(pw_rpc_loop_call(p->service->client_loop, peer_do_send, &a), 0);
		if (a.result != -EAGAIN)
			break;
		(void)nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	assert_int_equal(a.result, 0);
}

static inline void channel_do_free(void *ctx)
{
	struct service *s = ctx;

	if (s->channel)
		pw_channel_free(s->channel);
}

static inline void service_stop_client(struct service *s)
{
	assert_int_equal(pw_rpc_loop_call(s->client_loop, channel_do_free, s), 0);
	pw_rpc_loop_stop(s->client_loop);
}
