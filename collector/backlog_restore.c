/* SPDX-License-Identifier: Apache-2.0 */
/* Going on from a file. Records come in the order in which a collector before wrote them. */
#include "collector/backlog_private.h"
#include "common/base/err.h"
#include "common/base/log.h"

#include <errno.h>

#define MODULE "backlog"
/* A file of ours gives twice the limit at most: dropped batches may still be in it. */
#define BYTES_FACTOR 8u
#define COUNT_MAX    (1ull << 62) /* nobody gets there by counting */

struct restore {
	struct backlog *b;
	bool has_head, other_boot;
	struct pw_batch *numbered; /* the last one that has a number; NULL = none */
};

static struct pw_batch **first_waiting(struct restore *run)
{
	return run->numbered ? &run->numbered->next : &run->b->first;
}

/* Takes the oldest waiting batch out; NULL = there is none. */
static struct pw_batch *unlink_waiting(struct restore *run)
{
	struct backlog *b = run->b;
	struct pw_batch **at = first_waiting(run);
	struct pw_batch *batch = *at;

	if (!batch)
		return NULL;
	*at = batch->next;
	if (b->last == batch)
		b->last = run->numbered;
	batch->next = NULL;
	b->bytes -= batch->bytes;
	b->count--;
	b->unacked_events -= backlog_events_of(batch);
	return batch;
}

static int skip_waiting(struct restore *run, uint64_t count)
{
	if (count > run->b->count)
		return -EBADMSG;
	for (; count > 0; count--) {
		struct pw_batch *batch = unlink_waiting(run);

		if (!batch)
			return -EBADMSG;
		pw_batch_free(batch);
	}
	return 0;
}

static int read_head(struct restore *run, struct pw_slice body)
{
	struct backlog *b = run->b;
	struct backlog_head head;

	if (run->has_head || body.len != sizeof(head))
		return -EBADMSG;
	memcpy(&head, body.ptr, sizeof(head));
	if (head.magic != BACKLOG_HEAD_MAGIC || head.next_seq > COUNT_MAX ||
		head.durable_seq >= head.next_seq || head.dict_epoch > COUNT_MAX)
		return -EBADMSG;
	run->has_head = true;
	run->other_boot = memcmp(head.boot_id, b->boot_id, sizeof(head.boot_id)) != 0;
	memcpy(b->instance, head.instance, sizeof(b->instance));
	memcpy(b->analyzer, head.analyzer, sizeof(b->analyzer));
	b->knows_analyzer = head.knows_analyzer != 0;
	b->next_seq = head.next_seq;
	b->durable_seq = head.durable_seq;
	b->dict_epoch = head.dict_epoch;
	return 0;
}

static int take_batch(struct restore *run, struct pw_batch *batch)
{
	struct backlog *b = run->b;
	bool fits =
		run->numbered ? batch->seq == run->numbered->seq + 1 : batch->seq > b->durable_seq;
	bool may = batch->seq == 0 || (!*first_waiting(run) && fits && batch->seq < b->next_seq);

	if (!may || b->bytes > BYTES_FACTOR * b->limit_bytes)
		return -EBADMSG;
	backlog_link_last(b, batch);
	if (batch->seq > 0)
		run->numbered = batch;
	return 0;
}

/* In the place of the one that waited. */
static int take_numbered(struct restore *run, uint64_t skipped, struct pw_batch *batch)
{
	struct backlog *b = run->b;
	struct pw_batch *before = NULL;
	struct pw_batch *rest = NULL;

	if (batch->seq != b->next_seq || skip_waiting(run, skipped) < 0)
		return -EBADMSG;
	before = unlink_waiting(run);
	if (!before)
		return -EBADMSG;
	pw_batch_free(before);
	rest = *first_waiting(run);
	*first_waiting(run) = NULL;
	before = b->last;
	b->last = run->numbered;
	backlog_link_last(b, batch);
	batch->next = rest;
	if (rest)
		b->last = before;
	run->numbered = batch;
	b->next_seq++;
	/* Told in this one. */
	pw_batch_free(b->lost);
	b->lost = NULL;
	return 0;
}

static int take_losses(
	struct restore *run, enum keep_type type, uint64_t word, struct pw_batch *batch)
{
	struct backlog *b = run->b;
	struct pw_batch **to = type == KEEP_LOST ? &b->lost : &b->at_risk;

	if (*to || batch->seq > 0)
		return -EBADMSG;
	*to = batch;
	if (type == KEEP_AT_RISK)
		b->at_risk_seq = word;
	return 0;
}

static int read_batch(struct restore *run, enum keep_type type, struct pw_slice body)
{
	struct pw_batch *batch = NULL;
	uint64_t word = 0;
	int r = keep_decode(run->b->keep, body, &word, &batch);

	if (r < 0)
		return r;
	if (batch->dict_epoch > COUNT_MAX)
		r = -EBADMSG;
	else if (type == KEEP_BATCH)
		r = take_batch(run, batch);
	else if (type == KEEP_NUMBERED)
		r = take_numbered(run, word, batch);
	else
		r = take_losses(run, type, word, batch);
	if (r < 0)
		pw_batch_free(batch);
	return r;
}

static int read_number(struct restore *run, struct pw_slice body)
{
	struct pw_batch *batch = NULL;
	struct backlog_number n;

	if (body.len != sizeof(n))
		return -EBADMSG;
	memcpy(&n, body.ptr, sizeof(n));
	if (n.boot_to_wall_ns <= -(int64_t)PW_WIRE_TIME_MAX ||
		n.boot_to_wall_ns >= (int64_t)PW_WIRE_TIME_MAX)
		return -EBADMSG;
	if (n.seq != run->b->next_seq || skip_waiting(run, n.skipped) < 0)
		return -EBADMSG;
	batch = *first_waiting(run);
	if (!batch)
		return -EBADMSG;
	pw_batch_seal(batch, n.seq, n.boot_to_wall_ns);
	run->numbered = batch;
	run->b->next_seq++;
	return 0;
}

static int read_durable(struct restore *run, struct pw_slice body)
{
	struct backlog *b = run->b;
	uint64_t seq = 0;

	if (body.len != sizeof(seq))
		return -EBADMSG;
	memcpy(&seq, body.ptr, sizeof(seq));
	if (seq < b->durable_seq || seq >= b->next_seq)
		return -EBADMSG;
	b->durable_seq = seq;
	if (run->numbered && run->numbered->seq <= seq)
		run->numbered = NULL;
	backlog_forget_durable(b);
	return 0;
}

static int read_one(void *ctx, enum keep_type type, struct pw_slice body)
{
	struct restore *run = ctx;
	struct backlog *b = run->b;

	if (type == KEEP_HEAD)
		return read_head(run, body);
	if (!run->has_head)
		return -EBADMSG;
	if (type == KEEP_NUMBER)
		return read_number(run, body);
	if (type == KEEP_DURABLE)
		return read_durable(run, body);
	if (type != KEEP_ANALYZER)
		return read_batch(run, type, body);
	if (body.len != sizeof(b->analyzer))
		return -EBADMSG;
	memcpy(b->analyzer, body.ptr, sizeof(b->analyzer));
	b->knows_analyzer = true;
	backlog_lose_at_risk(b);
	return 0;
}

/* Stamps of another boot mean nothing any more; that they are lost is told. */
static void forget_all(struct backlog *b)
{
	uint64_t events = b->unacked_events;

	pw_log_warn(MODULE, "%u batches with %llu events are of before the reboot: given up",
		b->count, (unsigned long long)events);
	keep_count(b->keep, KEEP_ERROR_OTHER_BOOT, b->count);
	while (b->first)
		pw_batch_free(backlog_unlink_first(b));
	pw_batch_free(b->lost);
	pw_batch_free(b->at_risk);
	b->lost = b->at_risk = NULL;
	if (events > 0)
		(void)backlog_note_node(b, events);
}

/* Which numbers were given is not certain: all batches wait again, for numbers of a new instance.
 */
static int unseal_all(struct backlog *b)
{
	backlog_lose_at_risk(b);
	for (struct pw_batch **at = &b->first; *at; at = &(*at)->next) {
		struct pw_batch *old = *at;
		struct pw_batch *copy = NULL;
		int r = old->seq > 0 ? keep_unseal(b->keep, old, &copy) : 0;

		if (r < 0)
			return r;
		if (!copy)
			continue;
		copy->next = old->next;
		*at = copy;
		b->bytes += copy->bytes - old->bytes;
		if (b->last == old)
			b->last = copy;
		pw_batch_free(old);
	}
	return 0;
}

static void begin_anew(struct backlog *b, const uint8_t instance[16])
{
	memcpy(b->instance, instance, sizeof(b->instance));
	b->knows_analyzer = false;
	b->next_seq = 1;
	b->durable_seq = b->received_seq = b->at_risk_seq = 0;
}

int backlog_restore(struct backlog *b, struct keep *keep)
{
	struct restore run = {.b = b};
	uint8_t instance[16];
	int r = 0;

	memcpy(instance, b->instance, sizeof(instance));
	b->keep = keep;
	r = keep_read(keep, read_one, &run);
	if (r < 0)
		return r;
	if (run.other_boot) {
		forget_all(b);
		run.numbered = NULL;
	} else if (r > 0 && unseal_all(b) < 0) {
		return -ENOMEM;
	}
	b->restored_batches = b->count;
	b->next = run.numbered && r == 0 ? run.numbered->next : b->first;
	if (run.other_boot || r > 0 || !run.has_head)
		begin_anew(b, instance);
	b->received_seq = b->durable_seq;
	(void)backlog_drop_to_limit(b);
	if (run.other_boot || r > 0 || !run.has_head)
		backlog_keep_all(b);
	return 0;
}
