/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/learning.h"

#include "podward/v1/event.pb-c.h"

#include <stdio.h>
#include <string.h>

#define LOST     "events were lost while learning"
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

/* Everything that others see changed: a new number, and a message. */
static void note_change(struct learning *l)
{
	l->serial++;
	l->changed = true;
}

static void enter(struct learning *l, uint32_t phase)
{
	l->phase = phase;
	l->generation++;
	l->is_due = false;
	note_change(l);
}

static void begin(struct learning *l, uint32_t phase, int64_t at_ns, uint64_t duration_ns)
{
	l->started_wall_ns = at_ns;
	l->duration_ns = duration_ns;
	l->extensions = 0;
	enter(l, phase);
}

int64_t learning_end_ns(const struct learning *l)
{
	uint64_t whole;
	int64_t end;

	if (__builtin_mul_overflow(l->duration_ns, 1ull + l->extensions, &whole) ||
		whole > INT64_MAX ||
		__builtin_add_overflow(l->started_wall_ns, (int64_t)whole, &end))
		return INT64_MAX;
	return end;
}

static void follow_policy(struct learning *l, uint64_t duration_ns)
{
	if (learning_is_protected(l) || l->phase == PHASE(RELEARNING) ||
		l->duration_ns == duration_ns)
		return;
	l->duration_ns = duration_ns;
	note_change(l);
}

static void advance(struct learning *l, int64_t at_ns)
{
	if (learning_is_protected(l) || at_ns < learning_end_ns(l))
		return;
	l->is_due = true;
}

bool learning_at(struct learning *l, struct pw_wall event, struct pw_wall now, uint64_t duration_ns)
{
	/* A node whose clock runs ahead must not end the learning of its groups. */
	int64_t at_ns = event.ns < now.ns ? event.ns : now.ns;

	if (l->phase == PHASE(UNSPECIFIED))
		begin(l, PHASE(COLLECTING), at_ns, duration_ns);
	if (l->phase == PHASE(FROZEN))
		return false;
	follow_policy(l, duration_ns);
	advance(l, at_ns);
	return l->is_due || at_ns < learning_end_ns(l);
}

void learning_tick(struct learning *l, struct pw_wall now, uint64_t duration_ns)
{
	if (l->phase == PHASE(UNSPECIFIED))
		return;
	follow_policy(l, duration_ns);
	advance(l, now.ns);
}

void learning_decide(struct learning *l, const char *doubt)
{
	bool clock_alone = l->duration_ns < LEARNING_EVIDENCE_NS || l->phase == PHASE(RELEARNING);

	if (!l->is_due)
		return;
	if (!doubt || clock_alone) {
		enter(l, PHASE(PROTECTED));
		return;
	}
	(void)snprintf(l->extension_reason, sizeof(l->extension_reason), "%s", doubt);
	if (l->extensions >= LEARNING_EXTENSIONS) {
		learning_partial(l, doubt);
		enter(l, PHASE(PROTECTED));
		return;
	}
	l->extensions++;
	enter(l, PHASE(CONVERGING));
}

void learning_shift(struct learning *l, int64_t jump_ns)
{
	int64_t moved;

	if (learning_is_protected(l) || l->phase == PHASE(UNSPECIFIED) ||
		__builtin_add_overflow(l->started_wall_ns, jump_ns, &moved))
		return;
	l->started_wall_ns = moved;
	/* A new generation: else the earliest start of the old one would win. */
	l->generation++;
	note_change(l);
}

void learning_reset(struct learning *l, uint64_t epoch)
{
	uint64_t generation = l->generation, serial = l->serial;

	if (epoch <= l->epoch)
		return;
	*l = (struct learning){.epoch = epoch, .generation = generation, .serial = serial};
	note_change(l);
}

void learning_relearn(struct learning *l, struct pw_wall now, uint64_t duration_ns)
{
	if (learning_is_protected(l))
		begin(l, PHASE(RELEARNING), now.ns, duration_ns);
}

void learning_freeze(struct learning *l)
{
	if (l->phase != PHASE(FROZEN))
		enter(l, PHASE(FROZEN));
}

void learning_thaw(struct learning *l)
{
	if (l->phase == PHASE(FROZEN))
		enter(l, PHASE(PROTECTED));
}

void learning_lost(struct learning *l, uint64_t count, uint32_t reason)
{
	if (learning_is_protected(l) || l->phase == PHASE(UNSPECIFIED) || count == 0)
		return;
	l->lost_events += count;
	note_change(l);
	if (l->partial_reason[0] == '\0')
		(void)snprintf(l->partial_reason, sizeof(l->partial_reason), LOST " (%s)",
			learning_loss_name(reason));
}

void learning_partial(struct learning *l, const char *reason)
{
	if (l->partial_reason[0] != '\0')
		return;
	(void)snprintf(l->partial_reason, sizeof(l->partial_reason), "%s", reason);
	note_change(l);
}

/* Losses that were made good are no reason any more; other reasons stay. */
static void drop_loss_reason(struct learning *l)
{
	if (l->repaired_events >= l->lost_events &&
		strncmp(l->partial_reason, LOST, sizeof(LOST) - 1) == 0)
		l->partial_reason[0] = '\0';
}

void learning_repaired(struct learning *l, uint64_t count)
{
	uint64_t owed = l->lost_events - l->repaired_events;

	/* What is told again after the end of learning is judged, not learned. */
	if (learning_is_protected(l) || l->repaired_events >= l->lost_events || count == 0)
		return;
	l->repaired_events += count < owed ? count : owed;
	drop_loss_reason(l);
	note_change(l);
}

static void restore_text(char out[LEARNING_REASON], ProtobufCBinaryData text)
{
	size_t len = text.len;

	if (out[0] != '\0' || len == 0)
		return;
	if (len >= LEARNING_REASON)
		len = LEARNING_REASON - 1;
	memcpy(out, text.data, len);
	out[len] = '\0';
}

static bool is_further(const struct learning *l, const Podward__V1__ProfileState *s)
{
	if (s->epoch != l->epoch)
		return s->epoch > l->epoch;
	return s->generation > l->generation ||
	       (s->generation == l->generation && s->serial >= l->serial);
}

void learning_restore(struct learning *l, const Podward__V1__ProfileState *s)
{
	bool is_new_start = s->epoch > l->epoch || s->generation > l->generation;

	if (s->epoch < l->epoch)
		return;
	if (s->epoch > l->epoch)
		*l = (struct learning){.epoch = s->epoch};
	if (is_further(l, s) && s->phase != 0) {
		l->phase = (uint32_t)s->phase;
		l->generation = s->generation;
		l->serial = s->serial;
		l->duration_ns = s->learning_duration_ns;
		l->extensions =
			s->extensions < LEARNING_EXTENSIONS ? s->extensions : LEARNING_EXTENSIONS;
		l->extension_reason[0] = '\0';
		if (is_new_start)
			l->started_wall_ns = 0;
	}
	if (s->generation == l->generation && s->learning_started_wall_ns != 0 &&
		(l->started_wall_ns == 0 || s->learning_started_wall_ns < l->started_wall_ns))
		l->started_wall_ns = s->learning_started_wall_ns;
	if (s->lost_events > l->lost_events)
		l->lost_events = s->lost_events;
	if (s->repaired_events > l->repaired_events)
		l->repaired_events = s->repaired_events;
	restore_text(l->extension_reason, s->extension_reason);
	restore_text(l->partial_reason, s->partial_reason);
	drop_loss_reason(l);
}

uint64_t learning_remaining_ns(const struct learning *l, struct pw_wall now)
{
	int64_t end = learning_end_ns(l);

	if (learning_is_protected(l) || l->phase == PHASE(UNSPECIFIED) || now.ns >= end)
		return 0;
	return (uint64_t)(end - now.ns);
}
