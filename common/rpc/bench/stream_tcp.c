/* SPDX-License-Identifier: Apache-2.0 */
/* The floor: rows as they lie in memory through bare TCP, summed up at the other end. */
#include "common/rpc/bench/stream_bench.h"

#include "common/base/alloc.h"
#include "common/wire/batch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static bool read_full(int fd, void *out, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, (char *)out + got, len - got);

		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

static bool write_full(int fd, const void *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const char *)bytes + done, len - done);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static uint64_t sum_rows(const struct pw_event_row *rows, uint32_t count)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += rows[i].time.ns + rows[i].process + rows[i].object + rows[i].aux;
	return sum;
}

int stream_tcp_server(const struct stream_wish *w)
{
	struct sockaddr_in address = loopback(0);
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	size_t size = w->batch * sizeof(struct pw_event_row);
	struct pw_event_row *rows = pw_alloc0(w->batch, sizeof(*rows));
	uint64_t start = 0, events = 0;
	volatile uint64_t sum = 0;

	if (!rows || bind(listener, (struct sockaddr *)&address, len) < 0 ||
		listen(listener, 1) < 0 ||
		getsockname(listener, (struct sockaddr *)&address, &len) < 0)
		return 1;
	stream_say_port(ntohs(address.sin_port));
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	while (read_full(fd, rows, size)) {
		if (start == 0)
			start = stream_cpu_ns();
		sum += sum_rows(rows, w->batch);
		events += w->batch;
	}
	stream_say_result(stream_cpu_ns() - start, events, events * sizeof(*rows));
	free(rows);
	(void)close(fd);
	(void)close(listener);
	return 0;
}

int stream_tcp_client(const struct stream_wish *w)
{
	struct sockaddr_in address = loopback(w->port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pw_event_row *rows = pw_alloc0(w->batch, sizeof(*rows));
	uint64_t start;
	bool good;

	good = rows && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	start = stream_cpu_ns();
	for (uint32_t i = 0; good && i < w->messages; i++) {
		for (uint32_t k = 0; k < w->batch; k++)
			rows[k] = (struct pw_event_row){.time = {i}, .process = k, .count = 1};
		good = write_full(fd, rows, w->batch * sizeof(*rows));
	}
	stream_say_result(stream_cpu_ns() - start, (uint64_t)w->batch * w->messages, 0);
	free(rows);
	(void)close(fd);
	return good ? 0 : 1;
}
