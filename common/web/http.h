/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * HTTP client (door of libcurl), one thread, blocking: belongs on a thread of its own. Connections
 * are reused per client. Limits: response ceiling, total and connect timeouts, no redirects, only
 * http, https (TLS 1.2 and later) and unix sockets; 32 headers. Certificate files are read again
 * within a minute, so rotated ones count. Proxies come from the environment (http_proxy …). Error
 * messages leave out the query and what stands before @ in a URL.
 */
#include "common/base/buf.h"
#include "common/base/err.h"
#include <stdbool.h>

struct pw_http;

struct pw_http_request {
	const char *method; /* "GET", "POST" */
	const char *url;
	const char *unix_socket;    /* NULL = TCP */
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	struct pw_slice body;
	uint32_t timeout_ms;   /* whole request, default 30,000 */
	size_t response_limit; /* bytes, default 1 MiB */
	const char *ca_file;   /* NULL = system's; a changed file counts within a minute */
	const char *cert_file, *key_file; /* client certificate; NULL = none */
	bool no_proxy;                    /* straight to the host, whatever the environment says */
	/*
	 * Takes the body of a 2xx answer as it comes (response_limit does not count, the body stays
	 * empty); a negative result ends the request with it. A dead peer is noticed by TCP within
	 * 60 s.
	 */
	int (*on_part)(void *ctx, struct pw_slice part);
	void *part_ctx;
};

struct pw_http_response {
	int status;              /* HTTP status */
	uint32_t retry_after_ms; /* from Retry-After in seconds; 0 = none */
	char etag[128];          /* with its quotes; "" = none, or longer than that */
	struct pw_buf body;
};

int pw_http_new(struct pw_http **ret, struct pw_err *err) PW_MUST_CHECK;
void pw_http_free(struct pw_http *h);
/* 0 when an HTTP answer came (whatever its status), else negative errno with err (refused, timeout,
 * TLS …). */
int pw_http_do(struct pw_http *h, const struct pw_http_request *request,
	struct pw_http_response *ret, struct pw_err *err) PW_MUST_CHECK;
void pw_http_response_done(struct pw_http_response *r);
/* Makes a running pw_http_do, and every later one, return soon with -ECANCELED. Any thread. */
void pw_http_cancel(struct pw_http *h);
