// SPDX-License-Identifier: Apache-2.0
#include "policysync/alert_text.h"
#include "common/base/escape.h"
#include "policysync/json_write.h"

/* Slack reads & < > as mark-up. Source: https://docs.slack.dev/messaging/formatting-message-text */
static void add_slack(struct pw_buf *out, struct pw_slice s, size_t max)
{
	pw_auto_buf shown;

	pw_buf_init(&shown, 64 << 10);
	(void)pw_escape(&shown, s, max);
	for (size_t i = 0; i < shown.len; i++) {
		if (shown.data[i] == '&')
			(void)pw_buf_add_str(out, "&amp;");
		else if (shown.data[i] == '<')
			(void)pw_buf_add_str(out, "&lt;");
		else if (shown.data[i] == '>')
			(void)pw_buf_add_str(out, "&gt;");
		else if (shown.data[i] == '`')
			(void)pw_buf_add_byte(out, '\'');
		else
			(void)pw_buf_add_byte(out, shown.data[i]);
	}
}

static struct pw_slice bytes(ProtobufCBinaryData b)
{
	return pw_slice_of(b.data, b.len);
}

static void add_slack_line(struct pw_buf *out, const char *label, struct pw_slice value)
{
	if (value.len == 0)
		return;
	(void)pw_buf_addf(out, "\n%s: `", label);
	add_slack(out, value, 300);
	(void)pw_buf_add_byte(out, '`');
}

int alert_slack(struct pw_buf *out, const Podward__V1__Alert *a, const struct alert_seen *seen,
	const char *cluster)
{
	struct json_writer w = JSON_WRITER(out);
	struct alert_parts parts;
	pw_auto_buf text;

	alert_parts(a, &parts);
	pw_buf_init(&text, 64 << 10);
	(void)pw_buf_addf(&text, "*%s* ", alert_severity_name(a->severity));
	add_slack(&text, bytes(a->title), 300);
	if (seen->count > 1)
		(void)pw_buf_addf(&text, " (%llu times)", (unsigned long long)seen->count);
	(void)pw_buf_add_byte(&text, '\n');
	add_slack(&text, bytes(a->reason), 1000);
	add_slack_line(&text, "where", bytes(a->pod_group));
	add_slack_line(&text, "node", bytes(a->node));
	add_slack_line(&text, alert_event_name(a->event_kind), bytes(a->object));
	if (parts.process)
		add_slack_line(&text, "by", bytes(parts.process->exe));
	add_slack_line(&text, "decided by", bytes(a->detector));
	add_slack_line(&text, "cluster", pw_slice_str(cluster));
	add_slack_line(&text, "id", pw_slice_str(parts.id));
	if (pw_buf_error(&text) < 0)
		return pw_buf_error(&text);
	json_open_object(&w, NULL);
	json_slice(&w, "text", pw_buf_slice(&text));
	json_close_object(&w);
	return pw_buf_error(out);
}

/* In the header | is special, in the extension =; control bytes are gone after pw_escape. */
static void add_cef(struct pw_buf *out, struct pw_slice s, uint8_t special, size_t max)
{
	pw_auto_buf shown;

	pw_buf_init(&shown, 64 << 10);
	(void)pw_escape(&shown, s, max);
	for (size_t i = 0; i < shown.len; i++) {
		if (shown.data[i] == special || shown.data[i] == '\\')
			(void)pw_buf_add_byte(out, '\\');
		(void)pw_buf_add_byte(out, shown.data[i]);
	}
}

static void add_extension(struct pw_buf *out, const char *key, struct pw_slice value)
{
	if (value.len == 0)
		return;
	(void)pw_buf_addf(out, " %s=", key);
	add_cef(out, value, '=', 900);
}

static int cef_severity(Podward__V1__Severity severity)
{
	static const int values[] = {5, 1, 3, 5, 8, 10};

	return (unsigned)severity < PW_COUNT(values) ? values[severity] : values[0];
}

int alert_cef(struct pw_buf *out, const Podward__V1__Alert *a, const struct alert_seen *seen,
	const char *cluster)
{
	struct alert_parts parts;

	alert_parts(a, &parts);
	(void)pw_buf_add_str(out, "CEF:0|Podward|Podward|" PODWARD_VERSION "|");
	add_cef(out, bytes(a->detector), '|', 500);
	(void)pw_buf_add_byte(out, '|');
	add_cef(out, bytes(a->title), '|', 500);
	(void)pw_buf_addf(out, "|%d|rt=%lld cnt=%llu externalId=%s", cef_severity(a->severity),
		(long long)(a->first_wall_ns / (int64_t)PW_NS_PER_MS),
		(unsigned long long)seen->count, parts.id);
	add_extension(out, "act", pw_slice_str(alert_event_name(a->event_kind)));
	add_extension(out, "msg", bytes(a->reason));
	add_extension(out, "dvchost", bytes(a->node));
	add_extension(out, parts.is_address ? "dst" : "filePath", bytes(a->object));
	if (parts.is_address)
		(void)pw_buf_addf(out, " dpt=%u", parts.port);
	if (parts.process)
		add_extension(out, "sproc", bytes(parts.process->exe));
	add_extension(out, "cs1Label", PW_SLICE_LIT("podGroup"));
	add_extension(out, "cs1", bytes(a->pod_group));
	add_extension(out, "cs2Label", PW_SLICE_LIT("cluster"));
	add_extension(out, "cs2", pw_slice_str(cluster));
	return pw_buf_error(out);
}
