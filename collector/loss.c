/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/loss.h"

#include "common/base/err.h"
#include "podward/v1/event.pb-c.h"

#define LOSS_REPAIRED ((uint32_t)PODWARD__V1__LOSS_REASON__LOSS_REASON_REPAIRED)

_Static_assert(LOSS_REASONS == (int)PODWARD__V1__LOSS_REASON__LOSS_REASON_READ_FAILED + 1,
	"every LossReason has its place");
_Static_assert(LOSS_REPAIRED == LOSS_REASONS, "the one that is no loss comes last");

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

/* False: there is no entry left. */
static bool add_entry(struct loss *l, uint32_t container, uint32_t reason, uint64_t count)
{
	for (uint32_t i = 0; i < l->count; i++) {
		struct loss_entry *e = &l->entries[i];

		if (e->container == container && e->reason == reason) {
			add_saturated(&e->count, count);
			return true;
		}
	}
	if (l->count == LOSS_ENTRIES)
		return false;
	l->entries[l->count++] = (struct loss_entry){container, reason, count};
	return true;
}

void loss_add(struct loss *l, uint32_t container, uint32_t reason, uint64_t count)
{
	pw_assert(reason > 0 && reason < LOSS_REASONS);
	if (count == 0)
		return;
	add_saturated(&l->totals[reason], count);
	if (!add_entry(l, container, reason, count)) {
		add_saturated(&l->node_extra[reason], count);
		container = 0;
	}
	if (l->on_add)
		l->on_add(l->ctx, container, count);
}

void loss_repaired(struct loss *l, uint32_t container, uint64_t count)
{
	(void)add_entry(l, container, LOSS_REPAIRED, count);
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
