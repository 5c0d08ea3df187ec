/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a DNS message asks and answers. Only the head, the first question and the addresses of the
 * answer section are looked at; anything damaged, and the rest of a message that was cut off, is
 * simply not told.
 * Thread: any; no state. Ceiling: one name of 255 bytes, 32 addresses.
 */
#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * Appends the name asked for (lower case, no final dot) and the addresses answered (text, NUL
 * between). *aux = query type | response code << 16 | is answer << 31. A message that is not DNS
 * leaves everything empty and 0.
 */
void dns_describe(
	struct pw_slice message, struct pw_buf *name, struct pw_buf *addresses, uint32_t *aux);
