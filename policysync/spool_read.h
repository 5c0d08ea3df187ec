/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reading of the spool beside its writer, for pages. Thread: the reader's, with a store of its own
 * (store_open_reader).
 */
#include "policysync/spool.h"

/* The newest alerts, newest first; fn returns false to stop. row is valid during the call. */
int spool_read_newest(struct store *reader, size_t max_rows,
	bool (*fn)(void *ctx, const struct spool_row *row), void *ctx,
	struct pw_err *err) PW_MUST_CHECK;

struct spool_output_row {
	struct pw_slice name;
	uint64_t delivered, lag, dead_letters;
};
int spool_read_outputs(struct store *reader,
	void (*fn)(void *ctx, const struct spool_output_row *row), void *ctx,
	struct pw_err *err) PW_MUST_CHECK;
int spool_read_totals(struct store *reader, uint64_t *ret_alerts, uint64_t *ret_bytes,
	struct pw_err *err) PW_MUST_CHECK;
