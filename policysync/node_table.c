// SPDX-License-Identifier: Apache-2.0
#include "policysync/node_table.h"
#include <errno.h>

#define TEXTS 8

/* The texts of an entry in one order, for copying and comparing. */
static void texts_of(const struct node_entry *e, const char *out[TEXTS])
{
	out[0] = e->id;
	out[1] = e->node;
	out[2] = e->group;
	out[3] = e->name;
	out[4] = e->image;
	out[5] = e->digest;
	out[6] = e->pod_uid;
	out[7] = e->pod_name;
}

static bool is_same(const struct node_entry *a, const struct node_entry *b)
{
	const char *x[TEXTS], *y[TEXTS];

	texts_of(a, x);
	texts_of(b, y);
	for (size_t i = 0; i < TEXTS; i++)
		if (strcmp(x[i], y[i]) != 0)
			return false;
	return true;
}

static struct node_row *row_new(const struct node_entry *entry, size_t source)
{
	const char *texts[TEXTS];
	size_t bytes = 0;
	struct node_row *row;
	char *at;

	texts_of(entry, texts);
	for (size_t i = 0; i < TEXTS; i++)
		bytes += strlen(texts[i]) + 1;
	row = pw_alloc0(1, sizeof(*row) + bytes);
	if (!row)
		return NULL;
	at = row->text;
	for (size_t i = 0; i < TEXTS; i++) {
		size_t size = strlen(texts[i]) + 1;

		memcpy(at, texts[i], size);
		texts[i] = at;
		at += size;
	}
	row->entry = (struct node_entry){
		texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6], texts[7]};
	row->source = source;
	row->present = true;
	return row;
}

struct node_row *node_table_find(const struct node_table *t, const char *id)
{
	struct node_row *row = NULL;

	HASH_FIND_STR(t->rows, id, row);
	return row;
}

int node_table_put(
	struct node_table *t, const struct node_entry *entry, size_t source, struct node_row **ret)
{
	struct node_row *old = node_table_find(t, entry->id), *row;

	if (old && old->source == source && is_same(&old->entry, entry)) {
		old->present = true;
		*ret = old;
		return 0;
	}
	if (!old && HASH_COUNT(t->rows) >= t->limit)
		return -ENOSPC;
	row = row_new(entry, source);
	if (!row)
		return -ENOMEM;
	if (old)
		node_table_remove(t, old);
	HASH_ADD_KEYPTR(hh, t->rows, row->entry.id, strlen(row->entry.id), row);
	if (!map_has_added(row)) {
		free(row);
		return -ENOMEM;
	}
	*ret = row;
	return 1;
}

void node_table_remove(struct node_table *t, struct node_row *row)
{
	HASH_DEL(t->rows, row);
	free(row);
}

void node_table_done(struct node_table *t)
{
	struct node_row *row, *tmp;

	HASH_ITER (hh, t->rows, row, tmp)
		node_table_remove(t, row);
}
