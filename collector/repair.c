/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/repair.h"

#include <stddef.h>

static struct repair_debt *find(struct repair *r, uint32_t container)
{
	for (uint32_t i = 0; i < r->count; i++)
		if (r->debts[i].container == container)
			return &r->debts[i];
	return NULL;
}

static uint64_t age_of(const struct repair *r, struct pw_boot now, struct pw_boot since)
{
	if (since.ns < r->begun.ns)
		since = r->begun;
	return now.ns > since.ns ? now.ns - since.ns : 0;
}

/* Whatever is owed, the time without a loss begins anew: of one container, or of all. */
static void disturb(struct repair *r, uint32_t container)
{
	for (uint32_t i = 0; i < r->count; i++)
		if (container == 0 || r->debts[i].container == container)
			r->debts[i].quiet_from.ns = 0;
}

void repair_lost(struct repair *r, uint32_t container, uint64_t count, struct pw_boot now,
	struct pw_boot since)
{
	struct repair_debt *d = find(r, container);
	uint64_t age = age_of(r, now, since);

	disturb(r, container);
	if (age < REPAIR_START_NS)
		return; /* its start is not repeated */
	if (!d) {
		if (r->count == REPAIR_DEBTS)
			return;
		d = &r->debts[r->count++];
		*d = (struct repair_debt){.container = container};
	}
	if (__builtin_add_overflow(d->count, count, &d->count))
		d->count = UINT64_MAX;
	d->want_ns = age < REPAIR_LONG_NS ? age : REPAIR_LONG_NS;
}

void repair_ended(struct repair *r, uint32_t container)
{
	struct repair_debt *d = find(r, container);

	if (d && container != 0)
		*d = r->debts[--r->count];
}

void repair_renewed(struct repair *r, struct pw_boot now,
	void (*fn)(void *ctx, uint32_t container, uint64_t count), void *ctx)
{
	for (uint32_t i = 0; i < r->count;) {
		struct repair_debt d = r->debts[i];

		if (d.quiet_from.ns == 0) {
			r->debts[i++].quiet_from = now;
		} else if (now.ns - d.quiet_from.ns < d.want_ns) {
			i++;
		} else {
			r->debts[i] = r->debts[--r->count];
			fn(ctx, d.container, d.count);
		}
	}
}
