/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/snapshot.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

struct pw_snapshot_ref {
	struct pw_snapshot *home;
	void *value;
	uint64_t version;
	_Atomic uint32_t refs;
};

struct pw_snapshot {
	pthread_mutex_t lock; /* over current; held for a few instructions, only when a version
				 changes hands */
	struct pw_snapshot_ref *current;
	_Atomic uint64_t version;
	void (*destroy)(void *value);
};

int pw_snapshot_new(void (*destroy)(void *value), struct pw_snapshot **ret)
{
	struct pw_snapshot *s = pw_alloc0(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	(void)pthread_mutex_init(&s->lock, NULL);
	s->destroy = destroy;
	*ret = s;
	return 0;
}

void pw_snapshot_free(struct pw_snapshot *s)
{
	if (!s)
		return;
	pw_snapshot_put(s->current);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

int pw_snapshot_publish(struct pw_snapshot *s, void *value)
{
	struct pw_snapshot_ref *ref = pw_alloc0(1, sizeof(*ref));
	struct pw_snapshot_ref *old;

	if (!ref)
		return -ENOMEM;
	ref->home = s;
	ref->value = value;
	atomic_init(&ref->refs, 1);
	(void)pthread_mutex_lock(&s->lock);
	old = s->current;
	ref->version = atomic_load_explicit(&s->version, memory_order_relaxed) + 1;
	s->current = ref;
	atomic_store_explicit(&s->version, ref->version, memory_order_release);
	(void)pthread_mutex_unlock(&s->lock);
	pw_snapshot_put(old);
	return 0;
}

uint64_t pw_snapshot_version(const struct pw_snapshot *s)
{
	return atomic_load_explicit(&s->version, memory_order_acquire);
}

struct pw_snapshot_ref *pw_snapshot_get(struct pw_snapshot *s)
{
	struct pw_snapshot_ref *ref;

	(void)pthread_mutex_lock(&s->lock);
	ref = s->current;
	if (ref)
		atomic_fetch_add_explicit(&ref->refs, 1, memory_order_relaxed);
	(void)pthread_mutex_unlock(&s->lock);
	return ref;
}

void pw_snapshot_put(struct pw_snapshot_ref *ref)
{
	if (!ref || atomic_fetch_sub_explicit(&ref->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (ref->home->destroy)
		ref->home->destroy(ref->value);
	free(ref);
}

const void *pw_snapshot_value(const struct pw_snapshot_ref *ref)
{
	return ref ? ref->value : NULL;
}

uint64_t pw_snapshot_ref_version(const struct pw_snapshot_ref *ref)
{
	return ref ? ref->version : 0;
}

int pw_snapshot_refresh(struct pw_snapshot *s, struct pw_snapshot_ref **cached)
{
	struct pw_snapshot_ref *newer;

	if (pw_snapshot_version(s) == pw_snapshot_ref_version(*cached))
		return 0;
	newer = pw_snapshot_get(s);
	pw_snapshot_put(*cached);
	*cached = newer;
	return 1;
}
