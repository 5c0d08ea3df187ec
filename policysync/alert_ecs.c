// SPDX-License-Identifier: Apache-2.0
#include "policysync/alert_ecs.h"
#include "policysync/json_write.h"
#include "podward/v1/event.pb-c.h"
#include <stdio.h>

static void add_list(struct json_writer *w, const char *name, const char *item)
{
	json_open_array(w, name);
	json_text(w, NULL, item);
	json_close_array(w);
}

/* event.category and event.type have fixed vocabularies. */
static void add_category(struct json_writer *w, const struct alert_parts *parts, uint32_t kind)
{
	bool exec = kind == PODWARD__V1__EVENT_KIND__EVENT_KIND_EXEC;
	bool file = parts->is_file && !exec;

	add_list(w, "category", parts->is_connection ? "network" : file ? "file" : "process");
	add_list(w, "type",
		parts->is_connection ? "connection"
		: file               ? "access"
		: exec               ? "start"
				     : "info");
}

static void add_event(struct json_writer *w, const Podward__V1__Alert *a,
	const struct alert_parts *parts, const struct alert_seen *seen)
{
	json_open_object(w, "event");
	json_text(w, "kind", "alert");
	json_text(w, "module", "podward");
	json_text(w, "dataset", "podward.alert");
	json_text(w, "id", parts->id);
	json_text(w, "action", alert_event_name(a->event_kind));
	add_category(w, parts, a->event_kind);
	json_text(w, "outcome", a->ret < 0 ? "failure" : "success");
	json_u64(w, "severity", (uint64_t)a->severity);
	json_bytes(w, "reason", a->reason);
	json_time(w, "start", a->first_wall_ns);
	json_time(w, "end", seen->last.ns > a->first_wall_ns ? seen->last.ns : a->first_wall_ns);
	json_close_object(w);
}

static void add_process(struct json_writer *w, const char *name, const Podward__V1__AlertProcess *p)
{
	char uid[16];
	pw_auto_buf command;

	pw_buf_init(&command, 64 << 10);
	(void)alert_command(&command, p->args);
	(void)snprintf(uid, sizeof(uid), "%u", p->uid);
	json_open_object(w, name);
	json_u64(w, "pid", p->pid);
	json_slice(w, "name", alert_basename(p->exe));
	json_bytes(w, "executable", p->exe);
	json_bytes(w, "command_line", (ProtobufCBinaryData){command.len, command.data});
	json_bytes(w, "working_directory", p->cwd);
	json_open_object(w, "user");
	json_text(w, "id", uid);
	json_close_object(w);
}

static void add_processes(struct json_writer *w, const Podward__V1__Alert *a)
{
	if (a->n_lineage == 0)
		return;
	add_process(w, "process", a->lineage[0]);
	if (a->n_lineage > 1) {
		add_process(w, "parent", a->lineage[1]);
		json_close_object(w);
	}
	json_close_object(w);
}

static void add_object(
	struct json_writer *w, const Podward__V1__Alert *a, const struct alert_parts *parts)
{
	if (parts->is_file) {
		json_open_object(w, "file");
		json_bytes(w, "path", a->object);
		json_slice(w, "name", alert_basename(a->object));
		json_close_object(w);
	}
	if (!parts->is_connection)
		return;
	json_open_object(w, "destination");
	json_bytes(w, "address", a->object);
	if (parts->is_address) {
		json_bytes(w, "ip", a->object);
		json_u64(w, "port", parts->port);
	}
	json_close_object(w);
	if (!parts->protocol)
		return;
	json_open_object(w, "network");
	json_text(w, "transport", parts->protocol);
	json_text(w, "direction", "egress");
	json_close_object(w);
}

static void add_where(struct json_writer *w, const Podward__V1__Alert *a,
	const struct alert_parts *parts, const char *cluster)
{
	json_open_object(w, "host");
	json_bytes(w, "name", a->node);
	json_close_object(w);
	json_open_object(w, "container");
	json_bytes(w, "id", a->container_id);
	json_bytes(w, "name", a->container_name);
	json_open_object(w, "image");
	json_bytes(w, "name", a->image);
	json_close_object(w);
	json_close_object(w);
	json_open_object(w, "orchestrator");
	json_open_object(w, "cluster");
	json_text(w, "name", cluster);
	json_close_object(w);
	json_slice(w, "namespace", parts->namespace_);
	json_open_object(w, "resource");
	json_slice(w, "type", parts->kind);
	json_slice(w, "name", parts->workload);
	json_close_object(w);
	json_close_object(w);
}

static void add_threat(struct json_writer *w, const Podward__V1__Alert *a)
{
	if (a->n_mitre == 0)
		return;
	json_open_object(w, "threat");
	json_text(w, "framework", "MITRE ATT&CK");
	json_open_object(w, "technique");
	json_open_array(w, "id");
	for (size_t i = 0; i < a->n_mitre; i++)
		json_bytes(w, NULL, a->mitre[i]);
	json_close_array(w);
	json_close_object(w);
	json_close_object(w);
}

int alert_ecs(struct pw_buf *out, const Podward__V1__Alert *a, const struct alert_seen *seen,
	const char *cluster)
{
	struct json_writer w = JSON_WRITER(out);
	struct alert_parts parts;

	alert_parts(a, &parts);
	json_open_object(&w, NULL);
	json_time(&w, "@timestamp", a->first_wall_ns);
	json_open_object(&w, "ecs");
	json_text(&w, "version", "8.11.0");
	json_close_object(&w);
	json_bytes(&w, "message", a->title);
	add_event(&w, a, &parts, seen);
	json_open_object(&w, "rule");
	json_bytes(&w, "id", a->detector);
	json_bytes(&w, "name", a->title);
	json_close_object(&w);
	add_processes(&w, a);
	add_object(&w, a, &parts);
	add_where(&w, a, &parts, cluster);
	add_threat(&w, a);
	json_open_object(&w, "podward");
	json_text(&w, "engine", alert_engine_name(a->engine));
	json_text(&w, "severity", alert_severity_name(a->severity));
	json_bytes(&w, "mode", a->mode);
	json_u64(&w, "count", seen->count);
	json_bytes(&w, "exclusion", a->exclusion);
	json_close_object(&w);
	json_close_object(&w);
	return pw_buf_error(out);
}
