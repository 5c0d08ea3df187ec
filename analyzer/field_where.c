/* SPDX-License-Identifier: Apache-2.0 */
/* container.* and k8s.*: where it happened. */
#include "analyzer/field_get.h"

#define SHORT_ID 12u
#define FULL_ID  64u

static const struct pw_container_def *container_of(const struct field_ctx *c)
{
	const struct pw_container *k = c->event->process->container;

	return k ? &k->def : NULL;
}

FIELD_GETTER(get_container_id)
{
	const struct pw_container_def *d = container_of(c);

	(void)r;
	if (!d)
		return field_text(ret, PW_SLICE_LIT("host"));
	return field_text(ret, d->id.len == FULL_ID ? pw_slice_sub(d->id, 0, SHORT_ID) : d->id);
}

FIELD_GETTER(get_container_full_id)
{
	const struct pw_container_def *d = container_of(c);

	(void)r;
	return field_text(ret, d ? d->id : PW_SLICE_LIT("host"));
}

FIELD_GETTER(get_container_name)
{
	const struct pw_container_def *d = container_of(c);

	(void)r;
	return field_text(ret, d ? d->name : PW_SLICE_LIT("host"));
}

FIELD_GETTER(get_container_type)
{
	const struct pw_container_def *d = container_of(c);

	(void)r;
	return field_text(ret, d ? d->runtime : PW_SLICE_LIT("host"));
}

FIELD_GETTER(get_container_image)
{
	const struct pw_container_def *d = container_of(c);

	(void)r;
	return d && field_text(ret, d->image);
}

struct image_parts {
	struct pw_slice repository, tag;
};

/* A colon before the last slash belongs to the registry's port. */
static struct image_parts split_image(struct pw_slice image)
{
	struct image_parts p = {.repository = image};
	ptrdiff_t at = pw_slice_find_byte(image, '@'), colon, slash;

	if (at >= 0)
		p.repository.len = (size_t)at;
	colon = pw_slice_rfind_byte(p.repository, ':');
	slash = pw_slice_rfind_byte(p.repository, '/');
	if (colon <= slash)
		return p;
	p.tag = pw_slice_sub(p.repository, (size_t)colon + 1, p.repository.len);
	p.repository.len = (size_t)colon;
	return p;
}

FIELD_GETTER(get_container_repository)
{
	const struct pw_container_def *d = container_of(c);

	(void)r;
	return d && field_text(ret, split_image(d->image).repository);
}

FIELD_GETTER(get_container_tag)
{
	const struct pw_container_def *d = container_of(c);

	(void)r;
	return d && field_text(ret, split_image(d->image).tag);
}

FIELD_GETTER(get_container_digest)
{
	const struct pw_container_def *d = container_of(c);

	(void)r;
	return d && field_text(ret, d->image_digest);
}

FIELD_GETTER(get_container_duration)
{
	const struct pw_container_def *d = container_of(c);

	(void)r;
	if (!d || d->started.ns <= 0 || d->started.ns > c->event->wall.ns)
		return false;
	return field_number(ret, c->event->wall.ns - d->started.ns);
}

/* The parts of "namespace/Kind/name/container"; missing outside Kubernetes. */
static bool group_part(const struct field_ctx *c, unsigned part, struct field_value *ret)
{
	const struct pw_container_def *d = container_of(c);
	struct pw_slice rest, piece = {NULL, 0};

	if (!d || d->pod_uid.len == 0)
		return false;
	rest = d->pod_group;
	for (unsigned i = 0; i <= part; i++)
		if (!pw_slice_cut(&rest, '/', &piece))
			return false;
	return field_text(ret, piece);
}

FIELD_GETTER(get_namespace)
{
	(void)r;
	return group_part(c, 0, ret);
}

FIELD_GETTER(get_pod_name)
{
	const struct pw_container_def *d = container_of(c);

	(void)r;
	return d && field_text(ret, d->pod_name);
}

FIELD_GETTER(get_pod_uid)
{
	const struct pw_container_def *d = container_of(c);

	(void)r;
	return d && field_text(ret, d->pod_uid);
}

FIELD_GETTER(get_workload_key)
{
	const struct pw_container_def *d = container_of(c);

	(void)r;
	return d && field_text(ret, d->pod_group);
}

FIELD_GETTER(get_workload_kind)
{
	(void)r;
	return group_part(c, 1, ret);
}

FIELD_GETTER(get_workload_name)
{
	(void)r;
	return group_part(c, 2, ret);
}

FIELD_GETTER(get_workload_container)
{
	(void)r;
	return group_part(c, 3, ret);
}
