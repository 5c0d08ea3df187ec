/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Metrics of the analyzer: the table (metrics.def) and the copying of published totals into it.
 * Thread: metrics_collect runs on the HTTP thread before each rendering.
 */
#include "analyzer/state.h"
#include "common/ops/metrics.h"

enum metrics_id {
#define METRIC(id, name, type, help, label0, label1) METRIC_##id,
#include "analyzer/metrics.def"
#undef METRIC
	METRICS
};

extern const struct pw_metric_spec metrics_table[METRICS];

struct metrics {
	struct pw_metrics *registry;
	struct state *state;
	struct pw_tls *tls; /* NULL = without certificates */
};

/* ctx is a struct metrics. */
void metrics_collect(void *ctx);
