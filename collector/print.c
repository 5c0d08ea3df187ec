/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/print.h"

#include "collector/calls.h"
#include "common/base/escape.h"
#include "podward/v1/event.pb-c.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define SHOWN_BYTES     2048
#define SHORT_ID        12u
#define PRINT_CALL_SIZE 64
#define PARENTS_MAX     16u

/* Names of bits, for both forms. */
struct bit_name {
	uint32_t bit;
	const char *name;
};

#define PROCESS_BIT(suffix, text)                                                 \
	{                                                                         \
		(uint32_t) PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_##suffix, text \
	}
static const struct bit_name process_bits[] = {
	PROCESS_BIT(INIT, "init"),
	PROCESS_BIT(UPPER_LAYER, "upper_layer"),
	PROCESS_BIT(MEMFD, "memfd"),
	PROCESS_BIT(DELETED, "deleted"),
	PROCESS_BIT(NOT_FROM_INIT, "not_from_init"),
	PROCESS_BIT(ARGS_TRUNCATED, "args_truncated"),
	PROCESS_BIT(PRE_RUNNING, "pre_running"),
	PROCESS_BIT(STDIN_SOCKET, "stdin_socket"),
	PROCESS_BIT(STDOUT_SOCKET, "stdout_socket"),
	PROCESS_BIT(PARTIAL, "partial"),
	PROCESS_BIT(STDERR_SOCKET, "stderr_socket"),
	PROCESS_BIT(STDIN_PIPE, "stdin_pipe"),
	PROCESS_BIT(STDOUT_PIPE, "stdout_pipe"),
	PROCESS_BIT(SCRIPT, "script"),
	PROCESS_BIT(BY_FD, "by_fd"),
};
#define ACCESS_BIT(suffix, text)                                                \
	{                                                                       \
		(uint32_t) PODWARD__V1__FILE_ACCESS__FILE_ACCESS_##suffix, text \
	}
static const struct bit_name access_bits[] = {
	ACCESS_BIT(READ, "read"),
	ACCESS_BIT(WRITE, "write"),
	ACCESS_BIT(CREATE, "create"),
	ACCESS_BIT(TRUNCATE, "truncate"),
	ACCESS_BIT(DIRECTORY, "directory"),
	ACCESS_BIT(PATH_ONLY, "path_only"),
};
#define EVENT_BIT(suffix, text)                                               \
	{                                                                     \
		(uint32_t) PODWARD__V1__EVENT_FLAG__EVENT_FLAG_##suffix, text \
	}
static const struct bit_name event_bits[] = {
	EVENT_BIT(USER_PATH, "user_path"),
	EVENT_BIT(TRUNCATED, "truncated"),
	EVENT_BIT(FOLD, "fold"),
	EVENT_BIT(PRE_RUNNING, "pre_running"),
	EVENT_BIT(IO_URING, "io_uring"),
	EVENT_BIT(COMPAT, "compat"),
};

/* aux is PW_CONNECT_AUX */
static bool has_address(const struct occurrence *o)
{
	return o->kind == PW_EVENT_CONNECT || o->kind == PW_EVENT_BIND ||
	       o->kind == PW_EVENT_LISTEN || o->kind == PW_EVENT_ACCEPT || o->kind == PW_EVENT_SEND;
}

static bool has_access(const struct occurrence *o)
{
	return o->kind == PW_EVENT_OPEN || o->kind == PW_EVENT_OPEN_BY_HANDLE;
}

/* aux is a number of its own */
static bool has_number(const struct occurrence *o)
{
	return o->kind >= PW_EVENT_REMOVE && !has_address(o) && !has_access(o);
}

static const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "other";
}

static const char *family_name(uint8_t family)
{
	return family == AF_INET    ? "inet"
	       : family == AF_INET6 ? "inet6"
	       : family == AF_UNIX  ? "unix"
				    : "other";
}

/* --- JSON --- */

/* ,"name": — or without the comma at the beginning of an object. */
static void key(struct pw_buf *out, const char *name)
{
	uint8_t last = out->len ? out->data[out->len - 1] : '{';

	if (last != '{' && last != '[')
		(void)pw_buf_add_byte(out, ',');
	(void)pw_buf_addf(out, "\"%s\":", name);
}

static void json_text(struct pw_buf *out, const char *name, struct pw_slice value)
{
	if (value.len == 0)
		return;
	key(out, name);
	(void)pw_escape_json(out, value);
}

static void json_number(struct pw_buf *out, const char *name, int64_t value)
{
	key(out, name);
	(void)pw_buf_addf(out, "%lld", (long long)value);
}

static void json_bits(struct pw_buf *out, const char *name, uint32_t bits,
	const struct bit_name *names, size_t count)
{
	bool first = true;

	if (bits == 0)
		return;
	key(out, name);
	(void)pw_buf_add_byte(out, '[');
	for (size_t i = 0; i < count; i++) {
		if (!(bits & names[i].bit))
			continue;
		(void)pw_buf_addf(out, "%s\"%s\"", first ? "" : ",", names[i].name);
		first = false;
	}
	(void)pw_buf_add_byte(out, ']');
}

static void json_list(struct pw_buf *out, const char *name, struct pw_slice args)
{
	struct pw_slice arg = {0};
	bool first = true;

	if (args.len == 0)
		return;
	key(out, name);
	(void)pw_buf_add_byte(out, '[');
	while (pw_slice_cut(&args, 0, &arg)) {
		if (!first)
			(void)pw_buf_add_byte(out, ',');
		first = false;
		(void)pw_escape_json(out, arg);
	}
	(void)pw_buf_add_byte(out, ']');
}

static void json_container(struct pw_buf *out, const struct container *c)
{
	if (!c)
		return;
	key(out, "container");
	(void)pw_buf_add_byte(out, '{');
	json_text(out, "id", c->id);
	json_text(out, "runtime", pw_slice_str(cgroup_runtime_name(c->runtime)));
	json_text(out, "group", c->pod_group);
	json_text(out, "pod_uid", c->pod_uid);
	json_text(out, "pod_name", c->pod_name);
	json_text(out, "name", c->name);
	json_text(out, "image", c->image);
	json_text(out, "state", pw_slice_str(container_state_name(c->state)));
	(void)pw_buf_add_byte(out, '}');
}

static void json_process(struct pw_buf *out, const struct image *i)
{
	key(out, "process");
	(void)pw_buf_add_byte(out, '{');
	json_number(out, "pid", i->pid);
	json_number(out, "ppid", i->ppid);
	json_number(out, "start", (int64_t)i->start.ns);
	json_number(out, "uid", i->uid);
	json_number(out, "gid", i->gid);
	json_text(out, "comm", i->program->comm);
	json_text(out, "exe", i->program->exe);
	json_list(out, "args", i->program->args);
	json_list(out, "env", i->program->env);
	json_text(out, "cwd", i->program->cwd);
	json_bits(out, "flags", i->flags, process_bits, PW_COUNT(process_bits));
	(void)pw_buf_add_byte(out, '}');
}

static void json_lineage(struct pw_buf *out, const struct image *i)
{
	const struct image *parent = i->parent;

	if (!parent)
		return;
	key(out, "lineage");
	(void)pw_buf_add_byte(out, '[');
	for (unsigned n = 0; parent && n < PARENTS_MAX; n++, parent = parent->parent) {
		if (n > 0)
			(void)pw_buf_add_byte(out, ',');
		(void)pw_buf_add_byte(out, '{');
		json_number(out, "pid", parent->pid);
		json_text(out, "exe", parent->program->exe);
		(void)pw_buf_add_byte(out, '}');
	}
	(void)pw_buf_add_byte(out, ']');
}

static void json_occurrence(struct pw_buf *out, const struct occurrence *o)
{
	char call[PRINT_CALL_SIZE];

	json_text(out, "object", o->object);
	json_text(out, "object2", o->object2);
	if (has_access(o))
		json_bits(out, "access", o->aux, access_bits, PW_COUNT(access_bits));
	if (has_address(o)) {
		json_text(out, "family", pw_slice_str(family_name(PW_CONNECT_FAMILY(o->aux))));
		if (PW_CONNECT_FAMILY(o->aux) != AF_UNIX) {
			json_text(out, "protocol",
				pw_slice_str(protocol_name(PW_CONNECT_PROTO(o->aux))));
			json_number(out, "port", PW_CONNECT_PORT(o->aux));
		}
	}
	if (has_number(o))
		json_number(out, "number", o->aux);
	if (o->arg != 0)
		json_number(out, "argument", (int64_t)o->arg);
	if (o->target)
		json_number(out, "target", o->target->pid);
	if (o->syscall > 0)
		json_text(out, "syscall",
			pw_slice_str(calls_name(o->syscall - 1u, call, sizeof(call))));
	json_number(out, "result", o->ret);
	json_bits(out, "flags", o->flags, event_bits, PW_COUNT(event_bits));
}

static void print_json(
	const struct print_settings *s, const struct pipeline_view *v, struct pw_buf *out)
{
	char time[PW_WALL_TEXT_SIZE];

	pw_wall_format(pw_boot_to_wall(v->event->time, s->boot_to_wall_ns), time);
	(void)pw_buf_add_byte(out, '{');
	json_text(out, "time", pw_slice_str(time));
	json_text(out, "type", pw_slice_str(event_type_name(v->event->type)));
	if (v->setup) {
		key(out, "setup");
		(void)pw_buf_add_str(out, "true");
	}
	json_container(out, v->image->container);
	json_process(out, v->image);
	json_lineage(out, v->image);
	if (v->occurrence)
		json_occurrence(out, v->occurrence);
	(void)pw_buf_add_str(out, "}\n");
}

/* --- compact --- */

static const char *colour_of(const struct print_settings *s, enum event_type type)
{
	if (!s->colour)
		return "";
	if (type == EVENT_EXEC)
		return "\033[1;32m";
	if (type == EVENT_OPEN)
		return "\033[36m";
	if (type == EVENT_CONNECT)
		return "\033[1;35m";
	return "\033[2m";
}

static void compact_container(const struct container *c, struct pw_buf *out)
{
	struct pw_slice id = c ? c->id : PW_SLICE_LIT("host");

	if (c && c->pod_group.len > 0) {
		(void)pw_escape(out, c->pod_group, SHOWN_BYTES);
		return;
	}
	if (c && !c->is_unit && id.len > SHORT_ID)
		id.len = SHORT_ID;
	(void)pw_escape(out, id, SHOWN_BYTES);
}

static void compact_args(struct pw_slice args, struct pw_buf *out)
{
	struct pw_slice arg = {0};
	bool first = true;

	while (pw_slice_cut(&args, 0, &arg)) {
		if (!first) { /* the first is the program's name, shown already */
			(void)pw_buf_add_byte(out, ' ');
			(void)pw_escape(out, arg, SHOWN_BYTES);
		}
		first = false;
	}
}

static void compact_bits(
	uint32_t bits, const struct bit_name *names, size_t count, struct pw_buf *out)
{
	for (size_t i = 0; i < count; i++)
		if (bits & names[i].bit)
			(void)pw_buf_addf(out, " %s", names[i].name);
}

static void compact_details(const struct pipeline_view *v, struct pw_buf *out)
{
	const struct occurrence *o = v->occurrence;

	if (!o)
		return;
	(void)pw_escape(out, o->object, SHOWN_BYTES);
	if (o->kind == PW_EVENT_EXEC)
		compact_args(v->image->program->args, out);
	if (o->object2.len > 0) {
		(void)pw_buf_add_str(out, " ");
		(void)pw_escape(out, o->object2, SHOWN_BYTES);
	}
	if (has_access(o))
		compact_bits(o->aux, access_bits, PW_COUNT(access_bits), out);
	if (has_number(o) && (o->aux != 0 || o->arg != 0))
		(void)pw_buf_addf(out, " %#x %#llx", o->aux, (unsigned long long)o->arg);
	if (o->target)
		(void)pw_buf_addf(out, " of pid %u", o->target->pid);
	if (has_address(o) && PW_CONNECT_FAMILY(o->aux) != AF_UNIX)
		(void)pw_buf_addf(out, " %s/%u", protocol_name(PW_CONNECT_PROTO(o->aux)),
			PW_CONNECT_PORT(o->aux));
	if (o->kind == PW_EVENT_EXIT)
		(void)pw_buf_addf(out, "status %#x", (unsigned)o->ret);
	else if (o->ret < 0)
		(void)pw_buf_addf(out, " -> %s", pw_err_text(o->ret));
}

static void print_compact(
	const struct print_settings *s, const struct pipeline_view *v, struct pw_buf *out)
{
	const struct image *i = v->image;
	char time[PW_WALL_TEXT_SIZE];

	pw_wall_format(pw_boot_to_wall(v->event->time, s->boot_to_wall_ns), time);
	(void)pw_buf_addf(out, "%.12s ", time + 11);
	compact_container(i->container, out);
	(void)pw_buf_addf(out, " %s%-7s%s ", colour_of(s, v->event->type),
		event_type_name(v->event->type), s->colour ? "\033[0m" : "");
	(void)pw_escape(out, i->program->comm.len ? i->program->comm : PW_SLICE_LIT("?"), 64);
	(void)pw_buf_addf(out, "(%u", i->pid);
	if (i->parent) {
		(void)pw_buf_add_str(out, " < ");
		(void)pw_escape(out, i->parent->program->comm, 64);
	}
	(void)pw_buf_add_str(out, ") ");
	compact_details(v, out);
	compact_bits(i->flags, process_bits, PW_COUNT(process_bits), out);
	(void)pw_buf_add_byte(out, '\n');
}

int print_event(const struct print_settings *s, const struct pipeline_view *v, struct pw_buf *out)
{
	if (s->form == PRINT_JSON)
		print_json(s, v, out);
	else if (s->form == PRINT_COMPACT)
		print_compact(s, v, out);
	return pw_buf_error(out);
}
