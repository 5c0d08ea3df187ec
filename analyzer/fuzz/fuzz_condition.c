/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature condition text: compiled, and when it compiles, evaluated on one event of each kind.
 * What stands before the first NUL is the condition, the rest is tried as an output text.
 */
#include "analyzer/sig_match.h"
#include "analyzer/sig_output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void evaluate(const struct sig_set *set, struct pw_slice output)
{
	struct pw_process parent = {.exe = PW_SLICE_LIT("/bin/sh"), .comm = PW_SLICE_LIT("sh")};
	struct pw_process process = {.exe = PW_SLICE_LIT("/usr/bin/x"),
		.args = PW_SLICE_LIT("x\0-a\0b"),
		.comm = PW_SLICE_LIT("x"),
		.parent = &parent};
	struct pw_event e = {
		.process = &process, .object = PW_SLICE_LIT("/etc/shadow"), .count = 1};
	struct field_ctx *ctx = NULL;
	struct sig_matcher *matcher = NULL;
	const struct sig_rule *found[1];
	pw_auto_buf text;

	if (field_ctx_new(&ctx) < 0 || sig_matcher_new(&matcher) < 0 ||
		sig_matcher_use(matcher, set) < 0)
		abort();
	pw_buf_init(&text, 1 << 16);
	for (e.kind = 1; e.kind < PW_EVENT_KINDS; e.kind++) {
		e.aux = e.kind == PW_EVENT_CONNECT ? PW_CONNECT_AUX(443, 6, 2) : 3;
		field_ctx_begin(ctx, &e);
		(void)sig_match(matcher, ctx, NULL, found, 1);
		if (sig_output_check(output, NULL) == 0)
			sig_output_print(output, ctx, &text);
	}
	sig_matcher_free(matcher);
	field_ctx_free(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_slice rest = pw_slice_of(data, size), condition = {NULL, 0};
	struct pw_err err = PW_ERR_INIT;
	struct pw_arena *arena = NULL;
	struct sig_set *set = NULL;

	(void)pw_slice_cut(&rest, 0, &condition);
	if (pw_arena_new(1 << 16, 8 << 20, &arena) < 0)
		return 0;
	if (sig_compile_condition(condition, arena, &set, &err) == 0)
		evaluate(set, rest);
	else
		pw_assert(err.msg[0] != '\0');
	pw_arena_free(arena);
	return 0;
}
