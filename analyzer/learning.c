/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/learning.h"

#include "podward/v1/event.pb-c.h"

#include <stdio.h>
#include <string.h>

#define PHASE(x) ((uint32_t)PODWARD__V1__PROFILE_PHASE__PROFILE_PHASE_##x)

const char *learning_phase_name(uint32_t phase)
{
	static const char *const names[] = {
		"New", "Collecting", "Protected", "Frozen", "Relearning", "Converging"};

	return phase < PW_COUNT(names) ? names[phase] : "Unknown";
}

const char *learning_loss_name(uint32_t reason)
{
	static const char *const names[] = {"unspecified", "ring_full", "decode", "pending",
		"backlog", "map_full", "recursion", "dictionary", "read_failed"};

	return reason < PW_COUNT(names) ? names[reason] : "unknown";
}

bool learning_is_protected(const struct learning *l)
{
	return l->phase == PHASE(PROTECTED) || l->phase == PHASE(FROZEN);
}

static void begin(struct learning *l, int64_t at_ns, uint64_t duration_ns)
{
	l->phase = PHASE(COLLECTING);
	l->generation++;
	l->started_wall_ns = at_ns;
	l->duration_ns = duration_ns;
	l->changed = true;
}

static int64_t end_of(const struct learning *l)
{
	int64_t end;

	if (l->duration_ns > INT64_MAX ||
		__builtin_add_overflow(l->started_wall_ns, (int64_t)l->duration_ns, &end))
		return INT64_MAX;
	return end;
}

static void follow_policy(struct learning *l, uint64_t duration_ns)
{
	if (learning_is_protected(l) || l->duration_ns == duration_ns)
		return;
	l->duration_ns = duration_ns;
	l->changed = true;
}

static void advance(struct learning *l, int64_t at_ns)
{
	if (learning_is_protected(l) || at_ns < end_of(l))
		return;
	l->phase = PHASE(PROTECTED);
	l->generation++;
	l->changed = true;
}

bool learning_at(struct learning *l, struct pw_wall event, struct pw_wall now, uint64_t duration_ns)
{
	/* A node whose clock runs ahead must not end the learning of its groups. */
	int64_t at_ns = event.ns < now.ns ? event.ns : now.ns;

	if (l->phase == PHASE(UNSPECIFIED))
		begin(l, at_ns, duration_ns);
	if (l->phase == PHASE(FROZEN))
		return false;
	follow_policy(l, duration_ns);
	advance(l, at_ns);
	return at_ns < end_of(l);
}

void learning_tick(struct learning *l, struct pw_wall now, uint64_t duration_ns)
{
	if (l->phase == PHASE(UNSPECIFIED))
		return;
	follow_policy(l, duration_ns);
	advance(l, now.ns);
}

void learning_lost(struct learning *l, uint64_t count, uint32_t reason)
{
	if (learning_is_protected(l) || l->phase == PHASE(UNSPECIFIED) || count == 0)
		return;
	l->lost_events += count;
	l->changed = true;
	if (l->partial_reason[0] == '\0')
		(void)snprintf(l->partial_reason, sizeof(l->partial_reason),
			"events were lost while learning (%s)", learning_loss_name(reason));
}

void learning_partial(struct learning *l, const char *reason)
{
	if (l->partial_reason[0] != '\0')
		return;
	(void)snprintf(l->partial_reason, sizeof(l->partial_reason), "%s", reason);
	l->changed = true;
}

void learning_restore(struct learning *l, const Podward__V1__ProfileState *s)
{
	size_t len = s->partial_reason.len;

	if (s->generation >= l->generation && s->phase != 0) {
		l->phase = (uint32_t)s->phase;
		l->generation = s->generation;
		l->duration_ns = s->learning_duration_ns;
	}
	if (s->learning_started_wall_ns != 0 &&
		(l->started_wall_ns == 0 || s->learning_started_wall_ns < l->started_wall_ns))
		l->started_wall_ns = s->learning_started_wall_ns;
	if (s->lost_events > l->lost_events)
		l->lost_events = s->lost_events;
	if (l->partial_reason[0] != '\0' || len == 0)
		return;
	if (len >= sizeof(l->partial_reason))
		len = sizeof(l->partial_reason) - 1;
	memcpy(l->partial_reason, s->partial_reason.data, len);
	l->partial_reason[len] = '\0';
}

uint64_t learning_remaining_ns(const struct learning *l, struct pw_wall now)
{
	int64_t end = end_of(l);

	if (learning_is_protected(l) || l->phase == PHASE(UNSPECIFIED) || now.ns >= end)
		return 0;
	return (uint64_t)(end - now.ns);
}
