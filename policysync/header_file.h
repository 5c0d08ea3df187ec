/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Header lines of HTTP requests from a file ("Name: value", # for comments): tokens that rotate are
 * read again for each request. What is in it is never shown. Thread: any. Ceilings: 16 KiB, 16
 * headers.
 */
#include "common/base/buf.h"
#include "common/base/err.h"

#define HEADER_FILE_LINES 16

struct header_file {
	struct pw_buf text;
	const char *lines[HEADER_FILE_LINES]; /* into text */
	size_t count;
};

/* path NULL or "" = no headers. Free with header_file_done, also after a failure. */
int header_file_read(const char *path, struct header_file *ret, struct pw_err *err) PW_MUST_CHECK;
void header_file_done(struct header_file *h);
