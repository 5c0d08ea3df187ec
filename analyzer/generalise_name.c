/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/generalise_name.h"

#include "common/base/hash.h"

#include <errno.h>

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static bool is_hex_letter(uint8_t c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'f';
}

bool generalise_looks_varied(struct pw_slice name)
{
	size_t run = 0;
	bool digit = false;

	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.ptr[i];

		digit |= is_digit(c);
		run = is_digit(c) || is_hex_letter(c) ? run + 1 : 0;
		if (run >= 8)
			return true;
	}
	return digit;
}

/* End of the letters and marks at the beginning that are not part of something varied. */
static size_t head_end(struct pw_slice name)
{
	size_t i = 0, mark = 0;

	for (; i < name.len && !is_digit(name.ptr[i]); i++)
		if (!is_letter(name.ptr[i]))
			mark = i + 1;
	/* "sess_ab12": the letters right before a digit may belong to it. */
	if (mark == 0 && i < name.len)
		return i;
	return mark;
}

static size_t tail_start(struct pw_slice name)
{
	ptrdiff_t dot = pw_slice_rfind_byte(name, '.');

	if (dot <= 0 || name.len - (size_t)dot > 8)
		return name.len;
	for (size_t i = (size_t)dot + 1; i < name.len; i++)
		if (is_digit(name.ptr[i]))
			return name.len;
	return (size_t)dot;
}

uint64_t generalise_form(struct pw_slice name)
{
	size_t head = head_end(name), tail = tail_start(name);

	if (head > tail)
		head = tail;
	return pw_hash_mix(pw_hash64(pw_slice_sub(name, 0, head), 1),
		pw_hash64(pw_slice_sub(name, tail, name.len), 2));
}

static size_t common_head(const struct pw_slice *names, size_t count)
{
	size_t len = names[0].len;

	for (size_t i = 1; i < count; i++) {
		size_t k = 0;

		while (k < len && k < names[i].len && names[i].ptr[k] == names[0].ptr[k])
			k++;
		len = k;
	}
	return len;
}

static size_t common_tail(const struct pw_slice *names, size_t count, size_t head)
{
	size_t len = names[0].len - head;

	for (size_t i = 1; i < count; i++) {
		size_t k = 0, room = names[i].len - head;

		while (k < len && k < room &&
			names[i].ptr[names[i].len - 1 - k] == names[0].ptr[names[0].len - 1 - k])
			k++;
		len = k;
	}
	return len;
}

static bool is_word(uint8_t c)
{
	return is_digit(c) || is_letter(c);
}

/* Only digits differ: the number that they are part of is varied, the letters before it are not. */
static bool middles_are_numbers(
	const struct pw_slice *names, size_t count, size_t head, size_t tail)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = head; k < names[i].len - tail; k++)
			if (!is_digit(names[i].ptr[k]))
				return false;
	return true;
}

static void widen(const struct pw_slice *names, size_t count, size_t *head, size_t *tail)
{
	struct pw_slice n = names[0];
	bool numbers = middles_are_numbers(names, count, *head, *tail);

	while (*head > 0 && (numbers ? is_digit(n.ptr[*head - 1]) : is_word(n.ptr[*head - 1])))
		--*head;
	/* A number in front, after one mark, is part of the same date or counter. */
	while (*head > 1 && !is_word(n.ptr[*head - 1]) && is_digit(n.ptr[*head - 2]))
		while (*head > 0 && (is_digit(n.ptr[*head - 1]) || !is_word(n.ptr[*head - 1])))
			--*head;
	while (*tail > 0 &&
		(numbers ? is_digit(n.ptr[n.len - *tail]) : is_word(n.ptr[n.len - *tail])))
		--*tail;
	/* "a" beside "a1": nothing is left of one of them, so the whole word is what varies. */
	for (size_t i = 0; i < count; i++) {
		if (names[i].len > *head + *tail)
			continue;
		while (*head > 0 && is_word(n.ptr[*head - 1]))
			--*head;
		while (*tail > 0 && is_word(n.ptr[n.len - *tail]))
			--*tail;
	}
}

static bool add(uint8_t *out, size_t *len, struct pw_slice s)
{
	if (s.len > GENERALISE_NAME_BYTES - *len)
		return false;
	if (s.len > 0)
		memcpy(out + *len, s.ptr, s.len);
	*len += s.len;
	return true;
}

int generalise_name(const struct pw_slice *names, size_t count, uint8_t out[GENERALISE_NAME_BYTES],
	size_t *ret_len)
{
	size_t head = common_head(names, count), tail, len = 0;
	struct pw_slice before, after;
	enum template_class class;
	bool fits;

	tail = common_tail(names, count, head);
	widen(names, count, &head, &tail);
	class = template_class_of(pw_slice_sub(names[0], head, names[0].len - tail));
	for (size_t i = 0; i < count; i++) {
		struct pw_slice middle = pw_slice_sub(names[i], head, names[i].len - tail);

		/* "a" beside "ab": the shorter one has nothing in the middle. */
		if (middle.len == 0)
			return -E2BIG;
		class = template_widen(class, template_class_of(middle));
	}
	/* Hexadecimal digits are told from letters by chance in short names. */
	if (class == TEMPLATE_HEX)
		class = names[0].len - head - tail < 8 ? TEMPLATE_ALNUM : TEMPLATE_HEX;
	before = pw_slice_sub(names[0], 0, head);
	after = pw_slice_sub(names[0], names[0].len - tail, names[0].len);
	if (template_is_pattern(before) || template_is_pattern(after))
		return -E2BIG;
	fits = add(out, &len, before) && add(out, &len, pw_slice_str(template_class_name(class))) &&
	       add(out, &len, after);
	*ret_len = len;
	return fits ? 0 : -E2BIG;
}
