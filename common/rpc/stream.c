/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/stream_core.h"

#include <errno.h>
#include <grpc/slice.h>

#include "common/base/escape.h"
#include "common/base/random.h"
#include "common/rpc/message.h"

#define ARENA_CHUNK_BYTES (64 << 10)
#define STABLE_NS         (10 * PW_NS_PER_S) /* up for so long, the next back-off starts anew */

static void stream_free(struct pw_stream *s)
{
	if (!s)
		return;
	pw_rpc_loop_remove(&s->object);
	pw_stream_call_clear(s);
	pw_rpc_timer_free(s->timer);
	pw_arena_free(s->arena);
	pw_channel_unref(s->channel);
	free(s->path);
	free(s);
}

static void stream_attempt(struct pw_stream *s)
{
	if (!s->is_stopped && !s->loop->is_stopping && !s->call.core)
		pw_stream_call_start(s);
}

static void stream_on_timer(void *ctx)
{
	struct pw_stream *s = ctx;

	if (s->call.core)
		pw_stream_call_open(s);
	else
		stream_attempt(s);
}

static uint32_t stream_delay_ms(struct pw_stream *s, bool was_up)
{
	if (was_up && pw_mono_now().ns - s->up_since.ns >= STABLE_NS)
		s->attempt = 0;
	if (s->is_restarting) {
		s->is_restarting = false;
		return s->restart_delay_ms;
	}
	return pw_backoff_ms(s->attempt++, s->limits.backoff_base_ms, s->limits.backoff_cap_ms);
}

static void stream_report_down(struct pw_stream *s, int status, const char *detail)
{
	uint32_t delay_ms = stream_delay_ms(s, s->call.was_up);

	pw_stream_count(s->call.was_up ? &s->disconnects : &s->failures, 1);
	pw_stream_call_clear(s);
	pw_rpc_timer_set(s->timer, delay_ms); /* first, so that the callback can change it */
	s->callbacks++;
	if (s->ops.on_down)
		s->ops.on_down(s->ctx, status, detail, delay_ms);
	s->callbacks--;
}

void pw_stream_on_end(struct pw_stream *s)
{
	int status = (int)s->call.status;
	char detail[300];

	pw_channel_on_end(s->channel, s->call.generation, status);
	(void)pw_message_text(s->call.detail, detail, sizeof(detail));
	if (!s->is_stopped)
		stream_report_down(s, status, detail);
	if (s->is_stopped)
		stream_free(s);
}

static void stream_on_cancel(struct pw_rpc_object *o)
{
	struct pw_stream *s = PW_CONTAINER_OF(o, struct pw_stream, object);

	pw_stream_call_cancel(s, PW_RPC_CANCELLED, "the loop stops");
}

static void stream_on_detach(struct pw_rpc_object *o)
{
	struct pw_stream *s = PW_CONTAINER_OF(o, struct pw_stream, object);

	s->loop = NULL;
}

static int stream_build(
	struct pw_stream *s, const ProtobufCServiceDescriptor *service, const char *method)
{
	int r;

	s->path = pw_message_path(service, method);
	if (!s->path)
		return -ENOMEM;
	r = pw_arena_new(ARENA_CHUNK_BYTES, s->limits.arena_bytes, &s->arena);
	if (r < 0)
		return r;
	return pw_rpc_timer_new(s->loop, stream_on_timer, s, &s->timer);
}

int pw_stream_start(struct pw_channel *c, const struct pw_stream_config *config,
	struct pw_stream **ret, struct pw_err *err)
{
	static const struct pw_stream_limits limits_default = PW_STREAM_LIMITS_DEFAULT;
	const ProtobufCMethodDescriptor *m = pw_message_method(config->service, config->method);
	struct pw_stream *s;
	int r;

	pw_assert(pw_rpc_loop_is_here(c->loop));
	if (!m)
		return pw_err_set(
			err, -ENOENT, "%s has no method %s", config->service->name, config->method);
	if (!c->loop || c->loop->is_stopping)
		return pw_err_set(err, -ESHUTDOWN, "stream: the loop stops");
	s = pw_alloc0(1, sizeof(*s));
	if (!s)
		return pw_err_set(err, -ENOMEM, "stream");
	s->object = (struct pw_rpc_object){
		.on_cancel = stream_on_cancel, .on_detach = stream_on_detach};
	s->loop = c->loop;
	s->channel = pw_channel_ref(c);
	s->method = m;
	s->ops = *config->ops;
	s->ctx = config->ctx;
	s->limits = config->limits ? *config->limits : limits_default;
	pw_stream_call_init(s);
	r = stream_build(s, config->service, config->method);
	if (r < 0) {
		stream_free(s);
		return pw_err_set(err, r, "stream to %s: %s", c->target, pw_err_text(r));
	}
	pw_rpc_loop_add(c->loop, &s->object);
	*ret = s;
	stream_attempt(s);
	return 0;
}

void pw_stream_restart(struct pw_stream *s, uint32_t max_delay_ms)
{
	uint32_t delay_ms = (uint32_t)pw_random_below((uint64_t)max_delay_ms + 1);

	pw_assert(pw_rpc_loop_is_here(s->loop));
	if (s->is_stopped || !s->loop)
		return;
	if (!s->call.core) {
		pw_rpc_timer_set(s->timer, delay_ms);
		return;
	}
	s->is_restarting = true;
	s->restart_delay_ms = delay_ms;
	pw_stream_call_cancel(s, PW_RPC_CANCELLED, "restarted");
}

bool pw_stream_is_up(const struct pw_stream *s)
{
	return s->is_up;
}

static uint64_t stream_read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void pw_stream_get_stats(const struct pw_stream *s, struct pw_stream_stats *ret)
{
	*ret = (struct pw_stream_stats){
		.connects = stream_read(&s->connects),
		.disconnects = stream_read(&s->disconnects),
		.messages_sent = stream_read(&s->messages_sent),
		.messages_received = stream_read(&s->messages_received),
		.bytes_sent = stream_read(&s->bytes_sent),
		.bytes_received = stream_read(&s->bytes_received),
		.malformed = stream_read(&s->malformed),
		.failures = stream_read(&s->failures),
	};
}

void pw_stream_stop(struct pw_stream *s)
{
	if (!s)
		return;
	pw_assert(pw_rpc_loop_is_here(s->loop));
	if (s->is_stopped)
		return;
	s->is_stopped = true;
	pw_rpc_timer_stop(s->timer);
	pw_stream_call_cancel(s, PW_RPC_CANCELLED, "stopped");
	if (!s->call.core && s->callbacks == 0)
		stream_free(s);
}
