// SPDX-License-Identifier: Apache-2.0
#include "policysync/runtime_json.h"
#include "common/web/json.h"
#include <errno.h>
#include <stdio.h>

void runtime_list_free(struct runtime_list *l)
{
	if (!l)
		return;
	free(l->items);
	free(l);
}

static bool copy_id(struct pw_slice id, char out[65])
{
	if (id.len < 12 || id.len > 64)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		uint8_t c = id.ptr[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		out[i] = (char)c;
	}
	out[id.len] = '\0';
	return true;
}

/* A part of a group key: printable ASCII without '/' and glob characters, the rest becomes '_'. */
static bool copy_part(struct pw_slice s, char *out, size_t size)
{
	size_t n = s.len < size - 1 ? s.len : size - 1;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = s.ptr[i];
		bool plain = c > 0x20 && c < 0x7f && !strchr("/*?[]\\\"'", c);

		out[i] = plain ? (char)c : '_';
	}
	out[n] = '\0';
	return n > 0;
}

/* Image references and digests: the same, with '/' allowed. */
static void copy_reference(struct pw_slice s, char *out, size_t size)
{
	size_t n = s.len < size - 1 ? s.len : size - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = s.ptr[i] > 0x20 && s.ptr[i] < 0x7f ? (char)s.ptr[i] : '_';
	out[n] = '\0';
}

static struct pw_slice first_name(const struct pw_json *item)
{
	struct pw_slice name = pw_json_text(pw_json_at(pw_json_get(item, "Names"), 0));

	if (name.len > 0 && name.ptr[0] == '/')
		name = pw_slice_sub(name, 1, name.len);
	return name;
}

static void read_group(
	const struct pw_json *labels, const char *runtime, struct runtime_container *c)
{
	struct pw_slice project = pw_json_text(pw_json_get(labels, "com.docker.compose.project"));
	struct pw_slice service = pw_json_text(pw_json_get(labels, "com.docker.compose.service"));
	char first[128], second[128];

	if (copy_part(project, first, sizeof(first)) &&
		copy_part(service, second, sizeof(second))) {
		(void)snprintf(
			c->group, sizeof(c->group), "%s/Compose/%s/%s", runtime, first, second);
		return;
	}
	(void)snprintf(c->group, sizeof(c->group), "%s/Container/%s/%s", runtime, c->name, c->name);
}

static void copy_name(struct pw_slice name, struct runtime_container *c)
{
	if (!copy_part(name, c->name, sizeof(c->name)))
		(void)snprintf(c->name, sizeof(c->name), "%.12s", c->id);
}

static bool read_container(
	const struct pw_json *item, const char *runtime, struct runtime_container *c)
{
	if (pw_json_type(item) != PW_JSON_OBJECT ||
		!copy_id(pw_json_text(pw_json_get(item, "Id")), c->id))
		return false;
	copy_name(first_name(item), c);
	copy_reference(pw_json_text(pw_json_get(item, "Image")), c->image, sizeof(c->image));
	copy_reference(pw_json_text(pw_json_get(item, "ImageID")), c->digest, sizeof(c->digest));
	read_group(pw_json_get(item, "Labels"), runtime, c);
	return true;
}

static int fill(const struct pw_json *root, const char *runtime, struct runtime_list *l)
{
	size_t count = pw_json_size(root);

	l->items = pw_alloc0(
		count < RUNTIME_CONTAINERS ? count + 1 : RUNTIME_CONTAINERS, sizeof(*l->items));
	if (!l->items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct runtime_container *c = &l->items[l->count];

		if (l->count == RUNTIME_CONTAINERS) {
			l->full += count - i;
			break;
		}
		*c = (struct runtime_container){0};
		if (read_container(pw_json_at(root, i), runtime, c))
			l->count++;
		else
			l->refused++;
	}
	return 0;
}

int runtime_json_parse(
	struct pw_slice text, const char *runtime, struct runtime_list **ret, struct pw_err *err)
{
	pw_cleanup(runtime_list_freep) struct runtime_list *l = NULL;
	struct pw_json *root = NULL;
	int r = pw_json_parse(text, &root, err);

	if (r < 0)
		return r;
	if (pw_json_type(root) != PW_JSON_ARRAY) {
		r = pw_err_set(err, -EINVAL, "list of containers: expected array, got %s",
			pw_json_type_name(pw_json_type(root)));
	} else {
		l = pw_alloc0(1, sizeof(*l));
		r = l ? fill(root, runtime, l) : -ENOMEM;
		if (r < 0)
			(void)pw_err_set(err, r, "out of memory");
	}
	pw_json_free(root);
	if (r < 0)
		return r;
	*ret = PW_TAKE(l);
	return 0;
}

/*
 * Both runtimes put the labels beside "name" and "image" into the attributes, and these two win
 * over labels of the same name. Source: https://docs.docker.com/reference/api/engine/version/v1.41/
 * (SystemEvents) and the answers of podman 4.3.1.
 */
static bool read_event(const struct pw_json *event, const char *runtime, struct runtime_list *l)
{
	const struct pw_json *actor = pw_json_get(event, "Actor");
	const struct pw_json *attributes = pw_json_get(actor, "Attributes");
	struct runtime_container *c = &l->items[l->count];
	struct pw_slice id = pw_json_text(pw_json_get(actor, "ID"));

	*c = (struct runtime_container){0};
	/* Whole ids only: a short one could be a name that somebody chose. */
	if (id.len != sizeof(c->id) - 1 || !copy_id(id, c->id))
		return false;
	copy_name(pw_json_text(pw_json_get(attributes, "name")), c);
	copy_reference(pw_json_text(pw_json_get(attributes, "image")), c->image, sizeof(c->image));
	read_group(attributes, runtime, c);
	return true;
}

/* True when the line is a JSON object. */
static bool read_line(struct pw_slice line, const char *runtime, struct runtime_list *l)
{
	struct pw_json *event = NULL;
	bool is_object = false;

	if (pw_json_parse(line, &event, NULL) == 0)
		is_object = pw_json_type(event) == PW_JSON_OBJECT;
	if (!is_object)
		l->refused++;
	else if (!pw_slice_eq_str(pw_json_text(pw_json_get(event, "Type")), "container"))
		; /* not asked for; a runtime may ignore the filter */
	else if (l->count == RUNTIME_CONTAINERS)
		l->full++;
	else if (read_event(event, runtime, l))
		l->count++;
	else
		l->refused++;
	pw_json_free(event);
	return is_object;
}

static size_t count_lines(struct pw_slice text)
{
	size_t lines = 1;

	for (size_t i = 0; i < text.len && lines < RUNTIME_CONTAINERS; i++)
		lines += text.ptr[i] == '\n';
	return lines;
}

int runtime_json_parse_events(
	struct pw_slice text, const char *runtime, struct runtime_list **ret, struct pw_err *err)
{
	pw_cleanup(runtime_list_freep) struct runtime_list *l = pw_alloc0(1, sizeof(*l));
	struct pw_slice line;
	bool some = false;

	if (l)
		l->items = pw_alloc0(count_lines(text), sizeof(*l->items));
	if (!l || !l->items)
		return pw_err_set(err, -ENOMEM, "out of memory");
	while (pw_slice_cut(&text, '\n', &line)) {
		line = pw_slice_trim(line);
		if (line.len > 0)
			some |= read_line(line, runtime, l);
	}
	if (!some && l->refused > 0)
		return pw_err_set(err, -EINVAL, "list of events: expected a JSON object per line");
	*ret = PW_TAKE(l);
	return 0;
}

const char *runtime_json_engine(struct pw_slice text)
{
	struct pw_json *root = NULL;
	const struct pw_json *components;
	bool podman = false;

	if (pw_json_parse(text, &root, NULL) < 0)
		return "docker";
	components = pw_json_get(root, "Components");
	for (size_t i = 0; i < pw_json_size(components); i++) {
		struct pw_slice name = pw_json_text(pw_json_get(pw_json_at(components, i), "Name"));

		podman |= pw_slice_starts(name, PW_SLICE_LIT("Podman"));
	}
	pw_json_free(root);
	return podman ? "podman" : "docker";
}
