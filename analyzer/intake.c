/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/intake.h"

#include "analyzer/intake_stream.h"
#include "analyzer/intake_throttle.h"
#include "common/base/log.h"

#include <errno.h>

void intake_on_share(struct intake *in)
{
	for (uint32_t i = 0; i < sources_count(in->sources) && in->held_count > 0; i++)
		intake_stream_look_again(sources_at(in->sources, i)->stream);
}

static void send_due_acks(void *ctx)
{
	struct intake *in = ctx;

	in->ack_timer_set = false;
	intake_on_share(in); /* those whose time is over */
	for (uint32_t i = 0; i < sources_count(in->sources); i++) {
		struct intake_stream *st = sources_at(in->sources, i)->stream;

		if (st && st->ack_is_due)
			intake_stream_ack(st);
	}
	while (in->stuck) {
		struct shard_note *note = in->stuck;

		in->stuck = note->next;
		note->next = NULL;
		intake_note(in, note);
		if (in->stuck == note)
			break; /* still no memory */
	}
}

void intake_ack_later(struct intake *in)
{
	if (in->ack_timer_set)
		return;
	in->ack_timer_set = true;
	pw_rpc_timer_set(in->ack_timer, INTAKE_ACK_MS);
}

int intake_new(const struct intake_config *config, struct intake **ret, struct pw_err *err)
{
	struct intake *in = pw_alloc0(1, sizeof(*in));
	int r;

	if (!in)
		return pw_err_set(err, -ENOMEM, "intake: out of memory");
	in->config = *config;
	in->flushed_job.kind = SHARD_JOB_FLUSHED;
	r = sources_new(config->source_limit, &in->sources);
	if (r == 0)
		r = pw_rpc_timer_new(config->loop, send_due_acks, in, &in->ack_timer);
	if (r == 0)
		r = intake_throttle_init(in);
	if (r < 0) {
		intake_free(in);
		return pw_err_set(err, r, "intake: %s", pw_err_text(r));
	}
	*ret = in;
	return 0;
}

void intake_arm(struct intake *in)
{
	in->is_armed = true;
	for (uint32_t i = 0; i < sources_count(in->sources); i++)
		intake_stream_try_welcome(sources_at(in->sources, i)->stream);
}

static void commit_all(struct intake *in)
{
	uint64_t committed = forward_committed(in->config.forward);

	for (uint32_t i = 0; i < sources_count(in->sources); i++) {
		struct source *s = sources_at(in->sources, i);
		struct intake_stream *st = s->stream;

		if (!source_committed(s, committed) || !st)
			continue;
		st->ack_is_due = true;
		intake_ack_later(in);
	}
}

void intake_on_commit(struct intake *in)
{
	commit_all(in);
	for (uint32_t i = 0; i < sources_count(in->sources); i++) {
		intake_throttle_lift(sources_at(in->sources, i)->stream);
		intake_stream_go_on(sources_at(in->sources, i)->stream);
	}
}

/* Every shard is done: the batch is received, or must come again. */
static void finish_batch(struct intake *in, struct shard_batch *b)
{
	struct source *s = b->owner;
	struct source_entry entry = {
		.seq = b->decoded->seq,
		.report_seq = forward_last(in->config.forward),
	};
	int error = b->error;

	for (uint32_t i = 0; i < in->config.shard_count; i++)
		if (b->notes[i].flush > in->flushed[i])
			entry.flush[i] = b->notes[i].flush;
	s->is_busy = false;
	in->stats.waiting--;
	pw_decoded_free(b->decoded);
	free(b);
	if (error < 0) {
		in->stats.retried++;
		intake_stream_fail(s->stream, PW_RPC_RESOURCE_EXHAUSTED,
			"out of memory while judging, send the batch again");
		return;
	}
	source_judged(s, &entry);
	(void)source_committed(s, forward_committed(in->config.forward));
	intake_throttle_judged(s->stream);
	intake_stream_judged(s->stream);
}

static void finish_flush(struct intake *in, const struct shard_note *note, uint64_t report_seq)
{
	in->flushed[note->shard] = note->flush;
	for (uint32_t i = 0; i < sources_count(in->sources); i++)
		source_flushed(sources_at(in->sources, i), note->shard, note->flush, report_seq);
	commit_all(in);
	/* Never more than the sources' batches, one load and this: there is room. */
	pw_assert(shard_give(in->config.shards[note->shard], &in->flushed_job));
}

void intake_note(struct intake *in, struct shard_note *note)
{
	uint64_t seq = forward_last(in->config.forward);
	struct shard_batch *b = note->of;

	if (note->report) {
		if (forward_put(in->config.forward, note->report, &seq) < 0) {
			/* The shard counts its alerts as told: they must get through. */
			note->next = in->stuck;
			in->stuck = note;
			intake_ack_later(in);
			return;
		}
		note->report = NULL;
	}
	if (note->kind == SHARD_NOTE_FLUSH) {
		finish_flush(in, note, seq);
		return;
	}
	if (note->error < 0 && b->error == 0)
		b->error = note->error;
	if (--b->pending == 0)
		finish_batch(in, b);
}

void intake_drain(struct intake *in)
{
	for (uint32_t i = 0; i < sources_count(in->sources); i++)
		intake_stream_drain(sources_at(in->sources, i)->stream);
}

void intake_get_stats(const struct intake *in, struct intake_stats *ret)
{
	*ret = in->stats;
}

uint32_t intake_sources(const struct intake *in)
{
	return sources_count(in->sources);
}

void intake_free(struct intake *in)
{
	if (!in)
		return;
	for (; in->stuck; in->stuck = in->stuck->next)
		report_free(PW_TAKE(in->stuck->report));
	pw_rpc_timer_free(in->ack_timer);
	pw_rpc_timer_free(in->throttle_timer);
	sources_free(in->sources);
	free(in);
}
