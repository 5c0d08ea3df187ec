// SPDX-License-Identifier: Apache-2.0
#include "policysync/alert_falco.h"
#include "common/base/escape.h"
#include "policysync/json_write.h"
#include "podward/v1/event.pb-c.h"

static const char *priority(Podward__V1__Severity severity)
{
	static const char *const names[] = {
		"Notice", "Informational", "Notice", "Warning", "Error", "Critical"};

	return (unsigned)severity < PW_COUNT(names) ? names[severity] : names[0];
}

/* "title: reason (what object, by actor)": for people, so escaped twice where bytes are odd. */
static void add_output(
	struct json_writer *w, const Podward__V1__Alert *a, const struct alert_parts *parts)
{
	pw_auto_buf text;

	pw_buf_init(&text, 8 << 10);
	(void)pw_escape(&text, pw_slice_of(a->title.data, a->title.len), 300);
	(void)pw_buf_add_str(&text, ": ");
	(void)pw_escape(&text, pw_slice_of(a->reason.data, a->reason.len), 1000);
	(void)pw_buf_addf(&text, " (event=%s object=", alert_event_name(a->event_kind));
	(void)pw_escape(&text, pw_slice_of(a->object.data, a->object.len), 500);
	(void)pw_buf_add_str(&text, " actor=");
	(void)pw_escape(&text, parts->actor, 100);
	(void)pw_buf_add_byte(&text, ')');
	json_slice(w, "output", pw_buf_slice(&text));
}

static void add_process_fields(struct json_writer *w, const Podward__V1__Alert *a)
{
	const Podward__V1__AlertProcess *p = a->n_lineage > 0 ? a->lineage[0] : NULL;
	pw_auto_buf command;

	pw_buf_init(&command, 64 << 10);
	if (!p)
		return;
	(void)alert_command(&command, p->args);
	json_u64(w, "proc.pid", p->pid);
	json_slice(w, "proc.name", alert_basename(p->exe));
	json_bytes(w, "proc.exepath", p->exe);
	json_bytes(w, "proc.cmdline", (ProtobufCBinaryData){command.len, command.data});
	json_bytes(w, "proc.cwd", p->cwd);
	json_u64(w, "user.uid", p->uid);
	if (a->n_lineage > 1)
		json_slice(w, "proc.pname", alert_basename(a->lineage[1]->exe));
}

static void add_object_fields(
	struct json_writer *w, const Podward__V1__Alert *a, const struct alert_parts *parts)
{
	json_bytes(w, "fd.name", a->object);
	if (!parts->is_address)
		return;
	json_bytes(w, "fd.rip", a->object);
	json_u64(w, "fd.rport", parts->port);
	if (parts->protocol)
		json_text(w, "fd.l4proto", parts->protocol);
}

static void add_fields(struct json_writer *w, const Podward__V1__Alert *a,
	const struct alert_parts *parts, const char *cluster)
{
	json_open_object(w, "output_fields");
	json_text(w, "evt.type", alert_event_name(a->event_kind));
	json_i64(w, "evt.rawres", a->ret);
	json_bytes(w, "container.id", a->container_id);
	json_bytes(w, "container.name", a->container_name);
	json_bytes(w, "container.image", a->image);
	json_slice(w, "k8s.ns.name", parts->namespace_);
	json_bytes(w, "k8s.pod.name", a->pod_name);
	json_bytes(w, "k8s.pod.uid", a->pod_uid);
	add_object_fields(w, a, parts);
	add_process_fields(w, a);
	json_text(w, "podward.cluster", cluster);
	json_bytes(w, "podward.podGroup", a->pod_group);
	json_text(w, "podward.engine", alert_engine_name(a->engine));
	json_bytes(w, "podward.exclusion", a->exclusion);
	json_close_object(w);
}

int alert_falco(struct pw_buf *out, const Podward__V1__Alert *a, const struct alert_seen *seen,
	const char *cluster)
{
	struct json_writer w = JSON_WRITER(out);
	struct alert_parts parts;

	(void)seen;
	alert_parts(a, &parts);
	json_open_object(&w, NULL);
	json_text(&w, "uuid", parts.id);
	json_time(&w, "time", a->first_wall_ns);
	json_text(&w, "priority", priority(a->severity));
	json_slice(&w, "rule",
		a->detector.len > 0 ? pw_slice_of(a->detector.data, a->detector.len)
				    : PW_SLICE_LIT("unknown"));
	json_text(&w, "source", "podward");
	json_bytes(&w, "hostname", a->node);
	add_output(&w, a, &parts);
	json_open_array(&w, "tags");
	json_text(&w, NULL, alert_engine_name(a->engine));
	for (size_t i = 0; i < a->n_mitre; i++)
		json_bytes(&w, NULL, a->mitre[i]);
	json_close_array(&w);
	add_fields(&w, a, &parts, cluster);
	json_close_object(&w);
	return pw_buf_error(out);
}
