/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers that come and go: each short process is told with its own container and no other, and
 * many that stay cost bounded memory. A quick form by default; ${PODWARD_CHURN} is the number of
 * containers of the full one (10000), with which the memory test has its full size too.
 */
#include "collector/bench/watcher.h"
#include "collector/probe.h"
#include "collector/tests/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define QUICK       300u
#define FULL        10000u
#define FULL_HOSTS  200u
#define PER_HOST    25u
#define QUICK_HOSTS 20u
#define RSS_MAX     (64ull << 20)
#define WAIT_TURNS  300 /* of 100 ms */

static char root[256];
static unsigned containers = QUICK;
static unsigned char *seen; /* how often container n was told right */
static unsigned wrong;
static int mount_namespace; /* that all these containers share */

static void cgroup_of(unsigned n, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/libpod-%016x%016x%016x%016x", root, 0xc4u, n, n ^ 0x5a5a5a5au,
		n * 2654435761u);
}

/* Into the cgroup, then a program that carries the number in its arguments. */
static pid_t start_in(const char *cgroup, const char *program, const char *argument)
{
	/* a process in the host's mount namespace would be the runtime's, before the container's */
	pid_t pid = fork();

	if (pid == 0) {
		char path[400];
		int fd;

		(void)snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1 || setns(mount_namespace, CLONE_NEWNS) < 0)
			_exit(99);
		(void)close(STDOUT_FILENO);
		(void)execl(program, program, argument, (char *)NULL);
		_exit(98);
	}
	return pid;
}

static void remove_cgroup(const char *cgroup)
{
	/* the last task leaves a moment after its parent has heard of its end */
	for (unsigned i = 0; i < 1000 && rmdir(cgroup) < 0 && errno == EBUSY; i++)
		(void)usleep(1000);
}

static void live_once(unsigned n)
{
	char cgroup[360], number[16];
	int status = 0;
	pid_t pid;

	cgroup_of(n, cgroup, sizeof(cgroup));
	assert_int_equal(mkdir(cgroup, 0755), 0);
	(void)snprintf(number, sizeof(number), "n%u", n);
	pid = start_in(cgroup, "/bin/true", number);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	remove_cgroup(cgroup);
	assert_int_equal(status, 0);
}

/* One line of JSON: the container that it names must be that of the number in its arguments. */
static void check_line(const char *line)
{
	const char *argument = strstr(line, "\"/bin/true\",\"n");
	const char *id = strstr(line, "\"container\":{\"id\":\"");
	char cgroup[360];
	unsigned n = 0;

	if (!argument || sscanf(argument, "\"/bin/true\",\"n%u\"", &n) != 1 || n >= containers)
		return;
	cgroup_of(n, cgroup, sizeof(cgroup));
	if (id && strncmp(id + 19, strstr(cgroup, "libpod-") + 7, 64) == 0)
		seen[n]++;
	else
		wrong++;
}

/* Takes what has come so far. */
static void take_lines(struct running *p, int wait_ms)
{
	struct pollfd ready = {.fd = p->out, .events = POLLIN};

	while (poll(&ready, 1, wait_ms) > 0) {
		ssize_t n = read(p->out, p->text + p->len, PROGRAM_TEXT - 1 - p->len);
		char *line = p->text, *end;

		if (n <= 0)
			return;
		p->len += (size_t)n;
		p->text[p->len] = '\0';
		while ((end = strchr(line, '\n'))) {
			*end = '\0';
			check_line(line);
			line = end + 1;
		}
		p->len = strlen(line);
		memmove(p->text, line, p->len + 1);
		wait_ms = 0;
	}
}

static unsigned count_told(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < containers; i++)
		count += seen[i] > 0;
	return count;
}

static void every_short_life_is_told_with_its_own_container(void **state)
{
	static const char *const arguments[] = {
		"--print=json", "--print-kinds", "exec", "--log-level", "warn", NULL};
	static struct running program;

	(void)state;
	seen = calloc(containers, 1);
	assert_non_null(seen);
	program_start(&program, arguments, NULL, NULL);
	for (unsigned i = 0; count_told() == 0; i++) { /* until it watches */
		assert_true(i < 600);
		live_once(0);
		take_lines(&program, 100);
	}
	for (unsigned n = 0; n < containers; n++) {
		live_once(n);
		take_lines(&program, 0);
	}
	for (unsigned i = 0; i < WAIT_TURNS && count_told() < containers; i++)
		take_lines(&program, 100);
	assert_int_equal(program_end(&program), 0);
	print_message("%u containers, %u told, %u wrong\n", containers, count_told(), wrong);
	assert_int_equal(wrong, 0);
	assert_int_equal(count_told(), containers);
	free(seen);
}

/* --- memory --- */

static void many_containers_and_processes_fit(void **state)
{
	unsigned hosts = containers >= FULL ? FULL_HOSTS : QUICK_HOSTS, count = hosts * PER_HOST;
	pid_t *pids = calloc(count, sizeof(*pids));
	struct watcher w = {0};
	double known = 0;
	uint64_t rss;
	char cgroup[360];

	(void)state;
	assert_non_null(pids);
	assert_int_equal(watcher_start(&w, program_path()), 0);
	for (unsigned i = 0; i < count; i++) {
		cgroup_of(i / PER_HOST, cgroup, sizeof(cgroup));
		if (i % PER_HOST == 0)
			assert_int_equal(mkdir(cgroup, 0755), 0);
		pids[i] = start_in(cgroup, "/bin/sleep", "600");
		assert_true(pids[i] > 0);
	}
	for (unsigned i = 0; i < WAIT_TURNS && known < count; i++) {
		(void)usleep(100000);
		known = watcher_metric(&w, "podward_collector_process_cache_entries");
	}
	rss = watcher_rss_bytes(&w);
	for (unsigned i = 0; i < count; i++)
		(void)kill(pids[i], SIGKILL);
	for (unsigned i = 0; i < count; i++)
		(void)waitpid(pids[i], NULL, 0);
	for (unsigned i = 0; i < hosts; i++) {
		cgroup_of(i, cgroup, sizeof(cgroup));
		remove_cgroup(cgroup);
	}
	watcher_end(&w);
	print_message("%u containers, %u processes, %.0f known: RSS %.1f MiB\n", hosts, count,
		known, (double)rss / 1048576);
	free(pids);
	assert_true(known >= count);
	assert_in_range(rss, 1, RSS_MAX);
}

static int find_root(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[2048];

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s %*s %255s", root) == 1)
			break;
	if (f)
		(void)fclose(f);
	return root[0] ? 0 : -ENOENT;
}

static int make_mount_namespace(void)
{
	char path[64], byte = 0;
	int pair[2], fd;
	pid_t pid;

	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || write(pair[1], &byte, 1) != 1)
			_exit(1);
		(void)pause();
	}
	(void)close(pair[1]);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)close(pair[0]);
	return fd;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_short_life_is_told_with_its_own_container),
		cmocka_unit_test(many_containers_and_processes_fit),
	};
	const char *full = getenv("PODWARD_CHURN");
	struct probe_facts facts;
	struct pw_err err = PW_ERR_INIT;

	if (probe_facts_read(&facts, &err) < 0 || probe_facts_check(&facts, &err) < 0) {
		printf("SKIP: %s\n", err.msg);
		return 77;
	}
	if (geteuid() != 0 || find_root() < 0) {
		printf("SKIP: needs root and cgroup v2\n");
		return 77;
	}
	mount_namespace = make_mount_namespace();
	if (full)
		containers = (unsigned)strtoul(full, NULL, 10);
	return containers > 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 2;
}
