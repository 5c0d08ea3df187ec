/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/redact_rules.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/escape.h"
#include "common/base/num.h"
#include "common/base/random.h"

#define COUNT_MAX 4096u

enum rule {
	RULE_HIDE_NAME,
	RULE_KEEP_NAME,
	RULE_HIDE_START,
	RULE_ENV,
	RULE_ENV_SHOW,
	RULES,
};

static const char *const rule_names[RULES] = {
	[RULE_HIDE_NAME] = "hide-name",
	[RULE_KEEP_NAME] = "keep-name",
	[RULE_HIDE_START] = "hide-start",
	[RULE_ENV] = "env",
	[RULE_ENV_SHOW] = "env-show",
};

struct text {
	uint8_t len;
	uint32_t more; /* of hide-start */
	char bytes[REDACT_TEXT_MAX];
};

struct redact_rules {
	uint8_t key[PW_SIPHASH_KEY];
	struct text *texts[RULES];
	uint32_t counts[RULES];
};

/* --- built in --- */

/* Parts of names, lower case, without '-' and '_'. */
static const char *const secret_names[] = {"password", "passwd", "passphrase", "pwd", "secret",
	"token", "apikey", "accesskey", "privatekey", "authkey", "credential", "signature",
	"authorization", "cookie"};

/* Source: the vendors' pages on their token formats. */
static const struct {
	const char *start;
	uint32_t more;
} shapes[] = {
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

/* They name code that is loaded or how the loader behaves: what an attack puts there matters. */
static const char *const shown_env[] = {"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT",
	"GLIBC_TUNABLES", "PYTHONPATH", "PERL5LIB", "BASH_ENV", "HISTFILE"};

/* That they are set says something; their values may hold credentials. */
static const char *const hidden_env[] = {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY",
	"HTTPS_PROXY", "ALL_PROXY", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "PERL5OPT", "RUBYOPT",
	"PYTHONSTARTUP", "GIT_SSH_COMMAND", "KUBECONFIG", "AWS_ACCESS_KEY_ID",
	"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS"};

/* --- questions --- */

/* Does the name hold the word, '-', '_' and case aside? */
static bool holds_word(struct pw_slice name, struct pw_slice word)
{
	for (size_t from = 0; from < name.len; from++) {
		size_t at = 0;

		for (size_t i = from; i < name.len && at < word.len; i++) {
			if (name.ptr[i] == '-' || name.ptr[i] == '_')
				continue;
			if (tolower(name.ptr[i]) != word.ptr[at])
				break;
			at++;
		}
		if (at == word.len)
			return true;
	}
	return false;
}

static struct pw_slice text_of(const struct redact_rules *r, enum rule rule, uint32_t i)
{
	return pw_slice_of(r->texts[rule][i].bytes, r->texts[rule][i].len);
}

static bool any_holds(const struct redact_rules *r, enum rule rule, struct pw_slice name)
{
	for (uint32_t i = 0; i < r->counts[rule]; i++)
		if (holds_word(name, text_of(r, rule, i)))
			return true;
	return false;
}

bool redact_rules_hide_name(const struct redact_rules *r, struct pw_slice name)
{
	if (any_holds(r, RULE_KEEP_NAME, name))
		return false;
	if (any_holds(r, RULE_HIDE_NAME, name))
		return true;
	for (size_t i = 0; i < PW_COUNT(secret_names); i++)
		if (holds_word(name, pw_slice_str(secret_names[i])))
			return true;
	return false;
}

static bool has_shape(struct pw_slice word, struct pw_slice start, uint32_t more)
{
	return word.len >= start.len + more && pw_slice_starts(word, start);
}

bool redact_rules_hide_word(const struct redact_rules *r, struct pw_slice word)
{
	for (uint32_t i = 0; i < r->counts[RULE_HIDE_START]; i++)
		if (has_shape(word, text_of(r, RULE_HIDE_START, i),
			    r->texts[RULE_HIDE_START][i].more))
			return true;
	for (size_t i = 0; i < PW_COUNT(shapes); i++)
		if (has_shape(word, pw_slice_str(shapes[i].start), shapes[i].more))
			return true;
	return false;
}

static bool is_listed(const struct redact_rules *r, enum rule rule, struct pw_slice name)
{
	for (uint32_t i = 0; i < r->counts[rule]; i++)
		if (pw_slice_eq(name, text_of(r, rule, i)))
			return true;
	return false;
}

static bool is_one_of(struct pw_slice name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (pw_slice_eq_str(name, names[i]))
			return true;
	return false;
}

enum redact_env redact_rules_env(const struct redact_rules *r, struct pw_slice name)
{
	if (is_listed(r, RULE_ENV, name))
		return REDACT_ENV_HIDDEN;
	if (is_listed(r, RULE_ENV_SHOW, name))
		return REDACT_ENV_SHOWN;
	if (is_one_of(name, hidden_env, PW_COUNT(hidden_env)))
		return REDACT_ENV_HIDDEN;
	if (is_one_of(name, shown_env, PW_COUNT(shown_env)))
		return REDACT_ENV_SHOWN;
	return REDACT_ENV_IGNORED;
}

uint32_t redact_rules_hash(const struct redact_rules *r, struct pw_slice value)
{
	return (uint32_t)pw_siphash(value, r->key);
}

/* --- the file --- */

static int add_rule(struct redact_rules *r, enum rule rule, struct pw_slice text, uint32_t more)
{
	struct text *grown;

	if (r->counts[rule] >= REDACT_RULES_MAX)
		return -ENOSPC;
	grown = pw_realloc(r->texts[rule], r->counts[rule] + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	r->texts[rule] = grown;
	grown += r->counts[rule]++;
	*grown = (struct text){.len = (uint8_t)text.len, .more = more};
	memcpy(grown->bytes, text.ptr, text.len);
	return 0;
}

/* hide-name and keep-name are compared with names in lower case without '-' and '_'. */
static struct pw_slice plain_word(struct pw_slice word, uint8_t out[REDACT_TEXT_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < word.len; i++)
		if (word.ptr[i] != '-' && word.ptr[i] != '_')
			out[len++] = (uint8_t)tolower(word.ptr[i]);
	return pw_slice_of(out, len);
}

static struct pw_slice next_word(struct pw_slice *rest)
{
	size_t len = 0;
	struct pw_slice word;

	*rest = pw_slice_trim(*rest);
	while (len < rest->len && !isspace(rest->ptr[len]))
		len++;
	word = pw_slice_sub(*rest, 0, len);
	*rest = pw_slice_trim(pw_slice_sub(*rest, len, rest->len));
	return word;
}

/* 0, or what is wrong with the line. */
static const char *parse_rule(struct redact_rules *r, struct pw_slice line, int *ret)
{
	struct pw_slice kind = next_word(&line), text = next_word(&line);
	uint8_t plain[REDACT_TEXT_MAX];
	uint64_t more = 0;
	unsigned rule = 0;

	while (rule < RULES && !pw_slice_eq_str(kind, rule_names[rule]))
		rule++;
	if (rule == RULES)
		return "unknown rule; there are hide-name, keep-name, hide-start, env, env-show";
	if (text.len == 0 || text.len > REDACT_TEXT_MAX)
		return "expected a text of 1 to 64 bytes behind the rule";
	if (rule == RULE_HIDE_START && pw_num_u64(next_word(&line), COUNT_MAX, &more) < 0)
		return "expected a number up to 4096 behind the text";
	if (line.len > 0)
		return "more words than the rule takes";
	if (rule == RULE_HIDE_NAME || rule == RULE_KEEP_NAME)
		text = plain_word(text, plain);
	if (text.len == 0)
		return "the word is only of '-' and '_'";
	*ret = add_rule(r, (enum rule)rule, text, (uint32_t)more);
	return *ret == -ENOSPC ? "more than 256 rules of this sort" : NULL;
}

int redact_rules_parse(
	struct redact_rules *r, struct pw_slice text, const char *source, struct pw_err *err)
{
	struct pw_slice line = {0};
	unsigned number = 0;

	while (pw_slice_cut(&text, '\n', &line)) {
		const char *wrong = NULL;
		char shown[120];
		int code = 0;

		number++;
		line = pw_slice_trim(line);
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		wrong = parse_rule(r, line, &code);
		if (wrong)
			return pw_err_set(err, -EINVAL, "%s, line %u: %s: \"%s\"", source, number,
				wrong, pw_escape_to(line, shown, sizeof(shown)));
		if (code < 0)
			return pw_err_set(err, code, "%s: %s", source, pw_err_text(code));
	}
	return 0;
}

/* Bytes read, at most size, or -errno. */
static ssize_t read_file(const char *path, void *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && done < size) {
		n = read(fd, (uint8_t *)out + done, size - done);
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (n < 0)
		n = -errno;
	(void)close(fd);
	return n < 0 ? n : (ssize_t)done;
}

static int load_rules(struct redact_rules *r, const char *path, struct pw_err *err)
{
	pw_auto_free uint8_t *text = pw_alloc0(1, REDACT_FILE_MAX + 1);
	ssize_t len = 0;

	if (!text)
		return pw_err_set(err, -ENOMEM, "%s: out of memory", path);
	len = read_file(path, text, REDACT_FILE_MAX + 1);
	if (len < 0)
		return pw_err_set(err, (int)len, "%s: %s", path, pw_err_text((int)len));
	if ((size_t)len > REDACT_FILE_MAX)
		return pw_err_set(err, -E2BIG, "%s: longer than 64 KiB", path);
	return redact_rules_parse(r, pw_slice_of(text, (size_t)len), path, err);
}

static int load_key(struct redact_rules *r, const struct redact_settings *s, struct pw_err *err)
{
	ssize_t len = 0;

	if (!s->key_file) {
		if (s->random_key)
			pw_random_bytes(r->key, sizeof(r->key));
		return 0;
	}
	len = read_file(s->key_file, r->key, sizeof(r->key));
	if (len < 0)
		return pw_err_set(err, (int)len, "%s: %s", s->key_file, pw_err_text((int)len));
	if ((size_t)len < sizeof(r->key))
		return pw_err_set(err, -EINVAL, "%s: a key has at least 16 bytes", s->key_file);
	return 0;
}

const struct redact_rules *redact_rules_built_in(void)
{
	static const struct redact_rules rules;

	return &rules;
}

static void redact_rules_freep(struct redact_rules **r)
{
	redact_rules_free(*r);
}

int redact_rules_new(
	const struct redact_settings *settings, struct redact_rules **ret, struct pw_err *err)
{
	pw_cleanup(redact_rules_freep) struct redact_rules *r = pw_alloc0(1, sizeof(*r));
	int code = 0;

	if (!r)
		return pw_err_set(err, -ENOMEM, "redaction: out of memory");
	code = load_key(r, settings, err);
	if (code < 0)
		return pw_err_wrap(err, code, "--redact-key");
	if (settings->rules_file)
		code = load_rules(r, settings->rules_file, err);
	if (code < 0)
		return pw_err_wrap(err, code, "--redact-rules");
	*ret = PW_TAKE(r);
	return 0;
}

void redact_rules_free(struct redact_rules *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < RULES; i++)
		free(r->texts[i]);
	free(r);
}
