/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Events as lines for people (compact) or programs (JSON, one object a line). Foreign bytes are
 * escaped, secrets in arguments are hidden already.
 * Thread: the pipeline's. Ceiling: that of the buffer; a line is at most a few times
 * ABI_RECORD_MAX.
 */
#include "collector/pipeline.h"

enum print_form { PRINT_OFF, PRINT_COMPACT, PRINT_JSON };

struct print_settings {
	enum print_form form;
	bool colour;
	int64_t boot_to_wall_ns;
};

/* Appends one line with its end. 0, -ENOMEM, -E2BIG. */
int print_event(const struct print_settings *s, const struct pipeline_view *v, struct pw_buf *out);
