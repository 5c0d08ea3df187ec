/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One collector's stream: hello, welcome, batches, acknowledgements. Private to intake.
 * Thread: the rpc loop's. All functions accept NULL: the stream may have gone meanwhile.
 */
#include "analyzer/intake.h"

struct intake {
	struct intake_config config;
	struct sources *sources;
	struct pw_rpc_timer *ack_timer;
	struct shard_note *stuck; /* reports that found no memory, tried again by the timer */
	struct intake_stats stats;
	uint64_t flushed[SHARDS_MAX]; /* number of the last flush queued */
	struct shard_job flushed_job; /* the same for every shard: it carries nothing */
	bool is_armed, ack_timer_set;
	struct pw_rpc_timer *throttle_timer; /* intake_throttle.h */
	bool throttle_timer_set;
	uint32_t held_count; /* batches that wait for a map or a profile */
};

struct intake_stream {
	struct intake *in;
	struct pw_call *call;
	struct pw_decoder *decoder;
	struct source *source; /* NULL before the hello and after another stream took over */
	char node[SHARD_NODE_SIZE];
	size_t node_len;
	bool is_welcome;
	bool ack_is_due;
	bool waits_for_room;  /* the next message is not asked for yet */
	bool is_throttled;    /* was asked to wait for room */
	struct pw_mono taken; /* when the batch under way came */
	bool is_finished;
	struct pw_decoded *held;   /* a batch that may not be judged yet; NULL = none */
	uint64_t held_epoch;       /* by which it was sent */
	struct pw_mono held_until; /* for the map that the sender knows already */
};

void intake_ack_later(struct intake *in);
/* Sends the welcome when nothing stands against it. */
void intake_stream_try_welcome(struct intake_stream *st);
void intake_stream_ack(struct intake_stream *st);
/* Asks for the next message if that waits for room and there is some. */
void intake_stream_go_on(struct intake_stream *st);
/* The batch under way is judged. */
void intake_stream_judged(struct intake_stream *st);
/* Judges or refuses a batch that was held, as soon as it is known which. */
void intake_stream_look_again(struct intake_stream *st);
void intake_stream_fail(struct intake_stream *st, int status, const char *detail);
void intake_stream_drain(struct intake_stream *st);
