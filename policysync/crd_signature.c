// SPDX-License-Identifier: Apache-2.0
#include "policysync/crd_signature.h"
#include <errno.h>

#define RULES_MAX 1024

static const char *check_condition(struct pw_slice text)
{
	return pw_slice_trim(text).len > 0 && !memchr(text.ptr, 0, text.len) ? NULL : "a condition";
}

static Podward__V1__Signature *read_rule(struct pw_arena *a, const struct pw_json_reader *r)
{
	static const char *const known[] = {"id", "title", "description", "condition", "severity",
		"mitre", "output", "profile", "disabled", NULL};
	static const char *const modes[] = {"ignore", "suppress-if-learned", NULL};
	static const struct crd_text_rule id = {128, crd_check_rule_id, true};
	static const struct crd_text_rule line = {256, crd_check_line, true};
	static const struct crd_text_rule description = {1024, crd_check_line, false};
	static const struct crd_text_rule condition = {16384, check_condition, true};
	static const struct crd_text_rule mitre = {16, crd_check_mitre, false};
	static const struct crd_text_rule output = {1024, crd_check_line, false};
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

static void read_rules(
	struct pw_arena *a, const struct pw_json_reader *spec, Podward__V1__SignatureSet *set)
{
	struct pw_json_reader array;
	size_t count = crd_items(spec, "rules", RULES_MAX, &array);

	if (count == 0) {
		crd_fail(spec, "rules", -EINVAL, array.node ? "must not be empty" : "missing");
		return;
	}
	set->rules = (Podward__V1__Signature **)crd_array(a, spec, count, sizeof(*set->rules));
	for (size_t i = 0; set->rules && i < count; i++) {
		struct pw_json_reader item = pw_reader_item(&array, i);
		Podward__V1__Signature *rule = read_rule(a, &item);

		if (!rule || crd_failed(&item))
			return;
		if (has_id(set, rule))
			crd_fail(&item, "id", -EEXIST, "the id is used by an earlier rule");
		set->rules[set->n_rules++] = rule;
	}
}

Podward__V1__SignatureSet *crd_signature_set_read(
	struct pw_arena *a, const struct pw_json_reader *spec, const struct crd_meta *meta)
{
	static const char *const known[] = {"rules", NULL};
	Podward__V1__SignatureSet *set;

	if (!crd_is_object(spec, true))
		return NULL;
	set = crd_array(a, spec, 1, sizeof(*set));
	if (!set)
		return NULL;
	podward__v1__signature_set__init(set);
	pw_read_only(spec, known);
	set->name = meta->name;
	read_rules(a, spec, set);
	return crd_failed(spec) ? NULL : set;
}
