/* SPDX-License-Identifier: Apache-2.0 */
/* Time to compute a placement: first, and after a replica came; Zipf load. Last line: JSON. */
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "policysync/placement.h"

#include <stdio.h>

#define ROUNDS 200u
#define GROUPS 20000u

static char texts[PLACEMENT_MEMBERS][32];
static struct pw_slice names[PLACEMENT_MEMBERS];
static uint64_t loads[PLACEMENT_SLOTS];

static uint64_t measure(const struct placement_input *in, struct placement *ret)
{
	uint64_t best = UINT64_MAX;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t start = pw_mono_now().ns;
		uint64_t took;

		if (placement_compute(in, ret, NULL) < 0)
			return 0;
		took = pw_mono_now().ns - start;
		best = took < best ? took : best;
	}
	return best;
}

int main(void)
{
	static const uint32_t sizes[] = {2, 8, 32, 64};
	struct placement first, second;

	for (uint32_t i = 0; i < PLACEMENT_MEMBERS; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "analyzer-%u", i);
		names[i] = pw_slice_str(texts[i]);
	}
	for (uint32_t i = 0; i < GROUPS; i++)
		loads[pw_slot_of(pw_hash_mix(1, i))] += 10000000 / (i + 1);
	(void)printf("%8s %12s %12s\n", "replicas", "first µs", "join µs");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct placement_input in = {
			.members = names, .member_count = sizes[i] - 1, .loads = loads};
		uint64_t fresh = measure(&in, &first);

		in.member_count = sizes[i];
		in.before = &first;
		(void)printf("%8u %12.1f %12.1f\n", sizes[i], (double)fresh / 1e3,
			(double)measure(&in, &second) / 1e3);
	}
	(void)printf("{\"bench\":\"placement\",\"replicas\":64,\"join_us\":%.1f}\n",
		(double)measure(&(struct placement_input){.members = names,
					.member_count = 64,
					.loads = loads,
					.before = &first},
			&second) /
			1e3);
	return 0;
}
