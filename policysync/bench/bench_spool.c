// SPDX-License-Identifier: Apache-2.0
/*
 * The spool on the disk of the folder given (default: the current one): adding in commits of 1 and
 * of 200 alerts, reading them back in batches, moving a cursor. Wall time, because the disk is what
 * costs; the last line is one JSON object.
 */
#include "common/base/clock.h"
#include "policysync/spool.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SINGLE = 300, GROUP = 200, GROUPED = 40000, READ = 200 };

struct bench {
	struct store *store;
	struct spool *spool;
	uint64_t number;
	struct pw_err err;
};

static void must(int r, const struct pw_err *err)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "bench_spool: %s\n", err->msg);
	exit(1);
}

static ProtobufCBinaryData text_of(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

/* About 600 bytes, as real ones are. */
static void add_one(struct bench *b)
{
	static char exclusion[300];
	Podward__V1__Alert a = PODWARD__V1__ALERT__INIT;
	uint8_t id[16] = {0};
	struct pw_buf body;

	memset(exclusion, 'x', sizeof(exclusion) - 1);
	b->number++;
	memcpy(id, &b->number, sizeof(b->number));
	a.id = (ProtobufCBinaryData){sizeof(id), id};
	a.first_wall_ns = pw_wall_now().ns;
	a.severity = (Podward__V1__Severity)(1 + b->number % 5);
	a.detector = text_of("sig/default/credential.read");
	a.title = text_of("Credentials were read");
	a.reason = text_of("/bin/cat read /etc/shadow, which only login programs read");
	a.pod_group = text_of("shop/Deployment/cart/server");
	a.node = text_of("node-1");
	a.object = text_of("/etc/shadow");
	a.exclusion = text_of(exclusion);
	pw_buf_init(&body, 1 << 16);
	(void)pw_buf_extend(&body, podward__v1__alert__get_packed_size(&a));
	(void)podward__v1__alert__pack(&a, body.data);
	must(spool_add(b->spool, &a, pw_buf_slice(&body), &b->err), &b->err);
	pw_buf_done(&body);
}

/* Microseconds of wall time for one commit of count alerts. */
static double commits(struct bench *b, unsigned commit_count, unsigned alerts)
{
	struct pw_mono start = pw_mono_now();

	for (unsigned i = 0; i < commit_count; i++) {
		must(store_begin(b->store, &b->err), &b->err);
		for (unsigned k = 0; k < alerts; k++)
			add_one(b);
		must(store_commit(b->store, &b->err), &b->err);
	}
	return (double)(pw_mono_now().ns - start.ns) / 1e3 / commit_count;
}

/* Microseconds for one alert: fetched, its cursor moved and committed by the batch. */
static double deliver_all(struct bench *b)
{
	struct pw_mono start = pw_mono_now();
	uint64_t total = 0;

	for (;;) {
		struct spool_batch batch = {0};

		must(spool_fetch(b->spool, "one", READ, 1 << 20, &batch, &b->err), &b->err);
		if (batch.count == 0)
			break;
		total += batch.count;
		must(store_begin(b->store, &b->err), &b->err);
		must(spool_advance(
			     b->spool, "one", batch.rows[batch.count - 1].n, batch.count, &b->err),
			&b->err);
		must(store_commit(b->store, &b->err), &b->err);
		spool_batch_done(&batch);
	}
	return (double)(pw_mono_now().ns - start.ns) / 1e3 / (double)total;
}

int main(int argc, char **argv)
{
	static const struct spool_limits limits = {1ull << 32, 7ull * 86400 * PW_NS_PER_S};
	struct bench b = {.err = PW_ERR_INIT};
	char folder[512], path[600];
	double single, grouped, delivered;

	(void)snprintf(folder, sizeof(folder), "%s/bench-spool-XXXXXX", argc > 1 ? argv[1] : ".");
	if (!mkdtemp(folder)) {
		perror("bench_spool");
		return 1;
	}
	must(store_open(folder, &b.store, &b.err), &b.err);
	must(spool_new(b.store, &limits, &b.spool, &b.err), &b.err);
	must(store_begin(b.store, &b.err), &b.err);
	must(spool_output_add(b.spool, "one", &b.err), &b.err);
	must(store_commit(b.store, &b.err), &b.err);
	single = commits(&b, SINGLE, 1);
	grouped = commits(&b, GROUPED / GROUP, GROUP);
	delivered = deliver_all(&b);
	printf("commit of 1 alert:    %8.1f µs\n", single);
	printf("commit of %d alerts: %8.1f µs, %.1f µs per alert, %.0f alerts/s\n", GROUP, grouped,
		grouped / GROUP, 1e6 * GROUP / grouped);
	printf("fetch and cursor:     %8.2f µs per alert in batches of %d\n", delivered, READ);
	printf("{\"bench\":\"spool\",\"commit1_us\":%.1f,\"commit200_us\":%.1f,"
	       "\"alert_us\":%.2f,\"deliver_us\":%.2f}\n",
		single, grouped, grouped / GROUP, delivered);
	spool_free(b.spool);
	store_close(b.store);
	for (size_t i = 0; i < 4; i++) {
		static const char *const names[] = {
			"podward.db", "podward.db-wal", "podward.db-shm", "lock"};

		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(folder);
	return 0;
}
