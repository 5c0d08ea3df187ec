/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * ShardService: analyzers that share the pod groups say that they are there; each change of the map
 * (shard_map.h) goes to all of them and, by way of on_map, to the collectors. Without such an
 * analyzer there is no map and nothing changes for anybody.
 * Thread: the rpc loop's. Ceiling: SHARDS_CALLS calls.
 */
#include "common/rpc/server.h"
#include "policysync/metrics.h"
#include "policysync/shard_map.h"

#define SHARDS_CALLS (2 * PLACEMENT_MEMBERS)

struct shards;

int shards_new(struct pw_rpc_loop *loop, const struct shard_map_settings *settings,
	struct pw_metrics *metrics, struct shards **ret) PW_MUST_CHECK;
void shards_free(struct shards *s); /* after the server stopped, before its loop does */
void shards_method(struct shards *s, struct pw_method *out);
/* fn gets every map with a new epoch; valid until the next. Before the server starts. */
void shards_on_map(
	struct shards *s, void (*fn)(void *ctx, const Podward__V1__ShardMap *map), void *ctx);
/* As shard_map_may_write. */
bool shards_may_write(const struct shards *s, struct pw_slice analyzer, uint64_t group_hash);
