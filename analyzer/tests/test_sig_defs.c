/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and macros: what a condition means with them, and how it is refused. */
#include "analyzer/sig_match.h"
#include "analyzer/tests/kit.h"
#include "analyzer/view.h"
#include "common/testing/cm.h"

#include <stdio.h>

static const struct kit_row events[] = {
	{PW_EVENT_OPEN, KIT_SHELL, "/etc/shadow", KIT_READ, 3, 0},
};

struct world {
	struct pw_decoded *decoded;
	struct field_ctx *fields;
	struct sig_matcher *matcher;
	struct kit_snapshot s;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	assert_int_equal(kit_decode(events, PW_COUNT(events), 1, &w->decoded), 0);
	assert_int_equal(field_ctx_new(&w->fields), 0);
	assert_int_equal(sig_matcher_new(&w->matcher), 0);
	kit_snapshot_init(&w->s, 1);
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	pw_decoded_free(w->decoded);
	field_ctx_free(w->fields);
	sig_matcher_free(w->matcher);
	kit_snapshot_done(&w->s);
	free(w);
	return 0;
}

static void *take(struct world *w, size_t count, size_t size)
{
	void *p = pw_arena_alloc0(w->s.arena, count + 1, size);

	assert_non_null(p);
	return p;
}

/* "name item item": of the set that kit_signature puts rules into. */
static void add_list(struct world *w, const char *text)
{
	Podward__V1__SignatureSet *set = w->s.m.signature_sets[0];
	Podward__V1__SignatureList *l = take(w, 1, sizeof(*l));
	Podward__V1__SignatureList **grown = take(w, set->n_lists + 1, sizeof(*grown));
	struct pw_slice rest = pw_slice_str(text), part = {NULL, 0};

	podward__v1__signature_list__init(l);
	l->items = take(w, 16, sizeof(*l->items));
	(void)pw_slice_cut(&rest, ';', &part);
	l->name = (ProtobufCBinaryData){part.len, (uint8_t *)part.ptr};
	while (rest.len > 0 && pw_slice_cut(&rest, ';', &part))
		l->items[l->n_items++] = (ProtobufCBinaryData){part.len, (uint8_t *)part.ptr};
	if (set->n_lists > 0)
		memcpy((void *)grown, (void *)set->lists, set->n_lists * sizeof(*grown));
	grown[set->n_lists++] = l;
	set->lists = grown;
}

static void add_macro(struct world *w, const char *name, const char *condition)
{
	Podward__V1__SignatureSet *set = w->s.m.signature_sets[0];
	Podward__V1__SignatureMacro *m = take(w, 1, sizeof(*m));
	Podward__V1__SignatureMacro **grown = take(w, set->n_macros + 1, sizeof(*grown));

	podward__v1__signature_macro__init(m);
	m->name = kit_bytes(name);
	m->condition = kit_bytes(condition);
	if (set->n_macros > 0)
		memcpy((void *)grown, (void *)set->macros, set->n_macros * sizeof(*grown));
	grown[set->n_macros++] = m;
	set->macros = grown;
}

static uint32_t matches(struct world *w, const struct policy *p)
{
	const struct sig_rule *found[8];

	assert_int_equal(sig_matcher_use(w->matcher, p->signatures), 0);
	field_ctx_begin(w->fields, &w->decoded->events[0]);
	return sig_match(w->matcher, w->fields, NULL, found, 8);
}

static void define(struct world *w)
{
	add_list(w, "shells;sh;bash");
	add_list(w, "none");
	add_list(w, "more;zsh;shells;a b");
	add_list(w, "bad;c\"d");
	add_macro(w, "a_shell", "proc.name in (shells)");
	add_macro(w, "reads", "evt.is_open_read = true");
	add_macro(w, "again", "proc.name = nothing");
	add_macro(w, "both", "a_shell and reads and not again");
	add_macro(w, "again", "proc.name = sh");
	add_macro(w, "early", "late");
	add_macro(w, "late", "proc.name = sh");
	add_macro(w, "broken", "proc.nome = x");
	add_macro(w, "unread", "proc.name =");
}

static void lists_and_macros_mean_what_they_say(void **state)
{
	static const struct {
		const char *condition;
		bool want;
	} rows[] = {
		{"proc.name in (shells)", true},
		{"proc.name in (more)", true},
		{"proc.name in (ksh, shells)", true},
		{"proc.name in (ksh,shells,none)", true},
		{"proc.name in (none, ksh)", false},
		{"proc.name in (none)", false},
		{"proc.name in (ksh, none)", false},
		{"proc.name in (bad, sh)", true},
		{"proc.name = shellsx or proc.name = xshells", false},
		{"fd.name contains 'x shells y'", false},
		{"a_shell", true},
		{"not a_shell or (both)", true},
		{"both and again", true}, /* the rule sees the last one, both the first */
		{"late", true},
	};
	struct world *w = *state;

	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct policy *p;

		kit_snapshot_done(&w->s);
		kit_snapshot_init(&w->s, 1);
		(void)kit_signature(&w->s, "r", rows[i].condition, false);
		define(w);
		p = kit_compile(&w->s);
		if (p->signatures->count != 1)
			fail_msg("%s: %.*s", rows[i].condition,
				PW_SLICE_ARG(p->problems.items[p->problems.count - 1].message));
		if (matches(w, p) != rows[i].want)
			fail_msg("%s", rows[i].condition);
		policy_free(p);
	}
}

static void what_is_wrong_is_named_where_it_was_written(void **state)
{
	static const struct {
		const char *condition, *words;
	} rows[] = {
		{"proc.name in (shells) and x", "line 1, column 27: unknown macro x"},
		{"proc.name in (more, none, shells)\nand fd.nome = y",
			"line 2, column 5: unknown field"},
		{"early", "macro early was refused"},
		{"broken", "macro broken: line 1, column 1: unknown field proc.nome"},
		{"unread", "macro unread was refused"},
		{"proc.name = (shells)", "line 1, column 13: expected a value"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		const struct problem *last;
		struct policy *p;

		kit_snapshot_done(&w->s);
		kit_snapshot_init(&w->s, 1);
		(void)kit_signature(&w->s, "r", rows[i].condition, false);
		define(w);
		p = kit_compile(&w->s);
		assert_int_equal(p->signatures->count, 0);
		assert_int_equal(p->problems.count, 3); /* early, unread, and the rule */
		last = &p->problems.items[2];
		if (pw_slice_find(last->message, pw_slice_str(rows[i].words)) < 0)
			fail_msg("%s: %.*s", rows[i].condition, PW_SLICE_ARG(last->message));
		assert_true(pw_slice_eq_str(p->problems.items[0].field, "spec.macros[5]"));
		policy_free(p);
	}
}

static const char *keep(struct world *w, const char *text)
{
	return (const char *)pw_arena_dup(w->s.arena, pw_slice_str(text)).ptr;
}

static void macros_that_grow_without_end_are_refused(void **state)
{
	char name[16], condition[32];
	struct world *w = *state;
	struct policy *p;

	kit_snapshot_done(&w->s);
	kit_snapshot_init(&w->s, 1);
	(void)kit_signature(&w->s, "r", "m40", false);
	add_macro(w, "m0", "proc.name = x");
	for (int i = 1; i <= 40; i++) {
		(void)snprintf(name, sizeof(name), "m%d", i);
		(void)snprintf(condition, sizeof(condition), "m%d and m%d", i - 1, i - 1);
		add_macro(w, keep(w, name), keep(w, condition));
	}
	p = kit_compile(&w->s);
	assert_int_equal(p->signatures->count, 0);
	assert_true(pw_slice_find(p->problems.items[0].message,
			    PW_SLICE_LIT("more than 16384 checks")) >= 0);
	policy_free(p);
}

static void a_canary_runs_for_its_share_of_groups(void **state)
{
	struct world *w = *state;
	struct policy *p;
	uint32_t on = 0;

	kit_snapshot_done(&w->s);
	kit_snapshot_init(&w->s, 1);
	(void)kit_signature(&w->s, "r", "proc.name = sh", false);
	w->s.m.signature_sets[0]->canary_percent = 20;
	p = kit_compile(&w->s);
	for (unsigned i = 0; i < 1000; i++) {
		char group[64];
		struct view *v = NULL, *again = NULL;
		struct pw_slice key = pw_slice_of(
			group, (size_t)snprintf(group, sizeof(group), "ns/Deployment/w%u/c", i));

		assert_int_equal(view_new(p, 1, key, (struct pw_slice){NULL, 0}, &v), 0);
		assert_int_equal(view_new(p, 2, key, (struct pw_slice){NULL, 0}, &again), 0);
		assert_int_equal(v->signatures_off[0], again->signatures_off[0]);
		on += v->signatures_off[0] == 0;
		view_free(v);
		view_free(again);
	}
	assert_in_range(on, 150, 250);
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			lists_and_macros_mean_what_they_say, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_wrong_is_named_where_it_was_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			macros_that_grow_without_end_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_canary_runs_for_its_share_of_groups, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
