// SPDX-License-Identifier: Apache-2.0
#include "policysync/pod_groups.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include <errno.h>
#include <stdio.h>
#include <utlist.h>

#define GROUP_MAX 1024

struct pod_row {
	UT_hash_handle hh;
	struct pod *pod;
	bool assigned; /* was told */
	bool waits;    /* is in the list of those that wait for an owner, or to be told */
	uint64_t since_ns;
	struct pod_row *prev, *next; /* of that list */
};

struct parent_row {
	UT_hash_handle hh;
	struct pod_parent *parent;
};

/* A container that is no longer there. */
struct leaving {
	char id[65], node[254];
	uint64_t until_ns;
	struct leaving *next;
};

struct pod_groups {
	int (*emit)(void *ctx, struct nodes_changes *changes);
	void *ctx;
	struct pod_row *pods, *waiting;
	struct parent_row *parents;
	struct leaving *leaving, *leaving_last;
	uint64_t leaving_count, waiting_count, refused;
};

/* --- groups
 * --------------------------------------------------------------------------------------- */

static bool has_parent_kind(const struct pod_owner *owner)
{
	return strcmp(owner->kind, "ReplicaSet") == 0 || strcmp(owner->kind, "Job") == 0;
}

/* The name of a static pod without its node's: the same pod on every node is one group. */
static size_t static_name_len(const struct pod *pod)
{
	size_t name = strlen(pod->name), node = strlen(pod->node);

	if (node > 0 && name > node + 1 && pod->name[name - node - 1] == '-' &&
		strcmp(pod->name + name - node, pod->node) == 0)
		return name - node - 1;
	return name;
}

struct top {
	const char *kind, *name;
	size_t name_len;
};

static struct top without_owner(const struct pod *pod)
{
	size_t prefix = strlen(pod->generate);

	while (prefix > 0 && pod->generate[prefix - 1] == '-')
		prefix--;
	if (prefix > 0)
		return (struct top){"Pod", pod->generate, prefix};
	return (struct top){"Pod", pod->name, strlen(pod->name)};
}

/* False while the owner's own owner is not known. */
static bool find_top(const struct pod_groups *g, const struct pod *pod, bool late, struct top *ret)
{
	const struct pod_owner *owner = &pod->owner;
	struct parent_row *row = NULL;

	if (!owner->kind[0] || !owner->name[0]) {
		*ret = without_owner(pod);
		return true;
	}
	if (strcmp(owner->kind, "Node") == 0) {
		*ret = (struct top){"Node", pod->name, static_name_len(pod)};
		return true;
	}
	if (has_parent_kind(owner)) {
		HASH_FIND_STR(g->parents, owner->uid, row);
		if (!row && !late)
			return false;
		if (row && row->parent->owner.kind[0])
			owner = &row->parent->owner;
	}
	*ret = (struct top){owner->kind, owner->name, strlen(owner->name)};
	return true;
}

/* --- telling
 * -------------------------------------------------------------------------------------- */

static size_t texts_size(const struct pod *pod)
{
	size_t bytes = strlen(pod->node) + strlen(pod->uid) + strlen(pod->name) + 3;

	for (size_t i = 0; i < pod->container_count; i++) {
		const struct pod_container *c = &pod->containers[i];

		bytes += strlen(c->id) + strlen(c->name) + strlen(c->image) + strlen(c->digest) + 4;
	}
	return bytes + pod->container_count * GROUP_MAX;
}

static const char *add_text(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *out = *at;

	memcpy(out, text, size);
	*at += size;
	return out;
}

static const char *add_group(
	char **at, const struct pod *pod, const struct top *top, const char *container)
{
	char *out = *at;
	int n = snprintf(out, GROUP_MAX, "%s/%s/%.*s/%s", pod->namespace, top->kind,
		(int)top->name_len, top->name, container);

	*at += n < GROUP_MAX ? (size_t)n + 1 : GROUP_MAX;
	return out;
}

static struct nodes_changes *changes_of(const struct pod *pod, const struct top *top)
{
	struct nodes_changes *changes = pw_alloc0(1, sizeof(*changes));
	const char *node, *uid, *name;
	char *at;

	if (!changes)
		return NULL;
	changes->items = pw_alloc0(pod->container_count + 1, sizeof(*changes->items));
	changes->text = pw_alloc0(1, texts_size(pod));
	if (!changes->items || !changes->text) {
		nodes_changes_free(changes);
		return NULL;
	}
	at = changes->text;
	node = add_text(&at, pod->node);
	uid = add_text(&at, pod->uid);
	name = add_text(&at, pod->name);
	for (size_t i = 0; i < pod->container_count; i++) {
		const struct pod_container *c = &pod->containers[i];
		struct node_entry *e = &changes->items[changes->count++].entry;

		e->id = add_text(&at, c->id);
		e->node = node;
		e->group = add_group(&at, pod, top, c->name);
		e->name = add_text(&at, c->name);
		e->image = add_text(&at, c->image);
		e->digest = add_text(&at, c->digest);
		e->pod_uid = uid;
		e->pod_name = name;
	}
	return changes;
}

static void set_waits(struct pod_groups *g, struct pod_row *row, bool waits)
{
	if (row->waits == waits)
		return;
	row->waits = waits;
	g->waiting_count += waits ? 1 : (uint64_t)-1;
	if (waits)
		DL_APPEND(g->waiting, row);
	else
		DL_DELETE(g->waiting, row);
}

/* Says the pod's containers; what cannot be said now waits and is said by the tick. */
static void tell(struct pod_groups *g, struct pod_row *row, bool late)
{
	struct nodes_changes *changes;
	struct top top;

	if (!find_top(g, row->pod, late, &top)) {
		set_waits(g, row, true);
		return;
	}
	changes = changes_of(row->pod, &top);
	if (!changes || g->emit(g->ctx, changes) < 0) {
		nodes_changes_free(changes);
		set_waits(g, row, true);
		return;
	}
	row->assigned = true;
	set_waits(g, row, false);
}

static void leave(struct pod_groups *g, const struct pod *pod, const struct pod_container *c)
{
	struct leaving *l;

	if (g->leaving_count >= POD_GROUPS_LEAVING || !(l = pw_alloc0(1, sizeof(*l)))) {
		g->refused++;
		return;
	}
	(void)snprintf(l->id, sizeof(l->id), "%s", c->id);
	(void)snprintf(l->node, sizeof(l->node), "%s", pod->node);
	l->until_ns = pw_mono_now().ns + POD_GROUPS_GRACE_S * PW_NS_PER_S;
	if (g->leaving_last)
		g->leaving_last->next = l;
	else
		g->leaving = l;
	g->leaving_last = l;
	g->leaving_count++;
}

static bool has_container(const struct pod *pod, const char *id)
{
	for (size_t i = 0; pod && i < pod->container_count; i++)
		if (strcmp(pod->containers[i].id, id) == 0)
			return true;
	return false;
}

/* Containers of before that the pod no longer has; now NULL = none of them. */
static void leave_old(struct pod_groups *g, const struct pod *before, const struct pod *now)
{
	for (size_t i = 0; i < before->container_count; i++)
		if (!has_container(now, before->containers[i].id))
			leave(g, before, &before->containers[i]);
}

/* --- in
 * ------------------------------------------------------------------------------------------- */

static struct pod_row *find_pod(const struct pod_groups *g, const char *uid)
{
	struct pod_row *row = NULL;

	HASH_FIND_STR(g->pods, uid, row);
	return row;
}

static struct pod_row *add_pod(struct pod_groups *g, struct pod *pod)
{
	struct pod_row *row =
		HASH_COUNT(g->pods) < POD_GROUPS_PODS ? pw_alloc0(1, sizeof(*row)) : NULL;

	if (!row)
		return NULL;
	row->pod = pod;
	row->since_ns = pw_mono_now().ns;
	HASH_ADD_KEYPTR(hh, g->pods, row->pod->uid, strlen(row->pod->uid), row);
	if (map_has_added(row))
		return row;
	free(row);
	return NULL;
}

/* The key lives in the pod: the row is taken out before its pod is replaced. */
static bool replace_pod(struct pod_groups *g, struct pod_row *row, struct pod *pod)
{
	struct pod *before = row->pod;

	leave_old(g, before, pod);
	HASH_DEL(g->pods, row);
	row->pod = pod;
	HASH_ADD_KEYPTR(hh, g->pods, row->pod->uid, strlen(row->pod->uid), row);
	free(before);
	if (map_has_added(row))
		return true;
	set_waits(g, row, false);
	free(row);
	return false;
}

static bool is_unchanged(const struct pod *a, const struct pod *b)
{
	if (a->container_count != b->container_count || strcmp(a->node, b->node) != 0 ||
		strcmp(a->owner.uid, b->owner.uid) != 0)
		return false;
	for (size_t i = 0; i < a->container_count; i++)
		if (strcmp(a->containers[i].id, b->containers[i].id) != 0 ||
			strcmp(a->containers[i].digest, b->containers[i].digest) != 0 ||
			strcmp(a->containers[i].image, b->containers[i].image) != 0)
			return false;
	return true;
}

void pod_groups_put_take(struct pod_groups *g, struct pod *pod)
{
	struct pod_row *row = find_pod(g, pod->uid);

	if (row && is_unchanged(row->pod, pod)) {
		free(pod); /* readiness and the like: nothing of ours */
		return;
	}
	if (row && !replace_pod(g, row, pod)) {
		g->refused++;
		free(pod);
		return;
	}
	if (!row)
		row = add_pod(g, pod);
	if (!row) {
		g->refused++;
		free(pod);
		pw_log_limited(PW_LOG_WARN, 2, "pods", "too many pods: some are not watched");
		return;
	}
	tell(g, row, false);
}

void pod_groups_remove(struct pod_groups *g, const char *uid)
{
	struct pod_row *row = find_pod(g, uid);

	if (!row)
		return;
	leave_old(g, row->pod, NULL);
	set_waits(g, row, false);
	HASH_DEL(g->pods, row);
	free(row->pod);
	free(row);
}

static void tell_waiting(struct pod_groups *g, const char *parent)
{
	struct pod_row *row, *tmp;

	DL_FOREACH_SAFE (g->waiting, row, tmp)
		if (strcmp(row->pod->owner.uid, parent) == 0)
			tell(g, row, false);
}

void pod_groups_parent_put_take(struct pod_groups *g, struct pod_parent *parent)
{
	struct parent_row *row = NULL;

	HASH_FIND_STR(g->parents, parent->uid, row);
	if (row) {
		free(parent); /* who controls it does not change */
		return;
	}
	row = HASH_COUNT(g->parents) < POD_GROUPS_PARENTS ? pw_alloc0(1, sizeof(*row)) : NULL;
	if (row) {
		row->parent = parent;
		HASH_ADD_KEYPTR(hh, g->parents, row->parent->uid, strlen(row->parent->uid), row);
	}
	if (!row || !map_has_added(row)) {
		g->refused++;
		free(row);
		free(parent);
		return;
	}
	tell_waiting(g, parent->uid);
}

void pod_groups_parent_remove(struct pod_groups *g, const char *uid)
{
	struct parent_row *row = NULL;

	HASH_FIND_STR(g->parents, uid, row);
	if (!row)
		return;
	HASH_DEL(g->parents, row);
	free(row->parent);
	free(row);
}

/* --- time
 * ----------------------------------------------------------------------------------------- */

static int tell_left(struct pod_groups *g, const struct leaving *l)
{
	struct nodes_changes *changes = pw_alloc0(1, sizeof(*changes));
	int r = -ENOMEM;

	if (!changes)
		return r;
	changes->items = pw_alloc0(1, sizeof(*changes->items));
	changes->text = pw_alloc0(1, sizeof(l->id) + sizeof(l->node));
	if (changes->items && changes->text) {
		memcpy(changes->text, l->id, sizeof(l->id));
		memcpy(changes->text + sizeof(l->id), l->node, sizeof(l->node));
		changes->count = 1;
		changes->items[0] = (struct nodes_change){.removed = true,
			.entry = {.id = changes->text, .node = changes->text + sizeof(l->id)}};
		r = g->emit(g->ctx, changes);
	}
	if (r < 0)
		nodes_changes_free(changes);
	return r;
}

void pod_groups_tick(struct pod_groups *g)
{
	uint64_t now = pw_mono_now().ns;
	struct pod_row *row, *tmp;
	struct leaving *l;

	DL_FOREACH_SAFE (g->waiting, row, tmp)
		tell(g, row, now - row->since_ns > POD_GROUPS_WAIT_S * PW_NS_PER_S);
	while ((l = g->leaving) != NULL && l->until_ns <= now && tell_left(g, l) == 0) {
		g->leaving = l->next;
		if (!g->leaving)
			g->leaving_last = NULL;
		g->leaving_count--;
		free(l);
	}
}

int pod_groups_new(
	int (*emit)(void *ctx, struct nodes_changes *changes), void *ctx, struct pod_groups **ret)
{
	struct pod_groups *g = pw_alloc0(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->emit = emit;
	g->ctx = ctx;
	*ret = g;
	return 0;
}

void pod_groups_free(struct pod_groups *g)
{
	struct pod_row *row, *tmp;
	struct parent_row *parent, *next;
	struct leaving *l;

	if (!g)
		return;
	HASH_ITER (hh, g->pods, row, tmp) {
		HASH_DEL(g->pods, row);
		free(row->pod);
		free(row);
	}
	HASH_ITER (hh, g->parents, parent, next) {
		HASH_DEL(g->parents, parent);
		free(parent->parent);
		free(parent);
	}
	while ((l = g->leaving) != NULL) {
		g->leaving = l->next;
		free(l);
	}
	free(g);
}

void pod_groups_get_stats(const struct pod_groups *g, struct pod_groups_stats *ret)
{
	*ret = (struct pod_groups_stats){.pods = HASH_COUNT(g->pods),
		.waiting = g->waiting_count,
		.parents = HASH_COUNT(g->parents),
		.refused = g->refused};
}
