/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Raw record -> struct event: the trust boundary with the kernel side and with recorded files.
 * Every length and every offset is checked against the record's own end; text that must not hold
 * NUL is refused when it does. A refused record gives a reason, which the caller counts.
 * Thread: any; no state.
 */
#include "collector/event.h"

/* DECODE(suffix, label of the metric) */
#define DECODE_RESULTS(DECODE)                                                                 \
	DECODE(OK, "ok")                                                                       \
	DECODE(SHORT, "short")   /* smaller than its kind's fixed part, or header.size lies */ \
	DECODE(KIND, "kind")     /* unknown kind */                                            \
	DECODE(SPAN, "span")     /* span leaves the record or reaches into the fixed part */   \
	DECODE(TOO_LONG, "long") /* span longer than its kind of text may be */                \
	DECODE(TEXT, "text")     /* NUL inside a path, or a cgroup path without its slash */   \
	DECODE(FIELD, "field")   /* a number that cannot be: process id 0, time 0 */

enum decode_result {
#define DECODE_ENUM(suffix, label) DECODE_##suffix,
	DECODE_RESULTS(DECODE_ENUM)
#undef DECODE_ENUM
		DECODE_RESULT_COUNT
};

/* *ret is written only when DECODE_OK is returned. The record need not be aligned. */
enum decode_result decode(const void *record, size_t len, struct event *ret) PW_MUST_CHECK;
const char *decode_result_name(enum decode_result result);
