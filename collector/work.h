/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the main loop does: drains the source, moves time on, copies totals, ends in order.
 * Thread: the main loop's; work_on_update: the RPC loop's.
 */
#include "collector/state.h"

/* Starts the timers. The pipeline has been scanned. */
int work_start(struct state *st, struct pw_err *err) PW_MUST_CHECK;
void work_done(struct state *st); /* frees timers and watches */
/* Batches of the pipeline; ctx is the state. */
void work_on_batch(void *ctx, struct pw_batch *batch);
/* One that found no room between the threads: its events count as lost. */
void work_on_lost(void *ctx, struct pw_batch *batch);
/* Events for printing. */
void work_on_view(void *ctx, const struct pipeline_view *v);
/* Updates of policysync, on the RPC loop; go to the main loop. */
void work_on_update(void *ctx, struct node_update *update);
/* SIGTERM, SIGINT: the first lets everything go out, the second does not wait. */
void work_on_signal(int signal, void *ctx);
