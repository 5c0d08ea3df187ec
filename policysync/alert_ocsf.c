// SPDX-License-Identifier: Apache-2.0
#include "policysync/alert_ocsf.h"
#include "policysync/json_write.h"
#include "podward/v1/event.pb-c.h"
#include <errno.h>
#include <stdio.h>

#define OCSF_VERSION "1.5.0"

enum { ANALYTIC_RULE = 1, ANALYTIC_BEHAVIORAL = 2 };
enum { DISPOSITION_LOGGED = 17, DISPOSITION_ALERT = 19, ACTION_OBSERVED = 3 };
enum { FILE_REGULAR = 1, FILE_FOLDER = 2, FILE_EXECUTABLE = 8, FILE_UNKNOWN = 0 };
enum { DIRECTION_OUTBOUND = 2, VERDICT_SUSPICIOUS = 4 };

static int64_t milliseconds(int64_t ns)
{
	return ns / (int64_t)PW_NS_PER_MS;
}

static int64_t last_seen(const Podward__V1__Alert *a, const struct alert_seen *seen)
{
	return milliseconds(seen->last.ns > a->first_wall_ns ? seen->last.ns : a->first_wall_ns);
}

/* Ours go from Unspecified 0 to Critical 5, as OCSF's from Unknown to Critical. */
static void add_severity(struct json_writer *w, Podward__V1__Severity severity)
{
	static const char *const names[] = {
		"Unknown", "Informational", "Low", "Medium", "High", "Critical"};
	size_t id = (unsigned)severity < PW_COUNT(names) ? (size_t)severity : 0;

	json_u64(w, "severity_id", id);
	json_text(w, "severity", names[id]);
}

static void add_class(struct json_writer *w)
{
	json_u64(w, "activity_id", 1);
	json_text(w, "activity_name", "Create");
	json_u64(w, "category_uid", 2);
	json_text(w, "category_name", "Findings");
	json_u64(w, "class_uid", 2004);
	json_text(w, "class_name", "Detection Finding");
	json_u64(w, "type_uid", 200401);
	json_text(w, "type_name", "Detection Finding: Create");
	json_u64(w, "status_id", 1);
	json_text(w, "status", "New");
}

static void add_metadata(struct json_writer *w, const struct alert_parts *parts)
{
	json_open_object(w, "metadata");
	json_text(w, "version", OCSF_VERSION);
	json_text(w, "uid", parts->id);
	json_open_array(w, "profiles");
	json_text(w, NULL, "container");
	json_text(w, NULL, "security_control");
	json_close_array(w);
	json_open_object(w, "product");
	json_text(w, "name", "Podward");
	json_text(w, "vendor_name", "Podward");
	json_text(w, "version", PODWARD_VERSION);
	json_close_object(w);
	json_close_object(w);
}

/* "T1003.008" names a technique and a part of it. */
static void add_attacks(struct json_writer *w, const Podward__V1__Alert *a)
{
	if (a->n_mitre == 0)
		return;
	json_open_array(w, "attacks");
	for (size_t i = 0; i < a->n_mitre; i++) {
		struct pw_slice whole = pw_slice_of(a->mitre[i].data, a->mitre[i].len);
		struct pw_slice rest = whole, technique = whole;

		(void)pw_slice_cut(&rest, '.', &technique);
		json_open_object(w, NULL);
		json_open_object(w, "technique");
		json_slice(w, "uid", technique);
		json_close_object(w);
		if (technique.len < whole.len) {
			json_open_object(w, "sub_technique");
			json_slice(w, "uid", whole);
			json_close_object(w);
		}
		json_close_object(w);
	}
	json_close_array(w);
}

static void add_finding(struct json_writer *w, const Podward__V1__Alert *a,
	const struct alert_parts *parts, const struct alert_seen *seen)
{
	bool behavioral = a->engine == PODWARD__V1__ENGINE__ENGINE_PROFILE;

	json_open_object(w, "finding_info");
	json_text(w, "uid", parts->id);
	json_bytes(w, "title", a->title);
	json_bytes(w, "desc", a->reason);
	json_i64(w, "created_time", milliseconds(a->first_wall_ns));
	json_i64(w, "first_seen_time", milliseconds(a->first_wall_ns));
	json_i64(w, "last_seen_time", last_seen(a, seen));
	json_open_object(w, "analytic");
	json_bytes(w, "uid", a->detector);
	json_bytes(w, "name", a->detector);
	json_u64(w, "type_id", behavioral ? ANALYTIC_BEHAVIORAL : ANALYTIC_RULE);
	json_text(w, "type", behavioral ? "Behavioral" : "Rule");
	json_close_object(w);
	add_attacks(w, a);
	json_close_object(w);
}

static void add_file(struct json_writer *w, ProtobufCBinaryData path, int type)
{
	struct pw_slice name = alert_basename(path);

	json_open_object(w, "file");
	json_slice(w, "name", name.len > 0 ? name : pw_slice_of(path.data, path.len));
	json_bytes(w, "path", path);
	json_i64(w, "type_id", type);
	json_close_object(w);
}

/* Without the members that only the actor has. */
static void add_process_body(struct json_writer *w, const Podward__V1__AlertProcess *p)
{
	char uid[16];
	pw_auto_buf command;

	pw_buf_init(&command, 64 << 10);
	(void)alert_command(&command, p->args);
	json_u64(w, "pid", p->pid);
	if (p->exe.len > 0) {
		json_slice(w, "name", alert_basename(p->exe));
		add_file(w, p->exe, FILE_EXECUTABLE);
	}
	json_bytes(w, "cmd_line", (ProtobufCBinaryData){command.len, command.data});
	json_bytes(w, "working_directory", p->cwd);
	(void)snprintf(uid, sizeof(uid), "%u", p->uid);
	json_open_object(w, "user");
	json_text(w, "uid", uid);
	json_close_object(w);
}

static void add_actor(struct json_writer *w, const Podward__V1__Alert *a)
{
	if (a->n_lineage == 0)
		return;
	json_open_object(w, "actor");
	json_open_object(w, "process");
	add_process_body(w, a->lineage[0]);
	if (a->n_lineage > 1) {
		json_open_object(w, "parent_process");
		add_process_body(w, a->lineage[1]);
		json_close_object(w);
		json_open_array(w, "ancestry");
		for (size_t i = 1; i < a->n_lineage; i++) {
			json_open_object(w, NULL);
			add_process_body(w, a->lineage[i]);
			json_close_object(w);
		}
		json_close_array(w);
	}
	json_close_object(w);
	json_close_object(w);
}

static void add_container(struct json_writer *w, const Podward__V1__Alert *a)
{
	if (a->container_id.len == 0 && a->container_name.len == 0)
		return;
	json_open_object(w, "container");
	json_bytes(w, "uid", a->container_id);
	json_bytes(w, "name", a->container_name);
	json_bytes(w, "pod_uuid", a->pod_uid);
	if (a->image.len > 0 || a->image_digest.len > 0) {
		json_open_object(w, "image");
		json_bytes(w, "uid", a->image_digest.len > 0 ? a->image_digest : a->image);
		json_bytes(w, "name", a->image);
		json_close_object(w);
	}
	json_close_object(w);
}

static void add_peer(
	struct json_writer *w, const Podward__V1__Alert *a, const struct alert_parts *parts)
{
	json_open_object(w, "dst_endpoint");
	json_bytes(w, parts->is_address ? "ip" : "name", a->object);
	if (parts->is_address)
		json_u64(w, "port", parts->port);
	json_close_object(w);
	json_open_object(w, "connection_info");
	json_u64(w, "direction_id", DIRECTION_OUTBOUND);
	if (parts->protocol)
		json_text(w, "protocol_name", parts->protocol);
	json_close_object(w);
}

static int file_type(const Podward__V1__Alert *a)
{
	if (a->event_kind == PODWARD__V1__EVENT_KIND__EVENT_KIND_EXEC)
		return FILE_EXECUTABLE;
	if (a->event_kind != PODWARD__V1__EVENT_KIND__EVENT_KIND_OPEN)
		return FILE_UNKNOWN;
	return a->aux & PODWARD__V1__FILE_ACCESS__FILE_ACCESS_DIRECTORY ? FILE_FOLDER
									: FILE_REGULAR;
}

/* An evidence must have an actor, a file or a peer; "data" stands in when there is none of them. */
static void add_evidences(
	struct json_writer *w, const Podward__V1__Alert *a, const struct alert_parts *parts)
{
	json_open_array(w, "evidences");
	json_open_object(w, NULL);
	add_actor(w, a);
	if (parts->is_file)
		add_file(w, a->object, file_type(a));
	if (parts->is_connection && a->object.len > 0)
		add_peer(w, a, parts);
	add_container(w, a);
	json_open_object(w, "data");
	json_text(w, "event", alert_event_name(a->event_kind));
	json_bytes(w, "object", a->object);
	json_i64(w, "result", a->ret);
	json_close_object(w);
	json_u64(w, "verdict_id", VERDICT_SUSPICIOUS);
	json_close_object(w);
	json_close_array(w);
}

static void add_resources(struct json_writer *w, const Podward__V1__Alert *a,
	const struct alert_parts *parts, const char *cluster)
{
	pw_auto_buf uid;

	pw_buf_init(&uid, 8 << 10);
	(void)pw_buf_addf(&uid, "%s/", cluster);
	(void)pw_buf_add(&uid, a->pod_group.data, a->pod_group.len);
	json_open_array(w, "resources");
	json_open_object(w, NULL);
	json_slice(w, "uid", pw_buf_slice(&uid));
	json_slice(w, "name", parts->workload);
	json_slice(w, "type", parts->kind);
	json_slice(w, "namespace", parts->namespace_);
	json_u64(w, "role_id", 3);
	json_bytes(w, "hostname", a->node);
	json_close_object(w);
	if (a->pod_name.len > 0) {
		json_open_object(w, NULL);
		json_bytes(w, "uid", a->pod_uid.len > 0 ? a->pod_uid : a->pod_name);
		json_bytes(w, "name", a->pod_name);
		json_text(w, "type", "Pod");
		json_slice(w, "namespace", parts->namespace_);
		json_close_object(w);
	}
	json_close_array(w);
}

static void add_unmapped(struct json_writer *w, const Podward__V1__Alert *a, const char *cluster)
{
	json_open_object(w, "unmapped");
	json_open_object(w, "podward");
	json_text(w, "cluster", cluster);
	json_text(w, "engine", alert_engine_name(a->engine));
	json_bytes(w, "mode", a->mode);
	json_bytes(w, "pod_group", a->pod_group);
	json_bytes(w, "node", a->node);
	json_bytes(w, "baseline", a->baseline);
	json_bytes(w, "nearest", a->nearest);
	json_bytes(w, "exclusion", a->exclusion);
	json_close_object(w);
	json_close_object(w);
}

int alert_ocsf(struct pw_buf *out, const Podward__V1__Alert *a, const struct alert_seen *seen,
	const char *cluster)
{
	struct json_writer w = JSON_WRITER(out);
	struct alert_parts parts;

	alert_parts(a, &parts);
	json_open_object(&w, NULL);
	add_class(&w);
	json_i64(&w, "time", milliseconds(a->first_wall_ns));
	json_i64(&w, "start_time", milliseconds(a->first_wall_ns));
	json_i64(&w, "end_time", last_seen(a, seen));
	json_u64(&w, "count", seen->count);
	add_severity(&w, a->severity);
	json_bytes(&w, "message", a->title);
	json_bool(&w, "is_alert", !parts.is_audit);
	json_u64(&w, "action_id", ACTION_OBSERVED);
	json_text(&w, "action", "Observed");
	json_u64(&w, "disposition_id", parts.is_audit ? DISPOSITION_LOGGED : DISPOSITION_ALERT);
	json_text(&w, "disposition", parts.is_audit ? "Logged" : "Alert");
	add_metadata(&w, &parts);
	add_finding(&w, a, &parts, seen);
	add_evidences(&w, a, &parts);
	add_resources(&w, a, &parts, cluster);
	add_unmapped(&w, a, cluster);
	json_close_object(&w);
	return pw_buf_error(out);
}
