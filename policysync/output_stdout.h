/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Alerts as lines on a file descriptor: compact for people (two lines, coloured where that is
 * wanted) or the canonical JSON, one line each. Foreign bytes are escaped in both. Thread: the
 * output's (writes block). Ceiling: 256 KiB for one line.
 */
#include "policysync/output.h"

enum output_form { OUTPUT_COMPACT, OUTPUT_JSON };
enum output_color { OUTPUT_COLOR_AUTO, OUTPUT_COLOR_ALWAYS, OUTPUT_COLOR_NEVER };

/* Auto = the descriptor is a terminal and NO_COLOR is not set. fd stays the caller's. */
int output_stdout_new(
	int fd, enum output_form form, enum output_color color, struct output *ret) PW_MUST_CHECK;
/* One alert as it is written; for tests. */
int output_stdout_format(struct pw_buf *out, const struct output_item *item, enum output_form form,
	bool color) PW_MUST_CHECK;
