/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/judge_explain.h"

#include "analyzer/sig_output.h"
#include "common/base/escape.h"

#include <stdio.h>

#define SHOWN 512u

static void add_shown(struct pw_buf *out, struct pw_slice s)
{
	(void)pw_escape(out, s, SHOWN);
}

static const char *verb_of(const struct pw_event *e)
{
	uint32_t writes = PODWARD__V1__FILE_ACCESS__FILE_ACCESS_WRITE |
			  PODWARD__V1__FILE_ACCESS__FILE_ACCESS_CREATE |
			  PODWARD__V1__FILE_ACCESS__FILE_ACCESS_TRUNCATE;

	switch (e->kind) {
	case PW_EVENT_EXEC:
		return "started";
	case PW_EVENT_OPEN:
		return e->aux & writes ? "opened for writing" : "opened";
	case PW_EVENT_CONNECT:
		return "connected to";
	default:
		return "did";
	}
}

/* "/bin/sh (pid 12, uid 0) opened /etc/shadow" */
static void add_deed(struct pw_buf *out, const struct pw_event *e)
{
	struct pw_slice actor = behaviour_actor(e);
	bool from_outside =
		e->process->def.flags & PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_NOT_FROM_INIT;

	if (actor.len > 0)
		add_shown(out, actor);
	else
		(void)pw_buf_add_str(out,
			from_outside ? "something outside the container" : "an unknown program");
	(void)pw_buf_addf(out, " %s ", verb_of(e));
	add_shown(out, e->object);
	if (e->kind == PW_EVENT_CONNECT && PW_CONNECT_PORT(e->aux))
		(void)pw_buf_addf(out, " port %u", PW_CONNECT_PORT(e->aux));
	(void)pw_buf_addf(out, " (pid %u, uid %u)", e->process->def.pid, e->process->def.uid);
	if (!field_is_done(e))
		(void)pw_buf_addf(
			out, ", refused by the kernel with %s", field_result_name(e->ret));
}

void judge_explain_rule(struct judge *j, const struct judge_case *c, const struct policy_rule *r)
{
	pw_buf_clear(&j->title);
	pw_buf_clear(&j->reason);
	(void)pw_buf_add_str(&j->title, "Denied by policy ");
	add_shown(&j->title, r->policy->name);
	(void)pw_buf_add_str(&j->title, ": ");
	add_shown(&j->title, c->event->object);
	add_deed(&j->reason, c->event);
	(void)pw_buf_add_str(&j->reason, ". Rule ");
	add_shown(&j->reason, r->name);
	(void)pw_buf_add_str(&j->reason, " of policy ");
	if (r->policy->namespace.len > 0) {
		add_shown(&j->reason, r->policy->namespace);
		(void)pw_buf_add_byte(&j->reason, '/');
	}
	add_shown(&j->reason, r->policy->name);
	(void)pw_buf_add_str(&j->reason, " denies it.");
}

void judge_explain_signature(struct judge *j, const struct judge_case *c, const struct sig_rule *r)
{
	pw_buf_clear(&j->title);
	pw_buf_clear(&j->reason);
	add_shown(&j->title, r->title.len ? r->title : r->id);
	if (r->output.len > 0)
		sig_output_print(r->output, j->fields, &j->reason);
	else
		add_deed(&j->reason, c->event);
	(void)pw_buf_add_str(&j->reason, ". Signature ");
	add_shown(&j->reason, r->id);
	(void)pw_buf_add_str(&j->reason, " of set ");
	add_shown(&j->reason, r->set);
	if (!field_is_done(c->event))
		(void)pw_buf_addf(&j->reason, " matched; the kernel refused the call with %s.",
			field_result_name(c->event->ret));
	else
		(void)pw_buf_add_str(&j->reason, " matched.");
}

static const char *violation_title(uint32_t dimension)
{
	static const char *const titles[BEHAVIOUR_DIMENSIONS] = {"Unknown behaviour",
		"Program never started before", "File never read before",
		"File never written before", "File never created before",
		"Connection never made before", "File never deleted before",
		"File never renamed before", "Link never made before",
		"File never made a program before", "Port never opened before",
		"Name never looked up before", "System call never used before",
		"Capability never used before", "Privilege never used before",
		"Program never started like this before"};

	return dimension < BEHAVIOUR_DIMENSIONS ? titles[dimension] : titles[0];
}

/* "generation 2, Protected since 2026-…, 12 behaviours, complete" */
static void describe_baseline(struct judge *j, const struct judge_case *c)
{
	const struct learning *l = &c->group->learning;
	struct pw_wall since = {learning_end_ns(l)};
	char when[PW_WALL_TEXT_SIZE], how_long[32];

	pw_wall_format(since, when);
	pw_duration_format(l->duration_ns, how_long, sizeof(how_long));
	pw_buf_clear(&j->baseline);
	(void)pw_buf_addf(&j->baseline,
		"generation %llu, %s since %s, %u behaviours learned in %s from %u containers, ",
		(unsigned long long)l->generation, learning_phase_name(l->phase), when,
		baseline_count(c->group->baseline), how_long, c->group->evidence.count);
	if (l->partial_reason[0])
		(void)pw_buf_addf(&j->baseline, "partial: %s, %llu events", l->partial_reason,
			(unsigned long long)l->lost_events);
	else
		(void)pw_buf_add_str(&j->baseline, "complete");
}

static void describe_nearest(struct judge *j, const struct judge_case *c, const struct behaviour *b)
{
	const struct baseline_row *row = baseline_nearest(c->group->baseline, b);
	struct pw_slice actor;

	pw_buf_clear(&j->nearest);
	if (!row)
		return;
	actor = baseline_actor(c->group->baseline, row);
	(void)pw_buf_addf(&j->nearest, "%s ", behaviour_dimension_name(row->dimension));
	add_shown(&j->nearest, baseline_object(c->group->baseline, row));
	if (actor.len > 0) {
		(void)pw_buf_add_str(&j->nearest, " by ");
		add_shown(&j->nearest, actor);
	}
	if (row->flags & PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_TEMPLATE)
		(void)pw_buf_addf(&j->nearest, " (stands for %u names seen in %u containers)",
			row->containers[0], row->containers[1]);
}

static void explain_origin(struct pw_buf *out, const struct pw_process *p)
{
	static const struct {
		uint32_t flag;
		const char *text;
	} rows[] = {
		{PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_MEMFD,
			" The program is a memory file without a path on disk."},
		{PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_UPPER_LAYER,
			" The program is not part of the image: it lies in the writable layer."},
		{PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_NOT_FROM_INIT,
			" The process did not come from the container's first process (exec into "
			"the "
			"container)."},
	};

	for (size_t i = 0; i < PW_COUNT(rows); i++)
		if (p->def.flags & rows[i].flag)
			(void)pw_buf_add_str(out, rows[i].text);
}

/* What the baseline says of the behaviour. */
static void explain_answer(struct judge *j, const struct judge_case *c, const struct verdict *v)
{
	const char *name = behaviour_dimension_name(v->what->dimension);
	struct pw_buf *out = &j->reason;

	switch (v->answer) {
	case BASELINE_CANDIDATE:
		(void)pw_buf_addf(
			out, ". %s was seen while learning, but never in an accepted way", name);
		break;
	case BASELINE_STARTUP_ONLY:
		(void)pw_buf_addf(out,
			". %s belongs to the start of a container, and this one started long ago",
			name);
		break;
	case BASELINE_REMOVED:
		(void)pw_buf_addf(out, ". %s was taken out of the baseline by a user", name);
		break;
	case BASELINE_PENDING:
		(void)pw_buf_addf(out,
			". %s came with a new image version, on too few of its replicas", name);
		break;
	default:
		(void)pw_buf_addf(out, ". This %s is not in the baseline of ", name);
		add_shown(out, c->group->key);
	}
	(void)pw_buf_addf(out, " (%s).", pw_buf_text(&j->baseline));
}

static void explain_circumstances(
	struct judge *j, const struct judge_case *c, const struct verdict *v)
{
	struct view_alert va = {.object = v->what->object,
		.raw_object = c->event->object,
		.actor = v->what->actor,
		.wall_ns = c->event->wall.ns};
	char detector[40];
	int len = snprintf(detector, sizeof(detector), "profile/%s",
		behaviour_dimension_name(v->what->dimension));
	const struct policy_exclusion *x;
	const char *failed = NULL;

	if (v->sensitive)
		(void)pw_buf_add_str(&j->reason, " The object is a sensitive one.");
	if (v->odd_one_out)
		(void)pw_buf_addf(&j->reason,
			" %u containers of the group run, this is the first that did it.",
			group_live(c->group, c->event->wall));
	va.detector = pw_slice_of(detector, (size_t)len);
	x = view_near_miss(c->view, &va, &failed);
	if (!x)
		return;
	(void)pw_buf_add_str(&j->reason, " Exclusion ");
	add_shown(&j->reason, x->name);
	(void)pw_buf_addf(&j->reason, " would have silenced it, but %s.", failed);
}

void judge_explain_violation(struct judge *j, const struct judge_case *c, const struct verdict *v)
{
	pw_buf_clear(&j->title);
	pw_buf_clear(&j->reason);
	(void)pw_buf_addf(&j->title, "%s: ", violation_title(v->what->dimension));
	add_shown(&j->title, v->what->object);
	describe_baseline(j, c);
	describe_nearest(j, c, v->what);
	add_deed(&j->reason, c->event);
	explain_answer(j, c, v);
	explain_origin(&j->reason, c->event->process);
	if (j->nearest.len > 0)
		(void)pw_buf_addf(&j->reason, " Nearest known: %s.", pw_buf_text(&j->nearest));
	explain_circumstances(j, c, v);
}

const char *judge_explain_severity(uint32_t severity)
{
	static const char *const names[] = {
		"unspecified", "info", "low", "medium", "high", "critical"};

	return names[severity < PW_COUNT(names) ? severity : 0];
}

void judge_explain_summary(struct judge *j, const struct judge_case *c, uint32_t severity)
{
	const char *name = judge_explain_severity(severity);

	pw_buf_clear(&j->title);
	pw_buf_clear(&j->reason);
	(void)pw_buf_addf(&j->title, "More unknown behaviours of severity %s", name);
	(void)pw_buf_add_str(&j->reason, "Pod group ");
	add_shown(&j->reason, c->group->key);
	(void)pw_buf_addf(&j->reason,
		" has more findings of severity %s in ten minutes than are told one by one; the "
		"count of this alert is the exact number of events that are left.",
		name);
}
