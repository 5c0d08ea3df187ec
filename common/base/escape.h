/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Foreign bytes made safe to show: printable UTF-8 stays, control bytes, ESC, invalid UTF-8, bidi
 * and zero-width characters become \n, \t, \xHH or \u{HHHH}; quote and backslash are escaped.
 * Thread: any.
 */
#include "common/base/buf.h"

bool pw_utf8_valid(struct pw_slice s);
/* Appends the escaped form, at most max_bytes of output, then "…". */
int pw_escape(struct pw_buf *out, struct pw_slice s, size_t max_bytes);
/* The same into a fixed array for log lines; always NUL-terminated. Returns out. */
const char *pw_escape_to(struct pw_slice s, char *out, size_t size);
/* Appends as a JSON string with quotes. Invalid UTF-8 bytes become \u00HH pairs of the form
 * "\\xHH". */
int pw_escape_json(struct pw_buf *out, struct pw_slice s);
