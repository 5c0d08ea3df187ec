/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/pending.h"

#include <errno.h>
#include <utlist.h>

#define ROWS_PER_CONTAINER  4096u
#define BYTES_PER_CONTAINER (1u << 20)
#define BYTES_TOTAL         (16u << 20)

struct pending_row {
	struct pending_row *prev, *next;         /* of one container, oldest first */
	struct pending_row *all_prev, *all_next; /* of all, oldest first */
	struct occurrence o;                     /* image held, object behind the struct */
};

struct pending {
	struct images *images;
	struct pods *pods;
	struct pending_row *all;
	size_t bytes;
	struct pending_stats stats;
};

int pending_new(struct images *images, struct pods *pods, struct pending **ret)
{
	struct pending *p = pw_alloc0(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->images = images;
	p->pods = pods;
	*ret = p;
	return 0;
}

static size_t row_bytes(const struct pending_row *row)
{
	return sizeof(*row) + row->o.object.len + row->o.object2.len;
}

/* Out of both lists, still with its hold on the image. */
static void row_unlink(struct pending *p, struct pending_row *row)
{
	struct container *c = row->o.image->container;

	DL_DELETE(c->pending, row);
	DL_DELETE2(p->all, row, all_prev, all_next);
	c->pending_count--;
	c->pending_bytes -= row_bytes(row);
	p->bytes -= row_bytes(row);
	p->stats.waiting--;
}

static void row_free(struct pending *p, struct pending_row *row)
{
	image_put(p->images, row->o.image);
	image_put(p->images, row->o.target);
	free(row);
}

static void row_drop(struct pending *p, struct pending_row *row)
{
	row_unlink(p, row);
	row_free(p, row);
}

static void give_up_one(struct pending *p, struct container *c)
{
	if (c->is_beside) {
		p->stats.sandbox++;
		return;
	}
	p->stats.never++;
	c->pending_lost++;
}

void pending_free(struct pending *p)
{
	if (!p)
		return;
	while (p->all)
		row_drop(p, p->all);
	free(p);
}

static bool fits(const struct pending *p, const struct container *c, size_t bytes)
{
	return c->pending_count < ROWS_PER_CONTAINER &&
	       c->pending_bytes + bytes <= BYTES_PER_CONTAINER && p->bytes + bytes <= BYTES_TOTAL;
}

int pending_add(struct pending *p, const struct occurrence *o)
{
	struct container *c = o->image->container;
	struct pending_row *row = NULL;
	size_t bytes = sizeof(*row) + o->object.len + o->object2.len;

	if (!fits(p, c, bytes)) {
		give_up_one(p, c);
		return -ENOSPC;
	}
	row = pw_alloc0(1, bytes);
	if (!row) {
		give_up_one(p, c);
		return -ENOMEM;
	}
	row->o = *o;
	row->o.image = image_hold(o->image);
	row->o.target = image_hold(o->target);
	occurrence_keep_texts(&row->o, row + 1);
	DL_APPEND(c->pending, row);
	DL_APPEND2(p->all, row, all_prev, all_next);
	c->pending_count++;
	c->pending_bytes += bytes;
	p->bytes += bytes;
	p->stats.waiting++;
	return 0;
}

void pending_release(struct pending *p, struct container *c, pending_fn fn, void *ctx)
{
	(void)pods_hold(c); /* the rows' images may be all that holds it */
	while (c->pending) {
		struct pending_row *row = c->pending;

		row_unlink(p, row);
		p->stats.late++;
		fn(ctx, &row->o);
		row_free(p, row);
	}
	pods_put(p->pods, c);
}

uint64_t pending_withdraw(struct pending *p, struct container *c)
{
	uint64_t count = c->pending_count;

	(void)pods_hold(c);
	while (c->pending)
		row_drop(p, c->pending);
	pods_put(p->pods, c);
	return count;
}

void pending_expire(struct pending *p, struct pw_boot before)
{
	while (p->all && p->all->o.time.ns < before.ns) {
		give_up_one(p, p->all->o.image->container);
		row_drop(p, p->all);
	}
}

void pending_get_stats(const struct pending *p, struct pending_stats *ret)
{
	*ret = p->stats;
}
