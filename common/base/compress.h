/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Zstandard (door of libzstd) for whole pieces. What is unpacked is never larger than the buffer's
 * ceiling, whatever the bytes claim. Thread: any.
 */
#include "common/base/buf.h"

int pw_zstd_pack(struct pw_slice bytes, int level, struct pw_buf *out) PW_MUST_CHECK;
/* -EBADMSG when it is no Zstandard, cut or damaged; -E2BIG past the ceiling. */
int pw_zstd_unpack(struct pw_slice packed, struct pw_buf *out) PW_MUST_CHECK;
