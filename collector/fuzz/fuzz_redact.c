/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as rules, arguments, environment, and as secrets. Rules end at the first 0xff byte, if
 * there is one; the rest is the text.
 */
#include "collector/redact.h"
#include "common/base/err.h"

#define HASH_LEN 11u /* "***" and eight digits */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Behind the name of a password nothing of the value may be left, whatever it is. */
static void check_secret(const struct redact_rules *rules, struct pw_slice secret)
{
	const struct pw_slice name = PW_SLICE_LIT("x\0--password\0");
	struct pw_buf args, out;

	if (secret.len == 0 || secret.ptr[0] == '-' || pw_slice_find_byte(secret, 0) >= 0)
		return;
	pw_buf_init(&args, 4 << 20);
	pw_buf_init(&out, 4 << 20);
	(void)pw_buf_add_slice(&args, name);
	(void)pw_buf_add_slice(&args, secret);
	pw_assert(redact_args(rules, pw_buf_slice(&args), &out) == 0);
	pw_assert(out.len == name.len + HASH_LEN && pw_slice_starts(pw_buf_slice(&out), name));
	pw_buf_done(&args);
	pw_buf_done(&out);
}

static void check_text(const struct redact_rules *rules, struct pw_slice text)
{
	struct pw_buf out;

	pw_buf_init(&out, 16 << 20);
	pw_assert(redact_args(rules, text, &out) == 0);
	pw_buf_clear(&out);
	pw_assert(redact_env(rules, text, &out) == 0);
	pw_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct redact_settings settings = {0};
	struct pw_slice text = pw_slice_of(data, size), first = {0};
	struct redact_rules *rules = NULL;

	if (redact_rules_new(&settings, &rules, NULL) < 0)
		return 0;
	if (pw_slice_find_byte(text, 0xff) >= 0 && pw_slice_cut(&text, 0xff, &first))
		(void)(redact_rules_parse(rules, first, "fuzz", NULL) == 0);
	check_text(rules, text);
	redact_rules_free(rules);
	check_secret(redact_rules_built_in(), text);
	return 0;
}
