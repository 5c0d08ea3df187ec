// SPDX-License-Identifier: Apache-2.0
/* Alerts on their way to a webhook that is slow, away, picky or broken: none is lost. */
#include "http_fixture.h"

#include "policysync/crypto.h"
#include "policysync/deliver.h"
#include "policysync/output_webhook.h"
#include "policysync/spool_read.h"
#include <time.h>

enum { ALERTS = 250, WAIT_S = 30 };

struct fixture {
	struct folder folder;
	struct sink sink;
	struct keeper *keeper;
	struct deliver *deliver;
	char url[64], header_file[128];
	struct webhook_settings webhook;
	struct output wanted; /* filter and rate */
	bool started;
};

static void on_alerts(void *ctx)
{
	struct fixture *f = ctx;

	if (f->deliver)
		deliver_wake(f->deliver);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	folder_make(&f->folder);
	sink_bind(&f->sink, 0);
	(void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/alerts", f->sink.port);
	f->webhook.form.format = ALERT_PODWARD;
	*state = f;
	return 0;
}

static void start_sink(
	struct fixture *f, struct answer (*decide)(struct sink *, const struct request *))
{
	f->sink.decide = decide;
	sink_start(&f->sink);
	f->started = true;
}

struct add_job {
	struct keeper_job job;
	uint64_t number;
};

static int add_apply(struct keeper *k, struct keeper_job *base, struct pw_err *err)
{
	struct add_job *job = PW_CONTAINER_OF(base, struct add_job, job);
	struct numbered_alert a;
	struct pw_buf body;
	int r;

	alert_make(&a, job->number, PODWARD__V1__SEVERITY__SEVERITY_HIGH);
	alert_pack(&a.alert, &body);
	r = spool_add(keeper_spool(k), &a.alert, pw_buf_slice(&body), err);
	pw_buf_done(&body);
	return r < 0 ? r : 0;
}

static void add_done(struct keeper_job *base, int result)
{
	pw_assert(result == 0);
	free(PW_CONTAINER_OF(base, struct add_job, job));
}

static void add_alerts(struct fixture *f, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i <= to; i++) {
		struct add_job *job = calloc(1, sizeof(*job));

		assert_non_null(job);
		job->job = (struct keeper_job){.apply = add_apply, .done = add_done, .items = 1};
		job->number = i;
		assert_int_equal(keeper_write(f->keeper, &job->job), 0);
	}
}

static void start_delivery(struct fixture *f)
{
	static const struct deliver_limits limits = {5, 50};
	static const char *const outputs[] = {"webhook"};
	struct keeper_settings k = {.dir = f->folder.path,
		.limits = {256 << 20, 7ull * 86400 * PW_NS_PER_S},
		.outputs = outputs,
		.output_count = 1,
		.on_alerts = on_alerts,
		.ctx = f};
	struct webhook_settings w = f->webhook;
	struct output output = f->wanted;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(keeper_new(&k, &f->keeper, &err), 0);
	w.http.url = f->url;
	w.http.header_file = f->header_file;
	w.form.cluster = "test";
	memcpy(output.name, "webhook", sizeof("webhook"));
	spool_id_hex(keeper_spool(f->keeper), w.http.spool_id);
	if (output_webhook_new(&w, &output, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(deliver_new(&output, &limits, f->keeper, NULL, &f->deliver, &err), 0);
	assert_int_equal(keeper_start(f->keeper, &err), 0);
	assert_int_equal(deliver_start(f->deliver, &err), 0);
}

static void stop_delivery(struct fixture *f)
{
	deliver_stop(f->deliver);
	keeper_stop(f->keeper);
	deliver_free(f->deliver);
	keeper_free(f->keeper);
	f->deliver = NULL;
	f->keeper = NULL;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->deliver)
		stop_delivery(f);
	if (f->started)
		sink_stop(&f->sink);
	folder_remove(&f->folder);
	free(f);
	return 0;
}

static void take_output(void *ctx, const struct spool_output_row *row)
{
	struct spool_output_row *out = ctx;

	*out = *row;
}

static void nap(void)
{
	(void)nanosleep(&(struct timespec){0, 2000000}, NULL);
}

/* Waits until `delivered` alerts and `dead` dead letters are on disk and nothing is behind the
 * cursor. */
static void wait_delivered(struct fixture *f, uint64_t delivered, uint64_t dead)
{
	struct spool_output_row row = {0};
	struct store *reader = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(store_open_reader(f->folder.path, &reader, &err), 0);
	for (int i = 0; i < WAIT_S * 500; i++) {
		assert_int_equal(spool_read_outputs(reader, take_output, &row, &err), 0);
		if (row.delivered == delivered && row.dead_letters == dead && row.lag == 0)
			break;
		nap();
	}
	store_close(reader);
	if (row.delivered != delivered || row.dead_letters != dead || row.lag != 0)
		fail_msg("delivered %llu, dead %llu, lag %llu", (unsigned long long)row.delivered,
			(unsigned long long)row.dead_letters, (unsigned long long)row.lag);
}

static void wait_cursor(struct fixture *f, int64_t n)
{
	struct store *reader = NULL;
	struct pw_err err = PW_ERR_INIT;
	int64_t cursor = 0;

	assert_int_equal(store_open_reader(f->folder.path, &reader, &err), 0);
	for (int i = 0; i < WAIT_S * 500 && cursor < n; i++) {
		assert_int_equal(store_query_i64(reader, "SELECT min(cursor) FROM outputs", 0,
					 &cursor, &err),
			0);
		nap();
	}
	store_close(reader);
	assert_int_equal(cursor, n);
}

static void wait_delivered_at_least(struct fixture *f, uint64_t delivered)
{
	struct spool_output_row row = {0};
	struct store *reader = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(store_open_reader(f->folder.path, &reader, &err), 0);
	for (int i = 0; i < WAIT_S * 500 && row.delivered < delivered; i++) {
		assert_int_equal(spool_read_outputs(reader, take_output, &row, &err), 0);
		nap();
	}
	store_close(reader);
	assert_int_equal(row.delivered, delivered);
}

static void id_text(uint64_t number, char out[48])
{
	uint8_t id[16] = {0};
	size_t at = (size_t)snprintf(out, 48, "\"id\":\"");

	memcpy(id, &number, sizeof(number));
	for (size_t i = 0; i < 16; i++)
		at += (size_t)snprintf(out + at, 48 - at, "%02x", id[i]);
	(void)snprintf(out + at, 48 - at, "\"");
}

static size_t times_taken(const struct sink *s, uint64_t number)
{
	char id[48];
	size_t count = 0;

	id_text(number, id);
	for (const char *at = s->taken; at && (at = strstr(at, id)) != NULL; at++)
		count++;
	return count;
}

static void expect_each_once_but(struct fixture *f, uint64_t but)
{
	(void)pthread_mutex_lock(&f->sink.lock);
	for (uint64_t i = 1; i <= ALERTS; i++)
		if (times_taken(&f->sink, i) != (i == but ? 0 : 1))
			fail_msg("alert %llu was taken %zu times", (unsigned long long)i,
				times_taken(&f->sink, i));
	(void)pthread_mutex_unlock(&f->sink.lock);
}

static struct answer always_ok(struct sink *s, const struct request *r)
{
	(void)s;
	(void)r;
	return (struct answer){.status = 204};
}

static struct answer stumbles(struct sink *s, const struct request *r)
{
	static const int statuses[] = {503, 500, 0, 429, 408, 302, 401, 403, 404};

	(void)s;
	return (struct answer){
		.status = r->number < PW_COUNT(statuses) ? statuses[r->number] : 200};
}

static void what_fails_for_a_while_is_sent_again_and_nothing_is_given_up(void **state)
{
	struct fixture *f = *state;

	start_sink(f, stumbles);
	start_delivery(f);
	add_alerts(f, 1, ALERTS);
	wait_delivered(f, ALERTS, 0);
	expect_each_once_but(f, 0);
	assert_true(f->sink.requests >= 12);
}

static struct answer asks_to_wait(struct sink *s, const struct request *r)
{
	(void)s;
	return r->number == 0 ? (struct answer){.status = 503, .headers = "Retry-After: 1\r\n"}
			      : (struct answer){.status = 200};
}

static void retry_after_is_obeyed(void **state)
{
	struct fixture *f = *state;
	int64_t gap_ms;

	start_sink(f, asks_to_wait);
	start_delivery(f);
	add_alerts(f, 1, 1);
	wait_delivered(f, 1, 0);
	gap_ms = (f->sink.times[1].tv_sec - f->sink.times[0].tv_sec) * 1000 +
		 (f->sink.times[1].tv_nsec - f->sink.times[0].tv_nsec) / 1000000;
	assert_true(gap_ms >= 990); /* the back-off of this test is at most 50 ms */
}

static struct answer hates_77(struct sink *s, const struct request *r)
{
	char id[48];

	(void)s;
	id_text(77, id);
	return (struct answer){.status = strstr(r->body, id) ? 422 : 200};
}

static void one_poison_alert_is_found_and_the_others_arrive(void **state)
{
	struct fixture *f = *state;
	struct store *reader = NULL;
	struct pw_err err = PW_ERR_INIT;
	int64_t dead = 0;

	start_sink(f, hates_77);
	start_delivery(f);
	add_alerts(f, 1, ALERTS);
	wait_delivered(f, ALERTS - 1, 1);
	expect_each_once_but(f, 77);
	assert_int_equal(store_open_reader(f->folder.path, &reader, &err), 0);
	assert_int_equal(store_query_i64(reader,
				 "SELECT count(*) FROM dead_letters WHERE instr(reason, '422')"
				 " AND substr(id, 1, 1) = x'4d'",
				 0, &dead, &err),
		0);
	assert_int_equal(dead, 1);
	store_close(reader);
}

static void alerts_made_while_the_receiver_is_down_arrive_when_it_is_back(void **state)
{
	struct fixture *f = *state;

	start_delivery(f); /* bound, not listening: connections are refused */
	add_alerts(f, 1, 100);
	for (int i = 0; i < 50; i++)
		nap();
	stop_delivery(f); /* and the program was restarted meanwhile */
	start_delivery(f);
	add_alerts(f, 101, ALERTS);
	start_sink(f, always_ok);
	wait_delivered(f, ALERTS, 0);
	expect_each_once_but(f, 0);
}

/* Computed here from the body as it came, and from the time that the header says. */
static void check_signature(const struct sink *s)
{
	const char *header = strstr(s->last_head, "X-Podward-Signature: t=");
	struct pw_slice parts[2];
	char hex[CRYPTO_HEX_SIZE], want[96], time[32];

	assert_non_null(header);
	assert_int_equal(sscanf(header, "X-Podward-Signature: t=%20[0-9]", time), 1);
	memcpy(time + strlen(time), ".", 2);
	parts[0] = pw_slice_str(time);
	parts[1] = pw_slice_of(s->taken, s->taken_len - 1);
	assert_int_equal(crypto_hmac_sha256_hex(PW_SLICE_LIT("key of the test"), parts, 2, hex), 0);
	(void)snprintf(want, sizeof(want), ",v1=%s\r\n", hex);
	assert_non_null(strstr(header, want));
}

static void headers_and_form_are_as_configured(void **state)
{
	struct fixture *f = *state;
	char hmac_file[128];

	folder_write(
		&f->folder, "headers", "# secret\nAuthorization: Bearer abc\r\nX-Cluster-Id: 7\n");
	(void)snprintf(f->header_file, sizeof(f->header_file), "%s/headers", f->folder.path);
	f->webhook.form.framing = ALERT_ARRAY;
	folder_write(&f->folder, "hmac", "key of the test\n");
	(void)snprintf(hmac_file, sizeof(hmac_file), "%s/hmac", f->folder.path);
	f->webhook.http.hmac_file = hmac_file;
	start_sink(f, always_ok);
	start_delivery(f);
	add_alerts(f, 1, 3);
	wait_delivered(f, 3, 0);
	(void)pthread_mutex_lock(&f->sink.lock);
	assert_non_null(strstr(f->sink.last_head, "POST /alerts HTTP/1.1"));
	assert_non_null(strstr(f->sink.last_head, "Authorization: Bearer abc\r\n"));
	assert_non_null(strstr(f->sink.last_head, "X-Cluster-Id: 7\r\n"));
	assert_non_null(strstr(f->sink.last_head, "Idempotency-Key: "));
	assert_non_null(strstr(f->sink.last_head, "Content-Type: application/json\r\n"));
	assert_int_equal(f->sink.taken[0], '[');
	check_signature(&f->sink);
	(void)pthread_mutex_unlock(&f->sink.lock);
}

static void what_the_filter_leaves_out_holds_nothing_back(void **state)
{
	struct fixture *f = *state;

	f->wanted.filter.min_severity = PODWARD__V1__SEVERITY__SEVERITY_CRITICAL;
	start_sink(f, always_ok);
	start_delivery(f);
	add_alerts(f, 1, ALERTS);
	wait_cursor(f, ALERTS);
	assert_int_equal(f->sink.requests, 0);
	stop_delivery(f);
	f->wanted.filter =
		(struct output_filter){.namespace_count = 2, .namespaces = {"other", "shop"}};
	start_delivery(f);
	add_alerts(f, ALERTS + 1, ALERTS + 10);
	wait_delivered(f, 10, 0);
}

static void past_its_rate_an_output_makes_alerts_wait(void **state)
{
	struct fixture *f = *state;

	f->wanted.per_minute =
		6000; /* 100 a second after the first 6,000, of which some are gone */
	start_sink(f, always_ok);
	start_delivery(f);
	add_alerts(f, 1, ALERTS);
	wait_delivered(f, ALERTS, 0);
	expect_each_once_but(f, 0);
	stop_delivery(f);
	f->wanted.per_minute = 1;
	start_delivery(f);
	add_alerts(f, ALERTS + 1, ALERTS + 2);
	wait_delivered_at_least(f, ALERTS + 1);
	assert_int_equal(times_taken(&f->sink, ALERTS + 2), 0);
}

/* As _bulk does: 201 for what is new, 409 for what it has, and 77 cannot be indexed. */
static struct answer bulk(struct sink *s, const struct request *r)
{
	static char text[ALERTS * 40];
	size_t at = (size_t)snprintf(text, sizeof(text), "{\"errors\":true,\"items\":[");
	char id[48], wanted[64];
	bool first = true;

	id_text(77, id);
	for (const char *c = r->body; (c = strstr(c, "{\"create\":{\"_id\":\"")); c += 10) {
		int status = s->requests % 2 ? 201 : 409;

		(void)snprintf(wanted, sizeof(wanted), "%.32s", c + 18);
		if (strstr(id, wanted))
			status = 400;
		at += (size_t)snprintf(text + at, sizeof(text) - at,
			"%s{\"create\":{\"status\":%d}}", first ? "" : ",", status);
		first = false;
	}
	(void)snprintf(text + at, sizeof(text) - at, "]}");
	return (struct answer){.status = 200, .body = text};
}

static void the_items_of_a_bulk_answer_are_read(void **state)
{
	struct fixture *f = *state;

	f->webhook.form.format = ALERT_ELASTICSEARCH;
	start_sink(f, bulk);
	start_delivery(f);
	add_alerts(f, 1, ALERTS);
	wait_delivered(f, ALERTS - 1, 1);
}

static struct answer endless(struct sink *s, const struct request *r)
{
	static char much[2 << 20];

	(void)s;
	memset(much, 'x', sizeof(much) - 1);
	return (struct answer){.status = 200, .body = r->number < 3 ? much : NULL};
}

static void an_answer_without_end_is_no_delivery(void **state)
{
	struct fixture *f = *state;

	start_sink(f, endless);
	start_delivery(f);
	add_alerts(f, 1, 5);
	wait_delivered(f, 5, 0);
	assert_true(f->sink.requests >= 4);
}

static struct answer backend(struct sink *s, const struct request *r)
{
	static char text[200];
	size_t count = 0;

	/* gzip cannot be looked into here: what it says of the count is the header's */
	(void)s;
	if (!strstr(r->head, "Content-Encoding: gzip"))
		for (const char *c = r->body; (c = strchr(c, '\n')); c++)
			count++;
	if (r->number == 0)
		return (struct answer){.status = 200, .body = "<html>garbage</html>"};
	if (r->number == 1)
		return (struct answer){.status = 200, .body = "{\"accepted\":0,\"rejected\":[]}"};
	if (count > 1)
		(void)snprintf(text, sizeof(text),
			"{\"accepted\":%zu,\"rejected\":[{\"id\":\"x\",\"code\":\"schema\","
			"\"message\":\"no\"}]}",
			count - 1);
	else
		(void)snprintf(text, sizeof(text), "{\"accepted\":%zu,\"rejected\":[]}", count);
	return (struct answer){.status = 200, .body = text};
}

static void a_backend_that_rejects_a_part_gets_the_rest(void **state)
{
	struct fixture *f = *state;

	f->webhook.form.format = ALERT_OCSF;
	f->webhook.is_backend = true;
	start_sink(f, backend);
	start_delivery(f);
	add_alerts(f, 1, 5);
	wait_delivered(f, 5, 0);
	assert_non_null(strstr(f->sink.last_head, "POST /alerts/v1/alerts HTTP/1.1"));
	assert_non_null(strstr(f->sink.last_head, "X-Cluster-Id: test\r\n"));
	assert_true(f->sink.requests >= 7); /* two that fail, then each alert at the latest alone */
}

static void wrong_settings_are_named(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *url, *headers, *words;
	} rows[] = {
		{"ftp://x/", NULL, "url: expected"},
		{"x", NULL, "url: expected"},
		{"http://x/", "no colon here\n", "line 1"},
		{"http://x/", "A: b\nBad Name: c\n", "line 2"},
		{"http://x/", "missing", "header file"},
	};

	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct webhook_settings w = {.http.url = rows[i].url, .form.cluster = "x"};
		struct output output;
		struct pw_err err = PW_ERR_INIT;

		if (rows[i].headers) {
			folder_write(&f->folder, "headers", rows[i].headers);
			(void)snprintf(f->header_file, sizeof(f->header_file), "%s/%s",
				f->folder.path, i == 4 ? "none" : "headers");
			w.http.header_file = f->header_file;
		}
		assert_true(output_webhook_new(&w, &output, &err) < 0);
		if (!strstr(err.msg, rows[i].words))
			fail_msg("row %zu: %s", i, err.msg);
	}
	(void)close(f->sink.fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_fails_for_a_while_is_sent_again_and_nothing_is_given_up),
		T(retry_after_is_obeyed),
		T(one_poison_alert_is_found_and_the_others_arrive),
		T(alerts_made_while_the_receiver_is_down_arrive_when_it_is_back),
		T(headers_and_form_are_as_configured),
		T(what_the_filter_leaves_out_holds_nothing_back),
		T(past_its_rate_an_output_makes_alerts_wait),
		T(the_items_of_a_bulk_answer_are_read),
		T(an_answer_without_end_is_no_delivery),
		T(a_backend_that_rejects_a_part_gets_the_rest),
		T(wrong_settings_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
