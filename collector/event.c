/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/event.h"

#include "common/base/escape.h"

#define SHOWN_BYTES 256

bool event_is_call(enum event_type type)
{
	return type >= EVENT_REMOVE && type < EVENT_TYPES;
}

const char *event_type_name(enum event_type type)
{
	static const char *const names[EVENT_TYPES] = {
#define EVENT(suffix, name, wire) [EVENT_##suffix] = (name),
#include "collector/events.def"
#undef EVENT
	};

	if ((unsigned)type >= EVENT_TYPES || !names[type])
		return "unknown";
	return names[type];
}

enum pw_event_kind event_wire_kind(enum event_type type)
{
	static const enum pw_event_kind kinds[EVENT_TYPES] = {
#define EVENT(suffix, name, wire) [EVENT_##suffix] = (wire),
#include "collector/events.def"
#undef EVENT
	};

	return (unsigned)type < EVENT_TYPES ? kinds[type] : PW_EVENT_NONE;
}

static void add_field(struct pw_buf *out, const char *name, struct pw_slice value)
{
	if (value.len == 0)
		return;
	(void)pw_buf_addf(out, " %s=", name);
	(void)pw_escape(out, value, SHOWN_BYTES);
}

static void describe_call(const struct event_call *c, struct pw_buf *out)
{
	add_field(out, "base", c->base);
	add_field(out, "path", c->path);
	add_field(out, "base2", c->base2);
	add_field(out, "path2", c->path2);
	add_field(out, "text", c->text);
	(void)pw_buf_addf(out, " num=%llu,%llu,%llu ret=%d", (unsigned long long)c->num[0],
		(unsigned long long)c->num[1], (unsigned long long)c->num[2], c->ret);
}

static void describe_details(const struct event *e, struct pw_buf *out)
{
	if (e->type == EVENT_EXEC) {
		add_field(out, "exe", e->exec.exe);
		(void)pw_buf_addf(out, " flags=%#x", e->exec.exec_flags);
	} else if (e->type == EVENT_FORK) {
		(void)pw_buf_addf(out, " parent=%u", e->fork.parent.tgid);
	} else if (e->type == EVENT_EXIT) {
		(void)pw_buf_addf(out, " status=%#x", e->exit.status);
	} else if (e->type == EVENT_OPEN) {
		add_field(out, "path", e->open.path);
		(void)pw_buf_addf(out, " flags=%#o ret=%d", e->open.open_flags, e->open.ret);
	} else if (e->type == EVENT_CONNECT) {
		add_field(out, "path", e->connect.path);
		(void)pw_buf_addf(out, " family=%u port=%u ret=%d", e->connect.address.family,
			e->connect.address.port, e->connect.ret);
	} else if (e->type == EVENT_CGROUP_MKDIR || e->type == EVENT_CGROUP_RMDIR) {
		add_field(out, "path", e->cgroup_dir.path);
	} else if (event_is_call(e->type)) {
		describe_call(&e->call, out);
	}
}

int event_describe(const struct event *e, struct pw_buf *out)
{
	(void)pw_buf_addf(out, "%s pid=%u cgroup=%llu", event_type_name(e->type), e->pid,
		(unsigned long long)e->cgroup);
	describe_details(e, out);
	return pw_buf_error(out);
}
