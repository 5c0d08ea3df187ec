/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/uplink_core.h"

#include "common/base/escape.h"
#include "common/base/log.h"
#include "podward/v1/collect.pb-c.h"

#include <errno.h>

#define MODULE           "uplink"
#define SCHEMA           1u
#define QUEUE_BATCHES    1024
#define ENCODE_CHUNK     (256u * 1024)
#define ENCODE_LIMIT     (8u << 20)
#define RETRY_MS         100u
#define THROTTLE_MAX_MS  60000u
#define LOCAL_BACKOFF_MS 400u
#define RESTART_MS       500u
#define INSTANCE_LEN     16

void uplink_publish(struct uplink *u)
{
	uplink_shared_publish(&u->shared, &u->backlog, u->stream, u->state == UPLINK_STREAM);
}

void uplink_take_queue(struct uplink *u)
{
	struct pw_batch *batch = NULL;

	while ((batch = pw_spsc_pop(u->queue))) {
		if (backlog_push(&u->backlog, batch) > 0)
			pw_log_limited(PW_LOG_WARN, 1, MODULE,
				"backlog is full, the oldest batches are dropped and counted");
		uplink_publish(u);
		atomic_fetch_add_explicit(&u->shared.taken, 1, memory_order_release);
	}
}

static void wait_ms(struct uplink *u, uint32_t ms)
{
	u->waiting = true;
	pw_rpc_timer_set(u->timer, ms);
}

/* The stream cannot go on as it is: both ends start over. */
static void start_over_in(struct uplink *u, const char *why, uint32_t max_ms)
{
	pw_log_limited(PW_LOG_WARN, 5, MODULE, "stream starts over: %s", why);
	u->state = UPLINK_DOWN;
	pw_stream_restart(u->stream, max_ms);
	uplink_publish(u);
}

static void start_over(struct uplink *u, const char *why)
{
	start_over_in(u, why, RESTART_MS);
}

static void send_hello(struct uplink *u)
{
	Podward__V1__CollectHello hello = PODWARD__V1__COLLECT_HELLO__INIT;
	Podward__V1__CollectRequest request = PODWARD__V1__COLLECT_REQUEST__INIT;
	int r = 0;

	hello.schema = SCHEMA;
	hello.node.data = (uint8_t *)u->node;
	hello.node.len = u->settings.node.len;
	hello.boot_id.data = u->settings.boot_id;
	hello.boot_id.len = sizeof(u->settings.boot_id);
	hello.instance.data = u->backlog.instance;
	hello.instance.len = sizeof(u->backlog.instance);
	hello.first_seq = backlog_first_seq(&u->backlog);
	hello.next_seq = u->backlog.next_seq;
	request.message_case = PODWARD__V1__COLLECT_REQUEST__MESSAGE_HELLO;
	request.hello = &hello;
	r = pw_stream_send(u->stream, &request.base);
	u->hello_due = r < 0;
	if (r < 0)
		wait_ms(u, RETRY_MS);
}

static void note_sent(struct uplink *u, const struct pw_batch *batch)
{
	uint64_t events = 0;
	bool again = batch->seq <= u->newest_sent_seq;

	for (uint32_t i = 0; i < batch->event_count; i++)
		events += batch->events[i].count;
	uplink_shared_count(&u->shared.sent_batches, 1);
	uplink_shared_count(&u->shared.sent_events, events);
	if (again) {
		uplink_shared_count(&u->shared.resent_batches, 1);
		uplink_shared_count(&u->shared.resent_events, events);
	} else {
		u->newest_sent_seq = batch->seq;
	}
}

/* 0 = on its way, else -errno: what was told about definitions was taken back or is void. */
static int send_batch(struct uplink *u, const struct pw_batch *batch)
{
	Podward__V1__EventBatch msg = PODWARD__V1__EVENT_BATCH__INIT;
	Podward__V1__CollectRequest request = PODWARD__V1__COLLECT_REQUEST__INIT;
	int r = pw_encode_batch(u->encoder, batch, u->arena, &msg);

	if (r < 0)
		return r;
	msg.map_epoch = u->map_epoch;
	request.message_case = PODWARD__V1__COLLECT_REQUEST__MESSAGE_BATCH;
	request.batch = &msg;
	r = pw_stream_send(u->stream, &request.base);
	pw_arena_reset(u->arena);
	return r;
}

void uplink_send_next(struct uplink *u)
{
	const struct pw_batch *batch = NULL;
	int64_t offset = u->settings.live ? pw_boot_to_wall_offset() : u->settings.boot_to_wall_ns;
	int r = 0;

	if (u->state != UPLINK_STREAM || u->waiting || !pw_stream_may_send(u->stream))
		return;
	if (u->backlog.gap) {
		start_over(u, "the backlog dropped batches that were due again");
		return;
	}
	batch = backlog_take_next(&u->backlog, offset);
	if (!batch)
		return;
	r = send_batch(u, batch);
	if (r == 0) {
		backlog_sent(&u->backlog);
		note_sent(u, batch);
		uplink_publish(u);
		return;
	}
	/* The encoder may have told what was never sent: only a new stream sets that right. */
	start_over(u, pw_err_text(r));
}

static void on_timer(void *ctx)
{
	struct uplink *u = ctx;

	u->waiting = false;
	if (u->hello_due && u->stream && pw_stream_may_send(u->stream))
		send_hello(u);
	if (u->stream)
		uplink_send_next(u);
}

static void on_up(void *ctx)
{
	struct uplink *u = ctx;

	pw_encoder_reset(u->encoder);
	u->waiting = false;
	pw_rpc_timer_stop(u->timer);
	u->state = UPLINK_HELLO;
	uplink_shared_count(&u->shared.connects, 1);
	uplink_take_queue(u);
	send_hello(u);
}

static void on_sent(void *ctx)
{
	struct uplink *u = ctx;

	uplink_send_next(u);
}

static void on_down(void *ctx, int status, const char *detail, uint32_t delay_ms)
{
	struct uplink *u = ctx;

	if (u->state != UPLINK_DOWN)
		uplink_shared_count(&u->shared.disconnects, 1);
	u->state = UPLINK_DOWN;
	u->hello_due = false;
	uplink_publish(u);
	pw_log_limited(PW_LOG_WARN, 5, MODULE,
		"stream to the analyzer is down: %s: %s; next attempt in %u ms",
		pw_rpc_status_name(status), detail, delay_ms);
}

static void protocol_error(struct uplink *u, const char *what)
{
	uplink_shared_count(&u->shared.protocol_errors, 1);
	start_over(u, what);
}

static void on_welcome(struct uplink *u, const Podward__V1__CollectWelcome *w)
{
	bool same = false;

	if (u->state != UPLINK_HELLO || w->instance.len != INSTANCE_LEN ||
		w->received_seq >= u->backlog.next_seq) {
		protocol_error(u, "welcome out of turn or with impossible values");
		return;
	}
	same = backlog_welcome(&u->backlog, w->instance.data);
	backlog_resume(&u->backlog, same, w->received_seq);
	atomic_store_explicit(
		&u->shared.max_batch_events, w->max_batch_events, memory_order_relaxed);
	u->state = UPLINK_STREAM;
	uplink_publish(u);
	pw_log_info(MODULE, "stream to the analyzer is up: %s instance, it has batches up to %llu",
		same ? "same" : "new", (unsigned long long)w->received_seq);
}

static void on_ack(struct uplink *u, const Podward__V1__CollectAck *ack)
{
	uint32_t before = u->backlog.count;

	if (u->state != UPLINK_STREAM && u->state != UPLINK_DRAIN) {
		protocol_error(u, "acknowledgement before the welcome");
		return;
	}
	if (backlog_ack(&u->backlog, ack->received_seq, ack->durable_seq) < 0) {
		protocol_error(u, "acknowledgement of what was never sent");
		return;
	}
	uplink_shared_count(&u->shared.acked_batches, before - u->backlog.count);
	uplink_publish(u);
}

static void on_drain(struct uplink *u)
{
	uplink_shared_count(&u->shared.drains, 1);
	if (u->state != UPLINK_STREAM)
		return;
	u->state = UPLINK_DRAIN;
	uplink_publish(u);
	pw_stream_half_close(u->stream);
}

static void on_throttle(struct uplink *u, uint32_t delay_ms)
{
	uplink_shared_count(&u->shared.throttles, 1);
	wait_ms(u, delay_ms > THROTTLE_MAX_MS ? THROTTLE_MAX_MS : delay_ms);
}

static void on_message(void *ctx, const ProtobufCMessage *msg)
{
	struct uplink *u = ctx;
	const Podward__V1__CollectReply *reply =
		(const Podward__V1__CollectReply *)(const void *)msg;

	if (u->state == UPLINK_DOWN)
		return; /* of the stream that was given up */
	switch (reply->message_case) {
	case PODWARD__V1__COLLECT_REPLY__MESSAGE_WELCOME:
		on_welcome(u, reply->welcome);
		break;
	case PODWARD__V1__COLLECT_REPLY__MESSAGE_ACK:
		on_ack(u, reply->ack);
		break;
	case PODWARD__V1__COLLECT_REPLY__MESSAGE_THROTTLE:
		on_throttle(u, reply->throttle->delay_ms);
		break;
	case PODWARD__V1__COLLECT_REPLY__MESSAGE_DRAIN:
		on_drain(u);
		break;
	case PODWARD__V1__COLLECT_REPLY__MESSAGE_NOT_OWNER:
		uplink_shared_count(&u->shared.not_owner, 1);
		/* The map is on its way to here as well. */
		start_over_in(u, "the analyzer goes by another map of owners", RETRY_MS);
		break;
	case PODWARD__V1__COLLECT_REPLY__MESSAGE__NOT_SET:
	default:
		break; /* of a later schema: nothing that we must understand */
	}
	if (u->state == UPLINK_DOWN)
		return;
	pw_stream_next(u->stream);
	uplink_send_next(u);
}

static void wake(void *ctx)
{
	struct uplink *u = ctx;

	atomic_store_explicit(&u->wake_waits, false, memory_order_release);
	uplink_take_queue(u);
	if (u->stream)
		uplink_send_next(u);
}

void uplink_disconnect(struct uplink *u)
{
	pw_stream_stop(PW_TAKE(u->stream));
	if (u->channel)
		pw_channel_free(PW_TAKE(u->channel));
	u->state = UPLINK_DOWN;
	u->waiting = false;
	free(u->target);
	u->target = NULL;
	uplink_publish(u);
}

/* A socket on this node has no crowd that would come back all at once. */
static struct pw_stream_limits limits_for(const char *target)
{
	struct pw_stream_limits limits = PW_STREAM_LIMITS_DEFAULT;

	if (strncmp(target, "unix", 4) == 0)
		limits.backoff_cap_ms = LOCAL_BACKOFF_MS;
	return limits;
}

struct target_call { /* to the RPC loop and back */
	struct uplink *u;
	const char *target;
	struct pw_err *err;
	int r;
};

static void set_target_here(void *ctx)
{
	static const struct pw_stream_ops ops = {
		.on_up = on_up, .on_message = on_message, .on_sent = on_sent, .on_down = on_down};
	struct target_call *call = ctx;
	struct pw_stream_limits limits = limits_for(call->target);
	struct uplink *u = call->u;
	struct pw_channel_config channel = {.loop = u->loop,
		.target = call->target,
		.tls = u->settings.tls,
		.role = PW_ROLE_ANALYZER};

	if (u->target && strcmp(u->target, call->target) == 0)
		return;
	uplink_disconnect(u);
	u->target = pw_strdup(call->target);
	call->r = u->target ? pw_channel_new(&channel, &u->channel, call->err)
			    : pw_err_set(call->err, -ENOMEM, "out of memory");
	if (call->r == 0)
		call->r = pw_stream_start(u->channel,
			&(struct pw_stream_config){
				.service = &podward__v1__collect_service__descriptor,
				.method = "Stream",
				.ops = &ops,
				.limits = &limits,
				.ctx = u},
			&u->stream, call->err);
	if (call->r < 0)
		uplink_disconnect(u);
}

int uplink_set_target(struct uplink *u, const char *target, struct pw_err *err)
{
	struct target_call call = {u, target, err, 0};
	int r = pw_rpc_loop_call(u->loop, set_target_here, &call);

	if (r < 0)
		return pw_err_set(err, r, "uplink: %s", pw_err_text(r));
	return call.r;
}

const uint8_t *uplink_instance(const struct uplink *u)
{
	return u->backlog.instance;
}

uint64_t uplink_first_epoch(const struct uplink *u)
{
	return u->backlog.dict_epoch + 1;
}

uint64_t uplink_batches_before(const struct uplink *u)
{
	uint64_t n = u->backlog.next_seq - 1;

	for (const struct pw_batch *b = u->backlog.first; b; b = b->next)
		n += b->seq == 0; /* not sent yet, so without a number */
	return n;
}

bool uplink_push(struct uplink *u, struct pw_batch *batch)
{
	if (!pw_spsc_push(u->queue, batch))
		return false;
	atomic_fetch_add_explicit(&u->pushed, 1, memory_order_relaxed);
	/* When the post is refused the next push tries again. */
	if (!atomic_exchange_explicit(&u->wake_waits, true, memory_order_acq_rel) &&
		pw_rpc_loop_post(u->loop, wake, u) < 0)
		atomic_store_explicit(&u->wake_waits, false, memory_order_release);
	return true;
}

void uplink_get_stats(const struct uplink *u, struct uplink_stats *ret)
{
	uint64_t pushed = atomic_load_explicit(&u->pushed, memory_order_relaxed);

	uplink_shared_read(&u->shared, pushed, ret);
	ret->restored_batches = u->backlog.restored_batches; /* does not change */
}

static void release_here(void *ctx)
{
	struct uplink *u = ctx;

	uplink_disconnect(u);
	pw_rpc_timer_free(u->timer);
	u->timer = NULL;
}

static void uplink_destroy(struct uplink *u)
{
	struct pw_batch *batch = NULL;

	if (u->queue)
		while ((batch = pw_spsc_pop(u->queue)))
			pw_batch_free(batch);
	pw_spsc_free(u->queue);
	backlog_done(&u->backlog);
	pw_encoder_free(u->encoder);
	pw_arena_free(u->arena);
	free(u->node);
	free(u->target);
	free(u);
}

/* A wake-up that was posted before runs before this. */
void uplink_free(struct uplink *u)
{
	if (!u)
		return;
	if (u->timer && pw_rpc_loop_call(u->loop, release_here, u) < 0)
		pw_log_error(MODULE, "freed after its loop");
	uplink_destroy(u);
}

static void uplink_freep(struct uplink **u)
{
	uplink_free(*u);
}

static void make_timer_here(void *ctx)
{
	struct target_call *call = ctx;

	call->r = pw_rpc_timer_new(call->u->loop, on_timer, call->u, &call->u->timer);
}

/* Records that are read may take twice the ceiling and one batch more. */
static int open_file(struct uplink *u, struct pw_err *err)
{
	uint64_t bytes_max = 2 * (uint64_t)u->settings.backlog_bytes + 2 * KEEP_RECORD_MAX;
	struct backlog *b = &u->backlog;
	struct keep *keep = NULL;
	int r = keep_open(u->settings.state_dir, bytes_max, &keep, err);

	if (r < 0)
		return pw_err_wrap(err, r, "--state-dir");
	r = backlog_restore(b, keep);
	if (r < 0)
		return r;
	u->newest_sent_seq = b->next_seq - 1;
	if (b->count > 0)
		pw_log_info(MODULE, "going on with %u batches of the collector before", b->count);
	uplink_publish(u);
	return 0;
}

static int build(struct uplink *u, const struct uplink_settings *settings, struct pw_err *err)
{
	struct target_call call = {.u = u};
	int r = 0;

	u->settings = *settings;
	u->node = pw_memdupz(settings->node.ptr, settings->node.len);
	if (!u->node)
		return -ENOMEM;
	backlog_init(&u->backlog, settings->backlog_bytes);
	memcpy(u->backlog.instance, settings->instance, INSTANCE_LEN);
	memcpy(u->backlog.boot_id, settings->boot_id, sizeof(u->backlog.boot_id));
	if (settings->state_dir && settings->state_dir[0])
		r = open_file(u, err);
	if (r == 0)
		r = pw_spsc_new(QUEUE_BATCHES, &u->queue);
	if (r == 0)
		r = pw_encoder_new(&u->encoder);
	if (r == 0)
		r = pw_arena_new(ENCODE_CHUNK, ENCODE_LIMIT, &u->arena);
	if (r == 0)
		r = pw_rpc_loop_call(u->loop, make_timer_here, &call);
	return r < 0 ? r : call.r;
}

int uplink_new(struct pw_rpc_loop *loop, const struct uplink_settings *settings,
	struct uplink **ret, struct pw_err *err)
{
	pw_cleanup(uplink_freep) struct uplink *u = pw_alloc0(1, sizeof(*u));
	int r = u ? 0 : -ENOMEM;

	if (r == 0) {
		u->loop = loop;
		r = build(u, settings, err);
	}
	if (r < 0)
		return pw_err_set(err, r, "uplink: %s", pw_err_text(r));
	*ret = PW_TAKE(u);
	return 0;
}
