/* SPDX-License-Identifier: Apache-2.0 */
/* Source: YAML 1.2.2, section 10.3.2. */
#include "common/web/yaml_scalar.h"

#include "common/base/num.h"
#include "common/web/json_build.h"

#include <errno.h>
#include <math.h>

#define OUT_OF_RANGE "number is out of range"

static bool is_one_of(struct pw_slice text, const char *const *words)
{
	for (; *words; words++)
		if (pw_slice_eq_str(text, *words))
			return true;
	return false;
}

static size_t count_digits(struct pw_slice text, size_t from)
{
	size_t n = from;

	while (n < text.len && text.ptr[n] >= '0' && text.ptr[n] <= '9')
		n++;
	return n - from;
}

static size_t skip_sign(struct pw_slice text)
{
	return text.len && (text.ptr[0] == '-' || text.ptr[0] == '+');
}

/* [-+]? [0-9]+ */
static bool is_decimal(struct pw_slice text)
{
	size_t at = skip_sign(text), digits = count_digits(text, at);

	return digits && at + digits == text.len;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(struct pw_slice text)
{
	size_t at = skip_sign(text), whole = count_digits(text, at), part = 0;

	at += whole;
	if (at < text.len && text.ptr[at] == '.') {
		part = count_digits(text, at + 1);
		at += part + 1;
	}
	if (!whole && !part)
		return false;
	if (at < text.len && (text.ptr[at] | 0x20) == 'e') {
		size_t digits;

		at++;
		if (at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+'))
			at++;
		digits = count_digits(text, at);
		if (!digits)
			return false;
		at += digits;
	}
	return at == text.len;
}

static struct pw_json *decimal_value(struct pw_slice text, const char **ret_why)
{
	int64_t value;

	if (text.ptr[0] == '+')
		text = pw_slice_sub(text, 1, text.len);
	if (pw_num_i64(text, INT64_MIN, INT64_MAX, &value) == 0)
		return json_make_int(value);
	*ret_why = OUT_OF_RANGE;
	return NULL;
}

static struct pw_json *float_value(struct pw_slice text, const char **ret_why)
{
	char copy[64];
	double value;

	if (text.len >= sizeof(copy)) {
		*ret_why = "number is too long";
		return NULL;
	}
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	value = strtod(copy, NULL);
	if (isfinite(value))
		return json_make_real(value);
	*ret_why = OUT_OF_RANGE;
	return NULL;
}

/* 0x1F and 0o17; -EINVAL when it is neither. */
static int prefixed_value(struct pw_slice text, uint64_t *ret)
{
	struct pw_slice digits = pw_slice_sub(text, 2, text.len);
	uint64_t value = 0;

	if (pw_slice_starts(text, PW_SLICE_LIT("0x")))
		return pw_num_hex(digits, INT64_MAX, ret);
	if (!pw_slice_starts(text, PW_SLICE_LIT("0o")) || !digits.len)
		return -EINVAL;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '7')
			return -EINVAL;
		if (value > (uint64_t)INT64_MAX >> 3)
			return -ERANGE;
		value = value << 3 | (digits.ptr[i] - '0');
	}
	*ret = value;
	return 0;
}

struct pw_json *yaml_plain_value(struct pw_slice text, const char **ret_why)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {"true", "True", "TRUE", NULL};
	static const char *const falses[] = {"false", "False", "FALSE", NULL};
	static const char *const unbounded[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF",
		"-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN", NULL};
	uint64_t value;
	int r;

	if (is_one_of(text, nulls))
		return json_make_null();
	if (is_one_of(text, trues) || is_one_of(text, falses))
		return json_make_bool(is_one_of(text, trues));
	if (is_decimal(text))
		return decimal_value(text, ret_why);
	if (is_float(text))
		return float_value(text, ret_why);
	r = prefixed_value(text, &value);
	if (r == 0)
		return json_make_int((int64_t)value);
	if (r == -ERANGE || is_one_of(text, unbounded)) {
		*ret_why = r == -ERANGE ? OUT_OF_RANGE : "infinity and NaN are not supported";
		return NULL;
	}
	return json_make_text(text);
}
