/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/sig_compile.h"

#include "analyzer/sig_output.h"
#include "common/base/random.h"

#include <errno.h>
#include <stdio.h>

#define MODE(x) PODWARD__V1__SIGNATURE_PROFILE_MODE__SIGNATURE_PROFILE_MODE_##x

struct compiler {
	struct pw_arena *arena;
	struct problems *problems;
	struct sig_atoms *atoms;
	struct sig_set *out;
	struct sig_code code;
};

static int compile_window(
	struct compiler *c, struct pw_slice text, struct sig_rule *rule, struct pw_err *err)
{
	struct sig_window w = {.number = c->out->window_count}, *copy;
	int r;

	if (text.len == 0)
		return 0;
	if (c->out->window_count == SIG_WINDOW_RULES)
		return pw_err_set(err, -E2BIG, "more than %u aggregates in all", SIG_WINDOW_RULES);
	r = sig_window_parse(text, c->atoms, &w, err);
	if (r < 0)
		return pw_err_wrap(err, r, "aggregate");
	copy = pw_arena_alloc(c->arena, sizeof(*copy));
	if (!copy)
		return pw_err_set(err, -ENOMEM, "out of memory");
	w.number = c->out->window_count++;
	*copy = w;
	rule->window = copy;
	return 0;
}

static int compile_text(
	struct compiler *c, struct sig_defs *defs, struct sig_rule *rule, struct pw_err *err)
{
	int r = sig_defs_read(defs, rule->condition, &rule->text, err);

	if (r == 0)
		r = sig_code_kinds(c->atoms, &rule->text, err, &rule->event_mask);
	if (r == 0 && rule->event_mask == 0)
		r = pw_err_set(err, -EINVAL,
			"no event that the collector reports can make this condition true");
	return r < 0 ? pw_err_wrap(err, r, "condition") : 0;
}

static struct pw_slice bytes_of(ProtobufCBinaryData b)
{
	return pw_slice_of(b.data, b.len);
}

static int make_detector(struct sig_rule *rule, struct pw_arena *arena)
{
	size_t size = rule->set.len + rule->id.len + 6;
	char *text = pw_arena_alloc(arena, size);

	if (!text)
		return -ENOMEM;
	rule->detector =
		pw_slice_of(text, (size_t)snprintf(text, size, "sig/%.*s/%.*s",
					  PW_SLICE_ARG(rule->set), PW_SLICE_ARG(rule->id)));
	return 0;
}

static int compile_rule(struct compiler *c, const Podward__V1__Signature *s, struct sig_defs *defs,
	struct sig_rule *rule, struct pw_err *err)
{
	int r;

	rule->id = bytes_of(s->id);
	rule->title = bytes_of(s->title);
	rule->output = bytes_of(s->output);
	rule->condition = bytes_of(s->condition);
	rule->mitre = s->mitre;
	rule->mitre_count = s->n_mitre;
	rule->severity =
		s->severity ? (uint32_t)s->severity : PODWARD__V1__SEVERITY__SEVERITY_MEDIUM;
	rule->suppress_if_learned = s->profile_mode == MODE(SUPPRESS_IF_LEARNED);
	r = compile_text(c, defs, rule, err);
	if (r < 0)
		return r;
	r = sig_output_check(rule->output, err);
	if (r < 0)
		return pw_err_wrap(err, r, "output");
	r = make_detector(rule, c->arena);
	return r < 0 ? r : compile_window(c, bytes_of(s->aggregate), rule, err);
}

/* The place is "spec.rules[3] (id)", or "line 12 (id)" when the text has lines of its own. */
static int refuse(struct problems *problems, struct pw_slice set, size_t index,
	const Podward__V1__Signature *s, const char *message)
{
	char object[160], field[160], place[40];
	int len = snprintf(object, sizeof(object), "SignatureSet/%.*s",
		(int)(set.len < 100 ? set.len : 100), (const char *)set.ptr);
	int field_len;

	if (s->line)
		(void)snprintf(place, sizeof(place), "spec.content line %u", s->line);
	else
		(void)snprintf(place, sizeof(place), "spec.rules[%zu]", index);
	field_len = snprintf(field, sizeof(field), "%s (%.*s)", place,
		(int)(s->id.len < 100 ? s->id.len : 100), (const char *)s->id.data);
	return problems_add(problems, pw_slice_of(object, (size_t)len),
		pw_slice_of(field, (size_t)field_len), pw_slice_str(message));
}

/* What policysync could not read. */
static int pass_on(struct compiler *c, const Podward__V1__SignatureSet *set)
{
	for (size_t i = 0; i < set->n_problems; i++) {
		const Podward__V1__SignatureProblem *p = set->problems[i];
		Podward__V1__Signature at = PODWARD__V1__SIGNATURE__INIT;
		char message[400];
		int r;

		at.id = p->name;
		at.line = p->line;
		(void)snprintf(message, sizeof(message), "%s%.*s", p->is_refused ? "" : "warning: ",
			(int)(p->message.len < 380 ? p->message.len : 380),
			(const char *)p->message.data);
		c->out->refused += p->is_refused;
		r = refuse(c->problems, bytes_of(set->name), 0, &at, message);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_rule(struct compiler *c, const Podward__V1__Signature *s,
	const Podward__V1__SignatureSet *from, struct sig_defs *defs, size_t index)
{
	struct pw_slice set = bytes_of(from->name);
	struct sig_rule *rule = &c->out->rules[c->out->count];
	struct pw_err err = PW_ERR_INIT;
	int r = -E2BIG;

	if (s->disabled)
		return 0;
	*rule = (struct sig_rule){.set = set,
		.canary_percent = from->canary_percent < 100 ? from->canary_percent : 0,
		.canary_rest = from->canary_rest_percent < 100 ? from->canary_rest_percent : 0};
	if (c->out->count >= SIG_RULES_LIMIT)
		(void)pw_err_set(&err, r, "more than %u rules in all", SIG_RULES_LIMIT);
	else if (s->id.len == 0 || s->id.len > 200)
		r = pw_err_set(&err, -EINVAL, "id must have 1 to 200 bytes");
	else
		r = compile_rule(c, s, defs, rule, &err);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		c->out->refused++;
		return refuse(c->problems, set, index, s, err.msg);
	}
	c->out->canary_count += rule->canary_percent > 0 || rule->canary_rest > 0;
	rule->index = c->out->count++;
	return 0;
}

static int add_set(struct compiler *c, const Podward__V1__SignatureSet *set)
{
	struct sig_defs *defs = NULL;
	int r = sig_defs_make(set, c->problems, c->arena, &defs);

	if (r == 0)
		r = pass_on(c, set);
	for (size_t i = 0; r == 0 && i < set->n_rules; i++)
		r = add_rule(c, set->rules[i], set, defs, i);
	return r;
}

/* The same tests as before, only further on? Then the older ones serve both. */
static bool is_same_code(const struct sig_code *code, uint32_t old, uint32_t from)
{
	uint32_t count = code->count - from, shift = from - old;

	if (count != from - old)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		const struct sig_test *a = &code->tests[old + i], *b = &code->tests[from + i];

		if (a->atom != b->atom ||
			(a->yes < 0 ? a->yes : a->yes + (int32_t)shift) != b->yes ||
			(a->no < 0 ? a->no : a->no + (int32_t)shift) != b->no)
			return false;
	}
	return true;
}

static int write_rule(struct compiler *c, struct sig_rule *rule, int32_t *entries)
{
	uint32_t old = 0, from, compounds;
	int32_t entry = SIG_FALSE;
	bool any = false;

	for (uint8_t kind = 1; kind < PW_EVENT_KINDS; kind++) {
		int r;

		entries[kind] = SIG_FALSE;
		if (!(rule->event_mask >> kind & 1u))
			continue;
		from = c->code.count;
		compounds = c->code.process.count + c->code.event.count;
		r = sig_code_add(&c->code, &rule->text, kind, &entry);
		if (r < 0)
			return r;
		entries[kind] = entry;
		if (compounds != c->code.process.count + c->code.event.count) {
			any = false; /* others use what was written */
		} else if (entry < 0) {
			c->code.count = from; /* the kind alone decides */
		} else if (any && is_same_code(&c->code, old, from)) {
			entries[kind] = entry - (int32_t)(from - old);
			c->code.count = from;
		} else {
			old = from;
			any = true;
		}
	}
	return 0;
}

static int reserve_kinds(struct compiler *c)
{
	struct sig_set *out = c->out;

	for (uint32_t kind = 1; kind < PW_EVENT_KINDS; kind++) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < out->count; i++)
			n += (uint32_t)(out->rules[i].event_mask >> kind & 1u);
		out->by_kind[kind] = pw_arena_alloc0(c->arena, n + 1, sizeof(struct sig_entry));
		if (!out->by_kind[kind])
			return -ENOMEM;
	}
	return 0;
}

static int write_code(struct compiler *c)
{
	struct sig_set *out = c->out;
	int32_t entries[PW_EVENT_KINDS];
	int r = reserve_kinds(c);

	for (uint32_t i = 0; r == 0 && i < out->count; i++) {
		struct sig_rule *rule = &out->rules[i];

		r = write_rule(c, rule, entries);
		if (r == -E2BIG) {
			/* All of this rule's code is too much: it never fires, and says so. */
			out->refused++;
			rule->event_mask = 0;
			r = problems_add(c->problems, rule->detector, PW_SLICE_LIT("condition"),
				PW_SLICE_LIT("the code of all rules is over its ceiling"));
			continue;
		}
		for (uint32_t kind = 1; r == 0 && kind < PW_EVENT_KINDS; kind++)
			if (entries[kind] != SIG_FALSE)
				out->by_kind[kind][out->by_kind_count[kind]++] =
					(struct sig_entry){rule, entries[kind]};
	}
	for (uint32_t kind = 1; kind < PW_EVENT_KINDS; kind++) {
		out->entry_first[kind] = out->entry_count;
		out->entry_count += out->by_kind_count[kind];
		out->entry_word_first[kind] = out->entry_word_count;
		out->entry_word_count += out->by_kind_count[kind] / 64 + 1;
	}
	return r;
}

/* Adds a sieve when it stops anything. */
static int make_sieve(struct compiler *c, const struct sig_sieve_job *job, struct sig_sieve **ret)
{
	struct sig_sieve *s = pw_arena_alloc0(c->arena, 1, sizeof(*s));
	int r = s ? sig_sieve_make(job, s) : -ENOMEM;

	if (r == 0 && s->is_useful)
		*ret = s;
	return r;
}

static int make_sieves(struct compiler *c)
{
	struct sig_set *out = c->out;
	struct sig_node **roots = pw_alloc0(out->count + 1, sizeof(struct sig_node *));
	int r = roots ? 0 : -ENOMEM;

	for (uint8_t kind = 1; r == 0 && kind < PW_EVENT_KINDS; kind++) {
		struct sig_sieve_job job = {.groups = &out->groups,
			.arena = c->arena,
			.roots = roots,
			.count = out->by_kind_count[kind],
			.kind = kind};

		if (job.count == 0)
			continue;
		for (uint32_t i = 0; i < job.count; i++)
			roots[i] = out->by_kind[kind][i].rule->text.root;
		r = make_sieve(c, &job, &out->by_process[kind]);
		job.is_event = true;
		if (r == 0)
			r = make_sieve(c, &job, &out->by_event[kind]);
	}
	free((void *)roots);
	return r;
}

static int take_compounds(
	struct compiler *c, const struct sig_compounds *from, struct sig_compounds *to)
{
	to->entries = pw_arena_alloc0(c->arena, from->count + 1, sizeof(*to->entries));
	if (!to->entries)
		return -ENOMEM;
	if (from->count > 0)
		memcpy(to->entries, from->entries, from->count * sizeof(*to->entries));
	to->count = from->count;
	return 0;
}

static int finish(struct compiler *c)
{
	struct sig_set *out = c->out;
	int r = sig_groups_make(c->atoms, &out->groups);

	if (r == 0)
		r = write_code(c);
	if (r == 0)
		r = make_sieves(c);
	if (r < 0)
		return r;
	out->atom_count = c->atoms->count;
	out->test_count = c->code.count;
	out->tests = pw_arena_alloc0(c->arena, c->code.count + 1, sizeof(*out->tests));
	if (!out->tests)
		return -ENOMEM;
	if (take_compounds(c, &c->code.process, &out->process) < 0 ||
		take_compounds(c, &c->code.event, &out->event) < 0)
		return -ENOMEM;
	if (c->code.count > 0)
		memcpy(out->tests, c->code.tests, c->code.count * sizeof(*out->tests));
	out->bytes = pw_arena_used(c->arena);
	return 0;
}

static int start(struct compiler *c, size_t rules)
{
	int r = sig_atoms_new(c->arena, &c->atoms);

	c->out = pw_arena_alloc0(c->arena, 1, sizeof(*c->out));
	if (r < 0 || !c->out)
		return -ENOMEM;
	c->out->number = pw_random_u64();
	c->code.limit = SIG_TESTS_LIMIT;
	c->out->rules = pw_arena_alloc0(c->arena,
		(rules < SIG_RULES_LIMIT ? rules : SIG_RULES_LIMIT) + 1, sizeof(struct sig_rule));
	return c->out->rules ? 0 : -ENOMEM;
}

int sig_compile(Podward__V1__SignatureSet *const *sets, size_t set_count, struct pw_arena *arena,
	struct problems *problems, struct sig_set **ret)
{
	struct compiler c = {.arena = arena, .problems = problems};
	size_t total = 0;
	int r;

	for (size_t i = 0; i < set_count; i++)
		total += sets[i]->n_rules;
	r = start(&c, total);
	for (size_t i = 0; r == 0 && i < set_count; i++)
		r = add_set(&c, sets[i]);
	if (r == 0)
		r = finish(&c);
	sig_code_done(&c.code);
	if (r == 0)
		*ret = c.out;
	return r;
}

int sig_compile_condition(
	struct pw_slice condition, struct pw_arena *arena, struct sig_set **ret, struct pw_err *err)
{
	struct compiler c = {.arena = arena};
	struct problems problems;
	struct sig_defs *defs = NULL;
	int r = problems_init(&problems, arena);

	c.problems = &problems;
	if (r == 0)
		r = start(&c, 1);
	if (r == 0)
		r = sig_defs_make(NULL, &problems, arena, &defs);
	if (r < 0)
		return pw_err_set(err, r, "out of memory");
	c.out->rules[0] = (struct sig_rule){.condition = condition};
	r = compile_text(&c, defs, &c.out->rules[0], err);
	if (r < 0)
		return r;
	c.out->count = 1;
	r = finish(&c);
	sig_code_done(&c.code);
	if (r < 0)
		return pw_err_set(err, r, "out of memory, or over a ceiling");
	*ret = c.out;
	return 0;
}
