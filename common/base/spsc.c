/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/spsc.h"

#include <errno.h>
#include <stdatomic.h>

/* head and tail only rise; each side keeps a copy of the other's to save cache traffic. */
struct pw_spsc {
	size_t mask;
	_Alignas(64) _Atomic size_t head; /* written by the consumer */
	size_t tail_seen;
	_Alignas(64) _Atomic size_t tail; /* written by the producer */
	size_t head_seen;
	_Atomic uint64_t refused;
	_Alignas(64) void *items[];
};

int pw_spsc_new(size_t capacity, struct pw_spsc **ret)
{
	size_t cap = 2, bytes;
	struct pw_spsc *q;

	while (cap < capacity && cap < SIZE_MAX / 4)
		cap *= 2;
	if (__builtin_mul_overflow(cap, sizeof(void *), &bytes) ||
		__builtin_add_overflow(bytes, sizeof(*q), &bytes))
		return -ENOMEM;
	bytes = (bytes + 63) & ~(size_t)63;
	q = aligned_alloc(64, bytes);
	if (!q)
		return -ENOMEM;
	*q = (struct pw_spsc){.mask = cap - 1};
	*ret = q;
	return 0;
}

void pw_spsc_free(struct pw_spsc *q)
{
	free(q);
}

bool pw_spsc_push(struct pw_spsc *q, void *item)
{
	size_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

	if (tail - q->head_seen > q->mask) {
		q->head_seen = atomic_load_explicit(&q->head, memory_order_acquire);
		if (tail - q->head_seen > q->mask) {
			atomic_fetch_add_explicit(&q->refused, 1, memory_order_relaxed);
			return false;
		}
	}
	q->items[tail & q->mask] = item;
	atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
	return true;
}

void *pw_spsc_pop(struct pw_spsc *q)
{
	size_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
	void *item;

	if (head == q->tail_seen) {
		q->tail_seen = atomic_load_explicit(&q->tail, memory_order_acquire);
		if (head == q->tail_seen)
			return NULL;
	}
	item = q->items[head & q->mask];
	atomic_store_explicit(&q->head, head + 1, memory_order_release);
	return item;
}

size_t pw_spsc_count(const struct pw_spsc *q)
{
	size_t head = atomic_load_explicit(&q->head, memory_order_acquire);
	size_t tail = atomic_load_explicit(&q->tail, memory_order_acquire);

	return tail - head;
}

uint64_t pw_spsc_refused(const struct pw_spsc *q)
{
	return atomic_load_explicit(&q->refused, memory_order_relaxed);
}
