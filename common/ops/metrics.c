/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ops/metrics_core.h"

#include "common/base/escape.h"

#include <errno.h>
#include <string.h>

#define SERIES_LIMIT_DEFAULT 64

double metric_double(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

uint64_t metric_bits(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static void series_free(struct pw_metric_series *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < METRIC_LABELS; i++)
		free(s->labels[i]);
	free(s->buckets);
	free(s);
}

static void series_freep(struct pw_metric_series **s)
{
	series_free(*s);
}

/* A label value as the text form can carry it: valid UTF-8, bounded. */
static char *label_text(const char *value)
{
	pw_auto_buf text = {.limit = (size_t)METRIC_LABEL_MAX * 2};
	struct pw_slice s = pw_slice_str(value ? value : "");

	if (s.len <= METRIC_LABEL_MAX && pw_utf8_valid(s))
		return pw_memdupz(s.ptr ? (const char *)s.ptr : "", s.len);
	if (pw_escape(&text, s, METRIC_LABEL_MAX) < 0)
		return NULL;
	return (char *)pw_buf_take(&text, NULL);
}

static int series_new(const struct pw_metric_spec *spec, const char *const labels[METRIC_LABELS],
	struct pw_metric_series **ret)
{
	pw_cleanup(series_freep) struct pw_metric_series *s = pw_alloc0(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->spec = spec;
	for (size_t i = 0; i < METRIC_LABELS && spec->labels[i]; i++) {
		s->labels[i] = label_text(labels[i]);
		if (!s->labels[i])
			return -ENOMEM;
	}
	if (spec->type == PW_HISTOGRAM) {
		s->buckets = pw_alloc0(spec->bucket_count, sizeof(*s->buckets));
		if (!s->buckets)
			return -ENOMEM;
	}
	*ret = PW_TAKE(s);
	return 0;
}

static void append_series(struct metric_family *f, struct pw_metric_series *s)
{
	if (f->last)
		__atomic_store_n(&f->last->next, s, __ATOMIC_RELEASE);
	else
		atomic_store_explicit(&f->first, s, memory_order_release);
	f->last = s;
	f->count++;
}

static int family_init(struct metric_family *f, const struct pw_metric_spec *spec)
{
	static const char *const other[METRIC_LABELS] = {"other", "other", "other"};
	int r;

	f->spec = spec;
	r = series_new(spec, other, &f->other);
	if (r < 0)
		return r;
	/* Without labels there is one series and it is shown from the start, at 0. */
	if (!spec->labels[0]) {
		append_series(f, f->other);
		f->other_shown = true;
	}
	return 0;
}

static int check_spec(const struct pw_metric_spec *spec, const char *prefix, struct pw_err *err)
{
	if (strncmp(spec->name, prefix, strlen(prefix)) != 0)
		return pw_err_set(
			err, -EINVAL, "metric %s: name must start with %s", spec->name, prefix);
	if (spec->type == PW_HISTOGRAM && (!spec->buckets || !spec->bucket_count))
		return pw_err_set(err, -EINVAL, "metric %s: histogram without buckets", spec->name);
	for (uint32_t i = 1; spec->type == PW_HISTOGRAM && i < spec->bucket_count; i++)
		if (!(spec->buckets[i] > spec->buckets[i - 1]))
			return pw_err_set(err, -EINVAL, "metric %s: buckets must rise", spec->name);
	return 0;
}

static void metrics_freep(struct pw_metrics **m)
{
	pw_metrics_free(*m);
}

int pw_metrics_new(const char *prefix, const struct pw_metric_spec *specs, size_t count,
	struct pw_metrics **ret, struct pw_err *err)
{
	pw_cleanup(metrics_freep) struct pw_metrics *m = pw_alloc0(1, sizeof(*m));
	int r;

	if (!m)
		return pw_err_set(err, -ENOMEM, "metrics: out of memory");
	(void)pthread_mutex_init(&m->lock, NULL);
	m->started = pw_wall_now();
	m->prefix = pw_strdup(prefix);
	m->families = pw_alloc0(count, sizeof(*m->families));
	if (!m->prefix || !m->families)
		return pw_err_set(err, -ENOMEM, "metrics: out of memory");
	for (size_t i = 0; i < count; i++) {
		r = check_spec(&specs[i], prefix, err);
		if (r < 0)
			return r;
		m->count = i + 1;
		r = family_init(&m->families[i], &specs[i]);
		if (r < 0)
			return pw_err_set(err, r, "metrics: out of memory");
	}
	*ret = PW_TAKE(m);
	return 0;
}

static void family_done(struct metric_family *f)
{
	struct pw_metric_series *s = atomic_load_explicit(&f->first, memory_order_relaxed);

	if (!f->other_shown)
		series_free(f->other);
	while (s) {
		struct pw_metric_series *next = s->next;

		series_free(s);
		s = next;
	}
}

void pw_metrics_free(struct pw_metrics *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->count; i++)
		family_done(&m->families[i]);
	(void)pthread_mutex_destroy(&m->lock);
	free(m->families);
	free(m->prefix);
	free(m);
}

/* Past the ceiling, and for label values that spell "other" themselves. */
static struct pw_metric_series *use_other(struct metric_family *f)
{
	if (!f->other_shown)
		append_series(f, f->other);
	f->other_shown = true;
	return f->other;
}

static bool is_series(const struct pw_metric_series *s, const char *const labels[METRIC_LABELS])
{
	for (size_t i = 0; i < METRIC_LABELS; i++)
		if (s->labels[i] && strcmp(s->labels[i], labels[i] ? labels[i] : "") != 0)
			return false;
	return true;
}

static struct pw_metric_series *find_series(
	const struct metric_family *f, const char *const labels[METRIC_LABELS])
{
	struct pw_metric_series *s = atomic_load_explicit(&f->first, memory_order_acquire);

	while (s && !is_series(s, labels))
		s = __atomic_load_n(&s->next, __ATOMIC_ACQUIRE);
	return s;
}

/* Under the lock. Long or foreign label values are looked up in the form in which they are kept. */
static struct pw_metric_series *make_series(
	struct pw_metrics *m, struct metric_family *f, const char *const labels[METRIC_LABELS])
{
	uint32_t limit = f->spec->series_limit ? f->spec->series_limit : SERIES_LIMIT_DEFAULT;
	pw_cleanup(series_freep) struct pw_metric_series *fresh = NULL;
	struct pw_metric_series *s;

	if (series_new(f->spec, labels, &fresh) == 0) {
		s = find_series(f, (const char *const *)fresh->labels);
		if (s)
			return s;
		if (is_series(f->other, (const char *const *)fresh->labels))
			return use_other(f);
	}
	if (!fresh || f->count >= limit) {
		atomic_fetch_add_explicit(&m->series_dropped, 1, memory_order_relaxed);
		return use_other(f);
	}
	append_series(f, fresh);
	return PW_TAKE(fresh);
}

struct pw_metric_series *pw_metric(struct pw_metrics *m, size_t index, const char *label0,
	const char *label1, const char *label2)
{
	const char *const given[METRIC_LABELS] = {label0, label1, label2};
	struct pw_metric_series *s;
	struct metric_family *f;

	pw_assert(index < m->count);
	f = &m->families[index];
	s = find_series(f, given);
	if (s)
		return s;
	(void)pthread_mutex_lock(&m->lock);
	s = make_series(m, f, given);
	(void)pthread_mutex_unlock(&m->lock);
	return s;
}

void pw_metric_add(struct pw_metric_series *s, uint64_t n)
{
	atomic_fetch_add_explicit(&s->value, n, memory_order_relaxed);
}

void pw_metric_set_counter(struct pw_metric_series *s, uint64_t value)
{
	uint64_t seen = atomic_load_explicit(&s->value, memory_order_relaxed);

	while (seen < value && !atomic_compare_exchange_weak_explicit(&s->value, &seen, value,
				       memory_order_relaxed, memory_order_relaxed))
		;
}

void pw_metric_set(struct pw_metric_series *s, double value)
{
	atomic_store_explicit(&s->value, metric_bits(value), memory_order_relaxed);
}

void pw_metric_observe(struct pw_metric_series *s, double value)
{
	uint64_t seen = atomic_load_explicit(&s->sum_bits, memory_order_relaxed);

	for (uint32_t i = 0; i < s->spec->bucket_count; i++) {
		if (value > s->spec->buckets[i])
			continue;
		atomic_fetch_add_explicit(&s->buckets[i], 1, memory_order_relaxed);
		break;
	}
	while (!atomic_compare_exchange_weak_explicit(&s->sum_bits, &seen,
		metric_bits(metric_double(seen) + value), memory_order_relaxed,
		memory_order_relaxed))
		;
	atomic_fetch_add_explicit(&s->value, 1, memory_order_release);
}

uint64_t pw_metric_value(const struct pw_metric_series *s)
{
	uint64_t value = atomic_load_explicit(&s->value, memory_order_relaxed);

	return s->spec->type == PW_GAUGE ? (uint64_t)metric_double(value) : value;
}

void pw_metrics_on_collect(struct pw_metrics *m, void (*fn)(void *ctx), void *ctx)
{
	pw_assert(m->collector_count < METRIC_COLLECTORS);
	m->collectors[m->collector_count++] = (struct metric_collector){fn, ctx};
}
