/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one RuntimeProtection object: health of the installation as the replica that writes sees it.
 * Thread: the main loop's. Ceiling: one write under way.
 */
#include "policysync/kube_policies.h"
#include "policysync/kube_writer.h"
#include "policysync/pod_groups.h"

#define KUBE_HEALTH_PATH "/apis/" CRD_API_VERSION "/runtimeprotections/default"

/* leader is set by the owner, the rest is private. */
struct kube_health {
	const char *leader;
	struct kube_writer *writer;
	struct kube_policies_stats policies;
	struct pod_groups_stats pods;
	char since[40];   /* when Healthy changed last, RFC 3339 */
	uint64_t written; /* hash of what the object says */
	bool busy, was_good;
};

/* Writes it when something changed; only the replica that holds the Lease calls this. */
void kube_health_tick(struct kube_health *h, struct kube_writer *writer,
	const struct kube_policies *policies, const struct pod_groups *groups);
