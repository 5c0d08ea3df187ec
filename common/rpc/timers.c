/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/loop.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/rpc/loop_core.h"

#define TIMER_UNSET SIZE_MAX

/* loop is NULL once the loop has stopped: then it is only memory. */
struct pw_rpc_timer {
	struct pw_rpc_loop *loop;
	struct pw_rpc_timer *next, **link; /* all timers of the loop */
	void (*fn)(void *ctx);
	void *ctx;
	uint64_t due_ns, serial;
	size_t index; /* in the heap, TIMER_UNSET when not set */
};

static bool timer_is_before(const struct pw_rpc_timer *a, const struct pw_rpc_timer *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->serial < b->serial;
}

static void heap_place(struct pw_rpc_timers *h, size_t i, struct pw_rpc_timer *t)
{
	h->heap[i] = t;
	t->index = i;
}

static void heap_up(struct pw_rpc_timers *h, size_t i)
{
	struct pw_rpc_timer *t = h->heap[i];

	while (i > 0 && timer_is_before(t, h->heap[(i - 1) / 2])) {
		heap_place(h, i, h->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_place(h, i, t);
}

static void heap_down(struct pw_rpc_timers *h, size_t i)
{
	struct pw_rpc_timer *t = h->heap[i];

	for (size_t child = 2 * i + 1; child < h->len; child = 2 * i + 1) {
		if (child + 1 < h->len && timer_is_before(h->heap[child + 1], h->heap[child]))
			child++;
		if (!timer_is_before(h->heap[child], t))
			break;
		heap_place(h, i, h->heap[child]);
		i = child;
	}
	heap_place(h, i, t);
}

static void heap_remove(struct pw_rpc_timers *h, struct pw_rpc_timer *t)
{
	size_t i = t->index;
	struct pw_rpc_timer *last;

	if (i == TIMER_UNSET)
		return;
	t->index = TIMER_UNSET;
	last = h->heap[--h->len];
	if (last == t)
		return;
	heap_place(h, i, last);
	heap_up(h, i);
	heap_down(h, last->index);
}

static int heap_reserve(struct pw_rpc_timers *h, size_t count)
{
	size_t cap = h->cap ? h->cap * 2 : 16;
	struct pw_rpc_timer **heap;

	if (count > PW_RPC_TIMERS_MAX)
		return -ENOSPC;
	if (count <= h->cap)
		return 0;
	heap = pw_realloc(h->heap, cap, sizeof(struct pw_rpc_timer *));
	if (!heap)
		return -ENOMEM;
	h->heap = heap;
	h->cap = cap;
	return 0;
}

int pw_rpc_timer_new(
	struct pw_rpc_loop *l, void (*fn)(void *ctx), void *ctx, struct pw_rpc_timer **ret)
{
	struct pw_rpc_timers *h = &l->timers;
	struct pw_rpc_timer *t;
	int r;

	pw_assert(pw_rpc_loop_is_here(l));
	r = heap_reserve(h, h->created + 1);
	if (r < 0)
		return r;
	t = pw_alloc0(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	*t = (struct pw_rpc_timer){.loop = l, .fn = fn, .ctx = ctx, .index = TIMER_UNSET};
	t->next = h->all;
	t->link = &h->all;
	if (t->next)
		t->next->link = &t->next;
	h->all = t;
	h->created++;
	*ret = t;
	return 0;
}

void pw_rpc_timer_set(struct pw_rpc_timer *t, uint32_t delay_ms)
{
	struct pw_rpc_timers *h;

	if (!t->loop)
		return;
	pw_assert(pw_rpc_loop_is_here(t->loop));
	h = &t->loop->timers;
	heap_remove(h, t);
	t->due_ns = pw_mono_now().ns + delay_ms * PW_NS_PER_MS;
	t->serial = h->serial++;
	heap_place(h, h->len++, t);
	heap_up(h, t->index);
}

void pw_rpc_timer_stop(struct pw_rpc_timer *t)
{
	if (!t->loop)
		return;
	pw_assert(pw_rpc_loop_is_here(t->loop));
	heap_remove(&t->loop->timers, t);
}

void pw_rpc_timer_free(struct pw_rpc_timer *t)
{
	if (!t)
		return;
	if (t->loop) {
		pw_rpc_timer_stop(t);
		t->loop->timers.created--;
		*t->link = t->next;
		if (t->next)
			t->next->link = t->link;
	}
	free(t);
}

/* Only those due now: one that sets itself again with 0 ms waits for the next round. */
void pw_rpc_timers_run(struct pw_rpc_loop *l)
{
	struct pw_rpc_timers *h = &l->timers;
	uint64_t now_ns, last_serial = h->serial;

	if (h->len == 0)
		return;
	now_ns = pw_mono_now().ns;
	while (h->len > 0 && h->heap[0]->due_ns <= now_ns && h->heap[0]->serial < last_serial) {
		struct pw_rpc_timer *t = h->heap[0];

		heap_remove(h, t);
		t->fn(t->ctx);
	}
}

gpr_timespec pw_rpc_timers_deadline(const struct pw_rpc_loop *l)
{
	const struct pw_rpc_timers *h = &l->timers;
	uint64_t now_ns, wait_ns;

	if (h->len == 0)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	now_ns = pw_mono_now().ns;
	wait_ns = h->heap[0]->due_ns > now_ns ? h->heap[0]->due_ns - now_ns : 0;
	return gpr_time_add(
		gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos((int64_t)wait_ns, GPR_TIMESPAN));
}

void pw_rpc_timers_done(struct pw_rpc_loop *l)
{
	for (struct pw_rpc_timer *t = l->timers.all; t; t = t->next) {
		t->loop = NULL;
		t->index = TIMER_UNSET;
	}
	l->timers.len = 0;
	l->timers.all = NULL;
}
