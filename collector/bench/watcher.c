/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/bench/watcher.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES (256u << 10)
#define STARTED    "started on node"

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint16_t free_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)bind(fd, (const struct sockaddr *)&at, sizeof(at));
	(void)getsockname(fd, (struct sockaddr *)&at, &len);
	(void)close(fd);
	return ntohs(at.sin_port);
}

static void become(const char *program, int log, uint16_t port)
{
	char metrics[32];
	const char *argv[] = {program, "--analyzer", "unix:/nonexistent/podward-bench",
		"--insecure", "--metrics-listen", metrics, "--stop-grace", "0s", NULL};

	(void)snprintf(metrics, sizeof(metrics), "127.0.0.1:%u", port);
	(void)dup2(log, STDERR_FILENO);
	(void)execv(program, (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* Reads its log until it says that it watches. The pipe stays with it and is drained no more. */
static int wait_started(int log)
{
	char text[8192];
	size_t len = 0;

	while (len < sizeof(text) - 1) {
		ssize_t n = read(log, text + len, sizeof(text) - 1 - len);

		if (n <= 0)
			return -ECHILD;
		len += (size_t)n;
		text[len] = '\0';
		if (strstr(text, STARTED))
			return 0;
	}
	return -EIO;
}

int watcher_start(struct watcher *w, const char *program)
{
	double before = now_s();
	int pair[2], r;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	w->port = free_port();
	w->pid = fork();
	if (w->pid == 0)
		become(program, pair[1], w->port);
	(void)close(pair[1]);
	r = w->pid < 0 ? -errno : wait_started(pair[0]);
	w->start_wall_s = now_s() - before;
	w->start_cpu_s = watcher_cpu_ns(w) / 1e9;
	(void)fcntl(pair[0], F_SETFD, 0); /* open until the benchmark ends: no SIGPIPE */
	return r;
}

void watcher_end(struct watcher *w)
{
	if (w->pid <= 0)
		return;
	(void)kill(w->pid, SIGTERM);
	(void)waitpid(w->pid, NULL, 0);
	w->pid = 0;
}

/* First field of schedstat: time on a CPU in ns. */
double watcher_cpu_ns(const struct watcher *w)
{
	char path[64];
	double sum = 0;
	struct dirent *entry;
	DIR *dir;

	if (w->pid <= 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)w->pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		char stat[400];
		unsigned long long ns = 0;
		FILE *f;

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(stat, sizeof(stat), "%s/%s/schedstat", path, entry->d_name);
		f = fopen(stat, "re");
		if (f && fscanf(f, "%llu", &ns) == 1)
			sum += (double)ns;
		if (f)
			(void)fclose(f);
	}
	if (dir)
		(void)closedir(dir);
	return sum;
}

uint64_t watcher_rss_bytes(const struct watcher *w)
{
	unsigned long long pages = 0;
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)w->pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%*u %llu", &pages) != 1)
		pages = 0;
	if (f)
		(void)fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static char *fetch_metrics(const struct watcher *w)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(w->port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	char *page = calloc(1, PAGE_BYTES);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t len = 0;
	ssize_t n = 1;

	if (page && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 &&
		write(fd, request, sizeof(request) - 1) > 0)
		for (; n > 0 && len<PAGE_BYTES - 1; len += n> 0 ? (size_t)n : 0)
			n = read(fd, page + len, PAGE_BYTES - 1 - len);
	(void)close(fd);
	return page;
}

double watcher_metric(const struct watcher *w, const char *name)
{
	char *page = fetch_metrics(w), *rest = page, *line;
	size_t len = strlen(name);
	double sum = 0;

	while (page && (line = strsep(&rest, "\n"))) {
		const char *value = strrchr(line, ' ');

		if (strncmp(line, name, len) == 0 && (line[len] == ' ' || line[len] == '{') &&
			value)
			sum += strtod(value, NULL);
	}
	free(page);
	return sum;
}
