/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/rpc/tests/rig.h"

#define WAIT_S 60

static void rig_lock(struct rig *r)
{
	(void)pthread_mutex_lock(&r->lock);
}

static void rig_unlock(struct rig *r)
{
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
}

void rig_wake(struct rig *r)
{
	rig_lock(r);
	rig_unlock(r);
}

uint64_t rig_messages_seen(struct rig *r)
{
	uint64_t n;

	rig_lock(r);
	n = r->server_messages;
	rig_unlock(r);
	return n;
}

uint64_t rig_sends_resumed(struct rig *r)
{
	uint64_t n;

	rig_lock(r);
	n = r->sent_again;
	rig_unlock(r);
	return n;
}

void rig_set_pauses(struct rig *r, bool pauses)
{
	rig_lock(r);
	r->pauses = pauses;
	rig_unlock(r);
}

static int echo_reply(struct pw_call *call, uint64_t seq)
{
	Podward__V1__CollectWelcome welcome = PODWARD__V1__COLLECT_WELCOME__INIT;
	Podward__V1__CollectReply reply = PODWARD__V1__COLLECT_REPLY__INIT;

	welcome.received_seq = seq;
	reply.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_WELCOME;
	reply.welcome = &welcome;
	return pw_call_send(call, &reply.base);
}

static int echo_on_open(struct pw_call *call, void *method_ctx)
{
	struct rig *r = method_ctx;
	struct rig_echo *e;
	int status;

	rig_lock(r);
	status = r->refuse_status;
	if (status == 0) {
		r->opened++;
		pw_call_put(r->held);
		r->held = pw_call_hold(call);
	}
	rig_unlock(r);
	if (status > 0)
		return status;
	e = pw_alloc0(1, sizeof(*e));
	e->rig = r;
	pw_call_set_ctx(call, e);
	return 0;
}

static void echo_try(struct pw_call *call, struct rig_echo *e)
{
	int result = echo_reply(call, e->waiting_seq);

	e->is_waiting = result == -EAGAIN;
	if (result == 0)
		pw_call_next(call);
}

static void echo_on_message(struct pw_call *call, const ProtobufCMessage *msg)
{
	const Podward__V1__CollectRequest *request = (const Podward__V1__CollectRequest *)msg;
	struct rig_echo *e = pw_call_ctx(call);
	struct rig *r = e->rig;
	bool holds, is_mute;
	int finish;

	rig_lock(r);
	r->server_messages++;
	holds = r->holds;
	is_mute = r->is_mute;
	finish = r->finish_status;
	rig_unlock(r);
	if (holds)
		return;
	if (is_mute) {
		pw_call_next(call);
		return;
	}
	e->waiting_seq = request->message_case == PODWARD__V1__COLLECT_REQUEST__MESSAGE_HELLO
				 ? request->hello->next_seq
				 : 0;
	echo_try(call, e);
	if (finish != 0)
		pw_call_finish(call, finish > 0 ? finish : 0, "that was enough");
}

static void echo_on_sent(struct pw_call *call)
{
	struct rig_echo *e = pw_call_ctx(call);

	rig_lock(e->rig);
	e->rig->sent_again++;
	rig_unlock(e->rig);
	if (e->is_waiting)
		echo_try(call, e);
}

static void echo_on_half_close(struct pw_call *call)
{
	struct rig_echo *e = pw_call_ctx(call);
	bool is_mute;

	rig_lock(e->rig);
	e->rig->half_closed++;
	is_mute = e->rig->is_mute;
	rig_unlock(e->rig);
	if (!is_mute)
		pw_call_finish(call, PW_RPC_OK, "bye");
}

static void echo_on_stop(struct pw_call *call)
{
	struct rig_echo *e = pw_call_ctx(call);

	if (e->rig->ends_on_stop)
		pw_call_finish(call, PW_RPC_UNAVAILABLE, "stopping");
}

static void echo_on_closed(struct pw_call *call)
{
	struct rig_echo *e = pw_call_ctx(call);
	struct rig *r = e->rig;

	free(e);
	rig_lock(r);
	r->closed++;
	rig_unlock(r);
}

static void client_log(struct rig *r, const char *line)
{
	if (r->log_len < RIG_LOG_MAX)
		(void)snprintf(r->log[r->log_len++], sizeof(r->log[0]), "%s", line);
}

static void client_send_next(struct rig *r)
{
	Podward__V1__CollectHello hello = PODWARD__V1__COLLECT_HELLO__INIT;
	Podward__V1__CollectRequest request = PODWARD__V1__COLLECT_REQUEST__INIT;
	bool may, closes;

	rig_lock(r);
	may = r->sent < r->send_goal;
	closes = !may && r->half_closes;
	hello.next_seq = r->sent + 1;
	rig_unlock(r);
	if (closes)
		pw_stream_half_close(r->stream);
	if (!may)
		return;
	request.message_case = PODWARD__V1__COLLECT_REQUEST__MESSAGE_HELLO;
	request.hello = &hello;
	assert_int_equal(pw_stream_send(r->stream, &request.base), 0);
}

static void client_on_up(void *ctx)
{
	struct rig *r = ctx;

	rig_lock(r);
	client_log(r, "up");
	rig_unlock(r);
	client_send_next(r);
}

static void client_on_sent(void *ctx)
{
	struct rig *r = ctx;

	rig_lock(r);
	r->sent++;
	rig_unlock(r);
	client_send_next(r);
}

static void client_on_message(void *ctx, const ProtobufCMessage *msg)
{
	const Podward__V1__CollectReply *reply = (const Podward__V1__CollectReply *)msg;
	struct rig *r = ctx;
	bool pauses;

	rig_lock(r);
	r->received++;
	if (reply->message_case != PODWARD__V1__COLLECT_REPLY__MESSAGE_WELCOME ||
		reply->welcome->received_seq != r->last_seq + 1)
		r->out_of_order++;
	else
		r->last_seq = reply->welcome->received_seq;
	pauses = r->pauses;
	rig_unlock(r);
	if (!pauses)
		pw_stream_next(r->stream);
}

static void client_on_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	struct rig *r = ctx;
	char line[96];

	(void)snprintf(line, sizeof(line), "down %s %.70s", pw_rpc_status_name(status), detail);
	rig_lock(r);
	client_log(r, line);
	r->last_delay_ms = delay_ms;
	rig_unlock(r);
}

void rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_cond_init(&r->changed, NULL);
	(void)snprintf(r->directory, sizeof(r->directory), "/tmp/pw-rpc-XXXXXX");
	assert_non_null(mkdtemp(r->directory));
	(void)snprintf(r->address, sizeof(r->address), "unix:%s/s", r->directory);
	(void)snprintf(r->target, sizeof(r->target), "%s", r->address);
	assert_int_equal(pw_rpc_loop_start("server", &r->server_loop, NULL), 0);
}

void rig_start_server(struct rig *r, const struct pw_server_limits *limits)
{
	const struct pw_method methods[] = {{
		.service = &podward__v1__collect_service__descriptor,
		.name = "Stream",
		.roles = PW_ROLE_COLLECTOR,
		.on_open = echo_on_open,
		.on_message = echo_on_message,
		.on_half_close = echo_on_half_close,
		.on_sent = echo_on_sent,
		.on_closed = echo_on_closed,
		.on_stop = echo_on_stop,
		.method_ctx = r,
	}};
	const char *addresses[] = {r->address, "127.0.0.1:0"};
	struct pw_err err = PW_ERR_INIT;
	int result = pw_server_start(&(struct pw_server_config){.loop = r->server_loop,
					     .addresses = addresses,
					     .address_count = 2,
					     .methods = methods,
					     .method_count = 1,
					     .limits = limits,
					     .tls = r->server_tls},
		&r->server, &err);

	if (result < 0)
		fail_msg("server: %s", err.msg);
}

void rig_stop_server(struct rig *r, uint32_t grace_ms)
{
	pw_server_stop(PW_TAKE(r->server), grace_ms);
}

void rig_start_client(struct rig *r)
{
	assert_int_equal(pw_rpc_loop_start("client", &r->client_loop, NULL), 0);
	assert_int_equal(pw_channel_new(&(struct pw_channel_config){.loop = r->client_loop,
						.target = r->target,
						.tls = r->client_tls,
						.role = PW_ROLE_ANALYZER},
				 &r->channel, NULL),
		0);
}

static void start_stream(void *ctx)
{
	static const struct pw_stream_ops ops = {
		client_on_up, client_on_message, client_on_sent, client_on_down};
	static const struct pw_stream_limits limits = {20, 100, 1 << 20};
	struct rig *r = ctx;

	assert_int_equal(pw_stream_start(r->channel,
				 &(struct pw_stream_config){
					 .service = &podward__v1__collect_service__descriptor,
					 .method = "Stream",
					 .ops = &ops,
					 .ctx = r,
					 .limits = &limits},
				 &r->stream, NULL),
		0);
}

void rig_start_stream(struct rig *r)
{
	rig_on_client(r, start_stream, r);
}

static void stop_stream(void *ctx)
{
	struct rig *r = ctx;

	pw_stream_stop(PW_TAKE(r->stream));
}

void rig_stop_client(struct rig *r)
{
	if (r->client_loop)
		rig_on_client(r, stop_stream, r);
	pw_channel_free(PW_TAKE(r->channel));
	pw_rpc_loop_stop(PW_TAKE(r->client_loop));
	r->log_len = 0;
	r->sent = r->received = r->last_seq = r->out_of_order = 0;
}

void rig_done(struct rig *r)
{
	rig_stop_client(r);
	pw_server_stop(PW_TAKE(r->server), 0);
	pw_rpc_loop_stop(PW_TAKE(r->server_loop));
	pw_call_put(PW_TAKE(r->held));
	assert_int_equal(r->opened, r->closed);
	(void)unlink(r->address + strlen("unix:"));
	assert_int_equal(rmdir(r->directory), 0);
	(void)pthread_cond_destroy(&r->changed);
	(void)pthread_mutex_destroy(&r->lock);
}

void rig_wait(struct rig *r, bool (*fn)(struct rig *r, uint64_t n), uint64_t n)
{
	struct timespec until;
	int result = 0;
	bool is_true;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	(void)pthread_mutex_lock(&r->lock);
	while (!(is_true = fn(r, n)) && result == 0)
		result = pthread_cond_timedwait(&r->changed, &r->lock, &until);
	(void)pthread_mutex_unlock(&r->lock);
	if (!is_true)
		fail_msg("waited %d s in vain (n=%llu, log %zu lines, last \"%s\")", WAIT_S,
			(unsigned long long)n, r->log_len,
			r->log_len ? r->log[r->log_len - 1] : "");
}

bool rig_log_has(struct rig *r, uint64_t n)
{
	return r->log_len >= n;
}

bool rig_received(struct rig *r, uint64_t n)
{
	return r->received >= n;
}

bool rig_sent(struct rig *r, uint64_t n)
{
	return r->sent >= n;
}

bool rig_server_saw(struct rig *r, uint64_t n)
{
	return r->server_messages >= n;
}

bool rig_closed(struct rig *r, uint64_t n)
{
	return r->closed >= n;
}

void rig_on_client(struct rig *r, void (*fn)(void *ctx), void *ctx)
{
	assert_int_equal(pw_rpc_loop_call(r->client_loop, fn, ctx), 0);
}

void rig_stats(struct rig *r, struct pw_server_stats *ret)
{
	pw_server_stats(r->server, ret);
}

void rig_wait_stat_at(struct rig *r, size_t offset, uint64_t n)
{
	struct pw_server_stats stats;
	uint64_t value = 0;

	for (int i = 0; i < WAIT_S * 100; i++) {
		rig_stats(r, &stats);
		memcpy(&value, (const char *)&stats + offset, sizeof(value));
		if (value >= n)
			return;
		(void)nanosleep(&(struct timespec){0, 10000000}, NULL);
	}
	fail_msg("a counter stayed at %llu, expected %llu", (unsigned long long)value,
		(unsigned long long)n);
}
