/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Metrics registry and the Prometheus text form 0.0.4. A program declares its metrics in one table
 * (metrics.def of the program); docs/metrics.md is generated from the same table.
 * Counters are per-series atomics with relaxed order (one writer in practice); label values come
 * from fixed lists or are interned up to a ceiling, past it they fall into "other" and
 * metrics_series_dropped_total counts.
 * Thread: registration before threads start; updates any thread; rendering the HTTP thread.
 */
#include "common/base/buf.h"
#include "common/base/err.h"
#include <stdbool.h>
#include <stdint.h>

enum pw_metric_type { PW_COUNTER, PW_GAUGE, PW_HISTOGRAM };

struct pw_metric_spec {
	const char *name; /* "podward_collector_events_total" */
	enum pw_metric_type type;
	const char *help;      /* one sentence, no full stop needed by promlint */
	const char *labels[3]; /* names, NULL-terminated when fewer */
	const double *buckets; /* histograms: upper bounds, ascending, without +Inf */
	uint32_t bucket_count;
	uint32_t series_limit; /* ceiling of label combinations; 0 = 64 */
};

struct pw_metrics;
struct pw_metric_series;

/* Makes a registry with the specs; adds build_info and process_* under prefix
 * ("podward_collector"). */
int pw_metrics_new(const char *prefix, const struct pw_metric_spec *specs, size_t count,
	struct pw_metrics **ret, struct pw_err *err) PW_MUST_CHECK;
void pw_metrics_free(struct pw_metrics *m);
/* The series of metric `index` (row of the table) with these label values; made at first use. Never
 * NULL. */
struct pw_metric_series *pw_metric(struct pw_metrics *m, size_t index, const char *label0,
	const char *label1, const char *label2);
void pw_metric_add(struct pw_metric_series *s, uint64_t n); /* counter */
void pw_metric_set_counter(
	struct pw_metric_series *s, uint64_t value); /* for totals counted elsewhere; never falls */
void pw_metric_set(struct pw_metric_series *s, double value);     /* gauge */
void pw_metric_observe(struct pw_metric_series *s, double value); /* histogram */
uint64_t pw_metric_value(const struct pw_metric_series *s);
/* Called before each rendering, on the HTTP thread, to copy totals in. */
void pw_metrics_on_collect(struct pw_metrics *m, void (*fn)(void *ctx), void *ctx);
int pw_metrics_render(struct pw_metrics *m, struct pw_buf *out) PW_MUST_CHECK;
/* Markdown table of the specs, for docs/metrics.md. */
int pw_metrics_doc(
	const struct pw_metric_spec *specs, size_t count, struct pw_buf *out) PW_MUST_CHECK;
