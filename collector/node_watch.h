/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * NodeService.Watch: what policysync says about this node. Every update is checked, copied and
 * handed over; a lost connection comes back by itself and begins with a full update, until then the
 * last one stays in force.
 * Threads: new and free from the owner's; on_update is called on the RPC loop's thread.
 * Ceilings: 8,192 assignments, 8,192 removals, 256 exclusions, 64 analyzers in one update.
 */
#include "collector/assignments.h"
#include "collector/split.h"
#include "common/base/arena.h"
#include "common/base/err.h"

struct pw_channel_config;
struct node_watch;

struct node_update {
	struct pw_arena *arena; /* everything below lies there */
	bool full;
	uint64_t revision;
	struct assignment *assignments;
	uint32_t assignment_count;
	struct pw_slice *removed;
	uint32_t removed_count;
	bool has_scope;
	struct scope_rules scope;
	struct node_analyzer {
		const char *name, *address; /* NUL-terminated */
	} * analyzers;
	uint32_t analyzer_count;
	bool has_map;
	struct owners map;
};

void node_update_free(struct node_update *u);

struct node_watch_stats {
	uint64_t updates, refused;
	bool connected;
};

/* on_update takes the update over. Of policysync's config loop, target and tls count. */
int node_watch_new(const struct pw_channel_config *policysync, struct pw_slice node,
	void (*on_update)(void *ctx, struct node_update *update), void *ctx,
	struct node_watch **ret) PW_MUST_CHECK;
/* Connects. */
int node_watch_start(
	struct node_watch *w, const uint8_t instance[16], struct pw_err *err) PW_MUST_CHECK;
void node_watch_free(struct node_watch *w); /* before the loop stops; no callback afterwards */
void node_watch_get_stats(
	const struct node_watch *w, struct node_watch_stats *ret); /* any thread */
