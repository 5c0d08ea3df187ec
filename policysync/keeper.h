/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The database thread: alone owns the store with spool and profiles, applies jobs in one
 * transaction and commits it after KEEPER_COMMIT_MS or KEEPER_COMMIT_ITEMS, whichever comes first.
 * A job's done is called only after its commit is on disk, so what is acknowledged survives any
 * crash. When a job or the commit fails, the whole transaction is rolled back and every job in it
 * is told. Threads: keeper_write and keeper_post any; callbacks of jobs run on the keeper's thread.
 * Ceiling: that of pw_loop_post (65,536 calls); senders hold their own smaller windows.
 */
#include "common/base/loop.h"
#include "policysync/metrics.h"
#include "policysync/profile_store.h"
#include "policysync/spool.h"

#define KEEPER_COMMIT_MS    20
#define KEEPER_COMMIT_ITEMS 200
#define KEEPER_OUTPUTS_MAX  16

struct keeper;

/* Embedded in the sender's own struct. */
struct keeper_job {
	int (*apply)(struct keeper *k, struct keeper_job *job, struct pw_err *err);
	void (*done)(struct keeper_job *job, int result); /* job belongs to the sender again */
	size_t items;
	struct keeper *keeper;   /* private */
	struct keeper_job *next; /* private */
};

struct keeper_settings {
	const char *dir;
	struct spool_limits limits;
	const char *const *outputs; /* names; borrowed until keeper_new returns */
	size_t output_count;
	bool want_active;           /* an output asks for alerts that are still active */
	struct pw_metrics *metrics; /* NULL = none */
	/* After each commit that added alerts. Keeper's thread. */
	void (*on_alerts)(void *ctx);
	/* The database fails (text) or works again (NULL). Keeper's thread. */
	void (*on_trouble)(void *ctx, const char *text);
	void *ctx;
};

/* Opens the database; the thread starts with keeper_start. */
int keeper_new(const struct keeper_settings *settings, struct keeper **ret,
	struct pw_err *err) PW_MUST_CHECK;
int keeper_start(struct keeper *k, struct pw_err *err) PW_MUST_CHECK;
/* Commits what was posted before, ends the thread. Main. */
void keeper_stop(struct keeper *k);
void keeper_free(struct keeper *k);

int keeper_write(
	struct keeper *k, struct keeper_job *job) PW_MUST_CHECK; /* -EAGAIN when too many wait */
/* fn(ctx) on the keeper's thread, in order with the jobs; for reading. */
int keeper_post(struct keeper *k, void (*fn)(void *ctx), void *ctx) PW_MUST_CHECK;
/* Keeper's thread (or before start and after stop). */
struct spool *keeper_spool(struct keeper *k);
struct profile_store *keeper_profiles(struct keeper *k);
