/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is known of each collector process (CollectHello.instance), beyond the life of its stream:
 * up to where its batches were received, up to where everything they led to is committed.
 * Forgetting one is harmless: its collector sends again from its own durable position, and what is
 * told twice dies in the spool.
 * Thread: the rpc loop's. Ceilings: sources as set, the one that was quiet longest goes first;
 * 64 batches in doubt per source, further ones are merged into the last.
 */
#include "analyzer/shard.h"

#define SOURCE_ENTRIES 64u

/* One batch (or several) that is judged, but not known to be durable. */
struct source_entry {
	uint64_t seq;               /* durable up to here once the rest holds */
	uint64_t report_seq;        /* this message must be committed */
	uint64_t flush[SHARDS_MAX]; /* this flush of the shard must have been queued; 0 = none */
};

struct source {
	uint8_t instance[16];
	uint64_t received, durable;
	void *stream;  /* the stream that serves it now; NULL = none */
	bool is_busy;  /* a batch is with the shards */
	uint64_t used; /* for the choice of who goes */
	struct source_entry entries[SOURCE_ENTRIES]; /* ring */
	uint32_t first, entry_count;
};

struct sources;

int sources_new(uint32_t limit, struct sources **ret) PW_MUST_CHECK;
void sources_free(struct sources *t); /* NULL is fine */
/* Finds or makes. -ENOSPC when all are in use, -ENOMEM. */
int sources_get(struct sources *t, const uint8_t instance[16], struct source **ret) PW_MUST_CHECK;
uint32_t sources_count(const struct sources *t);
struct source *sources_at(const struct sources *t, uint32_t index);
uint64_t sources_forgotten(const struct sources *t);

/* The batch is judged; it is durable when entry holds. */
void source_judged(struct source *s, const struct source_entry *entry);
/* Flush number flush of this shard was queued, its last message is report_seq. */
void source_flushed(struct source *s, uint32_t shard, uint64_t flush, uint64_t report_seq);
/* All messages up to committed are on disk. True when durable rose. */
bool source_committed(struct source *s, uint64_t committed);
