/* SPDX-License-Identifier: Apache-2.0 */
#include "policysync/placement.h"

#include "common/base/hash.h"

#include <errno.h>
#include <stdlib.h>

/* A replica above this part of the mean gives away until it is not. */
#define LIMIT_PERCENT 105u
#define DUE_PERCENT   125u

struct work {
	const struct placement_input *input;
	struct placement *out;
	uint64_t hashes[PLACEMENT_MEMBERS]; /* of the names */
	uint64_t loads[PLACEMENT_MEMBERS];  /* carried now */
	uint64_t limit;
	uint16_t moving[PLACEMENT_SLOTS]; /* slots without an owner */
	uint32_t moving_count;
};

/* A slot of one member, for sorting. */
struct rank {
	uint64_t load, score;
	uint16_t slot;
};

/*
 * Every slot weighs something, so that idle ones are spread too. Scaled so that shares of a mean
 * are whole numbers, capped so that sums and percentages of all slots fit 64 bits.
 */
static uint64_t load_of(const struct placement_input *in, uint32_t slot)
{
	const uint64_t scale = 256;
	const uint64_t most = UINT64_MAX / PLACEMENT_SLOTS / scale / 256;

	if (!in->loads)
		return scale;
	return (in->loads[slot] < most ? in->loads[slot] + 1 : most) * scale;
}

static uint64_t mean_of(const struct placement_input *in)
{
	uint64_t total = 0;

	for (uint32_t slot = 0; slot < PLACEMENT_SLOTS; slot++)
		total += load_of(in, slot);
	return total / in->member_count;
}

static uint64_t score_of(const struct work *w, uint32_t member, uint32_t slot)
{
	return pw_hash_mix(w->hashes[member], slot);
}

static bool has_owner(const struct placement_input *in, const struct placement *p, uint32_t slot)
{
	return p->owners[slot] < in->member_count;
}

static void give(struct work *w, uint32_t slot, uint32_t member)
{
	w->out->owners[slot] = (uint16_t)member;
	w->loads[member] += load_of(w->input, slot);
}

static void release(struct work *w, uint32_t slot)
{
	w->loads[w->out->owners[slot]] -= load_of(w->input, slot);
	w->out->owners[slot] = PLACEMENT_NOBODY;
	w->moving[w->moving_count++] = (uint16_t)slot;
}

static void keep_what_is_placed(struct work *w)
{
	const struct placement *before = w->input->before;

	for (uint32_t slot = 0; slot < PLACEMENT_SLOTS; slot++) {
		w->out->owners[slot] = PLACEMENT_NOBODY;
		if (before && has_owner(w->input, before, slot))
			give(w, slot, before->owners[slot]);
		else
			w->moving[w->moving_count++] = (uint16_t)slot;
	}
}

/* Lowest score first: what another replica has the better claim to. */
static int by_score(const void *a, const void *b)
{
	const struct rank *x = a;
	const struct rank *y = b;

	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return (x->slot > y->slot) - (x->slot < y->slot);
}

/* Heaviest first, so that what is hard to place finds room. */
static int by_load(const void *a, const void *b)
{
	const struct rank *x = a;
	const struct rank *y = b;

	if (x->load != y->load)
		return x->load > y->load ? -1 : 1;
	return by_score(a, b);
}

static uint32_t slots_of(const struct work *w, uint32_t member, struct rank ret[PLACEMENT_SLOTS])
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < PLACEMENT_SLOTS; slot++)
		if (w->out->owners[slot] == member)
			ret[count++] = (struct rank){
				load_of(w->input, slot), score_of(w, member, slot), (uint16_t)slot};
	return count;
}

/* Gives away until within the limit; a slot that alone is above it stays, alone. */
static void relieve(struct work *w, uint32_t member)
{
	struct rank slots[PLACEMENT_SLOTS];
	uint32_t count = 0;
	uint32_t left = 0;

	if (w->loads[member] <= w->limit)
		return;
	count = left = slots_of(w, member, slots);
	qsort(slots, count, sizeof(*slots), by_score);
	for (uint32_t i = 0; i < count && left > 1 && w->loads[member] > w->limit; i++) {
		if (slots[i].load >= w->limit)
			continue;
		release(w, slots[i].slot);
		left--;
	}
}

/* Ties go by score, so that the order of the names decides nothing. */
static bool is_lighter(const struct work *w, uint32_t a, uint32_t b, uint32_t slot)
{
	if (w->loads[a] != w->loads[b])
		return w->loads[a] < w->loads[b];
	return score_of(w, a, slot) > score_of(w, b, slot);
}

/* First by rendezvous among those with room, else who carries least. */
static uint32_t best_member(const struct work *w, uint32_t slot)
{
	uint64_t load = load_of(w->input, slot);
	uint64_t best_score = 0;
	uint32_t best = PLACEMENT_NOBODY;
	uint32_t lightest = 0;

	for (uint32_t m = 0; m < w->input->member_count; m++) {
		uint64_t score = score_of(w, m, slot);

		if (is_lighter(w, m, lightest, slot))
			lightest = m;
		if (w->loads[m] + load > w->limit ||
			(best < PLACEMENT_NOBODY && score <= best_score))
			continue;
		best = m;
		best_score = score;
	}
	return best < PLACEMENT_NOBODY ? best : lightest;
}

static void place_what_moves(struct work *w)
{
	struct rank slots[PLACEMENT_SLOTS];

	for (uint32_t i = 0; i < w->moving_count; i++)
		slots[i] = (struct rank){load_of(w->input, w->moving[i]),
			pw_hash_mix(0, w->moving[i]), w->moving[i]};
	qsort(slots, w->moving_count, sizeof(*slots), by_load);
	for (uint32_t i = 0; i < w->moving_count; i++)
		give(w, slots[i].slot, best_member(w, slots[i].slot));
}

static int check(const struct placement_input *in, struct pw_err *err)
{
	if (in->member_count == 0)
		return pw_err_set(err, -EINVAL, "members: none");
	if (in->member_count > PLACEMENT_MEMBERS)
		return pw_err_set(err, -E2BIG, "members: %u, at most %u", in->member_count,
			PLACEMENT_MEMBERS);
	for (uint32_t i = 0; i < in->member_count; i++) {
		if (in->members[i].len == 0)
			return pw_err_set(err, -EINVAL, "members[%u]: empty name", i);
		for (uint32_t k = 0; k < i; k++)
			if (pw_slice_eq(in->members[i], in->members[k]))
				return pw_err_set(
					err, -EINVAL, "members[%u]: the name of members[%u]", i, k);
	}
	return 0;
}

int placement_compute(
	const struct placement_input *input, struct placement *ret, struct pw_err *err)
{
	struct placement out;
	struct work w = {.input = input, .out = &out};
	int r = check(input, err);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < input->member_count; i++)
		w.hashes[i] = pw_hash64(input->members[i], 0);
	w.limit = mean_of(input) * LIMIT_PERCENT / 100;
	keep_what_is_placed(&w);
	for (uint32_t i = 0; i < input->member_count; i++)
		relieve(&w, i);
	place_what_moves(&w);
	*ret = out;
	return 0;
}

/* Load and number of slots of each replica. */
static void sum_up(const struct placement_input *in, const struct placement *p,
	uint64_t loads[PLACEMENT_MEMBERS], uint32_t counts[PLACEMENT_MEMBERS])
{
	for (uint32_t slot = 0; slot < PLACEMENT_SLOTS; slot++) {
		if (!has_owner(in, p, slot))
			continue;
		loads[p->owners[slot]] += load_of(in, slot);
		counts[p->owners[slot]]++;
	}
}

static bool is_usable(const struct placement_input *in)
{
	return in->member_count > 0 && in->member_count <= PLACEMENT_MEMBERS;
}

uint32_t placement_peak_percent(const struct placement_input *input, const struct placement *p)
{
	uint64_t loads[PLACEMENT_MEMBERS] = {0};
	uint32_t counts[PLACEMENT_MEMBERS] = {0};
	uint64_t most = 0;

	if (!is_usable(input))
		return 0;
	sum_up(input, p, loads, counts);
	for (uint32_t i = 0; i < input->member_count; i++)
		most = loads[i] > most ? loads[i] : most;
	return (uint32_t)(most * 100 / mean_of(input));
}

bool placement_is_due(const struct placement_input *input, const struct placement *p)
{
	uint64_t loads[PLACEMENT_MEMBERS] = {0};
	uint32_t counts[PLACEMENT_MEMBERS] = {0};
	uint64_t mean = 0;

	if (!is_usable(input))
		return false;
	for (uint32_t slot = 0; slot < PLACEMENT_SLOTS; slot++)
		if (!has_owner(input, p, slot))
			return true;
	sum_up(input, p, loads, counts);
	mean = mean_of(input);
	for (uint32_t i = 0; i < input->member_count; i++)
		if (counts[i] == 0 || (counts[i] > 1 && loads[i] > mean * DUE_PERCENT / 100))
			return true;
	return false;
}
