/* SPDX-License-Identifier: Apache-2.0 */
/* Many patterns at once say the same as each of them alone, over random texts and patterns. */
#include "analyzer/sig_automaton.h"
#include "common/base/glob.h"
#include "common/testing/cm.h"

#include <errno.h>

#define PATTERNS 40u

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 16;
}

/* Few different bytes, so that patterns overlap and texts match. */
static struct pw_slice random_text(uint32_t *state, uint8_t *out, uint32_t most)
{
	uint32_t len = next_random(state) % (most + 1);

	for (uint32_t i = 0; i < len; i++)
		out[i] = (uint8_t) "ab/cA"[next_random(state) % 5];
	return pw_slice_of(out, len);
}

static bool alone(enum sig_automaton_mode mode, struct pw_slice pattern, struct pw_slice text)
{
	switch (mode) {
	case SIG_AT_START:
		return pw_slice_starts(text, pattern);
	case SIG_AT_END:
		return pw_slice_ends(text, pattern);
	case SIG_ANYWHERE:
		return pw_slice_find(text, pattern) >= 0;
	default:
		text = pw_glob_strip(text);
		return pw_slice_starts(text, pattern) &&
		       (text.len == pattern.len || text.ptr[pattern.len] == '/');
	}
}

static void compare(enum sig_automaton_mode mode, uint32_t seed)
{
	uint8_t bytes[PATTERNS][8], text_bytes[64];
	struct sig_pattern patterns[PATTERNS];
	struct sig_automaton *a = NULL;
	struct pw_arena *arena = NULL;

	assert_int_equal(pw_arena_new(1 << 16, 1 << 22, &arena), 0);
	for (uint32_t i = 0; i < PATTERNS; i++) {
		patterns[i].text = random_text(&seed, bytes[i], 6);
		if (mode == SIG_AS_PATH)
			patterns[i].text = pw_glob_strip(patterns[i].text);
		if (mode == SIG_AS_PATH && patterns[i].text.len == 0)
			patterns[i].text = PW_SLICE_LIT("a");
		patterns[i].bit = i + 7;
	}
	assert_int_equal(sig_automaton_build(patterns, PATTERNS, mode, false, arena, &a), 0);
	for (uint32_t n = 0; n < 300; n++) {
		struct pw_slice text = random_text(&seed, text_bytes, 40);
		uint64_t bits[1] = {0};

		sig_automaton_run(a, text, bits);
		for (uint32_t i = 0; i < PATTERNS; i++)
			if ((bits[0] >> (i + 7) & 1u) != alone(mode, patterns[i].text, text))
				fail_msg("mode %d: \"%.*s\" in \"%.*s\"", mode,
					PW_SLICE_ARG(patterns[i].text), PW_SLICE_ARG(text));
	}
	pw_arena_free(arena);
}

static void together_says_what_each_says_alone(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 40; seed++)
		for (int mode = SIG_AT_START; mode <= SIG_AS_PATH; mode++)
			compare((enum sig_automaton_mode)mode, seed * 2654435761u);
}

static void capital_letters_may_count_as_small_ones(void **state)
{
	const struct sig_pattern pattern = {PW_SLICE_LIT("abc"), 3};
	struct sig_automaton *a = NULL;
	struct pw_arena *arena = NULL;
	uint64_t bits = 0;

	(void)state;
	assert_int_equal(pw_arena_new(1 << 16, 1 << 22, &arena), 0);
	assert_int_equal(sig_automaton_build(&pattern, 1, SIG_ANYWHERE, true, arena, &a), 0);
	sig_automaton_run(a, PW_SLICE_LIT("xxAbCxx"), &bits);
	assert_int_equal(bits, 1u << 3);
	pw_arena_free(arena);
}

static void tables_have_a_ceiling(void **state)
{
	static uint8_t text[100000];
	struct sig_pattern pattern = {{text, sizeof(text)}, 0};
	struct sig_automaton *a = NULL;
	struct pw_arena *arena = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	assert_int_equal(pw_arena_new(1 << 16, 1 << 26, &arena), 0);
	assert_int_equal(sig_automaton_build(&pattern, 1, SIG_ANYWHERE, false, arena, &a), -E2BIG);
	pw_arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(together_says_what_each_says_alone),
		cmocka_unit_test(capital_letters_may_count_as_small_ones),
		cmocka_unit_test(tables_have_a_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
