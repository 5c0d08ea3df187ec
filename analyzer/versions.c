/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/versions.h"

#include "common/base/hash.h"

#include <errno.h>

#define STAGE(x) ((uint32_t)PODWARD__V1__PROFILE_VERSION_STAGE__PROFILE_VERSION_STAGE_##x)

void versions_done(struct versions *v)
{
	for (uint32_t i = 0; i < v->count; i++)
		free(v->items[i].image);
	*v = (struct versions){.count = 0};
}

/* Versions and the bits of the baseline go together: v->items[i] is bit i. */
static int add(struct versions *v, struct baseline *b, struct pw_slice image, uint32_t *ret_bit)
{
	uint64_t hash = pw_hash64(image, 0);
	uint32_t bit = baseline_version(b, hash);

	*ret_bit = bit;
	if (bit == BASELINE_NO_VERSION)
		return 0;
	/* Bits that only a stored behaviour named so far have no text yet. */
	while (v->count <= bit)
		v->items[v->count++] = (struct version){.first_wall_ns = INT64_MAX};
	if (v->items[bit].image)
		return 0;
	v->items[bit].image = pw_memdupz(image.ptr, image.len);
	return v->items[bit].image ? 1 : -ENOMEM;
}

int versions_enter(struct versions *v, struct baseline *b, struct pw_slice image, bool learning,
	struct pw_wall at, uint32_t *ret_bit)
{
	struct version *version;
	int r;

	*ret_bit = BASELINE_NO_VERSION;
	if (image.len == 0)
		return 0;
	r = add(v, b, image, ret_bit);
	if (r < 0 || *ret_bit == BASELINE_NO_VERSION)
		return r;
	version = &v->items[*ret_bit];
	if (version->stage != 0)
		return 0;
	version->first_wall_ns = at.ns;
	version->stage = learning ? STAGE(BASE) : STAGE(GRACE);
	return 1;
}

void versions_saw(struct versions *v, uint32_t bit, uint32_t container)
{
	struct version *version;

	if (bit >= v->count)
		return;
	version = &v->items[bit];
	for (uint32_t i = 0; i < version->replica_count; i++)
		if (version->replicas[i] == container)
			return;
	if (version->replica_count < VERSIONS_REPLICAS)
		version->replicas[version->replica_count++] = container;
}

uint32_t versions_accepted(const struct versions *v, uint32_t bit)
{
	uint32_t bits = 0;

	if (bit >= v->count)
		return 0;
	for (uint32_t i = 0; i < v->count; i++)
		if (v->items[i].stage == STAGE(SETTLED) &&
			v->items[i].first_wall_ns <= v->items[bit].first_wall_ns)
			bits |= 1u << i;
	return bits;
}

bool versions_in_grace(const struct versions *v, uint32_t bit)
{
	return bit < v->count && v->items[bit].stage == STAGE(GRACE);
}

uint32_t versions_quorum(const struct version *v)
{
	uint32_t half = v->replica_count / 2 + 1;

	if (v->replica_count < 3)
		return 1;
	return half < BASELINE_CONTAINERS ? half : BASELINE_CONTAINERS;
}

uint32_t versions_due(const struct versions *v, struct pw_wall now, int64_t grace_ns)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (v->items[i].stage == STAGE(GRACE) &&
			now.ns - v->items[i].first_wall_ns >= grace_ns)
			return i;
	return BASELINE_NO_VERSION;
}

int versions_restore(struct versions *v, struct baseline *b, struct pw_slice image,
	int64_t first_wall_ns, uint32_t stage)
{
	uint32_t bit;
	int r = add(v, b, image, &bit);

	if (r < 0 || bit == BASELINE_NO_VERSION)
		return r;
	if (stage > v->items[bit].stage)
		v->items[bit].stage = stage;
	if (first_wall_ns < v->items[bit].first_wall_ns)
		v->items[bit].first_wall_ns = first_wall_ns;
	return 0;
}
