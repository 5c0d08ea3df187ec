/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/image.h"

#include "common/base/err.h"
#include "common/base/hash.h"

#include <errno.h>

struct images {
	struct pods *pods;
	uint32_t limit;
	uint32_t count;
	uint32_t last_ref;
	void (*on_free)(void *ctx, const struct image *i);
	void *ctx;
};

int images_new(uint32_t limit, struct pods *pods, struct images **ret)
{
	struct images *t = pw_alloc0(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->limit = limit;
	t->pods = pods;
	*ret = t;
	return 0;
}

void images_on_free(struct images *t, void (*fn)(void *ctx, const struct image *i), void *ctx)
{
	t->on_free = fn;
	t->ctx = ctx;
}

void images_free(struct images *t)
{
	if (!t)
		return;
	pw_assert(t->count == 0);
	free(t);
}

uint32_t image_next_ref(struct images *t)
{
	return ++t->last_ref;
}

uint32_t images_count(const struct images *t)
{
	return t->count;
}

static uint64_t program_identity(const struct program_facts *f)
{
	uint64_t h = pw_hash64(f->exe, 1);

	h = pw_hash_mix(h, f->inode);
	h = pw_hash_mix(h, (uint64_t)f->dev_major << 32 | f->dev_minor);
	if (f->script.len > 0)
		h = pw_hash_mix(h, pw_hash64(f->script, 1));
	return pw_hash_mix(h, f->flags);
}

int program_new(const struct program_facts *facts, struct program **ret)
{
	const struct pw_slice *from[] = {
		&facts->exe, &facts->args, &facts->cwd, &facts->comm, &facts->script, &facts->env};
	struct pw_slice *to[PW_COUNT(from)];
	struct program *p = NULL;
	uint8_t *at = NULL;
	size_t total = 0;

	for (size_t i = 0; i < PW_COUNT(from); i++)
		total += from[i]->len;
	p = pw_alloc0(1, sizeof(*p) + total);
	if (!p)
		return -ENOMEM;
	at = (uint8_t *)(p + 1);
	to[0] = &p->exe;
	to[1] = &p->args;
	to[2] = &p->cwd;
	to[3] = &p->comm;
	to[4] = &p->script;
	to[5] = &p->env;
	for (size_t i = 0; i < PW_COUNT(from); i++) {
		if (from[i]->len > 0)
			memcpy(at, from[i]->ptr, from[i]->len);
		*to[i] = pw_slice_of(at, from[i]->len);
		at += from[i]->len;
	}
	p->holds = 1;
	p->args_hash = facts->args_hash;
	p->identity = program_identity(facts);
	p->inode = facts->inode;
	p->dev = (uint64_t)facts->dev_major << 32 | facts->dev_minor;
	*ret = p;
	return 0;
}

struct program *program_hold(struct program *p)
{
	p->holds++;
	return p;
}

void program_put(struct program *p)
{
	if (p && --p->holds == 0)
		free(p);
}

/* Chains of processes whose parents are long gone must not grow for ever. */
static void cut_lineage(struct images *t, struct image *newest)
{
	struct image *i = newest;

	for (unsigned depth = 1; depth < IMAGE_LINEAGE_MAX && i; depth++)
		i = i->parent;
	if (!i || !i->parent)
		return;
	newest = i->parent;
	i->parent = NULL;
	image_put(t, newest);
}

int image_new(struct images *t, const struct image_facts *f, struct image **ret)
{
	struct image *i = NULL;

	if (t->count >= t->limit)
		return -ENOSPC;
	i = pw_alloc0(1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	*i = (struct image){
		.holds = 1,
		.ref = ++t->last_ref,
		.parent = image_hold(f->parent),
		.container = pods_hold(f->container),
		.program = program_hold(f->program),
		.pid = f->pid,
		.ppid = f->ppid,
		.uid = f->uid,
		.gid = f->gid,
		.flags = f->flags,
		.tty = f->tty,
		.session = f->session,
		.pid_in_ns = f->pid_in_ns,
		.euid = f->euid,
		.egid = f->egid,
		.caps_effective = f->caps_effective,
		.caps_permitted = f->caps_permitted,
		.caps_inheritable = f->caps_inheritable,
		.start = f->start,
	};
	t->count++;
	cut_lineage(t, i);
	*ret = i;
	return 0;
}

struct image *image_hold(struct image *i)
{
	if (i)
		i->holds++;
	return i;
}

void image_put(struct images *t, struct image *i)
{
	while (i && --i->holds == 0) {
		struct image *parent = i->parent;

		if (t->on_free && i->told_epoch)
			t->on_free(t->ctx, i);
		pods_put(t->pods, i->container);
		program_put(i->program);
		free(i);
		t->count--;
		i = parent; /* its hold was this image's */
	}
}
