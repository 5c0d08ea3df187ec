/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * gzip of a whole body (door of zlib), for requests. There is no way back here on purpose: what
 * comes in is never asked for compressed, so nothing can blow up. Thread: any.
 */
#include "common/base/buf.h"

/* Appends; errors stick in out. */
int pw_gzip(struct pw_slice in, struct pw_buf *out) PW_MUST_CHECK;
