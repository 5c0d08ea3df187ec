/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/assignments.h"

#include "common/base/glob.h"
#include "common/base/buf.h"
#include "common/base/hash.h"
#include "common/base/u64map.h"

#include <errno.h>
#include <stdio.h>

#define EXCLUDE_MAX  256
#define EXCLUDE_LEN  1024
#define SHORT_ID_LEN 12
#define GROUP_BYTES  1024
#define TEXT_MAX     4096

struct assignments {
	struct pw_u64map *by_id; /* hash of the container id -> struct entry */
	struct scope_rules rules;
	void *rules_memory; /* of rules.exclude and its texts */
};

/* One assignment with its texts in the same block. */
struct entry {
	struct assignment a;
};

static void assignments_freep(struct assignments **t)
{
	assignments_free(*t);
}

int assignments_new(uint32_t limit, struct assignments **ret)
{
	pw_cleanup(assignments_freep) struct assignments *t = pw_alloc0(1, sizeof(*t));
	int r = 0;

	if (!t)
		return -ENOMEM;
	t->rules.pending_ms = ASSIGNMENTS_PENDING_MS_DEFAULT;
	r = pw_u64map_new(limit, &t->by_id);
	if (r < 0)
		return r;
	*ret = PW_TAKE(t);
	return 0;
}

void assignments_free(struct assignments *t)
{
	if (!t)
		return;
	if (t->by_id)
		assignments_clear(t);
	pw_u64map_free(t->by_id);
	free(t->rules_memory);
	free(t);
}

int assignments_set_scope(struct assignments *t, const struct scope_rules *rules)
{
	size_t total = sizeof(struct pw_slice) * rules->exclude_count + 1;
	struct pw_slice *slices = NULL;
	uint8_t *at = NULL;

	if (rules->exclude_count > EXCLUDE_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < rules->exclude_count; i++) {
		if (rules->exclude[i].len > EXCLUDE_LEN)
			return -E2BIG;
		total += rules->exclude[i].len;
	}
	slices = pw_alloc0(total, 1);
	if (!slices)
		return -ENOMEM;
	at = (uint8_t *)(slices + rules->exclude_count);
	for (uint32_t i = 0; i < rules->exclude_count; i++) {
		if (rules->exclude[i].len > 0)
			memcpy(at, rules->exclude[i].ptr, rules->exclude[i].len);
		slices[i] = pw_slice_of(at, rules->exclude[i].len);
		at += rules->exclude[i].len;
	}
	free(t->rules_memory);
	t->rules_memory = slices;
	t->rules = *rules;
	t->rules.exclude = slices;
	if (t->rules.pending_ms == 0)
		t->rules.pending_ms = ASSIGNMENTS_PENDING_MS_DEFAULT;
	return 0;
}

const struct scope_rules *assignments_scope(const struct assignments *t)
{
	return &t->rules;
}

static uint64_t key_of(struct pw_slice id)
{
	return pw_hash64(id, 0);
}

static struct entry *entry_new(const struct assignment *a)
{
	struct entry *e = NULL;
	struct assignment copy = *a;
	struct pw_slice *texts[] = {&copy.container_id, &copy.facts.pod_group, &copy.facts.pod_name,
		&copy.facts.name, &copy.facts.image, &copy.facts.image_digest, &copy.facts.pod_uid};
	size_t total = sizeof(*e);
	uint8_t *at = NULL;

	for (size_t i = 0; i < PW_COUNT(texts); i++)
		total += texts[i]->len;
	e = pw_alloc0(total, 1);
	if (!e)
		return NULL;
	at = (uint8_t *)(e + 1);
	for (size_t i = 0; i < PW_COUNT(texts); i++) {
		if (texts[i]->len > 0)
			memcpy(at, texts[i]->ptr, texts[i]->len);
		*texts[i] = pw_slice_of(at, texts[i]->len);
		at += texts[i]->len;
	}
	e->a = copy;
	return e;
}

static bool is_sane(const struct assignment *a)
{
	const struct container_facts *f = &a->facts;

	return a->container_id.len > 0 && a->container_id.len <= TEXT_MAX && f->pod_group.len > 0 &&
	       f->pod_group.len <= TEXT_MAX && f->pod_name.len <= TEXT_MAX &&
	       f->name.len <= TEXT_MAX && f->image.len <= TEXT_MAX &&
	       f->image_digest.len <= TEXT_MAX && f->pod_uid.len <= TEXT_MAX;
}

int assignments_put(struct assignments *t, const struct assignment *a)
{
	uint64_t key = key_of(a->container_id);
	const uint64_t *there = pw_u64map_find(t->by_id, key);
	struct entry *old = there ? (struct entry *)(uintptr_t)*there : NULL;
	struct entry *e = NULL;
	int r = 0;

	if (!is_sane(a))
		return -EINVAL;
	e = entry_new(a);
	if (!e)
		return -ENOMEM;
	r = pw_u64map_put(t->by_id, key, (uintptr_t)e);
	if (r < 0) {
		free(e);
		return r;
	}
	free(old);
	return 0;
}

void assignments_remove(struct assignments *t, struct pw_slice container_id)
{
	uint64_t value = 0;

	if (pw_u64map_remove(t->by_id, key_of(container_id), &value))
		free((struct entry *)(uintptr_t)value);
}

void assignments_clear(struct assignments *t)
{
	uint64_t key = 0;
	uint64_t value = 0;
	size_t cursor = 0;

	while (pw_u64map_next(t->by_id, &cursor, &key, &value))
		free((struct entry *)(uintptr_t)value);
	pw_u64map_clear(t->by_id);
}

uint32_t assignments_count(const struct assignments *t)
{
	return (uint32_t)pw_u64map_count(t->by_id);
}

static bool is_excluded(const struct assignments *t, struct pw_slice group)
{
	for (uint32_t i = 0; i < t->rules.exclude_count; i++)
		if (pw_glob(t->rules.exclude[i], group))
			return true;
	return false;
}

/* Unit names may hold anything but '/', which they cannot; ids are hexadecimal. */
static void derive_group(const struct container *c, char *out, size_t size)
{
	struct pw_slice id = c->id;

	if (c->is_unit) {
		if (pw_slice_ends(id, PW_SLICE_LIT(".service")))
			id.len -= 8;
		(void)snprintf(out, size, "systemd/Unit/%.*s/main", PW_SLICE_ARG(id));
		return;
	}
	if (id.len > SHORT_ID_LEN)
		id.len = SHORT_ID_LEN;
	(void)snprintf(out, size, "standalone/%s/%.*s/main", cgroup_runtime_name(c->runtime),
		PW_SLICE_ARG(id));
}

static int settle(const struct assignments *t, struct pods *pods, struct container *c,
	const struct container_facts *facts)
{
	enum container_state before = c->state;
	int r = 0;

	c->state = facts->pod_group.len > 0 && before == CONTAINER_EXCLUDED ? CONTAINER_ASSIGNED
									    : before;
	r = pods_assign(pods, c, facts);
	if (r < 0) {
		c->state = before;
		return r;
	}
	if (is_excluded(t, c->pod_group))
		c->state = CONTAINER_EXCLUDED;
	return r || c->state != before;
}

static int set_state(struct container *c, enum container_state state)
{
	bool changed = c->state != state;

	c->state = state;
	return changed;
}

int assignments_apply(const struct assignments *t, struct pods *pods, struct container *c)
{
	const uint64_t *there = pw_u64map_find(t->by_id, key_of(c->id));
	const struct entry *e = there ? (const struct entry *)(uintptr_t)*there : NULL;
	struct container_facts derived = {0};
	char group[GROUP_BYTES];

	if (c->is_unit && !t->rules.systemd_units)
		return set_state(c, CONTAINER_EXCLUDED);
	if (e && pw_slice_eq(e->a.container_id, c->id))
		return settle(t, pods, c, &e->a.facts);
	if (!t->rules.derive_unassigned)
		return c->state == CONTAINER_ASSIGNED ? 0 : set_state(c, CONTAINER_PENDING);
	derive_group(c, group, sizeof(group));
	derived.pod_group = pw_slice_str(group);
	return settle(t, pods, c, &derived);
}
