/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/texts.h"

#include "common/base/hash.h"
#include "common/base/random.h"

#include <errno.h>

#define HEAP_MIN  256u
#define INDEX_MIN 16u

struct texts {
	uint8_t *heap;   /* entries: length (2 bytes), bytes; place 0 is not used */
	uint32_t *index; /* open addressing: id or 0 */
	uint32_t used, cap, limit, count, index_cap;
	uint64_t seed;
};

int texts_new(uint32_t limit_bytes, struct texts **ret)
{
	struct texts *t = pw_alloc0(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->limit = limit_bytes;
	t->used = 1;
	t->seed = pw_random_u64();
	*ret = t;
	return 0;
}

void texts_free(struct texts *t)
{
	if (!t)
		return;
	free(t->heap);
	free(t->index);
	free(t);
}

struct pw_slice texts_get(const struct texts *t, uint32_t id)
{
	if (id == 0)
		return (struct pw_slice){NULL, 0};
	return pw_slice_of(t->heap + id + 2, (size_t)t->heap[id] | (size_t)t->heap[id + 1] << 8);
}

/* Place in the index of this text, or the free one where it belongs. index_cap > 0. */
static uint32_t probe(const struct texts *t, struct pw_slice s)
{
	uint32_t mask = t->index_cap - 1, i = (uint32_t)pw_hash64(s, t->seed) & mask;

	while (t->index[i] && !pw_slice_eq(texts_get(t, t->index[i]), s))
		i = (i + 1) & mask;
	return i;
}

uint32_t texts_find(const struct texts *t, struct pw_slice s)
{
	if (s.len == 0 || t->index_cap == 0)
		return 0;
	return t->index[probe(t, s)];
}

static int grow_index(struct texts *t)
{
	uint32_t cap = t->index_cap ? t->index_cap * 2 : INDEX_MIN, *old = t->index;
	uint32_t old_cap = t->index_cap, *index;

	if (t->count + 1 <= t->index_cap / 8 * 7)
		return 0;
	index = pw_alloc0(cap, sizeof(*index));
	if (!index)
		return -ENOMEM;
	t->index = index;
	t->index_cap = cap;
	for (uint32_t i = 0; i < old_cap; i++)
		if (old[i])
			t->index[probe(t, texts_get(t, old[i]))] = old[i];
	free(old);
	return 0;
}

static int grow_heap(struct texts *t, uint32_t more)
{
	uint64_t want = t->cap + t->cap / 4;
	uint8_t *heap;

	if (t->cap - t->used >= more && t->cap > 0)
		return 0;
	if (want < (uint64_t)t->used + more)
		want = (uint64_t)t->used + more + HEAP_MIN;
	heap = pw_realloc(t->heap, want, 1);
	if (!heap)
		return -ENOMEM;
	t->heap = heap;
	t->cap = (uint32_t)want;
	return 0;
}

int texts_add(struct texts *t, struct pw_slice s, uint32_t *ret)
{
	uint32_t at = texts_find(t, s), more;

	if (s.len > UINT16_MAX)
		return -ENOSPC;
	more = (uint32_t)s.len + 2;
	if (at || s.len == 0) {
		*ret = at;
		return 0;
	}
	if (t->limit - t->used < more || t->used > t->limit)
		return -ENOSPC;
	if (grow_index(t) < 0 || grow_heap(t, more) < 0)
		return -ENOMEM;
	at = t->used;
	t->heap[at] = (uint8_t)s.len;
	t->heap[at + 1] = (uint8_t)(s.len >> 8);
	memcpy(t->heap + at + 2, s.ptr, s.len);
	t->used += more;
	t->index[probe(t, s)] = at;
	t->count++;
	*ret = at;
	return 0;
}

struct pw_slice texts_heap(const struct texts *t)
{
	return t->cap ? pw_slice_of(t->heap, t->used) : (struct pw_slice){NULL, 0};
}

/* Index of what is in the heap already. */
static int index_heap(struct texts *t)
{
	for (uint32_t at = 1; at < t->used;) {
		struct pw_slice s = texts_get(t, at);

		if (grow_index(t) < 0)
			return -ENOMEM;
		t->index[probe(t, s)] = at;
		t->count++;
		at += (uint32_t)s.len + 2;
	}
	return 0;
}

int texts_from(uint32_t limit_bytes, struct pw_slice heap, struct texts **ret)
{
	struct texts *t = NULL;
	int r = texts_new(limit_bytes, &t);

	if (r < 0)
		return r;
	if (heap.len > 0) {
		t->heap = pw_alloc0(heap.len, 1);
		if (t->heap) {
			memcpy(t->heap, heap.ptr, heap.len);
			t->used = t->cap = (uint32_t)heap.len;
		}
	}
	if ((heap.len > 0 && !t->heap) || index_heap(t) < 0) {
		texts_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

size_t texts_bytes(const struct texts *t)
{
	return sizeof(*t) + t->cap + (size_t)t->index_cap * sizeof(*t->index);
}
