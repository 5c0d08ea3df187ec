/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Alerts for Prometheus Alertmanager (API v2). Alertmanager forgets what is not told again, so what
 * was seen within active_ns is sent again every refresh_ms, each time good for four times as long;
 * what is not seen any more resolves by itself. Its labels are its identity: few and stable
 * (alertname, severity, cluster, namespace, workload, container, rule), so that one rule on one
 * workload is one alert there; everything else is an annotation. Thread: the output's. Ceiling: 100
 * alerts a request.
 */
#include "policysync/output_http.h"

struct alertmanager_settings {
	struct output_http_settings http; /* url: with or without /api/v2/alerts */
	const char *cluster;
	uint64_t active_ns;  /* 0 = 5 min */
	uint32_t refresh_ms; /* 0 = 60 s */
};

/* ret gets send, cancel, destroy, ctx, max_rows, refresh_ms and active_ns. */
int output_alertmanager_new(const struct alertmanager_settings *settings, struct output *ret,
	struct pw_err *err) PW_MUST_CHECK;
