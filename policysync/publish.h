/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * PolicyService: every analyzer gets the current policy snapshot when it connects and each newer
 * one after that, and says which revision it has in force and what it refused. Thread: the rpc
 * loop's, except publish_changed and publish_status (any). Ceilings: PUBLISH_ANALYZERS streams, 32
 * problems kept of each; the newest snapshot replaces one that a slow analyzer has not taken yet.
 */
#include "common/base/snapshot.h"
#include "common/rpc/server.h"
#include "policysync/metrics.h"
#include "policysync/policy_set.h"

#define PUBLISH_ANALYZERS 64
#define PUBLISH_PROBLEMS  32

struct publish;

/* policies holds const struct policy_set values; borrowed. */
int publish_new(struct pw_rpc_loop *loop, struct pw_snapshot *policies, struct pw_metrics *metrics,
	struct publish **ret) PW_MUST_CHECK;
void publish_free(struct publish *p); /* after the server stopped */
void publish_method(struct publish *p, struct pw_method *out);
/* A new policy set was published in the snapshot. Any thread. */
void publish_changed(struct publish *p);
/* Analyzers and what they have in force, as a JSON array. Any thread. */
int publish_status(struct publish *p, struct pw_buf *out); /* errors stick in out */

struct publish_problem {
	char object[200], field[200], message[300]; /* escaped */
};

/* How far the analyzers that are connected are. */
struct publish_progress {
	size_t analyzer_count;
	uint64_t serials[PUBLISH_ANALYZERS]; /* in force at each, 0 = none yet */
	size_t problem_count;
	struct publish_problem problems[PUBLISH_PROBLEMS]; /* the first ones of all */
};
/* fn is called on the rpc loop after each change. Before the server starts. */
void publish_on_progress(struct publish *p,
	void (*fn)(void *ctx, const struct publish_progress *progress), void *ctx);
