// SPDX-License-Identifier: Apache-2.0
#include "policysync/alert_json.h"
#include "common/base/escape.h"
#include "podward/v1/event.pb-c.h"
#include <errno.h>

struct writer {
	struct pw_buf *out;
	bool first; /* no comma before the next member */
};

static void key(struct writer *w, const char *name)
{
	if (!w->first)
		(void)pw_buf_add_byte(w->out, ',');
	w->first = false;
	(void)pw_buf_addf(w->out, "\"%s\":", name);
}

static void add_bytes(struct writer *w, const char *name, ProtobufCBinaryData value)
{
	if (value.len == 0)
		return;
	key(w, name);
	(void)pw_escape_json(w->out, pw_slice_of(value.data, value.len));
}

static void add_text(struct writer *w, const char *name, const char *value)
{
	key(w, name);
	(void)pw_escape_json(w->out, pw_slice_str(value));
}

static void add_u64(struct writer *w, const char *name, uint64_t value)
{
	key(w, name);
	(void)pw_buf_addf(w->out, "%llu", (unsigned long long)value);
}

static void add_time(struct writer *w, const char *name, int64_t ns)
{
	char text[PW_WALL_TEXT_SIZE];

	pw_wall_format((struct pw_wall){ns}, text);
	add_text(w, name, text);
}

static void open_object(struct writer *w, const char *name)
{
	key(w, name);
	(void)pw_buf_add_byte(w->out, '{');
	w->first = true;
}

static void close_object(struct writer *w)
{
	(void)pw_buf_add_byte(w->out, '}');
	w->first = false;
}

const char *alert_severity_name(Podward__V1__Severity severity)
{
	static const char *const names[] = {
		"Unspecified", "Info", "Low", "Medium", "High", "Critical"};

	return (unsigned)severity < PW_COUNT(names) ? names[severity] : names[0];
}

static const char *engine_name(Podward__V1__Engine engine)
{
	static const char *const names[] = {"unspecified", "signature", "profile", "policy"};

	return (unsigned)engine < PW_COUNT(names) ? names[engine] : names[0];
}

const char *alert_event_name(uint32_t kind)
{
	static const char *const names[] = {"", "exec", "open", "connect", "exit"};

	return kind < PW_COUNT(names) ? names[kind] : names[0];
}

void alert_id_hex(const Podward__V1__Alert *alert, char out[33])
{
	static const char digits[] = "0123456789abcdef";
	size_t len = alert->id.len < 16 ? alert->id.len : 16;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[alert->id.data[i] >> 4];
		out[2 * i + 1] = digits[alert->id.data[i] & 15];
	}
	out[2 * len] = '\0';
}

int alert_command(struct pw_buf *out, ProtobufCBinaryData args)
{
	size_t len = args.len;
	int r = 0;

	while (len > 0 && args.data[len - 1] == 0)
		len--;
	for (size_t i = 0; r == 0 && i < len; i++)
		r = pw_buf_add_byte(out, args.data[i] ? args.data[i] : ' ');
	return r;
}

static void add_process(struct writer *w, const Podward__V1__AlertProcess *p)
{
	pw_auto_buf command;
	static const struct {
		uint32_t bit;
		const char *name;
	} flags[] = {
		{PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_INIT, "init"},
		{PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_UPPER_LAYER, "not-of-the-image"},
		{PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_MEMFD, "memory-file"},
		{PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_DELETED, "deleted"},
		{PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_NOT_FROM_INIT, "not-from-init"},
		{PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_PRE_RUNNING, "pre-running"},
		{PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_STDIN_SOCKET, "stdin-socket"},
		{PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_STDOUT_SOCKET, "stdout-socket"},
		{PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_PARTIAL, "partial"},
	};
	bool first = true;

	pw_buf_init(&command, 64 << 10);
	(void)alert_command(&command, p->args);
	(void)pw_buf_add_byte(w->out, '{');
	w->first = true;
	add_u64(w, "pid", p->pid);
	add_bytes(w, "exe", p->exe);
	add_bytes(w, "command", (ProtobufCBinaryData){command.len, command.data});
	add_bytes(w, "cwd", p->cwd);
	add_u64(w, "uid", p->uid);
	for (size_t i = 0; i < PW_COUNT(flags); i++) {
		if (!(p->flags & flags[i].bit))
			continue;
		if (first)
			key(w, "flags");
		(void)pw_buf_addf(w->out, "%s\"%s\"", first ? "[" : ",", flags[i].name);
		first = false;
	}
	if (!first)
		(void)pw_buf_add_byte(w->out, ']');
	close_object(w);
}

static void add_lineage(struct writer *w, const Podward__V1__Alert *a)
{
	if (a->n_lineage == 0)
		return;
	key(w, "lineage");
	(void)pw_buf_add_byte(w->out, '[');
	for (size_t i = 0; i < a->n_lineage; i++) {
		if (i > 0)
			(void)pw_buf_add_byte(w->out, ',');
		add_process(w, a->lineage[i]);
	}
	(void)pw_buf_add_byte(w->out, ']');
	w->first = false;
}

static void add_where(struct writer *w, const Podward__V1__Alert *a)
{
	add_bytes(w, "podGroup", a->pod_group);
	add_bytes(w, "node", a->node);
	open_object(w, "container");
	add_bytes(w, "id", a->container_id);
	add_bytes(w, "name", a->container_name);
	add_bytes(w, "image", a->image);
	add_bytes(w, "imageDigest", a->image_digest);
	close_object(w);
	if (a->pod_name.len == 0 && a->pod_uid.len == 0)
		return;
	open_object(w, "pod");
	add_bytes(w, "name", a->pod_name);
	add_bytes(w, "uid", a->pod_uid);
	close_object(w);
}

static void add_access(struct writer *w, uint32_t aux)
{
	static const char *const names[] = {
		"read", "write", "create", "truncate", "directory", "path-only"};
	bool first = true;

	key(w, "access");
	(void)pw_buf_add_byte(w->out, '[');
	for (size_t i = 0; i < PW_COUNT(names); i++) {
		if (!(aux & 1u << i))
			continue;
		(void)pw_buf_addf(w->out, "%s\"%s\"", first ? "" : ",", names[i]);
		first = false;
	}
	(void)pw_buf_add_byte(w->out, ']');
}

static void add_event(struct writer *w, const Podward__V1__Alert *a)
{
	open_object(w, "event");
	add_text(w, "kind", alert_event_name(a->event_kind));
	add_bytes(w, "object", a->object);
	if (a->event_kind == PODWARD__V1__EVENT_KIND__EVENT_KIND_OPEN)
		add_access(w, a->aux);
	if (a->event_kind == PODWARD__V1__EVENT_KIND__EVENT_KIND_CONNECT) {
		uint32_t protocol = a->aux >> 16 & 0xff;

		add_u64(w, "port", a->aux & 0xffff);
		if (protocol == 6 || protocol == 17)
			add_text(w, "protocol", protocol == 6 ? "tcp" : "udp");
	}
	key(w, "result");
	(void)pw_buf_addf(w->out, "%d", a->ret);
	close_object(w);
}

static void add_mitre(struct writer *w, const Podward__V1__Alert *a)
{
	if (a->n_mitre == 0)
		return;
	key(w, "mitre");
	for (size_t i = 0; i < a->n_mitre; i++) {
		(void)pw_buf_add_byte(w->out, i == 0 ? '[' : ',');
		(void)pw_escape_json(w->out, pw_slice_of(a->mitre[i].data, a->mitre[i].len));
	}
	(void)pw_buf_add_byte(w->out, ']');
}

int alert_json(struct pw_buf *out, const Podward__V1__Alert *a, const struct alert_seen *seen)
{
	struct writer w = {out, true};
	char id[33];

	alert_id_hex(a, id);
	(void)pw_buf_add_byte(out, '{');
	add_text(&w, "id", id);
	add_time(&w, "time", a->first_wall_ns);
	add_time(&w, "lastSeen",
		seen->last.ns > a->first_wall_ns ? seen->last.ns : a->first_wall_ns);
	add_u64(&w, "count", seen->count);
	add_text(&w, "severity", alert_severity_name(a->severity));
	add_bytes(&w, "title", a->title);
	add_bytes(&w, "reason", a->reason);
	add_bytes(&w, "decidedBy", a->detector);
	add_text(&w, "engine", engine_name(a->engine));
	add_bytes(&w, "mode", a->mode);
	add_where(&w, a);
	add_event(&w, a);
	add_lineage(&w, a);
	add_mitre(&w, a);
	add_bytes(&w, "baseline", a->baseline);
	add_bytes(&w, "nearest", a->nearest);
	add_bytes(&w, "exclusion", a->exclusion);
	(void)pw_buf_add_byte(out, '}');
	return pw_buf_error(out);
}
