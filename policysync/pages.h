/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JSON pages on the metrics port: /v1/alerts (the newest 1,000, newest first), /v1/policies (what
 * is in force, what was refused), /v1/status (revision, problems, analyzers, spool, outputs).
 * Thread: the HTTP thread's, with a database connection of its own that is opened at first use.
 */
#include "common/base/snapshot.h"
#include "common/ops/httpd.h"
#include "policysync/publish.h"

#define PAGES_COUNT  4
#define PAGES_ALERTS 1000

struct pages;

/* Everything is borrowed; publish may be NULL until pages_set_publish. */
int pages_new(
	const char *state_dir, struct pw_snapshot *policies, struct pages **ret) PW_MUST_CHECK;
void pages_set_publish(
	struct pages *p, struct publish *publish); /* before the HTTP server starts */
void pages_free(struct pages *p);                  /* after the HTTP server stopped */
void pages_table(struct pages *p, struct pw_page out[PAGES_COUNT]);
