/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Small read-only HTTP server (door of libmicrohttpd): /metrics, /livez, /readyz, and further GET
 * pages that a program registers. Own thread. Ceilings: 64 connections, 10 s each, GET and HEAD
 * only.
 */
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/ops/metrics.h"

struct pw_httpd;

/* Fills body and content type; returns the HTTP status. Runs on the HTTP thread. */
typedef int (*pw_page_fn)(void *ctx, struct pw_buf *body, const char **ret_content_type);

struct pw_page {
	const char *path; /* exact match */
	pw_page_fn fn;
	void *ctx;
};

/* address "127.0.0.1:9401", "[::]:9401", ":9401" (all), port 0 = any. Port in use: err says so. */
int pw_httpd_start(const char *address, struct pw_metrics *metrics, const struct pw_page *pages,
	size_t page_count, struct pw_httpd **ret, struct pw_err *err) PW_MUST_CHECK;
uint16_t pw_httpd_port(const struct pw_httpd *h);
/* /readyz answers 503 with the reason until ready. Any thread. reason is copied (255 bytes). */
void pw_httpd_set_ready(struct pw_httpd *h, bool ready, const char *reason);
/* /livez answers 503 when the beat is older than 30 s; the program's main loop beats. Any thread.
 */
void pw_httpd_beat(struct pw_httpd *h);
void pw_httpd_stop(struct pw_httpd *h);
