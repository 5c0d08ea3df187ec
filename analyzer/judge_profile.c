/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/judge_profile.h"

#include "analyzer/baseline_rest.h"
#include "analyzer/judge_explain.h"
#include "analyzer/template.h"
#include "analyzer/verdict.h"
#include "common/base/hash.h"

#include <errno.h>
#include <stdio.h>

#define DIM(x)   PODWARD__V1__DIMENSION__DIMENSION_##x
#define PFLAG(x) ((uint32_t)PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_##x)
#define BFLAG(x) ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_##x)
#define REPLICAS 3u /* that must run before one of them can be the odd one */

static bool is_audit(const struct judge_case *c)
{
	const struct policy_entry *by = c->view->profile_by;

	return by && by->mode == PODWARD__V1__POLICY_MODE__POLICY_MODE_AUDIT;
}

int judge_profile_begin(struct judge *j, const struct judge_case *c, bool *ret_learning)
{
	struct learning *l = &c->group->learning;
	uint64_t duration_ns = c->view->learning_ns;
	int r;

	(void)j;
	*ret_learning = false;
	if (!c->view->profile_on)
		return 0;
	*ret_learning = learning_at(l, c->event->wall, c->now, duration_ns);
	while (l->is_due) {
		r = group_settle(c->group);
		if (r < 0)
			return r;
		*ret_learning = learning_at(l, c->event->wall, c->now, duration_ns);
	}
	return !*ret_learning && c->group->learned_late ? group_settle_late(c->group) : 0;
}

/* The first minute of a container; with a clock of minutes there is no such thing. */
static bool is_start(const struct judge_case *c)
{
	const struct pw_event *e = c->event;
	const struct pw_container_def *d = &e->process->container->def;

	return c->group->learning.duration_ns >= LEARNING_EVIDENCE_NS && !d->pre_running &&
	       d->started.ns != 0 && e->wall.ns - d->started.ns < EVIDENCE_STARTUP_NS;
}

/* Not of the image, or not of the container's own making: never learned silently. 0 = neither. */
static uint32_t doubt(const struct pw_event *e)
{
	const struct pw_process *parent = e->kind == PW_EVENT_EXEC ? e->process->parent : NULL;
	uint32_t flags = e->process->def.flags | (parent ? parent->def.flags : 0), r = 0;

	if (flags & PFLAG(NOT_FROM_INIT))
		r |= BFLAG(CANDIDATE) | BFLAG(OUTSIDE);
	if (flags & (PFLAG(UPPER_LAYER) | PFLAG(MEMFD)))
		r |= BFLAG(CANDIDATE) | BFLAG(GRAVE);
	return r;
}

int judge_profile_learn(struct judge *j, const struct judge_case *c, bool candidate)
{
	struct baseline *b = c->group->baseline;
	struct baseline_seen seen = {
		.wall_ns = c->event->wall.ns,
		.containers = {c->container_hash},
	};

	seen.flags = doubt(c->event);
	if (candidate)
		seen.flags |= BFLAG(CANDIDATE) | BFLAG(GRAVE);
	if (seen.flags == 0)
		seen.flags = is_start(c) ? BFLAG(STARTUP) : BFLAG(STEADY);
	for (uint32_t i = 0; i < j->behaviours.count; i++) {
		int r = baseline_observe(b, &j->behaviours.items[i], &seen);

		if (r == -ENOMEM)
			return r;
		j->counts.learned += r > 0;
		c->group->learned_late |= r > 0 && learning_is_protected(&c->group->learning);
		if (r == -ENOSPC) {
			j->counts.learn_refused++;
			learning_partial(
				&c->group->learning, "more behaviours than a baseline holds");
		}
	}
	if (baseline_count(b) >= baseline_limit(b) - baseline_limit(b) / 8 && !c->group->is_widened)
		return group_make_room(c->group);
	return 0;
}

/* Accepted at this time of the container's life. */
static bool is_accepted(enum baseline_answer a, const struct judge_case *c)
{
	return a == BASELINE_KNOWN || (a == BASELINE_STARTUP_ONLY && is_start(c));
}

/* Asked at rest as long as that is enough. -ENOMEM: it cannot wake. */
static int ask(const struct judge_case *c, const struct behaviour *b, enum baseline_answer *ret)
{
	struct baseline *base = c->group->baseline;
	int r;

	*ret = BASELINE_KNOWN;
	if (baseline_rest_is(base) && baseline_rest_knows(base, b, c->versions, is_start(c)))
		return 0;
	r = baseline_rest_wake(base);
	if (r == 0)
		*ret = baseline_ask(base, b, c->versions, NULL);
	return r;
}

bool judge_profile_knows(const struct judge *j, const struct judge_case *c)
{
	enum baseline_answer answer;

	for (uint32_t i = 0; i < j->behaviours.count; i++) {
		const struct behaviour *b = &j->behaviours.items[i];

		if (b->dimension != DIM(EXEC_ARGS) &&
			(ask(c, b, &answer) < 0 || !is_accepted(answer, c)))
			return false;
	}
	return j->behaviours.count > 0 && c->view->profile_on;
}

/* Files of one form are one incident: a thousand new names are one alert with a count. */
static uint64_t incident_of(const struct judge_case *c, const struct behaviour *b)
{
	const struct pw_process *root = c->event->process;
	uint8_t text[BEHAVIOUR_TEXT_BYTES];
	struct pw_slice form = b->object;

	while (root->parent && root->parent->container == root->container)
		root = root->parent;
	if (b->dimension == DIM(SYSCALL))
		form = (struct pw_slice){NULL, 0}; /* a new program brings a dozen at once */
	else if (b->dimension != DIM(NET_EGRESS) && b->dimension != DIM(NET_LISTEN) &&
		 b->dimension != DIM(PRIVILEGE) && b->dimension != DIM(CAPABILITY) &&
		 b->dimension != DIM(EXEC))
		form = behaviour_form(b->object, text);
	return pw_hash_mix(behaviour_key(b->dimension, b->actor, form), pw_hash64(root->exe, 0));
}

static bool is_odd(const struct judge_case *c)
{
	return group_live(c->group, c->event->wall) >= REPLICAS;
}

static int raise_violation(struct judge *j, const struct judge_case *c, const struct behaviour *b,
	enum baseline_answer answer)
{
	struct verdict v = {
		.what = b,
		.answer = answer,
		.process_flags = c->event->process->def.flags,
		.sensitive = template_is_sensitive(b->object),
		.odd_one_out = is_odd(c),
		.partial = c->group->learning.partial_reason[0] != '\0',
	};
	struct alert_facts f;
	char detector[40];
	int len = snprintf(
		detector, sizeof(detector), "profile/%s", behaviour_dimension_name(b->dimension));

	j->counts.violations++;
	judge_explain_violation(j, c, &v);
	f = judge_facts(j, c);
	f.engine = PODWARD__V1__ENGINE__ENGINE_PROFILE;
	f.severity = c->view->profile_severity ? c->view->profile_severity : verdict_severity(&v);
	f.detector = pw_slice_of(detector, (size_t)len);
	f.behaviour_key = incident_of(c, b);
	f.is_incident = true;
	f.object = b->object;
	f.actor = b->actor;
	f.baseline = pw_buf_slice(&j->baseline);
	f.nearest = pw_buf_slice(&j->nearest);
	f.audit = is_audit(c);
	return judge_raise(j, c, &f);
}

/* New with this image version, by ordinary processes, and nothing that is never let in silently. */
static bool may_wait(const struct judge_case *c, const struct behaviour *b)
{
	return c->in_grace && doubt(c->event) == 0 && !template_is_sensitive(b->object);
}

static int wait_for_release(struct judge *j, const struct judge_case *c, const struct behaviour *b)
{
	struct baseline_seen seen = {
		.wall_ns = c->event->wall.ns,
		.flags = BFLAG(PENDING),
		.containers = {c->container_hash},
		.versions = 1u << c->version,
	};
	int r = baseline_observe(c->group->baseline, b, &seen);

	if (r == -ENOMEM)
		return r;
	if (r == -ENOSPC)
		return raise_violation(j, c, b, BASELINE_UNKNOWN);
	j->counts.pending += r > 0;
	return 0;
}

int judge_profile_check(struct judge *j, const struct judge_case *c)
{
	for (uint32_t i = 0; i < j->behaviours.count; i++) {
		const struct behaviour *b = &j->behaviours.items[i];
		enum baseline_answer a;
		int r = ask(c, b, &a);

		if (r < 0)
			return r;
		if (is_accepted(a, c))
			continue;
		if ((a == BASELINE_UNKNOWN || a == BASELINE_PENDING) && may_wait(c, b))
			r = wait_for_release(j, c, b);
		else
			r = raise_violation(j, c, b, a);
		/* An unknown program is said once, not once more for its arguments. */
		if (r < 0 || b->dimension == DIM(EXEC))
			return r;
	}
	return 0;
}

int judge_profile_overflow(struct judge *j, const struct judge_case *c, struct alert_facts *f)
{
	struct pw_slice none = {NULL, 0};
	char object[48];
	int len = snprintf(object, sizeof(object), "more findings of severity %s",
		judge_explain_severity(f->severity));

	judge_explain_summary(j, c, f->severity);
	f->title = pw_buf_slice(&j->title);
	f->reason = pw_buf_slice(&j->reason);
	f->detector = PW_SLICE_LIT("profile/overflow");
	f->object = pw_slice_of(object, (size_t)len);
	f->actor = f->nearest = none;
	f->behaviour_key = f->severity;
	f->is_incident = false;
	f->is_summary = true;
	return judge_raise(j, c, f);
}
