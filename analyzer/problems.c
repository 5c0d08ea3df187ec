/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/problems.h"

#include <errno.h>

int problems_init(struct problems *p, struct pw_arena *arena)
{
	struct problem *items = pw_arena_alloc0(arena, PROBLEMS_LIMIT, sizeof(*items));

	if (!items)
		return -ENOMEM;
	*p = (struct problems){.arena = arena, .items = items};
	return 0;
}

int problems_add(
	struct problems *p, struct pw_slice object, struct pw_slice field, struct pw_slice message)
{
	struct problem made;

	if (p->count >= PROBLEMS_LIMIT) {
		p->dropped++;
		return 0;
	}
	made.object = pw_arena_dup(p->arena, object);
	made.field = pw_arena_dup(p->arena, field);
	made.message = pw_arena_dup(p->arena, message);
	if ((object.len && !made.object.ptr) || (field.len && !made.field.ptr) ||
		(message.len && !made.message.ptr))
		return -ENOMEM;
	p->items[p->count++] = made;
	return 0;
}
