/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The source of policies in a cluster: custom resources, laid over the embedded defaults. Changes
 * are gathered for KUBE_POLICIES_GATHER_MS, then published as one set. An object that is refused
 * leaves its previous version in force. Nothing is published before every kind was listed once:
 * half of the policies would be worse than the ones that analyzers have. Says for each object which
 * status it should have; who writes it is another's business (kube_writer). Thread: the main
 * loop's. Ceilings: POLICY_SET_OBJECTS objects, POLICY_SET_BYTES in all.
 */
#include "common/base/loop.h"
#include "common/base/snapshot.h"
#include "policysync/kube_object.h"
#include "policysync/metrics.h"
#include "policysync/policy_set.h"
#include "policysync/publish.h"

#define KUBE_POLICIES_GATHER_MS 50
#define KUBE_POLICIES_SETTLE_MS 500 /* after a hold: the last writes come by the watch */

struct kube_policies;

struct kube_policies_stats {
	size_t objects, refused;
	size_t in_force, analyzers; /* of the newest set, of those connected */
	char revision[33];
};

struct kube_policies_settings {
	void (*on_change)(void *ctx); /* after each new set */
	void *ctx;
	struct pw_metrics *metrics; /* NULL = none */
};

/* The analyzers of other replicas. */
struct kube_policies_peers {
	size_t analyzers;
	bool done;  /* each has its replica's newest set in force */
	bool agree; /* those replicas have the same set, revision */
	char revision[65];
	uint64_t oldest_ns; /* mono: the entry that was renewed the longest ago */
};

int kube_policies_new(struct pw_loop *loop, const struct kube_policies_settings *settings,
	struct kube_policies **ret, struct pw_err *err) PW_MUST_CHECK;
void kube_policies_free(struct kube_policies *k); /* after the readers put their sets back */
/* Values are struct policy_set; nothing until kube_policies_set_synced. */
struct pw_snapshot *kube_policies_snapshot(struct kube_policies *k);

void kube_policies_put_take(struct kube_policies *k, struct kube_object *o);
void kube_policies_remove(struct kube_policies *k, const char *key);
/* While it is held nothing is published: objects that belong together are being written. */
void kube_policies_hold(struct kube_policies *k, bool hold);
void kube_policies_set_synced(struct kube_policies *k); /* every kind was listed */
void kube_policies_set_progress(struct kube_policies *k, const struct publish_progress *progress);
/* Programmed counts them too. */
void kube_policies_set_peers(struct kube_policies *k, const struct kube_policies_peers *peers);
void kube_policies_get_stats(const struct kube_policies *k, struct kube_policies_stats *ret);

/*
 * Calls write for each object whose status is not what it should be and that is not being written.
 * write returns true when it took the job; it ends with kube_policies_written.
 */
void kube_policies_each_stale(struct kube_policies *k,
	bool (*write)(
		void *ctx, const char *key, const char *version, const struct kube_status *status),
	void *ctx);
void kube_policies_written(struct kube_policies *k, const char *key);

/* An exclusion silenced something. Counted here until it is in the status. */
void kube_policies_hit(struct kube_policies *k, const char *key, uint64_t count, int64_t wall_ns);
/*
 * Calls write for exclusions with hits that are not in their status, each at most every
 * KUBE_POLICIES_HITS_S seconds and KUBE_POLICIES_HITS of them at a time. hits is the sum that the
 * status should have. Ends with kube_policies_hits_written.
 */
#define KUBE_POLICIES_HITS_S 60
#define KUBE_POLICIES_HITS   4
void kube_policies_each_hit(struct kube_policies *k,
	bool (*write)(
		void *ctx, const char *key, const char *version, int64_t hits, int64_t last_ns),
	void *ctx);
void kube_policies_hits_written(struct kube_policies *k, const char *key, int result);
