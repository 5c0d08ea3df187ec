/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an output is to deliver.c: a name and a blocking send of some alerts, on the output's own
 * thread. Implemented by output_stdout and output_webhook.
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

struct output {
	const char *name; /* "stdout", "webhook": the key of its cursor */
	/* *ret_wait_ms: for OUTPUT_RETRY, how long the other side asks to wait; 0 = it does not
	 * say. err for both failures. */
	enum output_result (*send)(void *ctx, const struct output_item *items, size_t count,
		uint32_t *ret_wait_ms, struct pw_err *err);
	void (*cancel)(void *ctx); /* any thread: a running send returns soon; may be NULL */
	void (*destroy)(void *ctx);
	void *ctx;
	size_t max_rows; /* alerts in one send */
};
