/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Policies from policysync: each snapshot is compiled off to the side, published at once to all
 * shards, and answered with its status. A refused snapshot changes nothing; while policysync is
 * away the last one stays in force. A set on trial that alerts too much is taken back (canary.h):
 * the same snapshot is compiled again without it, and a further status says so.
 * Thread: the rpc loop's; the published policy is read by any.
 */
#include "analyzer/policy.h"
#include "analyzer/report.h"
#include "common/base/snapshot.h"
#include "common/rpc/client.h"

struct policy_feed_config {
	struct pw_channel *channel;
	const char *name; /* stable replica name */
	struct pw_snapshot *policy;
	void (*on_policy)(void *ctx); /* one came into force */
	void *ctx;
};

struct policy_feed_stats {
	uint64_t snapshots, refused, serial;
	uint64_t canary_rollbacks;
};

struct policy_feed;

int policy_feed_start(const struct policy_feed_config *config, struct policy_feed **ret,
	struct pw_err *err) PW_MUST_CHECK;
/* What a shard has to tell, before it is forwarded. */
void policy_feed_on_report(struct policy_feed *f, const struct report *r);
void policy_feed_get_stats(const struct policy_feed *f, struct policy_feed_stats *ret);
void policy_feed_stop(struct policy_feed *f); /* NULL is fine */
