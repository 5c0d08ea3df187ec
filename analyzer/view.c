/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/view.h"

#include "analyzer/behaviour.h"
#include "analyzer/canary.h"
#include "analyzer/learning.h"
#include "common/base/glob.h"
#include "analyzer/policy_rule.h"
#include "common/base/hash.h"

#include <errno.h>

#define ALL_DIMENSIONS BEHAVIOUR_ALL

struct view_group view_split(struct pw_slice pod_group)
{
	struct view_group g = {.namespace = {NULL, 0}};
	struct pw_slice rest = pod_group;
	ptrdiff_t slash;

	(void)pw_slice_cut(&rest, '/', &g.namespace);
	(void)pw_slice_cut(&rest, '/', &g.kind);
	slash = pw_slice_rfind_byte(rest, '/');
	if (slash < 0) {
		g.name = rest;
		return g;
	}
	g.name = pw_slice_sub(rest, 0, (size_t)slash);
	g.container = pw_slice_sub(rest, (size_t)slash + 1, rest.len);
	return g;
}

static bool fits(const struct policy_globs *g, struct pw_slice text)
{
	return g->count == 0 || pw_glob_any(g->items, g->count, text);
}

static bool selects(const struct policy_selector *s, struct pw_slice namespace,
	const struct view_group *g, struct pw_slice image)
{
	if (namespace.len > 0 && !pw_slice_eq(namespace, g->namespace))
		return false;
	return fits(&s->namespaces, g->namespace) && fits(&s->kinds, g->kind) &&
	       fits(&s->names, g->name) && fits(&s->containers, g->container) &&
	       fits(&s->images, image);
}

static void take_profile(struct view *v, const struct policy_entry *e)
{
	const Podward__V1__ProfileSettings *s = e->profile;

	v->profile_by = e;
	v->profile_on = s->enabled;
	v->profile_severity = (uint32_t)s->severity;
	if (s->learning_duration_ns > 0)
		v->learning_ns = s->learning_duration_ns < LEARNING_MIN_NS
					 ? LEARNING_MIN_NS
					 : s->learning_duration_ns;
	if (s->n_dimensions == 0)
		return;
	v->dimensions = 0;
	for (size_t i = 0; i < s->n_dimensions; i++)
		if ((uint32_t)s->dimensions[i] < 32)
			v->dimensions |= 1u << (uint32_t)s->dimensions[i];
	v->dimensions &= ALL_DIMENSIONS;
}

static int take_signatures(struct view *v, const struct policy_entry *e)
{
	const struct sig_set *set = v->policy->signatures;
	size_t words = set->count / 64 + 1;

	v->signatures_by = e;
	v->signatures_on = e->signatures->enabled;
	if (e->signature_sets.count == 0 && e->signatures_off.count == 0)
		return 0;
	v->signatures_off = pw_alloc0(words, sizeof(*v->signatures_off));
	if (!v->signatures_off)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->count; i++) {
		const struct sig_rule *r = &set->rules[i];
		bool on = fits(&e->signature_sets, r->set) &&
			  !pw_glob_any(e->signatures_off.items, e->signatures_off.count, r->id);

		if (!on)
			v->signatures_off[i / 64] |= 1ull << i % 64;
	}
	return 0;
}

static bool is_elsewhere(struct pw_slice pod_group, const struct sig_rule *r)
{
	if (r->canary_percent && !canary_has(pod_group, r->set, r->canary_percent))
		return true;
	return r->canary_rest && canary_has(pod_group, r->set, r->canary_rest);
}

static int take_canaries(struct view *v, struct pw_slice pod_group)
{
	const struct sig_set *set = v->policy->signatures;

	if (set->canary_count == 0)
		return 0;
	if (!v->signatures_off)
		v->signatures_off = pw_alloc0(set->count / 64 + 1, sizeof(*v->signatures_off));
	if (!v->signatures_off)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->count; i++)
		if (is_elsewhere(pod_group, &set->rules[i]))
			v->signatures_off[i / 64] |= 1ull << i % 64;
	return 0;
}

static int take_entries(struct view *v, const struct view_group *g, struct pw_slice image)
{
	v->entries = pw_alloc0(v->policy->entry_count + 1, sizeof(*v->entries));
	v->exclusions = pw_alloc0(v->policy->exclusion_count + 1, sizeof(*v->exclusions));
	if (!v->entries || !v->exclusions)
		return -ENOMEM;
	for (uint32_t i = 0; i < v->policy->entry_count; i++) {
		const struct policy_entry *e = &v->policy->entries[i];

		if (!selects(&e->selector, e->namespace, g, image))
			continue;
		v->entries[v->entry_count++] = e;
		if (e->profile && !v->profile_by)
			take_profile(v, e);
		if (e->signatures && !v->signatures_by && take_signatures(v, e) < 0)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < v->policy->exclusion_count; i++) {
		const struct policy_exclusion *x = &v->policy->exclusions[i];

		if (selects(&x->selector, x->namespace, g, image))
			v->exclusions[v->exclusion_count++] = x;
	}
	return 0;
}

int view_new(const struct policy *p, uint64_t version, struct pw_slice pod_group,
	struct pw_slice image, struct view **ret)
{
	struct view_group g = view_split(pod_group);
	struct view *v = pw_alloc0(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->version = version;
	v->image_hash = pw_hash64(image, 0);
	v->policy = p;
	v->profile_on = v->signatures_on = true;
	v->learning_ns = LEARNING_DEFAULT_NS;
	v->dimensions = ALL_DIMENSIONS;
	if (take_entries(v, &g, image) < 0 || take_canaries(v, pod_group) < 0) {
		view_free(v);
		return -ENOMEM;
	}
	*ret = v;
	return 0;
}

void view_free(struct view *v)
{
	if (!v)
		return;
	free(v->entries);
	free(v->exclusions);
	free(v->signatures_off);
	free(v);
}

const struct policy_rule *view_rule(
	const struct view *v, uint32_t tier, uint32_t action, const struct pw_event *e)
{
	for (uint32_t i = 0; i < v->entry_count; i++) {
		const struct policy_entry *entry = v->entries[i];

		if (entry->tier != tier)
			continue;
		for (uint32_t k = 0; k < entry->rule_count; k++)
			if (entry->rules[k].action == action &&
				policy_rule_fits(&entry->rules[k], e))
				return &entry->rules[k];
	}
	return NULL;
}

/* A wildcard does not cover deny rules: their exclusion must say "policy/" itself. */
static bool names_detector(const struct policy_globs *detectors, struct pw_slice detector)
{
	const struct pw_slice policy = PW_SLICE_LIT("policy/");
	bool is_deny = pw_slice_starts(detector, policy);

	for (uint32_t i = 0; i < detectors->count; i++) {
		if (is_deny && !pw_slice_starts(detectors->items[i], policy))
			continue;
		if (pw_glob(detectors->items[i], detector))
			return true;
	}
	return false;
}

const struct policy_exclusion *view_exclusion(
	const struct view *v, const struct view_alert *a, uint32_t *at)
{
	while (*at < v->exclusion_count) {
		const struct policy_exclusion *x = v->exclusions[(*at)++];

		if (x->expires_wall_ns != 0 && x->expires_wall_ns <= a->wall_ns)
			continue;
		if (names_detector(&x->detectors, a->detector) && fits(&x->actors, a->actor) &&
			(fits(&x->objects, a->object) || fits(&x->objects, a->raw_object)))
			return x;
	}
	return NULL;
}

const struct policy_exclusion *view_near_miss(
	const struct view *v, const struct view_alert *a, const char **ret_failed)
{
	for (uint32_t i = 0; i < v->exclusion_count; i++) {
		const struct policy_exclusion *x = v->exclusions[i];
		bool expired = x->expires_wall_ns != 0 && x->expires_wall_ns <= a->wall_ns;
		bool actor = fits(&x->actors, a->actor);
		bool object = fits(&x->objects, a->object) || fits(&x->objects, a->raw_object);

		if (!names_detector(&x->detectors, a->detector) || expired + !actor + !object != 1)
			continue;
		*ret_failed = expired  ? "it has expired"
			      : !actor ? "its actors are others"
				       : "its objects are others";
		return x;
	}
	return NULL;
}
