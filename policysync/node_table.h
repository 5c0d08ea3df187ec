/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which container belongs to which pod group, on which node: one allocation each, as long as its
 * texts are. Thread: the owner's (the rpc loop's). Ceiling: limit containers, given at creation.
 */
#include "policysync/map.h"

/* Texts are borrowed for the call, or the table's until its next change. */
struct node_entry {
	const char *id;   /* container id */
	const char *node; /* "" = on any node */
	const char *group, *name, *image, *digest;
	const char *pod_uid, *pod_name; /* "" outside of a cluster */
};

struct node_row {
	UT_hash_handle hh;
	struct node_entry entry;
	size_t source;
	bool present; /* for a source that tells everything at once: named by the list being applied
		       */
	char text[];
};

struct node_table {
	struct node_row *rows;
	size_t limit;
};

void node_table_done(struct node_table *t);
/* 1 = new or changed, 0 = as before, -ENOSPC at the ceiling, -ENOMEM. */
int node_table_put(struct node_table *t, const struct node_entry *entry, size_t source,
	struct node_row **ret) PW_MUST_CHECK;
struct node_row *node_table_find(const struct node_table *t, const char *id);
void node_table_remove(struct node_table *t, struct node_row *row); /* frees it */
