/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile engine: ns per known behaviour, bytes per key and group, times to learn, merge, write
 * and read back baselines of 100, 2,000 and 40,000 keys. With --whole also memory of 10,000 groups
 * of 2,000 keys each, at rest, and awake (about 3 GiB).
 */
#include "analyzer/baseline_rest.h"
#include "analyzer/checkpoint.h"
#include "analyzer/group.h"

#include <malloc.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5
#define STEADY ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_STEADY)

static uint64_t cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f)
		(void)fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "bench_profile: %s\n", what);
	_exit(1);
}

/* Paths as in real trees: a few folders with many names, some 50 bytes long. */
static struct pw_slice path_of(uint32_t i, char out[128])
{
	static const char *const folders[] = {"/usr/lib/x86_64-linux-gnu/", "/usr/share/zoneinfo/",
		"/var/lib/app/releases/current/node_modules/lodash/", "/etc/app/conf.d/"};
	int len = snprintf(out, 128, "%slib%c%c-module%u.so", folders[i % 4], 'a' + i % 23,
		'a' + i / 23 % 23, i);

	return pw_slice_of(out, (size_t)len);
}

static void fill(struct baseline *b, uint32_t keys)
{
	struct baseline_seen seen = {.wall_ns = 1, .flags = STEADY, .containers = {7}};
	char path[128];

	for (uint32_t i = 0; i < keys; i++) {
		struct behaviour what = {.dimension = 2 + i % 3,
			.actor = PW_SLICE_LIT("/usr/bin/application"),
			.object = path_of(i, path)};

		what.key = behaviour_key(what.dimension, what.actor, what.object);
		must(baseline_observe(b, &what, &seen) >= 0, "observe");
	}
	baseline_changes_taken(b);
}

struct figures {
	uint32_t keys;
	double judge_ns, probe_ns, learn_ns, merge_us, pack_us, unpack_us;
	double rest_judge_ns, rest_us, wake_us;
	size_t bytes, hot_bytes, packed_bytes, rest_bytes;
};

/* From the event on: behaviour, key, probe. The events are of random known files. */
static void judge_known(struct baseline *b, uint32_t keys, struct figures *f)
{
	enum { EVENTS = 4096 };
	static char paths[EVENTS][128];
	static struct pw_event events[EVENTS];
	static struct behaviour_set set;
	struct pw_process process = {.exe = PW_SLICE_LIT("/usr/bin/application")};
	uint64_t start, known = 0, state = 1;

	for (uint32_t i = 0; i < EVENTS; i++) {
		uint32_t n;

		state = state * 6364136223846793005ull + 1442695040888963407ull;
		n = (uint32_t)(state >> 33) % keys;
		events[i] = (struct pw_event){.process = &process,
			.kind = PW_EVENT_OPEN,
			.object = path_of(n, paths[i]),
			.aux = n % 3 == 0   ? 1
			       : n % 3 == 1 ? 2
					    : 4};
	}
	f->judge_ns = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		double ns;

		start = cpu_ns();
		for (int turn = 0; turn < 100; turn++)
			for (uint32_t i = 0; i < EVENTS; i++) {
				behaviour_of(&events[i], BEHAVIOUR_ALL, &set);
				known += baseline_ask(b, &set.items[0], 0, NULL) == BASELINE_KNOWN;
			}
		ns = (double)(cpu_ns() - start) / (100.0 * EVENTS);
		f->judge_ns = ns < f->judge_ns ? ns : f->judge_ns;
	}
	must(known == (uint64_t)ROUNDS * 100 * EVENTS, "an event was not known");
	start = cpu_ns();
	for (int turn = 0; turn < 100; turn++)
		for (uint32_t i = 0; i < EVENTS; i++)
			known += baseline_ask(b, &set.items[0], 0, NULL) == BASELINE_KNOWN;
	f->probe_ns = (double)(cpu_ns() - start) / (100.0 * EVENTS);
}

static void judge_at_rest(struct baseline *b, uint32_t keys, struct figures *f)
{
	enum { EVENTS = 4096 };
	static char paths[EVENTS][128];
	static struct behaviour_set set;
	struct pw_process process = {.exe = PW_SLICE_LIT("/usr/bin/application")};
	static struct pw_event events[EVENTS];
	uint64_t start = cpu_ns(), known = 0;

	must(baseline_rest(b) == 0, "rest");
	f->rest_us = (double)(cpu_ns() - start) / 1000;
	f->rest_bytes = baseline_bytes(b);
	for (uint32_t i = 0; i < EVENTS; i++) {
		uint32_t n = i * 2654435761u % keys;

		events[i] = (struct pw_event){.process = &process,
			.kind = PW_EVENT_OPEN,
			.object = path_of(n, paths[i]),
			.aux = 1u << n % 3};
	}
	f->rest_judge_ns = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		double ns;

		start = cpu_ns();
		for (int turn = 0; turn < 100; turn++)
			for (uint32_t i = 0; i < EVENTS; i++) {
				behaviour_of(&events[i], BEHAVIOUR_ALL, &set);
				known += baseline_rest_knows(b, &set.items[0], 0, false);
			}
		ns = (double)(cpu_ns() - start) / (100.0 * EVENTS);
		f->rest_judge_ns = ns < f->rest_judge_ns ? ns : f->rest_judge_ns;
	}
	must(known == (uint64_t)ROUNDS * 100 * EVENTS, "an event was not known at rest");
	start = cpu_ns();
	must(baseline_rest_wake(b) == 0, "wake");
	f->wake_us = (double)(cpu_ns() - start) / 1000;
}

static struct figures measure(uint32_t keys)
{
	struct figures f = {.keys = keys};
	struct baseline *one = NULL, *two = NULL;
	struct pw_err err = PW_ERR_INIT;
	pw_auto_buf packed;
	uint64_t start;

	must(baseline_new(BASELINE_KEYS_DEFAULT, &one) == 0, "memory");
	must(baseline_new(BASELINE_KEYS_DEFAULT, &two) == 0, "memory");
	start = cpu_ns();
	fill(one, keys);
	f.learn_ns = (double)(cpu_ns() - start) / keys;
	f.bytes = baseline_bytes(one);
	f.hot_bytes = baseline_hot_bytes(one);
	judge_known(one, keys, &f);
	start = cpu_ns();
	must(baseline_merge(two, one) == 0, "merge");
	f.merge_us = (double)(cpu_ns() - start) / 1000;
	pw_buf_init(&packed, CHECKPOINT_BYTES);
	start = cpu_ns();
	must(checkpoint_pack(one, &packed) == 0, "pack");
	f.pack_us = (double)(cpu_ns() - start) / 1000;
	f.packed_bytes = packed.len;
	baseline_free(two);
	must(baseline_new(BASELINE_KEYS_DEFAULT, &two) == 0, "memory");
	start = cpu_ns();
	must(checkpoint_unpack(pw_buf_slice(&packed), two, &err) == 0, err.msg);
	f.unpack_us = (double)(cpu_ns() - start) / 1000;
	must(baseline_count(two) == keys, "keys were lost");
	judge_at_rest(one, keys, &f);
	baseline_free(one);
	baseline_free(two);
	return f;
}

struct whole {
	double awake_gib, rest_gib;
};

/* Groups with everything that belongs to one. */
static struct whole whole_of(uint32_t groups, uint32_t keys)
{
	struct whole ret;
	struct groups *table = NULL;
	size_t before = resident_bytes();

	must(groups_new(groups, &table) == 0, "memory");
	for (uint32_t i = 0; i < groups; i++) {
		struct group *g = NULL;
		char name[64];
		int len = snprintf(name, sizeof(name), "shop/Deployment/service-%u/app", i);

		must(groups_get(table, i * 0x9e3779b97f4a7c15ull, pw_slice_of(name, (size_t)len),
			     &g) == 0,
			"memory");
		fill(g->baseline, keys);
	}
	ret.awake_gib = (double)(resident_bytes() - before) / (1 << 30);
	for (uint32_t i = 0; i < groups; i++)
		must(baseline_rest(groups_at(table, i)->baseline) == 0, "rest");
	(void)malloc_trim(0);
	ret.rest_gib = (double)(resident_bytes() - before) / (1 << 30);
	groups_free(table);
	return ret;
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {100, 2000, 40000};
	bool whole = argc > 1 && strcmp(argv[1], "--whole") == 0;
	struct figures f[PW_COUNT(sizes)];

	for (size_t i = 0; i < PW_COUNT(sizes); i++) {
		f[i] = measure(sizes[i]);
		(void)printf(
			"%u keys: %.0f ns per known event (%.0f ns of it the probe), "
			"%zu bytes (%.0f per key, hot %.1f), learn %.0f ns per key, merge %.0f us, "
			"pack %.0f us to %zu bytes, unpack %.0f us; at rest %.0f ns per known "
			"event, %zu bytes, to rest %.0f us, awake %.0f us\n",
			f[i].keys, f[i].judge_ns, f[i].probe_ns, f[i].bytes,
			(double)f[i].bytes / f[i].keys, (double)f[i].hot_bytes / f[i].keys,
			f[i].learn_ns, f[i].merge_us, f[i].pack_us, f[i].packed_bytes,
			f[i].unpack_us, f[i].rest_judge_ns, f[i].rest_bytes, f[i].rest_us,
			f[i].wake_us);
	}
	(void)printf(
		"{\"bench\":\"profile\",\"judge_ns\":%.1f,\"probe_ns\":%.1f,\"bytes_per_key\":%.1f,"
		"\"hot_bytes_per_key\":%.1f,\"learn_ns\":%.1f,\"merge_us\":%.1f,\"pack_us\":%.1f,"
		"\"unpack_us\":%.1f,\"rest_judge_ns\":%.1f,\"rest_bytes\":%zu,\"rest_us\":%.1f,"
		"\"wake_us\":%.1f",
		f[1].judge_ns, f[1].probe_ns, (double)f[1].bytes / f[1].keys,
		(double)f[1].hot_bytes / f[1].keys, f[1].learn_ns, f[1].merge_us, f[1].pack_us,
		f[1].unpack_us, f[1].rest_judge_ns, f[1].rest_bytes, f[1].rest_us, f[1].wake_us);
	if (whole) {
		struct whole w = whole_of(10000, 2000);

		(void)printf(
			",\"whole_gib\":%.2f,\"whole_at_rest_gib\":%.2f", w.awake_gib, w.rest_gib);
	}
	(void)printf("}\n");
	return 0;
}
