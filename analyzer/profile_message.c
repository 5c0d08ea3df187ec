/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/profile_message.h"

#include "analyzer/shard_work.h"

#include <errno.h>

#define TEMPLATE ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_TEMPLATE)

/* Bits of the versions that a stored behaviour names. */
static uint32_t version_bits(struct baseline *b, const Podward__V1__Behaviour *m)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < m->n_versions; i++) {
		uint32_t bit = baseline_version(b, m->versions[i]);

		if (bit != BASELINE_NO_VERSION)
			bits |= 1u << bit;
	}
	return bits;
}

static int restore_behaviour(struct baseline *base, const Podward__V1__Behaviour *m)
{
	struct behaviour b = {
		.dimension = (uint32_t)m->dimension,
		.actor = pw_slice_of(m->actor.data, m->actor.len),
		.object = pw_slice_of(m->object.data, m->object.len),
	};
	struct baseline_seen seen = {
		.wall_ns = m->first_wall_ns,
		.flags = m->flags & BASELINE_FLAGS,
		.versions = version_bits(base, m),
	};

	if (m->flags & TEMPLATE) {
		seen.containers[0] = m->names;
		seen.containers[1] = m->seen_in;
	} else {
		for (size_t i = 0; i < m->n_containers; i++)
			(void)baseline_add_container(seen.containers, m->containers[i]);
	}
	b.key = behaviour_key(b.dimension, b.actor, b.object);
	return baseline_restore(base, &b, &seen);
}

static int restore_state(struct group *g, const Podward__V1__ProfileState *s)
{
	if (s->epoch > g->learning.epoch && baseline_reset(g->baseline) < 0)
		return -ENOMEM;
	learning_restore(&g->learning, s);
	g->learning_ns = g->learning.duration_ns;
	for (size_t i = 0; i < s->n_containers; i++) {
		const Podward__V1__ProfileContainer *c = s->containers[i];
		struct evidence_container seen = {
			c->hash, c->first_wall_ns, c->last_wall_ns, c->pod, c->node, c->startup};

		if (c->hash != 0)
			(void)evidence_see(&g->evidence, &seen);
	}
	for (size_t i = 0; i < s->n_versions; i++) {
		const Podward__V1__ProfileVersion *v = s->versions[i];
		struct pw_slice image = pw_slice_of(v->image.data, v->image.len);

		if (image.len > 0 && versions_restore(&g->versions, g->baseline, image,
					     v->first_wall_ns, (uint32_t)v->stage) < 0)
			return -ENOMEM;
	}
	return 0;
}

int profile_message_load(struct group *g, const Podward__V1__ProfileDelta *d)
{
	uint32_t templates = baseline_template_count(g->baseline);
	int r = d->state->epoch < g->learning.epoch ? 1 : restore_state(g, d->state);

	if (r != 0)
		return r < 0 ? r : 0; /* of before a reset */
	for (size_t i = 0; i < d->n_behaviours; i++) {
		r = restore_behaviour(g->baseline, d->behaviours[i]);
		if (r == -ENOMEM)
			return r;
	}
	/* What templates of earlier parts stand for was not taken in to begin with. */
	return baseline_template_count(g->baseline) > templates ? baseline_sweep(g->baseline) : 0;
}

static int add_versions(struct report *r, const struct group *g, const struct baseline_row *row,
	Podward__V1__Behaviour *m)
{
	if (row->versions == 0)
		return 0;
	m->versions = pw_arena_alloc0(r->arena, BASELINE_VERSIONS, sizeof(*m->versions));
	for (uint32_t i = 0; m->versions && i < BASELINE_VERSIONS; i++)
		if (row->versions & 1u << i)
			m->versions[m->n_versions++] = baseline_version_hash(g->baseline, i);
	return m->versions ? 0 : -ENOMEM;
}

static int add_containers(
	struct report *r, const struct baseline_row *row, Podward__V1__Behaviour *m)
{
	if (row->flags & TEMPLATE) {
		m->names = row->containers[0];
		m->seen_in = row->containers[1];
		return 0;
	}
	m->containers = pw_arena_alloc0(r->arena, BASELINE_CONTAINERS, sizeof(*m->containers));
	for (uint32_t i = 0; m->containers && i < BASELINE_CONTAINERS; i++)
		if (row->containers[i])
			m->containers[m->n_containers++] = row->containers[i];
	return m->containers ? 0 : -ENOMEM;
}

static int add_row(
	struct report *r, const struct group *g, uint32_t index, Podward__V1__Behaviour **ret)
{
	const struct baseline_row *row = baseline_changed_at(g->baseline, index);
	Podward__V1__Behaviour *m = pw_arena_alloc(r->arena, sizeof(*m));
	int e;

	if (!m)
		return -ENOMEM;
	podward__v1__behaviour__init(m);
	m->key = row->key;
	m->dimension = (Podward__V1__Dimension)row->dimension;
	m->first_wall_ns = row->first_wall_ns;
	m->flags = row->flags;
	e = report_bytes(r, baseline_actor(g->baseline, row), &m->actor);
	e |= report_bytes(r, baseline_object(g->baseline, row), &m->object);
	e |= add_versions(r, g, row, m);
	e |= add_containers(r, row, m);
	*ret = m;
	return e ? -ENOMEM : 0;
}

static int add_evidence(struct report *r, const struct evidence *e, Podward__V1__ProfileState *m)
{
	m->containers = pw_arena_alloc0(r->arena, e->count + 1, sizeof(*m->containers));
	for (uint32_t i = 0; m->containers && i < e->count; i++) {
		Podward__V1__ProfileContainer *c = pw_arena_alloc(r->arena, sizeof(*c));

		if (!c)
			return -ENOMEM;
		podward__v1__profile_container__init(c);
		c->hash = e->items[i].hash;
		c->first_wall_ns = e->items[i].first_wall_ns;
		c->last_wall_ns = e->items[i].last_wall_ns;
		c->pod = e->items[i].pod;
		c->node = e->items[i].node;
		c->startup = e->items[i].startup;
		m->containers[m->n_containers++] = c;
	}
	return m->containers ? 0 : -ENOMEM;
}

static int add_images(struct report *r, const struct versions *v, Podward__V1__ProfileState *m)
{
	m->versions = pw_arena_alloc0(r->arena, v->count + 1, sizeof(*m->versions));
	for (uint32_t i = 0; m->versions && i < v->count; i++) {
		Podward__V1__ProfileVersion *p = pw_arena_alloc(r->arena, sizeof(*p));

		if (!v->items[i].image)
			continue;
		if (!p)
			return -ENOMEM;
		podward__v1__profile_version__init(p);
		p->first_wall_ns = v->items[i].first_wall_ns;
		p->stage = (Podward__V1__ProfileVersionStage)v->items[i].stage;
		if (report_bytes(r, pw_slice_str(v->items[i].image), &p->image) < 0)
			return -ENOMEM;
		m->versions[m->n_versions++] = p;
	}
	return m->versions ? 0 : -ENOMEM;
}

static int add_state(struct report *r, const struct group *g, Podward__V1__ProfileState **ret)
{
	Podward__V1__ProfileState *m = pw_arena_alloc(r->arena, sizeof(*m));
	int e;

	if (!m)
		return -ENOMEM;
	podward__v1__profile_state__init(m);
	m->generation = g->learning.generation;
	m->phase = (Podward__V1__ProfilePhase)g->learning.phase;
	m->learning_started_wall_ns = g->learning.started_wall_ns;
	m->learning_duration_ns = g->learning.duration_ns;
	m->lost_events = g->learning.lost_events;
	m->epoch = g->learning.epoch;
	m->serial = g->learning.serial;
	m->extensions = g->learning.extensions;
	m->repaired_events = g->learning.repaired_events;
	e = add_evidence(r, &g->evidence, m) | add_images(r, &g->versions, m);
	e |= report_bytes(r, pw_slice_str(g->learning.extension_reason), &m->extension_reason);
	e |= report_bytes(r, g->key, &m->pod_group);
	e |= report_bytes(r, pw_slice_str(g->learning.partial_reason), &m->partial_reason);
	*ret = m;
	return e ? -ENOMEM : 0;
}

/* Rows [from, to) of the changes of one group as one message. */
static int add_delta(struct report *r, const struct group *g, uint32_t from, uint32_t to)
{
	Podward__V1__ProfileDelta *d = pw_arena_alloc(r->arena, sizeof(*d));

	if (!d)
		return -ENOMEM;
	podward__v1__profile_delta__init(d);
	if (add_state(r, g, &d->state) < 0)
		return -ENOMEM;
	if (to > from) {
		d->behaviours = pw_arena_alloc0(r->arena, to - from, sizeof(*d->behaviours));
		if (!d->behaviours)
			return -ENOMEM;
	}
	for (uint32_t i = from; i < to; i++) {
		if (add_row(r, g, i, &d->behaviours[d->n_behaviours]) < 0)
			return -ENOMEM;
		d->n_behaviours++;
	}
	return report_add_profile(r, d);
}

/* End of the message that starts at from: by number of behaviours and by bytes of their texts. */
static uint32_t delta_end(const struct group *g, uint32_t from, uint32_t total)
{
	size_t bytes = 0;
	uint32_t i;

	for (i = from; i < total && i - from < SHARD_DELTA_BEHAVIOURS; i++) {
		const struct baseline_row *row = baseline_changed_at(g->baseline, i);

		bytes += baseline_actor(g->baseline, row).len +
			 baseline_object(g->baseline, row).len + 40;
		if (bytes > SHARD_DELTA_BYTES && i > from)
			break;
	}
	return i;
}

int profile_message_add(struct report *r, const struct group *g)
{
	uint32_t total = baseline_changed_count(g->baseline), from = 0;

	do {
		uint32_t to = delta_end(g, from, total);
		int e = add_delta(r, g, from, to);

		if (e < 0)
			return e;
		from = to;
	} while (from < total);
	return 0;
}
