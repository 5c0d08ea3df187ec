/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Containers of this node: container id -> one object with its number on the wire, its pod and
 * its pod group. An object lives from the first cgroup or process that names it until its cgroups
 * are gone and nobody holds it. What the group is comes from assignments.h; here it is only kept.
 * Thread: the pipeline's. Ceiling: 8,192 containers; past it pods_get refuses and counts.
 */
#include "collector/cgroup.h"
#include "common/base/clock.h"
#include "common/wire/batch.h"

enum container_state {
	CONTAINER_PENDING,  /* no group yet: its events wait */
	CONTAINER_ASSIGNED, /* has a group, is watched */
	CONTAINER_EXCLUDED, /* known and not wanted */
	CONTAINER_STATES
};

struct container {
	struct container *prev, *next; /* of the table, in order of arrival; read only */
	uint32_t ref; /* on the wire; a changed group gets a new one. Also scope group in the kernel
		       */
	uint32_t holds;   /* processes, waiting events … that point here */
	uint32_t cgroups; /* directories that are (in) this container now */
	enum container_state state;
	enum cgroup_runtime runtime;
	bool is_unit;     /* systemd service: shares the host's namespaces */
	bool pre_running; /* was there before the collector */
	bool has_init;    /* its first process was seen */
	bool gone;        /* its cgroups were removed; the end was handled */
	bool is_beside;   /* another container of its pod has a group: it is the sandbox, or its
			     assignment is on the way */
	struct pw_wall started;
	struct pw_boot first_seen;
	struct pw_slice id; /* own memory, as all below */
	struct pw_slice pod_uid;
	struct pw_slice cgroup_pod; /* as the cgroup's path says; of static pods another one */
	/* Facts of the assignment, empty while unknown. */
	struct pw_slice pod_group, pod_name, name, image, image_digest;
	struct pending_row *pending; /* pending.c: what waits for the group */
	uint32_t pending_count;
	uint64_t pending_lost; /* given up; its loss as soon as it has a group */
	size_t pending_bytes;
	uint64_t told_epoch; /* batcher.c: last dictionary epoch in which `ref` was told */
	void *memory;        /* private */
	void *facts;         /* private */
};

/* What an assignment says; borrowed. */
struct container_facts {
	struct pw_slice pod_group, pod_name, name, image, image_digest, pod_uid;
};

struct pods;

int pods_new(uint32_t limit, struct pods **ret) PW_MUST_CHECK;
void pods_free(struct pods *t); /* with all containers, held or not */
/* The container of this identity (CGROUP_CONTAINER or CGROUP_UNIT), made when new. -ENOSPC,
 * -ENOMEM. */
int pods_get(
	struct pods *t, const struct cgroup_identity *who, struct container **ret) PW_MUST_CHECK;
struct container *pods_find(const struct pods *t, struct pw_slice id); /* NULL when absent */
struct container *pods_find_ref(const struct pods *t, uint32_t ref);   /* NULL when absent */
/*
 * Takes copies of the facts. 1 = something changed (the container has a new ref), 0 = all as
 * before, -ENOMEM. State becomes CONTAINER_ASSIGNED.
 */
int pods_assign(
	struct pods *t, struct container *c, const struct container_facts *facts) PW_MUST_CHECK;
struct container *pods_hold(struct container *c);
/* Frees when it was the last hold of a container that is gone. NULL is fine. */
void pods_put(struct pods *t, struct container *c);
/* No cgroup is left: no longer found by id (a new one may come), freed with the last hold. */
void pods_leave(struct pods *t, struct container *c);
struct container *pods_first(const struct pods *t);
uint32_t pods_count(const struct pods *t); /* present ones, without those that are gone */
uint32_t pods_count_state(const struct pods *t, enum container_state state);
uint64_t pods_refused(const struct pods *t);
/* Wire form; slices point into the container. */
void pods_def(const struct container *c, struct pw_container_def *ret);
const char *container_state_name(enum container_state state);
