// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Capabilities that a container's processes needed and had, or were refused: the first time each.
 * The tracepoint is there from 6.14 on.
 */
#include "collector/bpf/used.h"

#define CAPS_MAX 64u

SEC("raw_tp/cap_capable")
int capability_used(struct bpf_raw_tracepoint_args *ctx)
{
	uint32_t cap = ctx->args[3];
	int32_t result = ctx->args[4];
	struct scope_hit hit = {};
	struct abi_used *u;
	uint64_t *seen, bit;

	if (cap >= CAPS_MAX || !scope_current(ABI_KIND_CAPABILITY, &hit))
		return 0;
	u = used_of(hit.cgroup_id);
	if (!u)
		return 0;
	bit = 1ull << cap;
	seen = result ? &u->caps_refused : &u->caps;
	if (*seen & bit)
		return 0;
	if (used_report(&hit, ABI_KIND_CAPABILITY, 0, cap, result))
		*seen |= bit; /* a bit lost in a race is told twice */
	return 0;
}
