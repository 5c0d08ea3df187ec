// SPDX-License-Identifier: Apache-2.0
/* What a message of an analyzer must look like before the keeper sees it. */
#include "policysync/profile_merge.h"
#include "policysync/report.h"
#include <errno.h>

#define SHORT_MAX 1024
#define TEXT_MAX  ((size_t)64 << 10)
#define COUNT_MAX ((uint64_t)1 << 40)

struct field {
	const char *name;
	ProtobufCBinaryData value;
	size_t min, max;
};

static int check_fields(
	const char *what, const struct field *fields, size_t count, struct pw_err *err)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = fields[i].value.len;

		if (len < fields[i].min || len > fields[i].max)
			return pw_err_set(err, -EINVAL, "%s.%s: %zu bytes, expected %zu to %zu",
				what, fields[i].name, len, fields[i].min, fields[i].max);
	}
	return 0;
}

static int check_number(
	const char *name, uint64_t value, uint64_t min, uint64_t max, struct pw_err *err)
{
	if (value >= min && value <= max)
		return 0;
	return pw_err_set(
		err, -EINVAL, "%s: %llu is out of range", name, (unsigned long long)value);
}

static int check_process(const Podward__V1__AlertProcess *p, struct pw_err *err)
{
	const struct field fields[] = {
		{"exe", p->exe, 0, 8192},
		{"args", p->args, 0, TEXT_MAX},
		{"cwd", p->cwd, 0, 8192},
	};

	return check_fields("alert.lineage", fields, PW_COUNT(fields), err);
}

static int check_alert(const Podward__V1__Alert *a, struct pw_err *err)
{
	const struct field fields[] = {
		{"id", a->id, 16, 16},
		{"detector", a->detector, 1, SHORT_MAX},
		{"title", a->title, 0, SHORT_MAX},
		{"reason", a->reason, 0, TEXT_MAX},
		{"pod_group", a->pod_group, 1, SHORT_MAX},
		{"node", a->node, 0, SHORT_MAX},
		{"container_id", a->container_id, 0, SHORT_MAX},
		{"container_name", a->container_name, 0, SHORT_MAX},
		{"pod_name", a->pod_name, 0, SHORT_MAX},
		{"pod_uid", a->pod_uid, 0, SHORT_MAX},
		{"image", a->image, 0, SHORT_MAX},
		{"image_digest", a->image_digest, 0, SHORT_MAX},
		{"object", a->object, 0, 8192},
		{"baseline", a->baseline, 0, 8192},
		{"nearest", a->nearest, 0, TEXT_MAX},
		{"exclusion", a->exclusion, 0, TEXT_MAX},
		{"mode", a->mode, 0, 64},
	};
	int r = check_fields("alert", fields, PW_COUNT(fields), err);

	if (r == 0)
		r = check_number("alert.severity", (uint64_t)(int64_t)a->severity, 1,
			SPOOL_SEVERITIES - 1, err);
	if (r == 0)
		r = check_number("alert.lineage", a->n_lineage, 0, 16, err);
	if (r == 0)
		r = check_number("alert.mitre", a->n_mitre, 0, 16, err);
	for (size_t i = 0; r == 0 && i < a->n_lineage; i++)
		r = check_process(a->lineage[i], err);
	for (size_t i = 0; r == 0 && i < a->n_mitre; i++)
		r = check_number("alert.mitre", a->mitre[i].len, 1, 64, err);
	return r;
}

static int check_occurrence(const Podward__V1__AlertOccurrence *o, struct pw_err *err)
{
	const struct field fields[] = {
		{"alert_id", o->alert_id, 16, 16},
		{"source", o->source, 1, 64},
	};
	int r = check_fields("occurrence", fields, PW_COUNT(fields), err);

	if (r == 0)
		r = check_number("occurrence.seq", o->seq, 1, INT64_MAX, err);
	return r < 0 ? r : check_number("occurrence.count", o->count, 1, COUNT_MAX, err);
}

static int check_state(const Podward__V1__ProfileState *s, struct pw_err *err)
{
	const struct {
		const char *field;
		uint64_t value, min, max;
	} rows[] = {
		{"profile.state.pod_group", s->pod_group.len, 1, SHORT_MAX},
		{"profile.state.generation", s->generation, 0, INT64_MAX},
		{"profile.state.learning_duration_ns", s->learning_duration_ns, 0, INT64_MAX},
		{"profile.state.lost_events", s->lost_events, 0, INT64_MAX},
		{"profile.state.partial_reason", s->partial_reason.len, 0, 4096},
		{"profile.state.epoch", s->epoch, 0, INT64_MAX},
		{"profile.state.serial", s->serial, 0, INT64_MAX},
		{"profile.state.extension_reason", s->extension_reason.len, 0, 4096},
		{"profile.state.containers", s->n_containers, 0, 64},
		{"profile.state.versions", s->n_versions, 0, PROFILE_VERSIONS},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < PW_COUNT(rows); i++)
		r = check_number(rows[i].field, rows[i].value, rows[i].min, rows[i].max, err);
	for (size_t i = 0; r == 0 && i < s->n_versions; i++)
		r = check_number("profile.state.versions.image", s->versions[i]->image.len, 0,
			SHORT_MAX, err);
	return r;
}

static int check_behaviour(const Podward__V1__Behaviour *b, struct pw_err *err)
{
	int r = check_number("profile.behaviours.actor", b->actor.len, 0, 8192, err);

	if (r == 0)
		r = check_number("profile.behaviours.object", b->object.len, 0, 16384, err);
	if (r == 0)
		r = check_number("profile.behaviours.containers", b->n_containers, 0,
			PROFILE_CONTAINERS, err);
	if (r == 0)
		r = check_number(
			"profile.behaviours.versions", b->n_versions, 0, PROFILE_VERSIONS, err);
	return r;
}

static int check_profile(const Podward__V1__ProfileDelta *d, struct pw_err *err)
{
	int r;

	if (!d->state)
		return pw_err_set(err, -EINVAL, "profile.state: missing");
	r = check_state(d->state, err);
	if (r == 0)
		r = check_number("profile.behaviours", d->n_behaviours, 0, PROFILE_PAGE_ROWS, err);
	for (size_t i = 0; r == 0 && i < d->n_behaviours; i++)
		r = check_behaviour(d->behaviours[i], err);
	return r;
}

static int check_hit(const Podward__V1__ExclusionHit *h, struct pw_err *err)
{
	int r = check_number("hit.namespace", h->namespace_.len, 0, 63, err);

	if (r == 0)
		r = check_number("hit.name", h->name.len, 1, 253, err);
	return r < 0 ? r : check_number("hit.count", h->count, 1, COUNT_MAX, err);
}

int report_check_items(const Podward__V1__ReportItems *items, struct pw_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < items->n_alerts; i++)
		r = check_alert(items->alerts[i], err);
	for (size_t i = 0; r == 0 && i < items->n_occurrences; i++)
		r = check_occurrence(items->occurrences[i], err);
	for (size_t i = 0; r == 0 && i < items->n_profiles; i++)
		r = check_profile(items->profiles[i], err);
	if (r == 0)
		r = check_number("hits", items->n_hits, 0, 64, err);
	for (size_t i = 0; r == 0 && i < items->n_hits; i++)
		r = check_hit(items->hits[i], err);
	return r;
}
