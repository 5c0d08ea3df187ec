/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_lex.h"

#include "common/base/escape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
	const char *text;
	enum sig_op op;
} operators[] = {
	{"==", SIG_OP_EQ},
	{"=", SIG_OP_EQ},
	{"!=", SIG_OP_NE},
	{"<=", SIG_OP_LE},
	{"<", SIG_OP_LT},
	{">=", SIG_OP_GE},
	{">", SIG_OP_GT},
	{"in", SIG_OP_IN},
	{"contains", SIG_OP_CONTAINS},
	{"icontains", SIG_OP_ICONTAINS},
	{"bcontains", SIG_OP_BCONTAINS},
	{"bstartswith", SIG_OP_BSTARTSWITH},
	{"startswith", SIG_OP_STARTSWITH},
	{"endswith", SIG_OP_ENDSWITH},
	{"glob", SIG_OP_GLOB},
	{"pmatch", SIG_OP_PMATCH},
	{"intersects", SIG_OP_INTERSECTS},
	{"exists", SIG_OP_EXISTS},
	{"iglob", SIG_OP_IGLOB},
	{"regex", SIG_OP_REGEX},
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name(uint8_t c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
}

/* The byte at pos + ahead, 0 behind the end (a NUL in the text is refused by the parser). */
static uint8_t peek(const struct sig_lex *l, size_t ahead)
{
	return l->pos + ahead < l->text.len ? l->text.ptr[l->pos + ahead] : 0;
}

void sig_lex_blanks(struct sig_lex *l)
{
	while (l->pos < l->text.len && is_blank(l->text.ptr[l->pos]))
		l->pos++;
}

bool sig_lex_at_end(struct sig_lex *l)
{
	sig_lex_blanks(l);
	return l->pos >= l->text.len;
}

bool sig_lex_eat(struct sig_lex *l, char byte)
{
	sig_lex_blanks(l);
	if (l->pos >= l->text.len || l->text.ptr[l->pos] != (uint8_t)byte)
		return false;
	l->pos++;
	return true;
}

bool sig_lex_sees(struct sig_lex *l, char byte)
{
	sig_lex_blanks(l);
	return l->pos < l->text.len && l->text.ptr[l->pos] == (uint8_t)byte;
}

bool sig_lex_sees_word(struct sig_lex *l, const char *word)
{
	size_t len = strlen(word);

	sig_lex_blanks(l);
	if (!pw_slice_starts(pw_slice_sub(l->text, l->pos, l->text.len), pw_slice_of(word, len)))
		return false;
	if (l->pos + len < l->text.len && !is_blank(peek(l, len)) && peek(l, len) != '(' &&
		peek(l, len) != ')')
		return false;
	return true;
}

bool sig_lex_word(struct sig_lex *l, const char *word)
{
	if (!sig_lex_sees_word(l, word))
		return false;
	l->pos += strlen(word);
	return true;
}

const char *sig_op_name(enum sig_op op)
{
	for (size_t i = 0; i < PW_COUNT(operators); i++)
		if (operators[i].op == op)
			return operators[i].text;
	return "?";
}

/* The place in the text as it was written. */
static size_t origin_of(const struct sig_lex *l, size_t pos)
{
	uint32_t i = l->origin_count;

	while (i > 0 && l->origins[i - 1].at > pos)
		i--;
	if (i == 0)
		return pos;
	return l->origins[i - 1].from +
	       (l->origins[i - 1].is_list ? 0 : pos - l->origins[i - 1].at);
}

/* Start of the line that pos is on, and the numbers that people count from 1. */
static size_t locate(struct pw_slice text, size_t pos, unsigned *ret_line, unsigned *ret_column)
{
	size_t start = 0;

	*ret_line = 1;
	for (size_t i = 0; i < pos && i < text.len; i++) {
		if (text.ptr[i] != '\n')
			continue;
		(*ret_line)++;
		start = i + 1;
	}
	*ret_column = (unsigned)(pos - start) + 1;
	return start;
}

/* Printable ASCII stays, all else is shown as one '?', so that the caret stands right. */
static void excerpt(struct pw_slice s, char *out, size_t size)
{
	size_t i;

	for (i = 0; i < s.len && i + 1 < size; i++)
		out[i] = s.ptr[i] >= ' ' && s.ptr[i] < 0x7f ? (char)s.ptr[i] : '?';
	out[i] = '\0';
}

int sig_lex_fail(struct sig_lex *l, size_t pos, const char *format, ...)
{
	struct pw_slice text = l->origin_count > 0 ? l->written : l->text;
	size_t at = origin_of(l, pos);
	unsigned line, column;
	size_t start = locate(text, at, &line, &column);
	size_t from = at > start + 40 ? at - 40 : start;
	struct pw_slice rest = pw_slice_sub(text, from, from + 70);
	ptrdiff_t newline = pw_slice_find_byte(rest, '\n');
	char what[200], shown[80];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (newline >= 0)
		rest.len = (size_t)newline;
	excerpt(rest, shown, sizeof(shown));
	return pw_err_set(l->err, -EINVAL, "line %u, column %u: %s\n  %s\n  %*s^", line, column,
		what, shown, (int)(at - from), "");
}

enum sig_op sig_lex_operator(struct sig_lex *l, struct pw_slice *ret_word)
{
	sig_lex_blanks(l);
	for (size_t i = 0; i < PW_COUNT(operators); i++) {
		struct pw_slice word = pw_slice_str(operators[i].text);
		size_t from = l->pos;

		*ret_word = word;
		if (is_letter(word.ptr[0])) {
			if (sig_lex_word(l, operators[i].text))
				return operators[i].op;
			continue;
		}
		if (!pw_slice_starts(pw_slice_sub(l->text, from, l->text.len), word))
			continue;
		l->pos += word.len;
		return operators[i].op;
	}
	return SIG_OP_NONE;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The escape behind a backslash at pos; moves behind it. */
static int lex_escape(struct sig_lex *l, uint8_t *ret)
{
	static const char from[] = "bfnrt\\/\"' ", to[] = "\b\f\n\r\t\\/\"'\\";
	uint8_t c = peek(l, 1);
	const char *found = c ? strchr(from, c) : NULL;

	if (found) {
		*ret = (uint8_t)to[found - from];
		l->pos += 2;
		return 0;
	}
	if (c == 'x' && hex_digit(peek(l, 2)) >= 0 && hex_digit(peek(l, 3)) >= 0) {
		*ret = (uint8_t)(hex_digit(peek(l, 2)) * 16 + hex_digit(peek(l, 3)));
		l->pos += 4;
		return 0;
	}
	return sig_lex_fail(l, l->pos, "unknown escape in the quoted text");
}

static int lex_quoted(struct sig_lex *l, struct pw_slice *ret)
{
	size_t open = l->pos;
	uint8_t quote = peek(l, 0), c;
	uint8_t *out = pw_arena_alloc(l->arena, l->text.len - l->pos + 1);
	size_t len = 0;

	if (!out)
		return pw_err_set(l->err, -ENOMEM, "condition: out of memory");
	l->pos++;
	while (l->pos < l->text.len && peek(l, 0) != quote) {
		c = peek(l, 0);
		if (c != '\\')
			l->pos++;
		else if (lex_escape(l, &c) < 0)
			return -EINVAL;
		out[len++] = c;
	}
	if (l->pos >= l->text.len)
		return sig_lex_fail(l, open, "quoted text without an end");
	l->pos++;
	*ret = pw_slice_of(out, len);
	return 0;
}

static size_t digits(const struct sig_lex *l, size_t at)
{
	size_t from = at;

	while (peek(l, at) >= '0' && peek(l, at) <= '9')
		at++;
	return at - from;
}

bool sig_lex_number(struct sig_lex *l, struct pw_slice *ret)
{
	size_t len = 0, whole;

	sig_lex_blanks(l);
	if (peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X') &&
		hex_digit(peek(l, 2)) >= 0) {
		len = 2;
		while (hex_digit(peek(l, len)) >= 0)
			len++;
	} else {
		len = peek(l, 0) == '+' || peek(l, 0) == '-';
		whole = digits(l, len);
		if (whole == 0)
			return false;
		len += whole;
		if (peek(l, len) == '.')
			len += 1 + digits(l, len + 1);
	}
	*ret = pw_slice_sub(l->text, l->pos, l->pos + len);
	l->pos += len;
	return true;
}

int sig_lex_value(struct sig_lex *l, struct pw_slice *ret)
{
	size_t from;

	sig_lex_blanks(l);
	from = l->pos;
	if (peek(l, 0) == '"' || peek(l, 0) == '\'')
		return lex_quoted(l, ret);
	while (l->pos < l->text.len && !is_blank(peek(l, 0)) &&
		(peek(l, 0) == 0 || !strchr("()\"'=,", peek(l, 0))))
		l->pos++;
	if (l->pos == from)
		return sig_lex_fail(l, from, "expected a value");
	*ret = pw_slice_sub(l->text, from, l->pos);
	return 0;
}

static bool is_index_byte(uint8_t c)
{
	return c && !is_blank(c) && !strchr("[]\"'", c);
}

/* [word] or ["text with blanks"] right behind the field. */
static int lex_index(struct sig_lex *l, struct pw_slice *ret_arg)
{
	size_t open = l->pos++;
	size_t from = l->pos;
	int r;

	if (peek(l, 0) == '"' || peek(l, 0) == '\'') {
		r = lex_quoted(l, ret_arg);
		if (r < 0)
			return r;
	} else {
		while (is_index_byte(peek(l, 0)))
			l->pos++;
		*ret_arg = pw_slice_sub(l->text, from, l->pos);
	}
	if (peek(l, 0) != ']' || ret_arg->len == 0)
		return sig_lex_fail(l, open, "expected [argument] behind the field");
	l->pos++;
	return 0;
}

int sig_lex_field(struct sig_lex *l, struct pw_slice *ret_name, struct pw_slice *ret_arg)
{
	size_t from;

	sig_lex_blanks(l);
	from = l->pos;
	*ret_arg = (struct pw_slice){NULL, 0};
	if (!is_letter(peek(l, 0)))
		return sig_lex_fail(l, from, "expected a field");
	while (is_name(peek(l, 0)) || (peek(l, 0) == '.' && is_name(peek(l, 1))))
		l->pos++;
	*ret_name = pw_slice_sub(l->text, from, l->pos);
	return peek(l, 0) == '[' ? lex_index(l, ret_arg) : 0;
}
