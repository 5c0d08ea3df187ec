/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/pods.h"

#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/base/u64map.h"

#include <errno.h>
#include <utlist.h>

struct pods {
	struct container *list;  /* container::prev, next; also those that are gone and held */
	struct pw_u64map *by_id; /* hash of the id -> container; ids are compared as well */
	struct pw_u64map *by_ref;
	uint32_t limit;
	uint32_t present;
	uint32_t last_ref;
	uint64_t refused;
};

const char *container_state_name(enum container_state state)
{
	static const char *const names[CONTAINER_STATES] = {
		[CONTAINER_PENDING] = "pending",
		[CONTAINER_ASSIGNED] = "assigned",
		[CONTAINER_EXCLUDED] = "excluded",
	};

	return (unsigned)state < CONTAINER_STATES ? names[state] : "unknown";
}

static uint64_t id_key(struct pw_slice id)
{
	return pw_hash64(id, 0);
}

static void container_free(struct container *c)
{
	free(c->memory);
	free(c->facts);
	free(c);
}

static void pods_freep(struct pods **t)
{
	pods_free(*t);
}

int pods_new(uint32_t limit, struct pods **ret)
{
	pw_cleanup(pods_freep) struct pods *t = pw_alloc0(1, sizeof(*t));
	int r = 0;

	if (!t)
		return -ENOMEM;
	t->limit = limit;
	r = pw_u64map_new(limit, &t->by_id);
	if (r < 0)
		return r;
	r = pw_u64map_new((size_t)limit * 2, &t->by_ref); /* gone ones stay while held */
	if (r < 0)
		return r;
	*ret = PW_TAKE(t);
	return 0;
}

void pods_free(struct pods *t)
{
	struct container *c = NULL;
	struct container *next = NULL;

	if (!t)
		return;
	DL_FOREACH_SAFE (t->list, c, next)
		container_free(c);
	pw_u64map_free(t->by_id);
	pw_u64map_free(t->by_ref);
	free(t);
}

static struct container *from_value(const uint64_t *value)
{
	return value ? (struct container *)(uintptr_t)*value : NULL;
}

struct container *pods_find(const struct pods *t, struct pw_slice id)
{
	struct container *c = from_value(pw_u64map_find(t->by_id, id_key(id)));

	return c && pw_slice_eq(c->id, id) ? c : NULL;
}

struct container *pods_find_ref(const struct pods *t, uint32_t ref)
{
	return from_value(pw_u64map_find(t->by_ref, ref));
}

/* Copies the texts into one block; the slices then point into it. NULL when out of memory. */
static void *texts_dup(struct pw_slice *const *texts, size_t count)
{
	size_t total = 1;
	uint8_t *block = NULL;
	size_t at = 0;

	for (size_t i = 0; i < count; i++)
		total += texts[i]->len;
	block = pw_alloc0(total, 1);
	if (!block)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (texts[i]->len > 0)
			memcpy(block + at, texts[i]->ptr, texts[i]->len);
		*texts[i] = pw_slice_of(block + at, texts[i]->len);
		at += texts[i]->len;
	}
	return block;
}

static void container_freep(struct container **c)
{
	if (*c)
		container_free(*c);
}

static int container_new(const struct cgroup_identity *who, struct container **ret)
{
	pw_cleanup(container_freep) struct container *c = pw_alloc0(1, sizeof(*c));
	struct pw_slice *texts[2];

	if (!c)
		return -ENOMEM;
	c->runtime = who->runtime;
	c->is_unit = who->kind == CGROUP_UNIT;
	c->id = who->id;
	c->pod_uid = pw_slice_str(who->pod_uid);
	texts[0] = &c->id;
	texts[1] = &c->pod_uid;
	c->memory = texts_dup(texts, PW_COUNT(texts));
	if (!c->memory)
		return -ENOMEM;
	c->cgroup_pod = c->pod_uid;
	*ret = PW_TAKE(c);
	return 0;
}

/* Two ids with one hash cannot both be there: the second is refused (and counted by the caller). */
static int enter(struct pods *t, struct container *c)
{
	uint64_t key = id_key(c->id);
	int r = 0;

	if (pw_u64map_has(t->by_id, key))
		return -EEXIST;
	r = pw_u64map_put(t->by_ref, t->last_ref + 1, (uintptr_t)c);
	if (r < 0)
		return r;
	r = pw_u64map_put(t->by_id, key, (uintptr_t)c);
	if (r < 0) {
		(void)pw_u64map_remove(t->by_ref, t->last_ref + 1, NULL);
		return r;
	}
	c->ref = ++t->last_ref;
	DL_APPEND(t->list, c);
	t->present++;
	return 0;
}

int pods_get(struct pods *t, const struct cgroup_identity *who, struct container **ret)
{
	pw_cleanup(container_freep) struct container *c = NULL;
	struct container *found = pods_find(t, who->id);
	int r = 0;

	pw_assert(who->kind == CGROUP_CONTAINER || who->kind == CGROUP_UNIT);
	if (found) {
		*ret = found;
		return 0;
	}
	if (t->present >= t->limit) {
		t->refused++;
		return -ENOSPC;
	}
	r = container_new(who, &c);
	if (r == 0)
		r = enter(t, c);
	if (r < 0) {
		t->refused++;
		return r;
	}
	*ret = PW_TAKE(c);
	return 0;
}

static bool facts_equal(const struct container *c, const struct container_facts *f)
{
	return c->state == CONTAINER_ASSIGNED && pw_slice_eq(c->pod_group, f->pod_group) &&
	       pw_slice_eq(c->pod_name, f->pod_name) && pw_slice_eq(c->name, f->name) &&
	       pw_slice_eq(c->image, f->image) && pw_slice_eq(c->image_digest, f->image_digest);
}

/* Definitions on the wire never change: a container whose facts changed is told under a new number.
 */
static int new_ref(struct pods *t, struct container *c)
{
	int r = pw_u64map_put(t->by_ref, t->last_ref + 1, (uintptr_t)c);

	if (r < 0)
		return r;
	(void)pw_u64map_remove(t->by_ref, c->ref, NULL);
	c->ref = ++t->last_ref;
	c->told_epoch = 0;
	return 0;
}

int pods_assign(struct pods *t, struct container *c, const struct container_facts *facts)
{
	struct container_facts copy = *facts;
	struct pw_slice *texts[] = {&copy.pod_group, &copy.pod_name, &copy.name, &copy.image,
		&copy.image_digest, &copy.pod_uid};
	void *block = NULL;
	bool had_group = c->pod_group.len > 0;

	if (facts_equal(c, facts))
		return 0;
	if (copy.pod_uid.len == 0)
		copy.pod_uid = c->pod_uid;
	block = texts_dup(texts, PW_COUNT(texts));
	if (!block)
		return -ENOMEM;
	if (had_group && new_ref(t, c) < 0) {
		free(block);
		return -ENOMEM;
	}
	free(c->facts);
	c->facts = block;
	c->pod_group = copy.pod_group;
	c->pod_name = copy.pod_name;
	c->name = copy.name;
	c->image = copy.image;
	c->image_digest = copy.image_digest;
	c->pod_uid = copy.pod_uid;
	c->state = CONTAINER_ASSIGNED;
	return 1;
}

static void forget(struct pods *t, struct container *c)
{
	(void)pw_u64map_remove(t->by_ref, c->ref, NULL);
	DL_DELETE(t->list, c);
	container_free(c);
}

struct container *pods_hold(struct container *c)
{
	if (c)
		c->holds++;
	return c;
}

void pods_put(struct pods *t, struct container *c)
{
	if (!c)
		return;
	pw_assert(c->holds > 0);
	c->holds--;
	if (c->holds == 0 && c->gone)
		forget(t, c);
}

void pods_leave(struct pods *t, struct container *c)
{
	if (c->gone)
		return;
	c->gone = true;
	(void)pw_u64map_remove(t->by_id, id_key(c->id), NULL);
	t->present--;
	if (c->holds == 0)
		forget(t, c);
}

struct container *pods_first(const struct pods *t)
{
	return t->list;
}

uint32_t pods_count(const struct pods *t)
{
	return t->present;
}

uint32_t pods_count_state(const struct pods *t, enum container_state state)
{
	const struct container *c = NULL;
	uint32_t count = 0;

	DL_FOREACH (t->list, c)
		count += !c->gone && c->state == state;
	return count;
}

uint64_t pods_refused(const struct pods *t)
{
	return t->refused;
}

void pods_def(const struct container *c, struct pw_container_def *ret)
{
	*ret = (struct pw_container_def){
		.ref = c->ref,
		.pre_running = c->pre_running,
		.id = c->id,
		.pod_uid = c->pod_uid,
		.pod_group = c->pod_group,
		.pod_name = c->pod_name,
		.name = c->name,
		.image = c->image,
		.image_digest = c->image_digest,
		.runtime = pw_slice_str(cgroup_runtime_name(c->runtime)),
		.started = c->started,
	};
}
