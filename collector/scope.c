/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/scope.h"

#include "common/base/escape.h"
#include "common/base/log.h"

#include <errno.h>

#define MODULE           "scope"
#define CGROUPS_MAX      65536
#define ASSIGNMENTS_MAX  8192
#define REMOVALS_MAX     1024u
#define REMOVAL_DELAY_NS PW_NS_PER_S /* events of other CPUs may still be on their way */

struct scope {
	struct scope_settings settings;
	struct pods *pods;
	struct cgtree *tree;
	struct assignments *assignments;
	struct removal {
		uint64_t id;
		struct pw_boot at;
	} removals[REMOVALS_MAX]; /* in order of time */
	uint32_t removal_count;
	struct scope_stats stats;
};

static void scope_freep(struct scope **s)
{
	scope_free(*s);
}

int scope_new(const struct scope_settings *settings, struct pods *pods, struct scope **ret)
{
	pw_cleanup(scope_freep) struct scope *s = pw_alloc0(1, sizeof(*s));
	struct cgtree_settings tree = {.root = settings->cgroup_root, .limit = CGROUPS_MAX};
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->settings = *settings;
	s->pods = pods;
	r = cgtree_new(&tree, pods, &s->tree);
	if (r < 0)
		return r;
	r = assignments_new(ASSIGNMENTS_MAX, &s->assignments);
	if (r < 0)
		return r;
	r = assignments_set_scope(s->assignments, &settings->rules);
	if (r < 0)
		return r;
	*ret = PW_TAKE(s);
	return 0;
}

void scope_free(struct scope *s)
{
	if (!s)
		return;
	cgtree_free(s->tree);
	assignments_free(s->assignments);
	free(s);
}

static void kernel_set(struct scope *s, uint64_t id, uint32_t group, uint32_t flags)
{
	const struct scope_kernel *k = &s->settings.kernel;

	if (k->set && k->set(k->ctx, id, group, flags) < 0) {
		s->stats.kernel_failures++;
		pw_log_limited(PW_LOG_WARN, 2, MODULE, "the kernel's scope map refuses entries");
	}
}

static void kernel_remove(struct scope *s, uint64_t id)
{
	const struct scope_kernel *k = &s->settings.kernel;
	int r = k->remove ? k->remove(k->ctx, id) : 0;

	if (r < 0 && r != -ENOENT)
		s->stats.kernel_failures++;
}

static void kernel_ignore(struct scope *s, uint64_t id)
{
	if (s->settings.keep_all)
		kernel_remove(s, id);
	else
		kernel_set(s, id, 0, SCOPE_IGNORE);
}

/* Tells the kernel what this directory is. */
static void push_node(struct scope *s, const struct cgnode *n)
{
	const struct container *c = n->container;

	if (n->kind == CGROUP_HELPER)
		kernel_ignore(s, n->id);
	else if (!c)
		kernel_remove(s, n->id); /* what is made below it will be pending again */
	else if (c->state == CONTAINER_EXCLUDED)
		kernel_ignore(s, n->id);
	else
		kernel_set(s, n->id, c->ref, c->state == CONTAINER_PENDING ? SCOPE_PENDING : 0);
}

static void push_container(struct scope *s, const struct container *c)
{
	const struct cgnode *n = NULL;
	size_t cursor = 0;

	while ((n = cgtree_next(s->tree, &cursor)))
		if (n->container == c)
			push_node(s, n);
}

/* Assignment and state; tells the pipeline when something changed. */
static bool settle(struct scope *s, struct container *c)
{
	int r = assignments_apply(s->assignments, s->pods, c);

	if (r < 0)
		s->stats.refused++;
	if (r <= 0)
		return false;
	if (s->settings.on_change)
		s->settings.on_change(s->settings.ctx, c);
	return true;
}

/* A directory that was not known before. */
static void enter(struct scope *s, const struct cgnode *n)
{
	if (n->container && n->container->cgroups == 1)
		(void)settle(s, n->container);
	push_node(s, n);
}

int scope_scan(struct scope *s, struct pw_err *err)
{
	struct cgnode *n = NULL;
	struct container *c = NULL;
	size_t cursor = 0;
	int r = cgtree_scan(s->tree, err);

	if (r < 0)
		return r;
	for (c = pods_first(s->pods); c; c = c->next) {
		c->pre_running = true;
		(void)settle(s, c);
	}
	while ((n = cgtree_next(s->tree, &cursor)))
		push_node(s, n);
	return r;
}

static void log_container(const struct container *c, const char *what)
{
	char id[256];

	pw_log_debug(MODULE, "container %s %s (%s, %s)", pw_escape_to(c->id, id, sizeof(id)), what,
		cgroup_runtime_name(c->runtime), container_state_name(c->state));
}

void scope_mkdir(struct scope *s, const struct event *e, int64_t boot_to_wall_ns)
{
	const struct event_cgroup *dir = &e->cgroup_dir;
	struct cgnode *n = NULL;
	int r = cgtree_add(s->tree, dir->id, dir->parent_id, dir->path, &n);

	if (r < 0) {
		s->stats.refused++;
		return;
	}
	if (r == 0)
		return;
	if (n->container && n->container->cgroups == 1) {
		n->container->started = pw_boot_to_wall(e->time, boot_to_wall_ns);
		n->container->first_seen = e->time;
	}
	enter(s, n);
	if (n->container && n->container->cgroups == 1)
		log_container(n->container, "began");
}

static void end_container(void *ctx, struct container *c)
{
	struct scope *s = ctx;

	log_container(c, "ended");
	if (s->settings.on_end)
		s->settings.on_end(s->settings.ctx, c);
	pods_leave(s->pods, c);
}

static void remove_now(struct scope *s, uint64_t id)
{
	struct container *last = NULL;

	cgtree_remove(s->tree, id, &last);
	if (last)
		end_container(s, last);
}

static void removals_take(struct scope *s, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		remove_now(s, s->removals[i].id);
	memmove(s->removals, s->removals + count,
		(s->removal_count - count) * sizeof(s->removals[0]));
	s->removal_count -= count;
}

void scope_rmdir(struct scope *s, const struct event *e)
{
	kernel_remove(s, e->cgroup_dir.id);
	if (s->removal_count == REMOVALS_MAX)
		removals_take(s, 1);
	s->removals[s->removal_count++] = (struct removal){e->cgroup_dir.id, e->time};
}

void scope_tick(struct scope *s, struct pw_boot now)
{
	uint32_t count = 0;

	while (count < s->removal_count && s->removals[count].at.ns + REMOVAL_DELAY_NS <= now.ns)
		count++;
	if (count > 0)
		removals_take(s, count);
}

void scope_sweep(struct scope *s)
{
	cgtree_sweep(s->tree, end_container, s);
}

static struct cgnode *resolve_pid(struct scope *s, uint32_t pid, struct procfs *fs)
{
	struct pw_slice path = {0};
	struct cgnode *n = NULL;
	uint32_t before = cgtree_count(s->tree);

	if (!fs || procfs_cgroup(fs, pid, &path) < 0 || cgtree_resolve(s->tree, path, &n) < 0)
		return NULL;
	if (cgtree_count(s->tree) > before)
		enter(s, n);
	return n;
}

struct container *scope_container(struct scope *s, const struct event *e, struct procfs *fs)
{
	struct cgnode *n = cgtree_find(s->tree, e->cgroup);

	if (!n) {
		(void)resolve_pid(s, e->pid, fs);
		n = cgtree_find(s->tree, e->cgroup);
	}
	if (!n) {
		s->stats.unresolved++;
		/* Remembered as nobody's until the next sweep, so that each event does not ask
		 * again. */
		if (cgtree_add(s->tree, e->cgroup, 0, (struct pw_slice){0}, &n) < 0)
			return NULL;
	}
	return n->container;
}

struct container *scope_container_of_cgroup(const struct scope *s, uint64_t cgroup)
{
	const struct cgnode *n = cgtree_find(s->tree, cgroup);

	return n ? n->container : NULL;
}

struct container *scope_container_of_pid(struct scope *s, uint32_t pid, struct procfs *fs)
{
	const struct cgnode *n = resolve_pid(s, pid, fs);

	return n ? n->container : NULL;
}

int scope_set_rules(struct scope *s, const struct scope_rules *rules)
{
	return assignments_set_scope(s->assignments, rules);
}

struct assignments *scope_assignments(struct scope *s)
{
	return s->assignments;
}

const struct scope_rules *scope_rules_of(const struct scope *s)
{
	return assignments_scope(s->assignments);
}

void scope_apply(struct scope *s)
{
	struct container *next = NULL;

	for (struct container *c = pods_first(s->pods); c; c = next) {
		(void)pods_hold(c); /* telling what waited may let go of the last hold */
		if ((!c->gone || c->pending_count > 0) && settle(s, c) && !c->gone)
			push_container(s, c);
		next = c->next;
		pods_put(s->pods, c);
	}
}

void scope_get_stats(const struct scope *s, struct scope_stats *ret)
{
	*ret = s->stats;
	ret->cgroups = cgtree_count(s->tree);
	ret->assignments = assignments_count(s->assignments);
}
