/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * This analyzer's share of the pod groups, where several share them: says to policysync that it is
 * there, follows the map, and keeps each slot in one state:
 *
 *   FOREIGN -> WAITING (the owner before has not given it up) -> LOADING -> OWN -> FOREIGN …
 *
 * A slot is loaded from policysync before anything of it is judged; one that is lost is given up:
 * what its groups learned is sent and committed, then they are forgotten here and policysync is
 * told. So what moves goes by the durable store, and there is no way between two analyzers.
 *
 * Thread: the rpc loop's. One load and one release are under way at a time.
 */
#include "analyzer/forward.h"
#include "analyzer/shard.h"
#include "common/wire/slot.h"

struct share_config {
	struct pw_rpc_loop *loop;
	struct pw_channel *channel; /* to policysync */
	const char *name, *address; /* as collectors reach it */
	uint8_t instance[16];
	struct shard **shards;
	uint32_t shard_count;
	struct forward *forward;
	void (*on_change)(void *ctx); /* something may be judged, or must not any more */
	void *ctx;
};

enum share_verdict {
	SHARE_JUDGE,
	SHARE_WAIT,      /* soon: on_change, or ask again */
	SHARE_NOT_OWNER, /* of at least one pod group in it */
};

struct share_stats {
	uint64_t epoch, released, loads, heartbeats;
	uint32_t own, waiting; /* slots */
};

struct share;

int share_start(
	const struct share_config *config, struct share **ret, struct pw_err *err) PW_MUST_CHECK;
/* A map is known: it is said whose every slot is. */
bool share_has_map(const struct share *s);
uint64_t share_epoch(const struct share *s);
/* What to do with a batch that was sent by this epoch. */
enum share_verdict share_ask(const struct share *s, const struct pw_decoded *b, uint64_t epoch);
/* A note of kind LOAD or RELEASE. */
void share_note(struct share *s, struct shard_note *note);
/* forward has committed more. */
void share_on_commit(struct share *s);
/* Gives everything to others, as far as there are any. */
void share_leave(struct share *s);
/* After share_leave: nothing is left here, or there is nobody to give it to. */
bool share_has_left(const struct share *s);
void share_get_stats(const struct share *s, struct share_stats *ret);
void share_halt(struct share *s); /* nothing begins any more; NULL is fine, as below */
void share_free(struct share *s); /* after the shards have stopped */
