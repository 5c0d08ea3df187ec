/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Small files read whole: settings, keys, headers. Not for logs or anything that grows. Thread:
 * any; blocks. Ceiling: that of the buffer.
 */
#include "common/base/buf.h"
#include "common/base/err.h"

/* Appends the file to out. what names the file in errors ("header file"). */
int pw_file_read(
	const char *what, const char *path, struct pw_buf *out, struct pw_err *err) PW_MUST_CHECK;
/* Writes it beside path, syncs it and renames it over path: never a half file. */
int pw_file_write(const char *path, struct pw_slice data, struct pw_err *err) PW_MUST_CHECK;
