// SPDX-License-Identifier: Apache-2.0
#include "policysync/alert_json.h"
#include "common/base/escape.h"
#include "policysync/json_write.h"
#include "podward/v1/event.pb-c.h"
#include <errno.h>

const char *alert_severity_name(Podward__V1__Severity severity)
{
	static const char *const names[] = {
		"Unspecified", "Info", "Low", "Medium", "High", "Critical"};

	return (unsigned)severity < PW_COUNT(names) ? names[severity] : names[0];
}

const char *alert_engine_name(Podward__V1__Engine engine)
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

static void add_process(struct json_writer *w, const Podward__V1__AlertProcess *p)
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
	bool any = false;

	pw_buf_init(&command, 64 << 10);
	(void)alert_command(&command, p->args);
	json_open_object(w, NULL);
	json_u64(w, "pid", p->pid);
	json_bytes(w, "exe", p->exe);
	json_bytes(w, "command", (ProtobufCBinaryData){command.len, command.data});
	json_bytes(w, "cwd", p->cwd);
	json_u64(w, "uid", p->uid);
	for (size_t i = 0; i < PW_COUNT(flags); i++) {
		if (!(p->flags & flags[i].bit))
			continue;
		if (!any)
			json_open_array(w, "flags");
		any = true;
		json_text(w, NULL, flags[i].name);
	}
	if (any)
		json_close_array(w);
	json_close_object(w);
}

static void add_lineage(struct json_writer *w, const Podward__V1__Alert *a)
{
	if (a->n_lineage == 0)
		return;
	json_open_array(w, "lineage");
	for (size_t i = 0; i < a->n_lineage; i++)
		add_process(w, a->lineage[i]);
	json_close_array(w);
}

static void add_where(struct json_writer *w, const Podward__V1__Alert *a)
{
	json_bytes(w, "podGroup", a->pod_group);
	json_bytes(w, "node", a->node);
	json_open_object(w, "container");
	json_bytes(w, "id", a->container_id);
	json_bytes(w, "name", a->container_name);
	json_bytes(w, "image", a->image);
	json_bytes(w, "imageDigest", a->image_digest);
	json_close_object(w);
	if (a->pod_name.len == 0 && a->pod_uid.len == 0)
		return;
	json_open_object(w, "pod");
	json_bytes(w, "name", a->pod_name);
	json_bytes(w, "uid", a->pod_uid);
	json_close_object(w);
}

static void add_access(struct json_writer *w, uint32_t aux)
{
	static const char *const names[] = {
		"read", "write", "create", "truncate", "directory", "path-only"};

	json_open_array(w, "access");
	for (size_t i = 0; i < PW_COUNT(names); i++)
		if (aux & 1u << i)
			json_text(w, NULL, names[i]);
	json_close_array(w);
}

static void add_event(struct json_writer *w, const Podward__V1__Alert *a)
{
	json_open_object(w, "event");
	json_text(w, "kind", alert_event_name(a->event_kind));
	json_bytes(w, "object", a->object);
	if (a->event_kind == PODWARD__V1__EVENT_KIND__EVENT_KIND_OPEN)
		add_access(w, a->aux);
	if (a->event_kind == PODWARD__V1__EVENT_KIND__EVENT_KIND_CONNECT) {
		uint32_t protocol = a->aux >> 16 & 0xff;

		json_u64(w, "port", a->aux & 0xffff);
		if (protocol == 6 || protocol == 17)
			json_text(w, "protocol", protocol == 6 ? "tcp" : "udp");
	}
	json_i64(w, "result", a->ret);
	json_close_object(w);
}

static void add_mitre(struct json_writer *w, const Podward__V1__Alert *a)
{
	if (a->n_mitre == 0)
		return;
	json_open_array(w, "mitre");
	for (size_t i = 0; i < a->n_mitre; i++)
		json_bytes(w, NULL, a->mitre[i]);
	json_close_array(w);
}

int alert_json(struct pw_buf *out, const Podward__V1__Alert *a, const struct alert_seen *seen)
{
	struct json_writer w = JSON_WRITER(out);
	char id[33];

	alert_id_hex(a, id);
	json_open_object(&w, NULL);
	json_text(&w, "id", id);
	json_time(&w, "time", a->first_wall_ns);
	json_time(&w, "lastSeen",
		seen->last.ns > a->first_wall_ns ? seen->last.ns : a->first_wall_ns);
	json_u64(&w, "count", seen->count);
	json_text(&w, "severity", alert_severity_name(a->severity));
	json_bytes(&w, "title", a->title);
	json_bytes(&w, "reason", a->reason);
	json_bytes(&w, "decidedBy", a->detector);
	json_text(&w, "engine", alert_engine_name(a->engine));
	json_bytes(&w, "mode", a->mode);
	add_where(&w, a);
	add_event(&w, a);
	add_lineage(&w, a);
	add_mitre(&w, a);
	json_bytes(&w, "baseline", a->baseline);
	json_bytes(&w, "nearest", a->nearest);
	json_bytes(&w, "exclusion", a->exclusion);
	json_close_object(&w);
	return pw_buf_error(out);
}

struct pw_slice alert_basename(ProtobufCBinaryData path)
{
	struct pw_slice s = pw_slice_of(path.data, path.len);

	return pw_slice_sub(s, (size_t)(pw_slice_rfind_byte(s, '/') + 1), s.len);
}

void alert_parts(const Podward__V1__Alert *a, struct alert_parts *ret)
{
	struct pw_slice rest = pw_slice_of(a->pod_group.data, a->pod_group.len);
	struct pw_slice object = pw_slice_of(a->object.data, a->object.len);
	uint32_t protocol = a->aux >> 16 & 0xff;

	*ret = (struct alert_parts){.process = a->n_lineage > 0 ? a->lineage[0] : NULL};
	alert_id_hex(a, ret->id);
	if (pw_slice_cut(&rest, '/', &ret->namespace_) && pw_slice_cut(&rest, '/', &ret->kind) &&
		pw_slice_cut(&rest, '/', &ret->workload))
		ret->container = rest;
	if (ret->process)
		ret->actor = alert_basename(ret->process->exe);
	ret->is_connection = a->event_kind == PODWARD__V1__EVENT_KIND__EVENT_KIND_CONNECT;
	ret->is_file = !ret->is_connection && pw_slice_starts(object, PW_SLICE_LIT("/"));
	ret->is_address = ret->is_connection && (a->aux & 0xffff) != 0;
	ret->port = ret->is_connection ? (uint16_t)(a->aux & 0xffff) : 0;
	if (ret->is_connection && (protocol == 6 || protocol == 17))
		ret->protocol = protocol == 6 ? "tcp" : "udp";
	ret->is_audit = pw_slice_eq_str(pw_slice_of(a->mode.data, a->mode.len), "Audit");
}
