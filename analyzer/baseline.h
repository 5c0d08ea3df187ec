/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The behaviours of one pod group as a join-semilattice: a map from key to a row of the cold table.
 * Flags are OR-ed, the smallest first time wins, of the containers that showed a behaviour the
 * three smallest hashes are kept, image versions are united; so anything may arrive twice, in parts
 * and in any order. What a user removed stays removed. A row that a template stands for is left
 * out. Judging is one probe. At rest (baseline_rest.h) most rows are packed; what changes it wakes
 * it, what reads rows needs it awake. Rows that changed since the last flush are on a list. Thread:
 * the shard that owns the group. Ceilings: keys (default 40,000), 16 MiB of text, 1,024 templates,
 * 32 image versions; refusals are counted.
 */
#include "analyzer/behaviour.h"

#define BASELINE_KEYS_DEFAULT 40000u
#define BASELINE_TEMPLATES    1024u
#define BASELINE_VERSIONS     32u
#define BASELINE_CONTAINERS   3u
#define BASELINE_NO_VERSION   UINT32_MAX
#define BASELINE_FLAGS        255u /* all of BehaviourFlag */

struct baseline_row {
	uint64_t key;
	int64_t first_wall_ns;
	uint32_t actor, object; /* texts */
	/* Of templates: names stood for, containers that showed one. Else the smallest hashes,
	 * ascending, 0 = none. */
	uint32_t containers[BASELINE_CONTAINERS];
	uint32_t versions; /* bit per baseline_version */
	uint8_t flags;     /* BehaviourFlag */
	uint8_t dimension;
	bool changed; /* is on the list of changes */
};

struct baseline;

int baseline_new(uint32_t key_limit, struct baseline **ret) PW_MUST_CHECK;
void baseline_free(struct baseline *b);

/* What is told of one behaviour: once seen (one container), or a row of another baseline. */
struct baseline_seen {
	int64_t wall_ns;
	uint32_t flags;                           /* BehaviourFlag */
	uint32_t containers[BASELINE_CONTAINERS]; /* ascending, 0 = none */
	uint32_t versions;
};
/*
 * Merges one behaviour. 1 = something new (put on the list of changes), 0 = all known,
 * -ENOSPC at a ceiling (counted), -ENOMEM.
 */
int baseline_observe(struct baseline *b, const struct behaviour *what,
	const struct baseline_seen *seen) PW_MUST_CHECK;
/*
 * The row's own behaviour once more, with its containers: what `seen` adds is merged into it. Its
 * texts are copied, because rows move while others are added. 0 (a ceiling is counted), -ENOMEM.
 */
int baseline_observe_row(struct baseline *b, const struct baseline_row *row,
	const struct baseline_seen *seen) PW_MUST_CHECK;
/* The same for what was stored before: does not count as a change. */
int baseline_restore(struct baseline *b, const struct behaviour *what,
	const struct baseline_seen *seen) PW_MUST_CHECK;
/* All rows and versions of another one, as observed. 0, -ENOSPC, -ENOMEM. */
int baseline_merge(struct baseline *b, const struct baseline *other) PW_MUST_CHECK;
/* Leaves out the rows that templates stand for; after templates were added. -ENOMEM: unchanged. */
int baseline_sweep(struct baseline *b) PW_MUST_CHECK;
/* Everything goes but what users removed. -ENOMEM when it is at rest and cannot wake. */
int baseline_reset(struct baseline *b) PW_MUST_CHECK;

/* Bit number of an image, made when missing; BASELINE_NO_VERSION when there is no room. */
uint32_t baseline_version(struct baseline *b, uint64_t image_hash);
uint64_t baseline_version_hash(const struct baseline *b, uint32_t bit);
uint32_t baseline_version_count(const struct baseline *b);

enum baseline_answer {
	BASELINE_UNKNOWN,
	BASELINE_KNOWN,        /* seen in an ordinary way while learning, or of this version */
	BASELINE_STARTUP_ONLY, /* known, but never after the start of a container */
	BASELINE_CANDIDATE,    /* seen while learning, never in an accepted way */
	BASELINE_PENDING,      /* of a version in its grace time */
	BASELINE_REMOVED,      /* by a user */
};
/* versions: bits of the images whose differences count for this container. *ret_row may be NULL. */
enum baseline_answer baseline_ask(struct baseline *b, const struct behaviour *what,
	uint32_t versions, const struct baseline_row **ret_row);
/* What a row says by itself. NULL = unknown. */
enum baseline_answer baseline_answer_of(const struct baseline_row *row, uint32_t versions);
const struct baseline_row *baseline_find(const struct baseline *b, uint64_t key); /* or NULL */
/* Same dimension and actor, longest common beginning of the object; any actor when there is none.
 * NULL = empty. */
const struct baseline_row *baseline_nearest(const struct baseline *b, const struct behaviour *what);
struct pw_slice baseline_actor(const struct baseline *b, const struct baseline_row *row);
struct pw_slice baseline_object(const struct baseline *b, const struct baseline_row *row);
uint32_t baseline_count(const struct baseline *b);
const struct baseline_row *baseline_at(const struct baseline *b, uint32_t index);
uint32_t baseline_limit(const struct baseline *b);
uint32_t baseline_template_count(const struct baseline *b);
uint32_t baseline_changed_count(const struct baseline *b);
const struct baseline_row *baseline_changed_at(const struct baseline *b, uint32_t index);
void baseline_changes_taken(struct baseline *b); /* they are in a report now */
uint64_t baseline_refused(const struct baseline *b);
size_t baseline_bytes(const struct baseline *b);     /* memory held */
size_t baseline_hot_bytes(const struct baseline *b); /* of it what judging touches */
/* Adds a hash to ascending ones, the smallest stay. True when something changed. */
bool baseline_add_container(uint32_t containers[BASELINE_CONTAINERS], uint32_t hash);
