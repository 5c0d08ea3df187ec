/* SPDX-License-Identifier: Apache-2.0 */
/* Source: Prometheus text exposition format 0.0.4. */
#include "common/ops/metrics_core.h"

#include "common/base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *const type_names[] = {"counter", "gauge", "histogram"};

static void add_escaped(struct pw_buf *out, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\\')
			(void)pw_buf_add_str(out, "\\\\");
		else if (*text == '\n')
			(void)pw_buf_add_str(out, "\\n");
		else if (*text == '"' && quotes)
			(void)pw_buf_add_str(out, "\\\"");
		else
			(void)pw_buf_add_byte(out, (uint8_t)*text);
	}
}

static void add_head(
	struct pw_buf *out, const char *prefix, const char *name, const char *help, int type)
{
	(void)pw_buf_addf(out, "# HELP %s%s ", prefix, name);
	add_escaped(out, help, false);
	(void)pw_buf_addf(out, "\n# TYPE %s%s %s\n", prefix, name, type_names[type]);
}

/* The shortest text that reads back as the same number. */
static void format_double(double value, char out[32])
{
	if (value == floor(value) && fabs(value) < 1e15) {
		(void)snprintf(out, 32, "%.0f", value);
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		(void)snprintf(out, 32, "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			return;
	}
}

static void add_double(struct pw_buf *out, double value)
{
	char text[32];

	if (isnan(value)) {
		(void)pw_buf_add_str(out, "NaN");
	} else if (isinf(value)) {
		(void)pw_buf_add_str(out, value > 0 ? "+Inf" : "-Inf");
	} else {
		format_double(value, text);
		(void)pw_buf_add_str(out, text);
	}
}

/* {a="x",b="y",le="0.5"}; le may be NULL. */
static void add_labels(struct pw_buf *out, const struct pw_metric_series *s, const char *le)
{
	const char *separator = "{";

	for (size_t i = 0; i < METRIC_LABELS && s->spec->labels[i]; i++) {
		(void)pw_buf_addf(out, "%s%s=\"", separator, s->spec->labels[i]);
		add_escaped(out, s->labels[i], true);
		(void)pw_buf_add_byte(out, '"');
		separator = ",";
	}
	if (le) {
		(void)pw_buf_addf(out, "%sle=\"%s\"", separator, le);
		separator = ",";
	}
	if (separator[0] == ',')
		(void)pw_buf_add_byte(out, '}');
}

static void add_histogram(struct pw_buf *out, const struct pw_metric_series *s)
{
	/* Read first: observations that come meanwhile can make buckets larger, never smaller. */
	uint64_t total = atomic_load_explicit(&s->value, memory_order_acquire);
	uint64_t below = 0;
	char bound[32];

	for (uint32_t i = 0; i < s->spec->bucket_count; i++) {
		below += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
		format_double(s->spec->buckets[i], bound);
		(void)pw_buf_addf(out, "%s_bucket", s->spec->name);
		add_labels(out, s, bound);
		(void)pw_buf_addf(out, " %" PRIu64 "\n", below);
	}
	if (total < below)
		total = below;
	(void)pw_buf_addf(out, "%s_bucket", s->spec->name);
	add_labels(out, s, "+Inf");
	(void)pw_buf_addf(out, " %" PRIu64 "\n%s_sum", total, s->spec->name);
	add_labels(out, s, NULL);
	(void)pw_buf_add_byte(out, ' ');
	add_double(out, metric_double(atomic_load_explicit(&s->sum_bits, memory_order_relaxed)));
	(void)pw_buf_addf(out, "\n%s_count", s->spec->name);
	add_labels(out, s, NULL);
	(void)pw_buf_addf(out, " %" PRIu64 "\n", total);
}

static void add_series(struct pw_buf *out, const struct pw_metric_series *s)
{
	uint64_t value = atomic_load_explicit(&s->value, memory_order_relaxed);

	if (s->spec->type == PW_HISTOGRAM) {
		add_histogram(out, s);
		return;
	}
	(void)pw_buf_add_str(out, s->spec->name);
	add_labels(out, s, NULL);
	(void)pw_buf_add_byte(out, ' ');
	if (s->spec->type == PW_GAUGE)
		add_double(out, metric_double(value));
	else
		(void)pw_buf_addf(out, "%" PRIu64, value);
	(void)pw_buf_add_byte(out, '\n');
}

static uint64_t count_open_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	uint64_t count = 0;
	struct dirent *entry;

	if (!folder)
		return 0;
	while ((entry = readdir(folder)))
		count += entry->d_name[0] != '.';
	(void)closedir(folder);
	return count ? count - 1 : 0; /* the folder itself was one */
}

static uint64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long total = 0, resident = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%llu %llu", &total, &resident) != 2)
		resident = 0;
	(void)fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(void)
{
	struct rusage use;

	if (getrusage(RUSAGE_SELF, &use) != 0)
		return 0;
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

void metrics_render_own(struct pw_metrics *m, struct pw_buf *out)
{
	const struct {
		const char *name, *help;
		enum pw_metric_type type;
		double value;
	} rows[] = {
		{"_process_cpu_seconds_total", "Processor time used, user and system", PW_COUNTER,
			cpu_seconds()},
		{"_process_resident_memory_bytes", "Resident memory", PW_GAUGE,
			(double)resident_bytes()},
		{"_process_open_fds", "Open file descriptors", PW_GAUGE, (double)count_open_fds()},
		{"_process_start_time_seconds", "Start of the registry, seconds since 1970",
			PW_GAUGE, (double)m->started.ns / 1e9},
		{"_metrics_series_dropped_total",
			"Label values that fell into other at the ceiling", PW_COUNTER,
			(double)atomic_load_explicit(&m->series_dropped, memory_order_relaxed)},
	};

	add_head(out, m->prefix, "_build_info", "Version of the program; always 1", PW_GAUGE);
	(void)pw_buf_addf(out, "%s_build_info{version=\"%s\"} 1\n", m->prefix, PODWARD_VERSION);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		add_head(out, m->prefix, rows[i].name, rows[i].help, (int)rows[i].type);
		(void)pw_buf_addf(out, "%s%s ", m->prefix, rows[i].name);
		add_double(out, rows[i].value);
		(void)pw_buf_add_byte(out, '\n');
	}
}

int pw_metrics_render(struct pw_metrics *m, struct pw_buf *out)
{
	for (size_t i = 0; i < m->collector_count; i++)
		m->collectors[i].fn(m->collectors[i].ctx);
	for (size_t i = 0; i < m->count; i++) {
		const struct metric_family *f = &m->families[i];
		struct pw_metric_series *s = atomic_load_explicit(&f->first, memory_order_acquire);

		add_head(out, "", f->spec->name, f->spec->help, (int)f->spec->type);
		for (; s; s = __atomic_load_n(&s->next, __ATOMIC_ACQUIRE))
			add_series(out, s);
	}
	metrics_render_own(m, out);
	return pw_buf_error(out);
}

int pw_metrics_doc(const struct pw_metric_spec *specs, size_t count, struct pw_buf *out)
{
	(void)pw_buf_add_str(out, "| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n");
	for (size_t i = 0; i < count; i++) {
		(void)pw_buf_addf(out, "| `%s` | %s | ", specs[i].name, type_names[specs[i].type]);
		for (size_t n = 0; n < METRIC_LABELS && specs[i].labels[n]; n++)
			(void)pw_buf_addf(out, "%s`%s`", n ? ", " : "", specs[i].labels[n]);
		(void)pw_buf_addf(out, " | %s |\n", specs[i].help);
	}
	return pw_buf_error(out);
}
