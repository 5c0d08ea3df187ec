/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/loss.h"

#include "common/base/err.h"
#include "podward/v1/event.pb-c.h"

_Static_assert(LOSS_REASONS == (int)PODWARD__V1__LOSS_REASON__LOSS_REASON_READ_FAILED + 1,
	"every LossReason has its place");

const char *loss_reason_name(uint32_t reason)
{
	static const char *const names[LOSS_REASONS] = {"unspecified", "ring_full", "decode",
		"pending", "backlog", "map_full", "recursion", "dictionary", "read_failed"};

	return reason < LOSS_REASONS ? names[reason] : "unknown";
}

static void add_saturated(uint64_t *to, uint64_t count)
{
	if (__builtin_add_overflow(*to, count, to))
		*to = UINT64_MAX;
}

void loss_add(struct loss *l, uint32_t container, uint32_t reason, uint64_t count)
{
	pw_assert(reason > 0 && reason < LOSS_REASONS);
	if (count == 0)
		return;
	add_saturated(&l->totals[reason], count);
	for (uint32_t i = 0; i < l->count; i++) {
		struct loss_entry *e = &l->entries[i];

		if (e->container == container && e->reason == reason) {
			add_saturated(&e->count, count);
			return;
		}
	}
	if (l->count == LOSS_ENTRIES) {
		add_saturated(&l->node_extra[reason], count);
		return;
	}
	l->entries[l->count++] = (struct loss_entry){container, reason, count};
}

bool loss_is_empty(const struct loss *l)
{
	for (uint32_t i = 0; i < LOSS_REASONS; i++)
		if (l->node_extra[i])
			return false;
	return l->count == 0;
}

int loss_carry(struct loss *l, int (*fn)(void *ctx, const struct loss_entry *e), void *ctx)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < l->count; i++)
		if (fn(ctx, &l->entries[i]) != 0)
			l->entries[kept++] = l->entries[i];
	l->count = kept;
	for (uint32_t i = 0; i < LOSS_REASONS; i++) {
		struct loss_entry extra = {0, i, l->node_extra[i]};

		if (extra.count > 0 && fn(ctx, &extra) == 0)
			l->node_extra[i] = 0;
	}
	return loss_is_empty(l) ? 0 : -1;
}
