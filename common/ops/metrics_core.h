/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What metrics.c and metrics_text.c share. Thread: see metrics.h. */
#include "common/base/clock.h"
#include "common/ops/metrics.h"

#include <pthread.h>
#include <stdatomic.h>

#define METRIC_LABELS     3
#define METRIC_COLLECTORS 16
#define METRIC_LABEL_MAX  128 /* bytes of a label value; longer ones are cut */

struct pw_metric_series {
	struct pw_metric_series *next; /* list of its family, in order of creation */
	const struct pw_metric_spec *spec;
	char *labels[METRIC_LABELS]; /* values; NULL when the metric has fewer labels */
	_Atomic uint64_t value;      /* counter; gauge: bits of a double; histogram: observations */
	_Atomic uint64_t sum_bits;   /* histogram: bits of a double */
	_Atomic uint64_t *buckets;   /* histogram: bucket_count, not cumulative */
};

struct metric_family {
	const struct pw_metric_spec *spec;
	struct pw_metric_series *_Atomic first;
	struct pw_metric_series *last;
	struct pw_metric_series *other; /* where label values past the ceiling go; made at start */
	uint32_t count;
	bool other_shown; /* part of the list */
};

struct metric_collector {
	void (*fn)(void *ctx);
	void *ctx;
};

struct pw_metrics {
	char *prefix;
	struct pw_wall started;
	struct metric_family *families;
	size_t count;
	struct metric_collector collectors[METRIC_COLLECTORS];
	size_t collector_count;
	pthread_mutex_t lock; /* over making series */
	_Atomic uint64_t series_dropped;
};

double metric_double(uint64_t bits);
uint64_t metric_bits(double value);
/* build_info, process_* and metrics_series_dropped_total under the prefix. */
void metrics_render_own(struct pw_metrics *m, struct pw_buf *out);
