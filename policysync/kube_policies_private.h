/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What kube_policies.c and kube_hits.c share: the objects by key. Nobody else includes this.
 * Thread: the main loop's.
 */
#include "policysync/kube_policies.h"
#include "policysync/map.h"
#include "policysync/policy_dir.h"

struct entry {
	UT_hash_handle hh;
	struct kube_object *newest;   /* as the server has it; its object moved to candidate */
	struct crd_object *candidate; /* waits for what it refers to, or for the next set */
	struct crd_object *in_force;
	int64_t in_force_generation;
	uint64_t serial; /* first set that has in_force as it is; 0 = none yet */
	char problem[480];
	bool writing;
	uint64_t hits, hits_sent; /* not in the status yet; of those, in the write under way */
	int64_t last_hit_ns;
	uint64_t hits_due_ns; /* mono */
	uint64_t serial_ns;   /* mono: when serial was given */
	uint64_t agreed;      /* the serial that other replicas have in force too */
};

struct kube_policies {
	struct kube_policies_settings settings;
	struct policy_dir *defaults;
	struct pw_snapshot *snapshot;
	struct pw_timer *timer;
	struct entry *entries;
	struct publish_progress progress;
	struct kube_policies_peers peers;
	uint64_t serial;
	char revision[33];
	uint64_t problems;                    /* hash of those that were published */
	uint64_t refused;                     /* past the ceiling */
	bool gathering, synced, held, missed; /* missed: something changed while it was held */
};

struct entry *kube_policies_find(const struct kube_policies *k, const char *key);
