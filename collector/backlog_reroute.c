/* SPDX-License-Identifier: Apache-2.0 */
/* Pod groups of this backlog got another owner: their rows leave, the rest stays as it is. */
#include "collector/backlog_private.h"

#include <errno.h>

/* What becomes of one batch: parts[own] stays in its place. */
struct plan {
	struct pw_batch *parts[SPLIT_LANES];
	bool is_split;
};

struct run {
	struct backlog *b;
	const struct split_map *map;
	uint32_t lane;
	struct plan *plans;
	uint32_t count;
	void (*fn)(void *ctx, uint32_t lane, struct pw_batch *batch);
	void *ctx;
};

static void free_plans(struct run *run)
{
	for (uint32_t i = 0; run->plans && i < run->count; i++)
		for (uint32_t lane = 0; lane < SPLIT_LANES; lane++)
			pw_batch_free(run->plans[i].parts[lane]);
	free(run->plans);
	run->plans = NULL;
}

static bool is_to_leave(const struct run *run, const struct pw_batch *batch)
{
	int sole = split_sole_lane(batch, run->map);

	if (batch->event_count == 0 && batch->loss_count == 0)
		return !run->map->in_use[run->lane];
	return sole != (int)run->lane;
}

/* An empty batch under the number of one that left. */
static int keep_place(const struct pw_batch *batch, struct pw_batch **part)
{
	return *part ? 0 : pw_batch_new(&batch->limits, batch->dict_epoch, part);
}

static int make_plan(struct run *run, const struct pw_batch *batch, struct plan *plan)
{
	const struct backlog *b = run->b;
	struct pw_batch **own = &plan->parts[run->lane];
	int r = split_batch(batch, run->map, plan->parts);

	if (r == 0 && batch->seq > 0)
		r = keep_place(batch, own);
	if (r < 0)
		return r;
	plan->is_split = true;
	for (uint32_t lane = 0; lane < SPLIT_LANES; lane++) {
		struct pw_batch *part = plan->parts[lane];
		bool stays = part == *own;

		if (!part)
			continue;
		if (batch->origin_seq > 0)
			pw_batch_set_origin(
				part, batch->origin, batch->origin_seq, batch->boot_to_wall_ns);
		else if (batch->seq > 0 && !stays)
			pw_batch_set_origin(part, b->instance, batch->seq, batch->boot_to_wall_ns);
		if (batch->seq > 0 && stays)
			pw_batch_seal(part, batch->seq, batch->boot_to_wall_ns);
	}
	return 0;
}

/* Everything that may fail, before anything changes. */
static int make_plans(struct run *run, uint64_t after_seq)
{
	uint32_t i = 0;
	int r = 0;

	run->plans = pw_alloc0(run->count + 1, sizeof(*run->plans));
	if (!run->plans)
		return -ENOMEM;
	for (const struct pw_batch *batch = run->b->first; batch && r == 0; batch = batch->next) {
		bool is_received = batch->seq > 0 && batch->seq <= after_seq;

		if (!is_received && is_to_leave(run, batch))
			r = make_plan(run, batch, &run->plans[i]);
		i++;
	}
	return r;
}

static void carry_out(struct run *run, struct pw_batch *batch, struct plan *plan)
{
	struct pw_batch *own = plan->parts[run->lane];
	struct backlog *b = run->b;

	plan->parts[run->lane] = NULL;
	for (uint32_t lane = 0; lane < SPLIT_LANES; lane++)
		if (plan->parts[lane])
			run->fn(run->ctx, lane, PW_TAKE(plan->parts[lane]));
	if (own)
		backlog_link_last(b, own);
	else
		b->skipped += batch->seq == 0;
	pw_batch_free(batch);
}

/* The list anew, with the same place in it for what is sent next. */
static void carry_out_all(struct run *run)
{
	struct backlog *b = run->b;
	struct pw_batch *rest = b->first, *next = b->next;
	bool is_due = false;

	b->first = b->last = b->next = NULL;
	b->bytes = 0;
	b->count = 0;
	b->unacked_events = 0;
	for (uint32_t i = 0; rest; i++) {
		struct pw_batch *batch = rest, *before = b->last;

		rest = batch->next;
		is_due |= batch == next;
		if (run->plans[i].is_split)
			carry_out(run, batch, &run->plans[i]);
		else
			backlog_link_last(b, batch);
		if (is_due && !b->next && b->last != before)
			b->next = b->last;
	}
}

/* Nobody waits for these numbers: whoever comes next begins with what is held. */
static void forget_leading_empties(struct backlog *b)
{
	while (b->first && b->first->seq > 0 && b->first->event_count == 0 &&
		b->first->loss_count == 0) {
		b->durable_seq = b->first->seq;
		pw_batch_free(backlog_unlink_first(b));
	}
	b->received_seq = b->durable_seq;
}

int backlog_reroute(struct backlog *b, const struct split_map *map, uint32_t lane, bool is_new,
	void (*fn)(void *ctx, uint32_t lane, struct pw_batch *batch), void *ctx)
{
	struct run run = {b, map, lane, NULL, 0, fn, ctx};
	int r = 0;

	if (is_new) {
		backlog_lose_at_risk(b);
		/* Losses that no batch has told yet belong to groups as well. */
		if (b->lost && is_to_leave(&run, b->lost))
			(void)backlog_push(b, PW_TAKE(b->lost));
	}
	run.count = b->count;
	r = make_plans(&run, is_new ? b->durable_seq : b->received_seq);
	if (r == 0) {
		bool any = false;

		for (uint32_t i = 0; i < run.count; i++)
			any |= run.plans[i].is_split;
		if (any)
			carry_out_all(&run);
		if (is_new)
			forget_leading_empties(b);
		if (b->keep && (any || is_new))
			backlog_keep_all(b);
	}
	free_plans(&run);
	return r;
}
