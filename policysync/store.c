// SPDX-License-Identifier: Apache-2.0
#include "policysync/store.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA_VERSION  2
#define APPLICATION_ID  0x50574431 /* "PWD1" */
#define BUSY_TIMEOUT_MS 2000

struct store {
	sqlite3 *db;
	int lock_fd;
	bool in_transaction;
	struct {
		const char *sql;
		sqlite3_stmt *st;
	} statements[STORE_STATEMENTS];
	size_t statement_count;
	char path[4096];
};

static const char schema[] =
	"CREATE TABLE alerts("
	" n INTEGER PRIMARY KEY AUTOINCREMENT," /* order of arrival: cursors speak of it */
	" id BLOB NOT NULL UNIQUE, body BLOB NOT NULL, severity INTEGER NOT NULL,"
	" first_wall INTEGER NOT NULL, last_wall INTEGER NOT NULL,"
	" count INTEGER NOT NULL DEFAULT 0," /* sum of the occurrences applied */
	" stored_wall INTEGER NOT NULL, bytes INTEGER NOT NULL);"
	"CREATE INDEX alerts_eviction ON alerts(severity, n);"
	"CREATE TABLE occurrences("
	" alert_n INTEGER NOT NULL, source BLOB NOT NULL, last_seq INTEGER NOT NULL,"
	" count INTEGER NOT NULL, PRIMARY KEY(alert_n, source)) WITHOUT ROWID;"
	"CREATE TABLE outputs("
	" name BLOB PRIMARY KEY, cursor INTEGER NOT NULL DEFAULT 0,"
	" delivered INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
	"CREATE TABLE dead_letters("
	" output BLOB NOT NULL, id BLOB NOT NULL, body BLOB NOT NULL, reason BLOB NOT NULL,"
	" wall INTEGER NOT NULL, PRIMARY KEY(output, id)) WITHOUT ROWID;"
	"CREATE TABLE profiles("
	" g INTEGER PRIMARY KEY, pod_group BLOB NOT NULL UNIQUE, generation INTEGER NOT NULL,"
	" phase INTEGER NOT NULL, learning_started INTEGER NOT NULL,"
	" learning_duration INTEGER NOT NULL, lost INTEGER NOT NULL, partial_reason BLOB NOT NULL,"
	" epoch INTEGER NOT NULL, serial INTEGER NOT NULL,"
	" state BLOB NOT NULL," /* the whole ProfileState of the highest (epoch, generation, serial)
				 */
	" entries INTEGER NOT NULL DEFAULT 0);"
	"CREATE TABLE behaviours("
	" g INTEGER NOT NULL, key INTEGER NOT NULL, dimension INTEGER NOT NULL, actor BLOB NOT "
	"NULL,"
	" object BLOB NOT NULL, first_wall INTEGER NOT NULL, flags INTEGER NOT NULL,"
	" body BLOB NOT NULL," /* containers, versions, names, seen_in: a Behaviour with no more */
	" PRIMARY KEY(g, key)) WITHOUT ROWID;"
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
	"INSERT INTO meta VALUES('spool', randomblob(16));"
	"PRAGMA application_id = 1347896369;"
	"PRAGMA user_version = 2;";
_Static_assert(APPLICATION_ID == 1347896369, "the number in the schema");

static int code_of(int sqlite_code)
{
	switch (sqlite_code & 0xff) {
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CANTOPEN:
		return -ENOENT;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

static int fail(struct store *s, int sqlite_code, struct pw_err *err)
{
	int code = code_of(sqlite_code);

	if (code == -EUCLEAN)
		return pw_err_set(err, code,
			"%s is damaged or not a database (%s); move it away to start with an empty "
			"one",
			s->path, sqlite3_errmsg(s->db));
	if (code == -EBUSY)
		return pw_err_set(err, code, "%s is in use by another process", s->path);
	return pw_err_set(err, code, "%s: %s", s->path, sqlite3_errmsg(s->db));
}

int store_exec(struct store *s, const char *sql, struct pw_err *err)
{
	int r = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return r == SQLITE_OK ? 0 : fail(s, r, err);
}

static int pragma_i64(struct store *s, const char *sql, int64_t *ret, struct pw_err *err)
{
	return store_query_i64(s, sql, 0, ret, err);
}

static int check_file(struct store *s, struct pw_err *err)
{
	int64_t id = 0, version = 0, tables = 0;
	int r = pragma_i64(s, "PRAGMA application_id", &id, err);

	if (r == 0)
		r = pragma_i64(s, "PRAGMA user_version", &version, err);
	if (r == 0)
		r = pragma_i64(s, "SELECT count(*) FROM sqlite_master", &tables, err);
	if (r < 0)
		return r;
	if (tables > 0 && id != APPLICATION_ID)
		return pw_err_set(err, -EUCLEAN, "%s is a database of another program", s->path);
	if (tables > 0 && version != SCHEMA_VERSION)
		return pw_err_set(err, -EPROTONOSUPPORT,
			"%s has schema %lld, this program knows schema %d", s->path,
			(long long)version, SCHEMA_VERSION);
	return tables > 0 ? 1 : 0;
}

static int make_schema(struct store *s, struct pw_err *err)
{
	int r = store_exec(s, "BEGIN IMMEDIATE", err);

	if (r == 0)
		r = store_exec(s, schema, err);
	if (r == 0)
		r = store_exec(s, "COMMIT", err);
	if (r < 0)
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

/* A cheap look at structure; deep damage shows later as an error of the statement that meets it. */
static int check_health(struct store *s, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(s, "PRAGMA quick_check(1)", err);
	int r = st ? store_step(s, st, err) : err->code;

	if (r == 1 && !pw_slice_eq_str(store_bytes(st, 0), "ok"))
		r = pw_err_set(err, -EUCLEAN,
			"%s is damaged (%.*s); move it away to start with an empty one", s->path,
			(int)(store_bytes(st, 0).len < 200 ? store_bytes(st, 0).len : 200),
			(const char *)store_bytes(st, 0).ptr);
	if (st)
		store_reset(st);
	return r < 0 ? r : 0;
}

static int prepare_writer(struct store *s, struct pw_err *err)
{
	int r = store_exec(s,
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;"
		"PRAGMA journal_size_limit = 16777216; PRAGMA temp_store = MEMORY;"
		"PRAGMA cache_size = -8192; PRAGMA trusted_schema = OFF;",
		err);

	if (r == 0)
		r = check_file(s, err);
	if (r == 0)
		return make_schema(s, err);
	return r == 1 ? check_health(s, err) : r;
}

static int lock_folder(struct store *s, const char *dir, struct pw_err *err)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/lock", dir) >= (int)sizeof(path))
		return pw_err_set(err, -ENAMETOOLONG, "state folder %s: name too long", dir);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return pw_err_set(err, -errno, "state folder %s: cannot create the lock file: %s",
			dir, pw_err_text(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return pw_err_set(err, -EBUSY,
			"state folder %s is in use by another policysync (lock file held)", dir);
	return 0;
}

static int open_db(struct store *s, int flags, struct pw_err *err)
{
	int r = sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL);

	if (!s->db)
		return pw_err_set(err, -ENOMEM, "out of memory");
	if (r != SQLITE_OK)
		return fail(s, r, err);
	(void)sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
	(void)sqlite3_extended_result_codes(s->db, 1);
	return 0;
}

static int store_new(const char *dir, struct store **ret, struct pw_err *err)
{
	struct store *s = pw_alloc0(1, sizeof(*s));

	if (!s)
		return pw_err_set(err, -ENOMEM, "out of memory");
	s->lock_fd = -1;
	if (snprintf(s->path, sizeof(s->path), "%s/podward.db", dir) >= (int)sizeof(s->path)) {
		free(s);
		return pw_err_set(err, -ENAMETOOLONG, "state folder %s: name too long", dir);
	}
	*ret = s;
	return 0;
}

int store_open(const char *dir, struct store **ret, struct pw_err *err)
{
	pw_cleanup(store_closep) struct store *s = NULL;
	struct pw_err local = PW_ERR_INIT;
	int r = store_new(dir, &s, &local);

	if (r == 0)
		r = lock_folder(s, dir, &local);
	if (r == 0)
		r = open_db(s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &local);
	if (r == 0)
		r = prepare_writer(s, &local);
	if (r < 0)
		return pw_err_set(err, r, "%s", local.msg);
	*ret = PW_TAKE(s);
	return 0;
}

int store_open_reader(const char *dir, struct store **ret, struct pw_err *err)
{
	pw_cleanup(store_closep) struct store *s = NULL;
	int r = store_new(dir, &s, err);

	if (r == 0)
		r = open_db(s, SQLITE_OPEN_READONLY, err);
	if (r < 0)
		return r;
	*ret = PW_TAKE(s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->statement_count; i++)
		(void)sqlite3_finalize(s->statements[i].st);
	store_rollback(s);
	if (s->db)
		(void)sqlite3_close(s->db);
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd);
	free(s);
}

int store_begin(struct store *s, struct pw_err *err)
{
	int r;

	if (s->in_transaction)
		return 0;
	r = store_exec(s, "BEGIN IMMEDIATE", err);
	s->in_transaction = r == 0;
	return r;
}

int store_commit(struct store *s, struct pw_err *err)
{
	int r;

	if (!s->in_transaction)
		return 0;
	r = store_exec(s, "COMMIT", err);
	if (r == 0)
		s->in_transaction = false;
	return r;
}

void store_rollback(struct store *s)
{
	if (s->in_transaction)
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->in_transaction = false;
}

bool store_in_transaction(const struct store *s)
{
	return s->in_transaction;
}

struct sqlite3_stmt *store_statement(struct store *s, const char *sql, struct pw_err *err)
{
	sqlite3_stmt *st = NULL;
	int r;

	for (size_t i = 0; i < s->statement_count; i++) {
		if (s->statements[i].sql != sql)
			continue;
		store_reset(s->statements[i].st);
		return s->statements[i].st;
	}
	pw_assert(s->statement_count < STORE_STATEMENTS);
	r = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
	if (r != SQLITE_OK) {
		(void)fail(s, r, err);
		return NULL;
	}
	s->statements[s->statement_count].sql = sql;
	s->statements[s->statement_count++].st = st;
	return st;
}

void store_bind_i64(struct sqlite3_stmt *st, int index, int64_t value)
{
	(void)sqlite3_bind_int64(st, index, value);
}

/* A zero-length blob, not NULL, when empty: the columns are NOT NULL. */
void store_bind_bytes(struct sqlite3_stmt *st, int index, struct pw_slice value)
{
	(void)sqlite3_bind_blob64(
		st, index, value.len ? (const void *)value.ptr : "", value.len, SQLITE_STATIC);
}

int store_step(struct store *s, struct sqlite3_stmt *st, struct pw_err *err)
{
	int r = sqlite3_step(st);

	if (r == SQLITE_ROW)
		return 1;
	if (r == SQLITE_DONE) {
		store_reset(st);
		return 0;
	}
	r = fail(s, r, err);
	store_reset(st);
	return r;
}

int store_run(struct store *s, struct sqlite3_stmt *st, struct pw_err *err)
{
	int r = store_step(s, st, err);

	if (r == 1)
		store_reset(st);
	return r < 0 ? r : 0;
}

void store_reset(struct sqlite3_stmt *st)
{
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
}

int64_t store_i64(struct sqlite3_stmt *st, int column)
{
	return sqlite3_column_int64(st, column);
}

struct pw_slice store_bytes(struct sqlite3_stmt *st, int column)
{
	const void *ptr = sqlite3_column_blob(st, column);

	return pw_slice_of(ptr, (size_t)sqlite3_column_bytes(st, column));
}

uint64_t store_changes(const struct store *s)
{
	return (uint64_t)sqlite3_changes64(s->db);
}

int64_t store_last_row(const struct store *s)
{
	return sqlite3_last_insert_rowid(s->db);
}

int store_query_i64(
	struct store *s, const char *sql, int64_t default_value, int64_t *ret, struct pw_err *err)
{
	struct sqlite3_stmt *st = store_statement(s, sql, err);
	int r;

	if (!st)
		return err ? err->code : -EIO;
	r = store_step(s, st, err);
	if (r < 0)
		return r;
	*ret = r == 1 && sqlite3_column_type(st, 0) != SQLITE_NULL ? store_i64(st, 0)
								   : default_value;
	if (r == 1)
		store_reset(st);
	return 0;
}
