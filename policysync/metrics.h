/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The table of metrics (metrics.def) as indexes and specs. Thread: any. */
#include "common/ops/metrics.h"

enum metric_id {
#define METRIC(id, name, type, help, label0, label1, buckets) METRIC_##id,
#include "policysync/metrics.def"
#undef METRIC
	METRICS
};

extern const struct pw_metric_spec metrics_table[METRICS];

static inline struct pw_metric_series *metric(
	struct pw_metrics *m, enum metric_id id, const char *label0, const char *label1)
{
	return pw_metric(m, (size_t)id, label0, label1, NULL);
}
