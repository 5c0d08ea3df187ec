/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/generalise_name.h"

#include "common/base/hash.h"

#include <errno.h>
#include <stdio.h>

#define THROWN_LEN   6u /* from so many bytes on a common length says something */
#define THROWN_LEAST 3u /* names that must share it */
#define KEPT_LEN                                                                        \
	3u /* letters at the beginning that several thrown names do not share by chance \
	    */

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

/* "sedN0G1YO" beside "sedHw77IU" and "sedAbse3f": the letters that all of several share. */
static bool is_kept(struct pw_slice n, size_t count, size_t head)
{
	size_t letters = 0;

	while (letters < head && is_letter(n.ptr[head - 1 - letters]))
		letters++;
	return count >= THROWN_LEAST && letters >= KEPT_LEN &&
	       (letters == head || !is_digit(n.ptr[head - 1 - letters]));
}

static void widen(const struct pw_slice *names, size_t count, size_t *head, size_t *tail)
{
	struct pw_slice n = names[0];
	bool numbers = middles_are_numbers(names, count, *head, *tail);
	bool kept = !numbers && is_kept(n, count, *head);

	while (!kept && *head > 0 &&
		(numbers ? is_digit(n.ptr[*head - 1]) : is_word(n.ptr[*head - 1])))
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

struct variable {
	enum template_class class;
	size_t exactly; /* 0 = of any length */
};

/*
 * Thrown names (mkstemp, tokens) have one length. Then the class is wide: names that begin with a
 * letter and a mark are of another form, so those at hand do not tell which bytes occur. 0 = of
 * several lengths, or a number.
 */
static size_t thrown_length(
	const struct pw_slice *names, size_t count, size_t around, enum template_class *class)
{
	size_t len = names[0].len - around;

	if (count < THROWN_LEAST || len < THROWN_LEN || *class == TEMPLATE_DIGITS ||
		*class == TEMPLATE_FIGURES || *class == TEMPLATE_ANY)
		return 0;
	for (size_t i = 1; i < count; i++)
		if (names[i].len - around != len)
			return 0;
	if (*class == TEMPLATE_ALNUM || *class == TEMPLATE_LETTERS)
		*class = TEMPLATE_WORD;
	return len;
}

static int write_name(struct pw_slice name, size_t head, size_t tail, struct variable v,
	uint8_t out[GENERALISE_NAME_BYTES], size_t *ret_len)
{
	struct pw_slice before = pw_slice_sub(name, 0, head);
	struct pw_slice after = pw_slice_sub(name, name.len - tail, name.len);
	struct pw_slice class = pw_slice_str(template_class_name(v.class));
	char exactly[24];
	size_t len = 0;
	bool fits;

	if (template_is_pattern(before) || template_is_pattern(after))
		return -E2BIG;
	(void)snprintf(exactly, sizeof(exactly), " %zu>", v.exactly);
	fits = add(out, &len, before);
	if (v.exactly == 0)
		fits = fits && add(out, &len, class);
	else
		fits = fits && add(out, &len, pw_slice_sub(class, 0, class.len - 1)) &&
		       add(out, &len, pw_slice_str(exactly));
	fits = fits && add(out, &len, after);
	*ret_len = len;
	return fits ? 0 : -E2BIG;
}

int generalise_name(const struct pw_slice *names, size_t count, uint8_t out[GENERALISE_NAME_BYTES],
	size_t *ret_len)
{
	size_t head = common_head(names, count), tail, exactly;
	enum template_class class;

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
	exactly = thrown_length(names, count, head + tail, &class);
	return write_name(names[0], head, tail, (struct variable){class, exactly}, out, ret_len);
}

int generalise_one(struct pw_slice name, uint8_t out[GENERALISE_NAME_BYTES], size_t *ret_len)
{
	size_t head = 0, end = name.len;
	enum template_class class;

	while (head < end && !is_digit(name.ptr[head]))
		head++;
	while (end > head && !is_digit(name.ptr[end - 1]))
		end--;
	class = template_class_of(pw_slice_sub(name, head, end));
	if (head == end || (end < name.len && is_letter(name.ptr[end])) ||
		(class != TEMPLATE_DIGITS && class != TEMPLATE_FIGURES))
		return -ENOENT;
	return write_name(name, head, name.len - end, (struct variable){class, 0}, out, ret_len);
}
