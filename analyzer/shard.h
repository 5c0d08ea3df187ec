/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One of N threads that own the pod groups with group_hash % N == index: nobody else touches them.
 * Work arrives as jobs from one producer (the rpc thread) and goes back as notes to the same
 * thread; both queues are spsc. A batch is given to every shard; each judges the events of its own
 * groups. What was learned is flushed at an interval, one flush under way at a time. Ceilings:
 * 16,384 jobs, groups as set.
 */
#include "analyzer/judge.h"
#include "common/base/snapshot.h"
#include "common/wire/slot.h"

#define SHARDS_MAX      16u
#define SHARD_QUEUE     16384u
#define SHARD_NODE_SIZE 256u

enum shard_job_kind { SHARD_JOB_BATCH, SHARD_JOB_LOAD, SHARD_JOB_FLUSHED, SHARD_JOB_RELEASE };

struct shard_job {
	enum shard_job_kind kind;
};

enum shard_note_kind { SHARD_NOTE_BATCH, SHARD_NOTE_LOAD, SHARD_NOTE_FLUSH, SHARD_NOTE_RELEASE };

/* Embedded in what it speaks of; the receiver finds that by kind. */
struct shard_note {
	enum shard_note_kind kind;
	uint32_t shard;
	struct report *report; /* owned by the receiver; NULL = nothing to report */
	uint64_t flush; /* FLUSH: its number; BATCH: number of the flush that it needs, 0 = none */
	int error;      /* -ENOMEM: judge the batch again, release again */
	void *of;       /* struct shard_batch, struct shard_load or struct shard_release */
	struct shard_note *next; /* for the receiver's list */
};

/* A batch in the hands of the shards; constant but for their own notes. The rpc thread owns it
 * again after all notes. */
struct shard_batch {
	struct shard_job job;
	struct pw_decoded *decoded;
	uint8_t source[16];
	char node[SHARD_NODE_SIZE];
	size_t node_len;
	uint32_t pending; /* notes to come; rpc thread only */
	int error;        /* rpc thread only: first error of a note */
	void *owner;      /* rpc thread only */
	struct shard_note notes[SHARDS_MAX];
};

/* One stored profile for the shard of its group. */
struct shard_load {
	struct shard_job job;
	struct pw_arena *arena;
	const Podward__V1__ProfileDelta *delta; /* in the arena */
	struct shard_note note;
};

/* Slots that belong to another analyzer from now on: each shard tells what it has not told of their
 * groups, and forgets them. For all shards at once, like a batch. */
struct shard_release {
	struct shard_job job;
	uint8_t slots[PW_SLOT_BYTES];
	uint32_t pending; /* notes to come; rpc thread only */
	struct shard_note notes[SHARDS_MAX];
};

struct shard_group_row {
	struct pw_slice key; /* own memory of the summary */
	uint32_t phase, keys;
	uint64_t generation, lost_events;
	int64_t started_wall_ns;
	uint64_t learning_ns;
	uint32_t extensions, containers, templates;
	char partial_reason[LEARNING_REASON], extension_reason[LEARNING_REASON];
};

/* Published after every flush interval in which something happened. */
struct shard_summary {
	struct judge_counts counts;
	uint64_t unattributed;   /* events without container or pod group */
	uint64_t refused_groups; /* events of groups past the ceiling */
	uint64_t behaviours;     /* in all baselines */
	uint64_t forgotten;      /* announced alerts forgotten for room */
	uint32_t group_count;
	struct shard_group_row *rows;
	struct pw_arena *arena;
};

struct shard_config {
	uint32_t index, count;
	struct pw_snapshot *policy; /* of struct policy */
	uint64_t flush_ms;
	uint32_t group_limit;
	void (*wake)(void *ctx); /* on the shard's thread: notes wait */
	void *wake_ctx;
};

struct shard;

int shard_start(
	const struct shard_config *config, struct shard **ret, struct pw_err *err) PW_MUST_CHECK;
/* Producer. False = queue full. */
bool shard_give(struct shard *s, struct shard_job *job) PW_MUST_CHECK;
/* Consumer. NULL = none. */
struct shard_note *shard_take(struct shard *s);
/* Current summary with a reference, put back by pw_snapshot_put; NULL before the first. Any thread.
 */
struct pw_snapshot_ref *shard_summary_get(struct shard *s);
/* Ends the thread; jobs still queued are done first. Afterwards notes can still be taken. */
void shard_stop(struct shard *s);
void shard_free(struct shard *s); /* after stop and after the last note; NULL is fine */

/* Copies a delta for a shard. -ENOMEM. */
int shard_load_new(const Podward__V1__ProfileDelta *delta, struct shard_load **ret) PW_MUST_CHECK;
void shard_load_free(struct shard_load *l);
