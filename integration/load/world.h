/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A made-up cluster: nodes with pods of pod groups, whose containers start programs, open files,
 * connect and ask for names. Popular things happen often (Zipf), some things were never seen before
 * (novelty), a few are attacks that a signature finds. Says what one node's collector would put
 * into a batch; knows no stream. The same seed gives the same cluster.
 * Thread: one. Ceilings: WORLD_PODS_MAX, WORLD_KEYS_MAX, and WORLD_STRINGS_MAX strings of one node.
 */
#include "common/base/err.h"
#include "common/wire/batch.h"

#define WORLD_PODS_MAX     256u
#define WORLD_KEYS_MAX     10000u
#define WORLD_STRINGS_MAX  50000u
#define WORLD_EVENTS_MAX   1024u           /* of a batch */
#define WORLD_ATTACK_PATHS "/etc/attacks/" /* followed by the wall time of the event in ns */

enum world_kind { WORLD_EXEC, WORLD_OPEN, WORLD_CONNECT, WORLD_DNS, WORLD_KINDS };

struct world_settings {
	uint32_t groups, pods; /* pods of one node */
	uint32_t keys;         /* files that a group opens; a tenth as many peers and names */
	uint32_t novelty_ppm;  /* of the events but execs */
	uint32_t zipf_percent; /* exponent; 100 = the classic one */
	uint32_t weights[WORLD_KINDS];
	uint64_t seed;
};

struct world_node {
	uint32_t number;
	uint64_t random;
	uint64_t epoch;
	uint32_t novel; /* strings of this epoch that will not come again */
};

struct world;

/* -EINVAL names what is out of range. */
int world_new(const struct world_settings *settings, struct world **ret,
	struct pw_err *err) PW_MUST_CHECK;
void world_free(struct world *w); /* NULL is fine */
struct world_node world_node(const struct world *w, uint32_t number);
uint32_t world_groups_of(const struct world *w, uint32_t nodes); /* that have a pod on them */

struct world_span { /* what a batch is about */
	struct pw_boot from;
	uint64_t ns;
	uint32_t events;  /* at most WORLD_EVENTS_MAX, attacks included */
	uint32_t attacks; /* of them */
	int64_t boot_to_wall_ns;
};
int world_batch(const struct world *w, struct world_node *node, const struct world_span *span,
	struct pw_batch **ret) PW_MUST_CHECK;
