// SPDX-License-Identifier: Apache-2.0
/* The outputs' side of the spool: cursors, batches, dead letters. */
#include "policysync/spool.h"
#include "policysync/spool_private.h"
#include <errno.h>

#define DEAD_LETTERS_MAX 10000
#define ACTIVE_BYTES     ((size_t)512 << 10)

static int lost(const struct pw_err *err)
{
	return err && err->code ? err->code : -EIO;
}

static struct sqlite3_stmt *output_statement(
	struct spool *s, const char *sql, const char *output, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(spool_store(s), sql, err);

	if (st)
		store_bind_bytes(st, 1, pw_slice_str(output));
	return st;
}

int spool_output_add(struct spool *s, const char *output, struct pw_err *err)
{
	struct sqlite3_stmt *st =
		output_statement(s, "INSERT OR IGNORE INTO outputs(name) VALUES(?1)", output, err);

	return st ? store_run(spool_store(s), st, err) : lost(err);
}

static bool is_listed(const char *const *outputs, size_t count, struct pw_slice name)
{
	for (size_t i = 0; i < count; i++)
		if (pw_slice_eq_str(name, outputs[i]))
			return true;
	return false;
}

int spool_output_only(struct spool *s, const char *const *outputs, size_t count, struct pw_err *err)
{
	struct store *store = spool_store(s);
	char gone[SPOOL_OUTPUT_MAX + 1];
	struct sqlite3_stmt *st;
	int r;

	do {
		struct pw_slice name = {NULL, 0};

		st = store_statement(store, "SELECT name FROM outputs", err);
		if (!st)
			return lost(err);
		while ((r = store_step(store, st, err)) == 1) {
			name = store_bytes(st, 0);
			if (!is_listed(outputs, count, name))
				break;
		}
		if (r != 1)
			return r;
		if (name.len > SPOOL_OUTPUT_MAX)
			name.len = SPOOL_OUTPUT_MAX;
		memcpy(gone, name.ptr, name.len);
		gone[name.len] = '\0';
		store_reset(st);
		st = output_statement(s, "DELETE FROM outputs WHERE name = ?1", gone, err);
		r = st ? store_run(store, st, err) : lost(err);
	} while (r == 0 && store_changes(store) > 0);
	return r;
}

void spool_batch_done(struct spool_batch *b)
{
	free(b->rows);
	pw_buf_done(&b->memory);
	*b = (struct spool_batch){0};
}

/* Slices hold offsets until the memory has stopped growing. */
static int keep_row(struct spool_batch *b, struct sqlite3_stmt *st)
{
	struct spool_row *row = &b->rows[b->count];
	struct pw_slice id = store_bytes(st, 3), body = store_bytes(st, 4);
	size_t at = b->memory.len;

	if (pw_buf_add_slice(&b->memory, id) < 0 || pw_buf_add_slice(&b->memory, body) < 0)
		return -ENOMEM;
	row->n = store_i64(st, 0);
	row->count = store_i64(st, 1) > 0 ? (uint64_t)store_i64(st, 1) : 1;
	row->last.ns = store_i64(st, 2);
	row->id = pw_slice_of((const void *)(uintptr_t)at, id.len);
	row->body = pw_slice_of((const void *)(uintptr_t)(at + id.len), body.len);
	b->count++;
	return 0;
}

static void fix_slices(struct spool_batch *b)
{
	for (size_t i = 0; i < b->count; i++) {
		b->rows[i].id.ptr = b->memory.data + (uintptr_t)b->rows[i].id.ptr;
		b->rows[i].body.ptr = b->memory.data + (uintptr_t)b->rows[i].body.ptr;
	}
}

/* Takes the rows of a statement that is bound and not stepped yet. */
static int take_rows(struct spool *s, struct sqlite3_stmt *st, size_t max_rows, size_t max_bytes,
	struct spool_batch *ret, struct pw_err *err)
{
	pw_cleanup(spool_batch_done) struct spool_batch b = {0};
	int r;

	b.rows = pw_alloc0(max_rows, sizeof(*b.rows));
	pw_buf_init(&b.memory, (size_t)64 << 20);
	if (!b.rows) {
		store_reset(st);
		return pw_err_set(err, -ENOMEM, "out of memory");
	}
	while ((r = store_step(spool_store(s), st, err)) == 1) {
		r = keep_row(&b, st);
		if (r < 0 || b.memory.len >= max_bytes)
			break;
	}
	store_reset(st);
	if (r == -ENOMEM)
		return pw_err_set(err, r, "out of memory");
	if (r < 0)
		return r;
	fix_slices(&b);
	*ret = b;
	b = (struct spool_batch){0};
	return 0;
}

int spool_fetch(struct spool *s, const char *output, size_t max_rows, size_t max_bytes,
	struct spool_batch *ret, struct pw_err *err)
{
	struct sqlite3_stmt *st = output_statement(s,
		"SELECT n, count, last_wall, id, body FROM alerts"
		" WHERE n > (SELECT cursor FROM outputs WHERE name = ?1) ORDER BY n LIMIT ?2",
		output, err);

	if (!st)
		return lost(err);
	store_bind_i64(st, 2, (int64_t)max_rows);
	return take_rows(s, st, max_rows, max_bytes, ret, err);
}

int spool_want_active(struct spool *s, struct pw_err *err)
{
	return store_exec(
		spool_store(s), "CREATE INDEX IF NOT EXISTS alerts_last ON alerts(last_wall)", err);
}

int spool_fetch_active(struct spool *s, const char *output, struct pw_wall since, size_t max_rows,
	struct spool_batch *ret, struct pw_err *err)
{
	struct sqlite3_stmt *st = output_statement(s,
		"SELECT n, count, last_wall, id, body FROM alerts WHERE last_wall >= ?2"
		" AND n <= (SELECT cursor FROM outputs WHERE name = ?1)"
		" AND id NOT IN (SELECT id FROM dead_letters WHERE output = ?1)"
		" ORDER BY last_wall DESC LIMIT ?3",
		output, err);

	if (!st)
		return lost(err);
	store_bind_i64(st, 2, since.ns);
	store_bind_i64(st, 3, (int64_t)max_rows);
	return take_rows(s, st, max_rows, ACTIVE_BYTES, ret, err);
}

int spool_advance(
	struct spool *s, const char *output, int64_t n, uint64_t delivered, struct pw_err *err)
{
	struct sqlite3_stmt *st = output_statement(s,
		"UPDATE outputs SET cursor = max(cursor, ?2), delivered = delivered + ?3 WHERE "
		"name = ?1",
		output, err);

	if (!st)
		return lost(err);
	store_bind_i64(st, 2, n);
	store_bind_i64(st, 3, (int64_t)delivered);
	return store_run(spool_store(s), st, err);
}

static int trim_dead_letters(struct spool *s, const char *output, struct pw_err *err)
{
	struct sqlite3_stmt *st = output_statement(s,
		"DELETE FROM dead_letters WHERE output = ?1 AND id IN (SELECT id FROM dead_letters"
		" WHERE output = ?1 ORDER BY wall DESC LIMIT -1 OFFSET ?2)",
		output, err);

	if (!st)
		return lost(err);
	store_bind_i64(st, 2, DEAD_LETTERS_MAX);
	return store_run(spool_store(s), st, err);
}

int spool_dead_letter(struct spool *s, const char *output, const struct spool_row *row,
	const char *reason, struct pw_err *err)
{
	struct sqlite3_stmt *st = output_statement(s,
		"INSERT OR REPLACE INTO dead_letters(output, id, body, reason, wall)"
		" VALUES(?1, ?2, ?3, ?4, ?5)",
		output, err);
	int r;

	if (!st)
		return lost(err);
	store_bind_bytes(st, 2, row->id);
	store_bind_bytes(st, 3, row->body);
	store_bind_bytes(st, 4, pw_slice_str(reason));
	store_bind_i64(st, 5, pw_wall_now().ns);
	r = store_run(spool_store(s), st, err);
	return r < 0 ? r : trim_dead_letters(s, output, err);
}

static int count_of(
	struct spool *s, const char *sql, const char *output, uint64_t *ret, struct pw_err *err)
{
	struct sqlite3_stmt *st = output_statement(s, sql, output, err);
	int r = st ? store_step(spool_store(s), st, err) : lost(err);

	if (r < 0)
		return r;
	*ret = r == 1 ? (uint64_t)store_i64(st, 0) : 0;
	if (r == 1)
		store_reset(st);
	return 0;
}

int spool_output_state(struct spool *s, const char *output, uint64_t *ret_lag, uint64_t *ret_dead,
	struct pw_err *err)
{
	int r = count_of(s,
		"SELECT count(*) FROM alerts"
		" WHERE n > (SELECT cursor FROM outputs WHERE name = ?1)",
		output, ret_lag, err);

	return r < 0 ? r
		     : count_of(s, "SELECT count(*) FROM dead_letters WHERE output = ?1", output,
			       ret_dead, err);
}
