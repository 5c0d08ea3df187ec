/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/behaviour_text.h"

#include <stdio.h>

#define UUID_LEN 36u
#define HASH_LEN 32u
#define RAND_LEN 6u

struct writer {
	uint8_t *out;
	size_t len, limit;
};

static void put(struct writer *w, const void *bytes, size_t len)
{
	if (len > w->limit - w->len)
		len = w->limit - w->len;
	if (len > 0)
		memcpy(w->out + w->len, bytes, len);
	w->len += len;
}

static void put_text(struct writer *w, const char *text)
{
	put(w, text, strlen(text));
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_alnum(uint8_t c)
{
	return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static bool all_digits(struct pw_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_digit(s.ptr[i]))
			return false;
	return s.len > 0;
}

/* 8-4-4-4-12 hexadecimal digits. */
static bool is_uuid(const uint8_t *p)
{
	for (size_t i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? p[i] != '-' : !is_hex(p[i]))
			return false;
	}
	return true;
}

static size_t hex_run(struct pw_slice s, size_t from)
{
	size_t i = from;

	while (i < s.len && is_hex(s.ptr[i]))
		i++;
	return i - from;
}

/* Letters, digits and underscores that look thrown, not written: a digit, or both cases. */
static bool is_thrown(const uint8_t *p, size_t len)
{
	bool lower = false, upper = false, digit = false;

	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(p[i]) && p[i] != '_')
			return false;
		digit |= is_digit(p[i]);
		lower |= p[i] >= 'a' && p[i] <= 'z';
		upper |= p[i] >= 'A' && p[i] <= 'Z';
	}
	return digit || (lower && upper);
}

/* Names that mkstemp and its relatives make below a folder for temporary files. */
static bool temporary(struct writer *w, struct pw_slice c)
{
	static const struct {
		const char *prefix;
		size_t digits;
	} rows[] = {{"tmp.", 6}, {"tmp", 8}, {"cc", 6}, {"pip-", 8}, {"buildd-", 6}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pw_slice prefix = pw_slice_str(rows[i].prefix);
		size_t at = prefix.len, end = at;

		if (!pw_slice_starts(c, prefix))
			continue;
		while (end < c.len && (is_alnum(c.ptr[end]) || c.ptr[end] == '_'))
			end++;
		if (end - at < rows[i].digits || (end < c.len && c.ptr[end] != '.'))
			continue;
		/* A compiler's: six of 62 letters, then an ending; without one it may be a word. */
		if (prefix.len == 2 && (end - at != RAND_LEN ||
					       (end == c.len && !is_thrown(c.ptr + at, RAND_LEN))))
			continue;
		put(w, prefix.ptr, prefix.len);
		put_text(w, "<rand>");
		put(w, c.ptr + end, c.len - end);
		return true;
	}
	return false;
}

/* Uuids and long digests inside one name. True when something was replaced. */
static bool tokens(struct writer *w, struct pw_slice c)
{
	bool changed = false;

	for (size_t i = 0; i < c.len;) {
		size_t run = hex_run(c, i);

		if (run == 8 && c.len - i >= UUID_LEN && is_uuid(c.ptr + i)) {
			put_text(w, "<uuid>");
			i += UUID_LEN;
			changed = true;
		} else if (run >= HASH_LEN) {
			put_text(w, "<digest>");
			i += run;
			changed = true;
		} else {
			size_t keep = run;

			/* On to the next place where a run may begin. */
			while (i + keep < c.len && !is_hex(c.ptr[i + keep]))
				keep++;
			put(w, c.ptr + i, keep);
			i += keep;
		}
	}
	return changed;
}

struct place {
	uint32_t depth; /* components before this one */
	bool in_proc, in_process, in_dev, in_pts, after_task, after_fd, in_tmp;
};

static const char *numbered(const struct place *p, struct pw_slice c)
{
	if (!all_digits(c))
		return NULL;
	if (p->in_proc && p->depth == 1)
		return "<pid>";
	if (p->in_process && p->after_task)
		return "<tid>";
	if ((p->in_process && p->after_fd) || (p->in_pts && p->depth == 2))
		return "<n>";
	return NULL;
}

static void step(struct place *p, struct pw_slice c)
{
	if (p->depth == 0) {
		p->in_proc = pw_slice_eq_str(c, "proc");
		p->in_dev = pw_slice_eq_str(c, "dev");
		p->in_tmp = pw_slice_eq_str(c, "tmp");
	}
	if (p->depth == 1) {
		p->in_process = p->in_proc && (all_digits(c) || pw_slice_eq_str(c, "self"));
		p->in_pts = p->in_dev && pw_slice_eq_str(c, "pts");
		p->in_tmp |= pw_slice_eq_str(c, "tmp");
	}
	p->after_task = pw_slice_eq_str(c, "task");
	p->after_fd = pw_slice_eq_str(c, "fd") || pw_slice_eq_str(c, "fdinfo");
	p->depth++;
}

/* 1 for hexadecimal digits. */
static const uint8_t hex_table[256] = {['0'] = 1,
	['1'] = 1,
	['2'] = 1,
	['3'] = 1,
	['4'] = 1,
	['5'] = 1,
	['6'] = 1,
	['7'] = 1,
	['8'] = 1,
	['9'] = 1,
	['a'] = 1,
	['b'] = 1,
	['c'] = 1,
	['d'] = 1,
	['e'] = 1,
	['f'] = 1,
	['A'] = 1,
	['B'] = 1,
	['C'] = 1,
	['D'] = 1,
	['E'] = 1,
	['F'] = 1};

/* Eight hexadecimal digits in a row: looks at every eighth byte, and around those that are one. */
static bool has_hex_run(struct pw_slice s)
{
	for (size_t i = 7; i < s.len; i += 8) {
		size_t from = i, to = i;

		if (!hex_table[s.ptr[i]])
			continue;
		while (from > 0 && hex_table[s.ptr[from - 1]])
			from--;
		while (to < s.len && hex_table[s.ptr[to]])
			to++;
		if (to - from >= 8)
			return true;
	}
	return false;
}

/* Most paths have nothing random: a quick look that writes nothing. */
static bool may_be_random(struct pw_slice s)
{

	if (s.len < 5)
		return false;
	if (memcmp(s.ptr, "/proc", 5) == 0 || memcmp(s.ptr, "/dev/", 5) == 0)
		return true;
	if (memcmp(s.ptr, "/tmp", 4) == 0 || (s.len > 8 && memcmp(s.ptr, "/var/tmp", 8) == 0))
		return true;
	return has_hex_run(s);
}

struct pw_slice behaviour_path(struct pw_slice path, uint8_t *out)
{
	struct writer w = {out, 0, BEHAVIOUR_TEXT_BYTES};
	struct place p = {.depth = 0};
	bool changed = false;
	size_t at = 0;

	if (path.len > BEHAVIOUR_TEXT_BYTES)
		path.len = BEHAVIOUR_TEXT_BYTES;
	if (path.len == 0 || path.ptr[0] != '/' || !may_be_random(path))
		return path;
	while (at < path.len) {
		size_t from = at + 1, to = from;
		struct pw_slice c;
		const char *name;

		while (to < path.len && path.ptr[to] != '/')
			to++;
		c = pw_slice_sub(path, from, to);
		put_text(&w, "/");
		name = numbered(&p, c);
		if (name)
			put_text(&w, name);
		changed |= name || (p.in_tmp && p.depth > 0 && temporary(&w, c)) || tokens(&w, c);
		step(&p, c);
		at = to;
	}
	return changed ? pw_slice_of(out, w.len) : path;
}

struct pw_slice behaviour_name(struct pw_slice name, uint8_t *out)
{
	struct writer w = {out, 0, BEHAVIOUR_TEXT_BYTES};

	if (name.len > BEHAVIOUR_TEXT_BYTES)
		name.len = BEHAVIOUR_TEXT_BYTES;
	return tokens(&w, name) ? pw_slice_of(out, w.len) : name;
}

struct pw_slice behaviour_form(struct pw_slice name, uint8_t out[BEHAVIOUR_TEXT_BYTES])
{
	struct writer w = {out, 0, BEHAVIOUR_TEXT_BYTES};

	for (size_t i = 0; i < name.len && w.len < w.limit;) {
		size_t run = hex_run(name, i), digits = 0;

		while (i + digits < name.len && is_digit(name.ptr[i + digits]))
			digits++;
		if (run < 8)
			run = digits;
		if (run > 0)
			put_text(&w, "#");
		else
			put(&w, name.ptr + i, 1);
		i += run > 0 ? run : 1;
	}
	return pw_slice_of(out, w.len);
}

static const char *class_of(struct pw_slice s)
{
	if (all_digits(s))
		return "<n>";
	return pw_slice_find_byte(s, '/') >= 0 ? "<path>" : "<text>";
}

/* "-j4" -> "-j<n>", "--port=80" -> "--port=<n>", "-x" and "--long" as they are. */
static void put_flag(struct writer *w, struct pw_slice s)
{
	ptrdiff_t equals = pw_slice_find_byte(s, '=');
	size_t name = equals >= 0 ? (size_t)equals + 1 : s.len;

	if (equals < 0 && s.len > 2 && s.ptr[1] != '-' && !is_alnum(s.ptr[2]))
		name = 2;
	while (equals < 0 && name > 2 && is_digit(s.ptr[name - 1]))
		name--;
	if (name > 32)
		name = 32;
	put(w, s.ptr, name);
	if (name < s.len)
		put_text(w, class_of(pw_slice_sub(s, name, s.len)));
}

struct pw_slice behaviour_shape(struct pw_slice args, uint8_t out[BEHAVIOUR_SHAPE_BYTES])
{
	struct writer w = {out, 0, BEHAVIOUR_SHAPE_BYTES};
	struct pw_slice rest = args, arg;
	const char *last = NULL;

	(void)pw_slice_cut(&rest, 0, &arg);
	while (rest.len > 0 && pw_slice_cut(&rest, 0, &arg) && w.len < w.limit) {
		const char *class = arg.len > 1 && arg.ptr[0] == '-' ? NULL : class_of(arg);

		if (class && class == last)
			continue;
		last = class;
		if (w.len > 0)
			put_text(&w, " ");
		if (class)
			put_text(&w, class);
		else
			put_flag(&w, arg);
	}
	if (w.len == 0)
		put_text(&w, "(none)");
	return pw_slice_of(out, w.len);
}
