// SPDX-License-Identifier: Apache-2.0
#include "policysync/output_http.h"
#include "common/base/file.h"
#include "common/web/gzip.h"
#include "common/web/http.h"
#include "policysync/crypto.h"
#include "policysync/header_file.h"
#include <errno.h>
#include <stdio.h>

#define HEADERS_OWN       6
#define KEY_FILE_BYTES    ((size_t)16 << 10)
#define TIMEOUT_MS        30000
#define ANSWER_BYTES      ((size_t)64 << 10)
#define ANSWER_READ_BYTES ((size_t)256 << 10)

enum file { FILE_HEADERS, FILE_HMAC, FILE_CA, FILE_CERT, FILE_KEY, FILES };

struct output_http {
	struct pw_http *http;
	char *url, *files[FILES];
	bool gzip;
	uint32_t timeout_ms;
	char spool_id[33];
	char cluster[160]; /* the whole header; "" = none */
};

/* Header lines of one request; pointers into the buffers. */
struct headers {
	struct header_file file;
	char key[96], type[96], signature[128];
	const char *lines[HEADER_FILE_LINES + HEADERS_OWN + 1];
	size_t count;
};

void output_http_free(struct output_http *h)
{
	if (!h)
		return;
	pw_http_free(h->http);
	free(h->url);
	for (size_t i = 0; i < FILES; i++)
		free(h->files[i]);
	free(h);
}

void output_http_cancel(struct output_http *h)
{
	pw_http_cancel(h->http);
}

void output_http_owner_cancel(void *ctx)
{
	output_http_cancel(*(struct output_http **)ctx);
}

void output_http_owner_destroy(void *ctx)
{
	if (!ctx)
		return;
	output_http_free(*(struct output_http **)ctx);
	free(ctx);
}

/* The key is the file's first line. */
static int sign(const struct output_http *h, struct headers *headers, struct pw_slice body,
	struct pw_err *err)
{
	char seconds[32], hex[CRYPTO_HEX_SIZE];
	struct pw_slice parts[3], rest, key = {NULL, 0};
	pw_auto_buf file;
	int r;

	pw_buf_init(&file, KEY_FILE_BYTES);
	r = pw_file_read("HMAC key file", h->files[FILE_HMAC], &file, err);
	if (r < 0)
		return r;
	rest = pw_buf_slice(&file);
	(void)pw_slice_cut(&rest, '\n', &key);
	key = pw_slice_trim(key);
	if (key.len == 0)
		return pw_err_set(err, -EINVAL, "HMAC key file %s: its first line is empty",
			h->files[FILE_HMAC]);
	(void)snprintf(seconds, sizeof(seconds), "%lld",
		(long long)(pw_wall_now().ns / (int64_t)PW_NS_PER_S));
	parts[0] = pw_slice_str(seconds);
	parts[1] = PW_SLICE_LIT(".");
	parts[2] = body;
	r = crypto_hmac_sha256_hex(key, parts, PW_COUNT(parts), hex);
	if (r < 0)
		return pw_err_set(err, r, "out of memory");
	(void)snprintf(headers->signature, sizeof(headers->signature),
		"X-Podward-Signature: t=%s,v1=%s", seconds, hex);
	headers->lines[headers->count++] = headers->signature;
	return 0;
}

static int make_headers(const struct output_http *h, const struct output_http_post *p,
	struct pw_slice body, struct headers *ret, struct pw_err *err)
{
	int r = header_file_read(h->files[FILE_HEADERS], &ret->file, err);

	if (r < 0)
		return r;
	for (; ret->count < ret->file.count; ret->count++)
		ret->lines[ret->count] = ret->file.lines[ret->count];
	(void)snprintf(ret->type, sizeof(ret->type), "Content-Type: %s", p->content_type);
	ret->lines[ret->count++] = ret->type;
	if (h->gzip)
		ret->lines[ret->count++] = "Content-Encoding: gzip";
	if (h->cluster[0])
		ret->lines[ret->count++] = h->cluster;
	if (p->first > 0) {
		(void)snprintf(ret->key, sizeof(ret->key), "Idempotency-Key: %s-%lld-%lld",
			h->spool_id, (long long)p->first, (long long)p->last);
		ret->lines[ret->count++] = ret->key;
	}
	return h->files[FILE_HMAC] ? sign(h, ret, body, err) : 0;
}

static enum output_result judge(int status)
{
	static const int endpoint[] = {401, 403, 404, 405, 407, 408, 425, 429};

	if (status >= 200 && status < 300)
		return OUTPUT_DONE;
	for (size_t i = 0; i < PW_COUNT(endpoint); i++)
		if (status == endpoint[i])
			return OUTPUT_RETRY;
	return status >= 400 && status < 500 ? OUTPUT_REFUSED : OUTPUT_RETRY;
}

static enum output_result send_request(struct output_http *h, const struct output_http_post *p,
	const struct pw_http_request *request, uint32_t *ret_wait_ms, struct pw_err *err)
{
	struct pw_http_response response = {0};
	enum output_result result;

	if (pw_http_do(h->http, request, &response, err) < 0)
		return OUTPUT_RETRY;
	result = judge(response.status);
	*ret_wait_ms = response.retry_after_ms;
	if (result != OUTPUT_DONE)
		(void)pw_err_set(err, -EPROTO, "HTTP status %d", response.status);
	else if (p->read)
		result = p->read(pw_buf_slice(&response.body), p->count, err);
	pw_http_response_done(&response);
	return result;
}

static enum output_result post_body(struct output_http *h, const struct output_http_post *p,
	struct pw_slice body, uint32_t *ret_wait_ms, struct pw_err *err)
{
	struct headers headers = {.lines = {NULL}};
	struct pw_http_request request = {
		.method = "POST",
		.url = h->url,
		.headers = headers.lines,
		.body = body,
		.timeout_ms = h->timeout_ms,
		.response_limit = p->read ? ANSWER_READ_BYTES : ANSWER_BYTES,
		.ca_file = h->files[FILE_CA],
		.cert_file = h->files[FILE_CERT],
		.key_file = h->files[FILE_KEY],
	};
	enum output_result result = OUTPUT_RETRY;

	if (make_headers(h, p, body, &headers, err) == 0)
		result = send_request(h, p, &request, ret_wait_ms, err);
	header_file_done(&headers.file);
	return result;
}

enum output_result output_http_post(struct output_http *h, const struct output_http_post *p,
	uint32_t *ret_wait_ms, struct pw_err *err)
{
	pw_auto_buf packed;
	int r;

	*ret_wait_ms = 0;
	pw_buf_init(&packed, OUTPUT_BODY_BYTES + (OUTPUT_BODY_BYTES >> 4));
	if (!h->gzip)
		return post_body(h, p, p->body, ret_wait_ms, err);
	r = pw_gzip(p->body, &packed);
	if (r < 0) {
		(void)pw_err_set(err, r, "gzip: %s", pw_err_text(r));
		return OUTPUT_RETRY;
	}
	return post_body(h, p, pw_buf_slice(&packed), ret_wait_ms, err);
}

static int copy_text(const char *from, char **ret)
{
	if (!from || !from[0])
		return 0;
	*ret = pw_strdup(from);
	return *ret ? 0 : -ENOMEM;
}

static int copy_settings(struct output_http *h, const struct output_http_settings *s)
{
	const char *const files[FILES] = {
		s->header_file, s->hmac_file, s->ca_file, s->cert_file, s->key_file};
	int r = copy_text(s->url, &h->url);

	for (size_t i = 0; r == 0 && i < FILES; i++)
		r = copy_text(files[i], &h->files[i]);
	h->gzip = s->gzip;
	if (s->cluster)
		(void)snprintf(h->cluster, sizeof(h->cluster), "X-Cluster-Id: %s", s->cluster);
	h->timeout_ms = s->timeout_ms > 0 ? s->timeout_ms : TIMEOUT_MS;
	memcpy(h->spool_id, s->spool_id, sizeof(h->spool_id));
	return r;
}

/* Once with an empty body: a file that cannot be used is told at start, not with the first alert.
 */
static int check_settings(const struct output_http *h, struct pw_err *err)
{
	const struct output_http_post nothing = {.content_type = "text/plain"};
	struct headers headers = {.lines = {NULL}};
	struct pw_slice url = pw_slice_str(h->url);
	int r;

	if (!pw_slice_starts(url, PW_SLICE_LIT("http://")) &&
		!pw_slice_starts(url, PW_SLICE_LIT("https://")))
		return pw_err_set(err, -EINVAL, "url: expected http://… or https://…");
	if (!h->files[FILE_CERT] != !h->files[FILE_KEY])
		return pw_err_set(err, -EINVAL, "certFile and keyFile: both or none");
	r = make_headers(h, &nothing, PW_SLICE_LIT(""), &headers, err);
	header_file_done(&headers.file);
	return r;
}

int output_http_new(
	const struct output_http_settings *s, struct output_http **ret, struct pw_err *err)
{
	struct output_http *h = pw_alloc0(1, sizeof(*h));
	int r = h ? copy_settings(h, s) : -ENOMEM;

	if (r < 0)
		(void)pw_err_set(err, r, "out of memory");
	else
		r = check_settings(h, err);
	if (r == 0)
		r = pw_http_new(&h->http, err);
	if (r < 0) {
		output_http_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

int output_http_new_at(const struct output_http_settings *s, const char *path,
	struct output_http **ret, struct pw_err *err)
{
	struct output_http_settings at = *s;
	struct pw_slice url = pw_slice_str(s->url);
	char whole[1200];

	if (pw_slice_ends(url, PW_SLICE_LIT("/")))
		url.len--;
	if (snprintf(whole, sizeof(whole), "%.*s%s", (int)url.len, s->url,
		    pw_slice_ends(url, pw_slice_str(path)) ? "" : path) >= (int)sizeof(whole))
		return pw_err_set(err, -ENAMETOOLONG, "url: longer than 1,000 bytes");
	at.url = whole;
	return output_http_new(&at, ret, err);
}
