/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/redact.h"

#include <ctype.h>

#define HIDDEN "***"

/* Parts of names, lower case, without '-' and '_' (those are skipped in the text). */
static const char *const secret_names[] = {
	"password",
	"passwd",
	"passphrase",
	"pwd",
	"secret",
	"token",
	"apikey",
	"accesskey",
	"privatekey",
	"authkey",
	"credential",
	"signature",
	"authorization",
	"cookie",
};

/* Whole words that begin with one of these and go on with at least `more` bytes of the alphabet. */
static const struct {
	const char *start;
	size_t more;
} shapes[] = {
	/* Source: the vendors' pages on their token formats. */
	{"AKIA", 16},
	{"ASIA", 16},
	{"ghp_", 30},
	{"gho_", 30},
	{"ghu_", 30},
	{"ghs_", 30},
	{"ghr_", 30},
	{"github_pat_", 30},
	{"glpat-", 16},
	{"xoxb-", 10},
	{"xoxp-", 10},
	{"xoxa-", 10},
	{"xoxs-", 10},
	{"sk-", 20},
	{"hvs.", 20},
	{"eyJ", 20},
};

static bool is_word(uint8_t c)
{
	return isalnum(c) || c == '_' || c == '-' || c == '.';
}

static bool is_value_end(uint8_t c)
{
	return isspace(c) || c == '&' || c == '"' || c == '\'' || c == ',' || c == ';';
}

/* Does the name hold one of the secret words, '-', '_' and case aside? */
static bool holds_word(struct pw_slice name, const char *word)
{
	for (size_t from = 0; from < name.len; from++) {
		const char *w = word;
		size_t i = from;

		while (i < name.len && *w) {
			if (name.ptr[i] != '-' && name.ptr[i] != '_') {
				if (tolower(name.ptr[i]) != *w)
					break;
				w++;
			}
			i++;
		}
		if (!*w)
			return true;
	}
	return false;
}

static bool is_secret_name(struct pw_slice name)
{
	for (size_t i = 0; i < PW_COUNT(secret_names); i++)
		if (holds_word(name, secret_names[i]))
			return true;
	return false;
}

static bool is_word_of(struct pw_slice word, const char *text)
{
	size_t len = strlen(text);

	return word.len == len && strncasecmp((const char *)word.ptr, text, len) == 0;
}

static bool has_secret_shape(struct pw_slice word)
{
	for (size_t i = 0; i < PW_COUNT(shapes); i++)
		if (pw_slice_starts(word, pw_slice_str(shapes[i].start)) &&
			word.len >= strlen(shapes[i].start) + shapes[i].more)
			return true;
	return false;
}

/* Length of what is between `from` and the end of a value. */
static size_t value_len(struct pw_slice arg, size_t from)
{
	size_t at = from;

	while (at < arg.len && !is_value_end(arg.ptr[at]))
		at++;
	return at - from;
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

/* "//user:password@" behind a scheme: copies up to the colon, hides, returns what was consumed. */
static size_t redact_url(struct pw_slice arg, size_t from, struct pw_buf *out)
{
	struct pw_slice rest = pw_slice_sub(arg, from, arg.len);
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
	(void)pw_buf_add(out, rest.ptr, colon + 1);
	(void)pw_buf_add_str(out, HIDDEN);
	return at;
}

/* What was said before the present word. */
enum mood {
	MOOD_PLAIN,
	MOOD_NAMED,  /* after "Authorization:", where Basic is a scheme and no ordinary word */
	MOOD_SCHEME, /* after Bearer or Basic */
};

/*
 * One word at `from`, already measured. Appends it or its hidden form with what belongs to it;
 * returns the number of bytes consumed.
 */
static size_t redact_word(
	struct pw_slice arg, size_t from, size_t len, enum mood *mood, struct pw_buf *out)
{
	struct pw_slice word = pw_slice_sub(arg, from, from + len);
	size_t separator = separator_len(arg, from + len);
	size_t value = from + len + separator;
	struct pw_slice first = {0};
	size_t hidden = 0;

	if (*mood == MOOD_SCHEME || has_secret_shape(word)) {
		*mood = MOOD_PLAIN;
		(void)pw_buf_add_str(out, HIDDEN);
		return value_len(arg, from);
	}
	(void)pw_buf_add_slice(out, word);
	if (is_word_of(word, "bearer") || (*mood == MOOD_NAMED && is_word_of(word, "basic"))) {
		*mood = MOOD_SCHEME;
		return len;
	}
	*mood = MOOD_PLAIN;
	if (separator == 0 || !is_secret_name(word))
		return len;
	(void)pw_buf_add(out, arg.ptr + from + len, separator);
	hidden = value_len(arg, value);
	first = pw_slice_sub(arg, value, value + hidden);
	if (is_word_of(first, "bearer") || is_word_of(first, "basic")) {
		*mood = MOOD_NAMED; /* the scheme is no secret, what follows is */
		return len + separator;
	}
	if (hidden > 0)
		(void)pw_buf_add_str(out, HIDDEN);
	return len + separator + hidden;
}

static void redact_arg(struct pw_slice arg, struct pw_buf *out)
{
	enum mood mood = MOOD_PLAIN;
	size_t at = 0;

	if (pw_slice_find(arg, PW_SLICE_LIT("PRIVATE KEY-----")) >= 0) {
		(void)pw_buf_add_str(out, HIDDEN);
		return;
	}
	while (at < arg.len) {
		size_t len = 0;

		while (at + len < arg.len && is_word(arg.ptr[at + len]))
			len++;
		if (len > 0) {
			at += redact_word(arg, at, len, &mood, out);
			continue;
		}
		len = redact_url(arg, at, out);
		if (len == 0) {
			(void)pw_buf_add_byte(out, arg.ptr[at]);
			len = 1;
		}
		at += len;
	}
}

/* "--password": the next argument is the secret. With a value inside it is not. */
static bool hides_next(struct pw_slice arg)
{
	return arg.len > 1 && arg.ptr[0] == '-' && pw_slice_find_byte(arg, '=') < 0 &&
	       pw_slice_find_byte(arg, ' ') < 0 && is_secret_name(arg);
}

int redact_args(struct pw_slice args, struct pw_buf *out)
{
	struct pw_slice arg = {0};
	bool first = true;
	bool hide = false;

	if (args.len > 0 && args.ptr[args.len - 1] == 0)
		args.len--;
	while (pw_slice_cut(&args, 0, &arg)) {
		if (!first)
			(void)pw_buf_add_byte(out, 0);
		first = false;
		if (hide && arg.len > 0 && arg.ptr[0] != '-')
			(void)pw_buf_add_str(out, HIDDEN);
		else
			redact_arg(arg, out);
		hide = hides_next(arg);
	}
	return pw_buf_error(out);
}
