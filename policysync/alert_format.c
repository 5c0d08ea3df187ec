// SPDX-License-Identifier: Apache-2.0
#include "policysync/alert_format.h"
#include "policysync/alert_ecs.h"
#include "policysync/alert_falco.h"
#include "policysync/alert_ocsf.h"
#include "policysync/alert_text.h"
#include "policysync/json_write.h"
#include <errno.h>

const char *const alert_framing_names[] = {"default", "lines", "array", "single", NULL};

typedef int (*form_fn)(struct pw_buf *out, const Podward__V1__Alert *alert,
	const struct alert_seen *seen, const char *cluster);

static int one_podward(struct pw_buf *out, const Podward__V1__Alert *a,
	const struct alert_seen *seen, const char *cluster)
{
	(void)cluster;
	return alert_json(out, a, seen);
}

/* Source: CloudEvents 1.0, JSON event format. */
static int one_cloudevent(struct pw_buf *out, const Podward__V1__Alert *a,
	const struct alert_seen *seen, const char *cluster)
{
	struct json_writer w = JSON_WRITER(out);
	pw_auto_buf source;
	char id[33];

	pw_buf_init(&source, 1024);
	(void)pw_buf_addf(&source, "/podward/%s", cluster);
	alert_id_hex(a, id);
	json_open_object(&w, NULL);
	json_text(&w, "specversion", "1.0");
	json_text(&w, "id", id);
	json_slice(&w, "source", pw_buf_slice(&source));
	json_text(&w, "type", "dev.podward.alert.v1");
	json_time(&w, "time", a->first_wall_ns);
	json_bytes(&w, "subject", a->pod_group);
	json_text(&w, "datacontenttype", "application/json");
	json_key(&w, "data");
	(void)alert_ocsf(out, a, seen, cluster);
	json_close_object(&w);
	return pw_buf_error(out);
}

/* The index is in the URL; create refuses a second document of the same id. */
static int one_bulk(struct pw_buf *out, const Podward__V1__Alert *a, const struct alert_seen *seen,
	const char *cluster)
{
	char id[33];

	alert_id_hex(a, id);
	(void)pw_buf_addf(out, "{\"create\":{\"_id\":\"%s\"}}\n", id);
	return alert_ecs(out, a, seen, cluster);
}

#define BIT(framing) (1u << (framing))

static const struct {
	const char *name;
	form_fn one;
	enum alert_framing usual;
	unsigned framings;
	const char *type, *array_type; /* of a body of lines or one; of an array */
} rows[ALERT_FORMATS] = {
	[ALERT_OCSF] = {"ocsf", alert_ocsf, ALERT_LINES,
		BIT(ALERT_LINES) | BIT(ALERT_ARRAY) | BIT(ALERT_SINGLE), "application/x-ndjson",
		"application/json"},
	[ALERT_PODWARD] = {"podward", one_podward, ALERT_LINES,
		BIT(ALERT_LINES) | BIT(ALERT_ARRAY) | BIT(ALERT_SINGLE), "application/x-ndjson",
		"application/json"},
	[ALERT_FALCO] = {"falco", alert_falco, ALERT_SINGLE, BIT(ALERT_LINES) | BIT(ALERT_SINGLE),
		"application/x-ndjson", "application/json"},
	[ALERT_ECS] = {"ecs", alert_ecs, ALERT_LINES,
		BIT(ALERT_LINES) | BIT(ALERT_ARRAY) | BIT(ALERT_SINGLE), "application/x-ndjson",
		"application/json"},
	[ALERT_CLOUDEVENTS] = {"cloudevents", one_cloudevent, ALERT_SINGLE,
		BIT(ALERT_ARRAY) | BIT(ALERT_SINGLE), "application/cloudevents+json",
		"application/cloudevents-batch+json"},
	[ALERT_SLACK] = {"slack", alert_slack, ALERT_SINGLE, BIT(ALERT_SINGLE), "application/json",
		"application/json"},
	[ALERT_ELASTICSEARCH] = {"elasticsearch", one_bulk, ALERT_LINES, BIT(ALERT_LINES),
		"application/x-ndjson", "application/x-ndjson"},
	[ALERT_CEF] = {"cef", alert_cef, ALERT_LINES, BIT(ALERT_LINES) | BIT(ALERT_SINGLE),
		"text/plain; charset=utf-8", "text/plain; charset=utf-8"},
};

const char *const alert_format_names[ALERT_FORMATS + 1] = {
	"ocsf", "podward", "falco", "ecs", "cloudevents", "slack", "elasticsearch", "cef", NULL};

int alert_form_check(struct alert_form *form, struct pw_err *err)
{
	enum alert_framing framing = form->framing;

	if (framing == ALERT_FRAMING_DEFAULT)
		framing = rows[form->format].usual;
	if (!(rows[form->format].framings & BIT(framing)))
		return pw_err_set(err, -EINVAL,
			"framing: receivers of format %s do not take \"%s\"",
			rows[form->format].name, alert_framing_names[framing]);
	form->framing = framing;
	return 0;
}

const char *alert_form_content_type(const struct alert_form *form)
{
	if (form->framing == ALERT_SINGLE && form->format <= ALERT_ECS)
		return "application/json";
	return form->framing == ALERT_ARRAY ? rows[form->format].array_type
					    : rows[form->format].type;
}

int alert_format_one(
	struct pw_buf *out, const struct alert_form *form, const struct output_item *item)
{
	return rows[form->format].one(out, item->alert, &item->seen, form->cluster);
}

int alert_format_body(struct pw_buf *out, const struct alert_form *form,
	const struct output_item *items, size_t count)
{
	bool array = form->framing == ALERT_ARRAY;

	for (size_t i = 0; i < count; i++) {
		if (array)
			(void)pw_buf_add_byte(out, i == 0 ? '[' : ',');
		(void)alert_format_one(out, form, &items[i]);
		if (form->framing == ALERT_LINES)
			(void)pw_buf_add_byte(out, '\n');
	}
	if (array)
		(void)pw_buf_add_byte(out, ']');
	return pw_buf_error(out);
}
