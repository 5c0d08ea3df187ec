/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/hot.h"

#include "common/base/random.h"

#include <errno.h>

#define CAP_MIN 16u

struct hot {
	uint64_t *keys; /* 0 = free; the key 0 is kept as 1, which no hash needs to itself */
	uint32_t *values;
	uint32_t cap, count;
	uint64_t seed;
};

int hot_new(struct hot **ret)
{
	struct hot *h = pw_alloc0(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->seed = pw_random_u64() | 1;
	*ret = h;
	return 0;
}

void hot_free(struct hot *h)
{
	if (!h)
		return;
	free(h->keys);
	free(h->values);
	free(h);
}

/* Slot of the key, or the free one where it belongs. cap > 0, key > 0. */
static uint32_t probe(const struct hot *h, uint64_t key)
{
	uint32_t i = (uint32_t)(((key * h->seed) >> 32) * h->cap >> 32);

	while (h->keys[i] && h->keys[i] != key)
		i = i + 1 == h->cap ? 0 : i + 1;
	return i;
}

uint32_t *hot_find(const struct hot *h, uint64_t key)
{
	uint32_t i;

	if (h->cap == 0)
		return NULL;
	key += key == 0;
	i = probe(h, key);
	return h->keys[i] ? &h->values[i] : NULL;
}

static int resize(struct hot *h, uint32_t cap)
{
	struct hot old = *h;

	h->keys = pw_alloc0(cap, sizeof(*h->keys));
	h->values = pw_alloc0(cap, sizeof(*h->values));
	if (!h->keys || !h->values) {
		free(h->keys);
		free(h->values);
		*h = old;
		return -ENOMEM;
	}
	h->cap = cap;
	for (uint32_t i = 0; i < old.cap; i++) {
		uint32_t at;

		if (!old.keys[i])
			continue;
		at = probe(h, old.keys[i]);
		h->keys[at] = old.keys[i];
		h->values[at] = old.values[i];
	}
	free(old.keys);
	free(old.values);
	return 0;
}

static int grow(struct hot *h)
{
	if (h->count + 1 <= h->cap / 8 * 7)
		return 0;
	return resize(h, h->cap ? h->cap * 2 : CAP_MIN);
}

int hot_reserve(struct hot *h, uint32_t count)
{
	uint32_t cap = count + count / 4 + CAP_MIN;

	return cap > h->cap ? resize(h, cap) : 0;
}

bool hot_next(const struct hot *h, uint32_t *cursor, uint64_t *ret_key, uint32_t **ret_value)
{
	while (*cursor < h->cap && !h->keys[*cursor])
		++*cursor;
	if (*cursor == h->cap)
		return false;
	*ret_key = h->keys[*cursor];
	*ret_value = &h->values[*cursor];
	++*cursor;
	return true;
}

int hot_put(struct hot *h, uint64_t key, uint32_t value)
{
	uint32_t *found = hot_find(h, key), at;

	if (found) {
		*found = value;
		return 0;
	}
	if (grow(h) < 0)
		return -ENOMEM;
	key += key == 0;
	at = probe(h, key);
	h->keys[at] = key;
	h->values[at] = value;
	h->count++;
	return 0;
}

void hot_clear(struct hot *h)
{
	free(h->keys);
	free(h->values);
	h->keys = NULL;
	h->values = NULL;
	h->cap = h->count = 0;
}

uint32_t hot_count(const struct hot *h)
{
	return h->count;
}

size_t hot_bytes(const struct hot *h)
{
	return sizeof(*h) + (size_t)h->cap * (sizeof(*h->keys) + sizeof(*h->values));
}
