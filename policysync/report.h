/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * ReportService: takes alerts, occurrences and profiles of analyzers, hands them to the keeper and
 * acknowledges them when they are on disk; gives the stored profiles to analyzers that start.
 * A message is checked before it is handed over: a wrong field closes the stream with
 * INVALID_ARGUMENT and nothing of the message is applied. A failing database closes it with
 * UNAVAILABLE; the analyzer sends again.
 * Thread: the rpc loop's. Ceilings: REPORT_STREAMS streams, REPORT_WINDOW messages in flight each.
 */
#include "common/rpc/server.h"
#include "policysync/keeper.h"
#include "podward/v1/report.pb-c.h"

#define REPORT_STREAMS 256
#define REPORT_WINDOW  32
#define REPORT_METHODS 2

struct report;

int report_new(struct pw_rpc_loop *loop, struct keeper *keeper, struct pw_metrics *metrics,
	struct report **ret) PW_MUST_CHECK;
void report_free(struct report *r); /* after the server and the keeper stopped */
void report_methods(struct report *r, struct pw_method out[REPORT_METHODS]);
/*
 * fn is called on the rpc loop for each group of which something was learned; profiles are held
 * back from analyzers until report_post_loaded. Before the server starts.
 */
void report_on_learned(struct report *r, void (*fn)(void *ctx, struct pw_slice group), void *ctx);
/* fn is called on the rpc loop for each exclusion that had hits. Before the server starts. */
void report_on_hit(
	struct report *r, void (*fn)(void *ctx, const Podward__V1__ExclusionHit *hit), void *ctx);
/*
 * Asked for each profile on the rpc loop: false = the analyzer does not own the group (any more).
 * What it saw is taken, what it says about the state of the profile is not. Before the server
 * starts.
 */
void report_fence(struct report *r,
	bool (*may_write)(const void *ctx, struct pw_slice analyzer, uint64_t group_hash),
	const void *ctx);
void report_post_loaded(struct report *r); /* any thread */
/* Any thread; for tests and fuzzers: what a message is refused for. */
int report_check_items(const Podward__V1__ReportItems *items, struct pw_err *err) PW_MUST_CHECK;
