/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/judge.h"

#include "analyzer/judge_explain.h"
#include "analyzer/judge_profile.h"

#include <errno.h>
#include <stdio.h>

#define TEXT_BYTES 16384u
#define TIER(x)    ((uint32_t)PODWARD__V1__POLICY_TIER__POLICY_TIER_##x)
#define ACTION(x)  ((uint32_t)PODWARD__V1__RULE_ACTION__RULE_ACTION_##x)

int judge_new(struct judge **ret)
{
	struct judge *j = pw_alloc0(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	if (field_ctx_new(&j->fields) < 0 || sig_matcher_new(&j->matcher) < 0) {
		field_ctx_free(j->fields);
		free(j);
		return -ENOMEM;
	}
	pw_buf_init(&j->title, TEXT_BYTES);
	pw_buf_init(&j->reason, TEXT_BYTES);
	pw_buf_init(&j->baseline, TEXT_BYTES);
	pw_buf_init(&j->nearest, TEXT_BYTES);
	*ret = j;
	return 0;
}

void judge_free(struct judge *j)
{
	if (!j)
		return;
	field_ctx_free(j->fields);
	sig_matcher_free(j->matcher);
	pw_buf_done(&j->title);
	pw_buf_done(&j->reason);
	pw_buf_done(&j->baseline);
	pw_buf_done(&j->nearest);
	free(j);
}

static bool is_audit(const struct policy_entry *by)
{
	return by && by->mode == PODWARD__V1__POLICY_MODE__POLICY_MODE_AUDIT;
}

static bool out_of_memory(const struct judge *j)
{
	return j->title.error == -ENOMEM || j->reason.error == -ENOMEM ||
	       j->baseline.error == -ENOMEM || j->nearest.error == -ENOMEM;
}

static int announce(struct judge *j, const struct judge_case *c, const struct alert_facts *f,
	struct pw_hash128 id)
{
	Podward__V1__Alert *a = NULL;
	int r;

	if (c->report->alert_count >= REPORT_ALERTS_LIMIT) {
		j->counts.overflow++;
		return -ENOSPC;
	}
	if (out_of_memory(j))
		return -ENOMEM;
	r = alert_build(f, id, c->report, &a);
	if (r == 0)
		r = report_add_alert(c->report, a);
	if (r == 0)
		j->counts.alerts[f->severity < 6 ? f->severity : 0]++;
	return r;
}

static int count_occurrence(struct judge *j, const struct judge_case *c, struct pw_hash128 id)
{
	Podward__V1__AlertOccurrence *o = report_occurrence(c->report, id);

	if (!o)
		return -ENOMEM;
	if (o->count == 0) {
		j->counts.occurrences++;
		o->seq = c->seq;
		if (report_bytes(c->report, c->source, &o->source) < 0)
			return -ENOMEM;
	}
	o->count += c->event->count;
	if (c->event->wall.ns > o->last_wall_ns)
		o->last_wall_ns = c->event->wall.ns;
	return 0;
}

/* Every exclusion that fits is told, one in the shadow silences nothing. */
static bool is_excluded(struct judge *j, const struct judge_case *c, const struct view_alert *va)
{
	const struct policy_exclusion *x;
	uint32_t at = 0;

	while ((x = view_exclusion(c->view, va, &at)) != NULL) {
		if (!report_hit(
			    c->report, x->namespace, x->name, c->event->count, c->event->wall.ns))
			j->counts.hits_untold++;
		if (x->shadow) {
			j->counts.shadowed++;
			continue;
		}
		j->counts.excluded++;
		return true;
	}
	return false;
}

/*
 * The finding goes out: as an alert when it is the first of its window, and as one occurrence per
 * batch in any case. Title and reason have been written by judge_explain_*.
 */
int judge_raise(struct judge *j, const struct judge_case *c, struct alert_facts *f)
{
	struct view_alert va = {
		f->detector, f->object, c->event->object, f->actor, c->event->wall.ns};
	struct pw_hash128 id;
	int r;

	if (is_excluded(j, c, &va))
		return 0;
	id = alert_id(f);
	if (!report_has(c->report, id) && !suppress_has(c->group->suppress, id)) {
		if (f->is_incident && !budget_take(&c->group->budget, j->pass,
					      suppress_window(c->event->wall.ns), f->severity)) {
			j->counts.over_budget++;
			return judge_profile_overflow(j, c, f);
		}
		r = announce(j, c, f, id);
		if (r < 0)
			return r == -ENOSPC ? 0 : r;
	}
	return count_occurrence(j, c, id);
}

struct alert_facts judge_facts(const struct judge *j, const struct judge_case *c)
{
	return (struct alert_facts){
		.event = c->event,
		.node = c->node,
		.title = pw_buf_slice(&j->title),
		.reason = pw_buf_slice(&j->reason),
		.object = pw_slice_sub(c->event->object, 0, BEHAVIOUR_TEXT_BYTES),
		.actor = behaviour_actor(c->event),
		.behaviour_key = behaviour_key(
			128u + c->event->kind, behaviour_actor(c->event), c->event->object),
	};
}

static int raise_denied(struct judge *j, const struct judge_case *c, const struct policy_rule *rule)
{
	struct alert_facts f;

	j->counts.denied++;
	judge_explain_rule(j, c, rule);
	f = judge_facts(j, c);
	f.engine = PODWARD__V1__ENGINE__ENGINE_POLICY;
	f.severity = rule->severity;
	f.detector = rule->detector;
	f.mitre = rule->mitre;
	f.mitre_count = rule->mitre_count;
	f.audit = is_audit(rule->policy);
	return judge_raise(j, c, &f);
}

static int raise_signature(struct judge *j, const struct judge_case *c, const struct sig_rule *rule)
{
	struct alert_facts f;

	judge_explain_signature(j, c, rule);
	f = judge_facts(j, c);
	f.engine = PODWARD__V1__ENGINE__ENGINE_SIGNATURE;
	f.severity = rule->severity;
	f.detector = rule->detector;
	f.mitre = rule->mitre;
	f.mitre_count = rule->mitre_count;
	f.audit = is_audit(c->view->signatures_by);
	return judge_raise(j, c, &f);
}

enum sig_result { SIG_QUIET, SIG_RAISED, SIG_RAISED_FOR_GOOD };

/* SIG_RAISED_FOR_GOOD: at least one of them does not care what was learned. */
static int judge_signatures(struct judge *j, const struct judge_case *c)
{
	const struct sig_rule *matches[JUDGE_MATCHES];
	uint32_t found, shown;
	int result = SIG_QUIET;

	if (!c->view->signatures_on)
		return SIG_QUIET;
	if (sig_matcher_use(j->matcher, c->view->policy->signatures) < 0)
		return -ENOMEM;
	field_ctx_begin(j->fields, c->event);
	found = sig_match(j->matcher, j->fields, c->view->signatures_off, matches, JUDGE_MATCHES);
	shown = found < JUDGE_MATCHES ? found : JUDGE_MATCHES;
	j->counts.overflow += found - shown;
	j->counts.matches += found;
	for (uint32_t i = 0; i < shown; i++) {
		int r;

		if (matches[i]->suppress_if_learned && judge_profile_knows(j, c))
			continue;
		if (!matches[i]->suppress_if_learned)
			result = SIG_RAISED_FOR_GOOD;
		else if (result == SIG_QUIET)
			result = SIG_RAISED;
		r = raise_signature(j, c, matches[i]);
		if (r < 0)
			return r;
	}
	return result;
}

static const struct policy_rule *find_deny(const struct judge_case *c)
{
	const struct policy_rule *r = view_rule(c->view, TIER(NAMESPACED), ACTION(DENY), c->event);

	return r ? r : view_rule(c->view, TIER(DEFAULT), ACTION(DENY), c->event);
}

static bool is_allowed(const struct judge_case *c)
{
	return view_rule(c->view, TIER(NAMESPACED), ACTION(ALLOW), c->event) ||
	       view_rule(c->view, TIER(DEFAULT), ACTION(ALLOW), c->event);
}

int judge_event(struct judge *j, const struct judge_case *c)
{
	const struct view *v = c->view;
	const struct policy_rule *deny = view_rule(v, TIER(GUARDRAIL), ACTION(DENY), c->event);
	bool learning;
	int r = judge_profile_begin(j, c, &learning);

	if (r < 0)
		return r;

	j->counts.events[c->event->kind < PW_EVENT_KINDS ? c->event->kind : 0]++;
	behaviour_of(c->event, v->profile_on ? v->dimensions : 0, &j->behaviours);
	if (!deny && view_rule(v, TIER(GUARDRAIL), ACTION(ALLOW), c->event)) {
		j->counts.allowed++;
		return 0;
	}
	if (!deny)
		deny = find_deny(c);
	if (deny) {
		r = raise_denied(j, c, deny);
		return r == 0 && learning ? judge_profile_learn(j, c, true) : r;
	}
	r = judge_signatures(j, c);
	if (r < 0)
		return r;
	if (learning && r != SIG_QUIET)
		return judge_profile_learn(j, c, r == SIG_RAISED_FOR_GOOD);
	if (r != SIG_QUIET)
		return 0;
	if (is_allowed(c)) {
		j->counts.allowed++;
		return 0;
	}
	if (!v->profile_on)
		return 0;
	return learning ? judge_profile_learn(j, c, false) : judge_profile_check(j, c);
}

void judge_commit(struct judge *j, struct groups *groups, const struct report *report)
{
	for (size_t i = 0; i < report->alert_count; i++) {
		const Podward__V1__Alert *a = report->alerts[i];
		struct pw_slice key = pw_slice_of(a->pod_group.data, a->pod_group.len);
		struct group *g = groups_find(groups, pw_hash64(key, 0), key);

		if (!g)
			continue;
		suppress_put(g->suppress, report_id_of(a->id.data), a->window_wall_ns);
		budget_commit(&g->budget, j->pass);
	}
	sig_matcher_keep(j->matcher);
	j->pass++;
}

void judge_undo(struct judge *j)
{
	sig_matcher_undo(j->matcher);
}
