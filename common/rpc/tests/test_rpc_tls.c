/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/rpc/tests/certs.h"
#include "common/rpc/tests/raw_tls.h"
#include "common/rpc/tests/rig.h"
#include "common/rpc/tls_core.h"
#include "common/testing/oom.h"

#define DAY 86400

static const struct certs_wish analyzer_wish = {.uri = "spiffe://podward.svc/analyzer/analyzer-0"};
static const struct certs_wish collector_wish = {.uri = "spiffe://podward.svc/collector/node-1"};

/* A server with the certificate of an analyzer, on 127.0.0.1. */
struct bench {
	struct rig rig;
	char folder[32];
	struct certs_authority *authority, *other;
	struct certs_set server, client;
	struct pw_tls *server_tls, *client_tls;
};

static void bench_certs(struct bench *b, const struct certs_wish *server)
{
	(void)snprintf(b->folder, sizeof(b->folder), "/tmp/pw-tls-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	b->authority = certs_authority_new("first");
	b->other = certs_authority_new("second");
	certs_set_make(&b->server, b->folder, "server", b->authority, server);
	certs_set_make(&b->client, b->folder, "client", b->authority, &collector_wish);
}

static void bench_start(
	struct bench *b, struct pw_tls *server_tls, const struct pw_server_limits *limits)
{
	b->server_tls = server_tls;
	b->client_tls = certs_tls(&b->client);
	rig_init(&b->rig);
	b->rig.server_tls = b->server_tls;
	b->rig.client_tls = b->client_tls;
	rig_start_server(&b->rig, limits);
	(void)snprintf(b->rig.target, sizeof(b->rig.target), "127.0.0.1:%u",
		pw_server_port(b->rig.server));
	b->rig.send_goal = 1;
}

static void bench_init(struct bench *b, const struct certs_wish *server)
{
	bench_certs(b, server);
	bench_start(b, certs_tls(&b->server), NULL);
}

static void bench_init_shared(struct bench *b, const struct certs_wish *server)
{
	bench_certs(b, server);
	bench_start(b, certs_tls_shared(&b->server), NULL);
}

static void bench_init_aged(struct bench *b, const struct certs_wish *server, uint32_t age_ms)
{
	struct pw_server_limits limits = PW_SERVER_LIMITS_DEFAULT;

	limits.age_ms = age_ms;
	bench_certs(b, server);
	bench_start(b, certs_tls(&b->server), &limits);
}

static void bench_done(struct bench *b)
{
	rig_done(&b->rig);
	pw_tls_free(b->server_tls);
	pw_tls_free(b->client_tls);
	certs_authority_free(b->authority);
	certs_authority_free(b->other);
	certs_set_remove(&b->server);
	certs_set_remove(&b->client);
	assert_int_equal(rmdir(b->folder), 0);
}

static const char *expected_line;

static bool log_has_expected(struct rig *r, uint64_t n)
{
	(void)n;
	for (size_t i = 0; i < r->log_len; i++)
		if (strncmp(r->log[i], expected_line, strlen(expected_line)) == 0)
			return true;
	return false;
}

/*
 * One client until its log says what is expected; it tries again as long as that takes, for a
 * machine that is slow enough ends connects of its own.
 */
static void connect_once(struct bench *b, const char *expected)
{
	struct rig *r = &b->rig;

	rig_start_client(r);
	rig_start_stream(r);
	expected_line = expected;
	if (strcmp(expected, "up") == 0)
		rig_wait(r, rig_received, 1);
	rig_wait(r, log_has_expected, 0);
	rig_stop_client(r);
}

/* How many streams have come up so far. */
static uint64_t opened(struct rig *r)
{
	uint64_t n;

	(void)pthread_mutex_lock(&r->lock);
	n = r->opened;
	(void)pthread_mutex_unlock(&r->lock);
	return n;
}

static void both_sides_know_each_other(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, &analyzer_wish);
	connect_once(&b, "up");
	assert_true(pw_call_may_be(b.rig.held, PW_SLICE_LIT("node-1")));
	assert_false(pw_call_may_be(b.rig.held, PW_SLICE_LIT("node-2")));
	bench_done(&b);
}

static void names_in_dns_form_count_like_uris(void **state)
{
	static const struct certs_wish server = {.dns = "analyzer-0.analyzer.podward.svc"};
	static const struct certs_wish client = {.dns = "node-1.collector.podward.svc"};
	struct bench b;

	(void)state;
	bench_init(&b, &server);
	certs_write(b.authority, &client, b.client.cert, b.client.key);
	connect_once(&b, "up");
	assert_true(pw_call_may_be(b.rig.held, PW_SLICE_LIT("node-1")));
	bench_done(&b);
}

static const struct certs_wish shared_wish = {.dns = "collector.podward.svc"};

static void a_certificate_without_a_name_is_for_nobody(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, &analyzer_wish);
	certs_write(b.authority, &shared_wish, b.client.cert, b.client.key);
	connect_once(&b, "up");
	assert_false(pw_call_may_be(b.rig.held, PW_SLICE_LIT("node-1")));
	assert_false(pw_call_may_be(b.rig.held, PW_SLICE_LIT("")));
	bench_done(&b);
}

static void where_asked_for_it_is_for_all_of_its_role(void **state)
{
	struct bench b;

	(void)state;
	bench_init_shared(&b, &analyzer_wish);
	connect_once(&b, "up"); /* one with a name is for that name all the same */
	assert_true(pw_call_may_be(b.rig.held, PW_SLICE_LIT("node-1")));
	assert_false(pw_call_may_be(b.rig.held, PW_SLICE_LIT("node-2")));
	pw_call_put(PW_TAKE(b.rig.held));
	certs_write(b.authority, &shared_wish, b.client.cert, b.client.key);
	connect_once(&b, "up");
	assert_true(pw_call_may_be(b.rig.held, PW_SLICE_LIT("node-1")));
	assert_true(pw_call_may_be(b.rig.held, PW_SLICE_LIT("node-2")));
	bench_done(&b);
}

/* A certificate that is no longer good ends with the connection that it made. */
static void connections_do_not_outlive_their_age(void **state)
{
	struct bench b;

	(void)state;
	bench_init_aged(&b, &analyzer_wish, 300);
	b.rig.send_goal = UINT64_MAX;
	rig_start_client(&b.rig);
	rig_start_stream(&b.rig);
	rig_wait(&b.rig, rig_log_has, 3);
	assert_string_equal(b.rig.log[0], "up");
	assert_non_null(strstr(b.rig.log[1], "down UNAVAILABLE"));
	assert_string_equal(b.rig.log[2], "up");
	certs_write(b.other, &collector_wish, b.client.cert, b.client.key);
	rig_wait(&b.rig, rig_log_has, 5);
	assert_non_null(strstr(b.rig.log[3], "down UNAVAILABLE"));
	assert_non_null(strstr(b.rig.log[4], "down UNAVAILABLE"));
	bench_done(&b);
}

static void other_roles_may_not_call_the_method(void **state)
{
	static const struct {
		struct certs_wish wish;
		const char *words;
	} rows[] = {
		{{.uri = "spiffe://podward.svc/analyzer/analyzer-1"},
			"down PERMISSION_DENIED analyzer analyzer-1 may not call Stream"},
		{{.uri = "spiffe://podward.svc/policysync"},
			"down PERMISSION_DENIED policysync may not call Stream"},
	};
	struct pw_server_stats stats;
	struct bench b;

	(void)state;
	bench_init(&b, &analyzer_wish);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		certs_write(b.authority, &rows[i].wish, b.client.cert, b.client.key);
		connect_once(&b, rows[i].words);
	}
	rig_stats(&b.rig, &stats);
	assert_true(stats.refused_roles >= PW_COUNT(rows));
	assert_int_equal(opened(&b.rig), 0);
	bench_done(&b);
}

static void a_server_of_another_role_is_not_talked_to(void **state)
{
	static const struct certs_wish policysync = {.uri = "spiffe://podward.svc/policysync"};
	struct pw_server_stats stats;
	struct bench b;

	(void)state;
	bench_init(&b, &policysync);
	connect_once(&b, "down UNAVAILABLE");
	rig_stats(&b.rig, &stats);
	assert_int_equal(stats.calls_opened, 0);
	bench_done(&b);
}

static void a_server_of_a_foreign_authority_is_not_talked_to(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, &analyzer_wish);
	certs_write_authorities(b.client.ca, b.other, NULL);
	connect_once(&b, "down UNAVAILABLE");
	assert_int_equal(opened(&b.rig), 0);
	certs_write_authorities(b.client.ca, b.other, b.authority);
	connect_once(&b, "up");
	bench_done(&b);
}

static void a_unix_socket_needs_no_certificate(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, &analyzer_wish);
	(void)snprintf(b.rig.target, sizeof(b.rig.target), "%s", b.rig.address);
	b.rig.client_tls = NULL;
	connect_once(&b, "up");
	assert_true(pw_call_may_be(b.rig.held, PW_SLICE_LIT("anybody")));
	bench_done(&b);
}

/* Everything that is not a TLS 1.3 client with HTTP/2 and a certificate of ours. */
static void strangers_are_refused_and_disturb_nobody(void **state)
{
	enum { OURS, FOREIGN, SELF, NONE };
	static const struct {
		const char *what;
		int signer;
		struct certs_wish wish;
		struct raw_tls_wish client;
		bool is_welcome;
	} rows[] = {
		{"control", OURS, {.uri = "spiffe://podward.svc/collector/n"}, {0}, true},
		{"no certificate", NONE, {0}, {0}, false},
		{"foreign authority", FOREIGN, {.uri = "spiffe://podward.svc/collector/n"}, {0},
			false},
		{"self-signed", SELF, {.uri = "spiffe://podward.svc/collector/n"}, {0}, false},
		{"expired", OURS,
			{.uri = "spiffe://podward.svc/collector/n", .from_s = -DAY, .until_s = -60},
			{0}, false},
		{"not yet valid", OURS,
			{.uri = "spiffe://podward.svc/collector/n", .from_s = 600, .until_s = DAY},
			{0}, false},
		{"TLS 1.2", OURS, {.uri = "spiffe://podward.svc/collector/n"}, {.is_tls12 = true},
			false},
		{"ALPN http/1.1", OURS, {.uri = "spiffe://podward.svc/collector/n"},
			{.alpn = "\x08http/1.1"}, false},
	};
	char cert[64], key[64];
	struct bench b;

	(void)state;
	bench_init(&b, &analyzer_wish);
	(void)snprintf(cert, sizeof(cert), "%s/x.pem", b.folder);
	(void)snprintf(key, sizeof(key), "%s/x.key", b.folder);
	rig_start_client(&b.rig);
	rig_start_stream(&b.rig);
	rig_wait(&b.rig, rig_received, 1);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		const struct certs_authority *signers[] = {b.authority, b.other, NULL, NULL};
		struct raw_tls_wish client = rows[i].client;

		certs_write(signers[rows[i].signer], &rows[i].wish, cert, key);
		client.cert = rows[i].signer == NONE ? NULL : cert;
		client.key = key;
		if (raw_tls_try(pw_server_port(b.rig.server), &client) != rows[i].is_welcome)
			fail_msg("%s: %s", rows[i].what,
				rows[i].is_welcome ? "was refused" : "was let in");
	}
	assert_int_equal(b.rig.log_len, 1); /* the stream beside them was never down */
	(void)unlink(cert);
	(void)unlink(key);
	bench_done(&b);
}

static void write_text(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void cut_in_half(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size / 2), 0);
}

static void expect_reloads(const struct bench *b, uint64_t adopted, uint64_t refused)
{
	struct pw_tls_stats stats;

	pw_tls_get_stats(b->server_tls, &stats);
	assert_int_equal(stats.adopted, adopted);
	assert_true(stats.refused >= refused); /* looked at again after some seconds */
}

static void new_certificates_are_used_without_a_restart(void **state)
{
	struct bench b;
	uint64_t before;

	(void)state;
	bench_init(&b, &analyzer_wish);
	connect_once(&b, "up");
	/* the roll-over of an authority, step by step; every step must connect */
	certs_write_authorities(b.server.ca, b.authority, b.other);
	connect_once(&b, "up");
	certs_write_authorities(b.client.ca, b.authority, b.other);
	certs_write(b.other, &analyzer_wish, b.server.cert, b.server.key);
	connect_once(&b, "up");
	certs_write(b.other, &collector_wish, b.client.cert, b.client.key);
	connect_once(&b, "up");
	certs_write_authorities(b.server.ca, b.other, NULL);
	certs_write_authorities(b.client.ca, b.other, NULL);
	connect_once(&b, "up");
	expect_reloads(&b, 3, 0);
	/* whoever still has a certificate of the old authority is a stranger now */
	certs_write(b.authority, &collector_wish, b.client.cert, b.client.key);
	before = opened(&b.rig);
	connect_once(&b, "down UNAVAILABLE");
	assert_int_equal(opened(&b.rig), before);
	bench_done(&b);
}

static void junk_never_replaces_good_certificates(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, &analyzer_wish);
	write_text(b.server.cert, "junk\n", 5);
	connect_once(&b, "up");
	expect_reloads(&b, 0, 1);
	certs_write(b.authority, &analyzer_wish, b.server.cert, b.server.key);
	cut_in_half(b.server.cert);
	connect_once(&b, "up");
	expect_reloads(&b, 0, 2);
	certs_write(b.authority, &analyzer_wish, b.server.cert, b.server.key);
	cut_in_half(b.server.key);
	connect_once(&b, "up");
	expect_reloads(&b, 0, 3);
	write_text(b.server.ca, "", 0);
	connect_once(&b, "up");
	assert_int_equal(unlink(b.server.cert), 0);
	connect_once(&b, "up");
	certs_write_authorities(b.server.ca, b.authority, NULL);
	certs_write(b.authority, &analyzer_wish, b.server.cert, b.server.key);
	connect_once(&b, "up");
	expect_reloads(&b, 1, 5);
	bench_done(&b);
}

enum fault { GOOD, NO_FILE, FOLDER, EMPTY, JUNK, HALF, LEAF_AS_CA, OTHER_KEY, WISH };

static void spoil(
	enum fault fault, const char *path, const struct certs_authority *a, const char *scratch)
{
	switch (fault) {
	case FOLDER:
		assert_int_equal(unlink(path), 0);
		assert_int_equal(mkdir(path, 0700), 0);
		break;
	case NO_FILE:
		assert_int_equal(unlink(path), 0);
		break;
	case EMPTY:
		write_text(path, "", 0);
		break;
	case JUNK:
		write_text(path, "\xff\xfe not PEM", 11);
		break;
	case HALF:
		cut_in_half(path);
		break;
	case LEAF_AS_CA:
		certs_write(a, &collector_wish, path, scratch);
		break;
	case OTHER_KEY:
		certs_write(a, &collector_wish, scratch, path);
		break;
	case GOOD:
	case WISH:
		break;
	}
}

static const struct certs_wish expired = {
	.uri = "spiffe://podward.svc/policysync", .from_s = -DAY, .until_s = -60};
static const struct certs_wish early = {
	.uri = "spiffe://podward.svc/policysync", .from_s = 600, .until_s = DAY};
static const struct certs_wish nobody = {.dns = "localhost"};
static const struct certs_wish two = {
	.uri = "spiffe://podward.svc/policysync", .dns = "a.collector.podward.svc"};

static const struct first_row {
	enum fault fault;
	int file; /* 0 = authorities, 1 = certificate, 2 = key */
	const struct certs_wish *wish;
	const char *words;
} first_rows[] = {
	{NO_FILE, 0, NULL, "t-ca.pem: No such file"},
	{NO_FILE, 1, NULL, "t.pem: No such file"},
	{NO_FILE, 2, NULL, "t.key: No such file"},
	{FOLDER, 0, NULL, "t-ca.pem: Invalid argument"},
	{EMPTY, 0, NULL, "t-ca.pem: CA: empty"},
	{EMPTY, 1, NULL, "t.pem: certificate: empty"},
	{EMPTY, 2, NULL, "t.key: key: no private key"},
	{JUNK, 0, NULL, "t-ca.pem: CA: no certificate"},
	{JUNK, 1, NULL, "t.pem: certificate: no certificate"},
	{JUNK, 2, NULL, "t.key: key: no private key"},
	{HALF, 0, NULL, "t-ca.pem: CA: "},
	{HALF, 1, NULL, "t.pem: certificate: "},
	{HALF, 2, NULL, "t.key: key: no private key"},
	{LEAF_AS_CA, 0, NULL, "t-ca.pem: CA: a certificate in it may not sign"},
	{OTHER_KEY, 2, NULL, "t.key: key: does not belong"},
	{WISH, 1, &expired, "t.pem: certificate: expired at 20"},
	{WISH, 1, &early, "t.pem: certificate: not valid before 20"},
	{WISH, 1, &nobody, "t.pem: certificate: no name spiffe://podward.svc/ROLE"},
	{WISH, 1, &two, "t.pem: certificate: its names say different things"},
	{GOOD, 0, NULL, ""},
};

static void try_first(
	const struct first_row *row, const char *folder, const struct certs_authority *a)
{
	const char *paths[3];
	struct certs_set set;
	struct pw_tls *t = NULL;
	struct pw_err err = PW_ERR_INIT;
	char scratch[64];
	int r;

	(void)snprintf(scratch, sizeof(scratch), "%s/scratch", folder);
	certs_set_make(&set, folder, "t", a, row->wish ? row->wish : &collector_wish);
	paths[0] = set.ca;
	paths[1] = set.cert;
	paths[2] = set.key;
	spoil(row->fault, paths[row->file], a, scratch);
	r = pw_tls_new(&(struct pw_tls_files){set.ca, set.cert, set.key, NULL, false}, &t, &err);
	if ((r == 0) != (row->fault == GOOD) || !strstr(err.msg, row->words))
		fail_msg("%d \"%s\", not \"…%s…\"", r, err.msg, row->words);
	pw_tls_free(t);
	if (row->fault == FOLDER)
		assert_int_equal(rmdir(set.ca), 0);
	certs_set_remove(&set);
	(void)unlink(scratch);
}

static void the_first_files_must_be_good(void **state)
{
	struct certs_authority *a = certs_authority_new("first");
	char folder[] = "/tmp/pw-tls-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < PW_COUNT(first_rows); i++)
		try_first(&first_rows[i], folder, a);
	certs_authority_free(a);
	assert_int_equal(rmdir(folder), 0);
}

static int load_and_free(void *ctx)
{
	const struct certs_set *set = ctx;
	struct pw_tls *t = NULL;
	int r = pw_tls_new(
		&(struct pw_tls_files){set->ca, set->cert, set->key, NULL, false}, &t, NULL);

	if (r == 0)
		pw_tls_put(pw_tls_get(t));
	pw_tls_free(t);
	return r;
}

static void no_memory_is_an_ordinary_error(void **state)
{
	struct certs_authority *a = certs_authority_new("first");
	char folder[] = "/tmp/pw-tls-XXXXXX";
	struct certs_set set;

	(void)state;
	assert_non_null(mkdtemp(folder));
	certs_set_make(&set, folder, "t", a, &collector_wish);
	assert_true(pw_oom_loop(load_and_free, &set) > 5);
	certs_set_remove(&set);
	certs_authority_free(a);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_know_each_other),
		cmocka_unit_test(names_in_dns_form_count_like_uris),
		cmocka_unit_test(a_certificate_without_a_name_is_for_nobody),
		cmocka_unit_test(where_asked_for_it_is_for_all_of_its_role),
		cmocka_unit_test(connections_do_not_outlive_their_age),
		cmocka_unit_test(other_roles_may_not_call_the_method),
		cmocka_unit_test(a_server_of_another_role_is_not_talked_to),
		cmocka_unit_test(a_server_of_a_foreign_authority_is_not_talked_to),
		cmocka_unit_test(a_unix_socket_needs_no_certificate),
		cmocka_unit_test(strangers_are_refused_and_disturb_nobody),
		cmocka_unit_test(new_certificates_are_used_without_a_restart),
		cmocka_unit_test(junk_never_replaces_good_certificates),
		cmocka_unit_test(the_first_files_must_be_good),
		cmocka_unit_test(no_memory_is_an_ordinary_error),
	};

	(void)sigaction(SIGPIPE, &ignore, NULL); /* a stranger writes after it was thrown out */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
