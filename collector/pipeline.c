/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/pipeline.h"

#include "collector/occur.h"
#include "collector/repair.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>

#define CONTAINERS_MAX    8192
#define PROCESSES_DEFAULT 65536u
#define SEEN_DEFAULT      131072u
#define FOLD_DEFAULT_NS   (10 * PW_NS_PER_S)
#define SEEN_IDLE_NS      (30 * 60 * PW_NS_PER_S)
#define SEEN_SWEEP_NS     (60 * PW_NS_PER_S)
#define COLLECT_SOON_NS   (PW_NS_PER_S / 2) /* many containers may end at once */
#define OBJECT_BYTES      (64u * 1024)
#define LOSS(name)        ((uint32_t)PODWARD__V1__LOSS_REASON__LOSS_REASON_##name)
#define EVENT_FLAG(name)  ((uint8_t)PODWARD__V1__EVENT_FLAG__EVENT_FLAG_##name)

struct pipeline {
	struct pipeline_settings settings;
	struct pods *pods;
	struct images *images;
	struct procs *procs;
	struct scope *scope;
	struct pending *pending;
	struct seen *seen;
	struct batcher *batcher;
	struct loss loss;
	struct repair repair;
	struct occur occur;
	struct pw_boot now; /* newest of ticks and records */
	struct pw_boot collected;
	struct pw_boot next_fold, next_seen_sweep;
	struct pipeline_stats stats;
};

const char *pipeline_filter_name(enum pipeline_filter filter)
{
	static const char *const names[PIPELINE_FILTER_COUNT] = {
#define PIPELINE_NAME(suffix, label) [PIPELINE_FILTER_##suffix] = (label),
		PIPELINE_FILTERS(PIPELINE_NAME)
#undef PIPELINE_NAME
	};

	return (unsigned)filter < PIPELINE_FILTER_COUNT ? names[filter] : "unknown";
}

/* --- telling --- */

static void tell(void *ctx, const struct occurrence *o)
{
	struct pipeline *p = ctx;

	if (seen_note(p->seen, o) == SEEN_REPEAT)
		return;
	p->stats.told++;
	batcher_add(p->batcher, o, p->now);
}

static void tell_fold(void *ctx, const struct occurrence *fold)
{
	struct pipeline *p = ctx;

	batcher_add(p->batcher, fold, p->now);
}

/* --- repeats that the kernel side counted --- */

static void note_repeats(void *ctx, uint64_t mark, uint64_t count)
{
	struct pipeline *p = ctx;

	p->stats.seen += count;
	if (!seen_repeats(p->seen, mark, count, p->now))
		p->stats.filtered[PIPELINE_FILTER_REPEAT] += count;
}

static void collect_repeats(struct pipeline *p)
{
	const struct pipeline_kernel *k = &p->settings.folds;

	if (k->collect)
		(void)k->collect(k->ctx, note_repeats, p);
	p->collected = p->now;
}

static void renew_kernel(struct pipeline *p)
{
	const struct pipeline_kernel *k = &p->settings.folds;

	if (k->renew)
		k->renew(k->ctx);
}

/* Everything is announced anew; what was lost before may be made good by now. */
static void on_repaired(void *ctx, uint32_t container, uint64_t count)
{
	struct pipeline *p = ctx;

	loss_repaired(&p->loss, container, count);
}

static void on_lost(void *ctx, uint32_t container, uint64_t count)
{
	struct pipeline *p = ctx;
	const struct container *c = container ? pods_find_ref(p->pods, container) : NULL;
	struct pw_boot since = c ? c->first_seen : (struct pw_boot){0};

	/* With the program it began, not with its folder. */
	if (c && c->started.ns > p->settings.boot_to_wall_ns)
		since.ns = (uint64_t)(c->started.ns - p->settings.boot_to_wall_ns);
	repair_lost(&p->repair, container, count, p->now, since);
}

static void on_image_free(void *ctx, const struct image *i)
{
	struct pipeline *p = ctx;

	batcher_exited(p->batcher, i);
}

static void drop_excluded(struct pipeline *p, struct container *c)
{
	p->stats.filtered[PIPELINE_FILTER_EXCLUDED] += pending_withdraw(p->pending, c);
}

/* Of a pod the API names all containers but the sandbox, which began first. */
static void mark_beside(struct pipeline *p, const struct container *assigned)
{
	struct container *c = NULL;

	if (assigned->cgroup_pod.len == 0)
		return;
	for (c = pods_first(p->pods); c; c = c->next)
		if (c->state == CONTAINER_PENDING &&
			pw_slice_eq(c->cgroup_pod, assigned->cgroup_pod))
			c->is_beside = true;
}

static void on_container_change(void *ctx, struct container *c)
{
	struct pipeline *p = ctx;

	if (c->state == CONTAINER_ASSIGNED) {
		loss_add(&p->loss, c->ref, LOSS(PENDING), c->pending_lost);
		c->pending_lost = 0;
		mark_beside(p, c);
		pending_release(p->pending, c, tell, p);
		if (c->gone) /* nothing follows, and its address may be another's soon */
			seen_flush_container(p->seen, c, tell_fold, p);
	} else if (c->state == CONTAINER_EXCLUDED) {
		drop_excluded(p, c);
	}
}

/* What waits for its group goes on waiting: a short life must not be why nobody hears of it. */
static void on_container_end(void *ctx, struct container *c)
{
	struct pipeline *p = ctx;

	if (p->now.ns >= p->collected.ns + COLLECT_SOON_NS)
		collect_repeats(p);
	seen_flush_container(p->seen, c, tell_fold, p);
	repair_ended(&p->repair, c->ref);
	procs_leave(p->procs, c);
}

/* --- one record --- */

/* Whom the deed was done to: known by the kernel, or by the caller's word for it. */
static struct image *target_of(const struct pipeline *p, const struct event *e, struct image *actor)
{
	const struct event_call *c = &e->call;
	struct proc *target = NULL;

	if (!event_is_call(e->type))
		return NULL;
	if (c->target.tgid)
		target = procs_find_start(p->procs, c->target.tgid, c->target.start_boot_ns);
	else if (c->target_pid > 0)
		target = procs_find_in_ns(p->procs, actor->container, (uint32_t)c->target_pid);
	return target ? target->image : NULL;
}

static void occur(
	struct pipeline *p, const struct event *e, const struct proc *proc, struct occurrence *o)
{
	*o = (struct occurrence){
		.image = proc->image,
		.target = target_of(p, e, proc->image),
		.flags = proc->pre_running ? EVENT_FLAG(PRE_RUNNING) : 0,
	};
	occur_fill(&p->occur, e, o);
}

static void filter(struct pipeline *p, enum pipeline_filter why)
{
	p->stats.filtered[why]++;
}

static void deliver(struct pipeline *p, const struct occurrence *o, bool setup)
{
	struct container *c = o->image->container;

	if (!c) {
		filter(p, PIPELINE_FILTER_HOST);
	} else if (setup) {
		filter(p, PIPELINE_FILTER_SETUP);
	} else if (c->state == CONTAINER_EXCLUDED) {
		filter(p, PIPELINE_FILTER_EXCLUDED);
	} else if (c->state == CONTAINER_PENDING) {
		(void)pending_add(p->pending, o); /* counts what it refuses */
	} else {
		tell(p, o);
	}
}

static void show(struct pipeline *p, const struct event *e, const struct proc *proc,
	const struct occurrence *o)
{
	struct pipeline_view view = {e, proc->image, o, proc->setup};

	if (p->settings.on_view && (p->settings.all || !proc->setup))
		p->settings.on_view(p->settings.view_ctx, &view);
}

static void note_process(struct pipeline *p, const struct event *e)
{
	bool on_wire = event_wire_kind(e->type) != PW_EVENT_NONE;
	struct container *c = scope_container(p->scope, e, p->settings.procfs);
	struct occurrence o;
	struct proc *proc = NULL;
	int r = 0;

	p->stats.seen += on_wire;
	if (!c && !p->settings.all) {
		p->stats.filtered[PIPELINE_FILTER_HOST] += on_wire;
		return;
	}
	r = procs_note(p->procs, e, c, &proc);
	if (r == -ESRCH) {
		filter(p, PIPELINE_FILTER_EXIT);
		return;
	}
	if (r < 0) {
		p->stats.lost_here += on_wire;
		loss_add(&p->loss, c ? c->ref : 0, LOSS(MAP_FULL), on_wire);
		return;
	}
	if (on_wire)
		occur(p, e, proc, &o);
	show(p, e, proc, on_wire ? &o : NULL);
	if (on_wire)
		deliver(p, &o, proc->setup);
	if (e->type == EVENT_EXIT)
		procs_exit(p->procs, proc); /* open folds keep its image until they are told */
}

int pipeline_record(void *ctx, const void *record, size_t len)
{
	struct pipeline *p = ctx;
	struct event e;
	enum decode_result result = decode(record, len, &e);

	if (result != DECODE_OK) {
		p->stats.refused[result]++;
		loss_add(&p->loss, 0, LOSS(DECODE), 1);
		return 0;
	}
	p->stats.records[e.type]++;
	if (e.time.ns > p->now.ns)
		p->now = e.time;
	if (e.known.evicted_count > 0)
		note_repeats(p, e.known.evicted_mark, e.known.evicted_count);
	if (e.type == EVENT_CGROUP_MKDIR)
		scope_mkdir(p->scope, &e, p->settings.boot_to_wall_ns);
	else if (e.type == EVENT_CGROUP_RMDIR)
		scope_rmdir(p->scope, &e);
	else
		note_process(p, &e);
	return 0;
}

/* --- life --- */

static int build_tables(struct pipeline *p)
{
	const struct pipeline_settings *s = &p->settings;
	struct procs_settings procs = {
		.limit = s->process_limit,
		.host_mnt_ns = s->procfs ? procfs_host_mnt_ns(s->procfs) : 0,
		.lookup = s->procfs ? procfs_read : NULL,
		.lookup_ctx = s->procfs,
		.redact = s->redact,
	};
	int r = pods_new(CONTAINERS_MAX, &p->pods);

	if (r == 0)
		r = images_new(s->process_limit * 2, p->pods, &p->images);
	if (r == 0)
		r = procs_new(&procs, p->images, &p->procs);
	if (r == 0)
		r = pending_new(p->images, p->pods, &p->pending);
	if (r == 0)
		r = seen_new(s->seen_limit, p->images, &p->seen);
	if (r == 0)
		r = batcher_new(&s->batch, p->images, p->pods, &p->loss, &p->batcher);
	if (r == 0)
		images_on_free(p->images, on_image_free, p);
	return r;
}

static int build_scope(struct pipeline *p)
{
	struct scope_settings scope = {
		.cgroup_root = p->settings.cgroup_root,
		.keep_all = p->settings.all,
		.rules = p->settings.rules,
		.kernel = p->settings.kernel,
		.on_change = on_container_change,
		.on_end = on_container_end,
		.ctx = p,
	};

	return scope_new(&scope, p->pods, &p->scope);
}

static void pipeline_freep(struct pipeline **p)
{
	pipeline_free(*p);
}

int pipeline_new(
	const struct pipeline_settings *settings, struct pipeline **ret, struct pw_err *err)
{
	pw_cleanup(pipeline_freep) struct pipeline *p = pw_alloc0(1, sizeof(*p));
	int r = 0;

	if (!p)
		return pw_err_set(err, -ENOMEM, "out of memory");
	p->settings = *settings;
	if (p->settings.process_limit == 0)
		p->settings.process_limit = PROCESSES_DEFAULT;
	if (p->settings.seen_limit == 0)
		p->settings.seen_limit = SEEN_DEFAULT;
	if (p->settings.fold_window_ns == 0)
		p->settings.fold_window_ns = FOLD_DEFAULT_NS;
	p->loss.on_add = on_lost;
	p->loss.ctx = p;
	pw_buf_init(&p->occur.object, OBJECT_BYTES);
	pw_buf_init(&p->occur.object2, OBJECT_BYTES);
	r = build_tables(p);
	if (r == 0)
		r = build_scope(p);
	if (r < 0)
		return pw_err_set(err, r, "pipeline: %s", pw_err_text(r));
	*ret = PW_TAKE(p);
	return 0;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	if (p->images)
		images_on_free(p->images, NULL, NULL);
	pending_free(p->pending);
	seen_free(p->seen);
	procs_free(p->procs);
	batcher_free(p->batcher);
	scope_free(p->scope);
	images_free(p->images);
	pods_free(p->pods);
	pw_buf_done(&p->occur.object);
	pw_buf_done(&p->occur.object2);
	free(p);
}

static int add_running(void *ctx, uint32_t pid)
{
	struct pipeline *p = ctx;
	struct proc_facts facts;
	struct container *c = scope_container_of_pid(p->scope, pid, p->settings.procfs);
	struct pw_wall started;

	if ((!c && !p->settings.all) || procfs_read(p->settings.procfs, pid, &facts) < 0)
		return 0; /* gone meanwhile, or nobody's business */
	if (procs_add_running(p->procs, &facts, c) < 0) {
		loss_add(&p->loss, c ? c->ref : 0, LOSS(MAP_FULL), 1);
		return 0;
	}
	started = pw_boot_to_wall(facts.start, p->settings.boot_to_wall_ns);
	if (c && (c->started.ns == 0 || started.ns < c->started.ns))
		c->started = started;
	return 0;
}

int pipeline_scan(struct pipeline *p, struct pw_err *err)
{
	int r = scope_scan(p->scope, err);

	if (r < 0)
		return r;
	if (!p->settings.procfs)
		return 0;
	r = procfs_scan(p->settings.procfs, add_running, p);
	return r < 0 ? pw_err_set(err, r, "/proc: %s", pw_err_text(r)) : 0;
}

static void expire_pending(struct pipeline *p)
{
	uint64_t wait_ns = scope_rules_of(p->scope)->pending_ms * PW_NS_PER_MS;
	struct pw_boot before = {p->now.ns > wait_ns ? p->now.ns - wait_ns : 0};

	pending_expire(p->pending, before);
}

void pipeline_tick(struct pipeline *p, struct pw_boot now)
{
	if (now.ns > p->now.ns)
		p->now = now;
	if (p->repair.begun.ns == 0)
		p->repair.begun = p->now;
	if (p->now.ns >= p->next_fold.ns) {
		collect_repeats(p);
		if (p->next_fold.ns > 0)
			seen_flush(p->seen, tell_fold, p);
		p->next_fold.ns = p->now.ns + p->settings.fold_window_ns;
	}
	if (p->now.ns >= p->next_seen_sweep.ns) {
		struct pw_boot before = {p->now.ns > SEEN_IDLE_NS ? p->now.ns - SEEN_IDLE_NS : 0};

		/* What the two sides know drifts apart: once a minute all is announced anew. */
		collect_repeats(p);
		seen_sweep(p->seen, before);
		seen_rotate_marks(p->seen);
		renew_kernel(p);
		repair_renewed(&p->repair, p->now, on_repaired, p);
		p->next_seen_sweep.ns = p->now.ns + SEEN_SWEEP_NS;
	}
	scope_tick(p->scope, p->now);
	expire_pending(p);
	batcher_tick(p->batcher, p->now);
}

void pipeline_sweep(struct pipeline *p)
{
	scope_sweep(p->scope);
}

static int put_assignments(struct pipeline *p, const struct node_update *update)
{
	struct assignments *a = scope_assignments(p->scope);
	int r = 0;

	if (update->full)
		assignments_clear(a);
	for (uint32_t i = 0; i < update->removed_count; i++)
		assignments_remove(a, update->removed[i]);
	for (uint32_t i = 0; i < update->assignment_count && r == 0; i++)
		r = assignments_put(a, &update->assignments[i]);
	return r;
}

int pipeline_update(struct pipeline *p, const struct node_update *update)
{
	int r = 0;

	if (update->has_scope)
		r = scope_set_rules(p->scope, &update->scope);
	if (r == 0)
		r = put_assignments(p, update);
	scope_apply(p->scope);
	return r;
}

void pipeline_note_loss(struct pipeline *p, uint32_t reason, uint64_t count)
{
	loss_add(&p->loss, 0, reason, count);
}

bool pipeline_note_loss_of(struct pipeline *p, uint64_t cgroup, uint32_t reason, uint64_t count)
{
	const struct container *c = scope_container_of_cgroup(p->scope, cgroup);

	if (!c)
		return false;
	loss_add(&p->loss, c->ref, reason, count);
	return true;
}

void pipeline_note_gap(struct pipeline *p)
{
	procs_note_gap(p->procs);
}

void pipeline_forget_told(struct pipeline *p)
{
	collect_repeats(p);
	seen_flush(p->seen, tell_fold, p);
	seen_forget(p->seen);
	renew_kernel(p);
}

void pipeline_flush(struct pipeline *p)
{
	collect_repeats(p);
	seen_flush(p->seen, tell_fold, p);
	batcher_close(p->batcher);
}

void pipeline_set_max_events(struct pipeline *p, uint32_t events)
{
	batcher_set_max_events(p->batcher, events);
}

void pipeline_get_stats(const struct pipeline *p, struct pipeline_stats *ret)
{
	*ret = p->stats;
	memcpy(ret->loss_totals, p->loss.totals, sizeof(ret->loss_totals));
	seen_get_stats(p->seen, &ret->seen_set);
	pending_get_stats(p->pending, &ret->pending);
	batcher_get_stats(p->batcher, &ret->batch);
	procs_get_stats(p->procs, &ret->proc);
	scope_get_stats(p->scope, &ret->scope);
	ret->processes = procs_count(p->procs);
	ret->images = images_count(p->images);
	ret->seen_entries = seen_count(p->seen);
	for (unsigned i = 0; i < CONTAINER_STATES; i++)
		ret->containers[i] = pods_count_state(p->pods, (enum container_state)i);
	ret->containers_refused = pods_refused(p->pods);
}
