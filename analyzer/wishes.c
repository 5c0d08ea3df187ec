/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/wishes.h"

#include "analyzer/template.h"

#include <errno.h>

#define FLAG(x) ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_##x)

static int start_over(struct group *g, uint64_t epoch)
{
	if (epoch <= g->learning.epoch)
		return 0;
	if (baseline_reset(g->baseline) < 0)
		return -ENOMEM;
	learning_reset(&g->learning, epoch);
	versions_done(&g->versions);
	g->evidence.count = 0;
	return 0;
}

static int leave_out(struct group *g, const Podward__V1__RemovedBehaviour *m)
{
	struct behaviour b = {
		.dimension = (uint32_t)m->dimension,
		.actor = pw_slice_of(m->actor.data, m->actor.len),
		.object = pw_slice_of(m->object.data, m->object.len),
	};
	struct baseline_seen seen = {.flags = FLAG(REMOVED)};
	int r;

	if (template_is_pattern(b.object))
		seen.flags |= FLAG(TEMPLATE);
	b.key = behaviour_key(b.dimension, b.actor, b.object);
	r = baseline_observe(g->baseline, &b, &seen);
	return r == -ENOMEM ? r : 0;
}

int wishes_apply(struct group *g, const struct view *v, struct pw_wall now)
{
	const Podward__V1__ProfileSettings *s = v->profile_by ? v->profile_by->profile : NULL;
	struct learning *l = &g->learning;
	int r = 0;

	if (!s || !v->profile_on)
		return 0;
	r = start_over(g, s->epoch);
	for (size_t i = 0; r == 0 && i < s->n_removed; i++)
		r = leave_out(g, s->removed[i]);
	if (r == 0 && s->n_removed > 0)
		r = baseline_sweep(g->baseline);
	if (s->frozen)
		learning_freeze(l);
	else
		learning_thaw(l);
	/* A time that the last learning began after is done with. */
	if (s->relearn_wall_ns > l->started_wall_ns && s->relearn_wall_ns <= now.ns)
		learning_relearn(l, (struct pw_wall){s->relearn_wall_ns},
			s->relearn_duration_ns ? s->relearn_duration_ns : WISHES_RELEARN_NS);
	return r;
}
