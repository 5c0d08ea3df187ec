// SPDX-License-Identifier: Apache-2.0
#include "policysync/crd_policy.h"
#include "common/base/clock.h"
#include <errno.h>

#define RULES_MAX       256
#define PATTERNS_MAX    256
#define LEARNING_MIN_NS (1ull * PW_NS_PER_S)
#define LEARNING_MAX_NS (90ull * 24 * 3600 * PW_NS_PER_S)

#define DIMENSIONS_MAX 16u
#define REMOVED_MAX    512u

static const struct crd_text_rule glob_rule = {1024, crd_check_glob, false};
static const struct crd_text_rule globs_required = {1024, crd_check_glob, true};
static const struct crd_text_rule mitre_rule = {16, crd_check_mitre, false};

static void read_dimensions(
	struct pw_arena *a, const struct pw_json_reader *r, Podward__V1__ProfileSettings *out)
{
	struct pw_json_reader array;
	size_t count = crd_items(r, "dimensions", DIMENSIONS_MAX, &array);

	if (count == 0)
		return;
	out->dimensions = crd_array(a, r, count, sizeof(*out->dimensions));
	for (size_t i = 0; out->dimensions && i < count; i++) {
		struct pw_json_reader item = pw_reader_item(&array, i);

		out->dimensions[out->n_dimensions++] = crd_dimension(&item);
	}
}

static Podward__V1__RemovedBehaviour *read_removed(
	struct pw_arena *a, const struct pw_json_reader *r)
{
	static const char *const known[] = {"dimension", "actor", "object", NULL};
	static const struct crd_text_rule actor = {4096, crd_check_any, false};
	static const struct crd_text_rule object = {4096, crd_check_any, true};
	struct pw_json_reader dimension = pw_reader_field(r, "dimension");
	Podward__V1__RemovedBehaviour *m = crd_array(a, r, 1, sizeof(*m));

	if (!m || !crd_is_object(r, true))
		return NULL;
	podward__v1__removed_behaviour__init(m);
	pw_read_only(r, known);
	m->dimension = crd_dimension(&dimension);
	m->actor = crd_text(a, r, "actor", &actor);
	m->object = crd_text(a, r, "object", &object);
	return m;
}

/* What a user wants of baselines that are there already. */
static void read_wishes(
	struct pw_arena *a, const struct pw_json_reader *r, Podward__V1__ProfileSettings *out)
{
	struct pw_json_reader array;
	size_t count = crd_items(r, "removed", REMOVED_MAX, &array);

	out->frozen = pw_read_bool(r, "frozen", false);
	out->relearn_wall_ns = crd_time(r, "relearnFrom");
	out->relearn_duration_ns = pw_read_duration(r, "relearnDuration", 0);
	out->epoch = (uint64_t)pw_read_int(r, "epoch", 0, INT64_MAX, 0);
	if (count == 0)
		return;
	out->removed = crd_array(a, r, count, sizeof(*out->removed));
	for (size_t i = 0; out->removed && i < count; i++) {
		struct pw_json_reader item = pw_reader_item(&array, i);

		out->removed[i] = read_removed(a, &item);
		if (!out->removed[i])
			return;
		out->n_removed++;
	}
}

static Podward__V1__ProfileSettings *read_profile(
	struct pw_arena *a, const struct pw_json_reader *spec)
{
	static const char *const known[] = {"enabled", "learningDuration", "dimensions", "severity",
		"frozen", "relearnFrom", "relearnDuration", "epoch", "removed", NULL};
	struct pw_json_reader r = pw_reader_field(spec, "profile");
	Podward__V1__ProfileSettings *p;

	if (!crd_is_object(&r, false))
		return NULL;
	pw_read_only(&r, known);
	p = crd_array(a, &r, 1, sizeof(*p));
	if (!p)
		return NULL;
	podward__v1__profile_settings__init(p);
	p->present = true;
	p->enabled = pw_read_bool(&r, "enabled", true);
	p->learning_duration_ns = pw_read_duration(&r, "learningDuration", 0);
	if (pw_json_get(r.node, "learningDuration") &&
		(p->learning_duration_ns < LEARNING_MIN_NS ||
			p->learning_duration_ns > LEARNING_MAX_NS))
		crd_fail(&r, "learningDuration", -ERANGE, "must be between 1s and 90d");
	read_dimensions(a, &r, p);
	p->severity = crd_severity(&r, "severity");
	read_wishes(a, &r, p);
	return p;
}

static Podward__V1__SignatureSettings *read_signatures(
	struct pw_arena *a, const struct pw_json_reader *spec)
{
	static const char *const known[] = {"enabled", "sets", "disabled", NULL};
	static const struct crd_text_rule set_rule = {253, crd_check_name, false};
	static const struct crd_text_rule id_rule = {128, crd_check_rule_id, false};
	struct pw_json_reader r = pw_reader_field(spec, "signatures");
	Podward__V1__SignatureSettings *s;
	struct crd_texts list;

	if (!crd_is_object(&r, false))
		return NULL;
	pw_read_only(&r, known);
	s = crd_array(a, &r, 1, sizeof(*s));
	if (!s)
		return NULL;
	podward__v1__signature_settings__init(s);
	s->present = true;
	s->enabled = pw_read_bool(&r, "enabled", true);
	list = crd_text_list(a, &r, "sets", 64, &set_rule);
	s->n_sets = list.count, s->sets = list.items;
	list = crd_text_list(a, &r, "disabled", 1024, &id_rule);
	s->n_disabled = list.count, s->disabled = list.items;
	return s;
}

static Podward__V1__ExecMatch *read_exec(struct pw_arena *a, const struct pw_json_reader *r)
{
	static const char *const known[] = {"paths", NULL};
	Podward__V1__ExecMatch *m = crd_array(a, r, 1, sizeof(*m));
	struct crd_texts list;

	pw_read_only(r, known);
	list = crd_text_list(a, r, "paths", PATTERNS_MAX, &globs_required);
	if (!m)
		return NULL;
	podward__v1__exec_match__init(m);
	m->n_paths = list.count, m->paths = list.items;
	return m;
}

static Podward__V1__FileMatch *read_file(struct pw_arena *a, const struct pw_json_reader *r)
{
	static const char *const known[] = {"paths", "read", "write", NULL};
	Podward__V1__FileMatch *m = crd_array(a, r, 1, sizeof(*m));
	struct crd_texts list;

	pw_read_only(r, known);
	list = crd_text_list(a, r, "paths", PATTERNS_MAX, &globs_required);
	if (!m)
		return NULL;
	podward__v1__file_match__init(m);
	m->n_paths = list.count, m->paths = list.items;
	m->read = pw_read_bool(r, "read", false);
	m->write = pw_read_bool(r, "write", false);
	return m;
}

static void read_ports(
	struct pw_arena *a, const struct pw_json_reader *r, Podward__V1__NetworkMatch *m)
{
	struct pw_json_reader array;
	size_t count = crd_items(r, "ports", PATTERNS_MAX, &array);

	if (count == 0)
		return;
	m->ports = crd_array(a, r, count, sizeof(*m->ports));
	for (size_t i = 0; m->ports && i < count; i++) {
		struct pw_json_reader item = pw_reader_item(&array, i);
		int64_t port = pw_json_int(item.node);

		if (pw_json_type(item.node) != PW_JSON_INT || port < 1 || port > 65535)
			crd_fail(&item, NULL, -ERANGE, "expected a port from 1 to 65535");
		m->ports[m->n_ports++] = (uint32_t)port;
	}
}

static Podward__V1__NetworkMatch *read_network(struct pw_arena *a, const struct pw_json_reader *r)
{
	static const char *const known[] = {"cidrs", "ports", "protocol", NULL};
	static const char *const protocols[] = {"tcp", "udp", NULL};
	static const struct crd_text_rule cidr = {64, crd_check_cidr, false};
	static const struct crd_text_rule any = {8, crd_check_any, false};
	Podward__V1__NetworkMatch *m = crd_array(a, r, 1, sizeof(*m));
	struct crd_texts list;

	pw_read_only(r, known);
	list = crd_text_list(a, r, "cidrs", PATTERNS_MAX, &cidr);
	if (!m)
		return NULL;
	podward__v1__network_match__init(m);
	m->n_cidrs = list.count, m->cidrs = list.items;
	read_ports(a, r, m);
	if (pw_read_choice(r, "protocol", protocols, -1) >= 0)
		m->protocol = crd_text(a, r, "protocol", &any);
	if (m->n_cidrs == 0 && m->n_ports == 0 && m->protocol.len == 0)
		crd_fail(r, NULL, -EINVAL, "names no cidrs, ports or protocol");
	return m;
}

static void read_match(struct pw_arena *a, const struct pw_json_reader *r, Podward__V1__Rule *rule)
{
	static const char *const known[] = {"exec", "file", "network", NULL};
	struct pw_json_reader match = pw_reader_field(r, "match");
	struct pw_json_reader exec, file, network;

	if (!crd_is_object(&match, true))
		return;
	pw_read_only(&match, known);
	if (pw_json_size(match.node) != 1)
		crd_fail(&match, NULL, -EINVAL, "expected exactly one of exec, file, network");
	exec = pw_reader_field(&match, "exec");
	file = pw_reader_field(&match, "file");
	network = pw_reader_field(&match, "network");
	if (crd_is_object(&exec, false))
		rule->exec = read_exec(a, &exec);
	if (crd_is_object(&file, false))
		rule->file = read_file(a, &file);
	if (crd_is_object(&network, false))
		rule->network = read_network(a, &network);
}

static void read_from(struct pw_arena *a, const struct pw_json_reader *r, Podward__V1__Rule *rule)
{
	static const char *const known[] = {"exec", NULL};
	struct pw_json_reader from = pw_reader_field(r, "from");
	struct crd_texts list;

	if (!crd_is_object(&from, false))
		return;
	pw_read_only(&from, known);
	list = crd_text_list(a, &from, "exec", PATTERNS_MAX, &glob_rule);
	rule->n_from_exec = list.count, rule->from_exec = list.items;
}

static Podward__V1__Rule *read_rule(struct pw_arena *a, const struct pw_json_reader *r)
{
	static const char *const known[] = {
		"name", "action", "severity", "match", "from", "mitre", NULL};
	static const char *const actions[] = {"Allow", "Deny", NULL};
	static const struct crd_text_rule name = {63, crd_check_rule_id, true};
	Podward__V1__Rule *rule;
	struct crd_texts list;
	int action;

	if (!crd_is_object(r, true))
		return NULL;
	rule = crd_array(a, r, 1, sizeof(*rule));
	if (!rule)
		return NULL;
	podward__v1__rule__init(rule);
	pw_read_only(r, known);
	rule->name = crd_text(a, r, "name", &name);
	action = pw_read_choice(r, "action", actions, -1);
	if (action < 0)
		crd_fail(r, "action", -EINVAL, "missing");
	rule->action = (Podward__V1__RuleAction)(action + 1);
	rule->severity = crd_severity(r, "severity");
	read_match(a, r, rule);
	read_from(a, r, rule);
	list = crd_text_list(a, r, "mitre", 16, &mitre_rule);
	rule->n_mitre = list.count, rule->mitre = list.items;
	return rule;
}

static bool has_name(const Podward__V1__Policy *p, const Podward__V1__Rule *rule)
{
	struct pw_slice name = pw_slice_of(rule->name.data, rule->name.len);

	for (size_t i = 0; i < p->n_rules; i++)
		if (pw_slice_eq(pw_slice_of(p->rules[i]->name.data, p->rules[i]->name.len), name))
			return true;
	return false;
}

static bool is_same_list(
	const ProtobufCBinaryData *a, size_t a_count, const ProtobufCBinaryData *b, size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++)
		if (!pw_slice_eq(
			    pw_slice_of(a[i].data, a[i].len), pw_slice_of(b[i].data, b[i].len)))
			return false;
	return true;
}

static bool is_same_network(const Podward__V1__NetworkMatch *a, const Podward__V1__NetworkMatch *b)
{
	return is_same_list(a->cidrs, a->n_cidrs, b->cidrs, b->n_cidrs) &&
	       is_same_list(&a->protocol, 1, &b->protocol, 1) && a->n_ports == b->n_ports &&
	       (a->n_ports == 0 ||
		       memcmp(a->ports, b->ports, a->n_ports * sizeof(a->ports[0])) == 0);
}

static bool is_same_match(const Podward__V1__Rule *a, const Podward__V1__Rule *b)
{
	if (!is_same_list(a->from_exec, a->n_from_exec, b->from_exec, b->n_from_exec))
		return false;
	if (a->exec && b->exec)
		return is_same_list(
			a->exec->paths, a->exec->n_paths, b->exec->paths, b->exec->n_paths);
	if (a->file && b->file)
		return a->file->read == b->file->read && a->file->write == b->file->write &&
		       is_same_list(
			       a->file->paths, a->file->n_paths, b->file->paths, b->file->n_paths);
	return a->network && b->network && is_same_network(a->network, b->network);
}

/* An earlier rule that says the opposite of exactly the same. */
static const Podward__V1__Rule *find_contradiction(
	const Podward__V1__Policy *p, const Podward__V1__Rule *rule)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i]->action != rule->action && is_same_match(p->rules[i], rule))
			return p->rules[i];
	return NULL;
}

static void read_rules(
	struct pw_arena *a, const struct pw_json_reader *spec, Podward__V1__Policy *p)
{
	struct pw_json_reader array;
	size_t count = crd_items(spec, "rules", RULES_MAX, &array);

	if (count == 0)
		return;
	p->rules = (Podward__V1__Rule **)crd_array(a, spec, count, sizeof(*p->rules));
	for (size_t i = 0; p->rules && i < count; i++) {
		struct pw_json_reader item = pw_reader_item(&array, i);
		Podward__V1__Rule *rule = read_rule(a, &item);
		const Podward__V1__Rule *other;

		if (!rule || crd_failed(&item))
			return;
		if (has_name(p, rule))
			crd_fail(&item, "name", -EEXIST, "the name is used by an earlier rule");
		other = find_contradiction(p, rule);
		if (other)
			crd_fail(&item, NULL, -EINVAL,
				"contradicts rule \"%.*s\", which matches the same",
				(int)other->name.len, (const char *)other->name.data);
		p->rules[p->n_rules++] = rule;
	}
}

static void read_scalars(
	const struct pw_json_reader *spec, const struct crd_meta *meta, Podward__V1__Policy *p)
{
	static const char *const modes[] = {"Disabled", "Audit", "Enforce", NULL};
	static const char *const tiers[] = {"Guardrail", "Default", NULL};

	p->mode = (Podward__V1__PolicyMode)(pw_read_choice(spec, "mode", modes, 2) + 1);
	p->priority = (uint32_t)pw_read_int(spec, "priority", 0, 1000, 100);
	if (meta->namespaced && pw_json_get(spec->node, "tier"))
		crd_fail(spec, "tier", -EINVAL, "only ClusterRuntimePolicy has a tier");
	if (meta->namespaced)
		p->tier = PODWARD__V1__POLICY_TIER__POLICY_TIER_NAMESPACED;
	else if (pw_read_choice(spec, "tier", tiers, 1) == 0)
		p->tier = PODWARD__V1__POLICY_TIER__POLICY_TIER_GUARDRAIL;
	else
		p->tier = PODWARD__V1__POLICY_TIER__POLICY_TIER_DEFAULT;
}

Podward__V1__Policy *crd_policy_read(
	struct pw_arena *a, const struct pw_json_reader *spec, const struct crd_meta *meta)
{
	static const char *const known[] = {
		"mode", "tier", "priority", "selector", "profile", "signatures", "rules", NULL};
	Podward__V1__Policy *p;

	if (!crd_is_object(spec, true))
		return NULL;
	p = crd_array(a, spec, 1, sizeof(*p));
	if (!p)
		return NULL;
	podward__v1__policy__init(p);
	pw_read_only(spec, known);
	p->namespace_ = meta->namespace_;
	p->name = meta->name;
	read_scalars(spec, meta, p);
	p->selector = crd_selector(a, spec, meta->namespaced);
	p->profile = read_profile(a, spec);
	p->signatures = read_signatures(a, spec);
	read_rules(a, spec, p);
	return crd_failed(spec) ? NULL : p;
}
