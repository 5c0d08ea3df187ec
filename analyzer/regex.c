/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <errno.h>

#define MATCH_LIMIT   10000u
#define DEPTH_LIMIT   250u
#define HEAP_LIMIT_KB 256u
#define COMPILED_MAX  (64u << 10)

struct regex {
	pcre2_code *code;
};

struct regex_scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	uint64_t given_up;
};

static int compile(struct pw_slice pattern, pcre2_compile_context *context, pcre2_code **ret,
	struct pw_err *err)
{
	uint32_t options = PCRE2_DOTALL | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE |
			   PCRE2_ANCHORED | PCRE2_ENDANCHORED;
	PCRE2_UCHAR words[120];
	PCRE2_SIZE offset;
	int code;
	size_t size = 0;

	*ret = pcre2_compile(pattern.ptr ? pattern.ptr : (PCRE2_SPTR) "", pattern.len, options,
		&code, &offset, context);
	if (!*ret) {
		(void)pcre2_get_error_message(code, words, sizeof(words));
		return pw_err_set(err, code == PCRE2_ERROR_HEAP_FAILED ? -ENOMEM : -EINVAL,
			"regular expression, offset %zu: %s", offset, (const char *)words);
	}
	(void)pcre2_pattern_info(*ret, PCRE2_INFO_SIZE, &size);
	return size <= COMPILED_MAX ? 0
				    : pw_err_set(err, -EINVAL,
					      "regular expression is too large (%zu bytes)", size);
}

static void *take(size_t size, void *arena)
{
	return pw_arena_alloc(arena, size);
}

static void give(void *memory, void *arena)
{
	(void)memory, (void)arena; /* goes with the arena */
}

int regex_new(
	struct pw_slice pattern, struct pw_arena *arena, struct regex **ret, struct pw_err *err)
{
	struct regex *r = pw_arena_alloc0(arena, 1, sizeof(*r));
	pcre2_general_context *memory = pcre2_general_context_create(take, give, arena);
	pcre2_compile_context *context = memory ? pcre2_compile_context_create(memory) : NULL;
	int e;

	if (!r || !context)
		return pw_err_set(err, -ENOMEM, "out of memory");
	if (pattern.len > REGEX_PATTERN_BYTES)
		return pw_err_set(err, -EINVAL, "regular expression longer than %u bytes",
			REGEX_PATTERN_BYTES);
	(void)pcre2_set_parens_nest_limit(context, 50);
	e = compile(pattern, context, &r->code, err);
	if (e < 0)
		return e;
	*ret = r;
	return 0;
}

int regex_scratch_new(struct regex_scratch **ret)
{
	struct regex_scratch *s = pw_alloc0(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->data = pcre2_match_data_create(1, NULL);
	s->context = pcre2_match_context_create(NULL);
	if (!s->data || !s->context) {
		regex_scratch_free(s);
		return -ENOMEM;
	}
	(void)pcre2_set_match_limit(s->context, MATCH_LIMIT);
	(void)pcre2_set_depth_limit(s->context, DEPTH_LIMIT);
	(void)pcre2_set_heap_limit(s->context, HEAP_LIMIT_KB);
	*ret = s;
	return 0;
}

void regex_scratch_free(struct regex_scratch *s)
{
	if (!s)
		return;
	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->context);
	free(s);
}

bool regex_match(const struct regex *r, struct pw_slice text, struct regex_scratch *s)
{
	int found = pcre2_match(r->code, text.ptr ? text.ptr : (PCRE2_SPTR) "", text.len, 0, 0,
		s->data, s->context);

	s->given_up += found < 0 && found != PCRE2_ERROR_NOMATCH;
	return found >= 0;
}

uint64_t regex_given_up(const struct regex_scratch *s)
{
	return s->given_up;
}
