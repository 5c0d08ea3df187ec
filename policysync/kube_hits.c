// SPDX-License-Identifier: Apache-2.0
/* Hits of exclusions on their way into the status: the part of kube_policies.h that counts. */
#include "policysync/kube_policies_private.h"
#include "common/base/clock.h"
#include <errno.h>

void kube_policies_hit(struct kube_policies *k, const char *key, uint64_t count, int64_t wall_ns)
{
	struct entry *e = kube_policies_find(k, key);

	if (!e)
		return; /* deleted meanwhile */
	e->hits += count;
	if (wall_ns > e->last_hit_ns)
		e->last_hit_ns = wall_ns;
}

void kube_policies_each_hit(struct kube_policies *k,
	bool (*write)(
		void *ctx, const char *key, const char *version, int64_t hits, int64_t last_ns),
	void *ctx)
{
	uint64_t now = pw_mono_now().ns;
	struct entry *e, *tmp;
	unsigned begun = 0;

	HASH_ITER (hh, k->entries, e, tmp) {
		if (e->hits == 0 || e->writing || now < e->hits_due_ns)
			continue;
		if (begun++ == KUBE_POLICIES_HITS)
			return;
		e->hits_sent = e->hits;
		e->writing = write(ctx, e->newest->key, e->newest->version,
			e->newest->status.hits + (int64_t)e->hits, e->last_hit_ns);
	}
}

/* Somebody else wrote in between: the sum is made anew of what the watch tells. */
void kube_policies_hits_written(struct kube_policies *k, const char *key, int result)
{
	struct entry *e = kube_policies_find(k, key);

	if (!e)
		return;
	e->writing = false;
	if (result == 0)
		e->hits -= e->hits_sent < e->hits ? e->hits_sent : e->hits;
	e->hits_due_ns =
		pw_mono_now().ns + (result == -ESTALE ? 1 : KUBE_POLICIES_HITS_S) * PW_NS_PER_S;
}
