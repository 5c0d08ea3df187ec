/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One regular expression, anchored at both ends (door of PCRE2). Byte-wise, with ceilings on the
 * pattern's size and on the work of one match: what goes over counts as no match and is counted.
 * Thread: compiled by one, matched by any with a scratch of its own.
 */
#include "common/base/arena.h"
#include "common/base/err.h"

#define REGEX_PATTERN_BYTES 1024u

struct regex;
struct regex_scratch;

/* Lives in the arena. -EINVAL with PCRE2's words and the offset; -ENOMEM. */
int regex_new(struct pw_slice pattern, struct pw_arena *arena, struct regex **ret,
	struct pw_err *err) PW_MUST_CHECK;
int regex_scratch_new(struct regex_scratch **ret) PW_MUST_CHECK;
void regex_scratch_free(struct regex_scratch *s); /* NULL is fine */
bool regex_match(const struct regex *r, struct pw_slice text, struct regex_scratch *s);
uint64_t regex_given_up(const struct regex_scratch *s); /* matches over the ceiling */
