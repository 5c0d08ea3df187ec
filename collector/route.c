/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/route.h"

#include "common/base/hash.h"

#include <errno.h>

void route_init(struct route *r)
{
	*r = (struct route){0};
}

void route_clear(struct route *r)
{
	for (uint32_t i = 0; i < r->count; i++) {
		free(r->entries[i].name);
		free(r->entries[i].address);
	}
	r->count = 0;
}

void route_done(struct route *r)
{
	route_clear(r);
}

int route_add(struct route *r, const char *name, const char *address)
{
	struct route_entry e = {0};

	if (r->count == ROUTE_MAX)
		return -ENOSPC;
	for (uint32_t i = 0; i < r->count; i++)
		if (strcmp(r->entries[i].name, name) == 0)
			return -EEXIST;
	e.name = pw_strdup(name);
	e.address = pw_strdup(address);
	if (!e.name || !e.address) {
		free(e.name);
		free(e.address);
		return -ENOMEM;
	}
	r->entries[r->count++] = e;
	return 0;
}

int route_owner(const struct route *r, struct pw_slice pod_group)
{
	uint64_t group = pw_hash64(pod_group, 0);
	uint64_t best_weight = 0;
	int best = -1;

	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t weight =
			pw_hash_mix(pw_hash64(pw_slice_str(r->entries[i].name), 0), group);

		if (best >= 0 && weight <= best_weight)
			continue;
		best_weight = weight;
		best = (int)i;
	}
	return best;
}
