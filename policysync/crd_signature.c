// SPDX-License-Identifier: Apache-2.0
#include "policysync/crd_signature.h"
#include "policysync/falco_read.h"
#include <errno.h>
#include <stdio.h>

#define RULES_MAX 1024
#define NAMES_MAX 4096
#define ITEMS_MAX 16384
#define FALCO_MAX ((size_t)768 << 10)

static const char *check_condition(struct pw_slice text)
{
	return pw_slice_trim(text).len > 0 && !memchr(text.ptr, 0, text.len) ? NULL : "a condition";
}

static Podward__V1__Signature *read_rule(struct pw_arena *a, const struct pw_json_reader *r)
{
	static const char *const known[] = {"id", "title", "description", "condition", "severity",
		"mitre", "output", "profile", "disabled", "aggregate", NULL};
	static const char *const modes[] = {"ignore", "suppress-if-learned", NULL};
	static const struct crd_text_rule id = {128, crd_check_rule_id, true};
	static const struct crd_text_rule line = {256, crd_check_line, true};
	static const struct crd_text_rule description = {1024, crd_check_line, false};
	static const struct crd_text_rule condition = {16384, check_condition, true};
	static const struct crd_text_rule mitre = {16, crd_check_mitre, false};
	static const struct crd_text_rule output = {1024, crd_check_line, false};
	static const struct crd_text_rule aggregate = {512, crd_check_line, false};
	Podward__V1__Signature *s;
	struct crd_texts list;

	if (!crd_is_object(r, true))
		return NULL;
	s = crd_array(a, r, 1, sizeof(*s));
	if (!s)
		return NULL;
	podward__v1__signature__init(s);
	pw_read_only(r, known);
	s->id = crd_text(a, r, "id", &id);
	s->title = crd_text(a, r, "title", &line);
	(void)crd_text(a, r, "description", &description); /* for people who read the file */
	s->condition = crd_text(a, r, "condition", &condition);
	s->severity = crd_severity(r, "severity");
	if (s->severity == PODWARD__V1__SEVERITY__SEVERITY_UNSPECIFIED)
		crd_fail(r, "severity", -EINVAL, "missing");
	list = crd_text_list(a, r, "mitre", 16, &mitre);
	s->n_mitre = list.count, s->mitre = list.items;
	s->output = crd_text(a, r, "output", &output);
	s->profile_mode = (Podward__V1__SignatureProfileMode)pw_read_choice(r, "profile", modes, 0);
	s->disabled = pw_read_bool(r, "disabled", false);
	s->aggregate = crd_text(a, r, "aggregate", &aggregate);
	return s;
}

static bool has_id(const Podward__V1__SignatureSet *set, const Podward__V1__Signature *rule)
{
	struct pw_slice id = pw_slice_of(rule->id.data, rule->id.len);

	for (size_t i = 0; i < set->n_rules; i++)
		if (pw_slice_eq(pw_slice_of(set->rules[i]->id.data, set->rules[i]->id.len), id))
			return true;
	return false;
}

/* The rule is left out; the rest of the set runs. */
static void refuse_rule(struct pw_arena *a, const struct pw_json_reader *item,
	Podward__V1__SignatureSet *set, const char *message)
{
	Podward__V1__SignatureProblem *p = crd_array(a, item, 1, sizeof(*p));
	struct pw_slice id = pw_json_text(pw_json_get(item->node, "id"));
	struct pw_slice words = pw_arena_dup(a, pw_slice_str(message)), name;

	name = pw_arena_dup(a, pw_slice_sub(id.len ? id : pw_slice_str(item->path), 0, 200));
	if (!p || !words.ptr || !name.ptr) {
		crd_fail(item, NULL, -ENOMEM, "out of memory");
		return;
	}
	podward__v1__signature_problem__init(p);
	p->name = (ProtobufCBinaryData){name.len, (uint8_t *)name.ptr};
	p->message = (ProtobufCBinaryData){words.len, (uint8_t *)words.ptr};
	p->is_refused = true;
	set->problems[set->n_problems++] = p;
}

/* The words of the first refused rule go to first. */
static void read_one(struct pw_arena *a, const struct pw_json_reader *item,
	Podward__V1__SignatureSet *set, struct pw_err *first)
{
	struct pw_err own = PW_ERR_INIT;
	struct pw_json_reader reader = *item;
	Podward__V1__Signature *rule;

	reader.err = &own;
	rule = read_rule(a, &reader);
	if (own.code == 0 && rule && has_id(set, rule))
		crd_fail(&reader, "id", -EEXIST, "the id is used by an earlier rule");
	if (own.code == 0 && rule) {
		set->rules[set->n_rules++] = rule;
		return;
	}
	if (own.code == -ENOMEM)
		crd_fail(item, NULL, -ENOMEM, "out of memory");
	(void)pw_err_set(first, own.code, "%s", own.msg);
	refuse_rule(a, item, set, own.msg);
}

static void read_rules(
	struct pw_arena *a, const struct pw_json_reader *spec, Podward__V1__SignatureSet *set)
{
	struct pw_json_reader array;
	size_t count = crd_items(spec, "rules", RULES_MAX, &array);
	struct pw_err first = PW_ERR_INIT;

	if (count == 0) {
		crd_fail(spec, "rules", -EINVAL, array.node ? "must not be empty" : "missing");
		return;
	}
	set->rules = (Podward__V1__Signature **)crd_array(a, spec, count, sizeof(*set->rules));
	set->problems = crd_array(a, spec, count, sizeof(*set->problems));
	for (size_t i = 0; set->rules && set->problems && i < count; i++) {
		struct pw_json_reader item = pw_reader_item(&array, i);

		read_one(a, &item, set, &first);
	}
	/* A set of which nothing is left says nothing: what was in force before is better. */
	if (set->n_rules == 0 && first.code)
		(void)pw_err_set(spec->err, first.code, "%s", first.msg);
}

static const char *check_symbol(struct pw_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (i > 0 && ((c >= '0' && c <= '9') || c == '_'))))
			return "a name of letters, digits and _, a letter first";
	}
	return text.len > 0 ? NULL : "a name";
}

static void read_lists(
	struct pw_arena *a, const struct pw_json_reader *spec, Podward__V1__SignatureSet *set)
{
	static const char *const known[] = {"name", "items", NULL};
	static const struct crd_text_rule name = {128, check_symbol, true};
	static const struct crd_text_rule text = {1024, crd_check_any, false};
	struct pw_json_reader array;
	size_t count = crd_items(spec, "lists", NAMES_MAX, &array);
	Podward__V1__SignatureList *lists = crd_array(a, spec, count + 1, sizeof(*lists));

	set->lists = crd_array(a, spec, count + 1, sizeof(*set->lists));
	for (size_t i = 0; lists && set->lists && i < count && !crd_failed(spec); i++) {
		struct pw_json_reader item = pw_reader_item(&array, i);
		struct crd_texts items;

		if (!crd_is_object(&item, true))
			return;
		podward__v1__signature_list__init(&lists[i]);
		pw_read_only(&item, known);
		lists[i].name = crd_text(a, &item, "name", &name);
		items = crd_text_list(a, &item, "items", ITEMS_MAX, &text);
		lists[i].n_items = items.count;
		lists[i].items = items.items;
		set->lists[set->n_lists++] = &lists[i];
	}
}

static void read_macros(
	struct pw_arena *a, const struct pw_json_reader *spec, Podward__V1__SignatureSet *set)
{
	static const char *const known[] = {"name", "condition", NULL};
	static const struct crd_text_rule name = {128, check_symbol, true};
	static const struct crd_text_rule condition = {16384, check_condition, true};
	struct pw_json_reader array;
	size_t count = crd_items(spec, "macros", NAMES_MAX, &array);
	Podward__V1__SignatureMacro *macros = crd_array(a, spec, count + 1, sizeof(*macros));

	set->macros = crd_array(a, spec, count + 1, sizeof(*set->macros));
	for (size_t i = 0; macros && set->macros && i < count && !crd_failed(spec); i++) {
		struct pw_json_reader item = pw_reader_item(&array, i);

		if (!crd_is_object(&item, true))
			return;
		podward__v1__signature_macro__init(&macros[i]);
		pw_read_only(&item, known);
		macros[i].name = crd_text(a, &item, "name", &name);
		macros[i].condition = crd_text(a, &item, "condition", &condition);
		set->macros[set->n_macros++] = &macros[i];
	}
}

static void read_falco(
	struct pw_arena *a, const struct pw_json_reader *spec, Podward__V1__SignatureSet *set)
{
	struct pw_slice text = pw_read_text(spec, "content", true, FALCO_MAX);
	struct pw_err err = PW_ERR_INIT;
	int r;

	if (crd_failed(spec))
		return;
	r = falco_read(a, text, set, &err);
	if (r < 0)
		crd_fail(spec, "content", r, "%s", err.msg);
}

static void refuse_key(const struct pw_json_reader *spec, const char *key, bool falco)
{
	if (pw_json_type(pw_json_get(spec->node, key)) != PW_JSON_NULL)
		crd_fail(spec, key, -EINVAL, "does not go with format: %s",
			falco ? "falco" : "podward");
}

Podward__V1__SignatureSet *crd_signature_set_read(
	struct pw_arena *a, const struct pw_json_reader *spec, const struct crd_meta *meta)
{
	static const char *const known[] = {
		"format", "content", "canaryPercent", "rules", "lists", "macros", NULL};
	static const char *const formats[] = {"podward", "falco", NULL};
	Podward__V1__SignatureSet *set;
	bool falco;

	if (!crd_is_object(spec, true))
		return NULL;
	set = crd_array(a, spec, 1, sizeof(*set));
	if (!set)
		return NULL;
	podward__v1__signature_set__init(set);
	falco = pw_read_choice(spec, "format", formats, 0) == 1;
	pw_read_only(spec, known);
	set->name = meta->name;
	set->canary_percent = (uint32_t)pw_read_int(spec, "canaryPercent", 1, 100, 100) % 100;
	refuse_key(spec, falco ? "rules" : "content", falco);
	if (falco) {
		refuse_key(spec, "lists", falco);
		refuse_key(spec, "macros", falco);
		read_falco(a, spec, set);
	} else {
		read_lists(a, spec, set);
		read_macros(a, spec, set);
		read_rules(a, spec, set);
	}
	return crd_failed(spec) ? NULL : set;
}
