/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The figures of an uplink, for uplink.c only: its RPC loop writes them, anybody reads.
 * Threads: as named; no figure is wrong alone, two may be of different moments.
 */
#include "collector/backlog.h"
#include "collector/uplink.h"
#include "common/rpc/client.h"

#include <stdatomic.h>

struct uplink_shared { /* written by the RPC loop, read by anyone */
	_Atomic uint64_t sent_batches, resent_batches, sent_events, resent_events, acked_batches;
	_Atomic uint64_t unacked_events, backlog_bytes, backlog_batches;
	_Atomic uint64_t dropped_batches, dropped_events;
	_Atomic uint64_t connects, disconnects, protocol_errors, throttles, drains, bytes_sent;
	_Atomic uint64_t not_owner;
	_Atomic uint64_t file_bytes, file_errors[KEEP_ERROR_COUNT];
	_Atomic uint64_t taken; /* batches out of the queue */
	_Atomic uint32_t max_batch_events;
	_Atomic bool connected;
};

/* RPC loop: copies what the backlog and the stream (NULL = none) count themselves. */
void uplink_shared_publish(struct uplink_shared *s, const struct backlog *b,
	const struct pw_stream *stream, bool connected);
/* Any thread; pushed = batches given to the queue so far. */
void uplink_shared_read(const struct uplink_shared *s, uint64_t pushed, struct uplink_stats *ret);

static inline void uplink_shared_count(_Atomic uint64_t *what, uint64_t n)
{
	atomic_fetch_add_explicit(what, n, memory_order_relaxed);
}
