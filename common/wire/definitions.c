/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire/definitions.h"

#include "common/wire/from_wire.h"

#include "common/wire/container.h"

#include <errno.h>

static bool is_ref(uint32_t ref)
{
	return ref > 0 && ref <= PW_WIRE_REF_MAX;
}

static int refuse_ref(
	struct pw_definitions *d, const char *field, size_t i, const char *member, uint32_t ref)
{
	return pw_err_set(d->err, -EINVAL, "%s[%zu]%s: %u is out of range 1 to %u", field, i,
		member, ref, PW_WIRE_REF_MAX);
}

int pw_refuse_unknown(
	struct pw_err *err, const char *field, size_t i, const char *member, uint32_t ref)
{
	return pw_err_set(err, -EINVAL, "%s[%zu]%s: unknown ref %u", field, i, member, ref);
}

/* Says -ENOSPC of a table as the ceiling that it is. */
static int refuse_add(struct pw_definitions *d, int r, const char *field, size_t i, uint32_t limit)
{
	if (r == -ENOSPC)
		return pw_err_set(
			d->err, -E2BIG, "%s[%zu]: more than %u on this stream", field, i, limit);
	return pw_err_set(d->err, r, "%s[%zu]: %s", field, i, pw_err_text(r));
}

/* Strings and containers' texts share one ceiling. */
static int check_bytes(struct pw_definitions *d, const char *field, size_t i, size_t bytes)
{
	size_t limit = d->limits->string_bytes;
	size_t used = d->tables->dictionary->bytes;

	if (used <= limit && bytes <= limit - used)
		return 0;
	return pw_err_set(d->err, -E2BIG, "%s[%zu]: more than %zu bytes of strings on this stream",
		field, i, limit);
}

static int refuse_length(
	struct pw_definitions *d, const char *field, size_t i, const char *member, size_t len)
{
	return pw_err_set(d->err, -EINVAL, "%s[%zu]%s: %zu bytes, at most %u", field, i, member,
		len, PW_WIRE_STRING_MAX);
}

static int add_string(struct pw_definitions *d, const Podward__V1__EventBatch *msg, size_t i)
{
	uint32_t id = msg->dict_id[i];
	struct pw_slice bytes = pw_wire_slice(msg->dict[i]);
	const struct pw_dict_string *known = NULL;
	int r = 0;

	if (!is_ref(id))
		return refuse_ref(d, "dict_id", i, "", id);
	if (bytes.len > PW_WIRE_STRING_MAX)
		return refuse_length(d, "dict", i, "", bytes.len);
	known = pw_tables_string(d->tables, id);
	if (known && pw_slice_eq(pw_dict_string_slice(known), bytes))
		return 0;
	if (known)
		return pw_err_set(
			d->err, -EINVAL, "dict[%zu]: id %u was defined with other bytes", i, id);
	r = check_bytes(d, "dict", i, bytes.len);
	if (r < 0)
		return r;
	r = pw_tables_add_string(d->tables, &d->journal, id, bytes);
	return r < 0 ? refuse_add(d, r, "dict", i, d->limits->strings) : 0;
}

static bool containers_equal(struct pw_container_def a, struct pw_container_def b)
{
	struct pw_slice *ta[PW_CONTAINER_TEXTS];
	struct pw_slice *tb[PW_CONTAINER_TEXTS];

	pw_container_texts(&a, ta);
	pw_container_texts(&b, tb);
	for (size_t i = 0; i < PW_CONTAINER_TEXTS; i++)
		if (!pw_slice_eq(*ta[i], *tb[i]))
			return false;
	return a.pre_running == b.pre_running && a.started.ns == b.started.ns;
}

static int check_container_texts(struct pw_definitions *d, size_t i, struct pw_container_def def)
{
	/* In the order of pw_container_texts. */
	static const char *const names[PW_CONTAINER_TEXTS] = {".id", ".pod_uid", ".pod_group",
		".pod_name", ".name", ".image", ".image_digest", ".runtime"};
	struct pw_slice *texts[PW_CONTAINER_TEXTS];

	pw_container_texts(&def, texts);
	for (size_t t = 0; t < PW_CONTAINER_TEXTS; t++)
		if (texts[t]->len > PW_WIRE_STRING_MAX)
			return refuse_length(d, "containers", i, names[t], texts[t]->len);
	return check_bytes(d, "containers", i, pw_container_text_bytes(&def));
}

static int add_container(struct pw_definitions *d, const Podward__V1__EventBatch *msg, size_t i)
{
	struct pw_container_def def = pw_container_def_of(msg->containers[i]);
	const struct pw_container *known = NULL;
	int r = 0;

	if (!is_ref(def.ref))
		return refuse_ref(d, "containers", i, ".ref", def.ref);
	known = pw_tables_container(d->tables, def.ref);
	if (known && containers_equal(known->def, def))
		return 0;
	if (known)
		return pw_err_set(d->err, -EINVAL, "containers[%zu]: ref %u was defined otherwise",
			i, def.ref);
	r = check_container_texts(d, i, def);
	if (r < 0)
		return r;
	r = pw_tables_add_container(d->tables, &d->journal, &def);
	return r < 0 ? refuse_add(d, r, "containers", i, d->limits->containers) : 0;
}

static bool processes_agree_more(
	const struct pw_process_def *known, const struct pw_process_def *again)
{
	return known->env == again->env && known->script == again->script &&
	       known->euid == again->euid && known->egid == again->egid &&
	       known->vpid == again->vpid && known->caps_effective == again->caps_effective &&
	       known->caps_permitted == again->caps_permitted &&
	       known->caps_inheritable == again->caps_inheritable &&
	       known->exe_inode == again->exe_inode && known->exe_dev == again->exe_dev;
}

/* A parent of 0 says "unknown", which contradicts nothing: the parent may have exited since. */
static bool processes_agree(const struct pw_process_def *known, const struct pw_process_def *again)
{
	return (known->parent_ref == again->parent_ref || again->parent_ref == 0) &&
	       known->container == again->container && known->pid == again->pid &&
	       known->uid == again->uid && known->gid == again->gid &&
	       known->flags == again->flags && known->tty == again->tty &&
	       known->session == again->session && known->exe == again->exe &&
	       known->args == again->args && known->cwd == again->cwd &&
	       known->comm == again->comm && known->start.ns == again->start.ns &&
	       processes_agree_more(known, again);
}

static int resolve_strings(struct pw_definitions *d, size_t i, const struct pw_process_def *def,
	struct pw_process_links *links)
{
	static const char *const names[] = {".exe", ".args", ".cwd", ".comm", ".env", ".script"};
	uint32_t ids[PW_PROCESS_STRINGS] = {
		def->exe, def->args, def->cwd, def->comm, def->env, def->script};

	for (size_t k = 0; k < PW_COUNT(ids); k++) {
		links->strings[k] = pw_tables_string(d->tables, ids[k]);
		if (ids[k] != 0 && !links->strings[k])
			return pw_refuse_unknown(d->err, "processes", i, names[k], ids[k]);
	}
	return 0;
}

static int resolve_links(struct pw_definitions *d, size_t i, const struct pw_process_def *def,
	struct pw_process_links *links)
{
	links->parent = pw_tables_process(d->tables, def->parent_ref);
	if (def->parent_ref != 0 && !links->parent)
		return pw_refuse_unknown(d->err, "processes", i, ".parent_ref", def->parent_ref);
	links->container = pw_tables_container(d->tables, def->container);
	if (def->container != 0 && !links->container)
		return pw_refuse_unknown(d->err, "processes", i, ".container", def->container);
	return resolve_strings(d, i, def, links);
}

static int add_process(struct pw_definitions *d, const Podward__V1__EventBatch *msg, size_t i)
{
	struct pw_process_def def = pw_process_def_of(msg->processes[i]);
	struct pw_process_links links = {0};
	const struct pw_process *known = NULL;
	int r = 0;

	if (!is_ref(def.ref))
		return refuse_ref(d, "processes", i, ".ref", def.ref);
	if (def.start.ns >= PW_WIRE_TIME_MAX)
		return pw_err_set(d->err, -EINVAL, "processes[%zu].start_boot_ns: out of range", i);
	known = pw_tables_process(d->tables, def.ref);
	if (known && processes_agree(&known->def, &def))
		return 0;
	if (known)
		return pw_err_set(d->err, -EINVAL, "processes[%zu]: ref %u was defined otherwise",
			i, def.ref);
	r = resolve_links(d, i, &def, &links);
	if (r < 0)
		return r;
	r = pw_tables_add_process(d->tables, &d->journal, &def, &links);
	return r < 0 ? refuse_add(d, r, "processes", i, d->limits->processes) : 0;
}

int pw_definitions_add(struct pw_definitions *d, const Podward__V1__EventBatch *msg)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < msg->n_dict; i++)
		r = add_string(d, msg, i);
	for (size_t i = 0; r == 0 && i < msg->n_containers; i++)
		r = add_container(d, msg, i);
	for (size_t i = 0; r == 0 && i < msg->n_processes; i++)
		r = add_process(d, msg, i);
	return r;
}
