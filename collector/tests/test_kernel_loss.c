/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is dropped uncounted: the ledger of the kernel side under overload, and the wake-up. */
#include "collector/tests/kernel_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define OPENS    5000u
#define CHILDREN 4

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, &(struct probe_options){.ring_bytes = 65536, .every_mask = UINT64_MAX});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static int open_many(void *ctx)
{
	for (unsigned i = 0; i < *(unsigned *)ctx; i++) {
		int fd = open("/dev/null", O_RDONLY);

		if (fd < 0)
			return 98;
		(void)close(fd);
	}
	return 0;
}

/* Several processes at once, so that programs run on all CPUs and preempt each other. */
static int open_many_in_parallel(void *ctx)
{
	int failed = 0, status;

	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(open_many(ctx));
	}
	while (wait(&status) > 0)
		failed |= status;
	return failed != 0;
}

static uint64_t dropped(const struct abi_counters *c, uint32_t kind)
{
	uint64_t sum = 0;

	for (uint32_t reason = 0; reason < ABI_DROP_COUNT; reason++)
		sum += c->dropped[kind][reason];
	return sum;
}

static void full_ring_drops_are_counted_exactly(void **state)
{
	unsigned opens = OPENS;
	pid_t pid = rig_run(&rig, open_many_in_parallel, &opens);
	struct abi_counters c = rig_counters(&rig);
	struct source_stats stats;
	size_t delivered = 0;

	(void)state;
	(void)pid;
	assert_int_equal(source_stats(rig.source, &stats), 0);
	/* A skipped run may have been of another call of the same program: an upper bound. */
	assert_true(c.seen[ABI_KIND_OPEN] <= CHILDREN * OPENS);
	assert_true(c.seen[ABI_KIND_OPEN] + stats.recursion_misses >= CHILDREN * OPENS);
	assert_int_equal(rig_count(&rig, ABI_KIND_OPEN, 0), c.submitted[ABI_KIND_OPEN]);
	assert_true(c.dropped[ABI_KIND_OPEN][ABI_DROP_RING_FULL] > CHILDREN * OPENS / 2);
	assert_true(c.submitted[ABI_KIND_OPEN] > 50);
	for (uint32_t kind = 0; kind < ABI_KIND_COUNT; kind++) {
		assert_int_equal(c.seen[kind],
			c.folded[kind] + c.filtered[kind] + c.submitted[kind] + dropped(&c, kind));
		delivered += c.submitted[kind];
	}
	assert_int_equal(delivered, rig.count);
	assert_int_equal(stats.delivered, rig.count);
	assert_int_equal(stats.refused, 0);
	for (uint32_t site = 0; site < ABI_READ_SITES; site++)
		assert_int_equal(c.read_failures[site], 0);
}

static void reader_is_woken_only_above_the_fill_level(void **state)
{
	struct pollfd p = {.fd = source_fd(rig.source), .events = POLLIN};
	unsigned few = 5, many = 60;
	int status;
	pid_t pid;

	(void)state;
	for (int round = 0; round < 2; round++) {
		unsigned opens = round ? many : few;
		int ready;

		rig_drain(&rig);
		rig_clear(&rig);
		assert_int_equal(poll(&p, 1, 0), 0);
		pid = fork();
		if (pid == 0) { /* not by rig_run: that one drains */
			char path[512];
			int fd;

			(void)snprintf(path, sizeof(path), "%s/cgroup.procs", rig.cgroup);
			fd = open(path, O_WRONLY);
			_exit(write(fd, "0", 1) == 1 ? open_many(&opens) : 99);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		ready = poll(&p, 1, round ? 5000 : 0);
		assert_int_equal(ready, round);
	}
}

/* --- repeats, which are counted in the kernel --- */

struct fold_sum {
	uint64_t collected; /* by the places and by records that evicted one */
	uint64_t delivered;
};

static void add_repeats(void *ctx, uint64_t mark, uint64_t count)
{
	struct fold_sum *sum = ctx;

	assert_true(mark != 0);
	sum->collected += count;
}

static int add_evicted(void *ctx, const void *record, size_t len)
{
	const struct abi_open *o = record;
	struct fold_sum *sum = ctx;

	(void)len;
	if (o->header.kind == ABI_KIND_OPEN) {
		sum->collected += o->known.evicted_count;
		sum->delivered++;
	}
	return 0;
}

static void repeats_are_counted_where_they_happen_and_none_is_lost(void **state)
{
	struct probe_options options = {.ring_bytes = 65536};
	struct abi_scope entry = {.group = RIG_GROUP};
	struct source *unfolded = rig.source;
	struct pw_err err = PW_ERR_INIT;
	struct source_stats stats;
	struct fold_sum sum = {0};
	unsigned opens = OPENS;

	(void)state;
	assert_int_equal(probe_open(&options, &rig.source, &err), 0);
	assert_int_equal(kmaps_scope_set(probe_maps(rig.source), rig.cgroup_id, entry, &err), 0);
	assert_int_equal(
		rig_watch(&rig, rig_start(&rig, open_many_in_parallel, &opens), add_evicted, &sum),
		0);
	assert_true(source_consume(rig.source, 0, add_evicted, &sum, &err) >= 0);
	kmaps_known_take(probe_maps(rig.source), add_repeats, &sum);
	assert_int_equal(source_stats(rig.source, &stats), 0);
	source_close(rig.source);
	rig.source = unfolded;
	assert_int_equal(
		stats.recursion_misses + stats.kernel.seen[ABI_KIND_OPEN], CHILDREN * OPENS);
	assert_int_equal(stats.kernel.folded[ABI_KIND_OPEN] + stats.kernel.submitted[ABI_KIND_OPEN],
		stats.kernel.seen[ABI_KIND_OPEN]);
	assert_int_equal(sum.delivered, stats.kernel.submitted[ABI_KIND_OPEN]);
	assert_int_equal(sum.collected, stats.kernel.folded[ABI_KIND_OPEN]);
	assert_int_equal(sum.delivered, CHILDREN); /* each process told it once */
}

/* --- what a full ring dropped is told at its repetition --- */

#define FILES  240u /* the ring holds about half of them */
#define ROUNDS 3u

struct rounds {
	int done[2], go[2]; /* pipes */
};

static int open_files_in_rounds(void *ctx)
{
	struct rounds *r = ctx;
	char path[128], name[32], byte = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < FILES; i++) {
			int fd;

			(void)snprintf(name, sizeof(name), "f%u", i);
			fd = open(
				rig_path(&rig, name, path, sizeof(path)), O_RDONLY | O_CREAT, 0600);
			if (fd < 0)
				return 98;
			(void)close(fd);
		}
		if (write(r->done[1], &byte, 1) != 1 || read(r->go[0], &byte, 1) != 1)
			return 97;
	}
	return 0;
}

static unsigned files_told(pid_t pid)
{
	char path[128], name[32];
	unsigned told = 0;

	for (unsigned i = 0; i < FILES; i++) {
		(void)snprintf(name, sizeof(name), "f%u", i);
		told += rig_find_open(&rig, pid, rig_path(&rig, name, path, sizeof(path))) != NULL;
	}
	return told;
}

static void half_of_the_records_dropped_are_told_at_their_repetition(void **state)
{
	struct probe_options options = {.ring_bytes = 65536};
	struct abi_scope entry = {.group = RIG_GROUP};
	struct source *unfolded = rig.source;
	struct pw_err err = PW_ERR_INIT;
	unsigned told[ROUNDS];
	struct rounds r;
	char byte = 0;
	pid_t pid;

	(void)state;
	rig_clear(&rig);
	assert_int_equal(pipe(r.done) | pipe(r.go), 0);
	assert_int_equal(probe_open(&options, &rig.source, &err), 0);
	assert_int_equal(kmaps_scope_set(probe_maps(rig.source), rig.cgroup_id, entry, &err), 0);
	pid = rig_start(&rig, open_files_in_rounds, &r);
	for (unsigned round = 0; round < ROUNDS; round++) {
		assert_int_equal(read(r.done[0], &byte, 1), 1);
		rig_drain(&rig); /* not before: what did not fit is dropped */
		told[round] = files_told(pid);
		assert_int_equal(write(r.go[1], &byte, 1), 1);
	}
	assert_int_equal(rig_wait(&rig, pid), 0);
	source_close(rig.source);
	rig.source = unfolded;
	for (int i = 0; i < 2; i++) {
		(void)close(r.done[i]);
		(void)close(r.go[i]);
	}
	assert_true(told[0] < FILES * 2 / 3);
	assert_true(told[1] > told[0]);
	assert_int_equal(told[ROUNDS - 1], FILES);
	rig_clear(&rig);
}

static void add_lost(void *ctx, uint64_t cgroup_id, const struct abi_lost *lost)
{
	if (cgroup_id == rig.cgroup_id)
		*(uint64_t *)ctx += lost->count[ABI_DROP_RING_FULL];
}

static void drops_are_known_by_cgroup(void **state)
{
	struct abi_counters before = rig_counters(&rig), after;
	unsigned opens = OPENS;
	uint64_t mine = 0, all = 0;

	(void)state;
	assert_int_equal(kmaps_lost_take(rig.maps, add_lost, &mine), 0);
	mine = 0;
	(void)rig_run(&rig, open_many_in_parallel, &opens);
	after = rig_counters(&rig);
	for (uint32_t kind = 0; kind < ABI_KIND_COUNT; kind++)
		all += dropped(&after, kind) - dropped(&before, kind);
	assert_int_equal(kmaps_lost_take(rig.maps, add_lost, &mine), 0);
	assert_true(mine > OPENS);
	assert_int_equal(mine, all);
	mine = 0; /* taken is taken */
	assert_int_equal(kmaps_lost_take(rig.maps, add_lost, &mine), 0);
	assert_int_equal(mine, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_ring_drops_are_counted_exactly),
		cmocka_unit_test(reader_is_woken_only_above_the_fill_level),
		cmocka_unit_test(repeats_are_counted_where_they_happen_and_none_is_lost),
		cmocka_unit_test(half_of_the_records_dropped_are_told_at_their_repetition),
		cmocka_unit_test(drops_are_known_by_cgroup),
	};

	rig_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
