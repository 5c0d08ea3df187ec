/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Metrics of the collector: the table (metrics.def) and the copying of totals into it, once a
 * second, on the main loop, so that the tables themselves are never read by another thread.
 * Thread: the pipeline's.
 */
#include "collector/node_watch.h"
#include "collector/pipeline.h"
#include "collector/source.h"
#include "collector/uplink.h"
#include "common/ops/metrics.h"

enum metrics_id {
#define METRIC(id, name, type, help, label0, label1) METRIC_##id,
#include "collector/metrics.def"
#undef METRIC
	METRICS
};

extern const struct pw_metric_spec metrics_table[METRICS];

struct pw_tls;

/* What is there to copy; NULL = that part does not run. */
struct metrics_sources {
	const struct pipeline_stats *pipeline;
	const struct source_stats *source;
	const struct uplink_stats *uplink;
	const struct node_watch_stats *node_watch;
	const struct source *probe; /* its programs */
	struct pw_tls *tls;
};

void metrics_publish(struct pw_metrics *m, const struct metrics_sources *s);
void metrics_observe_delay(struct pw_metrics *m, struct pw_boot event, struct pw_boot now);
