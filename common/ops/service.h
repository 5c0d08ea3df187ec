/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Orderly life of a program: logging, signals, a main loop, parts that start in order and stop in
 * reverse. SIGTERM and SIGINT stop the main loop; a second one during the stop kills. SIGPIPE is
 * ignored. Thread: main. Ceiling: 32 parts.
 */
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/loop.h"
#include "common/ops/httpd.h"

struct pw_service;

int pw_service_new(const char *program, enum pw_log_level level, enum pw_log_format format,
	struct pw_service **ret, struct pw_err *err) PW_MUST_CHECK;
void pw_service_free(struct pw_service *s); /* NULL is fine; parts must have stopped */
struct pw_loop *pw_service_loop(struct pw_service *s);

/*
 * A part of the program. start may be NULL, stop may be NULL; stop is called only after start
 * succeeded. Added before pw_service_run.
 */
void pw_service_add(struct pw_service *s, const char *name,
	int (*start)(void *ctx, struct pw_err *err), void (*stop)(void *ctx), void *ctx);

/* The main loop beats for /livez once a second from now on. h is borrowed until run returns. */
int pw_service_beat(struct pw_service *s, struct pw_httpd *h) PW_MUST_CHECK;

/*
 * Starts the parts in order, runs the loop until a signal or pw_loop_stop, stops the parts in
 * reverse. When a part does not start, those before it are stopped and its error is returned.
 */
int pw_service_run(struct pw_service *s, struct pw_err *err) PW_MUST_CHECK;
