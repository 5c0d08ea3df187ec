/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Alerts as OpenTelemetry log records over OTLP/HTTP with JSON encoding (POST /v1/logs): body = the
 * OCSF finding as a map, a few attributes to select by. A partial success does not say which
 * records were refused: it makes the whole "refused", so that it is halved down to them; a receiver
 * sees some records twice then, with the same podward.alert.id. Thread: the output's. Ceiling: 100
 * alerts a request. Source: https://opentelemetry.io/docs/specs/otlp/, 1.x.
 */
#include "policysync/output_http.h"

struct otlp_settings {
	struct output_http_settings http; /* url: with or without /v1/logs */
	const char *cluster;
};

/* ret gets send, cancel, destroy, ctx and max_rows. */
int output_otlp_new(
	const struct otlp_settings *settings, struct output *ret, struct pw_err *err) PW_MUST_CHECK;
/* The request's body; for tests. Errors stick in out. */
int output_otlp_body(
	struct pw_buf *out, const char *cluster, const struct output_item *items, size_t count);
