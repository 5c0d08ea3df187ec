/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ops/httpd.h"

#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/num.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define TIMEOUT_SECONDS 10
#define PAGES_MAX       16
#define BODY_LIMIT      ((size_t)16 * 1024 * 1024)
#define BEAT_MAX_NS     (30 * PW_NS_PER_S)
#define TEXT_PLAIN      "text/plain; charset=utf-8"

struct pw_httpd {
	struct MHD_Daemon *daemon;
	struct pw_metrics *metrics;
	struct pw_page pages[PAGES_MAX];
	size_t page_count;
	uint16_t port;
	_Atomic uint64_t beat_ns;
	pthread_mutex_t lock; /* over ready and reason */
	bool ready;
	char reason[256];
};

static int page_metrics(struct pw_httpd *h, struct pw_buf *body, const char **ret_type)
{
	*ret_type = "text/plain; version=0.0.4; charset=utf-8";
	if (pw_metrics_render(h->metrics, body) == 0)
		return MHD_HTTP_OK;
	pw_buf_clear(body);
	*ret_type = TEXT_PLAIN;
	(void)pw_buf_add_str(body, "out of memory\n");
	return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static int page_live(struct pw_httpd *h, struct pw_buf *body)
{
	uint64_t beat = atomic_load_explicit(&h->beat_ns, memory_order_relaxed);
	uint64_t now = pw_mono_now().ns;

	if (now <= beat || now - beat <= BEAT_MAX_NS) {
		(void)pw_buf_add_str(body, "ok\n");
		return MHD_HTTP_OK;
	}
	(void)pw_buf_addf(body, "main loop stands still for %llu s\n",
		(unsigned long long)((now - beat) / PW_NS_PER_S));
	return MHD_HTTP_SERVICE_UNAVAILABLE;
}

static int page_ready(struct pw_httpd *h, struct pw_buf *body)
{
	bool ready;

	(void)pthread_mutex_lock(&h->lock);
	ready = h->ready;
	(void)pw_buf_addf(body, "%s\n", ready ? "ok" : h->reason);
	(void)pthread_mutex_unlock(&h->lock);
	return ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static int find_page(
	struct pw_httpd *h, const char *path, struct pw_buf *body, const char **ret_type)
{
	if (h->metrics && strcmp(path, "/metrics") == 0)
		return page_metrics(h, body, ret_type);
	if (strcmp(path, "/livez") == 0)
		return page_live(h, body);
	if (strcmp(path, "/readyz") == 0)
		return page_ready(h, body);
	for (size_t i = 0; i < h->page_count; i++)
		if (strcmp(path, h->pages[i].path) == 0)
			return h->pages[i].fn(h->pages[i].ctx, body, ret_type);
	(void)pw_buf_add_str(body, "no such page\n");
	return MHD_HTTP_NOT_FOUND;
}

static enum MHD_Result answer(
	struct MHD_Connection *connection, int status, struct pw_buf *body, const char *type)
{
	struct MHD_Response *response;
	enum MHD_Result r;

	if (pw_buf_error(body)) {
		pw_buf_clear(body);
		status = MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
	response = MHD_create_response_from_buffer(
		body->len, body->data, body->data ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (!response)
		return MHD_NO;
	(void)pw_buf_take(body, NULL); /* the response's now */
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	(void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	r = MHD_queue_response(connection, (unsigned)status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **state)
{
	static int seen; /* only its address is used: headers of this request were seen */
	struct pw_httpd *h = cls;
	const char *type = TEXT_PLAIN;
	pw_auto_buf body;
	int status;

	(void)version;
	(void)upload;
	pw_buf_init(&body, BODY_LIMIT);
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		/* Answered at the first call, before a body is taken in. */
		if (*state != &seen) {
			*state = &seen;
			(void)pw_buf_add_str(&body, "GET and HEAD only\n");
			return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, &body, type);
		}
		*upload_size = 0;
		return MHD_YES;
	}
	if (*state != &seen) {
		*state = &seen;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0; /* a GET with a body: nobody reads it */
		return MHD_YES;
	}
	status = find_page(h, url, &body, &type);
	return answer(connection, status, &body, type);
}

/* "host:port" -> host ("" = all) and port. Brackets around IPv6 addresses. */
static int split_address(
	const char *address, char *host, size_t size, char *port, struct pw_err *err)
{
	struct pw_slice all = pw_slice_str(address), name;
	ptrdiff_t colon = pw_slice_rfind_byte(all, ':');
	uint64_t number;
	char shown[80];

	(void)pw_escape_to(all, shown, sizeof(shown));
	if (colon < 0)
		return pw_err_set(
			err, -EINVAL, "address \"%s\": port is missing (host:port)", shown);
	if (pw_num_u64(pw_slice_sub(all, (size_t)colon + 1, all.len), 65535, &number) < 0)
		return pw_err_set(err, -EINVAL, "address \"%s\": port must be 0 to 65535", shown);
	name = pw_slice_sub(all, 0, (size_t)colon);
	if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
		name = pw_slice_sub(name, 1, name.len - 1);
	else if (pw_slice_find_byte(name, ':') >= 0)
		return pw_err_set(
			err, -EINVAL, "address \"%s\": IPv6 needs brackets, [::1]:9401", shown);
	if (name.len >= size)
		return pw_err_set(err, -EINVAL, "address \"%s\": host is too long", shown);
	(void)snprintf(host, size, "%.*s", PW_SLICE_ARG(name));
	(void)snprintf(port, 8, "%u", (unsigned)number);
	return 0;
}

static int bind_one(const struct addrinfo *to)
{
	int on = 1, off = 0, r;
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (to->ai_family == AF_INET6) /* [::] serves IPv4 as well */
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, to->ai_addr, to->ai_addrlen) == 0 && listen(fd, CONNECTIONS_MAX) == 0)
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}

/* A listening socket at the address, or a negative errno and a sentence that names it. */
static int listen_at(const char *address, struct pw_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	char host[256], port[8];
	struct addrinfo *list = NULL;
	int r = split_address(address, host, sizeof(host), port, err);

	if (r < 0)
		return r;
	r = getaddrinfo(host[0] ? host : "::", port, &hints, &list);
	if (r != 0)
		return pw_err_set(
			err, -EADDRNOTAVAIL, "listen on %s: %s", address, gai_strerror(r));
	r = bind_one(list);
	freeaddrinfo(list);
	if (r == -EAFNOSUPPORT && !host[0]) { /* a machine without IPv6 */
		if (getaddrinfo("0.0.0.0", port, &hints, &list) != 0)
			return pw_err_set(err, r, "listen on %s: %s", address, pw_err_text(r));
		r = bind_one(list);
		freeaddrinfo(list);
	}
	if (r < 0)
		return pw_err_set(err, r, "listen on %s: %s", address, pw_err_text(r));
	return r;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage at = {0};
	socklen_t len = sizeof(at);
	char port[8] = "0";
	uint64_t number = 0;

	if (getsockname(fd, (struct sockaddr *)&at, &len) == 0)
		(void)getnameinfo(
			(struct sockaddr *)&at, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
	(void)pw_num_u64(pw_slice_str(port), 65535, &number);
	return (uint16_t)number;
}

static void httpd_freep(struct pw_httpd **h)
{
	pw_httpd_stop(*h);
}

int pw_httpd_start(const char *address, struct pw_metrics *metrics, const struct pw_page *pages,
	size_t page_count, struct pw_httpd **ret, struct pw_err *err)
{
	pw_cleanup(httpd_freep) struct pw_httpd *h = pw_alloc0(1, sizeof(*h));
	int fd;

	pw_assert(page_count <= PAGES_MAX);
	if (!h)
		return pw_err_set(err, -ENOMEM, "http server: out of memory");
	(void)pthread_mutex_init(&h->lock, NULL);
	h->metrics = metrics;
	if (page_count)
		memcpy(h->pages, pages, page_count * sizeof(*pages));
	h->page_count = page_count;
	(void)snprintf(h->reason, sizeof(h->reason), "starting");
	pw_httpd_beat(h);
	fd = listen_at(address, err);
	if (fd < 0)
		return fd;
	h->port = port_of(fd);
	h->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, h,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_SECONDS,
		MHD_OPTION_END);
	if (!h->daemon) {
		(void)close(fd);
		return pw_err_set(err, -EIO, "http server on %s did not start", address);
	}
	*ret = PW_TAKE(h);
	return 0;
}

uint16_t pw_httpd_port(const struct pw_httpd *h)
{
	return h->port;
}

void pw_httpd_set_ready(struct pw_httpd *h, bool ready, const char *reason)
{
	(void)pthread_mutex_lock(&h->lock);
	h->ready = ready;
	(void)snprintf(h->reason, sizeof(h->reason), "%s", reason ? reason : "not ready");
	(void)pthread_mutex_unlock(&h->lock);
}

void pw_httpd_beat(struct pw_httpd *h)
{
	atomic_store_explicit(&h->beat_ns, pw_mono_now().ns, memory_order_relaxed);
}

void pw_httpd_stop(struct pw_httpd *h)
{
	if (!h)
		return;
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	(void)pthread_mutex_destroy(&h->lock);
	free(h);
}
