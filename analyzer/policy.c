/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/policy.h"

#include "analyzer/policy_rule.h"
#include "common/wire/arena_alloc.h"

#include <errno.h>
#include <stdio.h>

#define ARENA_CHUNK      (64u << 10)
#define ARENA_LIMIT      (64u << 20)
#define POLICIES_LIMIT   512u
#define RULES_LIMIT      256u
#define EXCLUSIONS_LIMIT 4096u

static struct pw_slice bytes_of(ProtobufCBinaryData b)
{
	return pw_slice_of(b.data, b.len);
}

/* Names come from outside: at most 253 bytes of each are shown. */
static int complain(struct policy *p, const char *kind, struct pw_slice name, const char *field,
	const char *message)
{
	char object[300];
	int len = snprintf(object, sizeof(object), "%s/%.*s", kind,
		(int)(name.len < 253 ? name.len : 253), (const char *)name.ptr);

	return problems_add(&p->problems, pw_slice_of(object, (size_t)len), pw_slice_str(field),
		pw_slice_str(message));
}

static int make_selector(
	struct pw_arena *a, const Podward__V1__Selector *s, struct policy_selector *out)
{
	int r = 0;

	if (!s)
		return 0;
	r |= policy_globs_make(a, s->namespaces, s->n_namespaces, &out->namespaces);
	r |= policy_globs_make(a, s->kinds, s->n_kinds, &out->kinds);
	r |= policy_globs_make(a, s->names, s->n_names, &out->names);
	r |= policy_globs_make(a, s->containers, s->n_containers, &out->containers);
	r |= policy_globs_make(a, s->images, s->n_images, &out->images);
	return r ? -ENOMEM : 0;
}

static const char *kind_of(const struct policy_entry *e)
{
	return e->namespace.len ? "RuntimePolicy" : "ClusterRuntimePolicy";
}

static int make_rules(struct policy *p, const Podward__V1__Policy *m, struct policy_entry *e)
{
	size_t count = m->n_rules < RULES_LIMIT ? m->n_rules : RULES_LIMIT;
	int r;

	if (m->n_rules > RULES_LIMIT && complain(p, kind_of(e), e->name, "spec.rules",
						"more than 256 rules: the rest is ignored") < 0)
		return -ENOMEM;
	e->rules = pw_arena_alloc0(p->arena, count + 1, sizeof(*e->rules));
	if (!e->rules)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct policy_rule *rule = &e->rules[e->rule_count];
		struct pw_err err = PW_ERR_INIT;
		char field[48];

		*rule = (struct policy_rule){.policy = e};
		r = policy_rule_make(m->rules[i], p->arena, rule, &err);
		if (r == -ENOMEM)
			return r;
		(void)snprintf(field, sizeof(field), "spec.rules[%zu]", i);
		if (r < 0 && complain(p, kind_of(e), e->name, field, err.msg) < 0)
			return -ENOMEM;
		e->rule_count += r == 0;
	}
	return 0;
}

static int make_entry(struct policy *p, const Podward__V1__Policy *m, struct policy_entry *e)
{
	*e = (struct policy_entry){
		.namespace = bytes_of(m->namespace_),
		.name = bytes_of(m->name),
		.tier = (uint32_t)m->tier,
		.mode = (uint32_t)m->mode,
		.priority = m->priority,
	};
	if (make_selector(p->arena, m->selector, &e->selector) < 0)
		return -ENOMEM;
	if (m->profile && m->profile->present)
		e->profile = m->profile;
	if (m->signatures && m->signatures->present) {
		e->signatures = m->signatures;
		if (policy_globs_make(p->arena, m->signatures->sets, m->signatures->n_sets,
			    &e->signature_sets) < 0 ||
			policy_globs_make(p->arena, m->signatures->disabled,
				m->signatures->n_disabled, &e->signatures_off) < 0)
			return -ENOMEM;
	}
	return make_rules(p, m, e);
}

/* Guardrail before namespaced before default; then higher priority, then the stricter, then the
 * name. */
static int entry_order(const void *left, const void *right)
{
	const struct policy_entry *a = left, *b = right;
	bool a_strict = !a->profile || a->profile->enabled;
	bool b_strict = !b->profile || b->profile->enabled;
	int by_name;

	if (a->tier != b->tier)
		return a->tier < b->tier ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	if (a_strict != b_strict)
		return a_strict ? -1 : 1;
	by_name = pw_slice_cmp(a->name, b->name);
	return by_name ? by_name : pw_slice_cmp(a->namespace, b->namespace);
}

static int make_entries(struct policy *p, const Podward__V1__PolicySnapshot *m)
{
	p->entries = pw_arena_alloc0(p->arena, m->n_policies + 1, sizeof(*p->entries));
	if (!p->entries)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_policies; i++) {
		const Podward__V1__Policy *src = m->policies[i];
		int r;

		if (src->mode == PODWARD__V1__POLICY_MODE__POLICY_MODE_DISABLED)
			continue;
		if (src->tier < PODWARD__V1__POLICY_TIER__POLICY_TIER_GUARDRAIL ||
			src->tier > PODWARD__V1__POLICY_TIER__POLICY_TIER_DEFAULT) {
			r = complain(p, "RuntimePolicy", bytes_of(src->name), "spec.tier",
				"unknown tier: the policy is ignored");
			if (r < 0)
				return r;
			continue;
		}
		r = make_entry(p, src, &p->entries[p->entry_count]);
		if (r < 0)
			return r;
		p->entry_count++;
	}
	if (p->entry_count > 1)
		qsort(p->entries, p->entry_count, sizeof(*p->entries), entry_order);
	/* Sorting moved the entries: their rules point back to them. */
	for (uint32_t i = 0; i < p->entry_count; i++)
		for (uint32_t k = 0; k < p->entries[i].rule_count; k++)
			p->entries[i].rules[k].policy = &p->entries[i];
	return 0;
}

static const char *exclusion_fault(const Podward__V1__Exclusion *m)
{
	if (m->reason.len == 0)
		return "spec.reason is missing: the exclusion is ignored";
	if (m->n_detectors == 0)
		return "spec.detectors is missing: the exclusion is ignored";
	return NULL;
}

static int make_exclusion(struct policy *p, const Podward__V1__Exclusion *m)
{
	struct policy_exclusion *x = &p->exclusions[p->exclusion_count];
	const char *fault = exclusion_fault(m);
	int r;

	if (fault)
		return complain(p, "RuntimeExclusion", bytes_of(m->name), "spec", fault);
	*x = (struct policy_exclusion){
		.namespace = bytes_of(m->namespace_),
		.name = bytes_of(m->name),
		.expires_wall_ns = m->expires_wall_ns,
		.shadow = m->shadow,
	};
	r = make_selector(p->arena, m->selector, &x->selector);
	r |= policy_globs_make(p->arena, m->detectors, m->n_detectors, &x->detectors);
	r |= policy_globs_make(p->arena, m->objects, m->n_objects, &x->objects);
	r |= policy_globs_make(p->arena, m->actors, m->n_actors, &x->actors);
	p->exclusion_count += r == 0;
	return r ? -ENOMEM : 0;
}

static int compile_all(struct policy *p, const Podward__V1__PolicySnapshot *m, struct pw_err *err)
{
	int r;

	if (m->n_policies > POLICIES_LIMIT || m->n_exclusions > EXCLUSIONS_LIMIT)
		return pw_err_set(err, -E2BIG,
			"snapshot with more than %u policies or %u exclusions", POLICIES_LIMIT,
			EXCLUSIONS_LIMIT);
	p->serial = m->serial;
	p->revision = bytes_of(m->revision);
	r = problems_init(&p->problems, p->arena);
	if (r == 0)
		r = make_entries(p, m);
	p->exclusions = pw_arena_alloc0(p->arena, m->n_exclusions + 1, sizeof(*p->exclusions));
	if (!p->exclusions)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < m->n_exclusions; i++)
		r = make_exclusion(p, m->exclusions[i]);
	if (r == 0)
		r = sig_compile(m->signature_sets, m->n_signature_sets, p->arena, &p->problems,
			&p->signatures);
	return r < 0 ? pw_err_set(err, r, "policy snapshot: out of memory or over %u MiB",
			       ARENA_LIMIT >> 20)
		     : 0;
}

int policy_compile(struct pw_slice bytes, struct policy **ret, struct pw_err *err)
{
	struct policy *p = pw_alloc0(1, sizeof(*p));
	ProtobufCMessage *m;
	int r;

	if (!p)
		return pw_err_set(err, -ENOMEM, "policy snapshot: out of memory");
	r = pw_arena_new(ARENA_CHUNK, ARENA_LIMIT, &p->arena);
	if (r < 0)
		goto fail;
	m = pw_unpack(p->arena, &podward__v1__policy_snapshot__descriptor, bytes);
	if (!m && pw_arena_refused(p->arena) > 0)
		r = pw_err_set(err, -ENOMEM, "policy snapshot: out of memory");
	else if (!m)
		r = pw_err_set(err, -EINVAL, "policy snapshot: malformed");
	else
		r = compile_all(p, (const Podward__V1__PolicySnapshot *)m, err);
	if (r < 0)
		goto fail;
	*ret = p;
	return 0;
fail:
	policy_free(p);
	return r;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	pw_arena_free(p->arena);
	free(p);
}

void policy_destroy(void *policy)
{
	policy_free(policy);
}
