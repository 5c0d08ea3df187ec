/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/glob.h"

/* One class "[…]" at p[*at]; moves *at behind it. An unclosed class is the byte '[' itself. */
static bool class_matches(struct pw_slice p, size_t *at, uint8_t byte)
{
	size_t i = *at + 1;
	bool inverted = i < p.len && (p.ptr[i] == '!' || p.ptr[i] == '^');
	bool found = false;

	if (inverted)
		i++;
	for (size_t first = i; i < p.len && (p.ptr[i] != ']' || i == first); i++) {
		uint8_t low = p.ptr[i], high = low;

		if (i + 2 < p.len && p.ptr[i + 1] == '-' && p.ptr[i + 2] != ']') {
			high = p.ptr[i + 2];
			i += 2;
		}
		found |= byte >= low && byte <= high;
	}
	if (i >= p.len) {
		(*at)++;
		return byte == '[';
	}
	*at = i + 1;
	return found != inverted;
}

/* One pattern element that is not a star against one byte; moves *at behind the element. */
static bool element_matches(struct pw_slice p, size_t *at, uint8_t byte)
{
	uint8_t c = p.ptr[*at];

	if (c == '[')
		return class_matches(p, at, byte);
	if (c == '\\' && *at + 1 < p.len) {
		*at += 2;
		return p.ptr[*at - 1] == byte;
	}
	(*at)++;
	return c == '?' || c == byte;
}

bool pw_glob(struct pw_slice p, struct pw_slice t)
{
	size_t pi = 0, ti = 0, star = SIZE_MAX, star_ti = 0;

	while (ti < t.len) {
		size_t next = pi;

		if (pi < p.len && p.ptr[pi] == '*') {
			star = ++pi;
			star_ti = ti;
		} else if (pi < p.len && element_matches(p, &next, t.ptr[ti])) {
			pi = next;
			ti++;
		} else if (star != SIZE_MAX) {
			pi = star;
			ti = ++star_ti;
		} else {
			return false;
		}
	}
	while (pi < p.len && p.ptr[pi] == '*')
		pi++;
	return pi == p.len;
}

/* Behind the element at this place, which is not a plain byte. */
static size_t skip_special(struct pw_slice p, size_t at)
{
	if (p.ptr[at] == '[')
		(void)class_matches(p, &at, 0);
	else
		at += p.ptr[at] == '\\' ? 2 : 1;
	return at;
}

struct pw_slice pw_glob_literal(struct pw_slice p)
{
	struct pw_slice best = {p.ptr, 0};
	size_t from = 0, at = 0;

	while (at < p.len) {
		uint8_t c = p.ptr[at];

		if (c == '*' || c == '?' || c == '[' || c == '\\')
			from = at = skip_special(p, at);
		else
			at++;
		if (at <= p.len && at - from > best.len)
			best = pw_slice_sub(p, from, at);
	}
	return best;
}

struct pw_slice pw_glob_strip(struct pw_slice s)
{
	while (s.len > 0 && s.ptr[0] == '/')
		s = pw_slice_sub(s, 1, s.len);
	while (s.len > 0 && s.ptr[s.len - 1] == '/')
		s.len--;
	return s;
}

bool pw_glob_path(struct pw_slice pattern, struct pw_slice path)
{
	struct pw_slice p_rest = pw_glob_strip(pattern), t_rest = pw_glob_strip(path);
	struct pw_slice p, t;

	if (p_rest.len == 0)
		return pattern.len > 0 && path.len > 0 && path.ptr[0] == '/';
	while (p_rest.len > 0) {
		if (!pw_slice_cut(&p_rest, '/', &p) || !pw_slice_cut(&t_rest, '/', &t))
			return false;
		if (!pw_glob(p, t))
			return false;
	}
	return true;
}

bool pw_glob_any(const struct pw_slice *globs, size_t count, struct pw_slice text)
{
	for (size_t i = 0; i < count; i++)
		if (pw_glob(globs[i], text))
			return true;
	return false;
}
