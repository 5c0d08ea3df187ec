/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The database file of policysync (SQLite: WAL, synchronous=FULL): opening, schema, transactions
 * and prepared statements. What is in the tables belongs to spool.c and profile_store.c. A file
 * that is corrupt, of another program or of a newer schema is refused and never recreated; a second
 * process on the same folder is refused by a lock file. Thread: the owner's (one connection, one
 * thread).
 */
#include "common/base/err.h"
#include "common/base/slice.h"
#include <stdbool.h>
#include <stdint.h>

struct store;
struct sqlite3_stmt;

/* Opens dir/podward.db for writing; dir must exist. */
int store_open(const char *dir, struct store **ret, struct pw_err *err) PW_MUST_CHECK;
/* The same file read-only, beside the writer, for pages. */
int store_open_reader(const char *dir, struct store **ret, struct pw_err *err) PW_MUST_CHECK;
void store_close(struct store *s); /* rolls back what was not committed */
static inline void store_closep(struct store **s)
{
	store_close(*s);
}

int store_begin(struct store *s, struct pw_err *err) PW_MUST_CHECK; /* nothing when one is open */
int store_commit(struct store *s, struct pw_err *err) PW_MUST_CHECK;
void store_rollback(struct store *s);
bool store_in_transaction(const struct store *s);
int store_exec(struct store *s, const char *sql, struct pw_err *err) PW_MUST_CHECK;

/*
 * A prepared statement, kept for the life of the store (at most STORE_STATEMENTS). sql is a
 * literal: the pointer is the key. Comes back reset and without bindings. NULL with err on failure.
 */
#define STORE_STATEMENTS 64
struct sqlite3_stmt *store_statement(struct store *s, const char *sql, struct pw_err *err);
void store_bind_i64(struct sqlite3_stmt *st, int index, int64_t value);
void store_bind_bytes(
	struct sqlite3_stmt *st, int index, struct pw_slice value); /* valid until reset */
/* 1 = a row, 0 = done (reset), negative errno with err (reset). */
int store_step(struct store *s, struct sqlite3_stmt *st, struct pw_err *err) PW_MUST_CHECK;
/* Steps to the end and resets; for statements without rows. */
int store_run(struct store *s, struct sqlite3_stmt *st, struct pw_err *err) PW_MUST_CHECK;
void store_reset(struct sqlite3_stmt *st);
int64_t store_i64(struct sqlite3_stmt *st, int column);
struct pw_slice store_bytes(
	struct sqlite3_stmt *st, int column);  /* valid until the next step or reset */
uint64_t store_changes(const struct store *s); /* rows of the last statement */
int64_t store_last_row(const struct store *s);
/* A single number; default_value when there is no row or it is NULL. */
int store_query_i64(struct store *s, const char *sql, int64_t default_value, int64_t *ret,
	struct pw_err *err) PW_MUST_CHECK;
