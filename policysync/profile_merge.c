// SPDX-License-Identifier: Apache-2.0
#include "policysync/profile_merge.h"
#include "common/wire/arena_alloc.h"
#include <errno.h>

struct body {
	uint32_t containers[PROFILE_CONTAINERS];
	uint64_t versions[PROFILE_VERSIONS];
	size_t container_count, version_count;
	uint32_t names, seen_in;
};

/* Ascending without doubles; the smallest stay. */
static void add_container(struct body *b, uint32_t hash)
{
	size_t at = 0;

	while (at < b->container_count && b->containers[at] < hash)
		at++;
	if (at == PROFILE_CONTAINERS || (at < b->container_count && b->containers[at] == hash))
		return;
	if (b->container_count < PROFILE_CONTAINERS)
		b->container_count++;
	for (size_t i = b->container_count - 1; i > at; i--)
		b->containers[i] = b->containers[i - 1];
	b->containers[at] = hash;
}

static void add_version(struct body *b, uint64_t hash)
{
	size_t at = 0;

	while (at < b->version_count && b->versions[at] < hash)
		at++;
	if (at == PROFILE_VERSIONS || (at < b->version_count && b->versions[at] == hash))
		return;
	if (b->version_count < PROFILE_VERSIONS)
		b->version_count++;
	for (size_t i = b->version_count - 1; i > at; i--)
		b->versions[i] = b->versions[i - 1];
	b->versions[at] = hash;
}

static void join(struct body *b, const Podward__V1__Behaviour *m)
{
	for (size_t i = 0; i < m->n_containers; i++)
		add_container(b, m->containers[i]);
	for (size_t i = 0; i < m->n_versions; i++)
		add_version(b, m->versions[i]);
	if (m->names > b->names)
		b->names = m->names;
	if (m->seen_in > b->seen_in)
		b->seen_in = m->seen_in;
}

static int pack(const ProtobufCMessage *m, struct pw_buf *out)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *room;

	pw_buf_clear(out);
	if (size == 0)
		return 0;
	room = pw_buf_extend(out, size);
	if (!room)
		return pw_buf_error(out);
	(void)protobuf_c_message_pack(m, room);
	return 0;
}

static const Podward__V1__Behaviour *unpack(struct pw_slice bytes, struct pw_arena *a)
{
	return (const Podward__V1__Behaviour *)pw_unpack(
		a, &podward__v1__behaviour__descriptor, bytes);
}

int profile_merge_body(struct pw_slice stored, const Podward__V1__Behaviour *arrived,
	struct pw_arena *scratch, struct pw_buf *out)
{
	Podward__V1__Behaviour m = PODWARD__V1__BEHAVIOUR__INIT;
	const Podward__V1__Behaviour *old = stored.len > 0 ? unpack(stored, scratch) : NULL;
	struct body b = {.names = 0};

	if (old)
		join(&b, old);
	join(&b, arrived);
	m.containers = b.containers;
	m.n_containers = b.container_count;
	m.versions = b.versions;
	m.n_versions = b.version_count;
	m.names = b.names;
	m.seen_in = b.seen_in;
	return pack(&m.base, out);
}

int profile_merge_read(struct pw_slice stored, struct pw_arena *a, Podward__V1__Behaviour *ret)
{
	const Podward__V1__Behaviour *m;

	if (stored.len == 0)
		return 0;
	m = unpack(stored, a);
	if (!m)
		return -ENOMEM;
	ret->containers = m->containers;
	ret->n_containers = m->n_containers;
	ret->versions = m->versions;
	ret->n_versions = m->n_versions;
	ret->names = m->names;
	ret->seen_in = m->seen_in;
	return 0;
}

int profile_merge_state(const Podward__V1__ProfileState *s, struct pw_buf *out)
{
	return pack(&s->base, out);
}
