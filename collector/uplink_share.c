/* SPDX-License-Identifier: Apache-2.0 */
/* Several analyzers share the pod groups: what one uplink gives to others when owners change. */
#include "collector/uplink_core.h"

#include "common/base/log.h"

#include <errno.h>

#define MODULE "uplink"

struct share_call { /* to the RPC loop and back */
	struct uplink *u;
	const struct split_map *map;
	uint32_t lane;
	bool is_new;
	size_t limit_bytes;
	struct pw_batch *adopt;
	struct uplink_parts *parts;
	int r;
};

static void on_part(void *ctx, uint32_t lane, struct pw_batch *batch)
{
	struct uplink_parts *parts = ctx;

	batch->next = NULL;
	if (parts->last[lane])
		parts->last[lane]->next = batch;
	else
		parts->first[lane] = batch;
	parts->last[lane] = batch;
}

static void reroute_here(void *ctx)
{
	struct share_call *call = ctx;
	struct uplink *u = call->u;

	uplink_take_queue(u);
	call->r = backlog_reroute(
		&u->backlog, call->map, call->lane, call->is_new, on_part, call->parts);
	if (call->r == 0)
		u->map_epoch = call->map->epoch;
	uplink_publish(u);
}

int uplink_reroute(struct uplink *u, const struct split_map *map, uint32_t lane, bool is_new,
	struct uplink_parts *ret)
{
	struct share_call call = {.u = u, .map = map, .lane = lane, .is_new = is_new, .parts = ret};
	int r = pw_rpc_loop_call(u->loop, reroute_here, &call);

	return r < 0 ? r : call.r;
}

static void set_limit_here(void *ctx)
{
	struct share_call *call = ctx;

	call->u->backlog.limit_bytes = call->limit_bytes;
	(void)backlog_drop_to_limit(&call->u->backlog);
	uplink_publish(call->u);
}

void uplink_set_limit(struct uplink *u, size_t backlog_bytes)
{
	struct share_call call = {.u = u, .limit_bytes = backlog_bytes};

	(void)!pw_rpc_loop_call(u->loop, set_limit_here, &call);
}

static void adopt_here(void *ctx)
{
	struct share_call *call = ctx;
	struct pw_batch *batch = call->adopt;
	uint32_t dropped = 0;

	while (batch) {
		struct pw_batch *next = batch->next;

		dropped += backlog_push(&call->u->backlog, batch);
		batch = next;
	}
	if (dropped > 0)
		pw_log_limited(PW_LOG_WARN, 1, MODULE,
			"backlog is full, the oldest batches are dropped and counted");
	uplink_publish(call->u);
	if (call->u->stream)
		uplink_send_next(call->u);
}

void uplink_adopt(struct uplink *u, struct pw_batch *first)
{
	struct share_call call = {.u = u, .adopt = first};

	/* Only a loop that has ended refuses, and uplinks go before it. */
	pw_assert(pw_rpc_loop_call(u->loop, adopt_here, &call) == 0);
}

static void clear_here(void *ctx)
{
	struct share_call *call = ctx;

	uplink_disconnect(call->u);
}

void uplink_clear_target(struct uplink *u)
{
	struct share_call call = {.u = u};

	(void)!pw_rpc_loop_call(u->loop, clear_here, &call);
}
