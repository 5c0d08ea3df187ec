/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a baseline was learned from: the containers that were seen, how long, where, whether their
 * start was seen. A sample of at most 64, those with the smallest hashes, merged entry by entry; so
 * parts may arrive twice and in any order. More containers than that are estimated from the sample.
 * Thread: the shard that owns the group.
 */
#include "analyzer/baseline.h"

#define EVIDENCE_CONTAINERS 64u
#define EVIDENCE_STARTUP_NS (60ll * 1000000000ll)

struct evidence_container {
	uint64_t hash; /* of the container's id, never 0 */
	int64_t first_wall_ns, last_wall_ns;
	uint64_t pod, node;
	bool startup; /* seen from its start on */
};

struct evidence {
	struct evidence_container items[EVIDENCE_CONTAINERS]; /* ascending by hash */
	uint32_t count;
};

/* True when something worth telling changed: a new container, or minutes more of a known one. */
bool evidence_see(struct evidence *e, const struct evidence_container *c);

struct evidence_figures {
	uint32_t containers, pods, nodes, startups; /* of the sample; containers estimated */
	uint64_t container_seconds;
	uint32_t keys, once, twice; /* accepted behaviours; shown by one, by two containers */
	uint32_t unseen_permille;   /* Good-Turing: share of behaviours still to come */
	int64_t last_novelty_wall_ns;
};

void evidence_figures(const struct evidence *e, const struct baseline *b, int64_t started_wall_ns,
	int64_t end_wall_ns, struct evidence_figures *ret);
/* Why it is too early to protect, as a sentence; NULL = it is not. kind: of the workload. */
const char *evidence_doubt(const struct evidence_figures *f, struct pw_slice kind);
