/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The durable spool of alerts: one row per alert id, how often it happened, what each output has
 * delivered, and what an output refused for good (dead letters).
 * - the same alert twice is one row; an occurrence is applied once: only when its seq is above the
 *   last one of the same (alert, source), so resends never double;
 * - what is added is durable after store_commit;
 * - ceilings: bytes and age (struct spool_limits). Room is made first by alerts that every output
 * has delivered, then by the lowest severity, oldest first; the latter are counted as dropped.
 * Thread: the store's. A failed call leaves the transaction to be rolled back by the caller, who
 * then calls spool_reload.
 */
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "policysync/store.h"
#include "podward/v1/alert.pb-c.h"

#define SPOOL_SEVERITIES 6
#define SPOOL_OUTPUT_MAX 63 /* bytes of an output's name */

struct spool_limits {
	uint64_t bytes;  /* of alert bodies with overhead; default 256 MiB */
	uint64_t age_ns; /* since it was stored; default 7 d */
};

struct spool_stats {
	uint64_t alerts, bytes;                     /* now */
	uint64_t added, duplicates;                 /* since open */
	uint64_t occurrences, occurrences_repeated; /* applied; seen before */
	uint64_t occurrences_unknown;               /* of an alert that is not here */
	uint64_t removed_delivered;                 /* room made by alerts that were delivered */
	uint64_t dropped_size[SPOOL_SEVERITIES], dropped_age[SPOOL_SEVERITIES]; /* undelivered */
};

struct spool;

int spool_new(struct store *store, const struct spool_limits *limits, struct spool **ret,
	struct pw_err *err) PW_MUST_CHECK;
void spool_free(struct spool *s);
static inline void spool_freep(struct spool **s)
{
	spool_free(*s);
}

/* In the open transaction. body = the packed Alert. 1 = new, 0 = was there. */
int spool_add(struct spool *s, const Podward__V1__Alert *alert, struct pw_slice body,
	struct pw_err *err) PW_MUST_CHECK;
/* 1 = applied, 0 = seen before or alert unknown. */
int spool_add_occurrence(
	struct spool *s, const Podward__V1__AlertOccurrence *o, struct pw_err *err) PW_MUST_CHECK;
/* Enforces the limits; in the open transaction. Returns how many undelivered alerts were dropped.
 */
int spool_trim(struct spool *s, struct pw_wall now, uint64_t *ret_dropped,
	struct pw_err *err) PW_MUST_CHECK;
/* After a rollback: counts again what is in the file. */
int spool_reload(struct spool *s, struct pw_err *err) PW_MUST_CHECK;
void spool_get_stats(const struct spool *s, struct spool_stats *ret);
/* The spool's own random id, for Idempotency-Key. */
void spool_id_hex(const struct spool *s, char out[33]);

/* Makes the output known; it starts with the oldest alert in the spool. */
int spool_output_add(struct spool *s, const char *output, struct pw_err *err) PW_MUST_CHECK;
/* Takes outputs away that are not in the list, so that they hold nothing back. */
int spool_output_only(struct spool *s, const char *const *outputs, size_t count,
	struct pw_err *err) PW_MUST_CHECK;

struct spool_row {
	int64_t n;
	uint64_t count; /* at least 1 */
	struct pw_wall last;
	struct pw_slice id, body; /* in the batch's memory */
};
struct spool_batch {
	struct spool_row *rows;
	size_t count;
	struct pw_buf memory;
};
/* The next alerts after the output's cursor, at most max_rows and about max_bytes, at least one. */
int spool_fetch(struct spool *s, const char *output, size_t max_rows, size_t max_bytes,
	struct spool_batch *ret, struct pw_err *err) PW_MUST_CHECK;
/* Alerts behind the cursor, not refused by the output, last seen at or after `since`, newest first.
 * spool_want_active makes the index that it needs. */
int spool_fetch_active(struct spool *s, const char *output, struct pw_wall since, size_t max_rows,
	struct spool_batch *ret, struct pw_err *err) PW_MUST_CHECK;
int spool_want_active(struct spool *s, struct pw_err *err) PW_MUST_CHECK;
void spool_batch_done(struct spool_batch *b);
/* Moves the cursor up to n; delivered are added to its counter. In the open transaction. */
int spool_advance(struct spool *s, const char *output, int64_t n, uint64_t delivered,
	struct pw_err *err) PW_MUST_CHECK;
/* Keeps the row as refused by this output. In the open transaction; the newest 10,000 per output
 * stay. */
int spool_dead_letter(struct spool *s, const char *output, const struct spool_row *row,
	const char *reason, struct pw_err *err) PW_MUST_CHECK;
/* Alerts behind the cursor; dead letters of the output. */
int spool_output_state(struct spool *s, const char *output, uint64_t *ret_lag, uint64_t *ret_dead,
	struct pw_err *err) PW_MUST_CHECK;
/* Wall time at which the oldest alert was stored; 0 when empty. */
int spool_oldest(struct spool *s, struct pw_wall *ret, struct pw_err *err) PW_MUST_CHECK;
