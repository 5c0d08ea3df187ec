/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * NodeService: tells collectors which containers belong to which pod group, what to watch and where
 * the analyzers are. The table of assignments is replaced as a whole by its source (runtime_api);
 * collectors get the difference.
 * Thread: the rpc loop's, except nodes_post (any).
 * Ceilings: NODES_CALLS collectors, NODES_ASSIGNMENTS containers; refusals are counted.
 */
#include "common/rpc/server.h"
#include "policysync/metrics.h"
#include "policysync/runtime_json.h"

#define NODES_CALLS       1024
#define NODES_ASSIGNMENTS 8192
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
};

/* "name=address,name=address" or plain addresses (named analyzer-0, analyzer-1 …). */
int nodes_parse_analyzers(
	const char *text, struct nodes_settings *ret, struct pw_err *err) PW_MUST_CHECK;

struct nodes;

int nodes_new(struct pw_rpc_loop *loop, const struct nodes_settings *settings,
	struct pw_metrics *metrics, struct nodes **ret) PW_MUST_CHECK;
void nodes_free(struct nodes *n); /* after the server stopped */
void nodes_method(struct nodes *n, struct pw_method *out);
/*
 * Takes list over: all containers of source number source (below NODES_SOURCES) now; NULL = the
 * source is away, its last list stays. While every source answers, collectors wait for assignments;
 * else (and for systemd units, which no runtime knows) they derive groups themselves. Any thread.
 */
void nodes_post_take(struct nodes *n, size_t source, struct runtime_list *list);
