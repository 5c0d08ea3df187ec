/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signature set made of the input's parts, which NUL bytes separate: condition, output text,
 * aggregate, items of the list "l" with ; between, condition of the macro "m". Compiled, and what
 * compiles is evaluated on one event of each kind, several times.
 */
#include "analyzer/sig_match.h"
#include "analyzer/sig_output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ITEMS 32

static void evaluate(const struct sig_set *set)
{
	struct pw_process parent = {
		.exe = PW_SLICE_LIT("/bin/sh"), .comm = PW_SLICE_LIT("sh"), .number = 1};
	struct pw_process process = {.exe = PW_SLICE_LIT("/usr/bin/x"),
		.args = PW_SLICE_LIT("x\0-a\0b"),
		.comm = PW_SLICE_LIT("x"),
		.env = PW_SLICE_LIT("PATH=/bin"),
		.parent = &parent,
		.number = 2};
	struct pw_event e = {.process = &process,
		.object = PW_SLICE_LIT("/etc/shadow"),
		.object2 = PW_SLICE_LIT("/x\0y"),
		.count = 1};
	struct field_ctx *ctx = NULL;
	struct sig_matcher *matcher = NULL;
	const struct sig_rule *found[1];
	pw_auto_buf text;

	if (field_ctx_new(&ctx) < 0 || sig_matcher_new(&matcher) < 0 ||
		sig_matcher_use(matcher, set) < 0)
		abort();
	pw_buf_init(&text, 1 << 16);
	for (unsigned round = 0; round < 3 * PW_EVENT_KINDS; round++) {
		e.kind = (uint8_t)(round % PW_EVENT_KINDS);
		if (e.kind == 0)
			continue;
		e.syscall = round > PW_EVENT_KINDS ? 258 : 0;
		e.aux = e.kind == PW_EVENT_CONNECT ? PW_CONNECT_AUX(443, 6, 2) : 3;
		field_ctx_begin(ctx, &e);
		if (sig_match(matcher, ctx, NULL, found, 1) > 0)
			sig_output_print(found[0]->output, ctx, &text);
	}
	sig_matcher_free(matcher);
	field_ctx_free(ctx);
}

static ProtobufCBinaryData bytes(struct pw_slice s)
{
	return (ProtobufCBinaryData){s.len, (uint8_t *)s.ptr};
}

static struct pw_slice part(struct pw_slice *rest, uint8_t separator)
{
	struct pw_slice p = {NULL, 0};

	(void)pw_slice_cut(rest, separator, &p);
	return p;
}

static void run(struct pw_slice rest, struct pw_arena *arena)
{
	Podward__V1__Signature rule = PODWARD__V1__SIGNATURE__INIT, *rules[] = {&rule};
	Podward__V1__SignatureList list = PODWARD__V1__SIGNATURE_LIST__INIT, *lists[] = {&list};
	Podward__V1__SignatureMacro macro = PODWARD__V1__SIGNATURE_MACRO__INIT,
				    *macros[] = {&macro};
	Podward__V1__SignatureSet set = PODWARD__V1__SIGNATURE_SET__INIT, *sets[] = {&set};
	ProtobufCBinaryData items[ITEMS];
	struct problems problems;
	struct sig_set *compiled = NULL;
	struct pw_slice item_texts;

	rule.id = bytes(PW_SLICE_LIT("r"));
	rule.condition = bytes(part(&rest, 0));
	rule.output = bytes(part(&rest, 0));
	rule.aggregate = bytes(part(&rest, 0));
	item_texts = part(&rest, 0);
	list.name = bytes(PW_SLICE_LIT("l"));
	list.items = items;
	while (item_texts.len > 0 && list.n_items < ITEMS)
		items[list.n_items++] = bytes(part(&item_texts, ';'));
	macro.name = bytes(PW_SLICE_LIT("m"));
	macro.condition = bytes(rest);
	set.name = bytes(PW_SLICE_LIT("s"));
	set.rules = rules;
	set.lists = lists;
	set.macros = macros;
	set.n_rules = set.n_lists = set.n_macros = 1;
	if (problems_init(&problems, arena) < 0)
		return;
	if (sig_compile(sets, 1, arena, &problems, &compiled) < 0)
		return; /* over the arena's ceiling */
	pw_assert(compiled->count == 1 || problems.count > 0);
	evaluate(compiled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_arena *arena = NULL;

	if (pw_arena_new(1 << 20, 32 << 20, &arena) < 0)
		return 0;
	run(pw_slice_of(data, size), arena);
	pw_arena_free(arena);
	return 0;
}
