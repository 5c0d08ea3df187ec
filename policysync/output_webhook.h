/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Alerts as the body of an HTTP POST: newline-delimited JSON or one JSON array. Every request
 * carries Idempotency-Key "<spool id>-<first>-<last>" (numbers of the spool), so a receiver can
 * drop repeats; every alert carries its id. 2xx done · 400, 409, 413, 422 and other 4xx refused
 * (halved down to the one that is not wanted) · 408, 425, 429, 5xx, no answer: again later,
 * Retry-After is obeyed · 401, 403, 404, 405, 407 and 3xx speak of the endpoint and not of the
 * alert: again later, nothing is given up. Thread: the output's. Ceilings: 100 alerts or 4 MiB a
 * request, 16 headers, header file 16 KiB.
 */
#include "policysync/output.h"

enum webhook_format { WEBHOOK_NDJSON, WEBHOOK_ARRAY };

struct webhook_settings {
	const char *url;
	const char *header_file; /* "Name: value" lines, read again for each request; NULL = none */
	const char *ca_file;     /* NULL = the system's */
	enum webhook_format format;
	char spool_id[33];
};

/* Checks url and header file; settings are copied. */
int output_webhook_new(const struct webhook_settings *settings, struct output *ret,
	struct pw_err *err) PW_MUST_CHECK;
