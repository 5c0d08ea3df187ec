/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/event.h"

#include "common/base/escape.h"

#define SHOWN_BYTES 256

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

static void describe_details(const struct event *e, struct pw_buf *out)
{
	switch (e->type) {
	case EVENT_EXEC:
		add_field(out, "exe", e->exec.exe);
		(void)pw_buf_addf(out, " flags=%#x", e->exec.exec_flags);
		break;
	case EVENT_FORK:
		(void)pw_buf_addf(out, " parent=%u", e->fork.parent.tgid);
		break;
	case EVENT_EXIT:
		(void)pw_buf_addf(out, " status=%#x", e->exit.status);
		break;
	case EVENT_OPEN:
		add_field(out, "path", e->open.path);
		(void)pw_buf_addf(out, " flags=%#o ret=%d", e->open.open_flags, e->open.ret);
		break;
	case EVENT_CONNECT:
		add_field(out, "path", e->connect.path);
		(void)pw_buf_addf(out, " family=%u port=%u ret=%d", e->connect.family,
			e->connect.port, e->connect.ret);
		break;
	case EVENT_CGROUP_MKDIR:
	case EVENT_CGROUP_RMDIR:
		add_field(out, "path", e->cgroup_dir.path);
		break;
	case EVENT_NONE:
	case EVENT_TYPES:
		break;
	}
}

int event_describe(const struct event *e, struct pw_buf *out)
{
	(void)pw_buf_addf(out, "%s pid=%u cgroup=%llu", event_type_name(e->type), e->pid,
		(unsigned long long)e->cgroup);
	describe_details(e, out);
	return pw_buf_error(out);
}
