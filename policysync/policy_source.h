/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Keeps the published policy set current: loads the folder, watches it (changes are gathered for
 * 200 ms, and it is read anew every 10 s in case a change was not told), publishes a new set when
 * its revision or its problems changed. A folder that cannot be read is an error at start; later
 * the old state stays. Thread: the main loop's.
 */
#include "common/base/loop.h"
#include "common/base/snapshot.h"
#include "policysync/metrics.h"
#include "policysync/policy_dir.h"

struct policy_source;

struct policy_source_settings {
	const char *dir;              /* NULL = only the defaults */
	void (*on_change)(void *ctx); /* after each new set but the first */
	void *ctx;
	struct pw_metrics *metrics; /* NULL = none */
	const char *base;           /* folder with the objects of a bundle; NULL = none */
};

int policy_source_start(struct pw_loop *loop, const struct policy_source_settings *settings,
	struct policy_source **ret, struct pw_err *err) PW_MUST_CHECK;
/* Values are struct policy_set. */
struct pw_snapshot *policy_source_snapshot(struct policy_source *s);
void policy_source_reload(struct policy_source *s);
void policy_source_stop(struct policy_source *s); /* after the readers put their sets back */
