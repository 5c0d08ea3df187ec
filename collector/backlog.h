/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Batches that the analyzer has not made durable yet, oldest first: those that were sent (they have
 * a sequence number) and those that wait. A batch gets its number when it is first sent, so
 * dropping a waiting one leaves no gap.
 *
 * Over the memory ceiling the oldest goes. What was in it counts as lost (reason BACKLOG, by
 * container) and is told in the next batch that is sent; but a batch which was sent on the present
 * stream is only "at risk": it counts as lost when it turns out that the analyzer did not get it or
 * that another instance takes over before it became durable, else not at all.
 *
 * With a file (keep.h) all of this is written as it happens, before a batch is sent, and
 * backlog_restore goes on where a killed collector was: as the same instance, with the same batches
 * under the same numbers, so that an analyzer leaves out what it has.
 * Thread: the uplink's. Ceiling: bytes, given at init; one batch is always kept. The file is
 * written anew when it is larger than twice that, and emptied when nothing is held.
 */
#include "collector/keep.h"
#include "collector/split.h"

struct backlog {
	struct pw_batch *first, *last; /* pw_batch::next */
	struct pw_batch *next;         /* to be sent next; NULL = all were sent */
	size_t bytes, limit_bytes;
	uint32_t count;
	uint64_t next_seq;     /* for the next batch that is sent for the first time */
	uint64_t received_seq; /* the present analyzer has all up to here */
	uint64_t durable_seq;
	struct pw_batch *lost;    /* losses to be told; NULL = none */
	struct pw_batch *at_risk; /* losses if the analyzer dies now */
	uint64_t at_risk_seq;     /* newest batch in there */
	uint64_t unacked_events;
	uint64_t dropped_batches, dropped_events;
	struct keep *keep;    /* NULL = memory only */
	uint8_t instance[16]; /* of this collector, in the hello */
	uint8_t boot_id[16];
	uint8_t analyzer[16]; /* instance of the last one that welcomed us */
	bool knows_analyzer;
	uint64_t dict_epoch; /* newest one of any batch */
	uint64_t skipped;    /* waiting ones dropped since the last number was given */
	size_t dead_bytes;   /* dropped, but still in the file */
	uint64_t restored_batches;
	bool gap; /* a numbered batch that the analyzer did not have was dropped: reconnect */
};

void backlog_init(struct backlog *b, size_t limit_bytes);
void backlog_done(struct backlog *b); /* closes the file, which stays */
/*
 * Takes the file over (also when it fails) and goes on from it. instance and boot_id are set
 * before; the instance becomes the file's when that belongs to this boot. Damage is no failure,
 * -ENOMEM is.
 */
int backlog_restore(struct backlog *b, struct keep *keep) PW_MUST_CHECK;
/* Takes the batch over. Returns the number of batches dropped for it. */
uint32_t backlog_push(struct backlog *b, struct pw_batch *batch);
/*
 * The batch to be sent next, sealed (with a new number and the losses to be told when it goes out
 * for the first time); NULL when there is none. It stays here.
 */
const struct pw_batch *backlog_take_next(struct backlog *b, int64_t boot_to_wall_ns);
void backlog_sent(struct backlog *b); /* the one from take_next went out */
/* Remembers who welcomes us; true: the one from before. backlog_resume follows. */
bool backlog_welcome(struct backlog *b, const uint8_t analyzer[16]);
/* A new stream: the analyzer has up to received_seq when it is the same instance, else nothing. */
void backlog_resume(struct backlog *b, bool same_instance, uint64_t received_seq);
/* -EPROTO, nothing changed: numbers that were never sent, or that go back. */
int backlog_ack(struct backlog *b, uint64_t received_seq, uint64_t durable_seq) PW_MUST_CHECK;
/*
 * Where several analyzers share: what map gives to other lanes goes to fn (which takes it over), in
 * order; each part that was sent before says as what. is_new: whoever acknowledges from now on is
 * another one, so all that is not durable is looked at; else only what is not received. Numbers
 * stay without gaps: a batch that loses everything stays as an empty one while somebody may wait
 * for its number. -ENOMEM: nothing went, call again.
 */
int backlog_reroute(struct backlog *b, const struct split_map *map, uint32_t lane, bool is_new,
	void (*fn)(void *ctx, uint32_t lane, struct pw_batch *batch), void *ctx) PW_MUST_CHECK;
uint64_t backlog_first_seq(const struct backlog *b); /* CollectHello.first_seq */
