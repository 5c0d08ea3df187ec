/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The built collector beside a benchmark: started, asked for what it cost and saw, ended.
 * It has no analyzer: batches are made, kept, and dropped at the backlog's ceiling.
 * Thread: the benchmark's.
 */
#include <stdint.h>
#include <sys/types.h>

struct watcher {
	pid_t pid; /* 0 = none */
	uint16_t port;
	double start_wall_s, start_cpu_s; /* until it said that it watches */
};

int watcher_start(struct watcher *w, const char *program); /* 0 or -errno */
void watcher_end(struct watcher *w);
double watcher_cpu_ns(const struct watcher *w); /* of all its threads so far; 0 without */
uint64_t watcher_rss_bytes(const struct watcher *w);
/* Sum of a metric over its labels; 0 when it is not there. */
double watcher_metric(const struct watcher *w, const char *name);
