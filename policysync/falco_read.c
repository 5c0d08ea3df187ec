// SPDX-License-Identifier: Apache-2.0
#include "policysync/falco_read.h"
#include "common/base/escape.h"
#include "common/base/num.h"
#include "policysync/falco_private.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define ENGINE_MINOR 57u /* conditions of engine 0.57.0 are known */
#define ITEMS_MAX    16384u

/* ---- messages ---- */
static PW_PRINTF(3, 0) int tell(struct falco *f, bool refused, const char *format, va_list args)
{
	Podward__V1__SignatureProblem *p;
	struct pw_slice words;
	char text[300];

	if (f->problem_count >= FALCO_PROBLEMS)
		return 0;
	(void)vsnprintf(text, sizeof(text), format, args);
	p = pw_arena_alloc0(f->arena, 1, sizeof(*p));
	words = pw_arena_dup(f->arena, pw_slice_str(text));
	if (!p || !words.ptr)
		return -ENOMEM;
	podward__v1__signature_problem__init(p);
	p->name = (ProtobufCBinaryData){
		f->name.len < 200 ? f->name.len : 200, (uint8_t *)f->name.ptr};
	p->message = (ProtobufCBinaryData){words.len, (uint8_t *)words.ptr};
	p->is_refused = refused;
	p->line = f->line;
	f->problems[f->problem_count++] = p;
	return 0;
}

int falco_refuse(struct falco *f, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = tell(f, true, format, args);
	va_end(args);
	return r;
}

int falco_warn(struct falco *f, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = tell(f, false, format, args);
	va_end(args);
	return r;
}

/* ---- values ---- */
struct pw_slice falco_text(struct falco *f, const struct pw_json *j)
{
	char number[32];

	switch (pw_json_type(j)) {
	case PW_JSON_TEXT:
		return pw_json_text(j);
	case PW_JSON_INT:
		(void)snprintf(number, sizeof(number), "%lld", (long long)pw_json_int(j));
		return pw_arena_dup(f->arena, pw_slice_str(number));
	case PW_JSON_REAL:
		(void)snprintf(number, sizeof(number), "%g", pw_json_real(j));
		return pw_arena_dup(f->arena, pw_slice_str(number));
	case PW_JSON_BOOL:
		return pw_slice_str(pw_json_bool(j) ? "true" : "false");
	default:
		return (struct pw_slice){NULL, 0};
	}
}

struct pw_slice falco_join(struct falco *f, struct pw_slice a, struct pw_slice b)
{
	uint8_t *text = pw_arena_alloc(f->arena, a.len + b.len + 2);

	if (!text)
		return (struct pw_slice){NULL, 1};
	if (a.len > 0)
		memcpy(text, a.ptr, a.len);
	text[a.len] = ' ';
	if (b.len > 0)
		memcpy(text + a.len + 1, b.ptr, b.len);
	return pw_slice_of(text, a.len + 1 + b.len);
}

bool falco_is_change(const struct pw_json *item)
{
	return pw_json_bool(pw_json_get(item, "append")) || pw_json_get(item, "override");
}

enum falco_way falco_way(const struct pw_json *item, const char *key)
{
	const struct pw_json *override = pw_json_get(item, "override");
	struct pw_slice way = pw_json_text(pw_json_get(override, key));

	if (pw_slice_eq_str(way, "append"))
		return FALCO_APPEND;
	if (pw_slice_eq_str(way, "replace"))
		return FALCO_REPLACE;
	return !override && pw_json_bool(pw_json_get(item, "append")) ? FALCO_APPEND : FALCO_DEFINE;
}

/* ---- lists and macros ---- */
static int list_item(struct falco *f, const struct pw_json *item)
{
	const struct pw_json *items = pw_json_get(item, "items");
	bool appends = falco_way(item, "items") == FALCO_APPEND;
	struct falco_list *l = NULL;
	struct pw_slice *all;
	size_t count, kept;

	for (size_t i = 0; i < f->list_count; i++)
		if (pw_slice_eq(f->lists[i].name, f->name))
			l = &f->lists[i];
	if (pw_json_type(items) != PW_JSON_ARRAY)
		return falco_refuse(f, "items must be a list");
	if (!l && falco_is_change(item))
		return falco_refuse(f, "there is no earlier list of this name to change");
	if (!l && f->list_count == FALCO_NAMES)
		return falco_refuse(f, "more than %u lists", FALCO_NAMES);
	count = pw_json_size(items);
	kept = l && appends ? l->count : 0;
	all = pw_arena_alloc0(f->arena, kept + count + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	if (kept > 0)
		memcpy(all, l->items, kept * sizeof(*all));
	for (size_t i = 0; i < count; i++)
		all[kept + i] = falco_text(f, pw_json_at(items, i));
	if (!l)
		l = &f->lists[f->list_count++];
	*l = (struct falco_list){f->name, all, kept + count};
	return 0;
}

static int macro_item(struct falco *f, const struct pw_json *item)
{
	struct pw_slice condition = falco_text(f, pw_json_get(item, "condition"));
	struct falco_macro *m = NULL;

	for (size_t i = 0; i < f->macro_count; i++)
		if (pw_slice_eq(f->macros[i].name, f->name))
			m = &f->macros[i];
	if (condition.len == 0)
		return falco_refuse(f, "condition is missing");
	if (!m && falco_is_change(item))
		return falco_refuse(f, "there is no earlier macro of this name to change");
	if (!m && f->macro_count == FALCO_NAMES)
		return falco_refuse(f, "more than %u macros", FALCO_NAMES);
	if (m && falco_way(item, "condition") == FALCO_APPEND)
		condition = falco_join(f, m->condition, condition);
	if (!condition.ptr)
		return -ENOMEM;
	if (!m)
		m = &f->macros[f->macro_count++];
	*m = (struct falco_macro){f->name, condition, f->order++};
	return 0;
}

/* ---- items ---- */
static int engine_item(struct falco *f, const struct pw_json *version)
{
	struct pw_slice rest = falco_text(f, version), part = {NULL, 0};
	uint64_t minor = 0;
	bool dotted = pw_slice_find_byte(rest, '.') >= 0;

	f->name = PW_SLICE_LIT("required_engine_version");
	(void)pw_slice_cut(&rest, '.', &part);
	if (dotted)
		(void)pw_slice_cut(&rest, '.', &part);
	if (pw_num_u64(part, 1000000, &minor) < 0)
		return falco_warn(f, "is no version");
	return minor <= ENGINE_MINOR ? 0
				     : falco_warn(f,
					       "asks for engine 0.%llu, known is 0.%u: what is "
					       "not known is refused rule by rule",
					       (unsigned long long)minor, ENGINE_MINOR);
}

static int one_item(struct falco *f, const struct pw_json *item)
{
	static const struct {
		const char *key;
		int (*read)(struct falco *f, const struct pw_json *item);
	} kinds[] = {{"rule", falco_rule_item}, {"macro", macro_item}, {"list", list_item}};

	f->name = (struct pw_slice){NULL, 0};
	if (pw_json_type(item) != PW_JSON_OBJECT)
		return falco_refuse(f, "expected a rule, macro or list");
	for (size_t i = 0; i < PW_COUNT(kinds); i++) {
		if (!pw_json_get(item, kinds[i].key))
			continue;
		f->name = falco_text(f, pw_json_get(item, kinds[i].key));
		if (f->name.len == 0)
			return falco_refuse(f, "a %s has no name", kinds[i].key);
		if (pw_json_bool(pw_json_get(item, "append")) && pw_json_get(item, "override"))
			return falco_refuse(f, "append and override exclude each other");
		return kinds[i].read(f, item);
	}
	if (pw_json_get(item, "required_engine_version"))
		return engine_item(f, pw_json_get(item, "required_engine_version"));
	if (pw_json_get(item, "required_plugin_versions"))
		return 0;
	return falco_warn(f, "an item that is no rule, macro or list is left out");
}

static int read_docs(struct falco *f, struct pw_json **docs, size_t count, struct pw_slice text,
	struct pw_err *err)
{
	uint32_t *lines = pw_arena_alloc0(f->arena, ITEMS_MAX, sizeof(*lines));
	size_t known, n = 0;
	int r = lines ? 0 : -ENOMEM;

	known = lines ? pw_yaml_item_lines(text, lines, ITEMS_MAX) : 0;
	for (size_t d = 0; r == 0 && d < count; d++) {
		if (pw_json_type(docs[d]) != PW_JSON_ARRAY)
			return pw_err_set(
				err, -EINVAL, "expected a list of rules, macros and lists");
		for (size_t i = 0; r == 0 && i < pw_json_size(docs[d]); i++, n++) {
			f->line = n < known ? lines[n] : 0;
			r = one_item(f, pw_json_at(docs[d], i));
		}
	}
	return r < 0 ? pw_err_set(err, r, "out of memory") : 0;
}

/* ---- into the set ---- */
static ProtobufCBinaryData field_of(struct falco *f, struct pw_slice s)
{
	struct pw_slice copy = pw_arena_dup(f->arena, s); /* the tree goes away */

	return (ProtobufCBinaryData){copy.ptr ? copy.len : 0, (uint8_t *)copy.ptr};
}

/* "Read sensitive file" -> "read-sensitive-file". */
static ProtobufCBinaryData id_of(struct falco *f, struct pw_slice name)
{
	uint8_t *id = pw_arena_alloc(f->arena, name.len + 1);
	size_t len = 0;

	for (size_t i = 0; id && i < name.len && len < 128; i++) {
		uint8_t c = name.ptr[i];
		bool is_big = c >= 'A' && c <= 'Z';

		if (is_big || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.')
			id[len++] = is_big ? (uint8_t)(c + 32) : c;
		else if (len > 0 && id[len - 1] != '-')
			id[len++] = '-';
	}
	while (len > 0 && id[len - 1] == '-')
		len--;
	return (ProtobufCBinaryData){len, id};
}

static Podward__V1__Severity severity_of(struct pw_slice priority)
{
	static const struct {
		const char *name;
		Podward__V1__Severity severity;
	} rows[] = {
		{"emergency", PODWARD__V1__SEVERITY__SEVERITY_CRITICAL},
		{"alert", PODWARD__V1__SEVERITY__SEVERITY_CRITICAL},
		{"critical", PODWARD__V1__SEVERITY__SEVERITY_CRITICAL},
		{"error", PODWARD__V1__SEVERITY__SEVERITY_HIGH},
		{"warning", PODWARD__V1__SEVERITY__SEVERITY_MEDIUM},
		{"notice", PODWARD__V1__SEVERITY__SEVERITY_LOW},
		{"informational", PODWARD__V1__SEVERITY__SEVERITY_INFO},
		{"info", PODWARD__V1__SEVERITY__SEVERITY_INFO},
		{"debug", PODWARD__V1__SEVERITY__SEVERITY_INFO},
	};

	for (size_t i = 0; i < PW_COUNT(rows); i++)
		if (priority.len == strlen(rows[i].name) &&
			strncasecmp((const char *)priority.ptr, rows[i].name, priority.len) == 0)
			return rows[i].severity;
	return PODWARD__V1__SEVERITY__SEVERITY_UNSPECIFIED;
}

static void add_tags(struct falco *f, const struct falco_rule *r, Podward__V1__Signature *s)
{
	s->mitre = pw_arena_alloc0(f->arena, 16, sizeof(*s->mitre));
	for (uint32_t t = 0; s->mitre && t < r->tag_count; t++)
		for (size_t i = 0; i < pw_json_size(r->tags[t]) && s->n_mitre < 16; i++) {
			struct pw_slice tag = falco_text(f, pw_json_at(r->tags[t], i));

			if (!crd_check_mitre(tag))
				s->mitre[s->n_mitre++] = field_of(f, tag);
		}
}

/* 0 or -ENOMEM; a rule that cannot be taken is refused. */
static int add_rule(struct falco *f, const struct falco_rule *r, Podward__V1__SignatureSet *set)
{
	Podward__V1__Signature *s = pw_arena_alloc0(f->arena, 1, sizeof(*s));
	struct pw_slice condition = falco_condition(f, r), output = r->output;

	f->name = r->name;
	f->line = r->line;
	if (!s)
		return -ENOMEM;
	if (!condition.ptr)
		return falco_refuse(f, "the condition with its exceptions is longer than 64 KiB");
	podward__v1__signature__init(s);
	s->severity = severity_of(r->priority);
	if (s->severity == PODWARD__V1__SEVERITY__SEVERITY_UNSPECIFIED)
		return falco_refuse(f, "priority %.*s is unknown",
			(int)(r->priority.len < 40 ? r->priority.len : 40),
			(const char *)r->priority.ptr);
	if (output.len > 0 && output.ptr[0] == '*')
		output =
			pw_slice_sub(output, 1, output.len); /* missing values are allowed anyway */
	s->id = id_of(f, r->name);
	s->title = field_of(f, pw_slice_sub(r->name, 0, 256));
	s->condition = field_of(f, condition);
	s->output = field_of(f, pw_slice_trim(output));
	s->disabled = !r->enabled;
	s->line = r->line;
	add_tags(f, r, s);
	set->rules[set->n_rules++] = s;
	return s->id.data && (s->condition.len > 0 || condition.len == 0) ? 0 : -ENOMEM;
}

static int macro_order(const void *a, const void *b)
{
	const struct falco_macro *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

static int add_names(struct falco *f, Podward__V1__SignatureSet *set)
{
	Podward__V1__SignatureList *lists =
		pw_arena_alloc0(f->arena, f->list_count + 1, sizeof(*lists));
	Podward__V1__SignatureMacro *macros =
		pw_arena_alloc0(f->arena, f->macro_count + 1, sizeof(*macros));

	set->lists = pw_arena_alloc0(f->arena, f->list_count + 1, sizeof(*set->lists));
	set->macros = pw_arena_alloc0(f->arena, f->macro_count + 1, sizeof(*set->macros));
	if (!lists || !macros || !set->lists || !set->macros)
		return -ENOMEM;
	if (f->macro_count > 1)
		qsort(f->macros, f->macro_count, sizeof(*f->macros), macro_order);
	for (size_t i = 0; i < f->list_count; i++) {
		podward__v1__signature_list__init(&lists[i]);
		lists[i].name = field_of(f, f->lists[i].name);
		lists[i].items =
			pw_arena_alloc0(f->arena, f->lists[i].count + 1, sizeof(*lists[i].items));
		if (!lists[i].items)
			return -ENOMEM;
		for (size_t k = 0; k < f->lists[i].count; k++)
			lists[i].items[k] = field_of(f, f->lists[i].items[k]);
		lists[i].n_items = f->lists[i].count;
		set->lists[set->n_lists++] = &lists[i];
	}
	for (size_t i = 0; i < f->macro_count; i++) {
		podward__v1__signature_macro__init(&macros[i]);
		macros[i].name = field_of(f, f->macros[i].name);
		macros[i].condition = field_of(f, f->macros[i].condition);
		set->macros[set->n_macros++] = &macros[i];
	}
	return 0;
}

static int fill(struct falco *f, Podward__V1__SignatureSet *set)
{
	int r = add_names(f, set);

	set->rules = pw_arena_alloc0(f->arena, f->rule_count + 1, sizeof(*set->rules));
	if (!set->rules)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < f->rule_count; i++)
		r = add_rule(f, &f->rules[i], set);
	for (size_t i = 0; r == 0 && i < f->problem_count; i++)
		f->problems[i]->name = field_of(
			f, pw_slice_of(f->problems[i]->name.data, f->problems[i]->name.len));
	set->problems = f->problems;
	set->n_problems = f->problem_count;
	return r;
}

int falco_read(struct pw_arena *a, struct pw_slice text, Podward__V1__SignatureSet *set,
	struct pw_err *err)
{
	struct falco f = {.arena = a};
	struct pw_json **docs = NULL;
	size_t count = 0;
	int r = pw_yaml_parse(text, &docs, &count, err);

	if (r < 0)
		return r;
	f.lists = pw_arena_alloc0(a, FALCO_NAMES, sizeof(*f.lists));
	f.macros = pw_arena_alloc0(a, FALCO_NAMES, sizeof(*f.macros));
	f.rules = pw_arena_alloc0(a, FALCO_RULES, sizeof(*f.rules));
	f.problems =
		pw_arena_alloc0(a, FALCO_PROBLEMS, sizeof(struct Podward__V1__SignatureProblem *));
	if (!f.lists || !f.macros || !f.rules || !f.problems)
		r = pw_err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = read_docs(&f, docs, count, text, err);
	if (r == 0 && fill(&f, set) < 0)
		r = pw_err_set(err, -ENOMEM, "out of memory");
	pw_yaml_docs_free(docs, count);
	return r;
}
