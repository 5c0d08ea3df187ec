/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What counts as a secret, which variables are of interest, and the key of the hash: built in, and
 * adjusted by a file of one rule a line:
 *
 *   hide-name WORD          values of names that hold WORD (case, '-' and '_' aside) are hidden
 *   keep-name WORD          … are not, whatever hide-name says
 *   hide-start TEXT COUNT   a word that begins with TEXT and goes on for COUNT bytes is hidden
 *   env NAME                this variable leaves the node, its value hidden
 *   env-show NAME           … with its value, which the rules above still apply to
 *
 * Blank lines and lines that begin with '#' are nothing. Rules of the file are tried before the
 * built-in ones.
 * Thread: any; immutable. Ceilings: REDACT_FILE_MAX bytes, REDACT_RULES_MAX rules of each sort,
 * REDACT_TEXT_MAX bytes a text.
 */
#include "common/base/err.h"
#include "common/base/siphash.h"

#define REDACT_FILE_MAX  65536u
#define REDACT_RULES_MAX 256u
#define REDACT_TEXT_MAX  64u

struct redact_rules;

struct redact_settings {
	const char *rules_file; /* NULL = built in only */
	const char *key_file; /* at least 16 bytes, of which the first 16; NULL = random or zero */
	bool random_key; /* without a key file; false: zeros, so that a replay repeats itself */
};

enum redact_env { REDACT_ENV_IGNORED, REDACT_ENV_HIDDEN, REDACT_ENV_SHOWN };

/* err names the file and the line. */
int redact_rules_new(const struct redact_settings *settings, struct redact_rules **ret,
	struct pw_err *err) PW_MUST_CHECK;
/* The same from text; source: how err names it. */
int redact_rules_parse(struct redact_rules *rules, struct pw_slice text, const char *source,
	struct pw_err *err) PW_MUST_CHECK;
/* Without a file, and with a key of zeros. */
const struct redact_rules *redact_rules_built_in(void);
void redact_rules_free(struct redact_rules *rules);

bool redact_rules_hide_name(const struct redact_rules *rules, struct pw_slice name);
bool redact_rules_hide_word(const struct redact_rules *rules, struct pw_slice word);
enum redact_env redact_rules_env(const struct redact_rules *rules, struct pw_slice name);
uint32_t redact_rules_hash(const struct redact_rules *rules, struct pw_slice value);
