// SPDX-License-Identifier: Apache-2.0
/* Acknowledged means on disk: a process is killed again and again in the middle of its commits. */
#include "fixture.h"

#include "common/base/random.h"
#include "common/testing/oom.h"
#include "policysync/keeper.h"
#include "policysync/spool_read.h"
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { TOTAL = 6000, OF_ALERT = 4, WINDOW = 64 };

struct job {
	struct keeper_job job;
	uint64_t seq;
};

/* Child: sends TOTAL messages from `first` on, says each acknowledged number to the pipe. */
struct sender {
	struct keeper *keeper;
	int out;
	_Atomic uint64_t acked;
	_Atomic int failed;
};

static struct sender sender;

static int apply(struct keeper *k, struct keeper_job *base, struct pw_err *err)
{
	struct job *job = PW_CONTAINER_OF(base, struct job, job);
	Podward__V1__AlertOccurrence o = PODWARD__V1__ALERT_OCCURRENCE__INIT;
	struct numbered_alert a;
	struct pw_buf body;
	int r;

	alert_make(&a, job->seq / OF_ALERT, PODWARD__V1__SEVERITY__SEVERITY_HIGH);
	alert_pack(&a.alert, &body);
	r = spool_add(keeper_spool(k), &a.alert, pw_buf_slice(&body), err);
	pw_buf_done(&body);
	o.alert_id = a.alert.id;
	o.source = text_of("collector");
	o.seq = job->seq;
	o.count = job->seq % 3 + 1;
	o.last_wall_ns = 1;
	if (r >= 0)
		r = spool_add_occurrence(keeper_spool(k), &o, err);
	return r < 0 ? r : 0;
}

static void done(struct keeper_job *base, int result)
{
	struct job *job = PW_CONTAINER_OF(base, struct job, job);

	if (result == 0) {
		if (sender.out >= 0 && write(sender.out, &job->seq, sizeof(job->seq)) < 0)
			_exit(3);
		sender.acked = job->seq;
	} else {
		sender.failed = result;
	}
	free(job);
}

static void nap(void)
{
	(void)nanosleep(&(struct timespec){0, 200000}, NULL);
}

static void send_from(const char *dir, uint64_t first)
{
	static const char *const outputs[] = {"stdout"};
	struct keeper_settings settings = {.dir = dir,
		.limits = {256 << 20, 7ull * 86400 * PW_NS_PER_S},
		.outputs = outputs,
		.output_count = 1};
	struct pw_err err = PW_ERR_INIT;

	if (keeper_new(&settings, &sender.keeper, &err) < 0 ||
		keeper_start(sender.keeper, &err) < 0) {
		(void)fprintf(stderr, "child: %s\n", err.msg);
		_exit(2);
	}
	sender.acked = first - 1;
	for (uint64_t seq = first; seq < TOTAL; seq++) {
		struct job *job = calloc(1, sizeof(*job));

		while (seq - sender.acked > WINDOW)
			nap();
		job->job = (struct keeper_job){.apply = apply, .done = done, .items = 2};
		job->seq = seq;
		if (keeper_write(sender.keeper, &job->job) < 0)
			_exit(4);
	}
	keeper_stop(sender.keeper);
	keeper_free(sender.keeper);
}

/* Runs one child until it acknowledged `kill_after` messages, kills it, returns the last one
 * acknowledged. */
static uint64_t run_child(const char *dir, uint64_t first, uint64_t kill_after)
{
	uint64_t last = first - 1, seq = 0, count = 0;
	int fds[2], status = 0;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(fds[0]);
		sender.out = fds[1];
		send_from(dir, first);
		_exit(0);
	}
	(void)close(fds[1]);
	while (read(fds[0], &seq, sizeof(seq)) == (ssize_t)sizeof(seq)) {
		last = seq;
		if (++count == kill_after)
			(void)kill(pid, SIGKILL);
	}
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return last;
}

struct check {
	uint64_t until; /* messages up to here were acknowledged */
	uint64_t rows, wrong;
	bool exact;
};

/* Every occurrence acknowledged is in the count; at the end nothing else is. */
static bool check_row(void *ctx, const struct spool_row *row)
{
	struct check *c = ctx;
	uint64_t number, least = 0, most = 0;

	memcpy(&number, row->id.ptr, sizeof(number));
	for (uint64_t seq = number * OF_ALERT; seq < (number + 1) * OF_ALERT; seq++) {
		if (seq == 0)
			continue;
		most += seq % 3 + 1;
		least += seq <= c->until ? seq % 3 + 1 : 0;
	}
	c->rows++;
	c->wrong += row->count < least || row->count > most || (c->exact && row->count != most);
	return true;
}

static uint64_t check_spool(const char *dir, uint64_t until, bool exact)
{
	struct check c = {.until = until, .exact = exact};
	struct store *reader = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(store_open_reader(dir, &reader, &err), 0);
	assert_int_equal(spool_read_newest(reader, TOTAL, check_row, &c, &err), 0);
	store_close(reader);
	assert_int_equal(c.wrong, 0);
	return c.rows;
}

static void nothing_acknowledged_is_lost_over_many_kills(void **state)
{
	struct folder folder;
	uint64_t next = 1;
	unsigned kills = 0;

	(void)state;
	folder_make(&folder);
	while (next < TOTAL) {
		uint64_t last = run_child(folder.path, next, 1 + pw_random_below(300));

		kills++;
		if (last >= next)
			(void)check_spool(folder.path, last, false);
		/* Falls back a little further than needed, as a sender does that lost an ack. */
		next = last + 1;
		if (next < TOTAL)
			next -= pw_random_below(next < 20 ? next : 20);
	}
	assert_true(kills >= 20);
	assert_int_equal(check_spool(folder.path, TOTAL - 1, true), TOTAL / OF_ALERT);
	folder_remove(&folder);
}

struct trouble {
	_Atomic int told, cleared, alerts;
};

static void on_trouble(void *ctx, const char *text)
{
	struct trouble *t = ctx;

	if (text)
		t->told++;
	else
		t->cleared++;
}

static void on_alerts(void *ctx)
{
	((struct trouble *)ctx)->alerts++;
}

static int apply_error(struct keeper *k, struct keeper_job *job, struct pw_err *err)
{
	(void)k;
	(void)job;
	return pw_err_set(err, -EIO, "planted");
}

static void send_one(struct keeper *k, uint64_t seq,
	int (*fn)(struct keeper *, struct keeper_job *, struct pw_err *))
{
	struct job *job = calloc(1, sizeof(*job));

	assert_non_null(job);
	job->job = (struct keeper_job){.apply = fn, .done = done, .items = 2};
	job->seq = seq;
	assert_int_equal(keeper_write(k, &job->job), 0);
}

/* One transaction: a job that fails takes the ones before it with it, and says so to all. */
static void a_failing_job_leaves_nothing_half_done(void **state)
{
	struct folder folder;
	struct trouble t = {0};
	struct keeper *k = NULL;
	struct pw_err err = PW_ERR_INIT;
	struct keeper_settings settings = {.limits = {256 << 20, 7ull * 86400 * PW_NS_PER_S},
		.on_trouble = on_trouble,
		.on_alerts = on_alerts,
		.ctx = &t};
	struct spool_stats stats;

	(void)state;
	folder_make(&folder);
	settings.dir = folder.path;
	sender = (struct sender){.out = -1};
	assert_int_equal(keeper_new(&settings, &k, &err), 0);
	send_one(k, 8, apply);
	send_one(k, 9, apply_error);
	send_one(k, 12, apply);
	assert_int_equal(keeper_start(k, &err), 0);
	keeper_stop(k);
	assert_int_equal(sender.failed, -EIO);
	assert_int_equal(sender.acked, 12);
	assert_int_equal(t.told, 1);
	assert_int_equal(t.cleared, 1);
	assert_int_equal(t.alerts, 1);
	spool_get_stats(keeper_spool(k), &stats);
	assert_int_equal(stats.alerts, 1);
	keeper_free(k);
	folder_remove(&folder);
}

static void a_spool_that_overflows_says_so_itself(void **state)
{
	struct folder folder;
	struct keeper *k = NULL;
	struct pw_err err = PW_ERR_INIT;
	static const char *const outputs[] = {"webhook"};
	struct keeper_settings settings = {.limits = {100000, 7ull * 86400 * PW_NS_PER_S},
		.outputs = outputs,
		.output_count = 1};
	struct store *reader = NULL;
	int64_t found = 0, size = 0;

	(void)state;
	folder_make(&folder);
	settings.dir = folder.path;
	sender = (struct sender){.out = -1};
	assert_int_equal(keeper_new(&settings, &k, &err), 0);
	for (uint64_t i = 1; i < 4000; i += 4)
		send_one(k, i, apply);
	assert_int_equal(keeper_start(k, &err), 0);
	keeper_stop(k);
	keeper_free(k);
	assert_int_equal(store_open_reader(folder.path, &reader, &err), 0);
	assert_int_equal(
		store_query_i64(reader,
			"SELECT count(*) FROM alerts WHERE instr(body, 'podward/spool.overflow')",
			0, &found, &err),
		0);
	assert_in_range(found, 1, 2); /* two when the hour changes in between */
	assert_int_equal(
		store_query_i64(reader, "SELECT sum(bytes) FROM alerts", 0, &size, &err), 0);
	assert_in_range(size, 50000, 102000);
	store_close(reader);
	folder_remove(&folder);
}

static int open_and_close(void *ctx)
{
	static const char *const outputs[] = {"stdout", "webhook"};
	struct keeper_settings settings = {.dir = ctx,
		.limits = {1 << 20, 7ull * 86400 * PW_NS_PER_S},
		.outputs = outputs,
		.output_count = 2};
	struct pw_err err = PW_ERR_INIT;
	struct keeper *k = NULL;
	int r = keeper_new(&settings, &k, &err);

	keeper_free(k);
	return r;
}

static void running_out_of_memory_at_start_is_an_ordinary_error(void **state)
{
	struct folder folder;

	(void)state;
	folder_make(&folder);
	assert_true(pw_oom_loop(open_and_close, folder.path) >= 5);
	folder_remove(&folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_acknowledged_is_lost_over_many_kills),
		cmocka_unit_test(a_failing_job_leaves_nothing_half_done),
		cmocka_unit_test(a_spool_that_overflows_says_so_itself),
		cmocka_unit_test(running_out_of_memory_at_start_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
