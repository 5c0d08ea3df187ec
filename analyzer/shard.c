/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/shard.h"

#include "analyzer/shard_work.h"
#include "common/base/log.h"
#include "common/base/loop.h"
#include "common/base/spsc.h"
#include "common/wire/arena_alloc.h"

#include <errno.h>
#include <stdio.h>

struct shard {
	struct shard_config config;
	struct shard_work work;
	struct pw_loop *loop;
	struct pw_wake *jobs_wait;
	struct pw_timer *tick;
	struct pw_thread *thread;
	struct pw_spsc *jobs, *notes;
	struct pw_snapshot *summary;
	struct pw_snapshot_ref *policy;
	struct shard_note flush_note;
	bool flush_under_way;
	bool has_news; /* for the summary */
};

static void tell(struct shard *s, struct shard_note *note)
{
	note->shard = s->config.index;
	/* As many notes as jobs and one flush at most: there is always room. */
	pw_assert(pw_spsc_push(s->notes, note));
	s->has_news = true;
}

static void do_batch(struct shard *s, struct shard_batch *b)
{
	struct shard_note *note = &b->notes[s->config.index];

	*note = (struct shard_note){.kind = SHARD_NOTE_BATCH, .of = b};
	(void)pw_snapshot_refresh(s->config.policy, &s->policy);
	if (s->policy)
		note->error = shard_work_batch(&s->work, b, pw_snapshot_value(s->policy),
			pw_snapshot_ref_version(s->policy), &note->report);
	else
		note->error = -EAGAIN;
	note->flush = shard_work_needs_flush(&s->work);
	tell(s, note);
}

static void do_load(struct shard *s, struct shard_load *l)
{
	l->note = (struct shard_note){.kind = SHARD_NOTE_LOAD, .of = l};
	l->note.error = shard_work_load(&s->work, l->delta);
	tell(s, &l->note);
}

static void do_release(struct shard *s, struct shard_release *r)
{
	struct shard_note *note = &r->notes[s->config.index];

	*note = (struct shard_note){.kind = SHARD_NOTE_RELEASE, .of = r};
	note->error = shard_work_release(&s->work, r->slots, &note->report);
	tell(s, note);
}

static void do_jobs(void *ctx)
{
	struct shard *s = ctx;
	struct shard_job *job;
	bool any = false;

	while ((job = pw_spsc_pop(s->jobs))) {
		if (job->kind == SHARD_JOB_BATCH)
			do_batch(s, PW_CONTAINER_OF(job, struct shard_batch, job));
		else if (job->kind == SHARD_JOB_LOAD)
			do_load(s, PW_CONTAINER_OF(job, struct shard_load, job));
		else if (job->kind == SHARD_JOB_RELEASE)
			do_release(s, PW_CONTAINER_OF(job, struct shard_release, job));
		else
			s->flush_under_way = false;
		any = true;
	}
	if (any)
		s->config.wake(s->config.wake_ctx);
}

static void publish_summary(struct shard *s)
{
	struct shard_summary *made = NULL;

	if (!s->has_news || shard_work_summary(&s->work, &made) < 0)
		return;
	if (pw_snapshot_publish(s->summary, made) < 0)
		shard_summary_free(made);
	else
		s->has_news = false;
}

static void on_tick(void *ctx)
{
	struct shard *s = ctx;

	if (shard_work_tick(&s->work, pw_wall_now()) < 0)
		pw_log_limited(PW_LOG_ERROR, 6, "shard",
			"out of memory at the end of a learning time, trying again");
	if (!s->flush_under_way) {
		s->flush_note = (struct shard_note){.kind = SHARD_NOTE_FLUSH};
		if (shard_work_flush(&s->work, &s->flush_note.report) < 0)
			pw_log_limited(PW_LOG_ERROR, 6, "shard",
				"out of memory while collecting what was learned, trying again");
		if (s->flush_note.report) {
			s->flush_note.flush = s->work.flush;
			s->flush_under_way = true;
			tell(s, &s->flush_note);
		}
	}
	publish_summary(s);
	/* Also when nothing is new: an earlier wake may not have got through. */
	if (pw_spsc_count(s->notes) > 0)
		s->config.wake(s->config.wake_ctx);
}

static void run(void *ctx)
{
	struct shard *s = ctx;
	struct pw_err err = PW_ERR_INIT;

	if (pw_loop_run(s->loop, &err) < 0)
		pw_log_error("shard", "event loop: %s", err.msg);
}

static int make_parts(struct shard *s, struct pw_err *err)
{
	int r = shard_work_init(&s->work, &s->config);

	if (r == 0)
		r = pw_spsc_new(SHARD_QUEUE, &s->jobs);
	if (r == 0)
		r = pw_spsc_new(SHARD_QUEUE * 2, &s->notes);
	if (r == 0)
		r = pw_snapshot_new(shard_summary_free, &s->summary);
	if (r == 0)
		r = pw_loop_new(&s->loop, err);
	if (r == 0)
		r = pw_wake_new(s->loop, do_jobs, s, &s->jobs_wait);
	if (r == 0)
		r = pw_timer_new(s->loop, on_tick, s, &s->tick);
	return r < 0 ? pw_err_set(err, r, "shard %u: %s", s->config.index, pw_err_text(r)) : 0;
}

int shard_start(const struct shard_config *config, struct shard **ret, struct pw_err *err)
{
	struct shard *s = pw_alloc0(1, sizeof(*s));
	char name[16];
	int r;

	if (!s)
		return pw_err_set(err, -ENOMEM, "shard: out of memory");
	s->config = *config;
	r = make_parts(s, err);
	if (r == 0) {
		(void)snprintf(name, sizeof(name), "shard-%u", config->index);
		pw_timer_set(s->tick, config->flush_ms, config->flush_ms);
		r = pw_thread_start(name, run, s, &s->thread);
	}
	if (r < 0) {
		shard_free(s);
		return pw_err_set(err, r, "shard: %s", pw_err_text(r));
	}
	*ret = s;
	return 0;
}

bool shard_give(struct shard *s, struct shard_job *job)
{
	if (!pw_spsc_push(s->jobs, job))
		return false;
	pw_wake_up(s->jobs_wait);
	return true;
}

struct shard_note *shard_take(struct shard *s)
{
	return pw_spsc_pop(s->notes);
}

struct pw_snapshot_ref *shard_summary_get(struct shard *s)
{
	return pw_snapshot_get(s->summary);
}

void shard_stop(struct shard *s)
{
	if (!s || !s->thread)
		return;
	pw_loop_stop(s->loop);
	pw_thread_join(PW_TAKE(s->thread));
	/* The thread is gone: this one takes its place for the rest. */
	do_jobs(s);
}

void shard_free(struct shard *s)
{
	if (!s)
		return;
	shard_stop(s);
	pw_timer_free(s->tick);
	pw_wake_free(s->jobs_wait);
	pw_loop_free(s->loop);
	pw_spsc_free(s->jobs);
	pw_spsc_free(s->notes);
	pw_snapshot_put(s->policy);
	if (s->summary)
		pw_snapshot_free(s->summary);
	shard_work_done(&s->work);
	free(s);
}

int shard_load_new(const Podward__V1__ProfileDelta *delta, struct shard_load **ret)
{
	size_t size = protobuf_c_message_get_packed_size(&delta->base);
	struct shard_load *l = pw_alloc0(1, sizeof(*l));
	uint8_t *bytes = NULL;

	if (!l || pw_arena_new(16u << 10, 16u << 20, &l->arena) < 0)
		goto fail;
	bytes = pw_arena_alloc(l->arena, size ? size : 1);
	if (!bytes)
		goto fail;
	(void)protobuf_c_message_pack(&delta->base, bytes);
	l->delta = (const Podward__V1__ProfileDelta *)pw_unpack(
		l->arena, &podward__v1__profile_delta__descriptor, pw_slice_of(bytes, size));
	if (!l->delta)
		goto fail;
	l->job.kind = SHARD_JOB_LOAD;
	*ret = l;
	return 0;
fail:
	shard_load_free(l);
	return -ENOMEM;
}

void shard_load_free(struct shard_load *l)
{
	if (!l)
		return;
	pw_arena_free(l->arena);
	free(l);
}
