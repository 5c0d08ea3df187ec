/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/group.h"

#include "analyzer/baseline_rest.h"
#include "analyzer/generalise.h"
#include "analyzer/template.h"
#include "common/base/hash.h"
#include "common/base/u64map.h"
#include "common/wire/slot.h"

#include <errno.h>

#define BFLAG(x) ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_##x)

struct groups {
	struct pw_u64map *by_hash; /* hash, or hash + n for the n-th of equal hashes -> index */
	struct group **items;
	uint32_t count, cap, limit;
	uint64_t refused;
};

int groups_new(uint32_t limit, struct groups **ret)
{
	struct groups *t = pw_alloc0(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->limit = limit;
	if (pw_u64map_new(limit, &t->by_hash) < 0) {
		free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

static void group_free(struct group *g)
{
	if (!g)
		return;
	free((void *)g->key.ptr);
	baseline_free(g->baseline);
	suppress_free(g->suppress);
	versions_done(&g->versions);
	for (uint32_t i = 0; i < GROUP_VIEWS; i++)
		view_free(g->views[i]);
	free(g);
}

void groups_free(struct groups *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->count; i++)
		group_free(t->items[i]);
	free(t->items);
	pw_u64map_free(t->by_hash);
	free(t);
}

/* NULL and the free slot in *ret_slot when the group is not there. */
static struct group *look_up(
	const struct groups *t, uint64_t hash, struct pw_slice key, uint64_t *ret_slot)
{
	for (uint64_t slot = hash;; slot++) {
		const uint64_t *at = pw_u64map_find(t->by_hash, slot);

		*ret_slot = slot;
		if (!at)
			return NULL;
		if (pw_slice_eq(t->items[*at]->key, key))
			return t->items[*at];
	}
}

struct group *groups_find(const struct groups *t, uint64_t hash, struct pw_slice key)
{
	uint64_t slot;

	return look_up(t, hash, key, &slot);
}

static int group_new(uint64_t hash, struct pw_slice key, struct group **ret)
{
	struct group *g = pw_alloc0(1, sizeof(*g));
	char *copy = pw_memdupz(key.ptr, key.len);

	if (!g || !copy || baseline_new(BASELINE_KEYS_DEFAULT, &g->baseline) < 0 ||
		suppress_new(SUPPRESS_LIMIT, &g->suppress) < 0) {
		free(copy);
		group_free(g);
		return -ENOMEM;
	}
	g->hash = hash;
	g->key = pw_slice_of(copy, key.len);
	g->learning_ns = LEARNING_DEFAULT_NS;
	*ret = g;
	return 0;
}

static int grow(struct groups *t)
{
	uint32_t want = t->cap ? t->cap * 2 : 16;
	struct group **items;

	if (t->count < t->cap)
		return 0;
	items = pw_realloc(t->items, want, sizeof(*items));
	if (!items)
		return -ENOMEM;
	t->items = items;
	t->cap = want;
	return 0;
}

int groups_get(struct groups *t, uint64_t hash, struct pw_slice key, struct group **ret)
{
	uint64_t slot;
	struct group *g = look_up(t, hash, key, &slot);
	int r;

	if (g) {
		*ret = g;
		return 0;
	}
	if (t->count >= t->limit) {
		t->refused++;
		return -ENOSPC;
	}
	r = grow(t);
	if (r == 0)
		r = group_new(hash, key, &g);
	if (r < 0)
		return r;
	r = pw_u64map_put(t->by_hash, slot, t->count);
	if (r < 0) {
		group_free(g);
		return r;
	}
	t->items[t->count++] = g;
	*ret = g;
	return 0;
}

/* Places by hash of those that stay, at the index that they will have. */
static int map_the_rest(const struct groups *t, const uint8_t *slots, struct pw_u64map **ret)
{
	pw_cleanup(pw_u64map_freep) struct pw_u64map *map = NULL;
	uint32_t index = 0;
	int r = pw_u64map_new(t->limit, &map);

	for (uint32_t i = 0; r >= 0 && i < t->count; i++) {
		uint64_t key = t->items[i]->hash;

		if (pw_slots_have(slots, pw_slot_of(key)))
			continue;
		while (pw_u64map_has(map, key))
			key++;
		r = pw_u64map_put(map, key, index++);
	}
	if (r < 0)
		return r;
	*ret = PW_TAKE(map);
	return 0;
}

int groups_remove(struct groups *t, const uint8_t *slots)
{
	struct pw_u64map *map = NULL;
	uint32_t kept = 0;
	int r = map_the_rest(t, slots, &map);

	if (r < 0)
		return r;
	pw_u64map_free(t->by_hash);
	t->by_hash = map;
	for (uint32_t i = 0; i < t->count; i++) {
		struct group *g = t->items[i];

		if (pw_slots_have(slots, pw_slot_of(g->hash)))
			group_free(g);
		else
			t->items[kept++] = g;
	}
	t->count = kept;
	return 0;
}

uint32_t groups_count(const struct groups *t)
{
	return t->count;
}

struct group *groups_at(const struct groups *t, uint32_t index)
{
	return t->items[index];
}

uint64_t groups_refused(const struct groups *t)
{
	return t->refused;
}

int group_view(struct group *g, const struct policy *p, uint64_t version, struct pw_slice image,
	const struct view **ret)
{
	uint64_t image_hash = pw_hash64(image, 0);
	struct view *made = NULL;
	int r;

	for (uint32_t i = 0; i < GROUP_VIEWS; i++) {
		struct view *v = g->views[i];

		if (!v || v->version != version || v->image_hash != image_hash)
			continue;
		*ret = v;
		return 0;
	}
	r = view_new(p, version, g->key, image, &made);
	if (r < 0)
		return r;
	view_free(g->views[g->next_view]);
	g->views[g->next_view] = made;
	g->next_view = (g->next_view + 1) % GROUP_VIEWS;
	g->learning_ns = made->learning_ns;
	*ret = made;
	return 0;
}

/* Seen from its start: then what it does first belongs to the start. */
static bool start_was_seen(const struct pw_container *c, struct pw_wall at)
{
	return !c->def.pre_running && c->def.started.ns != 0 &&
	       at.ns - c->def.started.ns < EVIDENCE_STARTUP_NS;
}

int group_enter(struct group *g, const struct pw_container *c, uint64_t node_hash,
	struct pw_wall at, uint32_t *ret_version)
{
	struct evidence_container seen = {
		.hash = pw_hash64(c->def.id, 0) | 1,
		.first_wall_ns = at.ns,
		.last_wall_ns = at.ns,
		.pod = c->def.pod_uid.len > 0 ? pw_hash64(c->def.pod_uid, 0) : 0,
		.node = node_hash,
		.startup = start_was_seen(c, at),
	};
	struct pw_slice image = c->def.image_digest.len > 0 ? c->def.image_digest : c->def.image;
	int r = versions_enter(&g->versions, g->baseline, image,
		!learning_is_protected(&g->learning), at, ret_version);

	if (r < 0)
		return r;
	versions_saw(&g->versions, *ret_version, (uint32_t)seen.hash);
	if (evidence_see(&g->evidence, &seen) || r > 0) {
		g->learning.serial++;
		g->learning.changed = true;
	}
	return 0;
}

static int widen(struct group *g, uint32_t child_limit)
{
	struct generalise_options options = {g->evidence.count, child_limit};
	struct generalise_result result;
	int r = generalise(g->baseline, &options, &result);

	if (r == -ENOSPC)
		learning_partial(&g->learning, "more templates than a baseline holds");
	return r == -ENOMEM ? r : 0;
}

static int accept_probe(struct baseline *b, const struct baseline_row *row)
{
	const struct baseline_seen seen = {.wall_ns = row->first_wall_ns, .flags = BFLAG(STEADY)};

	return baseline_observe_row(b, row, &seen);
}

/*
 * Probes are started from outside of the container, in every one of them: a candidate with no other
 * doubt than where it comes from, shown by three containers, is one.
 */
static int accept_probes(struct group *g)
{
	uint32_t total = baseline_count(g->baseline);

	for (uint32_t i = 0; i < total; i++) {
		const struct baseline_row *row = baseline_at(g->baseline, i);

		if (!(row->flags & BFLAG(OUTSIDE)) || (row->flags & BFLAG(GRAVE)) ||
			row->containers[BASELINE_CONTAINERS - 1] == 0 ||
			template_is_sensitive(baseline_object(g->baseline, row)))
			continue;
		if (accept_probe(g->baseline, row) < 0)
			return -ENOMEM;
	}
	return 0;
}

int group_settle_late(struct group *g)
{
	int r = baseline_rest_wake(g->baseline);

	if (r == 0)
		r = accept_probes(g);
	if (r == 0)
		r = widen(g, GENERALISE_CHILDREN);
	if (r == 0)
		g->learned_late = false;
	return r;
}

int group_settle(struct group *g)
{
	struct evidence_figures figures;
	int r = group_settle_late(g);

	if (r < 0)
		return r;
	evidence_figures(&g->evidence, g->baseline, g->learning.started_wall_ns,
		learning_end_ns(&g->learning), &figures);
	learning_decide(&g->learning, evidence_doubt(&figures, view_split(g->key).kind));
	return 0;
}

int group_make_room(struct group *g)
{
	uint32_t limit = baseline_limit(g->baseline), near = limit - limit / 8;

	/* Each halving of what a folder may hold takes at least something away, or there is
	 * nothing to take. */
	for (uint32_t children = GENERALISE_CHILDREN;
		children >= 3 && baseline_count(g->baseline) >= near; children /= 2)
		if (widen(g, children) < 0)
			return -ENOMEM;
	g->is_widened = baseline_count(g->baseline) >= near;
	return 0;
}

uint32_t group_live(const struct group *g, struct pw_wall now)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < g->evidence.count; i++)
		count += now.ns - g->evidence.items[i].last_wall_ns < SUPPRESS_WINDOW_NS;
	return count;
}

static bool has_version_in_grace(const struct group *g)
{
	for (uint32_t i = 0; i < g->versions.count; i++)
		if (versions_in_grace(&g->versions, i))
			return true;
	return false;
}

int group_rest(struct group *g, struct pw_wall now)
{
	int r;

	if (baseline_rest_is(g->baseline) || !learning_is_protected(&g->learning) ||
		group_is_changed(g) || g->learned_late || has_version_in_grace(g)) {
		g->rest_wall_ns = 0;
		return 0;
	}
	/* The clock may have been set back: then it waits anew. */
	if (g->rest_wall_ns == 0 || g->rest_wall_ns > now.ns + GROUP_REST_NS)
		g->rest_wall_ns = now.ns + GROUP_REST_NS;
	if (now.ns < g->rest_wall_ns)
		return 0;
	r = baseline_rest(g->baseline);
	g->rest_wall_ns = 0;
	return r < 0 ? r : 1;
}

bool group_is_changed(const struct group *g)
{
	return g->learning.changed || baseline_changed_count(g->baseline) > 0;
}

void group_saw_node(struct group *g, uint64_t node_hash)
{
	for (uint32_t i = 0; i < g->node_count && i < GROUP_NODES; i++)
		if (g->nodes[i] == node_hash)
			return;
	if (g->node_count < GROUP_NODES)
		g->nodes[g->node_count] = node_hash;
	if (g->node_count <= GROUP_NODES)
		g->node_count++;
}

bool group_may_be_on(const struct group *g, uint64_t node_hash)
{
	if (g->node_count > GROUP_NODES)
		return true;
	for (uint32_t i = 0; i < g->node_count; i++)
		if (g->nodes[i] == node_hash)
			return true;
	return false;
}
