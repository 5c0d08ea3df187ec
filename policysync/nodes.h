/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * NodeService: tells collectors which containers belong to which pod group, what to watch and where
 * the analyzers are. A container runtime's assignments are replaced as a whole by their source
 * (runtime_api), those of a cluster's pods change one by one (kube); collectors get the difference,
 * and only what is on their node.
 * Thread: the rpc loop's, except nodes_post_… (any).
 * Ceilings: NODES_CALLS collectors, NODES_ASSIGNMENTS containers; refusals are counted.
 */
#include "common/rpc/server.h"
#include "policysync/metrics.h"
#include "policysync/node_table.h"
#include "policysync/runtime_json.h"

#define NODES_CALLS       1024
#define NODES_ASSIGNMENTS 65536
#define NODES_PART        500 /* assignments in one message */
#define NODES_ANALYZERS   64
#define NODES_SOURCES     8

struct nodes_analyzer {
	char name[64];
	char address[256];
};

struct nodes_settings {
	struct nodes_analyzer analyzers[NODES_ANALYZERS];
	size_t analyzer_count;
	bool systemd_units;
	size_t source_count; /* runtimes that give assignments; 0 = groups are derived by the
				collector */
	bool cluster;        /* assignments come from the API server only; nothing is derived */
};

/* "name=address,name=address" or plain addresses (named analyzer-0, analyzer-1 …). */
int nodes_parse_analyzers(
	const char *text, struct nodes_settings *ret, struct pw_err *err) PW_MUST_CHECK;

struct nodes;
struct Podward__V1__ShardMap;

int nodes_new(struct pw_rpc_loop *loop, const struct nodes_settings *settings,
	struct pw_metrics *metrics, struct nodes **ret) PW_MUST_CHECK;
void nodes_free(struct nodes *n); /* after the server stopped */
/* Collectors are told this map from now on; it is borrowed until the next. The rpc loop's thread.
 */
void nodes_set_map(struct nodes *n, const struct Podward__V1__ShardMap *map);
void nodes_method(struct nodes *n, struct pw_method *out);
/*
 * Takes list over: all containers of source number source (below NODES_SOURCES) now; NULL = the
 * source is away, its last list stays. While every source answers, collectors wait for assignments;
 * else (and for systemd units, which no runtime knows) they derive groups themselves. Any thread.
 */
void nodes_post_take(struct nodes *n, size_t source, struct runtime_list *list);

/* The containers of one pod that came, changed or went. */
struct nodes_change {
	bool removed;
	struct node_entry entry; /* texts are in the list's memory */
};
struct nodes_changes {
	size_t count;
	struct nodes_change *items;
	char *text;
};
void nodes_changes_free(struct nodes_changes *c);
/* Takes changes over. -EAGAIN when too much is posted; changes stay the caller's. Any thread. */
int nodes_post_changes_take(struct nodes *n, struct nodes_changes *changes) PW_MUST_CHECK;
/* In a cluster: the pods are known now; collectors that wait are told everything. Any thread. */
int nodes_post_ready(struct nodes *n) PW_MUST_CHECK;
