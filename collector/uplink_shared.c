/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/uplink_shared.h"

static void set(_Atomic uint64_t *what, uint64_t value)
{
	atomic_store_explicit(what, value, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *what)
{
	return atomic_load_explicit(what, memory_order_relaxed);
}

static void publish_file(struct uplink_shared *s, const struct keep *keep)
{
	struct keep_stats stats;

	if (!keep)
		return;
	keep_get_stats(keep, &stats);
	set(&s->file_bytes, stats.bytes);
	for (unsigned i = 0; i < KEEP_ERROR_COUNT; i++)
		set(&s->file_errors[i], stats.errors[i]);
}

void uplink_shared_publish(struct uplink_shared *s, const struct backlog *b,
	const struct pw_stream *stream, bool connected)
{
	struct pw_stream_stats stats = {0};

	if (stream)
		pw_stream_get_stats(stream, &stats);
	publish_file(s, b->keep);
	set(&s->unacked_events, b->unacked_events);
	set(&s->backlog_bytes, b->bytes);
	set(&s->dropped_batches, b->dropped_batches);
	set(&s->dropped_events, b->dropped_events);
	set(&s->bytes_sent, stats.bytes_sent);
	atomic_store_explicit(&s->connected, connected, memory_order_relaxed);
	/* Last: who reads 0 here and sees everything taken knows that all is durable. */
	atomic_store_explicit(&s->backlog_batches, b->count, memory_order_release);
}

void uplink_shared_read(const struct uplink_shared *s, uint64_t pushed, struct uplink_stats *ret)
{
	uint64_t taken = atomic_load_explicit(&s->taken, memory_order_acquire);
	uint64_t held = atomic_load_explicit(&s->backlog_batches, memory_order_acquire);

	*ret = (struct uplink_stats){
		.sent_batches = get(&s->sent_batches),
		.resent_batches = get(&s->resent_batches),
		.sent_events = get(&s->sent_events),
		.resent_events = get(&s->resent_events),
		.acked_batches = get(&s->acked_batches),
		.unacked_events = get(&s->unacked_events),
		.backlog_bytes = get(&s->backlog_bytes),
		.backlog_batches = held,
		.dropped_batches = get(&s->dropped_batches),
		.dropped_events = get(&s->dropped_events),
		.connects = get(&s->connects),
		.disconnects = get(&s->disconnects),
		.protocol_errors = get(&s->protocol_errors),
		.throttles = get(&s->throttles),
		.drains = get(&s->drains),
		.bytes_sent = get(&s->bytes_sent),
		.not_owner = get(&s->not_owner),
		.file.bytes = get(&s->file_bytes),
		.max_batch_events =
			atomic_load_explicit(&s->max_batch_events, memory_order_relaxed),
		.connected = atomic_load_explicit(&s->connected, memory_order_relaxed),
		.idle = taken == pushed && held == 0,
	};
	for (unsigned i = 0; i < KEEP_ERROR_COUNT; i++)
		ret->file.errors[i] = get(&s->file_errors[i]);
}
