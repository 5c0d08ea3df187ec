// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "common/base/random.h"
#include "policysync/spool.h"
#include <errno.h>

#define LOW  PODWARD__V1__SEVERITY__SEVERITY_LOW
#define HIGH PODWARD__V1__SEVERITY__SEVERITY_HIGH

struct fixture {
	struct folder folder;
	struct store *store;
	struct spool *spool;
	struct pw_err err;
};

static const struct spool_limits wide = {256 << 20, 7ull * 86400 * PW_NS_PER_S};

static void open_spool(struct fixture *f, const struct spool_limits *limits)
{
	pw_err_clear(&f->err);
	assert_int_equal(store_open(f->folder.path, &f->store, &f->err), 0);
	assert_int_equal(spool_new(f->store, limits, &f->spool, &f->err), 0);
}

static void close_spool(struct fixture *f)
{
	spool_free(f->spool);
	store_close(f->store);
	f->spool = NULL;
	f->store = NULL;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	folder_make(&f->folder);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close_spool(f);
	folder_remove(&f->folder);
	free(f);
	return 0;
}

static int add(struct fixture *f, uint64_t number, Podward__V1__Severity severity)
{
	struct numbered_alert a;
	struct pw_buf body;
	int r;

	alert_make(&a, number, severity);
	alert_pack(&a.alert, &body);
	assert_int_equal(store_begin(f->store, &f->err), 0);
	r = spool_add(f->spool, &a.alert, pw_buf_slice(&body), &f->err);
	pw_buf_done(&body);
	return r;
}

static int occur(
	struct fixture *f, uint64_t number, const char *source, uint64_t seq, uint64_t count)
{
	Podward__V1__AlertOccurrence o = PODWARD__V1__ALERT_OCCURRENCE__INIT;
	uint8_t id[16] = {0};

	memcpy(id, &number, sizeof(number));
	o.alert_id = (ProtobufCBinaryData){sizeof(id), id};
	o.source = text_of(source);
	o.seq = seq;
	o.count = count;
	o.last_wall_ns = 1700000000 * (int64_t)PW_NS_PER_S + (int64_t)seq;
	assert_int_equal(store_begin(f->store, &f->err), 0);
	return spool_add_occurrence(f->spool, &o, &f->err);
}

static void commit(struct fixture *f)
{
	assert_int_equal(store_commit(f->store, &f->err), 0);
}

static int64_t query(struct fixture *f, const char *sql)
{
	int64_t value = -1;

	assert_int_equal(store_query_i64(f->store, sql, -1, &value, &f->err), 0);
	return value;
}

static void the_same_alert_is_one_row(void **state)
{
	struct fixture *f = *state;
	struct spool_stats stats;

	open_spool(f, &wide);
	assert_int_equal(add(f, 1, HIGH), 1);
	assert_int_equal(add(f, 1, HIGH), 0);
	assert_int_equal(add(f, 2, HIGH), 1);
	commit(f);
	assert_int_equal(query(f, "SELECT count(*) FROM alerts"), 2);
	spool_get_stats(f->spool, &stats);
	assert_int_equal(stats.added, 2);
	assert_int_equal(stats.duplicates, 1);
	assert_int_equal(stats.alerts, 2);
}

static void an_occurrence_counts_once_for_each_source_and_number(void **state)
{
	static const struct {
		const char *source;
		uint64_t seq, count;
		int applied;
		int64_t total;
	} rows[] = {
		{"a", 5, 3, 1, 3},
		{"a", 5, 3, 0, 3},
		{"a", 4, 1, 0, 3},
		{"a", 6, 2, 1, 5},
		{"b", 5, 7, 1, 12},
		{"b", 5, 7, 0, 12},
		{"a", 9, 1, 1, 13},
		{"a", 7, 1, 0, 13},
	};
	struct fixture *f = *state;

	open_spool(f, &wide);
	assert_int_equal(add(f, 1, HIGH), 1);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		assert_int_equal(
			occur(f, 1, rows[i].source, rows[i].seq, rows[i].count), rows[i].applied);
		assert_int_equal(query(f, "SELECT count FROM alerts"), rows[i].total);
	}
	assert_int_equal(occur(f, 99, "a", 1, 1), 0);
	commit(f);
	struct spool_stats stats;
	spool_get_stats(f->spool, &stats);
	assert_int_equal(stats.occurrences_unknown, 1);
	assert_int_equal(stats.occurrences_repeated, 4);
}

/*
 * Property: however often a sender falls back to an earlier message and sends from there again, and
 * whatever transaction is lost in between, the counts are those of one clean run.
 */
static void resends_in_any_schedule_never_double(void **state)
{
	enum { MESSAGES = 60, ALERTS = 7, SOURCES = 3 };
	struct fixture *f = *state;

	open_spool(f, &wide);
	for (int turn = 0; turn < 12; turn++) {
		uint64_t base = (uint64_t)turn * 1000, want[ALERTS] = {0};
		uint64_t next[SOURCES] = {1, 1, 1}, committed[SOURCES] = {0};
		bool open = true;

		for (uint64_t seq = 1; seq <= MESSAGES; seq++)
			want[seq % ALERTS] += (seq % 4 + 1) * SOURCES;
		while (open) {
			uint64_t s = pw_random_below(SOURCES), fate = pw_random_below(10);
			const char *name = s == 0 ? "one" : s == 1 ? "two" : "three";

			for (int i = 0; i < 5 && next[s] <= MESSAGES; i++, next[s]++) {
				assert_true(add(f, base + next[s] % ALERTS, HIGH) >= 0);
				assert_true(occur(f, base + next[s] % ALERTS, name, next[s],
						    next[s] % 4 + 1) >= 0);
			}
			if (fate <
				3) { /* crash before the commit: all fall back to what is on disk */
				store_rollback(f->store);
				assert_int_equal(spool_reload(f->spool, &f->err), 0);
				for (int i = 0; i < SOURCES; i++)
					next[i] = committed[i] + 1;
			} else {
				commit(f);
				for (int i = 0; i < SOURCES; i++)
					committed[i] = next[i] - 1;
				if (fate < 6) /* the last acks were lost */
					committed[s] -= pw_random_below(
						committed[s] < 8 ? committed[s] + 1 : 8);
				next[s] = committed[s] + 1;
			}
			open = committed[0] + committed[1] + committed[2] <
			       (uint64_t)SOURCES * MESSAGES;
		}
		for (uint64_t a = 0; a < ALERTS; a++) {
			struct sqlite3_stmt *st = store_statement(f->store,
				"SELECT count(*), sum(count) FROM alerts WHERE id = ?1", &f->err);
			uint8_t id[16] = {0};
			uint64_t number = base + a;

			memcpy(id, &number, sizeof(number));
			store_bind_bytes(st, 1, pw_slice_of(id, sizeof(id)));
			assert_int_equal(store_step(f->store, st, &f->err), 1);
			assert_int_equal(store_i64(st, 0), 1);
			assert_int_equal(store_i64(st, 1), want[a]);
			store_reset(st);
		}
	}
}

static uint64_t number_of(struct pw_slice id)
{
	uint64_t number;

	memcpy(&number, id.ptr, sizeof(number));
	return number;
}

static void the_lowest_severity_goes_first_and_the_oldest_of_it(void **state)
{
	struct spool_limits tight = {20000, wide.age_ns};
	struct fixture *f = *state;
	struct spool_stats stats;
	uint64_t dropped = 0;

	open_spool(f, &tight);
	assert_int_equal(spool_output_add(f->spool, "webhook", &f->err), 0);
	for (uint64_t i = 1; i <= 100; i++)
		assert_int_equal(add(f, i, i % 2 ? LOW : HIGH), 1);
	assert_int_equal(spool_trim(f->spool, pw_wall_now(), &dropped, &f->err), 0);
	commit(f);
	spool_get_stats(f->spool, &stats);
	assert_true(stats.bytes <= tight.bytes);
	assert_int_equal(dropped, 100 - stats.alerts);
	assert_true(dropped > 0 && dropped < 50);
	assert_int_equal(stats.dropped_size[LOW], dropped);
	assert_int_equal(stats.dropped_size[HIGH], 0);
	assert_int_equal(query(f, "SELECT count(*) FROM alerts WHERE severity = 4"), 50);
	/* The oldest of the low ones are gone: what is left begins right behind them. */
	assert_int_equal(query(f, "SELECT min(n) FROM alerts WHERE severity = 2"), 2 * dropped + 1);
	assert_int_equal(query(f, "SELECT sum(bytes) FROM alerts"), stats.bytes);
}

static void delivered_alerts_make_room_before_any_undelivered_one(void **state)
{
	struct spool_limits tight = {20000, wide.age_ns};
	struct fixture *f = *state;
	struct spool_stats stats;
	uint64_t dropped = 0;

	open_spool(f, &tight);
	assert_int_equal(spool_output_add(f->spool, "one", &f->err), 0);
	assert_int_equal(spool_output_add(f->spool, "two", &f->err), 0);
	for (uint64_t i = 1; i <= 100; i++)
		assert_int_equal(add(f, i, i <= 60 ? HIGH : LOW), 1);
	assert_int_equal(spool_advance(f->spool, "one", 100, 100, &f->err), 0);
	assert_int_equal(spool_advance(f->spool, "two", 60, 60, &f->err), 0);
	assert_int_equal(spool_trim(f->spool, pw_wall_now(), &dropped, &f->err), 0);
	commit(f);
	spool_get_stats(f->spool, &stats);
	assert_int_equal(dropped, 0);
	assert_true(stats.removed_delivered > 0);
	assert_int_equal(query(f, "SELECT count(*) FROM alerts WHERE severity = 2"), 40);
}

static void old_alerts_go_and_are_counted_when_undelivered(void **state)
{
	struct fixture *f = *state;
	struct spool_stats stats;
	struct pw_wall later;
	uint64_t dropped = 0;

	open_spool(f, &wide);
	assert_int_equal(spool_output_add(f->spool, "webhook", &f->err), 0);
	for (uint64_t i = 1; i <= 600; i++)
		assert_int_equal(add(f, i, HIGH), 1);
	assert_int_equal(spool_advance(f->spool, "webhook", 400, 400, &f->err), 0);
	assert_int_equal(spool_trim(f->spool, pw_wall_now(), &dropped, &f->err), 0);
	assert_int_equal(dropped, 0);
	later.ns = pw_wall_now().ns + (int64_t)wide.age_ns + 1000;
	assert_int_equal(spool_trim(f->spool, later, &dropped, &f->err), 0);
	commit(f);
	spool_get_stats(f->spool, &stats);
	assert_int_equal(dropped, 200);
	assert_int_equal(stats.dropped_age[HIGH], 200);
	assert_int_equal(stats.removed_delivered, 400);
	assert_int_equal(stats.alerts, 0);
	assert_int_equal(stats.bytes, 0);
}

static void each_output_has_its_own_cursor(void **state)
{
	struct fixture *f = *state;
	struct spool_batch b = {0};
	uint64_t lag = 0, dead = 0;

	open_spool(f, &wide);
	assert_int_equal(spool_output_add(f->spool, "one", &f->err), 0);
	assert_int_equal(spool_output_add(f->spool, "two", &f->err), 0);
	for (uint64_t i = 1; i <= 10; i++)
		assert_int_equal(add(f, i, HIGH), 1);
	assert_int_equal(occur(f, 1, "a", 1, 5), 1);
	commit(f);
	assert_int_equal(spool_fetch(f->spool, "one", 4, 1 << 20, &b, &f->err), 0);
	assert_int_equal(b.count, 4);
	assert_int_equal(b.rows[0].count, 5);
	assert_int_equal(b.rows[1].count, 1);
	for (size_t i = 0; i < b.count; i++)
		assert_int_equal(number_of(b.rows[i].id), i + 1);
	assert_int_equal(store_begin(f->store, &f->err), 0);
	assert_int_equal(spool_advance(f->spool, "one", b.rows[3].n, 4, &f->err), 0);
	assert_int_equal(spool_dead_letter(f->spool, "two", &b.rows[0], "400", &f->err), 0);
	commit(f);
	spool_batch_done(&b);
	close_spool(f);
	open_spool(f, &wide);
	assert_int_equal(spool_fetch(f->spool, "one", 100, 1, &b, &f->err), 0);
	assert_int_equal(b.count, 1); /* over the bytes, but at least one */
	assert_int_equal(number_of(b.rows[0].id), 5);
	spool_batch_done(&b);
	assert_int_equal(spool_output_state(f->spool, "one", &lag, &dead, &f->err), 0);
	assert_int_equal(lag, 6);
	assert_int_equal(dead, 0);
	assert_int_equal(spool_output_state(f->spool, "two", &lag, &dead, &f->err), 0);
	assert_int_equal(lag, 10);
	assert_int_equal(dead, 1);
}

static void what_is_still_active_is_found_again_but_not_what_was_refused(void **state)
{
	struct fixture *f = *state;
	struct spool_batch b = {0};
	const struct pw_wall since = {1700000000 * (int64_t)PW_NS_PER_S + 3};

	open_spool(f, &wide);
	assert_int_equal(spool_want_active(f->spool, &f->err), 0);
	assert_int_equal(spool_output_add(f->spool, "one", &f->err), 0);
	for (uint64_t i = 1; i <= 6; i++) /* each a nanosecond later */
		assert_int_equal(add(f, i, HIGH), 1);
	assert_int_equal(occur(f, 1, "a", 9, 5), 1); /* and 1 at 9 */
	commit(f);
	assert_int_equal(spool_fetch(f->spool, "one", 5, 1 << 20, &b, &f->err), 0);
	assert_int_equal(store_begin(f->store, &f->err), 0);
	assert_int_equal(spool_advance(f->spool, "one", b.rows[4].n, 5, &f->err), 0);
	assert_int_equal(spool_dead_letter(f->spool, "one", &b.rows[3], "400", &f->err), 0);
	commit(f);
	spool_batch_done(&b);
	assert_int_equal(spool_fetch_active(f->spool, "one", since, 100, &b, &f->err), 0);
	/* 2 is too old, 4 was refused, 6 was not delivered yet. */
	assert_int_equal(b.count, 3);
	assert_int_equal(number_of(b.rows[0].id), 1);
	assert_int_equal(number_of(b.rows[1].id), 5);
	assert_int_equal(number_of(b.rows[2].id), 3);
	spool_batch_done(&b);
	assert_int_equal(spool_fetch_active(f->spool, "one", since, 2, &b, &f->err), 0);
	assert_int_equal(b.count, 2);
	spool_batch_done(&b);
}

static void an_output_that_is_gone_holds_nothing_back(void **state)
{
	static const char *const keep[] = {"two"};
	struct fixture *f = *state;

	open_spool(f, &wide);
	assert_int_equal(spool_output_add(f->spool, "one", &f->err), 0);
	assert_int_equal(spool_output_add(f->spool, "two", &f->err), 0);
	assert_int_equal(spool_output_add(f->spool, "three", &f->err), 0);
	assert_int_equal(spool_output_only(f->spool, keep, 1, &f->err), 0);
	assert_int_equal(query(f, "SELECT count(*) FROM outputs"), 1);
}

static void a_file_that_is_no_database_is_refused_and_kept(void **state)
{
	struct fixture *f = *state;
	char path[256], text[16] = "";
	FILE *in;

	folder_write(&f->folder, "podward.db",
		"this is not a database, but it is long enough to look like a file of one: "
		"0123456789012345678901234567890123456789");
	assert_true(store_open(f->folder.path, &f->store, &f->err) < 0);
	assert_non_null(strstr(f->err.msg, "podward.db"));
	assert_null(f->store);
	(void)snprintf(path, sizeof(path), "%s/podward.db", f->folder.path);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_int_equal(fread(text, 1, 11, in), 11);
	assert_string_equal(text, "this is not");
	(void)fclose(in);
}

static void a_damaged_database_is_refused_by_name(void **state)
{
	struct fixture *f = *state;
	char path[256], junk[4096];
	FILE *out;

	open_spool(f, &wide);
	for (uint64_t i = 1; i <= 500; i++)
		assert_int_equal(add(f, i, HIGH), 1);
	commit(f);
	close_spool(f);
	(void)snprintf(path, sizeof(path), "%s/podward.db", f->folder.path);
	out = fopen(path, "r+");
	assert_non_null(out);
	memset(junk, 0x5a, sizeof(junk));
	for (long page = 1; page < 30; page++) {
		assert_int_equal(fseek(out, page * 4096, SEEK_SET), 0);
		assert_int_equal(fwrite(junk, 1, sizeof(junk), out), sizeof(junk));
	}
	(void)fclose(out);
	assert_int_equal(store_open(f->folder.path, &f->store, &f->err), -EUCLEAN);
	assert_non_null(strstr(f->err.msg, "podward.db is damaged"));
}

static void a_second_process_on_the_folder_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *second = NULL;

	open_spool(f, &wide);
	assert_int_equal(store_open(f->folder.path, &second, &f->err), -EBUSY);
	assert_non_null(strstr(f->err.msg, f->folder.path));
	assert_null(second);
}

static void a_newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;

	open_spool(f, &wide);
	assert_int_equal(store_exec(f->store, "PRAGMA user_version = 77", &f->err), 0);
	close_spool(f);
	assert_int_equal(store_open(f->folder.path, &f->store, &f->err), -EPROTONOSUPPORT);
	assert_non_null(strstr(f->err.msg, "77"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_same_alert_is_one_row),
		T(an_occurrence_counts_once_for_each_source_and_number),
		T(resends_in_any_schedule_never_double),
		T(the_lowest_severity_goes_first_and_the_oldest_of_it),
		T(delivered_alerts_make_room_before_any_undelivered_one),
		T(old_alerts_go_and_are_counted_when_undelivered),
		T(each_output_has_its_own_cursor),
		T(what_is_still_active_is_found_again_but_not_what_was_refused),
		T(an_output_that_is_gone_holds_nothing_back),
		T(a_file_that_is_no_database_is_refused_and_kept),
		T(a_damaged_database_is_refused_by_name),
		T(a_second_process_on_the_folder_is_refused),
		T(a_newer_schema_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
