/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What other threads may see of the running analyzer: published values only. The rpc thread
 * publishes struct state_rpc once a second, the shards their summaries, the feed the policy.
 * Thread: any reads; the HTTP thread does.
 */
#include "analyzer/forward.h"
#include "analyzer/intake.h"
#include "analyzer/policy_feed.h"
#include "analyzer/shard.h"

struct state_rpc {
	struct intake_stats intake;
	struct forward_stats forward;
	struct policy_feed_stats feed;
	uint64_t sources;
	struct share_stats share;
	bool is_ready; /* profiles are loaded, a policy is in force */
	bool has_left; /* shares, and has given everything away */
};

struct state {
	struct shard *shards[SHARDS_MAX];
	uint32_t shard_count;
	struct pw_snapshot *policy; /* of struct policy */
	struct pw_snapshot *rpc;    /* of struct state_rpc */
};
