/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one RuntimeProtection object: health of the installation as the replica that writes sees it.
 * Thread: the main loop's. Ceiling: one write under way.
 */
#include "policysync/bundle_sync.h"
#include "policysync/kube_policies.h"
#include "policysync/kube_writer.h"
#include "policysync/pod_groups.h"

#define KUBE_HEALTH_PATH "/apis/" CRD_API_VERSION "/runtimeprotections/default"
/* The object itself has nothing but its name. */
#define KUBE_HEALTH_OBJECT                                                        \
	"{\"apiVersion\":\"" CRD_API_VERSION "\",\"kind\":\"RuntimeProtection\"," \
	"\"metadata\":{\"name\":\"default\"}}"

enum kube_health_condition {
	KUBE_HEALTHY,
	KUBE_BUNDLE_APPLIED, /* these three only with a backend */
	KUBE_BUNDLE_FRESH,
	KUBE_BACKEND_REACHABLE,
	KUBE_HEALTH_CONDITIONS
};

/* leader and bundle are set by the owner, the rest is private. */
struct kube_health {
	const char *leader;
	const struct bundle_told *bundle; /* NULL = none was told */
	struct kube_writer *writer;
	struct kube_policies_stats policies;
	struct pod_groups_stats pods;
	struct {
		bool holds;
		char since[40]; /* when that changed last, RFC 3339 */
	} conditions[KUBE_HEALTH_CONDITIONS];
	uint64_t written; /* hash of what the object says */
	bool busy;
};

/* Writes it when something changed; only the replica that holds the Lease calls this. */
void kube_health_tick(struct kube_health *h, struct kube_writer *writer,
	const struct kube_policies *policies, const struct pod_groups *groups);
