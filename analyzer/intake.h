/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * CollectService: batches from the collectors to the shards, acknowledgements back.
 * One batch of a collector is under way at a time; the next is read when every shard has judged it
 * and there is room for reports: that is the back-pressure. A batch that was received before is
 * acknowledged and ignored. Until armed, hellos wait for their welcome. Where analyzers share the
 * pod groups, a batch waits until its groups are loaded, and is refused when they are another's.
 * Thread: the rpc loop's. Ceiling: collectors as set; refusals are counted.
 */
#include "analyzer/forward.h"
#include "analyzer/share.h"
#include "analyzer/sources.h"
#include "common/rpc/server.h"

#define INTAKE_SOURCES      4096u
#define INTAKE_BATCH_EVENTS 1024u
#define INTAKE_ACK_MS       50u

struct intake_config {
	struct pw_rpc_loop *loop;
	struct shard **shards;
	uint32_t shard_count;
	struct forward *forward;
	uint8_t instance[16]; /* of this process */
	uint32_t source_limit;
	const struct share *share; /* NULL = every pod group is this analyzer's */
};

struct intake_stats {
	uint64_t batches, events, duplicates, rejected_decode, rejected_hello, rejected_overload,
		retried, streams, waiting, throttled_reports, throttled_judging, held, not_owner;
};

struct intake;

int intake_new(
	const struct intake_config *config, struct intake **ret, struct pw_err *err) PW_MUST_CHECK;
/* The row for the server's method table. */
struct pw_method intake_method(struct intake *in);
/* From now on batches are taken. */
void intake_arm(struct intake *in);
/* A note of kind BATCH or FLUSH. */
void intake_note(struct intake *in, struct shard_note *note);
/* forward has committed more. */
void intake_on_commit(struct intake *in);
/* What is this analyzer's has changed: batches that waited are looked at again. */
void intake_on_share(struct intake *in);
/* Tells every collector to go elsewhere. */
void intake_drain(struct intake *in);
void intake_get_stats(const struct intake *in, struct intake_stats *ret);
uint32_t intake_sources(const struct intake *in); /* collector processes remembered */
void intake_free(struct intake *in);              /* after the server; NULL is fine */
