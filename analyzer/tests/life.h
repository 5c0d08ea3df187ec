/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A pod group through days of its life with a fake clock: containers come and go, images change,
 * the owner of the group moves, the clock is set. Events go into the work of one shard, flushes
 * into a store that a new owner is filled from. Thread: the owner's.
 */
#include "analyzer/shard_work.h"
#include "analyzer/tests/kit.h"

#define LIFE_HOUR (3600ll * 1000000000ll)
#define LIFE_DAY  (24 * LIFE_HOUR)

struct life {
	struct pw_fake_clock clock;
	struct kit_snapshot snapshot;
	struct policy *policy; /* NULL = to be compiled from the snapshot once more */
	uint64_t policy_version;
	struct shard_work work;
	struct report *flushes[256]; /* everything that was flushed, as policysync would keep it */
	uint32_t flush_count;
	uint64_t seq;
	const char *group; /* pod group of what happens next */
	const char *image;
	int64_t event_ns;   /* time of what happens next, 0 = now */
	int64_t started_ns; /* of the container, 0 = at the first event of its name */
	uint32_t alerts;    /* told so far */
	char last_detector[64], last_reason[4096];
	uint64_t last_count; /* occurrences in the last report */
	uint32_t last_severity;
};

/* learning_ns 0 = without a policy: 24 h. */
void life_init(struct life *l, uint64_t learning_ns);
void life_done(struct life *l);
void life_pass(struct life *l, int64_t ns); /* time goes by; clocks tick every ten minutes */
void life_jump(struct life *l, int64_t ns); /* the wall clock is set */
/* The container of this name (its id) reads a file, by the program /usr/bin/app. Returns the number
 * of new alerts. Containers start a minute before their first event unless said otherwise. */
uint32_t life_read(struct life *l, const char *container, const char *path);
uint32_t life_event(struct life *l, const char *container, uint8_t kind, const char *object,
	uint32_t aux, uint32_t process_flags);
/* Losses of the container, or of the node when NULL; and that they were made good. */
void life_lose(struct life *l, const char *container, uint64_t count);
void life_repair(struct life *l, const char *container, uint64_t count);
/* What was learned goes to the store. Returns the number of alerts in the flush. */
uint32_t life_flush(struct life *l);
/* Another owner takes over with what is in the store. */
void life_move(struct life *l);
struct group *life_group(struct life *l);
const char *life_phase(struct life *l);
