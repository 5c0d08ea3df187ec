// SPDX-License-Identifier: Apache-2.0
#include "policysync/spool.h"
#include "policysync/spool_private.h"
#include <errno.h>

#define ROW_OVERHEAD     128 /* bytes of a row beside its body: columns, two indexes */
#define OCCURRENCE_BYTES 64
#define TRIM_STEP        256 /* rows removed at once */

struct spool {
	struct store *store;
	struct spool_limits limits;
	struct spool_stats stats;
	char id[33];
};

static struct pw_slice bin(ProtobufCBinaryData b)
{
	return pw_slice_of(b.data, b.len);
}

static struct sqlite3_stmt *statement(struct spool *s, const char *sql, struct pw_err *err)
{
	return store_statement(s->store, sql, err);
}

/* Errors of statement() are in err; callers may pass NULL. */
static int lost(const struct pw_err *err)
{
	return err && err->code ? err->code : -EIO;
}

static int load_id(struct spool *s, struct pw_err *err)
{
	static const char digits[] = "0123456789abcdef";
	struct sqlite3_stmt *st = statement(s, "SELECT value FROM meta WHERE key = 'spool'", err);
	struct pw_slice id;
	int r = st ? store_step(s->store, st, err) : lost(err);

	if (r < 0)
		return r;
	id = r == 1 ? store_bytes(st, 0) : pw_slice_of(NULL, 0);
	for (size_t i = 0; i < 16 && i < id.len; i++) {
		s->id[2 * i] = digits[id.ptr[i] >> 4];
		s->id[2 * i + 1] = digits[id.ptr[i] & 15];
	}
	if (r == 1)
		store_reset(st);
	return id.len == 16 ? 0 : pw_err_set(err, -EUCLEAN, "the database has no spool id");
}

int spool_reload(struct spool *s, struct pw_err *err)
{
	int64_t alerts = 0, bytes = 0, occurrences = 0;
	int r = store_query_i64(s->store, "SELECT count(*) FROM alerts", 0, &alerts, err);

	if (r == 0)
		r = store_query_i64(s->store, "SELECT sum(bytes) FROM alerts", 0, &bytes, err);
	if (r == 0)
		r = store_query_i64(
			s->store, "SELECT count(*) FROM occurrences", 0, &occurrences, err);
	if (r < 0)
		return r;
	s->stats.alerts = (uint64_t)alerts;
	s->stats.bytes = (uint64_t)bytes + (uint64_t)occurrences * OCCURRENCE_BYTES;
	return 0;
}

int spool_new(struct store *store, const struct spool_limits *limits, struct spool **ret,
	struct pw_err *err)
{
	pw_cleanup(spool_freep) struct spool *s = pw_alloc0(1, sizeof(*s));
	int r;

	if (!s)
		return pw_err_set(err, -ENOMEM, "out of memory");
	s->store = store;
	s->limits = *limits;
	r = load_id(s, err);
	if (r == 0)
		r = spool_reload(s, err);
	if (r < 0)
		return r;
	*ret = PW_TAKE(s);
	return 0;
}

void spool_free(struct spool *s)
{
	free(s);
}

void spool_get_stats(const struct spool *s, struct spool_stats *ret)
{
	*ret = s->stats;
}

void spool_id_hex(const struct spool *s, char out[33])
{
	memcpy(out, s->id, sizeof(s->id));
}

int spool_add(
	struct spool *s, const Podward__V1__Alert *alert, struct pw_slice body, struct pw_err *err)
{
	struct sqlite3_stmt *st = statement(s,
		"INSERT OR IGNORE INTO alerts"
		"(id, body, severity, first_wall, last_wall, stored_wall, bytes)"
		" VALUES(?1, ?2, ?3, ?4, ?4, ?5, ?6)",
		err);
	int64_t bytes = (int64_t)body.len + ROW_OVERHEAD;
	int r;

	if (!st)
		return lost(err);
	store_bind_bytes(st, 1, bin(alert->id));
	store_bind_bytes(st, 2, body);
	store_bind_i64(st, 3, (int64_t)alert->severity);
	store_bind_i64(st, 4, alert->first_wall_ns);
	store_bind_i64(st, 5, pw_wall_now().ns);
	store_bind_i64(st, 6, bytes);
	r = store_run(s->store, st, err);
	if (r < 0)
		return r;
	if (store_changes(s->store) == 0) {
		s->stats.duplicates++;
		return 0;
	}
	s->stats.added++;
	s->stats.alerts++;
	s->stats.bytes += (uint64_t)bytes;
	return 1;
}

/* Row number of the alert, 0 when it is not here. */
static int find_alert(struct spool *s, struct pw_slice id, int64_t *ret, struct pw_err *err)
{
	struct sqlite3_stmt *st = statement(s, "SELECT n FROM alerts WHERE id = ?1", err);
	int r;

	if (!st)
		return lost(err);
	store_bind_bytes(st, 1, id);
	r = store_step(s->store, st, err);
	if (r < 0)
		return r;
	*ret = r == 1 ? store_i64(st, 0) : 0;
	store_reset(st);
	return 0;
}

/* 1 = first of this source, 2 = above the last, 0 = seen before. */
static int note_occurrence(
	struct spool *s, int64_t n, const Podward__V1__AlertOccurrence *o, struct pw_err *err)
{
	struct sqlite3_stmt *st = statement(s,
		"UPDATE occurrences SET last_seq = ?3, count = count + ?4"
		" WHERE alert_n = ?1 AND source = ?2 AND last_seq < ?3",
		err);
	int r = 0;

	for (int turn = 0; turn < 2; turn++) {
		if (!st)
			return lost(err);
		store_bind_i64(st, 1, n);
		store_bind_bytes(st, 2, bin(o->source));
		store_bind_i64(st, 3, (int64_t)o->seq);
		store_bind_i64(st, 4, (int64_t)o->count);
		r = store_run(s->store, st, err);
		if (r < 0)
			return r;
		if (store_changes(s->store) > 0)
			return turn == 0 ? 2 : 1;
		st = statement(s, "INSERT OR IGNORE INTO occurrences VALUES(?1, ?2, ?3, ?4)", err);
	}
	return 0;
}

int spool_add_occurrence(struct spool *s, const Podward__V1__AlertOccurrence *o, struct pw_err *err)
{
	struct sqlite3_stmt *st;
	int64_t n = 0;
	int r = find_alert(s, bin(o->alert_id), &n, err);

	if (r < 0)
		return r;
	if (n == 0) {
		s->stats.occurrences_unknown++;
		return 0;
	}
	r = note_occurrence(s, n, o, err);
	if (r < 0)
		return r;
	if (r == 0) {
		s->stats.occurrences_repeated++;
		return 0;
	}
	s->stats.bytes += r == 1 ? OCCURRENCE_BYTES : 0;
	st = statement(s,
		"UPDATE alerts SET count = count + ?2, last_wall = max(last_wall, ?3) WHERE n = ?1",
		err);
	if (!st)
		return lost(err);
	store_bind_i64(st, 1, n);
	store_bind_i64(st, 2, (int64_t)o->count);
	store_bind_i64(st, 3, o->last_wall_ns);
	s->stats.occurrences++;
	r = store_run(s->store, st, err);
	return r < 0 ? r : 1;
}

struct victims {
	int64_t n[TRIM_STEP];
	uint32_t severity[TRIM_STEP];
	uint64_t bytes[TRIM_STEP];
	size_t count;
};

/* sql selects n, severity, bytes; ?1 = value. */
static int choose(
	struct spool *s, const char *sql, int64_t value, struct victims *v, struct pw_err *err)
{
	struct sqlite3_stmt *st = statement(s, sql, err);
	int r;

	v->count = 0;
	if (!st)
		return lost(err);
	store_bind_i64(st, 1, value);
	while ((r = store_step(s->store, st, err)) == 1) {
		int64_t severity = store_i64(st, 1);

		v->n[v->count] = store_i64(st, 0);
		v->severity[v->count] = severity >= 0 && severity < SPOOL_SEVERITIES
						? (uint32_t)severity
						: SPOOL_SEVERITIES - 1;
		v->bytes[v->count++] = (uint64_t)store_i64(st, 2);
		if (v->count == TRIM_STEP)
			break;
	}
	if (r == 1)
		store_reset(st);
	return r < 0 ? r : 0;
}

static int remove_row(struct spool *s, int64_t n, uint64_t bytes, struct pw_err *err)
{
	struct sqlite3_stmt *st = statement(s, "DELETE FROM occurrences WHERE alert_n = ?1", err);
	int r;

	if (!st)
		return lost(err);
	store_bind_i64(st, 1, n);
	r = store_run(s->store, st, err);
	if (r < 0)
		return r;
	bytes += store_changes(s->store) * OCCURRENCE_BYTES;
	st = statement(s, "DELETE FROM alerts WHERE n = ?1", err);
	if (!st)
		return lost(err);
	store_bind_i64(st, 1, n);
	r = store_run(s->store, st, err);
	if (r < 0)
		return r;
	s->stats.alerts -= s->stats.alerts > 0;
	s->stats.bytes -= bytes < s->stats.bytes ? bytes : s->stats.bytes;
	return 0;
}

struct trim {
	int64_t delivered; /* every output is past this row; 0 without outputs */
	uint64_t target; /* remove until this many bytes are left; UINT64_MAX = all that were chosen
			  */
	uint64_t *dropped; /* by severity */
	uint64_t total;
};

static int remove_victims(
	struct spool *s, const struct victims *v, struct trim *t, struct pw_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < v->count; i++) {
		if (t->target != UINT64_MAX && s->stats.bytes <= t->target)
			break;
		r = remove_row(s, v->n[i], v->bytes[i], err);
		if (r < 0)
			break;
		if (v->n[i] <= t->delivered) {
			s->stats.removed_delivered++;
		} else {
			t->dropped[v->severity[i]]++;
			t->total++;
		}
	}
	return r;
}

static int trim_age(struct spool *s, struct pw_wall now, struct trim *t, struct pw_err *err)
{
	struct victims *v = pw_alloc0(1, sizeof(*v));
	int64_t before = now.ns - (int64_t)s->limits.age_ns;
	int r = v ? 0 : -ENOMEM;

	t->dropped = s->stats.dropped_age;
	t->target = UINT64_MAX;
	while (r == 0) {
		r = choose(s,
			"SELECT n, severity, bytes FROM alerts WHERE stored_wall < ?1 ORDER BY n "
			"LIMIT 256",
			before, v, err);
		if (r < 0 || v->count == 0)
			break;
		r = remove_victims(s, v, t, err);
	}
	free(v);
	return r == -ENOMEM ? pw_err_set(err, r, "out of memory") : r;
}

/* Down to 15/16 of the limit, so that a full spool is not trimmed for each alert. */
static int trim_size(struct spool *s, struct trim *t, struct pw_err *err)
{
	static const char *const order[] = {
		"SELECT n, severity, bytes FROM alerts WHERE n <= ?1 ORDER BY n LIMIT 256",
		"SELECT n, severity, bytes FROM alerts WHERE ?1 = ?1 ORDER BY severity, n LIMIT "
		"256",
	};
	struct victims *v = pw_alloc0(1, sizeof(*v));
	int r = v ? 0 : -ENOMEM;

	t->dropped = s->stats.dropped_size;
	t->target = s->limits.bytes - s->limits.bytes / 16;
	for (size_t i = 0; r == 0 && i < PW_COUNT(order) && s->stats.bytes > t->target;) {
		r = choose(s, order[i], t->delivered, v, err);
		if (r == 0 && v->count > 0)
			r = remove_victims(s, v, t, err);
		else
			i++;
	}
	free(v);
	return r == -ENOMEM ? pw_err_set(err, r, "out of memory") : r;
}

int spool_trim(struct spool *s, struct pw_wall now, uint64_t *ret_dropped, struct pw_err *err)
{
	struct trim t = {0};
	int64_t oldest = 0;
	int r = store_query_i64(s->store, "SELECT min(cursor) FROM outputs", 0, &t.delivered, err);

	if (r == 0)
		r = store_query_i64(s->store, "SELECT stored_wall FROM alerts ORDER BY n LIMIT 1",
			now.ns, &oldest, err);
	if (r == 0 && oldest < now.ns - (int64_t)s->limits.age_ns)
		r = trim_age(s, now, &t, err);
	if (r == 0 && s->stats.bytes > s->limits.bytes)
		r = trim_size(s, &t, err);
	if (r < 0)
		return r;
	*ret_dropped = t.total;
	return 0;
}

int spool_oldest(struct spool *s, struct pw_wall *ret, struct pw_err *err)
{
	return store_query_i64(
		s->store, "SELECT stored_wall FROM alerts ORDER BY n LIMIT 1", 0, &ret->ns, err);
}

struct store *spool_store(struct spool *s)
{
	return s->store;
}
