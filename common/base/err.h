/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Errors: functions return 0 or a negative errno; a struct pw_err beside it carries the sentence a
 * person needs. The first cause wins, callers add context in front with pw_err_wrap.
 * err may be NULL everywhere. Thread: any (the struct belongs to its caller).
 */
#include "common/base/alloc.h"

struct pw_err {
	int code;      /* negative errno of the first cause, 0 = no error */
	char msg[480]; /* "context: context: cause"; never ends in a newline, foreign bytes escaped
			  by the setter */
};

#define PW_ERR_INIT   \
	{             \
		0, "" \
	}

/* Sets the cause, unless one is set already. Returns code, so that `return pw_err_set(...)` works.
 */
int pw_err_set(struct pw_err *err, int code, const char *format, ...) PW_PRINTF(3, 4);
/* Puts "context: " in front of the message. Returns code. */
int pw_err_wrap(struct pw_err *err, int code, const char *format, ...) PW_PRINTF(3, 4);
void pw_err_clear(struct pw_err *err);
/* Text of an errno, either sign; never NULL. */
const char *pw_err_text(int code);

/* Aborts with file and line. For our own mistakes only, never for input; always compiled in. */
#define pw_assert(expr) ((expr) ? (void)0 : pw_assert_failed(#expr, __FILE__, __LINE__))
_Noreturn void pw_assert_failed(const char *expr, const char *file, int line);
