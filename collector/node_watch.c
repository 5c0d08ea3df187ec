/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/node_watch.h"

#include "collector/node_update.h"
#include "common/base/log.h"
#include "common/rpc/client.h"

#include <errno.h>
#include <stdatomic.h>

#define MODULE "node_watch"
#define SCHEMA 1u

struct node_watch {
	struct pw_rpc_loop *loop;
	struct pw_tls *tls;
	char *target;
	char *node;
	size_t node_len;
	uint8_t instance[16];
	void (*on_update)(void *ctx, struct node_update *update);
	void *ctx;
	struct pw_channel *channel; /* the RPC loop's from here on */
	struct pw_stream *stream;
	bool has_full; /* on this stream */
	_Atomic uint64_t updates, refused;
	_Atomic bool connected;
};

static void on_up(void *ctx)
{
	struct node_watch *w = ctx;
	Podward__V1__NodeHello hello = PODWARD__V1__NODE_HELLO__INIT;
	int r = 0;

	w->has_full = false;
	hello.schema = SCHEMA;
	hello.node.data = (uint8_t *)w->node;
	hello.node.len = w->node_len;
	hello.instance.data = w->instance;
	hello.instance.len = sizeof(w->instance);
	r = pw_stream_send(w->stream, &hello.base);
	if (r < 0) {
		pw_stream_restart(w->stream, 1000);
		return;
	}
	/* One request: closed behind it. */
	pw_stream_half_close(w->stream);
	atomic_store_explicit(&w->connected, true, memory_order_relaxed);
	pw_log_info(MODULE, "connected to policysync");
}

static void refuse(struct node_watch *w, const char *why)
{
	atomic_fetch_add_explicit(&w->refused, 1, memory_order_relaxed);
	pw_log_limited(PW_LOG_WARN, 5, MODULE, "update refused, the last one stays: %s", why);
}

static void on_message(void *ctx, const ProtobufCMessage *msg)
{
	struct node_watch *w = ctx;
	const Podward__V1__NodeUpdate *m = (const Podward__V1__NodeUpdate *)(const void *)msg;
	struct node_update *update = NULL;
	int r = 0;

	if (!w->has_full && !m->full) {
		refuse(w, "the first update of a stream must be full");
		pw_stream_restart(w->stream, 1000);
		return;
	}
	r = node_update_copy(m, &update);
	if (r < 0) {
		refuse(w, pw_err_text(r));
		/* Later updates build upon this one. */
		pw_stream_restart(w->stream, 5000);
		return;
	}
	w->has_full = true;
	atomic_fetch_add_explicit(&w->updates, 1, memory_order_relaxed);
	w->on_update(w->ctx, update);
	pw_stream_next(w->stream);
}

static void on_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	struct node_watch *w = ctx;

	atomic_store_explicit(&w->connected, false, memory_order_relaxed);
	pw_log_limited(PW_LOG_WARN, 5, MODULE,
		"no policysync: %s: %s; the last assignments stay, next attempt in %u ms",
		pw_rpc_status_name(status), detail, delay_ms);
}

int node_watch_new(const struct pw_channel_config *policysync, struct pw_slice node,
	void (*on_update)(void *ctx, struct node_update *update), void *ctx,
	struct node_watch **ret)
{
	struct node_watch *w = pw_alloc0(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->loop = policysync->loop;
	w->tls = policysync->tls;
	w->target = pw_strdup(policysync->target);
	w->node = pw_memdupz(node.ptr, node.len);
	w->node_len = node.len;
	w->on_update = on_update;
	w->ctx = ctx;
	if (!w->target || !w->node) {
		node_watch_free(w);
		return -ENOMEM;
	}
	*ret = w;
	return 0;
}

struct start_call {
	struct node_watch *w;
	struct pw_err *err;
	int r;
};

static void start_here(void *ctx)
{
	static const struct pw_stream_ops ops = {
		.on_up = on_up, .on_message = on_message, .on_down = on_down};
	struct start_call *call = ctx;
	struct node_watch *w = call->w;
	struct pw_channel_config channel = {
		.loop = w->loop, .target = w->target, .tls = w->tls, .role = PW_ROLE_POLICYSYNC};

	call->r = pw_channel_new(&channel, &w->channel, call->err);
	if (call->r == 0)
		call->r = pw_stream_start(w->channel,
			&(struct pw_stream_config){
				.service = &podward__v1__node_service__descriptor,
				.method = "Watch",
				.ops = &ops,
				.ctx = w},
			&w->stream, call->err);
}

int node_watch_start(struct node_watch *w, const uint8_t instance[16], struct pw_err *err)
{
	struct start_call call = {w, err, 0};
	int r = 0;

	memcpy(w->instance, instance, sizeof(w->instance));
	r = pw_rpc_loop_call(w->loop, start_here, &call);
	if (r < 0)
		return pw_err_set(err, r, "policysync: %s", pw_err_text(r));
	return call.r;
}

static void stop_here(void *ctx)
{
	struct node_watch *w = ctx;

	pw_stream_stop(PW_TAKE(w->stream));
	if (w->channel)
		pw_channel_free(PW_TAKE(w->channel));
}

void node_watch_free(struct node_watch *w)
{
	if (!w)
		return;
	if ((w->channel || w->stream) && pw_rpc_loop_call(w->loop, stop_here, w) < 0)
		pw_log_error(MODULE, "freed after its loop");
	free(w->target);
	free(w->node);
	free(w);
}

void node_watch_get_stats(const struct node_watch *w, struct node_watch_stats *ret)
{
	*ret = (struct node_watch_stats){
		.updates = atomic_load_explicit(&w->updates, memory_order_relaxed),
		.refused = atomic_load_explicit(&w->refused, memory_order_relaxed),
		.connected = atomic_load_explicit(&w->connected, memory_order_relaxed),
	};
}
