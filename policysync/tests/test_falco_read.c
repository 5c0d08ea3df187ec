/* SPDX-License-Identifier: Apache-2.0 */
/* Falco rule files: what they become, and what is refused alone. */
#include "common/testing/cm.h"
#include "common/testing/oom.h"
#include "policysync/falco_read.h"

#include <errno.h>
#include <stdio.h>

#define RULE(name, rest) \
	"- rule: " name "\n  desc: d\n  output: o\n  priority: Warning\n  condition: " rest "\n"

struct world {
	struct pw_arena *arena;
	Podward__V1__SignatureSet set;
};

static int read_text(struct world *w, const char *text, struct pw_err *err)
{
	int r = pw_arena_new(64 << 10, 16 << 20, &w->arena);

	if (r < 0)
		return r;
	podward__v1__signature_set__init(&w->set);
	r = falco_read(w->arena, pw_slice_str(text), &w->set, err);
	if (r < 0)
		pw_arena_free(w->arena);
	return r;
}

static struct world load(const char *text)
{
	struct pw_err err = PW_ERR_INIT;
	struct world w;

	if (read_text(&w, text, &err) < 0)
		fail_msg("%s", err.msg);
	return w;
}

static void is_text(ProtobufCBinaryData b, const char *text)
{
	if (b.len != strlen(text) || memcmp(b.data, text, b.len) != 0)
		fail_msg("expected \"%s\", got \"%.*s\"", text, (int)b.len, (const char *)b.data);
}

static void conditions_are_put_together(void **state)
{
	static const struct {
		const char *text, *condition;
	} rows[] = {
		{RULE("a", "x = 1"), "x = 1"},
		{RULE("a", "x = 1") "- rule: a\n  append: true\n  condition: and y = 2\n",
			"x = 1 and y = 2"},
		{RULE("a",
			 "x = 1") "- rule: a\n  override: {condition: append}\n  condition: or z\n",
			"x = 1 or z"},
		{RULE("a", "x = 1") "- rule: a\n  override: {condition: replace}\n  condition: q\n",
			"q"},
		{RULE("a", "x = 1") RULE("a", "again"), "again"},
		{RULE("a", "x") "  exceptions:\n  - name: e\n    fields: proc.name\n    values: "
				"[b, 'c d', 7]\n",
			"(x) and not (proc.name in (b, \"c d\", 7))"},
		{RULE("a", "x") "  exceptions:\n  - name: e\n    fields: proc.name\n    comps: "
				"startswith\n"
				"    values: [b]\n",
			"(x) and not (proc.name startswith (b))"},
		{RULE("a", "x") "  exceptions:\n  - name: e\n    fields: [proc.name, fd.name]\n"
				"    values: [[a, /b], [c, '/d e']]\n",
			"(x) and not ((proc.name = a and fd.name = /b) or (proc.name = c and "
			"fd.name = "
			"\"/d e\"))"},
		{RULE("a", "x") "  exceptions:\n  - name: e\n    fields: [proc.name, fd.name]\n"
				"    comps: [in, startswith]\n    values: [[[a, b], /c]]\n",
			"(x) and not ((proc.name in (a, b) and fd.name startswith /c))"},
		{RULE("a", "x") "  exceptions:\n  - name: e\n    fields: [proc.name]\n", "x"},
		{RULE("a",
			 "x") "  exceptions:\n  - name: e\n    fields: proc.name\n    values: [b]\n"
			      "- rule: a\n  append: true\n  exceptions:\n  - name: e\n    values: "
			      "[c]\n"
			      "  - name: f\n    fields: proc.pid\n    values: [1]\n",
			"(x) and not (proc.name in (b) or proc.name in (c)) and not (proc.pid in "
			"(1))"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct world w = load(rows[i].text);

		if (w.set.n_rules != 1 || w.set.n_problems != 0)
			fail_msg("row %zu: %.*s", i,
				w.set.n_problems ? (int)w.set.problems[0]->message.len : 0,
				w.set.n_problems ? (char *)w.set.problems[0]->message.data : "");
		is_text(w.set.rules[0]->condition, rows[i].condition);
		pw_arena_free(w.arena);
	}
}

static void a_bad_item_is_refused_alone_with_its_line(void **state)
{
	static const struct {
		const char *item, *words;
	} rows[] = {
		{"- rule: b\n  condition: x\n  output: o\n  priority: Info\n", "desc is missing"},
		{"- rule: b\n  append: true\n  condition: x\n", "no earlier rule"},
		{"- rule: b\n  append: true\n  override: {condition: append}\n  condition: x\n",
			"exclude each other"},
		{"- rule: a\n  override: {condition: append}\n  condition: x\n  desc: y\n",
			"desc is set, but override"},
		{"- list: l\n  items: x\n", "items must be a list"},
		{"- list: l\n  append: true\n  items: [x]\n", "no earlier list"},
		{"- macro: m\n", "condition is missing"},
		{"- macro: m\n  append: true\n  condition: x\n", "no earlier macro"},
		{"- macro:\n  condition: x\n", "a macro has no name"},
		{"- 7\n", "expected a rule, macro or list"},
		{RULE("b", "x") "  source: k8s_audit\n", "source k8s_audit"},
		{RULE("b", "x") "  exceptions: x\n", "exceptions must be a list"},
		{RULE("b", "x") "  exceptions: [{fields: x}]\n", "has no name"},
		{RULE("b", "x") "  exceptions: [{name: e}]\n", "fields is missing"},
		{RULE("b", "x") "  exceptions: [{name: e, fields: [x, y], comps: [in]}]\n",
			"must be alike"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		char text[1024];
		struct world w;
		struct pw_slice words;

		(void)snprintf(text, sizeof(text), "# c\n%s%s", RULE("a", "x"), rows[i].item);
		w = load(text);
		assert_int_equal(w.set.n_rules, 1);
		if (w.set.n_problems != 1)
			fail_msg("row %zu: %zu problems", i, w.set.n_problems);
		words = pw_slice_of(
			w.set.problems[0]->message.data, w.set.problems[0]->message.len);
		if (pw_slice_find(words, pw_slice_str(rows[i].words)) < 0)
			fail_msg("row %zu: %.*s", i, PW_SLICE_ARG(words));
		assert_true(w.set.problems[0]->is_refused);
		assert_int_equal(w.set.problems[0]->line, 7);
		pw_arena_free(w.arena);
	}
}

static void names_priorities_and_tags_are_translated(void **state)
{
	struct world w =
		load("- required_engine_version: 0.99.0\n"
		     "- list: l\n  items: [a, 80, 'b c']\n"
		     "- list: l\n  append: true\n  items: [d]\n"
		     "- macro: m\n  condition: x\n"
		     "- macro: n\n  condition: m\n"
		     "- macro: m\n  condition: y\n"
		     "---\n"
		     "- rule: Read Sensitive File!\n  desc: d\n  output: '*%proc.name'\n"
		     "  priority: ERROR\n  condition: m\n  tags: [container, T1059, T1059.004]\n"
		     "- rule: off\n  desc: d\n  output: o\n  priority: info\n  condition: m\n"
		     "  enabled: true\n  unheard: 1\n"
		     "- rule: off\n  enabled: false\n"
		     "- rule: wrong\n  desc: d\n  output: o\n  priority: high\n  condition: m\n");

	(void)state;
	assert_int_equal(w.set.n_lists, 1);
	assert_int_equal(w.set.lists[0]->n_items, 4);
	is_text(w.set.lists[0]->items[1], "80");
	is_text(w.set.lists[0]->items[3], "d");
	assert_int_equal(w.set.n_macros, 2);
	is_text(w.set.macros[0]->name, "n"); /* it was defined before the last m */
	is_text(w.set.macros[1]->condition, "y");
	assert_int_equal(w.set.n_rules, 2);
	is_text(w.set.rules[0]->id, "read-sensitive-file");
	is_text(w.set.rules[0]->title, "Read Sensitive File!");
	is_text(w.set.rules[0]->output, "%proc.name");
	assert_int_equal(w.set.rules[0]->severity, PODWARD__V1__SEVERITY__SEVERITY_HIGH);
	assert_int_equal(w.set.rules[0]->n_mitre, 2);
	assert_int_equal(w.set.rules[0]->line, 14);
	assert_true(w.set.rules[1]->disabled && !w.set.rules[0]->disabled);
	assert_int_equal(w.set.n_problems, 3); /* engine, key, priority */
	assert_false(w.set.problems[0]->is_refused || w.set.problems[1]->is_refused);
	assert_true(w.set.problems[2]->is_refused);
	pw_arena_free(w.arena);
}

static void texts_that_are_no_rule_files_are_refused(void **state)
{
	static const char *const rows[] = {"a: b\n", "- rule: [\n", "x", "- a\n---\nb: c\n"};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		struct world w;

		assert_int_equal(read_text(&w, rows[i], &err), -EINVAL);
		assert_true(err.msg[0]);
	}
}

static int read_once(void *ctx)
{
	struct world w;
	int r = read_text(&w,
		"- list: l\n  items: [a, 1]\n- macro: m\n  condition: x\n" RULE(
			"a", "m") "  exceptions: [{name: e, fields: proc.name, values: [b]}]\n"
				  "- rule: a\n  append: true\n  condition: and y\n",
		NULL);

	(void)ctx;
	if (r == 0)
		pw_arena_free(w.arena);
	return r;
}

static void reading_survives_lack_of_memory(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(read_once, NULL) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_are_put_together),
		cmocka_unit_test(a_bad_item_is_refused_alone_with_its_line),
		cmocka_unit_test(names_priorities_and_tags_are_translated),
		cmocka_unit_test(texts_that_are_no_rule_files_are_refused),
		cmocka_unit_test(reading_survives_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
