/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Pods and their owners -> which container belongs to which pod group
 * "namespace/Kind/name/container". The group is that of the topmost owner: ReplicaSet and Job give
 * way to what controls them, any other owner counts itself, a static pod is its node's (name
 * without the node's), a pod without an owner is itself (by its generateName when it has one).
 * While an owner is not known the pod waits; nothing is guessed, but after POD_GROUPS_WAIT_S its
 * direct owner counts. A container that vanished stays assigned for POD_GROUPS_GRACE_S: its last
 * events are on their way. Thread: the owner's (the main loop). Ceilings: POD_GROUPS_PODS pods,
 * POD_GROUPS_PARENTS owners, what is past them is refused and counted.
 */
#include "policysync/nodes.h"
#include "policysync/pod_json.h"

#define POD_GROUPS_PODS    50000
#define POD_GROUPS_PARENTS 100000
#define POD_GROUPS_LEAVING 65536
#define POD_GROUPS_WAIT_S  30
#define POD_GROUPS_GRACE_S 60

struct pod_groups;

struct pod_groups_stats {
	uint64_t pods, waiting, parents, refused;
};

/* emit takes changes over; -EAGAIN leaves them to the caller, who says them again later. */
int pod_groups_new(int (*emit)(void *ctx, struct nodes_changes *changes), void *ctx,
	struct pod_groups **ret) PW_MUST_CHECK;
void pod_groups_free(struct pod_groups *g);
void pod_groups_put_take(struct pod_groups *g, struct pod *pod);
void pod_groups_remove(struct pod_groups *g, const char *uid);
void pod_groups_parent_put_take(struct pod_groups *g, struct pod_parent *parent);
void pod_groups_parent_remove(struct pod_groups *g, const char *uid);
void pod_groups_tick(struct pod_groups *g); /* about once a second */
void pod_groups_get_stats(const struct pod_groups *g, struct pod_groups_stats *ret);
