/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/evidence.h"

#define FLAG(x)      ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_##x)
#define WORTH_NS     (300ll * 1000000000ll)
#define UNSEEN_LIMIT 10u /* per mille */
#define UNSEEN_LEAST 3u  /* behaviours; fewer say nothing */
#define REPLICAS     3u  /* from so many containers on, they are compared */

static bool widen(struct evidence_container *mine, const struct evidence_container *c)
{
	bool worth = c->startup && !mine->startup;

	mine->startup |= c->startup;
	if (c->first_wall_ns < mine->first_wall_ns)
		mine->first_wall_ns = c->first_wall_ns;
	if (c->last_wall_ns <= mine->last_wall_ns)
		return worth;
	/* A change within the same five minutes is kept, but not worth a message. */
	worth |= c->last_wall_ns / WORTH_NS != mine->last_wall_ns / WORTH_NS;
	mine->last_wall_ns = c->last_wall_ns;
	return worth;
}

bool evidence_see(struct evidence *e, const struct evidence_container *c)
{
	uint32_t at = 0;

	while (at < e->count && e->items[at].hash < c->hash)
		at++;
	if (at < e->count && e->items[at].hash == c->hash)
		return widen(&e->items[at], c);
	if (at == EVIDENCE_CONTAINERS)
		return false;
	if (e->count < EVIDENCE_CONTAINERS)
		e->count++;
	for (uint32_t i = e->count - 1; i > at; i--)
		e->items[i] = e->items[i - 1];
	e->items[at] = *c;
	return true;
}

/* The k smallest of uniform hashes tell how many there are. */
static uint32_t estimate(const struct evidence *e)
{
	double share;

	if (e->count < EVIDENCE_CONTAINERS)
		return e->count;
	share = (double)e->items[EVIDENCE_CONTAINERS - 1].hash / (double)UINT64_MAX;
	share = (double)(EVIDENCE_CONTAINERS - 1) / share;
	return share < 1e9 ? (uint32_t)share : UINT32_MAX;
}

static uint32_t distinct(const struct evidence *e, bool of_pods)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < e->count; i++) {
		uint64_t mine = of_pods ? e->items[i].pod : e->items[i].node;
		uint32_t k = 0;

		while (k < i && (of_pods ? e->items[k].pod : e->items[k].node) != mine)
			k++;
		count += mine != 0 && k == i;
	}
	return count;
}

static void count_rows(const struct baseline *b, int64_t late_ns, uint64_t *ret_sightings,
	uint32_t *ret_late, struct evidence_figures *ret)
{
	for (uint32_t i = 0; i < baseline_count(b); i++) {
		const struct baseline_row *row = baseline_at(b, i);
		uint32_t seen = 0;

		if (!(row->flags & (FLAG(STARTUP) | FLAG(STEADY))) || (row->flags & FLAG(REMOVED)))
			continue;
		ret->keys++;
		if (row->first_wall_ns > ret->last_novelty_wall_ns)
			ret->last_novelty_wall_ns = row->first_wall_ns;
		if (row->flags & FLAG(TEMPLATE)) {
			*ret_sightings += row->containers[1];
			continue;
		}
		*ret_late += row->first_wall_ns >= late_ns;
		for (uint32_t k = 0; k < BASELINE_CONTAINERS; k++)
			seen += row->containers[k] != 0;
		ret->once += seen == 1;
		ret->twice += seen == 2;
		*ret_sightings += seen;
	}
}

void evidence_figures(const struct evidence *e, const struct baseline *b, int64_t started_wall_ns,
	int64_t end_wall_ns, struct evidence_figures *ret)
{
	int64_t late = end_wall_ns - (end_wall_ns - started_wall_ns) / 4;
	uint64_t sightings = 0, missing;
	uint32_t late_count = 0;

	*ret = (struct evidence_figures){.containers = estimate(e),
		.pods = distinct(e, true),
		.nodes = distinct(e, false),
		.last_novelty_wall_ns = INT64_MIN};
	for (uint32_t i = 0; i < e->count; i++) {
		int64_t lived = e->items[i].last_wall_ns - e->items[i].first_wall_ns;

		ret->startups += e->items[i].startup;
		ret->container_seconds += lived > 0 ? (uint64_t)lived / 1000000000u : 0;
	}
	count_rows(b, late, &sightings, &late_count, ret);
	/* Too few containers to compare: what came up in the last quarter of the time instead. */
	missing = ret->containers >= REPLICAS ? ret->once : late_count;
	if (ret->containers < REPLICAS)
		sightings = ret->keys;
	if (sightings > 0 && missing >= UNSEEN_LEAST)
		ret->unseen_permille = (uint32_t)(missing * 1000 / sightings);
}

const char *evidence_doubt(const struct evidence_figures *f, struct pw_slice kind)
{
	bool job = pw_slice_eq_str(kind, "CronJob") || pw_slice_eq_str(kind, "Job");

	if (job && f->containers < 2)
		return "the job ran at most once";
	if (f->startups == 0)
		return "no start of a container was seen";
	if (f->unseen_permille > UNSEEN_LIMIT)
		return f->containers >= REPLICAS
			       ? "too many behaviours were shown by one container only"
			       : "new behaviours still came up in the last quarter of the time";
	return NULL;
}
