// SPDX-License-Identifier: Apache-2.0
#include "policysync/output_webhook.h"
#include "common/base/log.h"
#include "common/web/http.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define BODY_BYTES     ((size_t)4 << 20)
#define HEADERS_MAX    16
#define HEADER_BYTES   ((size_t)16 << 10)
#define TIMEOUT_MS     30000
#define RESPONSE_BYTES ((size_t)64 << 10)

struct output_webhook {
	struct pw_http *http;
	char *url, *header_file, *ca_file;
	enum webhook_format format;
	char spool_id[33];
};

/* Header lines of one request; pointers into the buffers. */
struct headers {
	struct pw_buf file;
	char key[96];
	const char *lines[HEADERS_MAX + 3];
};

static void destroy(void *ctx)
{
	struct output_webhook *w = ctx;

	if (!w)
		return;
	pw_http_free(w->http);
	free(w->url);
	free(w->header_file);
	free(w->ca_file);
	free(w);
}

static int read_file(const char *path, struct pw_buf *out, struct pw_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
	char chunk[4096];
	ssize_t n;

	if (fd < 0)
		return pw_err_set(err, -errno, "header file %s: %s", path, pw_err_text(errno));
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (pw_buf_add(out, chunk, (size_t)n) < 0)
			break;
	if (n < 0)
		r = pw_err_set(err, -errno, "header file %s: %s", path, pw_err_text(errno));
	else if (pw_buf_error(out) < 0)
		r = pw_err_set(err, pw_buf_error(out), "header file %s: larger than %zu bytes",
			path, HEADER_BYTES);
	(void)close(fd);
	return r;
}

/* The text is not shown: it holds secrets. */
static int check_header(struct pw_slice line, const char *path, size_t number, struct pw_err *err)
{
	ptrdiff_t colon = pw_slice_find_byte(line, ':');

	for (size_t i = 0; i < line.len; i++) {
		bool in_name = colon < 0 || (ptrdiff_t)i < colon;

		if (colon <= 0 || line.ptr[i] < (in_name ? 0x21 : 0x20) || line.ptr[i] == 0x7f)
			return pw_err_set(err, -EINVAL,
				"header file %s: line %zu: expected \"Name: value\"", path, number);
	}
	return 0;
}

static int split_headers(struct headers *h, const char *path, size_t *count, struct pw_err *err)
{
	char *at = (char *)h->file.data, *end = at + h->file.len;
	size_t number = 0;
	int r;

	while (at < end) {
		char *line_end = memchr(at, '\n', (size_t)(end - at));
		char *next = line_end ? line_end + 1 : end;
		size_t len = (size_t)((line_end ? line_end : end) - at);

		number++;
		if (len > 0 && at[len - 1] == '\r')
			len--;
		at[len] = '\0'; /* a pw_buf has a NUL behind its last byte */
		if (len > 0 && at[0] != '#') {
			if (*count == HEADERS_MAX)
				return pw_err_set(err, -E2BIG,
					"header file %s: more than %d headers", path, HEADERS_MAX);
			r = check_header(pw_slice_of(at, len), path, number, err);
			if (r < 0)
				return r;
			h->lines[(*count)++] = at;
		}
		at = next;
	}
	return 0;
}

static int make_headers(const struct output_webhook *w, struct headers *h, struct pw_err *err)
{
	size_t count = 0;
	int r = 0;

	if (w->header_file)
		r = read_file(w->header_file, &h->file, err);
	if (r == 0)
		r = split_headers(h, w->header_file, &count, err);
	if (r < 0)
		return r;
	h->lines[count++] = w->format == WEBHOOK_ARRAY ? "Content-Type: application/json"
						       : "Content-Type: application/x-ndjson";
	h->lines[count++] = h->key;
	h->lines[count] = NULL;
	return 0;
}

static int make_body(const struct output_webhook *w, const struct output_item *items, size_t count,
	struct pw_buf *out)
{
	bool array = w->format == WEBHOOK_ARRAY;

	for (size_t i = 0; i < count; i++) {
		if (array)
			(void)pw_buf_add_byte(out, i == 0 ? '[' : ',');
		(void)alert_json(out, items[i].alert, &items[i].seen);
		if (!array)
			(void)pw_buf_add_byte(out, '\n');
	}
	if (array)
		(void)pw_buf_add_byte(out, ']');
	return pw_buf_error(out);
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

static enum output_result post(struct output_webhook *w, const struct headers *h,
	struct pw_slice body, uint32_t *ret_wait_ms, struct pw_err *err)
{
	struct pw_http_request request = {
		.method = "POST",
		.url = w->url,
		.headers = h->lines,
		.body = body,
		.timeout_ms = TIMEOUT_MS,
		.response_limit = RESPONSE_BYTES,
		.ca_file = w->ca_file,
	};
	struct pw_http_response response = {0};
	enum output_result result;

	if (pw_http_do(w->http, &request, &response, err) < 0)
		return OUTPUT_RETRY;
	result = judge(response.status);
	*ret_wait_ms = response.retry_after_ms;
	if (result != OUTPUT_DONE)
		(void)pw_err_set(err, -EPROTO, "HTTP status %d", response.status);
	pw_http_response_done(&response);
	return result;
}

static enum output_result do_send(void *ctx, const struct output_item *items, size_t count,
	uint32_t *ret_wait_ms, struct pw_err *err)
{
	struct output_webhook *w = ctx;
	struct headers h = {.lines = {NULL}};
	enum output_result result = OUTPUT_RETRY;
	pw_auto_buf body;
	int r;

	*ret_wait_ms = 0;
	pw_buf_init(&h.file, HEADER_BYTES);
	pw_buf_init(&body, BODY_BYTES);
	(void)snprintf(h.key, sizeof(h.key), "Idempotency-Key: %s-%lld-%lld", w->spool_id,
		(long long)items[0].n, (long long)items[count - 1].n);
	r = make_body(w, items, count, &body);
	if (r == -E2BIG) {
		(void)pw_err_set(err, r, "larger than %zu bytes", BODY_BYTES);
		result = OUTPUT_REFUSED;
	} else if (r < 0) {
		(void)pw_err_set(err, r, "out of memory");
	} else if (make_headers(w, &h, err) == 0) {
		result = post(w, &h, pw_buf_slice(&body), ret_wait_ms, err);
	}
	pw_buf_done(&h.file);
	return result;
}

static void cancel(void *ctx)
{
	struct output_webhook *w = ctx;

	pw_http_cancel(w->http);
}

static int copy_text(const char *from, char **ret)
{
	if (!from)
		return 0;
	*ret = pw_strdup(from);
	return *ret ? 0 : -ENOMEM;
}

static int check_settings(const struct output_webhook *w, struct pw_err *err)
{
	struct headers h = {.lines = {NULL}};
	struct pw_slice url = pw_slice_str(w->url);
	int r;

	if (!pw_slice_starts(url, PW_SLICE_LIT("http://")) &&
		!pw_slice_starts(url, PW_SLICE_LIT("https://")))
		return pw_err_set(err, -EINVAL, "--webhook-url: expected http://… or https://…");
	pw_buf_init(&h.file, HEADER_BYTES);
	r = make_headers(w, &h, err);
	pw_buf_done(&h.file);
	return r < 0 ? pw_err_wrap(err, r, "--webhook-header-file") : 0;
}

int output_webhook_new(const struct webhook_settings *s, struct output *ret, struct pw_err *err)
{
	struct output_webhook *w = pw_alloc0(1, sizeof(*w));
	int r = w ? 0 : -ENOMEM;

	if (r == 0)
		r = copy_text(s->url, &w->url);
	if (r == 0)
		r = copy_text(s->header_file, &w->header_file);
	if (r == 0)
		r = copy_text(s->ca_file, &w->ca_file);
	if (r < 0) {
		destroy(w);
		return pw_err_set(err, r, "out of memory");
	}
	w->format = s->format;
	memcpy(w->spool_id, s->spool_id, sizeof(w->spool_id));
	r = check_settings(w, err);
	if (r == 0)
		r = pw_http_new(&w->http, err);
	if (r < 0) {
		destroy(w);
		return r;
	}
	*ret = (struct output){.name = "webhook",
		.send = do_send,
		.cancel = cancel,
		.destroy = destroy,
		.ctx = w,
		.max_rows = 100};
	return 0;
}
