/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/random.h"

#include "common/base/err.h"

#include <errno.h>
#include <sys/random.h>

void pw_random_bytes(void *out, size_t len)
{
	uint8_t *at = out;

	while (len) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		pw_assert(got > 0); /* getrandom cannot fail on a kernel that has it */
		at += got;
		len -= (size_t)got;
	}
}

uint64_t pw_random_u64(void)
{
	uint64_t value;

	pw_random_bytes(&value, sizeof(value));
	return value;
}

uint64_t pw_random_below(uint64_t bound)
{
	uint64_t floor = -bound % bound; /* values below would favour small results */
	uint64_t value;

	do
		value = pw_random_u64();
	while (value < floor);
	return value % bound;
}

uint32_t pw_backoff_ms(uint32_t attempt, uint32_t base_ms, uint32_t cap_ms)
{
	uint64_t top = (uint64_t)base_ms << (attempt < 24 ? attempt : 24);

	if (top > cap_ms)
		top = cap_ms;
	if (top <= base_ms)
		return (uint32_t)top;
	return base_ms + (uint32_t)pw_random_below(top - base_ms + 1);
}
