// SPDX-License-Identifier: Apache-2.0
#include "policysync/outputs.h"
#include "common/base/file.h"
#include "policysync/output_alertmanager.h"
#include "policysync/output_otlp.h"
#include "policysync/output_syslog.h"
#include "policysync/output_webhook.h"
#include <errno.h>
#include <stdio.h>

#define FILE_BYTES   ((size_t)256 << 10)
#define FACILITY     16 /* local0 */
#define PER_MINUTE   1000000
#define DURATION_MIN (1 * PW_NS_PER_S)
#define DURATION_MAX (24 * 3600 * PW_NS_PER_S)

static const char *const type_names[OUTPUT_TYPES + 1] = {
	"webhook", "backend", "alertmanager", "otlp", "syslog", NULL};
static const char *const severity_names[] = {
	"Unspecified", "Info", "Low", "Medium", "High", "Critical", NULL};
static const char *const known[] = {"name", "type", "url", "headerFile", "hmacKeyFile", "caFile",
	"certFile", "keyFile", "format", "framing", "gzip", "batch", "ratePerMinute", "facility",
	"activeFor", "resendEvery", "timeout", "minSeverity", "namespaces", NULL};

/* Fields that only some types have: bits of output_type. */
static const struct {
	const char *key;
	unsigned types;
} only[] = {
	{"headerFile", ~(1u << OUTPUT_SYSLOG)},
	{"hmacKeyFile", ~(1u << OUTPUT_SYSLOG)},
	{"gzip", ~(1u << OUTPUT_SYSLOG)},
	{"timeout", ~(1u << OUTPUT_SYSLOG)},
	{"format", 1u << OUTPUT_WEBHOOK | 1u << OUTPUT_SYSLOG},
	{"framing", 1u << OUTPUT_WEBHOOK},
	{"batch", 1u << OUTPUT_WEBHOOK | 1u << OUTPUT_BACKEND},
	{"facility", 1u << OUTPUT_SYSLOG},
	{"activeFor", 1u << OUTPUT_ALERTMANAGER},
	{"resendEvery", 1u << OUTPUT_ALERTMANAGER},
};

static int refuse(const struct pw_json_reader *r, const char *key, const char *why)
{
	return pw_err_set(r->err, -EINVAL, "%s.%s: %s", r->path, key, why);
}

static void read_into(
	const struct pw_json_reader *r, const char *key, bool required, char *out, size_t size)
{
	struct pw_slice text = pw_read_text(r, key, required, size - 1);

	if (pw_slice_find_byte(text, '\0') >= 0) {
		(void)refuse(r, key, "holds a NUL");
		return;
	}
	memcpy(out, text.ptr ? text.ptr : (const uint8_t *)"", text.len);
	out[text.len] = '\0';
}

/* It becomes a label of metrics, the key of a cursor and a thread's name. */
static void check_name(
	const struct pw_json_reader *r, const struct output_list *list, const struct output_spec *s)
{
	static const char *const reserved[] = {"stdout", "webhook", "kubernetes"};

	for (const char *c = s->name; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-')) {
			(void)refuse(r, "name", "expected a-z, 0-9 and - only");
			return;
		}
	for (size_t i = 0; i < PW_COUNT(reserved); i++)
		if (strcmp(reserved[i], s->name) == 0)
			(void)refuse(r, "name", "is that of an output of the command line");
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].name, s->name) == 0)
			(void)refuse(r, "name", "is given twice");
}

static void check_fields(const struct pw_json_reader *r, enum output_type type)
{
	char why[64];

	for (size_t i = 0; i < PW_COUNT(only); i++) {
		if ((only[i].types & 1u << type) || !pw_json_get(r->node, only[i].key))
			continue;
		(void)snprintf(why, sizeof(why), "type %s has no such field", type_names[type]);
		(void)refuse(r, only[i].key, why);
	}
}

static uint64_t read_duration(const struct pw_json_reader *r, const char *key)
{
	uint64_t ns = pw_read_duration(r, key, 0);

	if (ns != 0 && (ns < DURATION_MIN || ns > DURATION_MAX))
		(void)refuse(r, key, "expected 1s to 24h");
	return ns;
}

static void read_filter(const struct pw_json_reader *r, struct output_filter *f)
{
	struct pw_json_reader list;

	f->min_severity = (uint32_t)pw_read_choice(r, "minSeverity", severity_names, 0);
	f->namespace_count = pw_read_array(r, "namespaces", OUTPUT_NAMESPACES, &list);
	if (f->namespace_count > OUTPUT_NAMESPACES)
		f->namespace_count = 0; /* refused already */
	for (size_t i = 0; i < f->namespace_count; i++) {
		struct pw_json_reader item = pw_reader_item(&list, i);

		read_into(&item, NULL, true, f->namespaces[i], sizeof(f->namespaces[i]));
	}
}

static void read_spec(const struct pw_json_reader *r, struct output_spec *s)
{
	pw_read_only(r, known);
	read_into(r, "name", true, s->name, sizeof(s->name));
	s->type = (enum output_type)pw_read_choice(r, "type", type_names, OUTPUT_WEBHOOK);
	check_fields(r, s->type);
	read_into(r, "url", true, s->url, sizeof(s->url));
	read_into(r, "headerFile", false, s->header_file, sizeof(s->header_file));
	read_into(r, "hmacKeyFile", false, s->hmac_file, sizeof(s->hmac_file));
	read_into(r, "caFile", false, s->ca_file, sizeof(s->ca_file));
	read_into(r, "certFile", false, s->cert_file, sizeof(s->cert_file));
	read_into(r, "keyFile", false, s->key_file, sizeof(s->key_file));
	s->format = (enum alert_format)pw_read_choice(r, "format", alert_format_names,
		s->type == OUTPUT_SYSLOG ? ALERT_PODWARD : ALERT_OCSF);
	s->framing = (enum alert_framing)pw_read_choice(r, "framing", alert_framing_names, 0);
	s->gzip = pw_read_bool(r, "gzip", s->type == OUTPUT_BACKEND);
	s->batch = (uint32_t)pw_read_int(r, "batch", 1, WEBHOOK_BATCH_MAX, 100);
	s->per_minute = (uint32_t)pw_read_int(r, "ratePerMinute", 0, PER_MINUTE, 0);
	s->facility = (unsigned)pw_read_int(r, "facility", 0, 23, FACILITY);
	s->active_ns = read_duration(r, "activeFor");
	s->refresh_ns = read_duration(r, "resendEvery");
	s->timeout_ns = read_duration(r, "timeout");
	read_filter(r, &s->filter);
}

int outputs_read(struct output_list *list, const struct pw_json *root, struct pw_err *err)
{
	static const char *const top[] = {"outputs", NULL};
	struct pw_err own = PW_ERR_INIT;
	struct pw_json_reader r, array;
	size_t before = list->count, count;

	pw_reader_init(&r, root, &own);
	pw_read_only(&r, top);
	count = pw_read_array(&r, "outputs", OUTPUTS_MAX, &array);
	for (size_t i = 0; own.code == 0 && i < count; i++) {
		struct pw_json_reader item = pw_reader_item(&array, i);
		struct output_spec *s = &list->items[list->count];

		if (list->count == OUTPUTS_MAX) {
			(void)pw_err_set(&own, -E2BIG, "outputs: more than %d", OUTPUTS_MAX);
			break;
		}
		*s = (struct output_spec){0};
		read_spec(&item, s);
		check_name(&item, list, s);
		list->count++;
	}
	if (own.code == 0)
		return 0;
	list->count = before;
	return pw_err_set(err, own.code, "%s", own.msg);
}

int outputs_read_file(struct output_list *list, const char *path, struct pw_err *err)
{
	struct pw_json **docs = NULL;
	size_t count = 0;
	pw_auto_buf text;
	int r;

	pw_buf_init(&text, FILE_BYTES);
	r = pw_file_read("outputs", path, &text, err);
	if (r == 0)
		r = pw_yaml_parse(pw_buf_slice(&text), &docs, &count, err);
	if (r == 0 && count != 1)
		r = pw_err_set(err, -EINVAL, "expected one document, got %zu", count);
	if (r == 0)
		r = outputs_read(list, docs[0], err);
	pw_yaml_docs_free(docs, count);
	return r < 0 ? pw_err_wrap(err, r, "--outputs %s", path) : 0;
}

static int make_webhook(const struct output_spec *s, const struct output_http_settings *http,
	const char *cluster, struct output *ret, struct pw_err *err)
{
	return output_webhook_new(&(struct webhook_settings){.http = *http,
					  .form = {s->format, s->framing, cluster},
					  .is_backend = s->type == OUTPUT_BACKEND,
					  .batch = s->batch},
		ret, err);
}

static int make_syslog(
	const struct output_spec *s, const char *cluster, struct output *ret, struct pw_err *err)
{
	return output_syslog_new(&(struct syslog_settings){.address = s->url,
					 .ca_file = s->ca_file,
					 .cert_file = s->cert_file,
					 .key_file = s->key_file,
					 .form = {s->format, ALERT_SINGLE, cluster},
					 .facility = s->facility},
		ret, err);
}

static int make(const struct output_spec *s, const char *cluster,
	const struct output_http_settings *http, struct output *ret, struct pw_err *err)
{
	switch (s->type) {
	case OUTPUT_SYSLOG:
		return make_syslog(s, cluster, ret, err);
	case OUTPUT_OTLP:
		return output_otlp_new(&(struct otlp_settings){*http, cluster}, ret, err);
	case OUTPUT_ALERTMANAGER:
		return output_alertmanager_new(
			&(struct alertmanager_settings){.http = *http,
				.cluster = cluster,
				.active_ns = s->active_ns,
				.refresh_ms = (uint32_t)(s->refresh_ns / PW_NS_PER_MS)},
			ret, err);
	default:
		return make_webhook(s, http, cluster, ret, err);
	}
}

int outputs_make(const struct output_spec *s, const char *cluster, const char spool_id[33],
	struct output *ret, struct pw_err *err)
{
	struct output_http_settings http = {.url = s->url,
		.header_file = s->header_file,
		.hmac_file = s->hmac_file,
		.ca_file = s->ca_file,
		.cert_file = s->cert_file,
		.key_file = s->key_file,
		.gzip = s->gzip,
		.timeout_ms = (uint32_t)(s->timeout_ns / PW_NS_PER_MS)};
	struct output out = {.filter = s->filter, .per_minute = s->per_minute};
	int r;

	memcpy(http.spool_id, spool_id, sizeof(http.spool_id));
	memcpy(out.name, s->name, sizeof(out.name));
	r = make(s, cluster, &http, &out, err);
	if (r < 0)
		return pw_err_wrap(err, r, "output %s", s->name);
	*ret = out;
	return 0;
}
