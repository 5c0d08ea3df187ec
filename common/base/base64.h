/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Base64 of RFC 4648, section 4, with padding. Thread: any. Ceiling: that of the buffer. */
#include "common/base/buf.h"

/* 0 to 63, -1 for a byte outside of the alphabet; for readers with rules of their own. */
int pw_base64_value(uint8_t c);
int pw_base64_encode(struct pw_slice bytes, struct pw_buf *out); /* errors stick in out */
/* Blanks and line ends are passed over. -EINVAL for anything else that is not base64. */
int pw_base64_decode(struct pw_slice text, struct pw_buf *out) PW_MUST_CHECK;
