/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one event costs on the stream, both ends added up and each alone, in CPU time of the
 * processes: for batches of 1 to 1,024, plain and with mutual TLS, over 1 and 4 connections; beside
 * it in the same rounds a C++ peer with the same messages (skipped, with words, without
 * libgrpc++-dev) and bare TCP as the floor. Medians of alternating rounds.
 */
#include "common/rpc/bench/stream_bench.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS       3
#define EVENTS_MAX   1500000u
#define MESSAGES_MAX 15000u
#define ARGS_MAX     12

extern char **environ;

uint64_t stream_cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void stream_say_port(uint16_t port)
{
	(void)printf("port %u\n", port);
	(void)fflush(stdout);
}

void stream_say_result(uint64_t cpu_ns, uint64_t events, uint64_t bytes)
{
	(void)printf("result %llu %llu %llu\n", (unsigned long long)cpu_ns,
		(unsigned long long)events, (unsigned long long)bytes);
	(void)fflush(stdout);
}

/* --- children --- */

struct child {
	pid_t pid;
	FILE *out;
};

struct figures {
	uint64_t cpu_ns, events, bytes;
};

static int child_start(struct child *c, char *const argv[])
{
	posix_spawn_file_actions_t actions;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	r = posix_spawn(&c->pid, argv[0], &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(ends[1]);
	c->out = fdopen(ends[0], "r");
	return r == 0 && c->out ? 0 : -r;
}

static bool child_line(struct child *c, const char *word, struct figures *ret)
{
	char line[128], got[16] = "";
	unsigned long long a = 0, b = 0, d = 0;

	if (!fgets(line, sizeof(line), c->out) ||
		sscanf(line, "%15s %llu %llu %llu", got, &a, &b, &d) < 2 || strcmp(got, word) != 0)
		return false;
	*ret = (struct figures){a, b, d};
	return true;
}

static bool child_end(struct child *c)
{
	int status = 0;

	(void)fclose(c->out);
	return waitpid(c->pid, &status, 0) == c->pid && status == 0;
}

/* --- one measurement --- */

enum kind { KIND_OURS, KIND_PEER, KIND_TCP, KINDS };
static const char *const kind_names[KINDS] = {"ours", "peer", "tcp"};

struct setup {
	enum kind kind;
	uint32_t batch, connections;
	bool has_tls;
	double client[ROUNDS], server[ROUNDS], total[ROUNDS], bytes;
};

struct paths {
	char self[256], peer[256], certs[64];
	char ca[96], server_cert[96], server_key[96], client_cert[96], client_key[96];
};

struct text {
	char port[16], batch[16], messages[16], connections[16];
};

static uint32_t messages_of(const struct setup *s)
{
	uint32_t n = EVENTS_MAX / s->batch;

	return (n < MESSAGES_MAX ? n : MESSAGES_MAX) / s->connections;
}

static void fill_args(char *argv[ARGS_MAX], const struct paths *p, const struct setup *s,
	const struct text *t, bool is_server)
{
	size_t n = 0;

	argv[n++] = (char *)(uintptr_t)(s->kind == KIND_PEER ? p->peer : p->self);
	argv[n++] = (char *)(uintptr_t)(is_server ? "server" : "client");
	argv[n++] = (char *)(uintptr_t)kind_names[s->kind];
	argv[n++] = (char *)(uintptr_t)t->port;
	argv[n++] = (char *)(uintptr_t)t->batch;
	argv[n++] = (char *)(uintptr_t)t->messages;
	argv[n++] = (char *)(uintptr_t)t->connections;
	if (s->has_tls) {
		argv[n++] = (char *)(uintptr_t)p->ca;
		argv[n++] = (char *)(uintptr_t)(is_server ? p->server_cert : p->client_cert);
		argv[n++] = (char *)(uintptr_t)(is_server ? p->server_key : p->client_key);
	}
	argv[n] = NULL;
}

static bool measure(const struct paths *p, struct setup *s, int round)
{
	struct child server, client;
	struct figures port, from_server, from_client;
	struct text t;
	char *argv[ARGS_MAX];
	bool good;

	(void)snprintf(t.port, sizeof(t.port), "0");
	(void)snprintf(t.batch, sizeof(t.batch), "%u", s->batch);
	(void)snprintf(t.messages, sizeof(t.messages), "%u", messages_of(s));
	(void)snprintf(t.connections, sizeof(t.connections), "%u", s->connections);
	fill_args(argv, p, s, &t, true);
	if (child_start(&server, argv) < 0)
		return false;
	good = child_line(&server, "port", &port);
	(void)snprintf(t.port, sizeof(t.port), "%llu", (unsigned long long)port.cpu_ns);
	fill_args(argv, p, s, &t, false);
	if (!good || child_start(&client, argv) < 0)
		return false;
	good = child_line(&client, "result", &from_client) &&
	       child_line(&server, "result", &from_server);
	good = child_end(&client) && good;
	good = child_end(&server) && good;
	if (!good || from_server.events == 0 || from_server.events != from_client.events)
		return false;
	s->client[round] = (double)from_client.cpu_ns / (double)from_client.events;
	s->server[round] = (double)from_server.cpu_ns / (double)from_server.events;
	s->total[round] = s->client[round] + s->server[round];
	s->bytes = (double)from_server.bytes / (double)from_server.events;
	return true;
}

static double median(double values[ROUNDS])
{
	for (int i = 1; i < ROUNDS; i++)
		for (int k = i; k > 0 && values[k] < values[k - 1]; k--) {
			double swap = values[k];

			values[k] = values[k - 1];
			values[k - 1] = swap;
		}
	return values[ROUNDS / 2];
}

/* --- all of them --- */

static const uint32_t batches[] = {1, 16, 64, 256, 1024};
#define BATCHES    (sizeof(batches) / sizeof(batches[0]))
#define SETUPS_MAX 64

static size_t make_setups(struct setup *out, bool has_peer)
{
	size_t n = 0;

	for (size_t i = 0; i < BATCHES; i++)
		for (int variant = 0; variant < 4; variant++)
			out[n++] = (struct setup){.kind = KIND_OURS,
				.batch = batches[i],
				.has_tls = variant % 2,
				.connections = variant < 2 ? 1 : 4};
	for (size_t i = 0; i < BATCHES; i++)
		out[n++] = (struct setup){.kind = KIND_TCP, .batch = batches[i], .connections = 1};
	for (size_t i = 0; has_peer && i < BATCHES; i++)
		for (int variant = 0; variant < 2; variant++)
			out[n++] = (struct setup){.kind = KIND_PEER,
				.batch = batches[i],
				.has_tls = variant % 2,
				.connections = 1};
	return n;
}

static void report(struct setup *setups, size_t count)
{
	(void)printf("CPU ns per event, medians of %d alternating rounds\n", ROUNDS);
	(void)printf("%-6s %6s %6s %5s | %8s %8s %8s | %6s\n", "kind", "batch", "tls", "conns",
		"total", "client", "server", "bytes");
	for (size_t i = 0; i < count; i++) {
		struct setup *s = &setups[i];

		(void)printf("%-6s %6u %6s %5u | %8.0f %8.0f %8.0f | %6.1f\n", kind_names[s->kind],
			s->batch, s->has_tls ? "mutual" : "plain", s->connections, median(s->total),
			median(s->client), median(s->server), s->bytes);
	}
	(void)printf("{\"bench\":\"stream\",\"rounds\":%d,\"rows\":[", ROUNDS);
	for (size_t i = 0; i < count; i++) {
		struct setup *s = &setups[i];

		(void)printf(
			"%s{\"kind\":\"%s\",\"batch\":%u,\"tls\":%s,\"connections\":%u,"
			"\"total_ns\":%.1f,\"client_ns\":%.1f,\"server_ns\":%.1f,\"bytes\":%.2f}",
			i ? "," : "", kind_names[s->kind], s->batch, s->has_tls ? "true" : "false",
			s->connections, median(s->total), median(s->client), median(s->server),
			s->bytes);
	}
	(void)printf("]}\n");
}

static bool make_certs(struct paths *p)
{
	char script[] = PW_SOURCE_DIR "/tools/make-certs.sh", server[] = "analyzer/a",
	     client[] = "collector/c";
	char *argv[] = {script, p->certs, server, client, NULL};
	struct child c;
	char line[128];

	(void)snprintf(p->certs, sizeof(p->certs), "/tmp/pw-bench-XXXXXX");
	if (!mkdtemp(p->certs) || child_start(&c, argv) < 0)
		return false;
	while (fgets(line, sizeof(line), c.out))
		;
	(void)snprintf(p->ca, sizeof(p->ca), "%s/ca.pem", p->certs);
	(void)snprintf(p->server_cert, sizeof(p->server_cert), "%s/analyzer-a.pem", p->certs);
	(void)snprintf(p->server_key, sizeof(p->server_key), "%s/analyzer-a.key", p->certs);
	(void)snprintf(p->client_cert, sizeof(p->client_cert), "%s/collector-c.pem", p->certs);
	(void)snprintf(p->client_key, sizeof(p->client_key), "%s/collector-c.key", p->certs);
	return child_end(&c);
}

static void remove_certs(const struct paths *p)
{
	char ca_key[96];

	(void)snprintf(ca_key, sizeof(ca_key), "%s/ca.key", p->certs);
	const char *const files[] = {
		p->ca, ca_key, p->server_cert, p->server_key, p->client_cert, p->client_key};

	for (size_t i = 0; i < PW_COUNT(files); i++)
		(void)unlink(files[i]);
	(void)rmdir(p->certs);
}

static bool find_paths(struct paths *p)
{
	ssize_t n = readlink("/proc/self/exe", p->self, sizeof(p->self) - 8);

	if (n <= 0)
		return false;
	p->self[n] = '\0';
	(void)snprintf(p->peer, sizeof(p->peer), "%.*s_peer", (int)n, p->self);
	return true;
}

static int orchestrate(void)
{
	struct setup setups[SETUPS_MAX];
	struct paths p;
	size_t count;
	bool has_peer;
	int r = 0;

	if (!find_paths(&p) || !make_certs(&p)) {
		(void)fprintf(stderr, "bench_stream: no certificates: is openssl installed?\n");
		return 1;
	}
	has_peer = access(p.peer, X_OK) == 0;
	if (!has_peer)
		(void)printf("SKIP: the C++ peer needs g++, libgrpc++-dev and "
			     "protobuf-compiler-grpc at configure time\n");
	count = make_setups(setups, has_peer);
	for (int round = 0; r == 0 && round < ROUNDS; round++)
		for (size_t i = 0; r == 0 && i < count; i++)
			if (!measure(&p, &setups[i], round)) {
				(void)fprintf(stderr, "bench_stream: %s, batch %u failed\n",
					kind_names[setups[i].kind], setups[i].batch);
				r = 1;
			}
	remove_certs(&p);
	if (r == 0)
		report(setups, count);
	return r;
}

static uint64_t number(const char *text)
{
	uint64_t value = 0;

	return pw_num_u64(pw_slice_str(text), UINT32_MAX, &value) == 0 ? value : 0;
}

int main(int argc, char **argv)
{
	struct stream_wish w;
	bool is_server;

	if (argc == 1)
		return orchestrate();
	if (argc != 7 && argc != 10)
		return 2;
	pw_log_setup(PW_LOG_ERROR, PW_LOG_LOGFMT, "bench_stream");
	w = (struct stream_wish){.port = (uint16_t)number(argv[3]),
		.batch = (uint32_t)number(argv[4]),
		.messages = (uint32_t)number(argv[5]),
		.connections = (uint32_t)number(argv[6])};
	if (argc == 10) {
		w.ca = argv[7];
		w.cert = argv[8];
		w.key = argv[9];
	}
	is_server = strcmp(argv[1], "server") == 0;
	if (strcmp(argv[2], kind_names[KIND_TCP]) == 0)
		return is_server ? stream_tcp_server(&w) : stream_tcp_client(&w);
	return is_server ? stream_ours_server(&w) : stream_ours_client(&w);
}
