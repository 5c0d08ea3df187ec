/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of the backlog: what going on from a file (backlog_restore.c) shares with the rest, and
 * the bodies of records. Thread: the backlog's.
 */
#include "collector/backlog.h"

#define BACKLOG_HEAD_MAGIC 0x31307065656b7770ull /* "pwkeep01" */

/* Body of KEEP_HEAD. */
struct backlog_head {
	uint64_t magic;
	uint8_t instance[16], boot_id[16], analyzer[16];
	uint64_t knows_analyzer, next_seq, durable_seq, dict_epoch;
};

/* Body of KEEP_NUMBER. */
struct backlog_number {
	uint64_t skipped; /* waiting ones that were dropped before this one */
	uint64_t seq;
	int64_t boot_to_wall_ns;
};

void backlog_link_last(struct backlog *b, struct pw_batch *batch);
struct pw_batch *backlog_unlink_first(struct backlog *b);
uint64_t backlog_events_of(const struct pw_batch *batch);
uint32_t backlog_drop_to_limit(struct backlog *b);
void backlog_forget_durable(struct backlog *b);
void backlog_lose_at_risk(struct backlog *b);
int backlog_note_node(struct backlog *b, uint64_t events); /* lost, of no known container */
void backlog_keep_all(struct backlog *b);                  /* a new file with what is held now */
