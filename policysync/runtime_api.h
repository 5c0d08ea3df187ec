/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Asks docker-compatible runtimes on their unix sockets which containers run (once a second) and
 * which were started (four times a second), and gives both as one list to nodes: a container that
 * lived between two lists is named by the runtime's events only. A socket that is away is said once
 * and tried again; one that answers no events goes on with its list. A container that vanished
 * stays assigned for RUNTIME_GRACE_S, because its last events are still on their way (collectors
 * keep them for 30 s). Thread: its own. Ceilings: RUNTIME_SOCKETS sockets, 1 MiB for one answer,
 * RUNTIME_SEEN containers of a socket, of these RUNTIME_SEEN_EVENTS before events may add none;
 * what is refused is counted.
 */
#include "common/base/err.h"
#include "common/ops/metrics.h"
#include "policysync/nodes.h"

#define RUNTIME_SOCKETS NODES_SOURCES
#define RUNTIME_GRACE_S 60
#define RUNTIME_SEEN    (2 * RUNTIME_CONTAINERS)
/* The rest is kept for containers that run: many short-lived ones must not push them out. */
#define RUNTIME_SEEN_EVENTS (RUNTIME_SEEN - RUNTIME_CONTAINERS)

struct runtime_api;

/* How many sockets "PATH,PATH" names. */
int runtime_api_count(const char *sockets, size_t *ret_count, struct pw_err *err) PW_MUST_CHECK;
int runtime_api_start(const char *sockets, struct nodes *nodes, struct pw_metrics *metrics,
	struct runtime_api **ret, struct pw_err *err) PW_MUST_CHECK;
void runtime_api_stop(struct runtime_api *a); /* joins and frees; NULL is fine */
