/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an output is to deliver.c: a name, which alerts it wants, and a blocking send of some of
 * them, on the output's own thread. Implemented by output_stdout, output_webhook,
 * output_alertmanager, output_otlp and output_syslog.
 */
#include "common/base/err.h"
#include "policysync/alert_json.h"

struct output_item {
	const Podward__V1__Alert *alert;
	struct alert_seen seen;
	int64_t n; /* its number in the spool: rises, never used twice */
};

enum output_result {
	OUTPUT_DONE,    /* all of them are delivered */
	OUTPUT_RETRY,   /* nothing is known to be delivered: the same again later */
	OUTPUT_REFUSED, /* at least one of them is not wanted, and will not be later either */
};

#define OUTPUT_NAMESPACES     16
#define OUTPUT_NAMESPACE_SIZE 64

/* Alerts that do not pass are left out for this output only, and counted. Zero = everything. */
struct output_filter {
	uint32_t min_severity;
	size_t namespace_count;
	char namespaces[OUTPUT_NAMESPACES][OUTPUT_NAMESPACE_SIZE]; /* of the pod group */
};

struct output {
	char name[64]; /* "stdout", "webhook": the key of its cursor */
	/* *ret_wait_ms: for OUTPUT_RETRY, how long the other side asks to wait; 0 = it does not
	 * say. err for both failures. */
	enum output_result (*send)(void *ctx, const struct output_item *items, size_t count,
		uint32_t *ret_wait_ms, struct pw_err *err);
	void (*cancel)(void *ctx); /* any thread: a running send returns soon; may be NULL */
	void (*destroy)(void *ctx);
	void *ctx;
	size_t max_rows; /* alerts in one send */
	struct output_filter filter;
	uint32_t per_minute; /* alerts at most; more wait. 0 = no limit */
	/* For receivers that forget: every refresh_ms, alerts seen within active_ns are sent again.
	 * 0 = never. */
	uint32_t refresh_ms;
	uint64_t active_ns;
};

bool output_filter_passes(const struct output_filter *f, const Podward__V1__Alert *alert);
