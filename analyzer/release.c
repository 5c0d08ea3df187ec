/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/release.h"

#include "analyzer/alert.h"
#include "analyzer/baseline_rest.h"
#include "common/base/escape.h"
#include "common/base/hash.h"

#include <errno.h>

#define FLAG(x)    ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_##x)
#define STAGE(x)   ((uint32_t)PODWARD__V1__PROFILE_VERSION_STAGE__PROFILE_VERSION_STAGE_##x)
#define TEXT_BYTES 16384u
#define SHOWN      200u

struct difference {
	struct pw_buf accepted, odd; /* lines for people */
	uint32_t accepted_count, odd_count;
};

static int64_t grace_of(const struct group *g)
{
	/* Nobody who learns for a minute wants to wait for an hour. */
	return (uint64_t)VERSIONS_GRACE_NS < g->learning.duration_ns
		       ? VERSIONS_GRACE_NS
		       : (int64_t)g->learning.duration_ns;
}

bool release_is_due(const struct group *g, struct pw_wall now)
{
	return versions_due(&g->versions, now, grace_of(g)) != BASELINE_NO_VERSION;
}

static void add_line(struct pw_buf *out, const struct baseline *b, const struct baseline_row *row)
{
	struct pw_slice actor = baseline_actor(b, row);

	(void)pw_buf_addf(
		out, "%s%s ", out->len > 0 ? "; " : "", behaviour_dimension_name(row->dimension));
	(void)pw_escape(out, baseline_object(b, row), SHOWN);
	if (actor.len == 0)
		return;
	(void)pw_buf_add_str(out, " by ");
	(void)pw_escape(out, actor, SHOWN);
}

static uint32_t shown_by(const struct baseline_row *row)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < BASELINE_CONTAINERS; i++)
		count += row->containers[i] != 0;
	return count;
}

/* What the row holds in grace becomes accepted for the version. */
static int accept(struct baseline *b, const struct baseline_row *row, uint32_t bit)
{
	const struct baseline_seen seen = {.wall_ns = row->first_wall_ns, .versions = 1u << bit};

	return baseline_observe_row(b, row, &seen);
}

static int settle_rows(struct group *g, uint32_t bit, struct difference *d)
{
	struct baseline *b = g->baseline;
	uint32_t quorum = versions_quorum(&g->versions.items[bit]), total = baseline_count(b);

	for (uint32_t i = 0; i < total; i++) {
		const struct baseline_row *row = baseline_at(b, i);
		bool enough = shown_by(row) >= quorum;

		if (!(row->flags & FLAG(PENDING)) || !(row->versions & 1u << bit))
			continue;
		d->accepted_count += enough;
		d->odd_count += !enough;
		if ((enough ? d->accepted_count : d->odd_count) <= RELEASE_SHOWN)
			add_line(enough ? &d->accepted : &d->odd, b, row);
		if (enough && accept(b, row, bit) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void explain(const struct group *g, const struct version *v, struct difference *d,
	struct pw_buf *title, struct pw_buf *reason)
{
	(void)pw_buf_addf(title, "New image version with %u new behaviours",
		d->accepted_count + d->odd_count);
	(void)pw_buf_add_str(reason, "Image ");
	(void)pw_escape(reason, pw_slice_str(v->image), SHOWN);
	(void)pw_buf_add_str(reason, " of ");
	(void)pw_escape(reason, g->key, SHOWN);
	(void)pw_buf_addf(reason,
		" did %u things on at least %u of %u replicas that the baseline did not know; they "
		"are accepted for this version and later ones",
		d->accepted_count, versions_quorum(v), v->replica_count);
	if (d->accepted_count > 0)
		(void)pw_buf_addf(reason, ": %s", pw_buf_text(&d->accepted));
	(void)pw_buf_add_str(reason, ".");
	if (d->odd_count > 0)
		(void)pw_buf_addf(reason,
			" %u things were done by fewer replicas and are not accepted: %s.",
			d->odd_count, pw_buf_text(&d->odd));
}

/* A finding of no single event: made up from the group and the version. */
static int tell(struct group *g, uint32_t bit, struct difference *d, struct report *r)
{
	const struct version *v = &g->versions.items[bit];
	struct pw_container container = {.def = {.pod_group = g->key,
						 .image = pw_slice_str(v->image),
						 .image_digest = pw_slice_str(v->image)}};
	struct pw_process process = {.container = &container};
	struct pw_event event = {.process = &process,
		.wall = {v->first_wall_ns + grace_of(g)},
		.object = pw_slice_str(v->image)};
	struct alert_facts f = {.event = &event,
		.engine = PODWARD__V1__ENGINE__ENGINE_PROFILE,
		.severity = d->odd_count > 0 ? PODWARD__V1__SEVERITY__SEVERITY_HIGH
					     : PODWARD__V1__SEVERITY__SEVERITY_MEDIUM,
		.detector = PW_SLICE_LIT("profile/release"),
		.object = pw_slice_str(v->image),
		.behaviour_key = pw_hash64(pw_slice_str(v->image), 0)};
	Podward__V1__AlertOccurrence *o;
	Podward__V1__Alert *a = NULL;
	pw_auto_buf title, reason;
	struct pw_hash128 id;
	uint8_t source[16];

	pw_buf_init(&title, TEXT_BYTES);
	pw_buf_init(&reason, 4 * TEXT_BYTES);
	explain(g, v, d, &title, &reason);
	f.title = pw_buf_slice(&title);
	f.reason = pw_buf_slice(&reason);
	id = alert_id(&f);
	if (pw_buf_error(&title) == -ENOMEM || pw_buf_error(&reason) == -ENOMEM ||
		alert_build(&f, id, r, &a) < 0 || report_add_alert(r, a) < 0)
		return -ENOMEM;
	o = report_occurrence(r, id);
	report_id_bytes(id, source);
	if (!o || report_bytes(r, pw_slice_of(source, sizeof(source)), &o->source) < 0)
		return -ENOMEM;
	o->seq = 1;
	o->count = 1;
	o->last_wall_ns = event.wall.ns;
	return 0;
}

static int settle(struct group *g, uint32_t bit, struct report *r)
{
	struct difference d = {.accepted_count = 0};
	int e;

	pw_buf_init(&d.accepted, TEXT_BYTES);
	pw_buf_init(&d.odd, TEXT_BYTES);
	e = baseline_rest_wake(g->baseline);
	if (e == 0)
		e = settle_rows(g, bit, &d);
	if (e == 0 && d.accepted_count + d.odd_count > 0)
		e = tell(g, bit, &d, r);
	pw_buf_done(&d.accepted);
	pw_buf_done(&d.odd);
	return e;
}

int release_settle(struct group *g, struct pw_wall now, struct report *r)
{
	int64_t grace = grace_of(g);

	for (uint32_t i = 0; i < g->versions.count; i++) {
		struct version *v = &g->versions.items[i];
		int e;

		if (v->stage != STAGE(GRACE) || now.ns - v->first_wall_ns < grace)
			continue;
		e = settle(g, i, r);
		if (e < 0)
			return e;
		v->is_told = true;
		g->learning.serial++;
		g->learning.changed = true;
	}
	return 0;
}

bool release_told(struct group *g)
{
	bool news = false;

	for (uint32_t i = 0; i < g->versions.count; i++) {
		struct version *v = &g->versions.items[i];

		if (!v->is_told || v->stage != STAGE(GRACE))
			continue;
		v->stage = STAGE(SETTLED);
		g->learning.serial++;
		news = true;
	}
	return news;
}
