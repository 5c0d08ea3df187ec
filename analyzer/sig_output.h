/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Output text of a signature: %field, %field[n], %tolower(field)
 * and %20field (padded to 20 bytes) are replaced, a missing fact becomes <NA>, %%
 * is a per cent sign. Values are escaped (hostile bytes become visible), at most 512 bytes each.
 * Thread: any.
 */
#include "analyzer/fields.h"
#include "common/base/buf.h"
#include "common/base/err.h"

/* -EINVAL naming an unknown field. */
int sig_output_check(struct pw_slice format, struct pw_err *err) PW_MUST_CHECK;
/* Errors stick in out. */
void sig_output_print(struct pw_slice format, struct field_ctx *ctx, struct pw_buf *out);
