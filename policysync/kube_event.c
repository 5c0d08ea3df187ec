// SPDX-License-Identifier: Apache-2.0
#include "policysync/kube_event.h"
#include "common/base/clock.h"
#include "policysync/json_write.h"
#include <stdio.h>

#define MESSAGE_MAX 1023

/* Whole seconds: metav1.Time. */
static void add_time(struct json_writer *w, const char *name, int64_t ns)
{
	char text[PW_WALL_TEXT_SIZE];

	pw_wall_format((struct pw_wall){ns}, text);
	(void)snprintf(text + 19, sizeof(text) - 19, "Z");
	json_text(w, name, text);
}

/* Not within a character. */
static struct pw_slice cut(struct pw_slice text)
{
	if (text.len <= MESSAGE_MAX)
		return text;
	text.len = MESSAGE_MAX;
	while (text.len > 0 && (text.ptr[text.len] & 0xc0) == 0x80)
		text.len--;
	return text;
}

static void add_object(struct json_writer *w, const struct kube_event *e)
{
	json_open_object(w, "involvedObject");
	json_text(w, "apiVersion", e->api_version);
	json_text(w, "kind", e->kind);
	if (e->object_namespace[0])
		json_text(w, "namespace", e->object_namespace);
	json_text(w, "name", e->object);
	if (e->uid[0])
		json_text(w, "uid", e->uid);
	json_close_object(w);
}

int kube_event_write(const struct kube_event *e, struct pw_buf *out)
{
	struct json_writer w = JSON_WRITER(out);

	json_open_object(&w, NULL);
	json_text(&w, "apiVersion", "v1");
	json_text(&w, "kind", "Event");
	json_open_object(&w, "metadata");
	json_text(&w, "name", e->name);
	json_text(&w, "namespace", e->namespace);
	json_close_object(&w);
	add_object(&w, e);
	json_text(&w, "reason", e->reason);
	json_slice(&w, "message", cut(e->message));
	json_text(&w, "type", e->is_warning ? "Warning" : "Normal");
	json_u64(&w, "count", e->count);
	add_time(&w, "firstTimestamp", e->first_ns);
	add_time(&w, "lastTimestamp", e->last_ns);
	json_open_object(&w, "source");
	json_text(&w, "component", "podward");
	json_close_object(&w);
	json_text(&w, "reportingComponent", "podward.dev/policysync");
	json_text(&w, "reportingInstance", "policysync");
	json_close_object(&w);
	return pw_buf_error(out);
}
