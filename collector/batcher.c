/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/batcher.h"

#include "common/base/err.h"
#include "common/base/intern.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>

#define EXITED_MAX     2048u
#define OBJECT_MAX     PW_WIRE_STRING_MAX
#define IDLE_CARRY_NS  PW_NS_PER_S /* losses and exits wait that long for a batch of events */
#define EXITED_SOON    1024u
#define LOSS(name)     ((uint32_t)PODWARD__V1__LOSS_REASON__LOSS_REASON_##name)
#define TRUNCATED_FLAG ((uint8_t)PODWARD__V1__EVENT_FLAG__EVENT_FLAG_TRUNCATED)

struct batcher {
	struct batcher_settings settings;
	struct images *images;
	struct pods *pods;
	struct loss *loss;
	struct pw_intern *dict;
	uint64_t epoch;
	uint32_t containers_told; /* in this epoch */
	struct pw_batch *batch;   /* NULL = none open */
	struct pw_boot opened;
	struct pw_boot carried; /* last time losses and exits had their chance */
	uint32_t max_events;
	uint32_t exited[EXITED_MAX];
	uint32_t exited_count;
	struct batcher_stats stats;
};

static void batcher_freep(struct batcher **b)
{
	batcher_free(*b);
}

int batcher_new(const struct batcher_settings *settings, struct images *images, struct pods *pods,
	struct loss *loss, struct batcher **ret)
{
	pw_cleanup(batcher_freep) struct batcher *b = pw_alloc0(1, sizeof(*b));
	int r = 0;

	if (!b)
		return -ENOMEM;
	b->settings = *settings;
	b->images = images;
	b->pods = pods;
	b->loss = loss;
	b->epoch = settings->first_epoch > 0 ? settings->first_epoch : 1;
	b->max_events = settings->limits.events;
	r = pw_intern_new(settings->dict_strings, settings->dict_bytes, &b->dict);
	if (r < 0)
		return r;
	*ret = PW_TAKE(b);
	return 0;
}

void batcher_free(struct batcher *b)
{
	if (!b)
		return;
	pw_batch_free(b->batch);
	pw_intern_free(b->dict);
	free(b);
}

void batcher_set_max_events(struct batcher *b, uint32_t events)
{
	uint32_t limit = b->settings.limits.events;

	b->max_events = events == 0 || events > limit ? limit : events;
}

static int open_batch(struct batcher *b, struct pw_boot now)
{
	int r = 0;

	if (b->batch)
		return 0;
	r = pw_batch_new(&b->settings.limits, b->epoch, &b->batch);
	if (r == 0)
		b->opened = now;
	return r;
}

static int add_container(struct batcher *b, struct container *c)
{
	struct pw_container_def def;
	int r = 0;

	if (!c || pw_batch_has_container(b->batch, c->ref))
		return 0;
	if (c->told_epoch != b->epoch && b->containers_told >= b->settings.dict_containers)
		return -EDQUOT;
	pods_def(c, &def);
	r = pw_batch_add_container(b->batch, &def);
	if (r == 0 && c->told_epoch != b->epoch) {
		c->told_epoch = b->epoch;
		b->containers_told++;
	}
	return r;
}

/* -EDQUOT: the dictionary is full. */
static int add_string(struct batcher *b, struct pw_slice s, uint32_t *ret)
{
	uint32_t id = 0;
	int r = 0;

	if (s.len > 0) {
		id = pw_intern_add(b->dict, s);
		if (id == 0)
			return -EDQUOT;
		r = pw_batch_add_string(b->batch, id, s);
	}
	if (r == 0)
		*ret = id;
	return r;
}

static void remember_exited(struct batcher *b, uint32_t ref)
{
	/* A receiver that is not told only keeps the process longer, up to its own ceiling. */
	if (b->exited_count < EXITED_MAX)
		b->exited[b->exited_count++] = ref;
}

/* An image was told as part of a container that has another ref by now: it needs a new one too. */
static void renew_ref(struct batcher *b, struct image *i)
{
	uint32_t ref = i->container ? i->container->ref : 0;

	if (i->def_ref == ref)
		return;
	if (i->told_epoch == b->epoch) {
		remember_exited(b, i->ref);
		i->ref = image_next_ref(b->images);
	}
	i->def_ref = ref;
}

static int add_image(struct batcher *b, struct image *i)
{
	struct pw_process_def def = {
		.parent_ref = i->parent ? i->parent->ref : 0,
		.pid = i->pid,
		.uid = i->uid,
		.gid = i->gid,
		.flags = i->flags,
		.tty = i->tty,
		.session = i->session,
		.euid = i->euid,
		.egid = i->egid,
		.vpid = i->pid_in_ns,
		.caps_effective = i->caps_effective,
		.caps_permitted = i->caps_permitted,
		.caps_inheritable = i->caps_inheritable,
		.exe_inode = i->program->inode,
		.exe_dev = i->program->dev,
		.start = i->start,
	};
	const struct program *p = i->program;
	int r = add_container(b, i->container);

	if (r == 0)
		r = add_string(b, p->exe, &def.exe);
	if (r == 0)
		r = add_string(b, p->args, &def.args);
	if (r == 0)
		r = add_string(b, p->cwd, &def.cwd);
	if (r == 0)
		r = add_string(b, p->comm, &def.comm);
	if (r == 0)
		r = add_string(b, p->script, &def.script);
	if (r == 0)
		r = add_string(b, p->env, &def.env);
	if (r < 0)
		return r;
	def.ref = i->ref;
	def.container = i->container ? i->container->ref : 0;
	r = pw_batch_add_process(b->batch, &def);
	if (r == 0)
		i->told_epoch = b->epoch;
	return r;
}

/* The image and its parents, the oldest first. */
static int add_lineage(struct batcher *b, struct image *image)
{
	struct image *line[IMAGE_LINEAGE_MAX];
	uint32_t count = 0;
	int r = 0;

	for (struct image *i = image; i && count < IMAGE_LINEAGE_MAX; i = i->parent) {
		renew_ref(b, i);
		if (pw_batch_has_process(b->batch, i->ref))
			break;
		line[count++] = i;
	}
	while (count > 0 && r == 0)
		r = add_image(b, line[--count]);
	return r;
}

static int try_add(struct batcher *b, const struct occurrence *o, struct pw_boot now)
{
	struct pw_event_row row = {
		.time = o->time,
		.aux = o->aux,
		.count = o->count,
		.arg = o->arg,
		.ret = o->ret,
		.syscall = o->syscall,
		.kind = o->kind,
		.flags = o->flags,
	};
	int r = open_batch(b, now);

	if (r == 0)
		r = add_lineage(b, o->image);
	if (r == 0)
		r = add_string(b, o->object, &row.object);
	if (r == 0)
		r = add_string(b, o->object2, &row.object2);
	if (r == 0 && o->target)
		r = add_lineage(b, o->target);
	if (r < 0)
		return r;
	row.process = o->image->ref;
	row.target = o->target ? o->target->ref : 0;
	return pw_batch_add_event(b->batch, &row);
}

static int carry_one(void *ctx, const struct loss_entry *e)
{
	struct batcher *b = ctx;
	struct container *c = pods_find_ref(b->pods, e->container);
	uint32_t ref = c && add_container(b, c) == 0 ? c->ref : 0;

	/* What one container made good is nothing to the others. */
	if (e->reason == LOSS(REPAIRED) && ref != e->container)
		return 0;
	return pw_batch_add_loss(b->batch, ref, e->reason, e->count);
}

static void carry(struct batcher *b)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < b->exited_count; i++)
		if (pw_batch_add_exited(b->batch, b->exited[i]) < 0)
			b->exited[left++] = b->exited[i];
	b->exited_count = left;
	(void)loss_carry(b->loss, carry_one, b);
}

void batcher_close(struct batcher *b)
{
	if (!b->batch && (loss_is_empty(b->loss) || open_batch(b, b->carried) < 0))
		return;
	carry(b);
	b->stats.batches++;
	b->settings.sink(b->settings.sink_ctx, PW_TAKE(b->batch));
}

static void new_epoch(struct batcher *b)
{
	if (b->batch)
		batcher_close(b);
	pw_intern_clear(b->dict);
	b->epoch++;
	b->containers_told = 0;
	b->exited_count = 0; /* refs live within an epoch */
	b->stats.epochs++;
}

void batcher_add(struct batcher *b, const struct occurrence *o, struct pw_boot now)
{
	struct occurrence fitting = *o;
	int r = 0;

	if (o->object.len > OBJECT_MAX) {
		fitting.object.len = OBJECT_MAX;
		fitting.flags |= TRUNCATED_FLAG;
	}
	if (o->object2.len > OBJECT_MAX) {
		fitting.object2.len = OBJECT_MAX;
		fitting.flags |= TRUNCATED_FLAG;
	}
	if (b->batch && b->batch->event_count >= b->max_events)
		batcher_close(b);
	r = try_add(b, &fitting, now);
	if (r == -ENOSPC && b->batch) {
		batcher_close(b);
		r = try_add(b, &fitting, now);
	}
	if (r == -EDQUOT) {
		new_epoch(b);
		r = try_add(b, &fitting, now);
	}
	if (r < 0) {
		uint32_t ref = o->image->container ? o->image->container->ref : 0;

		b->stats.lost += o->count;
		loss_add(b->loss, ref, r == -EDQUOT ? LOSS(DICTIONARY) : LOSS(MAP_FULL), o->count);
		return;
	}
	b->stats.events++;
	if (o->flags & (uint8_t)PODWARD__V1__EVENT_FLAG__EVENT_FLAG_FOLD)
		b->stats.folded += o->count;
}

void batcher_exited(struct batcher *b, const struct image *i)
{
	if (i->told_epoch == b->epoch)
		remember_exited(b, i->ref);
}

/* Stamps of different CPUs are only nearly in order. */
static uint64_t since(struct pw_boot then, struct pw_boot now)
{
	return now.ns > then.ns ? now.ns - then.ns : 0;
}

void batcher_tick(struct batcher *b, struct pw_boot now)
{
	bool waiting = !loss_is_empty(b->loss) || b->exited_count >= EXITED_SOON;

	if (b->batch && since(b->opened, now) >= b->settings.age_ns) {
		batcher_close(b);
		b->carried = now;
		return;
	}
	if (b->batch || !waiting || since(b->carried, now) < IDLE_CARRY_NS)
		return;
	b->carried = now;
	if (open_batch(b, now) == 0)
		batcher_close(b);
}

void batcher_get_stats(const struct batcher *b, struct batcher_stats *ret)
{
	*ret = b->stats;
	ret->dict_strings = pw_intern_count(b->dict);
	ret->dict_bytes = pw_intern_bytes(b->dict);
}
