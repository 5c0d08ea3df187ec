/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which analyzer owns a pod group: rendezvous hash over the replicas' stable names, so that every
 * node agrees without talking and a replica that comes or goes moves only its own share.
 * Thread: the pipeline's. Ceiling: 64 replicas.
 */
#include "common/base/alloc.h"
#include "common/base/slice.h"

#define ROUTE_MAX 64u

struct route {
	struct route_entry {
		char *name, *address; /* owned */
	} entries[ROUTE_MAX];
	uint32_t count;
};

void route_init(struct route *r);
void route_done(struct route *r);
void route_clear(struct route *r);
/* -ENOSPC, -ENOMEM, -EEXIST for a name that is there. */
int route_add(struct route *r, const char *name, const char *address) PW_MUST_CHECK;
/* Index of the owner, or -1 when there is no replica. */
int route_owner(const struct route *r, struct pw_slice pod_group);
