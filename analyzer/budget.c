/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/budget.h"

#include <string.h>

static const uint32_t limits[BUDGET_SEVERITIES] = {5, 5, 10, 20, 50, UINT32_MAX};

bool budget_take(struct budget *b, uint64_t pass, int64_t window_wall_ns, uint32_t severity)
{
	uint32_t s = severity < BUDGET_SEVERITIES ? severity : 0;

	if (window_wall_ns > b->window_wall_ns) {
		memset(b->used, 0, sizeof(b->used));
		memset(b->pass_used, 0, sizeof(b->pass_used));
		b->window_wall_ns = window_wall_ns;
	}
	if (b->pass != pass) {
		memset(b->pass_used, 0, sizeof(b->pass_used));
		b->pass = pass;
	}
	if (b->used[s] + b->pass_used[s] >= limits[s])
		return false;
	b->pass_used[s]++;
	return true;
}

void budget_commit(struct budget *b, uint64_t pass)
{
	if (b->pass != pass)
		return;
	for (uint32_t i = 0; i < BUDGET_SEVERITIES; i++)
		b->used[i] += b->pass_used[i];
	memset(b->pass_used, 0, sizeof(b->pass_used));
}
