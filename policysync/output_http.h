/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What every output over HTTP does: POST of a finished body with headers from a file, our own
 * certificate, gzip, a signature, and the verdict on the answer.
 * - Idempotency-Key "<spool id>-<first>-<last>" (numbers of the spool) lets a receiver drop
 * repeats.
 * - X-Podward-Signature "t=<seconds>,v1=<hex>" is the HMAC-SHA-256 of "<seconds>.<body as sent>".
 * - 2xx done · 400, 409, 413, 422 and other 4xx refused (halved down to the one alert that is not
 *   wanted) · 408, 425, 429, 5xx, no answer: again later, Retry-After is obeyed · 401, 403, 404,
 *   405, 407 and 3xx speak of the endpoint and not of the alert: again later, nothing is given up.
 * Files are read again for each request, so rotated secrets count at once. Thread: the output's.
 * Ceilings: body 4 MiB, answer 64 KiB (256 KiB for what reads it), 16 headers, header file 16 KiB,
 * 30 s a request unless set otherwise.
 */
#include "common/base/buf.h"
#include "policysync/output.h"

#define OUTPUT_BODY_BYTES ((size_t)4 << 20)

struct output_http_settings {
	const char *url;
	/* NULL = none, or the system's; hmac_file's first line is the key */
	const char *header_file, *hmac_file, *ca_file, *cert_file, *key_file;
	const char *cluster; /* sent as X-Cluster-Id; NULL = without */
	bool gzip;
	uint32_t timeout_ms; /* whole request; 0 = 30 s */
	char spool_id[33];
};

struct output_http;

/* Checks url and files; settings are copied. */
int output_http_new(const struct output_http_settings *settings, struct output_http **ret,
	struct pw_err *err) PW_MUST_CHECK;
/* The same with path behind the url, unless the url ends in it already. */
int output_http_new_at(const struct output_http_settings *settings, const char *path,
	struct output_http **ret, struct pw_err *err) PW_MUST_CHECK;
void output_http_free(struct output_http *h);
void output_http_cancel(struct output_http *h); /* any thread */
/* cancel and destroy of a struct output whose context begins with its struct output_http *. */
void output_http_owner_cancel(void *ctx);
void output_http_owner_destroy(void *ctx); /* NULL is fine */

struct output_http_post {
	struct pw_slice body;
	const char *content_type;
	int64_t first, last; /* numbers in the spool; first 0 = without Idempotency-Key */
	/* Reads the body of a 2xx answer that may refuse a part; NULL = 2xx is enough. */
	enum output_result (*read)(struct pw_slice answer, size_t count, struct pw_err *err);
	size_t count; /* alerts in the body */
};
enum output_result output_http_post(struct output_http *h, const struct output_http_post *post,
	uint32_t *ret_wait_ms, struct pw_err *err);
