/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Everything the running collector consists of. Built and torn down in collector.c, put to work
 * by work.c. Thread: the main loop's, after start.
 */
#include "collector/kmaps.h"
#include "collector/lanes.h"
#include "collector/node_watch.h"
#include "collector/pipeline.h"
#include "collector/print.h"
#include "collector/print_filter.h"
#include "collector/route.h"
#include "collector/settings.h"
#include "collector/source.h"
#include "common/base/loop.h"
#include "common/ops/httpd.h"
#include "common/ops/metrics.h"

#define STATE_PATH_SIZE 4096
#define STATE_NODE_SIZE 256

struct pw_rpc_loop;

struct state {
	struct settings settings;
	char node[STATE_NODE_SIZE];
	char cgroup_root[STATE_PATH_SIZE];
	uint8_t boot_id[16], instance[16];

	struct pw_loop *loop;
	struct pw_timer *drain_timer, *second_timer;
	struct pw_fd_watch *ring_watch;

	struct source *source; /* outermost: recording, kernel or replay */
	struct source *probe;  /* the kernel's among them; NULL for a replay */
	struct source_info info;
	struct procfs *procfs;
	struct redact_rules *redact;
	struct pipeline *pipeline;

	struct pw_tls *tls;      /* NULL = without certificates */
	struct pw_rpc_loop *rpc; /* NULL = nothing is sent */
	struct lanes *lanes;
	struct node_watch *watch;
	struct route route;

	struct pw_metrics *metrics;
	struct pw_httpd *httpd;
	struct print_settings print;
	struct print_filter print_filter;
	struct pw_buf out; /* lines that were not written yet */

	/* work.c */
	struct source_stats source_before;
	uint64_t recorded;       /* records so far, for sampling the delay */
	uint64_t dropped_before; /* batches dropped by the backlog */
	uint64_t seconds;
	uint32_t max_events;
	bool has_target; /* an analyzer's address is known */
	bool has_update; /* policysync has spoken */
	bool stopping;
	bool replay_ended;
	struct pw_mono stop_deadline;
	int result; /* of the run: 0 or -errno with err */
	struct pw_err err;
};
