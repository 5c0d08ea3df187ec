/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A small HTTP server on loopback: one connection at a time, one request a connection. What it
 * answers is decided by a function; bodies it answered with 2xx are kept.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

struct sink;

struct request {
	char head[8192];
	char *body;
	size_t body_len;
	unsigned number; /* 0, 1, 2 … */
};

struct answer {
	int status;
	const char *headers; /* "Name: value\r\n" */
	const char *body;    /* NULL = empty */
};

struct sink {
	struct answer (*decide)(struct sink *s, const struct request *r);
	int fd;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock;
	unsigned requests;
	char *taken; /* bodies answered with 2xx */
	size_t taken_len;
	char last_head[8192];
	struct timespec times[64]; /* of the first requests */
};

static inline bool read_request(int fd, struct request *r)
{
	size_t len = 0, want = 0;
	char *end = NULL;

	while (!end && len < sizeof(r->head) - 1) {
		ssize_t n = recv(fd, r->head + len, sizeof(r->head) - 1 - len, 0);

		if (n <= 0)
			return false;
		len += (size_t)n;
		r->head[len] = '\0';
		end = strstr(r->head, "\r\n\r\n");
	}
	if (!end)
		return false;
	const char *length = strcasestr(r->head, "Content-Length:");
	want = length ? (size_t)strtoul(length + 15, NULL, 10) : 0;
	if (strcasestr(r->head, "Expect: 100-continue"))
		(void)send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
	r->body = calloc(1, want + 1);
	r->body_len = len - (size_t)(end + 4 - r->head);
	memcpy(r->body, end + 4, r->body_len);
	end[4] = '\0';
	while (r->body_len < want) {
		ssize_t n = recv(fd, r->body + r->body_len, want - r->body_len, 0);

		if (n <= 0)
			return false;
		r->body_len += (size_t)n;
	}
	return true;
}

static inline void sink_keep(struct sink *s, const struct request *r)
{
	char *grown = realloc(s->taken, s->taken_len + r->body_len + 2);

	if (!grown)
		abort();
	s->taken = grown;
	memcpy(grown + s->taken_len, r->body, r->body_len);
	s->taken_len += r->body_len;
	grown[s->taken_len++] = '\n';
	grown[s->taken_len] = '\0';
}

static inline void sink_serve(struct sink *s, int fd)
{
	struct request *r = calloc(1, sizeof(*r));
	char head[4096];

	if (r && read_request(fd, r)) {
		struct answer a;

		(void)pthread_mutex_lock(&s->lock);
		r->number = s->requests++;
		if (r->number < 64)
			(void)clock_gettime(CLOCK_MONOTONIC, &s->times[r->number]);
		a = s->decide(s, r);
		if (a.status >= 200 && a.status < 300)
			sink_keep(s, r);
		memcpy(s->last_head, r->head, sizeof(s->last_head));
		(void)pthread_mutex_unlock(&s->lock);
		(void)snprintf(head, sizeof(head),
			"HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n%s",
			a.status, a.body ? strlen(a.body) : 0, a.headers ? a.headers : "",
			a.body ? a.body : "");
		if (a.status > 0)
			(void)send(fd, head, strlen(head), MSG_NOSIGNAL);
	}
	if (r)
		free(r->body);
	free(r);
	(void)close(fd);
}

static inline void *sink_run(void *ctx)
{
	struct sink *s = ctx;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0)
		sink_serve(s, fd);
	return NULL;
}

/* port 0 = any; the socket is bound at once, answers come after sink_start. */
static inline void sink_bind(struct sink *s, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof(a);
	int one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	(void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
	s->port = ntohs(a.sin_port);
}

static inline void sink_bind_unix(struct sink *s, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	assert_true(strlen(path) < sizeof(a.sun_path));
	memcpy(a.sun_path, path, strlen(path));
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	(void)unlink(path);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
}

static inline void sink_start(struct sink *s)
{
	(void)pthread_mutex_init(&s->lock, NULL);
	assert_int_equal(listen(s->fd, 16), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, sink_run, s), 0);
}

static inline void sink_stop(struct sink *s)
{
	(void)shutdown(s->fd, SHUT_RDWR);
	(void)pthread_join(s->thread, NULL);
	(void)close(s->fd);
	free(s->taken);
	s->taken = NULL;
}
