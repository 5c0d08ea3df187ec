/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/shard_work.h"

#include "common/base/hash.h"

#include <errno.h>

#define SUMMARY_CHUNK (64u << 10)
#define SUMMARY_LIMIT (64u << 20)

/* One batch on its way through the groups; the last group is remembered, events come in runs. */
struct pass {
	struct shard_work *work;
	const struct shard_batch *batch;
	const struct policy *policy;
	uint64_t policy_version, node_hash;
	const struct pw_container *container; /* of the last event */
	struct judge_case judged;
	struct pw_wall now;
};

int shard_work_init(struct shard_work *w, const struct shard_config *config)
{
	*w = (struct shard_work){.index = config->index, .count = config->count};
	if (groups_new(config->group_limit, &w->groups) < 0 || judge_new(&w->judge) < 0) {
		shard_work_done(w);
		return -ENOMEM;
	}
	return 0;
}

void shard_work_done(struct shard_work *w)
{
	groups_free(w->groups);
	judge_free(w->judge);
	*w = (struct shard_work){.index = 0};
}

static bool is_mine(const struct shard_work *w, const struct pw_container *c)
{
	return c->group_hash % w->count == w->index;
}

/* 1 = go on with this container's group, 0 = not judged here (counted), -ENOMEM. */
static int enter_group(struct pass *p, const struct pw_container *c)
{
	const struct view *view;
	struct group *g;
	int r;

	if (p->container == c)
		return 1;
	r = groups_get(p->work->groups, c->group_hash, c->def.pod_group, &g);
	if (r == -ENOSPC) {
		p->work->refused_groups++;
		return 0;
	}
	if (r < 0)
		return r;
	r = group_view(g, p->policy, p->policy_version, c->def.image, &view);
	if (r < 0)
		return r;
	group_saw_node(g, p->node_hash);
	p->judged.group = g;
	p->judged.view = view;
	p->judged.container_hash = (uint32_t)pw_hash64(c->def.id, 0) | 1;
	p->container = c;
	return 1;
}

static int judge_one(struct pass *p, const struct pw_event *e)
{
	const struct pw_container *c = e->process->container;
	int r;

	if (!c || c->def.pod_group.len == 0) {
		p->work->unattributed += p->work->index == 0;
		return 0;
	}
	if (!is_mine(p->work, c))
		return 0;
	r = enter_group(p, c);
	if (r <= 0)
		return r;
	p->judged.event = e;
	r = judge_event(p->work->judge, &p->judged);
	p->work->is_dirty |= group_is_changed(p->judged.group);
	return r;
}

static void book_loss(struct pass *p, const struct pw_loss_entry *l)
{
	struct groups *groups = p->work->groups;
	struct group *g;

	if (l->container) {
		if (!is_mine(p->work, l->container))
			return;
		g = groups_find(groups, l->container->group_hash, l->container->def.pod_group);
		if (g)
			learning_lost(&g->learning, l->count, l->reason);
		p->work->is_dirty |= g && group_is_changed(g);
		return;
	}
	/* Nobody knows whose events they were: every group of that node may lack them. */
	for (uint32_t i = 0; i < groups_count(groups); i++) {
		g = groups_at(groups, i);
		if (group_may_be_on(g, p->node_hash))
			learning_lost(&g->learning, l->count, l->reason);
		p->work->is_dirty |= group_is_changed(g);
	}
}

static int run_pass(struct pass *p)
{
	const struct pw_decoded *d = p->batch->decoded;

	for (uint32_t i = 0; i < d->event_count; i++) {
		int r = judge_one(p, &d->events[i]);

		if (r < 0)
			return r;
	}
	for (uint32_t i = 0; i < d->loss_count; i++)
		book_loss(p, &d->losses[i]);
	return 0;
}

int shard_work_batch(struct shard_work *w, const struct shard_batch *b, const struct policy *p,
	uint64_t policy_version, struct report **ret_report)
{
	struct pw_slice node = pw_slice_of(b->node, b->node_len);
	struct report *report = NULL;
	struct pass pass = {
		.work = w,
		.batch = b,
		.policy = p,
		.policy_version = policy_version,
		.node_hash = pw_hash64(node, 0),
		.judged = {.node = node,
			.source = pw_slice_of(b->source, sizeof(b->source)),
			.seq = b->decoded->seq,
			.now = pw_wall_now()},
	};
	int r = report_new(&report);

	if (r < 0)
		return r;
	pass.judged.report = report;
	r = run_pass(&pass);
	if (r == 0)
		judge_commit(w->groups, report);
	if (r < 0 || report_is_empty(report))
		report_free(report);
	else
		*ret_report = report;
	return r;
}

uint64_t shard_work_needs_flush(const struct shard_work *w)
{
	return w->is_dirty ? w->flush + 1 : 0;
}

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

	if (m->flags & PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_TEMPLATE) {
		seen.containers[0] = m->names;
		seen.containers[1] = m->seen_in;
	} else {
		for (size_t i = 0; i < m->n_containers; i++)
			(void)baseline_add_container(seen.containers, m->containers[i]);
	}
	b.key = behaviour_key(b.dimension, b.actor, b.object);
	return baseline_restore(base, &b, &seen);
}

int shard_work_load(struct shard_work *w, const Podward__V1__ProfileDelta *d)
{
	struct pw_slice key;
	struct group *g;
	int r;

	if (!d->state || d->state->pod_group.len == 0)
		return 0;
	key = pw_slice_of(d->state->pod_group.data, d->state->pod_group.len);
	r = groups_get(w->groups, pw_hash64(key, 0), key, &g);
	if (r < 0)
		return r == -ENOSPC ? 0 : r;
	learning_restore(&g->learning, d->state);
	g->learning_ns = g->learning.duration_ns;
	for (size_t i = 0; i < d->n_behaviours; i++) {
		r = restore_behaviour(g->baseline, d->behaviours[i]);
		if (r == -ENOMEM)
			return r;
	}
	return baseline_sweep(g->baseline);
}

void shard_work_tick(struct shard_work *w, struct pw_wall now)
{
	for (uint32_t i = 0; i < groups_count(w->groups); i++) {
		struct group *g = groups_at(w->groups, i);

		learning_tick(&g->learning, now, g->learning_ns);
		w->is_dirty |= group_is_changed(g);
	}
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
	if (row->flags & PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_TEMPLATE) {
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
	e = report_bytes(r, g->key, &m->pod_group);
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

static int add_group(struct report *r, const struct group *g)
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

/* Adds groups until the flush is large enough; *ret_end is where the next one starts. */
static int add_groups(struct report *r, const struct shard_work *w, uint32_t *ret_end)
{
	uint32_t behaviours = 0, i;

	for (i = 0; i < groups_count(w->groups) && behaviours < SHARD_FLUSH_BEHAVIOURS; i++) {
		const struct group *g = groups_at(w->groups, i);
		int e;

		if (!group_is_changed(g))
			continue;
		e = add_group(r, g);
		if (e < 0)
			return e;
		behaviours += baseline_changed_count(g->baseline);
	}
	*ret_end = i;
	return 0;
}

int shard_work_flush(struct shard_work *w, struct report **ret_report)
{
	struct report *report = NULL;
	uint32_t end = 0;
	int r;

	if (!w->is_dirty)
		return 0;
	r = report_new(&report);
	if (r < 0)
		return r;
	r = add_groups(report, w, &end);
	if (r < 0) {
		report_free(report);
		return r;
	}
	for (uint32_t i = 0; i < end; i++) {
		baseline_changes_taken(groups_at(w->groups, i)->baseline);
		groups_at(w->groups, i)->learning.changed = false;
	}
	w->is_dirty = end < groups_count(w->groups);
	w->flush += !w->is_dirty;
	*ret_report = report;
	return 0;
}

void shard_summary_free(void *summary)
{
	struct shard_summary *s = summary;

	if (!s)
		return;
	pw_arena_free(s->arena);
	free(s);
}

static int add_summary_row(struct shard_summary *s, const struct group *g)
{
	struct shard_group_row *row = &s->rows[s->group_count];

	row->key = pw_arena_dup(s->arena, g->key);
	if (g->key.len && !row->key.ptr)
		return -ENOMEM;
	row->phase = g->learning.phase;
	row->keys = baseline_count(g->baseline);
	row->generation = g->learning.generation;
	row->lost_events = g->learning.lost_events;
	row->started_wall_ns = g->learning.started_wall_ns;
	row->learning_ns = g->learning.duration_ns;
	memcpy(row->partial_reason, g->learning.partial_reason, sizeof(row->partial_reason));
	s->behaviours += row->keys;
	s->forgotten += suppress_forgotten(g->suppress);
	s->group_count++;
	return 0;
}

int shard_work_summary(const struct shard_work *w, struct shard_summary **ret)
{
	struct shard_summary *s = pw_alloc0(1, sizeof(*s));
	uint32_t count = groups_count(w->groups);

	if (!s || pw_arena_new(SUMMARY_CHUNK, SUMMARY_LIMIT, &s->arena) < 0)
		goto fail;
	s->counts = w->judge->counts;
	s->unattributed = w->unattributed;
	s->refused_groups = w->refused_groups;
	s->rows = pw_arena_alloc0(s->arena, count + 1, sizeof(*s->rows));
	if (!s->rows)
		goto fail;
	for (uint32_t i = 0; i < count; i++)
		if (add_summary_row(s, groups_at(w->groups, i)) < 0)
			goto fail;
	*ret = s;
	return 0;
fail:
	shard_summary_free(s);
	return -ENOMEM;
}
