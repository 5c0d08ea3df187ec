/* SPDX-License-Identifier: Apache-2.0 */
#include "common/web/http.h"

#include "common/base/escape.h"

#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <strings.h>

#define TIMEOUT_MS_DEFAULT      30000
#define CONNECT_MS_MAX          10000
#define RESPONSE_DEFAULT        ((size_t)1024 * 1024)
#define RETRY_AFTER_SECONDS_MAX ((curl_off_t)24 * 3600)
#define HEADERS_MAX             32

struct pw_http {
	CURL *easy;
	CURLM *multi;
	_Atomic bool cancelled; /* together with curl_multi_wakeup, the only thing another thread
				   touches */
	char reason[CURL_ERROR_SIZE];
};

/* A rotated certificate file is read again; libcurl keeps it for a day otherwise. */
#define CA_CACHE_SECONDS 60
/* Seconds until a peer that is silent on TCP level counts as dead. */
#define KEEPALIVE_IDLE     30
#define KEEPALIVE_INTERVAL 10
#define USER_TIMEOUT_MS    30000u

/* Where the body goes; too_large tells a refusal of ours from a broken connection. */
struct sink {
	const struct pw_http_request *request;
	CURL *easy;
	struct pw_buf body;
	bool too_large;
	int refused; /* what on_part answered */
	char etag[128];
};

static void http_freep(struct pw_http **h)
{
	pw_http_free(*h);
}

int pw_http_new(struct pw_http **ret, struct pw_err *err)
{
	pw_cleanup(http_freep) struct pw_http *h = NULL;

	/* Counted and thread-safe. Source: curl_global_init(3), since 7.84.0. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return pw_err_set(err, -ENOMEM, "http client: libcurl does not start");
	h = pw_alloc0(1, sizeof(*h));
	if (!h) {
		curl_global_cleanup();
		return pw_err_set(err, -ENOMEM, "http client: out of memory");
	}
	h->easy = curl_easy_init();
	h->multi = curl_multi_init();
	if (!h->easy || !h->multi)
		return pw_err_set(err, -ENOMEM, "http client: out of memory");
	*ret = PW_TAKE(h);
	return 0;
}

void pw_http_free(struct pw_http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->easy);
	curl_multi_cleanup(h->multi);
	curl_global_cleanup();
	free(h);
}

static bool is_streamed(const struct sink *sink)
{
	long status = 0;

	if (!sink->request->on_part)
		return false;
	(void)curl_easy_getinfo(sink->easy, CURLINFO_RESPONSE_CODE, &status);
	return status / 100 == 2;
}

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
	struct sink *sink = ctx;

	if (is_streamed(sink)) {
		sink->refused = sink->request->on_part(
			sink->request->part_ctx, pw_slice_of(data, size * count));
		return sink->refused < 0 ? 0 : size * count;
	}
	if (pw_buf_add(&sink->body, data, size * count) == 0)
		return size * count;
	sink->too_large = pw_buf_error(&sink->body) == -E2BIG;
	return 0;
}

/* One line of the answer's head at a time; only ETag is wanted. */
static size_t take_header(char *data, size_t size, size_t count, void *ctx)
{
	struct sink *sink = ctx;
	struct pw_slice line = pw_slice_of(data, size * count), name;

	if (pw_slice_starts(line, PW_SLICE_LIT("HTTP/")))
		sink->etag[0] = '\0'; /* the head of a later answer in the same request */
	if (!pw_slice_cut(&line, ':', &name) || name.len != 4 ||
		strncasecmp((const char *)name.ptr, "etag", 4) != 0)
		return size * count;
	line = pw_slice_trim(line);
	if (line.len < sizeof(sink->etag) && pw_slice_find_byte(line, '\0') < 0) {
		memcpy(sink->etag, line.ptr, line.len);
		sink->etag[line.len] = '\0';
	}
	return size * count;
}

static void free_headers(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

static int add_header(struct curl_slist **list, const char *header)
{
	struct curl_slist *longer = curl_slist_append(*list, header);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

static int make_headers(const struct pw_http_request *request, struct curl_slist **list)
{
	/* No "100 Continue" dance: it costs a round trip, and up to a second where it is not known.
	 */
	if (add_header(list, "Expect:") < 0)
		return -ENOMEM;
	for (size_t i = 0; request->headers && request->headers[i]; i++) {
		if (i == HEADERS_MAX)
			return -E2BIG;
		if (add_header(list, request->headers[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

static long timeout_of(const struct pw_http_request *request)
{
	return request->timeout_ms ? (long)request->timeout_ms : TIMEOUT_MS_DEFAULT;
}

static CURLcode set_method(CURL *easy, const struct pw_http_request *request)
{
	bool post = pw_slice_eq_str(PW_SLICE_LIT("POST"), request->method);
	CURLcode r = CURLE_OK;

	if (post || request->body.len) {
		r = curl_easy_setopt(
			easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
		if (r == CURLE_OK)
			r = curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
				request->body.len ? (const char *)request->body.ptr : "");
	}
	if (r == CURLE_OK && pw_slice_eq_str(PW_SLICE_LIT("HEAD"), request->method))
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	return r == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) : r;
}

static CURLcode set_limits(CURL *easy, const struct pw_http_request *request)
{
	long timeout = timeout_of(request);
	const struct {
		CURLoption option;
		long value;
	} rows[] = {
		{CURLOPT_NOSIGNAL, 1},
		{CURLOPT_FOLLOWLOCATION, 0},
		{CURLOPT_TIMEOUT_MS, timeout},
		{CURLOPT_CONNECTTIMEOUT_MS, timeout < CONNECT_MS_MAX ? timeout : CONNECT_MS_MAX},
		{CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_SECONDS},
		{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	};

	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		CURLcode r = curl_easy_setopt(easy, rows[i].option, rows[i].value);

		if (r != CURLE_OK)
			return r;
	}
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
}

static CURLcode set_texts(CURL *easy, const struct pw_http_request *request)
{
	const struct {
		CURLoption option;
		const char *value;
	} rows[] = {
		{CURLOPT_URL, request->url},
		{CURLOPT_USERAGENT, "podward/" PODWARD_VERSION},
		{CURLOPT_UNIX_SOCKET_PATH, request->unix_socket},
		{CURLOPT_CAINFO, request->ca_file},
		{CURLOPT_SSLCERT, request->cert_file},
		{CURLOPT_SSLKEY, request->key_file},
		{CURLOPT_NOPROXY, request->no_proxy ? "*" : NULL},
	};

	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		CURLcode r = rows[i].value ? curl_easy_setopt(easy, rows[i].option, rows[i].value)
					   : CURLE_OK;

		if (r != CURLE_OK)
			return r;
	}
	return CURLE_OK;
}

/* What was sent and never acknowledged ends the connection too. Source: tcp(7). */
static int on_socket(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	unsigned timeout = USER_TIMEOUT_MS;

	(void)ctx, (void)purpose;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
	return CURL_SOCKOPT_OK;
}

/* A stream lasts long and may be silent for minutes; one stream needs no HTTP/2. */
static CURLcode set_stream(CURL *easy)
{
	static const struct {
		CURLoption option;
		long value;
	} rows[] = {
		{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
		{CURLOPT_TCP_KEEPALIVE, 1},
		{CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE},
		{CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL},
	};

	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		CURLcode r = curl_easy_setopt(easy, rows[i].option, rows[i].value);

		if (r != CURLE_OK)
			return r;
	}
	return curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
}

static CURLcode set_up(struct pw_http *h, const struct pw_http_request *request,
	struct curl_slist *headers, struct sink *sink)
{
	CURLcode r;

	curl_easy_reset(h->easy); /* keeps the connections */
	h->reason[0] = '\0';
	r = set_texts(h->easy, request);
	if (r == CURLE_OK)
		r = set_limits(h->easy, request);
	if (r == CURLE_OK)
		r = set_method(h->easy, request);
	if (r == CURLE_OK && request->on_part)
		r = set_stream(h->easy);
	if (r == CURLE_OK)
		r = curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
	if (r == CURLE_OK)
		r = curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, take_body);
	if (r == CURLE_OK)
		r = curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, sink);
	if (r == CURLE_OK)
		r = curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, take_header);
	if (r == CURLE_OK)
		r = curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, sink);
	return r == CURLE_OK ? curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, h->reason) : r;
}

static int code_of(struct pw_http *h, CURLcode r, const struct sink *sink)
{
	static const struct {
		CURLcode from;
		int to;
	} rows[] = {
		{CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT},
		{CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH},
		{CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH},
		{CURLE_URL_MALFORMAT, -EINVAL},
		{CURLE_UNSUPPORTED_PROTOCOL, -EINVAL},
		{CURLE_OUT_OF_MEMORY, -ENOMEM},
		{CURLE_GOT_NOTHING, -ECONNRESET},
		{CURLE_PARTIAL_FILE, -ECONNRESET},
		{CURLE_SEND_ERROR, -ECONNRESET},
		{CURLE_RECV_ERROR, -ECONNRESET},
		{CURLE_SSL_CONNECT_ERROR, -EPROTO},
		{CURLE_PEER_FAILED_VERIFICATION, -EPROTO},
		{CURLE_SSL_CACERT_BADFILE, -EPROTO},
		{CURLE_SSL_CERTPROBLEM, -EPROTO},
		{CURLE_WEIRD_SERVER_REPLY, -EPROTO},
	};
	long os_error = 0;

	if (sink->refused < 0)
		return sink->refused;
	if (r == CURLE_WRITE_ERROR)
		return sink->too_large ? -E2BIG : -ENOMEM;
	if (r == CURLE_COULDNT_CONNECT) {
		(void)curl_easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &os_error);
		return os_error > 0 ? -(int)os_error : -ECONNREFUSED;
	}
	for (size_t i = 0; i < PW_COUNT(rows); i++)
		if (rows[i].from == r)
			return rows[i].to;
	return -EIO;
}

/* The URL for an error message: without what may be secret, name and password before @ and the
 * query. */
static const char *show_url(const char *url, char *out, size_t size)
{
	struct pw_slice all = pw_slice_str(url), host;
	ptrdiff_t query = pw_slice_find_byte(all, '?');
	ptrdiff_t scheme = pw_slice_find(all, PW_SLICE_LIT("://"));
	char shown[200];

	if (query >= 0)
		all = pw_slice_sub(all, 0, (size_t)query);
	host = scheme >= 0 ? pw_slice_sub(all, (size_t)scheme + 3, all.len) : all;
	(void)pw_slice_cut(&(struct pw_slice){host.ptr, host.len}, '/', &host);
	if (pw_slice_rfind_byte(host, '@') < 0)
		return pw_escape_to(all, out, size);
	host = pw_slice_sub(host, (size_t)pw_slice_rfind_byte(host, '@') + 1, host.len);
	(void)snprintf(out, size, "%s", pw_escape_to(host, shown, sizeof(shown)));
	return out;
}

static int failed(struct pw_http *h, const struct pw_http_request *request, CURLcode r,
	const struct sink *sink, struct pw_err *err)
{
	const char *why = h->reason[0] ? h->reason : curl_easy_strerror(r);
	int code = code_of(h, r, sink);
	char url[200], shown[300];

	if (sink->refused < 0)
		why = "the answer was refused";
	else if (code == -E2BIG)
		why = "response is larger than the limit";
	return pw_err_set(err, code, "%s %s: %s", request->method,
		show_url(request->url, url, sizeof(url)),
		pw_escape_to(pw_slice_str(why), shown, sizeof(shown)));
}

/* Runs the prepared request to its end. -ECANCELED when told so, else 0 and curl's own result. */
static int transfer(struct pw_http *h, CURLcode *ret)
{
	int running = 1, left;
	CURLMcode m = curl_multi_add_handle(h->multi, h->easy);
	const CURLMsg *message;

	*ret = CURLE_OK;
	while (m == CURLM_OK && running) {
		if (atomic_load(&h->cancelled))
			break;
		m = curl_multi_perform(h->multi, &running);
		if (m == CURLM_OK && running)
			m = curl_multi_poll(h->multi, NULL, 0, 1000, NULL);
	}
	if (m != CURLM_OK)
		*ret = CURLE_OUT_OF_MEMORY;
	while ((message = curl_multi_info_read(h->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			*ret = message->data.result;
	(void)curl_multi_remove_handle(h->multi, h->easy);
	return m == CURLM_OK && running ? -ECANCELED : 0;
}

static void fill_response(struct pw_http *h, struct sink *sink, struct pw_http_response *ret)
{
	curl_off_t retry = 0;
	long status = 0;

	(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(h->easy, CURLINFO_RETRY_AFTER, &retry);
	if (retry < 0)
		retry = 0;
	if (retry > RETRY_AFTER_SECONDS_MAX)
		retry = RETRY_AFTER_SECONDS_MAX;
	ret->status = (int)status;
	ret->retry_after_ms = (uint32_t)retry * 1000;
	memcpy(ret->etag, sink->etag, sizeof(ret->etag));
	ret->body = sink->body;
	pw_buf_init(&sink->body, 0);
}

int pw_http_do(struct pw_http *h, const struct pw_http_request *request,
	struct pw_http_response *ret, struct pw_err *err)
{
	pw_cleanup(free_headers) struct curl_slist *headers = NULL;
	struct sink sink = {.request = request, .easy = h->easy};
	CURLcode result;
	int r;

	if (atomic_load(&h->cancelled))
		return pw_err_set(err, -ECANCELED, "%s: cancelled", request->method);
	r = make_headers(request, &headers);
	if (r < 0)
		return pw_err_set(
			err, r, "%s: request headers: %s", request->method, pw_err_text(r));
	pw_buf_init(
		&sink.body, request->response_limit ? request->response_limit : RESPONSE_DEFAULT);
	result = set_up(h, request, headers, &sink);
	if (result == CURLE_OK)
		r = transfer(h, &result);
	if (r < 0)
		(void)pw_err_set(err, r, "%s: cancelled", request->method);
	else if (result != CURLE_OK)
		r = failed(h, request, result, &sink, err);
	else
		fill_response(h, &sink, ret);
	(void)curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, NULL);
	(void)curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, NULL);
	(void)curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, NULL);
	pw_buf_done(&sink.body);
	return r;
}

void pw_http_response_done(struct pw_http_response *r)
{
	pw_buf_done(&r->body);
	*r = (struct pw_http_response){.status = 0};
}

void pw_http_cancel(struct pw_http *h)
{
	atomic_store(&h->cancelled, true);
	(void)curl_multi_wakeup(h->multi);
}
