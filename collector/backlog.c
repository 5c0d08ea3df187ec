/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/backlog_private.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>

#define LOST_CONTAINERS 512
#define REASON          ((uint32_t)PODWARD__V1__LOSS_REASON__LOSS_REASON_BACKLOG)
#define REPAIRED        ((uint32_t)PODWARD__V1__LOSS_REASON__LOSS_REASON_REPAIRED)
#define EMPTY_ABOVE     (64u * 1024) /* a smaller file is not worth emptying */

static const struct pw_batch_limits lost_limits = {1, 1, 1, LOST_CONTAINERS, 512 * 1024};

int backlog_note_node(struct backlog *b, uint64_t events)
{
	int r = b->lost ? 0 : pw_batch_new(&lost_limits, 1, &b->lost);

	return r < 0 ? r : pw_batch_add_loss(b->lost, 0, REASON, events);
}

void backlog_init(struct backlog *b, size_t limit_bytes)
{
	*b = (struct backlog){.limit_bytes = limit_bytes, .next_seq = 1};
}

void backlog_done(struct backlog *b)
{
	while (b->first) {
		struct pw_batch *batch = b->first;

		b->first = batch->next;
		pw_batch_free(batch);
	}
	pw_batch_free(b->lost);
	pw_batch_free(b->at_risk);
	keep_close(b->keep);
	*b = (struct backlog){0};
}

/* Adds to a list of losses; without room for the container it becomes one of the node. */
static int note_loss(
	struct pw_batch *to, const struct pw_container_def *def, uint32_t reason, uint64_t count)
{
	uint32_t ref = def && pw_batch_add_container(to, def) == 0 ? def->ref : 0;
	int r;

	if (reason == REPAIRED && !ref)
		return 0; /* of whom is not known any more: it stays lost */
	r = pw_batch_add_loss(to, ref, reason, count);
	return r < 0 && ref && reason != REPAIRED ? pw_batch_add_loss(to, 0, reason, count) : r;
}

/* All losses of `from`, beginning with its entry *done; -errno when one found no place. */
static int merge_losses(struct pw_batch *to, const struct pw_batch *from, uint32_t *done)
{
	int r = 0;

	for (; *done < from->loss_count && r == 0; (*done)++) {
		const struct pw_loss *l = &from->losses[*done];

		r = note_loss(to, pw_batch_find_container(from, l->container), l->reason, l->count);
		if (r < 0)
			break;
	}
	return r;
}

/* Everything in the batch counts as lost, together with the losses it carried. */
static void note_dropped(struct pw_batch **to, const struct pw_batch *batch)
{
	uint32_t done = 0;

	if (!*to && pw_batch_new(&lost_limits, batch->dict_epoch, to) < 0)
		return; /* out of memory altogether; dropped_events still has the number */
	for (uint32_t i = 0; i < batch->event_count; i++) {
		const struct pw_event_row *row = &batch->events[i];
		const struct pw_process_def *p = pw_batch_find_process(batch, row->process);
		const struct pw_container_def *c =
			p && p->container ? pw_batch_find_container(batch, p->container) : NULL;

		(void)note_loss(*to, c, REASON, row->count);
	}
	(void)merge_losses(*to, batch, &done);
}

uint64_t backlog_events_of(const struct pw_batch *batch)
{
	uint64_t events = 0;

	for (uint32_t i = 0; i < batch->event_count; i++)
		events += batch->events[i].count;
	return events;
}

struct pw_batch *backlog_unlink_first(struct backlog *b)
{
	struct pw_batch *batch = b->first;

	b->first = batch->next;
	if (!b->first)
		b->last = NULL;
	if (b->next == batch)
		b->next = batch->next;
	batch->next = NULL;
	b->bytes -= batch->bytes;
	b->count--;
	b->unacked_events -= backlog_events_of(batch);
	return batch;
}

static void drop_first(struct backlog *b)
{
	bool unsent = b->next == b->first;
	struct pw_batch *batch = backlog_unlink_first(b);

	b->dropped_batches++;
	b->dropped_events += backlog_events_of(batch);
	b->dead_bytes += batch->bytes;
	b->skipped += batch->seq == 0;
	if (batch->seq > 0 && !unsent) {
		note_dropped(&b->at_risk, batch);
		b->at_risk_seq = batch->seq;
	} else {
		note_dropped(&b->lost, batch);
		/* Due again on this stream: the next number would not fit. */
		b->gap = b->gap || batch->seq > 0;
	}
	pw_batch_free(batch);
}

void backlog_link_last(struct backlog *b, struct pw_batch *batch)
{
	batch->next = NULL;
	if (b->last)
		b->last->next = batch;
	else
		b->first = batch;
	b->last = batch;
	b->bytes += batch->bytes;
	b->count++;
	b->unacked_events += backlog_events_of(batch);
	if (batch->dict_epoch > b->dict_epoch)
		b->dict_epoch = batch->dict_epoch;
}

uint32_t backlog_drop_to_limit(struct backlog *b)
{
	uint32_t dropped = 0;

	while (b->bytes > b->limit_bytes && b->count > 1) {
		drop_first(b);
		dropped++;
	}
	return dropped;
}

/* --- the file --- */

static void keep_head(struct backlog *b)
{
	struct backlog_head head = {
		.magic = BACKLOG_HEAD_MAGIC,
		.knows_analyzer = b->knows_analyzer,
		.next_seq = b->next_seq,
		.durable_seq = b->durable_seq,
		.dict_epoch = b->dict_epoch,
	};

	memcpy(head.instance, b->instance, sizeof(head.instance));
	memcpy(head.boot_id, b->boot_id, sizeof(head.boot_id));
	memcpy(head.analyzer, b->analyzer, sizeof(head.analyzer));
	keep_add(b->keep, KEEP_HEAD, &head, sizeof(head));
}

/* A new file with what is held now. */
void backlog_keep_all(struct backlog *b)
{
	keep_begin(b->keep);
	keep_head(b);
	if (b->lost)
		keep_add_batch(b->keep, KEEP_LOST, 0, b->lost);
	if (b->at_risk)
		keep_add_batch(b->keep, KEEP_AT_RISK, b->at_risk_seq, b->at_risk);
	for (const struct pw_batch *i = b->first; i; i = i->next)
		keep_add_batch(b->keep, KEEP_BATCH, 0, i);
	keep_commit(b->keep);
	b->skipped = 0;
	b->dead_bytes = 0;
}

static void keep_pushed(struct backlog *b, const struct pw_batch *batch)
{
	struct keep_stats stats;

	if (!b->keep)
		return;
	if (keep_may_retry(b->keep)) {
		backlog_keep_all(b);
		return;
	}
	keep_add_batch(b->keep, KEEP_BATCH, 0, batch);
	keep_get_stats(b->keep, &stats);
	if (stats.bytes > 2 * (uint64_t)b->limit_bytes || b->dead_bytes > b->limit_bytes)
		backlog_keep_all(b);
}

static void keep_numbered(struct backlog *b, const struct pw_batch *batch, bool has_more)
{
	struct backlog_number n = {b->skipped, batch->seq, batch->boot_to_wall_ns};

	if (!b->keep)
		return;
	if (has_more)
		keep_add_batch(b->keep, KEEP_NUMBERED, b->skipped, batch);
	else
		keep_add(b->keep, KEEP_NUMBER, &n, sizeof(n));
	b->skipped = 0;
}

static void keep_durable(struct backlog *b)
{
	struct keep_stats stats;

	if (!b->keep)
		return;
	keep_get_stats(b->keep, &stats);
	if (b->count > 0 || b->lost || stats.bytes <= EMPTY_ABOVE) {
		keep_add(b->keep, KEEP_DURABLE, &b->durable_seq, sizeof(b->durable_seq));
		return;
	}
	/* A kill in between leaves an empty file: a new instance that holds nothing, as here. */
	keep_empty(b->keep);
	keep_head(b);
	b->skipped = 0;
	b->dead_bytes = 0;
}

uint32_t backlog_push(struct backlog *b, struct pw_batch *batch)
{
	uint32_t dropped = 0;

	backlog_link_last(b, batch);
	if (!b->next)
		b->next = batch;
	dropped = backlog_drop_to_limit(b);
	keep_pushed(b, batch);
	return dropped;
}

/* Losses that found no place stay for the next batch. */
static bool tell_losses(struct backlog *b, struct pw_batch *batch)
{
	struct pw_batch *left = NULL;
	uint32_t done = 0;

	if (!b->lost)
		return false;
	if (merge_losses(batch, b->lost, &done) < 0) {
		if (pw_batch_new(&lost_limits, batch->dict_epoch, &left) == 0)
			(void)merge_losses(left, b->lost, &done);
	}
	pw_batch_free(b->lost);
	b->lost = left;
	return true;
}

const struct pw_batch *backlog_take_next(struct backlog *b, int64_t boot_to_wall_ns)
{
	struct pw_batch *batch = b->next;

	if (!batch)
		return NULL;
	if (batch->seq == 0) {
		size_t before = batch->bytes;
		bool has_more = tell_losses(b, batch);

		/* What was sent before keeps its wall time: ids of alerts are made of it. */
		pw_batch_seal(batch, b->next_seq++,
			batch->origin_seq > 0 ? batch->boot_to_wall_ns : boot_to_wall_ns);
		b->bytes += batch->bytes - before;
		keep_numbered(b, batch, has_more);
	}
	return batch;
}

void backlog_sent(struct backlog *b)
{
	pw_assert(b->next && b->next->seq > 0);
	b->next = b->next->next;
}

void backlog_forget_durable(struct backlog *b)
{
	while (b->first && b->first->seq > 0 && b->first->seq <= b->durable_seq)
		pw_batch_free(backlog_unlink_first(b));
	if (b->at_risk && b->at_risk_seq <= b->durable_seq) {
		pw_batch_free(b->at_risk);
		b->at_risk = NULL;
	}
}

/* What only the analyzer before had is lost now. */
void backlog_lose_at_risk(struct backlog *b)
{
	uint32_t done = 0;

	if (!b->at_risk)
		return;
	if (!b->lost) {
		b->lost = PW_TAKE(b->at_risk);
		return;
	}
	(void)merge_losses(b->lost, b->at_risk, &done);
	pw_batch_free(b->at_risk);
	b->at_risk = NULL;
}

bool backlog_welcome(struct backlog *b, const uint8_t analyzer[16])
{
	bool same = b->knows_analyzer && memcmp(b->analyzer, analyzer, sizeof(b->analyzer)) == 0;

	memcpy(b->analyzer, analyzer, sizeof(b->analyzer));
	b->knows_analyzer = true;
	if (!same && b->keep)
		keep_add(b->keep, KEEP_ANALYZER, b->analyzer, sizeof(b->analyzer));
	return same;
}

void backlog_resume(struct backlog *b, bool same_instance, uint64_t received_seq)
{
	if (!same_instance || b->at_risk_seq > received_seq)
		backlog_lose_at_risk(b);
	if (!same_instance)
		received_seq = b->durable_seq;
	b->received_seq = received_seq;
	b->gap = false;
	b->next = b->first;
	while (b->next && b->next->seq > 0 && b->next->seq <= received_seq)
		b->next = b->next->next;
}

int backlog_ack(struct backlog *b, uint64_t received_seq, uint64_t durable_seq)
{
	if (received_seq >= b->next_seq || durable_seq > received_seq)
		return -EPROTO;
	/* Acks of one stream rise; an older one that was under way says nothing new. */
	if (received_seq > b->received_seq)
		b->received_seq = received_seq;
	if (durable_seq <= b->durable_seq)
		return 0;
	b->durable_seq = durable_seq;
	backlog_forget_durable(b);
	keep_durable(b);
	return 0;
}

uint64_t backlog_first_seq(const struct backlog *b)
{
	if (b->first && b->first->seq > 0)
		return b->first->seq;
	return b->next_seq == 1 && !b->first ? 0 : b->next_seq;
}
