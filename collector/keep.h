/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The file behind the backlog: records appended one write(2) each, so that a collector which is
 * killed finds its batches again. There is no fsync on purpose: the page cache outlives SIGKILL,
 * and a node that loses its memory has lost the events of that moment anyway. Stamps are of one
 * boot, so after a reboot the content is given up (backlog.c).
 *
 * Record = length, type, XXH3 of the body, XXH3 of these three, body; in the machine's byte order.
 * A record that ends behind the file is a write that a kill cut short: "torn"; all else that does
 * not fit is "damaged". Either way reading ends there. What is torn is cut off; after damage the
 * owner writes a new file, under a new instance (numbers may be missing).
 * When a write fails the file is emptied, for a stale one would be worse than none (its numbers
 * would be given twice); the owner tries a new one later.
 *
 * One collector per folder (flock). Thread: the backlog's. Ceilings: KEEP_RECORD_MAX a record;
 * bytes_max of a file that is read, the rest is damage. A write may wait for the disk.
 */
#include "collector/keep_batch.h"
#include "common/base/err.h"

#define KEEP_RECORD_MAX (KEEP_BATCH_MAX + 64u)

struct keep;

enum keep_type {
	KEEP_HEAD = 1, /* always first */
	KEEP_BATCH,
	KEEP_NUMBER,   /* the oldest waiting batch got its number */
	KEEP_NUMBERED, /* the same with the batch again, because losses were added */
	KEEP_LOST,
	KEEP_AT_RISK,
	KEEP_DURABLE,
	KEEP_ANALYZER,
	KEEP_TYPES
};

#define KEEP_ERRORS(ERROR)                                                     \
	ERROR(WRITE, "write")       /* disk full and the like: memory only */  \
	ERROR(ENCODE, "encode")     /* a batch that could not be made bytes */ \
	ERROR(TORN, "torn")         /* unfinished record at the end */         \
	ERROR(DAMAGED, "damaged")   /* content that is not ours */             \
	ERROR(OTHER_BOOT, "reboot") /* batches given up after a reboot */

enum keep_error {
#define KEEP_ENUM(suffix, label) KEEP_ERROR_##suffix,
	KEEP_ERRORS(KEEP_ENUM)
#undef KEEP_ENUM
		KEEP_ERROR_COUNT
};

struct keep_stats {
	uint64_t bytes;
	uint64_t errors[KEEP_ERROR_COUNT];
};

/* Makes the folder when it is missing. -EBUSY: another collector has it. */
int keep_open(
	const char *dir, uint64_t bytes_max, struct keep **ret, struct pw_err *err) PW_MUST_CHECK;
void keep_close(struct keep *k); /* the file stays; NULL is fine */
/*
 * Gives every good record, oldest first, then cuts off what is torn. fn: 0, -EBADMSG = damaged,
 * -ENOMEM = ends here. Returns 0 = all good or torn, 1 = damaged (nothing is cut: write a new
 * file), or -errno (nothing is cut).
 */
int keep_read(struct keep *k, int (*fn)(void *ctx, enum keep_type type, struct pw_slice body),
	void *ctx) PW_MUST_CHECK;
/* A record of a batch: `word` in front of it. */
int keep_decode(struct keep *k, struct pw_slice body, uint64_t *ret_word,
	struct pw_batch **ret) PW_MUST_CHECK;

/* A copy without its number, which can be added to and sealed again. */
int keep_unseal(struct keep *k, const struct pw_batch *b, struct pw_batch **ret) PW_MUST_CHECK;

/* False after a failed write: nothing is written until a new file is finished. */
bool keep_works(const struct keep *k);
bool keep_may_retry(const struct keep *k); /* some seconds after the failure */
void keep_add(struct keep *k, enum keep_type type, const void *body, size_t len);
void keep_add_batch(
	struct keep *k, enum keep_type type, uint64_t word, const struct pw_batch *batch);
/* Between the two everything goes into a new file, which then replaces the old one. */
void keep_begin(struct keep *k);
void keep_commit(struct keep *k);
void keep_empty(struct keep *k); /* the head must follow */
void keep_count(struct keep *k, enum keep_error error, uint64_t n);
void keep_get_stats(const struct keep *k, struct keep_stats *ret);
const char *keep_error_name(enum keep_error error);
