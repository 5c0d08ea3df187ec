/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/num.h"

#include <errno.h>

static int digit_of(uint8_t c, unsigned base)
{
	int digit = -1;

	if (c >= '0' && c <= '9')
		digit = c - '0';
	else if (c >= 'a' && c <= 'f')
		digit = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		digit = c - 'A' + 10;
	return digit >= 0 && (unsigned)digit < base ? digit : -1;
}

static int parse(struct pw_slice s, unsigned base, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	bool over = false;

	if (!s.len)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		int digit = digit_of(s.ptr[i], base);

		if (digit < 0)
			return -EINVAL;
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
			__builtin_add_overflow(value, (uint64_t)digit, &value))
			over = true;
	}
	if (over || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int pw_num_u64(struct pw_slice s, uint64_t max, uint64_t *ret)
{
	return parse(s, 10, max, ret);
}

int pw_num_hex(struct pw_slice s, uint64_t max, uint64_t *ret)
{
	return parse(s, 16, max, ret);
}

int pw_num_i64(struct pw_slice s, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = s.len && s.ptr[0] == '-';
	uint64_t size;
	int64_t value;
	int r = parse(pw_slice_sub(s, negative, s.len), 10, (uint64_t)INT64_MAX + negative, &size);

	if (r < 0)
		return r;
	value = negative ? (int64_t)(0 - size) : (int64_t)size;
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int pw_num_size(struct pw_slice s, uint64_t max, uint64_t *ret)
{
	unsigned shift = 0;
	uint64_t value;
	int r;

	if (s.len) {
		uint8_t unit = s.ptr[s.len - 1] | 0x20;

		shift = unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 0;
	}
	r = parse(pw_slice_sub(s, 0, s.len - (shift != 0)), 10, UINT64_MAX, &value);
	if (r < 0)
		return r;
	if (value > (max >> shift))
		return -ERANGE;
	*ret = value << shift;
	return 0;
}
