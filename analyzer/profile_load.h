/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Stored profiles from policysync to the shards, before any batch of them is judged: all at start,
 * or those of slots that became this analyzer's. A load
 * that breaks off starts over; merging twice does no harm.
 * Thread: the rpc loop's. One delta is under way at a time.
 */
#include "analyzer/shard.h"
#include "common/rpc/client.h"

struct profile_load_config {
	struct pw_channel *channel;
	struct shard **shards;
	uint32_t shard_count;
	const uint8_t *slots; /* only these (common/wire/slot.h); NULL = all; borrowed */
	void (*on_loaded)(void *ctx);
	void *ctx;
};

struct profile_load;

int profile_load_start(const struct profile_load_config *config, struct profile_load **ret,
	struct pw_err *err) PW_MUST_CHECK;
/* A shard is done with one delta (SHARD_NOTE_LOAD); frees it. l may be NULL when the loader is
 * gone. */
void profile_load_note(struct profile_load *l, struct shard_note *note);
bool profile_load_is_done(const struct profile_load *l);
void profile_load_stop(struct profile_load *l); /* NULL is fine */
