/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What watching costs the watched: each workload without a collector, outside its scope and inside,
 * in alternation; medians of the ratios within a round. The cost of a workload is the CPU time of
 * its process, kernel side included; "+" is the CPU time of the collector's own process.
 *
 *   bench_collector [--rounds N] [--only NAME]      needs root, BPF, cgroup v2
 */
#include "collector/bench/load.h"
#include "collector/bench/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 31
#define LOADS_MAX  16
#define SETTLE_MS  80 /* the collector drains every 20 ms */
#define CONTAINER  "libpod-00000000000000000000000000000000000000000000000000000000b0b0cafe"

enum mode { MODE_BARE, MODE_OUTSIDE, MODE_INSIDE, MODES };

struct sample {
	double cost_ns;    /* per operation, of the workload */
	double watcher_ns; /* per operation, of the collector */
};

struct bench {
	struct load_place place;
	char inside[400], outside[400]; /* cgroups */
	const char *program;
	const char *only;
	unsigned rounds;
	struct sample samples[LOADS_MAX][MODES][ROUNDS_MAX];
	double start_wall[ROUNDS_MAX * 2], start_cpu[ROUNDS_MAX * 2];
	unsigned starts;
	double events, event_cpu_ns, dropped, lost, missed, delays, delay_s;
	uint64_t rss_idle, rss_most;
};

static void wait_ms(unsigned ms)
{
	struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

	(void)nanosleep(&t, NULL);
}

static double rusage_ns(int who)
{
	struct rusage u;

	(void)getrusage(who, &u);
	return ((double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec) * 1e9 +
	       ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) * 1e3;
}

static int enter(const char *cgroup)
{
	char path[500];
	int fd, r;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write(fd, "0", 1) == 1 ? 0 : -errno;
	(void)close(fd);
	return r;
}

/* CPU ns per operation of one workload in a process of its own, or -1. */
static double run_load(const struct bench *b, const struct load *l, const char *cgroup)
{
	double cost = -1;
	int pair[2], status = 0;
	pid_t pid;

	if (pipe(pair) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		double before;
		int r = enter(cgroup);

		before = rusage_ns(RUSAGE_SELF) + rusage_ns(RUSAGE_CHILDREN);
		if (r == 0)
			r = l->run(&b->place, l->operations);
		cost = rusage_ns(RUSAGE_SELF) + rusage_ns(RUSAGE_CHILDREN) - before;
		cost /= l->operations;
		if (r < 0)
			(void)fprintf(stderr, "%s: %s\n", l->name, strerror(-r));
		_exit(r < 0 || write(pair[1], &cost, sizeof(cost)) != sizeof(cost));
	}
	(void)close(pair[1]);
	if (read(pair[0], &cost, sizeof(cost)) != sizeof(cost))
		cost = -1;
	(void)close(pair[0]);
	(void)waitpid(pid, &status, 0);
	return status == 0 ? cost : -1;
}

static bool is_chosen(const struct bench *b, const struct load *l)
{
	return !b->only || strcmp(b->only, l->name) == 0;
}

static int run_loads(struct bench *b, struct watcher *w, enum mode mode, unsigned round)
{
	for (unsigned i = 0; loads[i].name; i++) {
		struct sample *s = &b->samples[i][mode][round];
		double before;

		if (!is_chosen(b, &loads[i]))
			continue;
		wait_ms(SETTLE_MS);
		before = watcher_cpu_ns(w);
		s->cost_ns = run_load(b, &loads[i], mode == MODE_INSIDE ? b->inside : b->outside);
		if (s->cost_ns < 0)
			return -EIO;
		wait_ms(SETTLE_MS);
		s->watcher_ns = (watcher_cpu_ns(w) - before) / loads[i].operations;
	}
	return 0;
}

/* What the collector did on the way, out of its own metrics. */
static void ask(struct bench *b, const struct watcher *w, double cpu_before)
{
	uint64_t rss = watcher_rss_bytes(w);

	wait_ms(1200); /* its figures are renewed once a second */
	b->events += watcher_metric(w, "podward_collector_events_total") +
		     watcher_metric(w, "podward_collector_events_folded_total");
	b->event_cpu_ns += watcher_cpu_ns(w) - cpu_before;
	b->dropped += watcher_metric(w, "podward_collector_events_dropped_total");
	b->lost += watcher_metric(w, "podward_collector_events_lost_total");
	b->missed += watcher_metric(w, "podward_collector_bpf_program_missed_runs_total");
	b->delays += watcher_metric(w, "podward_collector_kernel_to_user_seconds_count");
	b->delay_s += watcher_metric(w, "podward_collector_kernel_to_user_seconds_sum");
	if (rss > b->rss_most)
		b->rss_most = rss;
}

static int run_mode(struct bench *b, enum mode mode, unsigned round)
{
	struct watcher w = {0};
	double cpu_before;
	int r;

	if (mode == MODE_BARE)
		return run_loads(b, &w, mode, round);
	r = watcher_start(&w, b->program);
	if (r == 0) {
		b->start_wall[b->starts] = w.start_wall_s;
		b->start_cpu[b->starts++] = w.start_cpu_s;
		b->rss_idle = watcher_rss_bytes(&w);
		cpu_before = watcher_cpu_ns(&w);
		r = run_loads(b, &w, mode, round);
		if (r == 0 && mode == MODE_INSIDE)
			ask(b, &w, cpu_before);
	}
	watcher_end(&w);
	return r;
}

/* --- figures --- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(values[0]), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static double median_ratio(const struct bench *b, unsigned load, enum mode mode)
{
	double ratios[ROUNDS_MAX];

	for (unsigned i = 0; i < b->rounds; i++)
		ratios[i] =
			b->samples[load][mode][i].cost_ns / b->samples[load][MODE_BARE][i].cost_ns;
	return median(ratios, b->rounds);
}

static double median_of(const struct bench *b, unsigned load, enum mode mode, bool of_watcher)
{
	double values[ROUNDS_MAX];

	for (unsigned i = 0; i < b->rounds; i++) {
		const struct sample *s = &b->samples[load][mode][i];

		values[i] = of_watcher ? s->watcher_ns : s->cost_ns;
	}
	return median(values, b->rounds);
}

static void report(struct bench *b)
{
	double wall = median(b->start_wall, b->starts), cpu = median(b->start_cpu, b->starts);

	(void)printf(
		"%-12s %10s %9s %9s %9s %9s\n", "", "bare ns", "outside", "+ ns", "inside", "+ ns");
	for (unsigned i = 0; loads[i].name; i++)
		if (is_chosen(b, &loads[i]))
			(void)printf("%-12s %10.0f %8.2fx %9.0f %8.2fx %9.0f\n", loads[i].name,
				median_of(b, i, MODE_BARE, false), median_ratio(b, i, MODE_OUTSIDE),
				median_of(b, i, MODE_OUTSIDE, true),
				median_ratio(b, i, MODE_INSIDE),
				median_of(b, i, MODE_INSIDE, true));
	(void)printf(
		"start until watching %.2f s wall, %.2f s CPU; RSS %.1f MiB idle, %.1f MiB most\n",
		wall, cpu, (double)b->rss_idle / 1048576, (double)b->rss_most / 1048576);
	(void)printf("{\"bench\":\"collector\",\"rounds\":%u,\"loads\":{", b->rounds);
	for (unsigned i = 0, n = 0; loads[i].name; i++)
		if (is_chosen(b, &loads[i]))
			(void)printf("%s\"%s\":{\"bare_ns\":%.0f,\"outside\":%.3f,\"inside\":%.3f,"
				     "\"collector_ns\":%.0f}",
				n++ ? "," : "", loads[i].name, median_of(b, i, MODE_BARE, false),
				median_ratio(b, i, MODE_OUTSIDE), median_ratio(b, i, MODE_INSIDE),
				median_of(b, i, MODE_INSIDE, true));
	(void)printf("},\"events\":%.0f,\"cpu_s_per_million\":%.3f,\"dropped\":%.0f,\"lost\":%.0f,"
		     "\"missed_runs\":%.0f,\"kernel_to_user_ms\":%.2f,",
		b->events, b->events > 0 ? b->event_cpu_ns / b->events / 1e3 : 0, b->dropped,
		b->lost, b->missed, b->delays > 0 ? b->delay_s / b->delays * 1e3 : 0);
	(void)printf("\"start_wall_s\":%.3f,\"start_cpu_s\":%.3f,\"rss_idle_bytes\":%llu,"
		     "\"rss_most_bytes\":%llu}\n",
		wall, cpu, (unsigned long long)b->rss_idle, (unsigned long long)b->rss_most);
}

/* --- life --- */

static int find_cgroup_root(char *out, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[2048], where[256] = "";

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, " - cgroup2 ") &&
			sscanf(line, "%*s %*s %*s %*s %255s", where) == 1)
			break;
	if (f)
		(void)fclose(f);
	(void)snprintf(out, size, "%s", where);
	return where[0] ? 0 : -ENOENT;
}

static int prepare(struct bench *b)
{
	char root[256];
	int r = find_cgroup_root(root, sizeof(root));

	if (r < 0 || geteuid() != 0) {
		(void)printf("SKIP: needs root and cgroup v2\n");
		return -ENOTSUP;
	}
	(void)snprintf(b->inside, sizeof(b->inside), "%s/" CONTAINER, root);
	(void)snprintf(b->outside, sizeof(b->outside), "%s/podward-bench", root);
	if ((mkdir(b->inside, 0755) < 0 && errno != EEXIST) ||
		(mkdir(b->outside, 0755) < 0 && errno != EEXIST))
		return -errno;
	return load_place_make(&b->place);
}

static int parse(struct bench *b, int argc, char **argv)
{
	const char *given = getenv("PODWARD_COLLECTOR");

	b->program = given ? given : PW_BINARY_DIR "/bin/podward-collector";
	b->rounds = 7;
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--only") == 0)
			b->only = argv[i + 1];
		else if (strcmp(argv[i], "--rounds") == 0)
			b->rounds = (unsigned)strtoul(argv[i + 1], NULL, 10);
		else
			return -EINVAL;
	}
	return argc % 2 && b->rounds > 0 && b->rounds <= ROUNDS_MAX ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	static struct bench b;
	int r = parse(&b, argc, argv);

	if (r < 0) {
		(void)fprintf(stderr, "usage: bench_collector [--rounds 1..31] [--only NAME]\n");
		return 2;
	}
	r = prepare(&b);
	/* The order turns with the rounds, so that a drift of the machine meets all alike. */
	for (unsigned round = 0; r == 0 && round < b.rounds; round++)
		for (unsigned i = 0; r == 0 && i < MODES; i++)
			r = run_mode(&b, (enum mode)((round + i) % MODES), round);
	load_place_remove(&b.place);
	(void)rmdir(b.inside);
	(void)rmdir(b.outside);
	if (r < 0) {
		(void)fprintf(stderr, "bench_collector: %s\n", strerror(-r));
		return r == -ENOTSUP ? 77 : 1;
	}
	report(&b);
	return 0;
}
