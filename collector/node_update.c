/* SPDX-License-Identifier: Apache-2.0 */
/* The copy that node_watch.c makes of a message: the message dies with its callback. */
#include "collector/node_update.h"

#include <errno.h>

#define ASSIGNMENTS_MAX 8192u
#define EXCLUDE_MAX     256u
#define ANALYZERS_MAX   64u
#define TEXT_MAX        4096u
#define CHUNK_BYTES     (16u * 1024)
#define ARENA_BYTES     (32u << 20)

void node_update_free(struct node_update *u)
{
	if (!u)
		return;
	pw_arena_free(u->arena);
	free(u);
}

static int text(struct node_update *u, const ProtobufCBinaryData *from, struct pw_slice *ret)
{
	if (from->len > TEXT_MAX)
		return -E2BIG;
	*ret = pw_arena_dup(u->arena, pw_slice_of(from->data, from->len));
	return ret->ptr || from->len == 0 ? 0 : -ENOMEM;
}

/* For gRPC targets and names: no NUL inside, one behind. */
static int c_text(struct node_update *u, const ProtobufCBinaryData *from, const char **ret)
{
	struct pw_slice copy = {0};
	int r = text(u, from, &copy);

	if (r < 0)
		return r;
	if (copy.len == 0 || pw_slice_find_byte(copy, 0) >= 0)
		return -EINVAL;
	*ret = (const char *)copy.ptr;
	return 0;
}

/* Room for count objects, never NULL for none. */
static void *array(struct node_update *u, size_t count, size_t size)
{
	return pw_arena_alloc0(u->arena, count ? count : 1, size);
}

static int copy_assignment(
	struct node_update *u, const Podward__V1__Assignment *from, struct assignment *to)
{
	int r = text(u, &from->container_id, &to->container_id);

	if (r == 0)
		r = text(u, &from->pod_uid, &to->facts.pod_uid);
	if (r == 0)
		r = text(u, &from->pod_group, &to->facts.pod_group);
	if (r == 0)
		r = text(u, &from->pod_name, &to->facts.pod_name);
	if (r == 0)
		r = text(u, &from->container_name, &to->facts.name);
	if (r == 0)
		r = text(u, &from->image, &to->facts.image);
	if (r == 0)
		r = text(u, &from->image_digest, &to->facts.image_digest);
	if (r == 0 && (to->container_id.len == 0 || to->facts.pod_group.len == 0))
		r = -EINVAL;
	return r;
}

static int copy_assignments(struct node_update *u, const Podward__V1__NodeUpdate *m)
{
	int r = 0;

	if (m->n_assignments > ASSIGNMENTS_MAX)
		return -E2BIG;
	u->assignments = array(u, m->n_assignments, sizeof(*u->assignments));
	if (!u->assignments)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_assignments && r == 0; i++)
		r = copy_assignment(u, m->assignments[i], &u->assignments[u->assignment_count++]);
	return r;
}

static int copy_texts(
	struct node_update *u, const ProtobufCBinaryData *from, size_t count, struct pw_slice **ret)
{
	struct pw_slice *to = array(u, count, sizeof(*to));
	int r = to ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && r == 0; i++)
		r = text(u, &from[i], &to[i]);
	if (r == 0)
		*ret = to;
	return r;
}

static int copy_scope(struct node_update *u, const Podward__V1__Scope *from)
{
	struct pw_slice *exclude = NULL;
	int r = 0;

	if (!from)
		return 0;
	if (from->n_exclude > EXCLUDE_MAX)
		return -E2BIG;
	r = copy_texts(u, from->exclude, from->n_exclude, &exclude);
	if (r < 0)
		return r;
	u->has_scope = true;
	u->scope = (struct scope_rules){
		.derive_unassigned = from->derive_unassigned,
		.systemd_units = from->systemd_units,
		.pending_ms = from->pending_ms,
		.exclude = exclude,
		.exclude_count = (uint32_t)from->n_exclude,
	};
	return 0;
}

static int copy_analyzers(struct node_update *u, const Podward__V1__NodeUpdate *m)
{
	int r = 0;

	if (m->n_analyzers > ANALYZERS_MAX)
		return -E2BIG;
	u->analyzers = array(u, m->n_analyzers, sizeof(*u->analyzers));
	if (!u->analyzers)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_analyzers && r == 0; i++) {
		r = c_text(u, &m->analyzers[i]->name, &u->analyzers[i].name);
		if (r == 0)
			r = c_text(u, &m->analyzers[i]->address, &u->analyzers[i].address);
		u->analyzer_count++;
	}
	return r;
}

static int copy_members(
	struct node_update *u, const Podward__V1__ShardMap *from, struct owners_member *to)
{
	int r = 0;

	for (size_t i = 0; i < from->n_members && r == 0; i++) {
		r = c_text(u, &from->members[i]->name, &to[i].name);
		if (r == 0)
			r = c_text(u, &from->members[i]->address, &to[i].address);
	}
	return r;
}

static int copy_map(struct node_update *u, const Podward__V1__ShardMap *from)
{
	struct owners_member *members = NULL;
	struct pw_slice owners = {0};
	int r = 0;

	if (!from)
		return 0;
	if (from->n_members == 0 || from->n_members > SPLIT_LANES ||
		from->owners.len != SPLIT_SLOTS || from->epoch == 0)
		return -EINVAL;
	for (size_t i = 0; i < from->owners.len; i++)
		if (from->owners.data[i] >= from->n_members)
			return -EINVAL;
	members = array(u, from->n_members, sizeof(*members));
	r = members ? copy_members(u, from, members) : -ENOMEM;
	if (r == 0)
		r = text(u, &from->owners, &owners);
	if (r < 0)
		return r;
	u->has_map = true;
	u->map = (struct owners){
		.epoch = from->epoch,
		.members = members,
		.member_count = (uint32_t)from->n_members,
		.slots = owners.ptr,
	};
	return 0;
}

static int copy_all(struct node_update *u, const Podward__V1__NodeUpdate *m)
{
	int r = pw_arena_new(CHUNK_BYTES, ARENA_BYTES, &u->arena);

	if (r == 0)
		r = copy_assignments(u, m);
	if (r == 0 && m->n_removed > ASSIGNMENTS_MAX)
		r = -E2BIG;
	if (r == 0)
		r = copy_texts(u, m->removed, m->n_removed, &u->removed);
	if (r == 0)
		r = copy_scope(u, m->scope);
	if (r == 0)
		r = copy_analyzers(u, m);
	if (r == 0)
		r = copy_map(u, m->shard_map);
	u->removed_count = (uint32_t)m->n_removed;
	u->full = m->full;
	u->revision = m->revision;
	return r;
}

int node_update_copy(const Podward__V1__NodeUpdate *m, struct node_update **ret)
{
	struct node_update *u = pw_alloc0(1, sizeof(*u));
	int r = u ? copy_all(u, m) : -ENOMEM;

	if (r < 0) {
		node_update_free(u);
		return r;
	}
	*ret = u;
	return 0;
}
