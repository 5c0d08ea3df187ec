/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int pw_err_set(struct pw_err *err, int code, const char *format, ...)
{
	va_list args;

	if (!err || err->code)
		return code;
	err->code = code;
	va_start(args, format);
	(void)vsnprintf(err->msg, sizeof(err->msg), format, args);
	va_end(args);
	return code;
}

int pw_err_wrap(struct pw_err *err, int code, const char *format, ...)
{
	char context[sizeof(err->msg)];
	size_t used, rest;
	va_list args;

	if (!err)
		return code;
	if (!err->code)
		err->code = code;
	va_start(args, format);
	(void)vsnprintf(context, sizeof(context), format, args);
	va_end(args);
	used = strlen(context);
	if (!err->msg[0])
		(void)snprintf(err->msg, sizeof(err->msg), "%s", pw_err_text(code));
	if (used + 2 >= sizeof(err->msg))
		return code; /* no room for context: the cause is worth more */
	rest = strlen(err->msg);
	if (rest > sizeof(err->msg) - used - 3)
		rest = sizeof(err->msg) - used - 3;
	memmove(err->msg + used + 2, err->msg, rest);
	err->msg[used + 2 + rest] = '\0';
	memcpy(err->msg, context, used);
	err->msg[used] = ':';
	err->msg[used + 1] = ' ';
	return code;
}

void pw_err_clear(struct pw_err *err)
{
	if (!err)
		return;
	err->code = 0;
	err->msg[0] = '\0';
}

const char *pw_err_text(int code)
{
	const char *text = strerrordesc_np(code < 0 ? -code : code);

	return text ? text : "unknown error";
}

void pw_assert_failed(const char *expr, const char *file, int line)
{
	(void)fprintf(stderr, "assertion failed: %s at %s:%d\n", expr, file, line);
	abort();
}
