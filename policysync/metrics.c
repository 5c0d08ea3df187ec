// SPDX-License-Identifier: Apache-2.0
#include "policysync/metrics.h"

static const double metrics_commit_buckets[] = {
	0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2};
static const double metrics_output_buckets[] = {0.001, 0.005, 0.02, 0.1, 0.5, 1, 5, 30};

/* A conditional on the macro argument would compare an array's address with NULL, which warns. */
#define COUNT_NULL                   0
#define COUNT_metrics_commit_buckets PW_COUNT(metrics_commit_buckets)
#define COUNT_metrics_output_buckets PW_COUNT(metrics_output_buckets)

const struct pw_metric_spec metrics_table[METRICS] = {
#define METRIC(id, name_, type_, help_, label0, label1, buckets_) \
	[METRIC_##id] = {                                         \
		.name = name_,                                    \
		.type = type_,                                    \
		.help = help_,                                    \
		.labels = {label0, label1, NULL},                 \
		.buckets = buckets_,                              \
		.bucket_count = COUNT_##buckets_,                 \
	},
#include "policysync/metrics.def"
#undef METRIC
};
