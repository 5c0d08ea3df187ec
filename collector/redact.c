/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/redact.h"

#include <ctype.h>

#define ENV_VALUE_MAX 512u /* of a shown value */
#define ENV_BYTES_MAX 4096u

static bool is_word(uint8_t c)
{
	return isalnum(c) || c == '_' || c == '-' || c == '.';
}

static bool is_value_end(uint8_t c)
{
	return isspace(c) || c == '&' || c == '"' || c == '\'' || c == ',' || c == ';';
}

static bool is_word_of(struct pw_slice word, const char *text)
{
	size_t len = strlen(text);

	return word.len == len && strncasecmp((const char *)word.ptr, text, len) == 0;
}

/* What was said before the present word. */
enum mood {
	MOOD_PLAIN,
	MOOD_NAMED,  /* after "Authorization:", where Basic is a scheme and no ordinary word */
	MOOD_SCHEME, /* after Bearer or Basic */
};

/* One argument on its way. */
struct reader {
	const struct redact_rules *rules;
	struct pw_slice arg;
	struct pw_buf *out;
	enum mood mood;
	bool is_flag; /* it begins with '-' */
};

/* What is said instead of a value. */
static void hide(const struct redact_rules *rules, struct pw_slice value, struct pw_buf *out)
{
	(void)pw_buf_addf(out, "***%08x", redact_rules_hash(rules, value));
}

static size_t hide_at(const struct reader *r, size_t from, size_t len)
{
	if (len > 0)
		hide(r->rules, pw_slice_sub(r->arg, from, from + len), r->out);
	return len;
}

/* Length of what is between `from` and the end of a value that stands among other things. */
static size_t value_len(struct pw_slice arg, size_t from)
{
	size_t at = from;

	while (at < arg.len && !is_value_end(arg.ptr[at]))
		at++;
	return at - from;
}

/*
 * The same behind a name. In "--password=a,b c" all of the rest is the value; in quotes all up to
 * the closing one. Elsewhere a value ends early on purpose: what follows may be a command that must
 * not hide behind an assignment.
 */
static size_t named_value_len(const struct reader *r, size_t from, bool whole)
{
	uint8_t before = from > 0 ? r->arg.ptr[from - 1] : 0;
	struct pw_slice rest = pw_slice_sub(r->arg, from, r->arg.len);
	ptrdiff_t close = -1;

	if (whole)
		return rest.len;
	if (before == '"' || before == '\'')
		close = pw_slice_find_byte(rest, before);
	return close >= 0 ? (size_t)close : value_len(r->arg, from);
}

/* Behind a name: `=`, `:`, quotes and blanks. 0 = no value follows. */
static size_t separator_len(struct pw_slice arg, size_t from)
{
	size_t at = from;
	bool seen = false;

	while (at < arg.len && (isspace(arg.ptr[at]) || strchr("=:\"'", arg.ptr[at]))) {
		seen = seen || arg.ptr[at] == '=' || arg.ptr[at] == ':';
		at++;
	}
	return seen ? at - from : 0;
}

/* "://user:password@": copies up to the second colon, hides, returns what was consumed. */
static size_t redact_url(const struct reader *r, size_t from)
{
	struct pw_slice rest = pw_slice_sub(r->arg, from, r->arg.len);
	size_t colon = 0;
	size_t at = 3;

	if (!pw_slice_starts(rest, PW_SLICE_LIT("://")))
		return 0;
	while (at < rest.len && rest.ptr[at] != '/' && rest.ptr[at] != '@' &&
		!isspace(rest.ptr[at])) {
		if (rest.ptr[at] == ':' && colon == 0)
			colon = at;
		at++;
	}
	if (colon == 0 || at >= rest.len || rest.ptr[at] != '@')
		return 0;
	(void)pw_buf_add(r->out, rest.ptr, colon + 1);
	hide(r->rules, pw_slice_sub(rest, colon + 1, at), r->out);
	return at;
}

/* A name with its separator is copied already; the value follows at `at`. Bytes consumed. */
static size_t redact_value(struct reader *r, size_t at, bool whole)
{
	size_t first_len = value_len(r->arg, at);
	struct pw_slice first = pw_slice_sub(r->arg, at, at + first_len);

	if (is_word_of(first, "bearer") || is_word_of(first, "basic")) {
		r->mood = MOOD_NAMED; /* the scheme is no secret, what follows is */
		return 0;
	}
	return hide_at(r, at, named_value_len(r, at, whole));
}

/*
 * One word at `from`, already measured. Appends it or its hidden form with what belongs to it;
 * returns the number of bytes consumed.
 */
static size_t redact_word(struct reader *r, size_t from, size_t len)
{
	struct pw_slice word = pw_slice_sub(r->arg, from, from + len);
	size_t separator = separator_len(r->arg, from + len);
	enum mood before = r->mood;
	bool whole = r->is_flag && from == 0 && separator == 1;

	r->mood = MOOD_PLAIN;
	if (before == MOOD_SCHEME || redact_rules_hide_word(r->rules, word))
		return hide_at(r, from, value_len(r->arg, from));
	(void)pw_buf_add_slice(r->out, word);
	if (is_word_of(word, "bearer") || (before == MOOD_NAMED && is_word_of(word, "basic"))) {
		r->mood = MOOD_SCHEME;
		return len;
	}
	if (separator == 0 || !redact_rules_hide_name(r->rules, word))
		return len;
	(void)pw_buf_add(r->out, r->arg.ptr + from + len, separator);
	return len + separator + redact_value(r, from + len + separator, whole);
}

static void redact_arg(const struct redact_rules *rules, struct pw_slice arg, struct pw_buf *out)
{
	struct reader r = {rules, arg, out, MOOD_PLAIN, arg.len > 0 && arg.ptr[0] == '-'};
	size_t at = 0;

	if (pw_slice_find(arg, PW_SLICE_LIT("PRIVATE KEY-----")) >= 0) {
		hide(rules, arg, out);
		return;
	}
	while (at < arg.len) {
		size_t len = 0;

		while (at + len < arg.len && is_word(arg.ptr[at + len]))
			len++;
		if (len > 0) {
			at += redact_word(&r, at, len);
			continue;
		}
		len = redact_url(&r, at);
		if (len == 0) {
			(void)pw_buf_add_byte(out, arg.ptr[at]);
			len = 1;
		}
		at += len;
	}
}

/* "--password": the next argument is the secret. With a value inside it is not. */
static bool hides_next(const struct redact_rules *rules, struct pw_slice arg)
{
	return arg.len > 1 && arg.ptr[0] == '-' && pw_slice_find_byte(arg, '=') < 0 &&
	       pw_slice_find_byte(arg, ' ') < 0 && redact_rules_hide_name(rules, arg);
}

int redact_args(const struct redact_rules *rules, struct pw_slice args, struct pw_buf *out)
{
	struct pw_slice arg = {0};
	bool first = true;
	bool hide_it = false;

	if (args.len > 0 && args.ptr[args.len - 1] == 0)
		args.len--;
	while (pw_slice_cut(&args, 0, &arg)) {
		if (!first)
			(void)pw_buf_add_byte(out, 0);
		first = false;
		if (hide_it && arg.len > 0 && arg.ptr[0] != '-')
			hide(rules, arg, out);
		else
			redact_arg(rules, arg, out);
		hide_it = hides_next(rules, arg);
	}
	return pw_buf_error(out);
}

/* Shown values pass the rules for arguments, so that a secret in them is hidden all the same. */
static void redact_variable(const struct redact_rules *rules, struct pw_slice name,
	struct pw_slice value, struct pw_buf *out)
{
	(void)pw_buf_add_slice(out, name);
	(void)pw_buf_add_byte(out, '=');
	if (redact_rules_env(rules, name) == REDACT_ENV_SHOWN &&
		!redact_rules_hide_name(rules, name))
		redact_arg(rules, pw_slice_sub(value, 0, ENV_VALUE_MAX), out);
	else if (value.len > 0)
		hide(rules, value, out);
}

int redact_env(const struct redact_rules *rules, struct pw_slice env, struct pw_buf *out)
{
	size_t start = out->len;
	struct pw_slice each = {0};

	while (pw_slice_cut(&env, 0, &each) && out->len - start < ENV_BYTES_MAX) {
		ptrdiff_t equals = pw_slice_find_byte(each, '=');
		struct pw_slice name = pw_slice_sub(each, 0, equals > 0 ? (size_t)equals : 0);

		if (name.len == 0 || redact_rules_env(rules, name) == REDACT_ENV_IGNORED)
			continue;
		if (out->len > start)
			(void)pw_buf_add_byte(out, 0);
		redact_variable(rules, name, pw_slice_sub(each, name.len + 1, each.len), out);
	}
	return pw_buf_error(out);
}
