/* SPDX-License-Identifier: Apache-2.0 */
#include "common/web/tcp.h"

#include "common/base/escape.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>

#define CONNECT_MS         10000L
#define STALL_MS           30000
#define LOOK_MS            200 /* how often a waiting call looks for cancel */
#define CERT_CACHE_SECONDS 60L

struct pw_tcp {
	struct pw_tcp_target target;
	CURL *easy; /* NULL = not connected */
	curl_socket_t socket;
	_Atomic bool cancelled;
	char reason[CURL_ERROR_SIZE];
};

int pw_tcp_new(const struct pw_tcp_target *target, struct pw_tcp **ret, struct pw_err *err)
{
	struct pw_tcp *s;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return pw_err_set(err, -ENOMEM, "tcp: libcurl does not start");
	s = pw_alloc0(1, sizeof(*s));
	if (!s) {
		curl_global_cleanup();
		return pw_err_set(err, -ENOMEM, "out of memory");
	}
	s->target = *target;
	*ret = s;
	return 0;
}

static void hang_up(struct pw_tcp *s)
{
	curl_easy_cleanup(s->easy);
	s->easy = NULL;
}

void pw_tcp_free(struct pw_tcp *s)
{
	if (!s)
		return;
	hang_up(s);
	curl_global_cleanup();
	free(s);
}

void pw_tcp_cancel(struct pw_tcp *s)
{
	atomic_store(&s->cancelled, true);
}

static int on_progress(
	void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
	struct pw_tcp *s = ctx;

	(void)down_all;
	(void)down;
	(void)up_all;
	(void)up;
	return atomic_load(&s->cancelled);
}

static CURLcode set_numbers(CURL *easy)
{
	static const struct {
		CURLoption option;
		long value;
	} rows[] = {
		{CURLOPT_NOSIGNAL, 1},
		{CURLOPT_CONNECT_ONLY, 1},
		{CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS},
		{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
		{CURLOPT_CA_CACHE_TIMEOUT, CERT_CACHE_SECONDS},
		{CURLOPT_SSL_ENABLE_ALPN, 0}, /* the peer does not speak HTTP */
		{CURLOPT_TCP_KEEPALIVE, 1},
		{CURLOPT_NOPROGRESS, 0},
	};
	CURLcode r = CURLE_OK;

	for (size_t i = 0; r == CURLE_OK && i < PW_COUNT(rows); i++)
		r = curl_easy_setopt(easy, rows[i].option, rows[i].value);
	return r;
}

static CURLcode set_up(struct pw_tcp *s, const char *url)
{
	const struct {
		CURLoption option;
		const char *value;
	} rows[] = {
		{CURLOPT_URL, url},
		{CURLOPT_NOPROXY, "*"},
		{CURLOPT_CAINFO, s->target.ca_file},
		{CURLOPT_SSLCERT, s->target.cert_file},
		{CURLOPT_SSLKEY, s->target.key_file},
	};
	CURLcode r = set_numbers(s->easy);

	for (size_t i = 0; r == CURLE_OK && i < PW_COUNT(rows); i++)
		if (rows[i].value)
			r = curl_easy_setopt(s->easy, rows[i].option, rows[i].value);
	if (r == CURLE_OK)
		r = curl_easy_setopt(s->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	if (r == CURLE_OK)
		r = curl_easy_setopt(s->easy, CURLOPT_XFERINFODATA, s);
	return r == CURLE_OK ? curl_easy_setopt(s->easy, CURLOPT_ERRORBUFFER, s->reason) : r;
}

static int failed(struct pw_tcp *s, int code, const char *why, struct pw_err *err)
{
	char peer[200], shown[300];

	if (atomic_load(&s->cancelled))
		code = -ECANCELED;
	hang_up(s);
	return pw_err_set(err, code, "%s: %s",
		pw_escape_to(pw_slice_str(s->target.host_port), peer, sizeof(peer)),
		code == -ECANCELED ? "cancelled"
				   : pw_escape_to(pw_slice_str(why), shown, sizeof(shown)));
}

static int connect_to(struct pw_tcp *s, struct pw_err *err)
{
	char url[512];
	CURLcode r;

	(void)snprintf(
		url, sizeof(url), "%s://%s", s->target.tls ? "https" : "http", s->target.host_port);
	s->reason[0] = '\0';
	s->easy = curl_easy_init();
	if (!s->easy)
		return pw_err_set(err, -ENOMEM, "out of memory");
	r = set_up(s, url);
	if (r == CURLE_OK)
		r = curl_easy_perform(s->easy);
	if (r == CURLE_OK)
		r = curl_easy_getinfo(s->easy, CURLINFO_ACTIVESOCKET, &s->socket);
	if (r == CURLE_OK && s->socket != CURL_SOCKET_BAD)
		return 0;
	return failed(s, r == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ECONNREFUSED,
		s->reason[0] ? s->reason : curl_easy_strerror(r), err);
}

/* What the peer says is of no interest, only that it hung up. */
static bool has_ended(struct pw_tcp *s)
{
	char thrown_away[512];
	size_t n = 0;
	CURLcode r;

	do {
		r = curl_easy_recv(s->easy, thrown_away, sizeof(thrown_away), &n);
	} while (r == CURLE_OK && n > 0);
	return r != CURLE_AGAIN;
}

/* 0 = may be writable, or it is time to look for cancel. */
static int wait_writable(struct pw_tcp *s, int *waited_ms)
{
	struct pollfd p = {.fd = s->socket, .events = POLLOUT};

	if (atomic_load(&s->cancelled))
		return -ECANCELED;
	if (*waited_ms >= STALL_MS)
		return -ETIMEDOUT;
	if (poll(&p, 1, LOOK_MS) == 0)
		*waited_ms += LOOK_MS;
	return 0;
}

static int send_all(struct pw_tcp *s, struct pw_slice data, struct pw_err *err)
{
	int waited_ms = 0, r;

	while (data.len > 0) {
		size_t n = 0;
		CURLcode code = curl_easy_send(s->easy, data.ptr, data.len, &n);

		if (code == CURLE_OK) {
			data = pw_slice_sub(data, n, data.len);
			waited_ms = 0;
			continue;
		}
		if (code != CURLE_AGAIN)
			return failed(s, -ECONNRESET,
				s->reason[0] ? s->reason : curl_easy_strerror(code), err);
		r = wait_writable(s, &waited_ms);
		if (r < 0)
			return failed(s, r, pw_err_text(r), err);
	}
	return 0;
}

int pw_tcp_send(struct pw_tcp *s, struct pw_slice data, struct pw_err *err)
{
	int r = 0;

	if (s->easy && has_ended(s))
		hang_up(s);
	if (!s->easy)
		r = connect_to(s, err);
	if (r < 0)
		return r;
	r = send_all(s, data, err);
	if (r < 0)
		return r;
	/* A peer that refuses often hangs up at once; what it did not read would be lost unseen. */
	return has_ended(s) ? failed(s, -ECONNRESET, "the peer ended the connection", err) : 0;
}
