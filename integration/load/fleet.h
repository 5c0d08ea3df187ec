/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Many collectors in one process, without their kernel side: each has the collector's own uplink,
 * with its backlog, its encoder and a connection of its own; they share one RPC loop. What an
 * analyzer sees of them is what it would see of as many nodes.
 * Thread: one; the uplinks' figures come from the RPC loop. Ceilings: FLEET_MAX collectors, 1,024
 * batches each between the threads, then backlog_bytes each.
 */
#include "collector/uplink.h"

#define FLEET_MAX 4096u

struct fleet_settings {
	const char *const *targets; /* collector i connects to i / per_target */
	uint32_t target_count, per_target, nodes;
	size_t backlog_bytes;
	struct pw_tls *tls;
	bool live; /* false: stamps are wall time - boot_to_wall_ns */
	int64_t boot_to_wall_ns;
};

struct fleet_totals {
	uint64_t sent_batches, sent_events, resent_events, acked_batches, dropped_events, throttles,
		disconnects, bytes_sent, backlog_bytes, backlog_batches;
	uint32_t connected, idle;
};

struct fleet;

int fleet_new(const struct fleet_settings *settings, struct fleet **ret,
	struct pw_err *err) PW_MUST_CHECK;
void fleet_free(struct fleet *f); /* NULL is fine */
/* Takes the batch over, also when it returns false: no room, the batch was given up. */
bool fleet_push(struct fleet *f, uint32_t node, struct pw_batch *b) PW_MUST_CHECK;
uint32_t fleet_waiting(const struct fleet *f, uint32_t node); /* batches that are not durable */
void fleet_sum(const struct fleet *f, struct fleet_totals *ret);
