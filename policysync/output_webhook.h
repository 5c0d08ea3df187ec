/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Alerts as the body of an HTTP POST in one of the forms of alert_format.h; how a request is made
 * and its answer judged is in output_http.h. Two answers are read: that of Elasticsearch's _bulk
 * (each item has a status; one that exists already is delivered) and that of Podward's own backend
 * ({"accepted": n, "rejected": [{"id", "code", "message"}]}); a part that is refused makes the
 * whole "refused", so that it is halved. Thread: the output's. Ceiling: 500 alerts or 4 MiB a
 * request.
 */
#include "policysync/alert_format.h"
#include "policysync/output_http.h"

#define WEBHOOK_BATCH_MAX 500

struct webhook_settings {
	struct output_http_settings http;
	struct alert_form form; /* checked by alert_form_check; cluster is copied */
	bool is_backend;        /* url: with or without /v1/alerts */
	size_t batch;           /* alerts a request, 0 = 100 */
};

/* ret gets send, cancel, destroy, ctx and max_rows; name and the rest are the caller's. */
int output_webhook_new(const struct webhook_settings *settings, struct output *ret,
	struct pw_err *err) PW_MUST_CHECK;
