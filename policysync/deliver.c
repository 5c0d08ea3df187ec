// SPDX-License-Identifier: Apache-2.0
#include "policysync/deliver.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "common/wire/arena_alloc.h"
#include <errno.h>
#include <stdio.h>

#define WAIT_MAX_MS (3600u * 1000)

enum state {
	IDLE,     /* nothing to do that is known of */
	FETCHING, /* the batch belongs to the keeper */
	SENDING,
	WAITING,  /* for the retry timer */
	SETTLING, /* the cursor moves: settle belongs to the keeper */
};

struct settle {
	struct keeper_job job;
	struct spool_row dead; /* n 0 = none */
	char reason[200];
	int64_t n;
	uint64_t delivered, filtered;
	int result;
};

struct deliver {
	struct output output;
	struct deliver_limits limits;
	struct keeper *keeper;
	struct pw_metrics *metrics;
	struct pw_loop *loop;
	struct pw_timer *timer, *refresh_timer;
	struct pw_wake *wake;
	struct pw_thread *thread;
	struct pw_arena *arena;
	enum state state;
	bool again; /* new alerts came while it was busy */
	bool refresh_due, is_refresh;
	struct spool_batch batch;
	struct output_item *items; /* of the batch, unpacked, without what the filter leaves out */
	size_t *rows;              /* row of each item */
	size_t item_count;
	size_t from, len;      /* the part that is being sent */
	uint64_t filtered;     /* of the batch, not counted yet */
	double tokens;         /* alerts that may be sent now, when there is a limit */
	struct pw_mono filled; /* when tokens were added */
	uint32_t attempt;
	int fetch_result;
	struct settle settle;
};

static void fetch(struct deliver *d);
static void send_part(struct deliver *d);
static void next_part(struct deliver *d, size_t done);

static void count_failure(struct deliver *d, const char *reason)
{
	if (d->metrics)
		pw_metric_add(
			metric(d->metrics, METRIC_OUTPUT_FAILURES, d->output.name, reason), 1);
}

static void wait_and_retry(struct deliver *d, uint32_t asked_ms)
{
	uint32_t ms =
		pw_backoff_ms(d->attempt, d->limits.backoff_base_ms, d->limits.backoff_cap_ms);

	if (asked_ms > 0)
		ms = asked_ms < WAIT_MAX_MS ? asked_ms : WAIT_MAX_MS;
	if (d->attempt < 31)
		d->attempt++;
	d->state = WAITING;
	pw_timer_set(d->timer, ms, 0);
}

/* Deliver's thread: the cursor is on disk, or could not be moved. */
static void on_settled(void *ctx)
{
	struct deliver *d = ctx;
	size_t done = d->len;

	if (d->settle.result < 0) {
		/* What was sent is sent again: at least once. */
		count_failure(d, "database");
		wait_and_retry(d, 0);
		return;
	}
	if (d->metrics && d->settle.delivered > 0)
		pw_metric_add(metric(d->metrics, METRIC_OUTPUT_DELIVERED, d->output.name, NULL),
			d->settle.delivered);
	if (d->metrics && d->settle.filtered > 0)
		pw_metric_add(metric(d->metrics, METRIC_OUTPUT_FILTERED, d->output.name, NULL),
			d->settle.filtered);
	d->attempt = 0;
	next_part(d, done);
}

static int settle_apply(struct keeper *k, struct keeper_job *job, struct pw_err *err)
{
	struct settle *s = PW_CONTAINER_OF(job, struct settle, job);
	struct deliver *d = PW_CONTAINER_OF(s, struct deliver, settle);
	int r = 0;

	if (s->dead.n > 0)
		r = spool_dead_letter(keeper_spool(k), d->output.name, &s->dead, s->reason, err);
	return r < 0 ? r : spool_advance(keeper_spool(k), d->output.name, s->n, s->delivered, err);
}

static void settle_done(struct keeper_job *job, int result)
{
	struct settle *s = PW_CONTAINER_OF(job, struct settle, job);
	struct deliver *d = PW_CONTAINER_OF(s, struct deliver, settle);

	s->result = result;
	/* One call in flight: it cannot be refused. A stopped loop is still there to take it. */
	pw_assert(pw_loop_post(d->loop, on_settled, d) == 0);
}

/* Up to the last item that was sent, or to the end of the batch when that was the last one. */
static void settle(struct deliver *d, const char *dead_reason)
{
	size_t end = d->from + d->len;
	const struct spool_row *last = &d->batch.rows[d->batch.count - 1];

	if (end < d->item_count)
		last = &d->batch.rows[d->rows[end - 1]];
	d->settle.n = last->n;
	d->settle.filtered = end < d->item_count ? 0 : d->filtered;
	d->settle.delivered = dead_reason ? 0 : d->len;
	d->settle.dead = dead_reason ? d->batch.rows[d->rows[end - 1]] : (struct spool_row){0};
	(void)snprintf(
		d->settle.reason, sizeof(d->settle.reason), "%s", dead_reason ? dead_reason : "");
	d->settle.job = (struct keeper_job){.apply = settle_apply, .done = settle_done, .items = 1};
	d->state = SETTLING;
	if (keeper_write(d->keeper, &d->settle.job) < 0)
		wait_and_retry(d, 0);
}

static void refused(struct deliver *d, const struct pw_err *err)
{
	char id[33];

	count_failure(d, "refused");
	if (d->len > 1) {
		d->len /= 2;
		send_part(d);
		return;
	}
	alert_id_hex(d->items[d->from].alert, id);
	pw_log_limited(PW_LOG_WARN, 30, "deliver",
		"%s refuses alert %s for good, it is kept as a dead letter: %s", d->output.name, id,
		err->msg);
	settle(d, err->msg);
}

/* The next part grows again after it was halved. */
static void next_part(struct deliver *d, size_t done)
{
	size_t len = done * 2 < d->output.max_rows ? done * 2 : d->output.max_rows;

	d->from += done;
	if (d->from >= d->item_count) {
		fetch(d);
		return;
	}
	d->len = len < d->item_count - d->from ? len : d->item_count - d->from;
	send_part(d);
}

/* False when the rate does not allow one alert now: the timer is set for when it does. */
static bool take_tokens(struct deliver *d)
{
	double per_ms = d->output.per_minute / 60000.0, most = d->output.per_minute;
	struct pw_mono now = pw_mono_now();

	if (d->output.per_minute == 0)
		return true;
	d->tokens += (double)(now.ns - d->filled.ns) / (double)PW_NS_PER_MS * per_ms;
	d->filled = now;
	if (d->tokens > most)
		d->tokens = most;
	if (d->tokens < 1) {
		count_failure(d, "rate");
		d->state = WAITING;
		pw_timer_set(d->timer, (uint64_t)((1 - d->tokens) / per_ms) + 1, 0);
		return false;
	}
	if ((double)d->len > d->tokens)
		d->len = (size_t)d->tokens;
	return true;
}

/* What is sent again is not settled; what fails comes with the next refresh. */
static void refreshed(struct deliver *d, enum output_result result, const struct pw_err *err)
{
	if (result != OUTPUT_DONE) {
		count_failure(d, "refresh");
		pw_log_limited(PW_LOG_WARN, 6, "deliver",
			"%s: cannot send again what is active: %s", d->output.name, err->msg);
		fetch(d);
		return;
	}
	next_part(d, d->len);
}

static void send_part(struct deliver *d)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_mono start = pw_mono_now();
	enum output_result result;
	uint32_t wait_ms = 0;

	if (d->len == 0) { /* again after the cursor of a batch that was left out could not move */
		settle(d, NULL);
		return;
	}
	if (!d->is_refresh && !take_tokens(d))
		return;
	d->state = SENDING;
	result = d->output.send(d->output.ctx, &d->items[d->from], d->len, &wait_ms, &err);
	if (d->metrics)
		pw_metric_observe(metric(d->metrics, METRIC_OUTPUT_SECONDS, d->output.name, NULL),
			(double)(pw_mono_now().ns - start.ns) / 1e9);
	if (d->metrics)
		pw_metric_set(metric(d->metrics, METRIC_OUTPUT_UP, d->output.name, NULL),
			result != OUTPUT_RETRY);
	if (d->is_refresh) {
		refreshed(d, result, &err);
		return;
	}
	if (d->output.per_minute > 0 && result == OUTPUT_DONE)
		d->tokens -= (double)d->len;
	if (result == OUTPUT_DONE) {
		settle(d, NULL);
	} else if (result == OUTPUT_REFUSED) {
		refused(d, &err);
	} else {
		count_failure(d, "retry");
		wait_and_retry(d, wait_ms);
		pw_log_limited(PW_LOG_WARN, 6, "deliver",
			"%s does not take alerts now, they wait in the spool: %s", d->output.name,
			err.msg);
	}
}

/* A body that cannot be read (it was checked when it came) is shown as an alert with only its id.
 */
static const Podward__V1__Alert *alert_of(struct deliver *d, const struct spool_row *row)
{
	Podward__V1__Alert *a = (Podward__V1__Alert *)pw_unpack(
		d->arena, &podward__v1__alert__descriptor, row->body);

	if (a)
		return a;
	a = pw_arena_alloc0(d->arena, 1, sizeof(*a));
	if (!a)
		return NULL;
	podward__v1__alert__init(a);
	a->id = (ProtobufCBinaryData){row->id.len, (uint8_t *)(uintptr_t)row->id.ptr};
	return a;
}

static int unpack(struct deliver *d)
{
	pw_arena_reset(d->arena);
	d->items = pw_arena_alloc0(d->arena, d->batch.count, sizeof(*d->items));
	d->rows = pw_arena_alloc0(d->arena, d->batch.count, sizeof(*d->rows));
	d->item_count = 0;
	d->filtered = 0;
	if (!d->items || !d->rows)
		return -ENOMEM;
	for (size_t i = 0; i < d->batch.count; i++) {
		const struct spool_row *row = &d->batch.rows[i];
		const Podward__V1__Alert *alert = alert_of(d, row);

		if (!alert)
			return -ENOMEM;
		if (!output_filter_passes(&d->output.filter, alert)) {
			d->filtered++;
			continue;
		}
		d->rows[d->item_count] = i;
		d->items[d->item_count++] = (struct output_item){
			.alert = alert, .seen = {row->count, row->last}, .n = row->n};
	}
	return 0;
}

/* Deliver's thread: the keeper filled the batch. */
static void on_fetched(void *ctx)
{
	struct deliver *d = ctx;

	if (d->fetch_result == 0 && d->batch.count == 0) {
		d->state = IDLE;
		if (d->again || d->is_refresh)
			fetch(d);
		return;
	}
	if (d->fetch_result < 0 || unpack(d) < 0) {
		count_failure(d, "database");
		spool_batch_done(&d->batch);
		wait_and_retry(d, 0);
		return;
	}
	d->from = 0;
	d->len = d->item_count < d->output.max_rows ? d->item_count : d->output.max_rows;
	if (d->len > 0)
		send_part(d);
	else if (d->is_refresh)
		fetch(d);
	else
		settle(d, NULL); /* all of them were left out: the cursor goes past them */
}

/* Keeper's thread. */
static void do_fetch(void *ctx)
{
	struct deliver *d = ctx;
	struct pw_err err = PW_ERR_INIT;

	if (d->is_refresh)
		d->fetch_result = spool_fetch_active(keeper_spool(d->keeper), d->output.name,
			(struct pw_wall){pw_wall_now().ns - (int64_t)d->output.active_ns},
			DELIVER_ACTIVE, &d->batch, &err);
	else
		d->fetch_result = spool_fetch(keeper_spool(d->keeper), d->output.name,
			d->output.max_rows, DELIVER_BYTES, &d->batch, &err);
	if (d->fetch_result < 0)
		pw_log_limited(PW_LOG_ERROR, 6, "deliver", "%s: the spool cannot be read: %s",
			d->output.name, err.msg);
	pw_assert(pw_loop_post(d->loop, on_fetched, d) == 0);
}

static void fetch(struct deliver *d)
{
	spool_batch_done(&d->batch);
	d->is_refresh = d->refresh_due;
	d->refresh_due = false;
	d->again &= d->is_refresh;
	d->state = FETCHING;
	if (keeper_post(d->keeper, do_fetch, d) < 0)
		wait_and_retry(d, 0);
}

static void on_timer(void *ctx)
{
	struct deliver *d = ctx;

	if (d->state != WAITING)
		return;
	if (d->batch.count > 0)
		send_part(d);
	else
		fetch(d);
}

static void on_refresh(void *ctx)
{
	struct deliver *d = ctx;

	d->refresh_due = true;
	if (d->state == IDLE)
		fetch(d);
}

static void on_wake(void *ctx)
{
	struct deliver *d = ctx;

	if (d->state == IDLE)
		fetch(d);
	else
		d->again = true;
}

void deliver_wake(struct deliver *d)
{
	pw_wake_up(d->wake);
}

static int make_loop(struct deliver *d, struct pw_err *err)
{
	int r = pw_loop_new(&d->loop, err);

	if (r == 0)
		r = pw_timer_new(d->loop, on_timer, d, &d->timer);
	if (r == 0)
		r = pw_timer_new(d->loop, on_refresh, d, &d->refresh_timer);
	if (r == 0)
		r = pw_wake_new(d->loop, on_wake, d, &d->wake);
	if (r == 0)
		r = pw_arena_new(64 << 10, DELIVER_BYTES * 16, &d->arena);
	return r < 0 ? pw_err_set(err, r, "out of memory") : 0;
}

int deliver_new(const struct output *output, const struct deliver_limits *limits,
	struct keeper *keeper, struct pw_metrics *metrics, struct deliver **ret, struct pw_err *err)
{
	struct deliver *d = pw_alloc0(1, sizeof(*d));
	int r;

	if (!d) {
		output->destroy(output->ctx);
		return pw_err_set(err, -ENOMEM, "out of memory");
	}
	d->output = *output;
	d->limits = *limits;
	d->keeper = keeper;
	d->metrics = metrics;
	d->filled = pw_mono_now();
	d->tokens = output->per_minute;
	r = make_loop(d, err);
	if (r < 0) {
		deliver_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

static void run(void *ctx)
{
	struct deliver *d = ctx;
	struct pw_err err = PW_ERR_INIT;

	if (d->output.refresh_ms > 0)
		pw_timer_set(d->refresh_timer, d->output.refresh_ms, d->output.refresh_ms);
	if (pw_loop_run(d->loop, &err) < 0)
		pw_log_error("deliver", "loop ended: %s", err.msg);
}

int deliver_start(struct deliver *d, struct pw_err *err)
{
	int r = pw_thread_start(d->output.name, run, d, &d->thread);

	if (r < 0)
		return pw_err_set(err, r, "cannot start the thread of output %s", d->output.name);
	deliver_wake(d);
	return 0;
}

void deliver_stop(struct deliver *d)
{
	if (!d || !d->thread)
		return;
	pw_loop_stop(d->loop);
	if (d->output.cancel)
		d->output.cancel(d->output.ctx);
	pw_thread_join(d->thread);
	d->thread = NULL;
}

void deliver_free(struct deliver *d)
{
	if (!d)
		return;
	deliver_stop(d);
	spool_batch_done(&d->batch);
	if (d->timer)
		pw_timer_free(d->timer);
	if (d->refresh_timer)
		pw_timer_free(d->refresh_timer);
	if (d->wake)
		pw_wake_free(d->wake);
	pw_loop_free(d->loop);
	pw_arena_free(d->arena);
	d->output.destroy(d->output.ctx);
	free(d);
}
