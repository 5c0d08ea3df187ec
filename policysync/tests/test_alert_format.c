// SPDX-License-Identifier: Apache-2.0
/*
 * The forms in which alerts leave. With an argument it is no test: it prints sample alerts in that
 * form, a line each, for check_ocsf.py.
 */
#include "fixture.h"

#include "common/testing/oom.h"
#include "common/web/json.h"
#include "policysync/alert_format.h"
#include "policysync/output_otlp.h"
#include "policysync/output_syslog.h"
#include "podward/v1/event.pb-c.h"
#include <errno.h>

enum { SAMPLES = 6 };

struct sample {
	struct numbered_alert made;
	Podward__V1__AlertProcess actor, parent;
	Podward__V1__AlertProcess *lineage[2];
	ProtobufCBinaryData mitre[2];
	struct output_item item;
};

static void fill_event(Podward__V1__Alert *a, size_t kind)
{
	static uint8_t odd[300];

	a->event_kind = PODWARD__V1__EVENT_KIND__EVENT_KIND_OPEN;
	a->object = text_of("/etc/shadow");
	a->aux = PODWARD__V1__FILE_ACCESS__FILE_ACCESS_READ;
	if (kind == 1) {
		a->event_kind = PODWARD__V1__EVENT_KIND__EVENT_KIND_EXEC;
		a->object = text_of("/tmp/xmrig");
	} else if (kind == 2) {
		a->event_kind = PODWARD__V1__EVENT_KIND__EVENT_KIND_CONNECT;
		a->object = text_of("203.0.113.7");
		a->aux = 4444 | 6u << 16 | 2u << 24;
		a->engine = PODWARD__V1__ENGINE__ENGINE_PROFILE;
	} else if (kind == 3) {
		a->event_kind = PODWARD__V1__EVENT_KIND__EVENT_KIND_CONNECT;
		a->object = text_of("/run/docker.sock");
		a->aux = 1u << 24;
		a->mode = text_of("Audit");
	} else if (kind == 4) {
		for (size_t i = 0; i < sizeof(odd); i++)
			odd[i] = (uint8_t)(i % 255 + 1);
		a->object = a->title = a->reason = a->pod_group = a->node = a->detector =
			(ProtobufCBinaryData){sizeof(odd), odd};
		a->event_kind = 99;
	}
}

/* 0 open, 1 exec, 2 connect, 3 unix socket in audit mode, 4 hostile bytes, 5 only an id. */
static struct output_item *sample(struct sample *s, size_t kind)
{
	Podward__V1__Alert *a = &s->made.alert;

	alert_make(&s->made, kind, PODWARD__V1__SEVERITY__SEVERITY_HIGH);
	s->item = (struct output_item){a, {3, {1700000060ll * 1000000000}}, 7};
	if (kind == 5) {
		ProtobufCBinaryData id = a->id;

		podward__v1__alert__init(a);
		a->id = id;
		return &s->item;
	}
	podward__v1__alert_process__init(&s->actor);
	podward__v1__alert_process__init(&s->parent);
	s->actor.pid = 42;
	s->actor.exe = text_of("/bin/cat");
	s->actor.args = (ProtobufCBinaryData){16, (uint8_t *)"cat\0/etc/shadow"};
	s->actor.uid = 1000;
	s->parent.pid = 1;
	s->parent.exe = text_of("/bin/sh");
	s->lineage[0] = &s->actor;
	s->lineage[1] = &s->parent;
	a->lineage = s->lineage;
	a->n_lineage = 2;
	a->node = text_of("node-1");
	a->container_id = text_of("8dfafdbc3a40");
	a->container_name = text_of("server");
	a->image = text_of("shop/cart:1.2");
	a->pod_name = text_of("cart-0");
	s->mitre[0] = text_of("T1003.008");
	s->mitre[1] = text_of("T1496");
	a->mitre = s->mitre;
	a->n_mitre = 2;
	a->exclusion = text_of("kind: RuntimeExclusion\n");
	fill_event(a, kind);
	return &s->item;
}

static const struct {
	enum alert_format format;
	const char *words[8];
} rows[] = {
	{ALERT_OCSF,
		{"\"class_uid\":2004", "\"finding_info\":{\"uid\":\"", "\"severity_id\":4",
			"\"analytic\":{\"uid\":\"sig/default/miner.process\"",
			"\"sub_technique\":{\"uid\":\"T1003.008\"}",
			"\"uid\":\"prod/shop/Deployment/cart/server\"",
			"\"cmd_line\":\"cat /etc/shadow\"",
			"\"file\":{\"name\":\"shadow\",\"path\":\"/etc/shadow\",\"type_id\":1}"}},
	{ALERT_FALCO, {"\"priority\":\"Error\"", "\"rule\":\"sig/default/miner.process\"",
			      "\"output\":\"Program with", "\"output_fields\":{",
			      "\"k8s.ns.name\":\"shop\"", "\"proc.pname\":\"sh\"", "\"uuid\":\"",
			      "\"hostname\":\"node-1\""}},
	{ALERT_ECS,
		{"\"@timestamp\":\"2023-11-14T22:13:20.000Z\"", "\"kind\":\"alert\"",
			"\"file\":{\"path\":\"/etc/shadow\",\"name\":\"shadow\"}",
			"\"parent\":{\"pid\":1", "\"technique\":{\"id\":[\"T1003.008\",\"T1496\"]}",
			"\"category\":[\"file\"]", "\"namespace\":\"shop\"",
			"\"cluster\":{\"name\":\"prod\"}"}},
	{ALERT_CLOUDEVENTS,
		{"\"specversion\":\"1.0\"", "\"source\":\"/podward/prod\"",
			"\"type\":\"dev.podward.alert.v1\"", "\"data\":{\"activity_id\":1",
			"\"subject\":\"shop/Deployment/cart/server\"", NULL}},
	{ALERT_SLACK, {"\"text\":\"*High* Program", "(3 times)", "`/etc/shadow`", NULL}},
	{ALERT_ELASTICSEARCH, {"{\"create\":{\"_id\":\"", "\n{\"@timestamp\"", NULL}},
	{ALERT_CEF,
		{"CEF:0|Podward|Podward|", "|sig/default/miner.process|", "|8|rt=1700000000000 ",
			" filePath=/etc/shadow", " sproc=/bin/cat", NULL}},
};

static void each_form_says_what_its_receivers_look_for(void **state)
{
	struct sample s;

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct alert_form form = {rows[i].format, ALERT_FRAMING_DEFAULT, "prod"};
		struct pw_buf out;

		pw_buf_init(&out, 1 << 20);
		assert_int_equal(alert_format_one(&out, &form, sample(&s, 0)), 0);
		for (size_t w = 0; w < PW_COUNT(rows[i].words) && rows[i].words[w]; w++)
			if (!strstr(pw_buf_text(&out), rows[i].words[w]))
				fail_msg("%s: no %s in %s", alert_format_names[rows[i].format],
					rows[i].words[w], pw_buf_text(&out));
		pw_buf_done(&out);
	}
}

static void check_one_line(const struct pw_buf *out, enum alert_format format)
{
	size_t lines = 0;

	for (size_t i = 0; i < out->len; i++) {
		lines += out->data[i] == '\n';
		if (out->data[i] != '\n' && (out->data[i] < 0x20 || out->data[i] == 0x7f))
			fail_msg("%s: byte %02x", alert_format_names[format], out->data[i]);
	}
	assert_int_equal(lines, format == ALERT_ELASTICSEARCH ? 1 : 0);
}

static void check_json(const struct pw_buf *out, enum alert_format format)
{
	struct pw_slice rest = pw_buf_slice(out), line;
	struct pw_err err = PW_ERR_INIT;

	if (format == ALERT_CEF)
		return;
	while (pw_slice_cut(&rest, '\n', &line)) {
		struct pw_json *parsed = NULL;

		if (pw_json_parse(line, &parsed, &err) < 0)
			fail_msg("%s: %s", alert_format_names[format], err.msg);
		pw_json_free(parsed);
	}
}

static void every_sample_is_one_clean_line_in_every_form(void **state)
{
	struct sample s;

	(void)state;
	for (size_t f = 0; f < ALERT_FORMATS; f++)
		for (size_t kind = 0; kind < SAMPLES; kind++) {
			struct alert_form form = {
				(enum alert_format)f, ALERT_FRAMING_DEFAULT, "prod"};
			struct pw_buf out;

			pw_buf_init(&out, 1 << 20);
			assert_int_equal(alert_format_one(&out, &form, sample(&s, kind)), 0);
			check_one_line(&out, form.format);
			check_json(&out, form.format);
			pw_buf_done(&out);
		}
}

static void marks_of_slack_and_cef_lose_their_meaning(void **state)
{
	struct alert_form slack = {ALERT_SLACK, ALERT_SINGLE, "prod"};
	struct alert_form cef = {ALERT_CEF, ALERT_SINGLE, "prod"};
	struct sample s;
	struct pw_buf out;

	(void)state;
	(void)sample(&s, 0);
	s.made.alert.title = text_of("<!channel> & `x` | a=b\\c");
	s.made.alert.reason = text_of("a=b|c");
	pw_buf_init(&out, 1 << 20);
	assert_int_equal(alert_format_one(&out, &slack, &s.item), 0);
	assert_non_null(strstr(pw_buf_text(&out), "&lt;!channel&gt; &amp; 'x'"));
	pw_buf_clear(&out);
	assert_int_equal(alert_format_one(&out, &cef, &s.item), 0);
	assert_non_null(strstr(pw_buf_text(&out), "|<!channel> & `x` \\| a=b\\\\"));
	assert_non_null(strstr(pw_buf_text(&out), " msg=a\\=b|c "));
	pw_buf_done(&out);
}

static void framings_that_nobody_takes_are_refused(void **state)
{
	static const struct {
		enum alert_format format;
		enum alert_framing framing, want; /* want DEFAULT = refused */
		const char *type;
	} cases[] = {
		{ALERT_OCSF, ALERT_FRAMING_DEFAULT, ALERT_LINES, "application/x-ndjson"},
		{ALERT_OCSF, ALERT_ARRAY, ALERT_ARRAY, "application/json"},
		{ALERT_OCSF, ALERT_SINGLE, ALERT_SINGLE, "application/json"},
		{ALERT_FALCO, ALERT_FRAMING_DEFAULT, ALERT_SINGLE, "application/json"},
		{ALERT_FALCO, ALERT_ARRAY, ALERT_FRAMING_DEFAULT, NULL},
		{ALERT_SLACK, ALERT_LINES, ALERT_FRAMING_DEFAULT, NULL},
		{ALERT_ELASTICSEARCH, ALERT_FRAMING_DEFAULT, ALERT_LINES, "application/x-ndjson"},
		{ALERT_ELASTICSEARCH, ALERT_ARRAY, ALERT_FRAMING_DEFAULT, NULL},
		{ALERT_CLOUDEVENTS, ALERT_FRAMING_DEFAULT, ALERT_SINGLE,
			"application/cloudevents+json"},
		{ALERT_CLOUDEVENTS, ALERT_ARRAY, ALERT_ARRAY, "application/cloudevents-batch+json"},
		{ALERT_CLOUDEVENTS, ALERT_LINES, ALERT_FRAMING_DEFAULT, NULL},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(cases); i++) {
		struct alert_form form = {cases[i].format, cases[i].framing, "c"};
		struct pw_err err = PW_ERR_INIT;
		int r = alert_form_check(&form, &err);

		assert_int_equal(r, cases[i].want == ALERT_FRAMING_DEFAULT ? -EINVAL : 0);
		if (r < 0)
			continue;
		assert_int_equal(form.framing, cases[i].want);
		assert_string_equal(alert_form_content_type(&form), cases[i].type);
	}
}

static void an_otlp_body_carries_the_finding_as_a_map(void **state)
{
	struct sample s;
	struct pw_buf out;
	struct pw_json *root = NULL;
	struct pw_err err = PW_ERR_INIT;
	const struct pw_json *at;
	static const char *const path[] = {"resourceLogs", "scopeLogs", "logRecords"};

	(void)state;
	pw_buf_init(&out, 1 << 20);
	assert_int_equal(output_otlp_body(&out, "prod", sample(&s, 4), 1), 0);
	assert_int_equal(pw_json_parse(pw_buf_slice(&out), &root, &err), 0);
	at = root;
	for (size_t i = 0; i < PW_COUNT(path); i++)
		at = pw_json_at(pw_json_get(at, path[i]), 0);
	assert_int_equal(pw_json_int(pw_json_get(at, "severityNumber")), 17);
	assert_true(pw_slice_eq_str(
		pw_json_text(pw_json_get(at, "timeUnixNano")), "1700000000000000004"));
	at = pw_json_get(pw_json_get(pw_json_get(at, "body"), "kvlistValue"), "values");
	assert_true(pw_json_size(at) > 15);
	assert_true(pw_slice_eq_str(
		pw_json_text(pw_json_get(pw_json_at(at, 0), "key")), "activity_id"));
	assert_true(pw_slice_eq_str(
		pw_json_text(pw_json_get(pw_json_get(pw_json_at(at, 0), "value"), "intValue")),
		"1"));
	pw_json_free(root);
	pw_buf_done(&out);
}

static void a_syslog_message_has_the_head_of_rfc_5424(void **state)
{
	struct syslog_settings settings = {
		.facility = 16, .form = {ALERT_PODWARD, ALERT_SINGLE, "prod"}};
	struct sample s;
	struct pw_buf out;

	(void)state;
	pw_buf_init(&out, 1 << 20);
	assert_int_equal(output_syslog_format(&out, &settings, sample(&s, 0), 8192), 0);
	assert_int_equal(
		strncmp(pw_buf_text(&out),
			"<131>1 2023-11-14T22:13:20.000Z node-1 podward - alert - {\"id\"", 62),
		0);
	pw_buf_clear(&out);
	assert_int_equal(output_syslog_format(&out, &settings, sample(&s, 5), 8192), 0);
	assert_non_null(strstr(pw_buf_text(&out), "Z - podward - alert - {"));
	/* Hostile host names keep only what RFC 5424 allows. */
	pw_buf_clear(&out);
	assert_int_equal(output_syslog_format(&out, &settings, sample(&s, 4), 65536), 0);
	assert_non_null(strstr(pw_buf_text(&out), "Z !\"#$"));
	pw_buf_done(&out);
}

static void a_syslog_message_that_is_too_long_goes_without_its_lineage(void **state)
{
	static char args[4000], reason[9000];
	struct syslog_settings settings = {
		.facility = 16, .form = {ALERT_PODWARD, ALERT_SINGLE, "prod"}};
	struct sample s;
	struct pw_buf out;

	(void)state;
	memset(args, 'x', sizeof(args));
	memset(reason, 'y', sizeof(reason));
	(void)sample(&s, 0);
	s.parent.args = (ProtobufCBinaryData){sizeof(args), (uint8_t *)args};
	pw_buf_init(&out, 1 << 20);
	assert_int_equal(output_syslog_format(&out, &settings, &s.item, 3000), 0);
	assert_true(out.len <= 3000);
	assert_non_null(strstr(pw_buf_text(&out), "/bin/cat"));
	assert_int_equal(s.made.alert.n_lineage, 2);
	s.made.alert.reason = (ProtobufCBinaryData){sizeof(reason), (uint8_t *)reason};
	assert_int_equal(output_syslog_format(&out, &settings, &s.item, 3000), -E2BIG);
	pw_buf_done(&out);
}

static int format_all(void *ctx)
{
	struct sample s;
	int r = 0;

	(void)ctx;
	for (size_t f = 0; r == 0 && f < ALERT_FORMATS; f++) {
		struct alert_form form = {(enum alert_format)f, ALERT_LINES, "prod"};
		pw_auto_buf out;

		pw_buf_init(&out, 1 << 20);
		r = alert_format_body(&out, &form, sample(&s, 0), 1);
	}
	return r;
}

static void running_out_of_memory_is_an_error_of_the_buffer(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(format_all, NULL) > ALERT_FORMATS);
}

static int print(const char *format)
{
	struct sample s;

	for (size_t f = 0; f < ALERT_FORMATS; f++)
		for (size_t kind = 0; strcmp(format, alert_format_names[f]) == 0 && kind < SAMPLES;
			kind++) {
			struct alert_form form = {(enum alert_format)f, ALERT_LINES, "prod"};
			struct pw_buf out;

			pw_buf_init(&out, 1 << 20);
			if (alert_format_one(&out, &form, sample(&s, kind)) < 0)
				return 1;
			(void)puts(pw_buf_text(&out));
			pw_buf_done(&out);
		}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_says_what_its_receivers_look_for),
		cmocka_unit_test(every_sample_is_one_clean_line_in_every_form),
		cmocka_unit_test(marks_of_slack_and_cef_lose_their_meaning),
		cmocka_unit_test(framings_that_nobody_takes_are_refused),
		cmocka_unit_test(an_otlp_body_carries_the_finding_as_a_map),
		cmocka_unit_test(a_syslog_message_has_the_head_of_rfc_5424),
		cmocka_unit_test(a_syslog_message_that_is_too_long_goes_without_its_lineage),
		cmocka_unit_test(running_out_of_memory_is_an_error_of_the_buffer),
	};

	return argc > 1 ? print(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}
