/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/lab_event.h"

#include "analyzer/field_calls.h"
#include "common/base/escape.h"
#include "podward/v1/event.pb-c.h"

#include <errno.h>
#include <stdio.h>

#define ACCESS(x) ((uint32_t)PODWARD__V1__FILE_ACCESS__FILE_ACCESS_##x)

struct reading {
	struct lab_event *e;
	struct pw_slice exe, args;
	struct pw_err *err;
};

static int refuse(struct reading *r, const char *key, const char *why)
{
	char shown[64];

	return pw_err_set(r->err, -EINVAL, "\"%s\": %s",
		pw_escape_to(pw_slice_str(key), shown, sizeof(shown)), why);
}

static int read_type(struct reading *r, const char *key, const struct pw_json *v)
{
	struct pw_event *e = &r->e->event;

	return field_call_find(pw_json_text(v), &e->syscall, &e->kind)
		       ? 0
		       : refuse(r, key, "no event has this name");
}

static void set_access(struct reading *r, const struct pw_json *v, uint32_t bit)
{
	if (pw_json_bool(v))
		r->e->event.aux |= bit;
}

static int read_ancestor(struct reading *r, const char *key, const struct pw_json *v)
{
	unsigned n;
	char end;

	if (sscanf(key, "proc.aname[%u%c", &n, &end) != 2 || end != ']' || n == 0 ||
		n > LAB_ANCESTORS)
		return refuse(r, key, "expected proc.aname[1] to [16]");
	r->e->processes[n].comm = pw_json_text(v);
	return 0;
}

/* Texts that go into one place as they are. */
static struct pw_slice *text_place(struct reading *r, const char *key)
{
	struct lab_event *e = r->e;
	const struct {
		const char *key;
		struct pw_slice *place;
	} rows[] = {
		{"proc.name", &e->processes[0].comm},
		{"proc.exe", &r->exe},
		{"proc.exepath", &e->processes[0].exe},
		{"proc.args", &r->args},
		{"proc.cwd", &e->processes[0].cwd},
		{"proc.pname", &e->processes[1].comm},
		{"proc.pexepath", &e->processes[1].exe},
		{"fd.name", &e->event.object},
		{"evt.object", &e->event.object},
		{"evt.object2", &e->event.object2},
		{"container.id", &e->container.def.id},
		{"container.name", &e->container.def.name},
		{"container.image", &e->container.def.image},
		{"k8s.pod.uid", &e->container.def.pod_uid},
		{"k8s.workload.key", &e->container.def.pod_group},
	};

	for (size_t i = 0; i < PW_COUNT(rows); i++)
		if (strcmp(rows[i].key, key) == 0)
			return rows[i].place;
	return NULL;
}

static int read_number(struct reading *r, const char *key, int64_t n)
{
	struct lab_event *e = r->e;

	if (strcmp(key, "proc.pid") == 0)
		e->processes[0].def.pid = (uint32_t)n;
	else if (strcmp(key, "proc.ppid") == 0)
		e->processes[1].def.pid = (uint32_t)n;
	else if (strcmp(key, "proc.tty") == 0)
		e->processes[0].def.tty = (uint32_t)n;
	else if (strcmp(key, "proc.flags") == 0)
		e->processes[0].def.flags = (uint32_t)n;
	else if (strcmp(key, "user.uid") == 0)
		e->processes[0].def.uid = (uint32_t)n;
	else if (strcmp(key, "evt.rawres") == 0 || strcmp(key, "fd.num") == 0)
		e->event.ret = (int32_t)n;
	else if (strcmp(key, "evt.aux") == 0)
		e->event.aux |= (uint32_t)n;
	else if (strcmp(key, "evt.arg") == 0)
		e->event.arg = (uint64_t)n;
	else
		return refuse(r, key, "is no field of an event");
	return 0;
}

static int read_key(struct reading *r, const char *key, const struct pw_json *v)
{
	struct pw_slice *place = text_place(r, key);

	if (strcmp(key, "evt.type") == 0)
		return read_type(r, key, v);
	if (strncmp(key, "proc.aname[", 11) == 0)
		return read_ancestor(r, key, v);
	if (strcmp(key, "proc.cmdline") == 0)
		return 0; /* follows from name and args */
	if (place) {
		*place = pw_json_text(v);
		return 0;
	}
	if (strcmp(key, "evt.is_open_read") == 0)
		set_access(r, v, ACCESS(READ));
	else if (strcmp(key, "evt.is_open_write") == 0)
		set_access(r, v, ACCESS(WRITE));
	else
		return read_number(r, key, pw_json_int(v));
	return 0;
}

/* Parents up to the last ancestor that has a fact. */
static void link_ancestors(struct lab_event *e)
{
	uint32_t last = 0;

	for (uint32_t i = 1; i <= LAB_ANCESTORS; i++)
		if (e->processes[i].comm.len || e->processes[i].exe.len || e->processes[i].def.pid)
			last = i;
	for (uint32_t i = 0; i < last; i++)
		e->processes[i].parent = &e->processes[i + 1];
	e->event.process = &e->processes[0];
	if (e->container.def.id.len > 0)
		e->processes[0].container = &e->container;
}

int lab_event_read(const struct pw_json *j, struct lab_event *ret, struct pw_err *err)
{
	struct reading r = {.e = ret, .err = err};
	const struct pw_json *v;
	void *cursor = NULL;
	const char *key;

	*ret = (struct lab_event){.event = {.count = 1}};
	pw_buf_init(&ret->args, 1 << 20);
	while ((v = pw_json_next(j, &cursor, &key)))
		if (read_key(&r, key, v) < 0)
			return -EINVAL;
	(void)pw_buf_add_slice(&ret->args, r.exe);
	(void)pw_buf_add_byte(&ret->args, 0);
	(void)pw_buf_add_slice(&ret->args, r.args);
	if (pw_buf_error(&ret->args))
		return pw_err_set(err, -ENOMEM, "out of memory");
	ret->processes[0].args = r.args.len ? pw_buf_slice(&ret->args)
					    : pw_slice_sub(pw_buf_slice(&ret->args), 0, r.exe.len);
	link_ancestors(ret);
	return 0;
}

void lab_event_done(struct lab_event *e)
{
	pw_buf_done(&e->args);
}
