/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/split.h"

#include <errno.h>

#define LINEAGE_MAX 64u /* parents of one process that are copied along */

/* The container of the row at hand; rows of one container come in runs. */
struct last {
	uint32_t container;
	uint32_t lane;
	bool is_set;
};

struct run {
	const struct pw_batch *from;
	const struct split_map *map;
	struct pw_batch **parts;
	struct last last;
};

void split_map_single(struct split_map *map, uint32_t lane)
{
	memset(map->lanes, (int)lane, sizeof(map->lanes));
	split_map_count(map);
}

void split_map_count(struct split_map *map)
{
	memset(map->in_use, 0, sizeof(map->in_use));
	map->in_use_count = 0;
	for (uint32_t i = 0; i < SPLIT_SLOTS; i++) {
		bool *used = &map->in_use[map->lanes[i] % SPLIT_LANES];

		map->in_use_count += !*used;
		*used = true;
	}
}

static uint32_t lane_of_container(struct run *run, uint32_t ref)
{
	const struct pw_container_def *c = NULL;
	uint32_t slot = run->map->home;

	if (run->last.is_set && run->last.container == ref)
		return run->last.lane;
	c = ref > 0 ? pw_batch_find_container(run->from, ref) : NULL;
	if (c && c->pod_group.len > 0)
		slot = split_slot(c->pod_group);
	run->last = (struct last){ref, run->map->lanes[slot], true};
	return run->last.lane;
}

static uint32_t lane_of_row(struct run *run, const struct pw_event_row *row)
{
	const struct pw_process_def *p = pw_batch_find_process(run->from, row->process);

	return lane_of_container(run, p ? p->container : 0);
}

int split_sole_lane(const struct pw_batch *b, const struct split_map *map)
{
	struct run run = {.from = b, .map = map};
	int lane = -1;

	if (map->in_use_count == 1)
		return map->lanes[0];
	for (uint32_t i = 0; i < b->event_count; i++) {
		int of_row = (int)lane_of_row(&run, &b->events[i]);

		if (lane >= 0 && of_row != lane)
			return -1;
		lane = of_row;
	}
	for (uint32_t i = 0; i < b->loss_count; i++) {
		int of_loss = b->losses[i].container == 0
				      ? -1
				      : (int)lane_of_container(&run, b->losses[i].container);

		if (of_loss < 0 || (lane >= 0 && of_loss != lane))
			return -1;
		lane = of_loss;
	}
	return lane;
}

static int part_for(struct run *run, uint32_t lane, struct pw_batch **ret)
{
	struct pw_batch **part = &run->parts[lane];
	int r = 0;

	if (!*part)
		r = pw_batch_new(&run->from->limits, run->from->dict_epoch, part);
	*ret = *part;
	return r;
}

static int copy_string(struct run *run, struct pw_batch *to, uint32_t id)
{
	if (id == 0)
		return 0;
	return pw_batch_add_string(to, id, pw_batch_find_string(run->from, id));
}

static int copy_container(struct run *run, struct pw_batch *to, uint32_t ref)
{
	const struct pw_container_def *c = ref > 0 ? pw_batch_find_container(run->from, ref) : NULL;

	return c ? pw_batch_add_container(to, c) : 0;
}

static int copy_process(struct run *run, struct pw_batch *to, const struct pw_process_def *p)
{
	const uint32_t texts[] = {p->exe, p->args, p->cwd, p->comm, p->env, p->script};
	int r = copy_container(run, to, p->container);

	for (size_t i = 0; i < PW_COUNT(texts) && r == 0; i++)
		r = copy_string(run, to, texts[i]);
	return r < 0 ? r : pw_batch_add_process(to, p);
}

/* The process and its parents, the oldest first. */
static int copy_lineage(struct run *run, struct pw_batch *to, uint32_t ref)
{
	const struct pw_process_def *line[LINEAGE_MAX];
	uint32_t count = 0;
	int r = 0;

	while (ref > 0 && count < LINEAGE_MAX && !pw_batch_has_process(to, ref)) {
		const struct pw_process_def *p = pw_batch_find_process(run->from, ref);

		if (!p)
			break;
		line[count++] = p;
		ref = p->parent_ref;
	}
	while (count > 0 && r == 0)
		r = copy_process(run, to, line[--count]);
	return r;
}

static int copy_row(struct run *run, const struct pw_event_row *row)
{
	struct pw_batch *to = NULL;
	int r = part_for(run, lane_of_row(run, row), &to);

	if (r == 0)
		r = copy_lineage(run, to, row->process);
	if (r == 0)
		r = copy_lineage(run, to, row->target);
	if (r == 0)
		r = copy_string(run, to, row->object);
	if (r == 0)
		r = copy_string(run, to, row->object2);
	return r < 0 ? r : pw_batch_add_event(to, row);
}

static int copy_loss(struct run *run, uint32_t lane, const struct pw_loss *l)
{
	struct pw_batch *to = NULL;
	int r = part_for(run, lane, &to);

	if (r == 0)
		r = copy_container(run, to, l->container);
	return r < 0 ? r : pw_batch_add_loss(to, l->container, l->reason, l->count);
}

static int copy_losses(struct run *run)
{
	int r = 0;

	for (uint32_t i = 0; i < run->from->loss_count && r == 0; i++) {
		const struct pw_loss *l = &run->from->losses[i];

		if (l->container > 0) {
			r = copy_loss(run, lane_of_container(run, l->container), l);
			continue;
		}
		for (uint32_t lane = 0; lane < SPLIT_LANES && r == 0; lane++)
			if (run->map->in_use[lane])
				r = copy_loss(run, lane, l);
	}
	return r;
}

/* A part holds a part of what the whole held, under the same ceilings: only memory can fail. */
int split_batch(
	const struct pw_batch *b, const struct split_map *map, struct pw_batch *ret[SPLIT_LANES])
{
	struct run run = {.from = b, .map = map, .parts = ret};
	int r = 0;

	memset(ret, 0, SPLIT_LANES * sizeof(*ret));
	for (uint32_t i = 0; i < b->event_count && r == 0; i++)
		r = copy_row(&run, &b->events[i]);
	if (r == 0)
		r = copy_losses(&run);
	if (r == 0)
		return 0;
	for (uint32_t i = 0; i < SPLIT_LANES; i++) {
		pw_batch_free(ret[i]);
		ret[i] = NULL;
	}
	return r;
}
