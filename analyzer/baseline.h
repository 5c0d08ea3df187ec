/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The behaviours of one pod group: a hash map from key to a row of the cold table (readable form,
 * first time, flags). Judging is one probe. Grow-only: flags are OR-ed, the smallest first time
 * wins, so anything may arrive twice and in any order. Rows that changed since the last flush are
 * on a list.
 * Thread: the shard that owns the group. Ceilings: keys (default 40,000), 16 MiB of text; refusals
 * are counted.
 */
#include "analyzer/behaviour.h"

#define BASELINE_KEYS_DEFAULT 40000u

struct baseline_row {
	uint64_t key;
	int64_t first_wall_ns;
	uint32_t actor, object; /* interned */
	uint32_t flags;         /* BehaviourFlag */
	uint32_t dimension;
	bool changed; /* is on the list of changes */
};

struct baseline;

int baseline_new(uint32_t key_limit, struct baseline **ret) PW_MUST_CHECK;
void baseline_free(struct baseline *b);
/*
 * Merges one behaviour. 1 = something new (put on the list of changes), 0 = all known,
 * -ENOSPC at a ceiling (counted), -ENOMEM.
 */
int baseline_observe(struct baseline *b, const struct behaviour *what, int64_t wall_ns,
	uint32_t flags) PW_MUST_CHECK;
/* The same for what was stored before: does not count as a change. */
int baseline_restore(struct baseline *b, const struct behaviour *what, int64_t wall_ns,
	uint32_t flags) PW_MUST_CHECK;
const struct baseline_row *baseline_find(const struct baseline *b, uint64_t key); /* or NULL */
/* Accepted: seen in an ordinary way while learning. A mere candidate is not. */
bool baseline_accepts(const struct baseline_row *row); /* NULL = no */
/* Same dimension and actor, longest common beginning of the object; any actor when there is none.
 * NULL = empty. */
const struct baseline_row *baseline_nearest(const struct baseline *b, const struct behaviour *what);
struct pw_slice baseline_actor(const struct baseline *b, const struct baseline_row *row);
struct pw_slice baseline_object(const struct baseline *b, const struct baseline_row *row);
uint32_t baseline_count(const struct baseline *b);
uint32_t baseline_changed_count(const struct baseline *b);
const struct baseline_row *baseline_changed_at(const struct baseline *b, uint32_t index);
void baseline_changes_taken(struct baseline *b); /* they are in a report now */
uint64_t baseline_refused(const struct baseline *b);
