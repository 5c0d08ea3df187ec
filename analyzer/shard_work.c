/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/shard_work.h"

#include "analyzer/profile_message.h"
#include "analyzer/release.h"
#include "analyzer/wishes.h"
#include "common/base/hash.h"

#include <errno.h>

#define SUMMARY_CHUNK (64u << 10)
#define SUMMARY_LIMIT (64u << 20)
#define JUMP_NS       (60ll * 1000000000ll)
#define REST_AT_ONCE  8u

/* One batch on its way through the groups; the last group is remembered, events come in runs. */
struct pass {
	struct shard_work *work;
	const struct shard_batch *batch;
	const struct policy *policy;
	uint64_t policy_version, node_hash;
	const struct pw_container *container; /* of the last event */
	struct judge_case judged;
	struct pw_wall at; /* of the event at hand, never later than now */
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
	r = wishes_apply(g, view, p->judged.now);
	if (r < 0)
		return r;
	r = group_enter(g, c, p->node_hash, p->at, &p->judged.version);
	if (r < 0)
		return r;
	group_saw_node(g, p->node_hash);
	p->judged.container_hash = (uint32_t)pw_hash64(c->def.id, 0) | 1;
	p->judged.versions = versions_accepted(&g->versions, p->judged.version);
	p->judged.in_grace = versions_in_grace(&g->versions, p->judged.version);
	p->judged.group = g;
	p->judged.view = view;
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
	p->at = e->wall.ns < p->judged.now.ns ? e->wall : p->judged.now;
	r = enter_group(p, c);
	if (r <= 0)
		return r;
	p->judged.event = e;
	r = judge_event(p->work->judge, &p->judged);
	p->work->is_dirty |= group_is_changed(p->judged.group);
	return r;
}

static void book(struct group *g, const struct pw_loss_entry *l)
{
	if (l->reason == PODWARD__V1__LOSS_REASON__LOSS_REASON_REPAIRED)
		learning_repaired(&g->learning, l->count);
	else
		learning_lost(&g->learning, l->count, l->reason);
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
			book(g, l);
		p->work->is_dirty |= g && group_is_changed(g);
		return;
	}
	/* Nobody knows whose events they were: every group of that node may lack them. */
	for (uint32_t i = 0; i < groups_count(groups); i++) {
		g = groups_at(groups, i);
		if (group_may_be_on(g, p->node_hash))
			book(g, l);
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
			.seq = b->decoded->origin_seq > 0 ? b->decoded->origin_seq
							  : b->decoded->seq,
			.now = pw_wall_now()},
	};
	int r = report_new(&report);

	if (r < 0)
		return r;
	pass.judged.report = report;
	r = run_pass(&pass);
	if (r == 0)
		judge_commit(w->judge, w->groups, report);
	else
		judge_undo(w->judge);
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
	return profile_message_load(g, d);
}

/* How far the wall clock was set since the last tick; small steps are drift. */
static int64_t clock_jump(struct shard_work *w, struct pw_wall now)
{
	struct pw_mono mono = pw_mono_now();
	int64_t passed = (int64_t)(mono.ns - w->last_mono.ns);
	int64_t jump = now.ns - w->last_wall.ns - passed;
	bool first = w->last_mono.ns == 0;

	w->last_mono = mono;
	w->last_wall = now;
	return first || (jump < JUMP_NS && jump > -JUMP_NS) ? 0 : jump;
}

int shard_work_tick(struct shard_work *w, struct pw_wall now)
{
	int64_t jump = clock_jump(w, now);
	uint32_t rested = 0;
	int r = 0;

	for (uint32_t i = 0; i < groups_count(w->groups); i++) {
		struct group *g = groups_at(w->groups, i);

		if (jump != 0)
			learning_shift(&g->learning, jump);
		learning_tick(&g->learning, now, g->learning_ns);
		while (g->learning.is_due) {
			r = group_settle(g);
			if (r < 0)
				return r;
			learning_tick(&g->learning, now, g->learning_ns);
		}
		if (g->learned_late)
			r = group_settle_late(g);
		if (r < 0)
			return r;
		w->is_dirty |= group_is_changed(g) || release_is_due(g, now);
		/* Without memory to pack it stays as it is; a few at a time, packing takes a while.
		 */
		if (rested < REST_AT_ONCE && group_rest(g, now) != 0)
			rested++;
	}
	return 0;
}

/* Adds groups until the flush is large enough; *ret_end is where the next one starts. */
static int add_groups(struct report *r, struct shard_work *w, struct pw_wall now, uint32_t *ret_end)
{
	uint32_t behaviours = 0, i;

	for (i = 0; i < groups_count(w->groups) && behaviours < SHARD_FLUSH_BEHAVIOURS; i++) {
		struct group *g = groups_at(w->groups, i);
		int e = release_settle(g, now, r);

		if (e < 0)
			return e;
		if (!group_is_changed(g))
			continue;
		e = profile_message_add(r, g);
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
	bool is_all, told = false;
	uint32_t end = 0;
	int r;

	if (!w->is_dirty)
		return 0;
	r = report_new(&report);
	if (r < 0)
		return r;
	r = add_groups(report, w, pw_wall_now(), &end);
	if (r < 0) {
		report_free(report);
		return r;
	}
	for (uint32_t i = 0; i < end; i++) {
		struct group *g = groups_at(w->groups, i);

		baseline_changes_taken(g->baseline);
		g->learning.changed = release_told(g);
		told |= g->learning.changed;
	}
	is_all = end >= groups_count(w->groups);
	w->flush += is_all;
	w->is_dirty = !is_all || told;
	*ret_report = report;
	return 0;
}

static int add_released(struct report *r, const struct shard_work *w, const uint8_t *slots)
{
	for (uint32_t i = 0; i < groups_count(w->groups); i++) {
		struct group *g = groups_at(w->groups, i);
		int e;

		if (!pw_slots_have(slots, pw_slot_of(g->hash)) || !group_is_changed(g))
			continue;
		e = profile_message_add(r, g);
		if (e < 0)
			return e;
	}
	return 0;
}

/* A flush that batches wait for still comes: is_dirty stays as it is. */
int shard_work_release(struct shard_work *w, const uint8_t *slots, struct report **ret_report)
{
	struct report *report = NULL;
	int r = report_new(&report);

	if (r < 0)
		return r;
	r = add_released(report, w, slots);
	if (r == 0)
		r = groups_remove(w->groups, slots);
	if (r < 0 || report_is_empty(report))
		report_free(report);
	else
		*ret_report = report;
	return r;
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
	row->extensions = g->learning.extensions;
	row->containers = g->evidence.count;
	row->templates = baseline_template_count(g->baseline);
	memcpy(row->partial_reason, g->learning.partial_reason, sizeof(row->partial_reason));
	memcpy(row->extension_reason, g->learning.extension_reason, sizeof(row->extension_reason));
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
