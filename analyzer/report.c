/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/report.h"

#include "common/base/u64map.h"

#include <errno.h>

#define ARENA_CHUNK       (16u << 10)
#define ARENA_LIMIT       (64u << 20)
#define OCCURRENCES_LIMIT (1u << 20)

int report_new(struct report **ret)
{
	struct report *r = pw_alloc0(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	if (pw_arena_new(ARENA_CHUNK, ARENA_LIMIT, &r->arena) < 0 ||
		pw_u64map_new(OCCURRENCES_LIMIT, &r->occurrence_by_id) < 0) {
		report_free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

void report_free(struct report *r)
{
	if (!r)
		return;
	pw_arena_free(r->arena);
	pw_u64map_free(r->occurrence_by_id);
	free(r->alerts);
	free(r->occurrences);
	free(r->profiles);
	free(r);
}

bool report_is_empty(const struct report *r)
{
	return r->alert_count + r->occurrence_count + r->profile_count + r->hit_count == 0;
}

/* Room for one more pointer. */
static void *grow(void *items, size_t count, size_t *cap)
{
	size_t want = *cap ? *cap * 2 : 8;
	void *grown;

	if (count < *cap)
		return items;
	grown = pw_realloc(items, want, sizeof(void *));
	if (grown)
		*cap = want;
	return grown;
}

int report_add_alert(struct report *r, Podward__V1__Alert *alert)
{
	void *grown;

	if (r->alert_count >= REPORT_ALERTS_LIMIT)
		return -ENOSPC;
	grown = grow(r->alerts, r->alert_count, &r->alert_cap);
	if (!grown)
		return -ENOMEM;
	r->alerts = grown;
	r->alerts[r->alert_count++] = alert;
	return 0;
}

int report_add_profile(struct report *r, Podward__V1__ProfileDelta *delta)
{
	void *grown = grow(r->profiles, r->profile_count, &r->profile_cap);

	if (!grown)
		return -ENOMEM;
	r->profiles = grown;
	r->profiles[r->profile_count++] = delta;
	return 0;
}

void report_id_bytes(struct pw_hash128 id, uint8_t out[16])
{
	for (unsigned i = 0; i < 8; i++) {
		out[i] = (uint8_t)(id.high >> (56 - 8 * i));
		out[8 + i] = (uint8_t)(id.low >> (56 - 8 * i));
	}
}

struct pw_hash128 report_id_of(const uint8_t id[16])
{
	struct pw_hash128 h = {0, 0};

	for (unsigned i = 0; i < 8; i++) {
		h.high = h.high << 8 | id[i];
		h.low = h.low << 8 | id[8 + i];
	}
	return h;
}

bool report_has(const struct report *r, struct pw_hash128 id)
{
	return pw_u64map_has(r->occurrence_by_id, id.high ^ id.low);
}

static Podward__V1__AlertOccurrence *occurrence_new(struct report *r, struct pw_hash128 id)
{
	Podward__V1__AlertOccurrence *o = pw_arena_alloc(r->arena, sizeof(*o));
	uint8_t *bytes = pw_arena_alloc(r->arena, 16);

	if (!o || !bytes)
		return NULL;
	podward__v1__alert_occurrence__init(o);
	report_id_bytes(id, bytes);
	o->alert_id = (ProtobufCBinaryData){16, bytes};
	return o;
}

Podward__V1__AlertOccurrence *report_occurrence(struct report *r, struct pw_hash128 id)
{
	uint64_t key = id.high ^ id.low;
	const uint64_t *at = pw_u64map_find(r->occurrence_by_id, key);
	Podward__V1__AlertOccurrence *o;
	void *grown;

	if (at)
		return r->occurrences[*at];
	grown = grow(r->occurrences, r->occurrence_count, &r->occurrence_cap);
	if (!grown)
		return NULL;
	r->occurrences = grown;
	o = occurrence_new(r, id);
	if (!o || pw_u64map_put(r->occurrence_by_id, key, r->occurrence_count) < 0)
		return NULL;
	r->occurrences[r->occurrence_count++] = o;
	return o;
}

int report_bytes(struct report *r, struct pw_slice s, ProtobufCBinaryData *ret)
{
	struct pw_slice copy;

	*ret = (ProtobufCBinaryData){0, NULL};
	if (s.len == 0)
		return 0;
	copy = pw_arena_dup(r->arena, s);
	if (!copy.ptr)
		return -ENOMEM;
	*ret = (ProtobufCBinaryData){copy.len, (uint8_t *)copy.ptr};
	return 0;
}

static bool is_bytes(ProtobufCBinaryData b, struct pw_slice s)
{
	return pw_slice_eq(pw_slice_of(b.data, b.len), s);
}

static Podward__V1__ExclusionHit *hit_new(
	struct report *r, struct pw_slice namespace, struct pw_slice name)
{
	Podward__V1__ExclusionHit *h = pw_arena_alloc(r->arena, sizeof(*h));

	if (!h)
		return NULL;
	podward__v1__exclusion_hit__init(h);
	if (report_bytes(r, namespace, &h->namespace_) < 0 || report_bytes(r, name, &h->name) < 0)
		return NULL;
	r->hits[r->hit_count++] = h;
	return h;
}

bool report_hit(struct report *r, struct pw_slice namespace, struct pw_slice name, uint64_t count,
	int64_t wall_ns)
{
	Podward__V1__ExclusionHit *h = NULL;

	for (size_t i = 0; !h && i < r->hit_count; i++)
		if (is_bytes(r->hits[i]->name, name) && is_bytes(r->hits[i]->namespace_, namespace))
			h = r->hits[i];
	if (!h && r->hit_count < REPORT_HITS_LIMIT)
		h = hit_new(r, namespace, name);
	if (!h)
		return false;
	h->count += count;
	if (wall_ns > h->last_wall_ns)
		h->last_wall_ns = wall_ns;
	return true;
}
