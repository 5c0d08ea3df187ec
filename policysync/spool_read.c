// SPDX-License-Identifier: Apache-2.0
#include "policysync/spool_read.h"
#include <errno.h>

static int lost(const struct pw_err *err)
{
	return err && err->code ? err->code : -EIO;
}

int spool_read_newest(struct store *reader, size_t max_rows,
	bool (*fn)(void *ctx, const struct spool_row *row), void *ctx, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(reader,
		"SELECT n, count, last_wall, id, body FROM alerts ORDER BY n DESC LIMIT ?1", err);
	int r;

	if (!st)
		return lost(err);
	store_bind_i64(st, 1, (int64_t)max_rows);
	while ((r = store_step(reader, st, err)) == 1) {
		struct spool_row row = {.n = store_i64(st, 0),
			.count = store_i64(st, 1) > 0 ? (uint64_t)store_i64(st, 1) : 1,
			.last = {store_i64(st, 2)},
			.id = store_bytes(st, 3),
			.body = store_bytes(st, 4)};

		if (!fn(ctx, &row))
			break;
	}
	if (r == 1)
		store_reset(st);
	return r < 0 ? r : 0;
}

int spool_read_outputs(struct store *reader,
	void (*fn)(void *ctx, const struct spool_output_row *row), void *ctx, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(reader,
		"SELECT name, delivered, (SELECT count(*) FROM alerts WHERE n > cursor),"
		" (SELECT count(*) FROM dead_letters WHERE output = name) FROM outputs ORDER BY "
		"name",
		err);
	int r;

	if (!st)
		return lost(err);
	while ((r = store_step(reader, st, err)) == 1) {
		struct spool_output_row row = {store_bytes(st, 0), (uint64_t)store_i64(st, 1),
			(uint64_t)store_i64(st, 2), (uint64_t)store_i64(st, 3)};

		fn(ctx, &row);
	}
	return r;
}

int spool_read_totals(
	struct store *reader, uint64_t *ret_alerts, uint64_t *ret_bytes, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(
		reader, "SELECT count(*), coalesce(sum(bytes), 0) FROM alerts", err);
	int r = st ? store_step(reader, st, err) : lost(err);

	if (r < 0)
		return r;
	*ret_alerts = r == 1 ? (uint64_t)store_i64(st, 0) : 0;
	*ret_bytes = r == 1 ? (uint64_t)store_i64(st, 1) : 0;
	if (r == 1)
		store_reset(st);
	return 0;
}
