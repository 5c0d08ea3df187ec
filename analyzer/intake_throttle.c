/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/intake_throttle.h"

#include "podward/v1/collect.pb-c.h"

uint32_t intake_throttle_ms(uint64_t judged_ns)
{
	uint64_t half_ms = judged_ns / PW_NS_PER_MS / 2;

	if (half_ms < INTAKE_SLOW_MS / 2)
		return 0;
	return half_ms < INTAKE_THROTTLE_MS ? (uint32_t)half_ms : INTAKE_THROTTLE_MS;
}

/* False when it could not be sent: it is advice, and not reading says the same. */
static bool ask(struct intake_stream *st, uint32_t delay_ms)
{
	Podward__V1__CollectReply m = PODWARD__V1__COLLECT_REPLY__INIT;
	Podward__V1__CollectThrottle throttle = PODWARD__V1__COLLECT_THROTTLE__INIT;

	if (st->is_finished)
		return false;
	throttle.delay_ms = delay_ms;
	m.message_case = PODWARD__V1__COLLECT_REPLY__MESSAGE_THROTTLE;
	m.throttle = &throttle;
	return pw_call_send(st->call, &m.base) == 0;
}

/* Asks anew before the time that was asked for is over. */
static void again_later(struct intake *in)
{
	if (in->throttle_timer_set)
		return;
	in->throttle_timer_set = true;
	pw_rpc_timer_set(in->throttle_timer, INTAKE_THROTTLE_MS / 2);
}

static void ask_for_room(struct intake_stream *st)
{
	struct intake *in = st->in;

	st->is_throttled = ask(st, INTAKE_THROTTLE_MS);
	in->stats.throttled_reports += st->is_throttled;
	again_later(in);
}

static void on_timer(void *ctx)
{
	struct intake *in = ctx;

	in->throttle_timer_set = false;
	if (forward_has_room(in->config.forward))
		return;
	for (uint32_t i = 0; i < sources_count(in->sources); i++) {
		struct intake_stream *st = sources_at(in->sources, i)->stream;

		if (st && st->waits_for_room)
			ask_for_room(st);
	}
}

int intake_throttle_init(struct intake *in)
{
	return pw_rpc_timer_new(in->config.loop, on_timer, in, &in->throttle_timer);
}

void intake_throttle_judged(struct intake_stream *st)
{
	uint32_t delay_ms = 0;

	if (!st || !st->is_welcome)
		return;
	if (!forward_has_room(st->in->config.forward)) {
		ask_for_room(st);
		return;
	}
	if (st->taken.ns != 0)
		delay_ms = intake_throttle_ms(pw_mono_now().ns - st->taken.ns);
	if (delay_ms > 0 && ask(st, delay_ms))
		st->in->stats.throttled_judging++;
}

void intake_throttle_lift(struct intake_stream *st)
{
	if (!st || !st->is_throttled || !forward_has_room(st->in->config.forward))
		return;
	st->is_throttled = !ask(st, 0) && !st->is_finished;
}
