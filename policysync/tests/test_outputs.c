// SPDX-License-Identifier: Apache-2.0
/* The outputs file: what is read, and what is refused by name. */
#include "fixture.h"

#include "common/testing/oom.h"
#include "policysync/outputs.h"
#include "policysync/settings.h"
#include <errno.h>

static const char spool_id[33] = "00112233445566778899aabbccddeeff";

static int read_text(struct output_list *list, const char *text, struct pw_err *err)
{
	struct pw_json **docs = NULL;
	size_t count = 0;
	int r = pw_yaml_parse(pw_slice_str(text), &docs, &count, err);

	if (r == 0)
		r = outputs_read(list, docs[0], err);
	pw_yaml_docs_free(docs, count);
	return r;
}

static const char good[] =
	"outputs:\n"
	"- {name: siem, url: 'https://siem/x', format: ecs, framing: array, batch: 7,\n"
	"   minSeverity: High, namespaces: [shop, pay], ratePerMinute: 60, hmacKeyFile: /k}\n"
	"- {name: hub, type: backend, url: 'https://hub'}\n"
	"- {name: am, type: alertmanager, url: 'http://am:9093', activeFor: 10m, resendEvery: "
	"30s}\n"
	"- {name: otel, type: otlp, url: 'http://otel:4318'}\n"
	"- {name: log, type: syslog, url: 'tcp://log:601', format: cef, facility: 4}\n";

static void every_type_is_read_and_made(void **state)
{
	struct output_list list = {.count = 0};
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	if (read_text(&list, good, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(list.count, 5);
	assert_string_equal(list.items[0].name, "siem");
	assert_int_equal(list.items[0].format, ALERT_ECS);
	assert_int_equal(list.items[0].filter.min_severity, 4);
	assert_string_equal(list.items[0].filter.namespaces[1], "pay");
	assert_true(list.items[1].gzip);
	assert_int_equal(list.items[2].active_ns, 600 * PW_NS_PER_S);
	assert_int_equal(list.items[4].format, ALERT_CEF);
	list.items[0].hmac_file[0] = '\0'; /* there is no such file */
	for (size_t i = 0; i < list.count; i++) {
		struct output output;

		if (outputs_make(&list.items[i], "c", spool_id, &output, &err) < 0)
			fail_msg("%s", err.msg);
		assert_string_equal(output.name, list.items[i].name);
		assert_int_equal(output.refresh_ms, i == 2 ? 30000 : 0);
		output.destroy(output.ctx);
	}
}

static void what_is_wrong_is_named_and_nothing_is_taken(void **state)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"outputs: 7", "outputs: expected"},
		{"output: []", "output"},
		{"outputs: [{url: 'http://x'}]", "outputs[0].name"},
		{"outputs: [{name: a}]", "outputs[0].url"},
		{"outputs: [{name: A, url: 'http://x'}]", "outputs[0].name: expected a-z"},
		{"outputs: [{name: stdout, url: 'http://x'}]", "outputs[0].name"},
		{"outputs: [{name: a, url: 'http://x'}, {name: a, url: 'http://y'}]",
			"outputs[1].name: is given twice"},
		{"outputs: [{name: a, url: 'http://x', type: pigeon}]", "outputs[0].type"},
		{"outputs: [{name: a, url: 'http://x', format: xml}]", "outputs[0].format"},
		{"outputs: [{name: a, url: 'http://x', colour: red}]", "colour"},
		{"outputs: [{name: a, url: 'http://x', facility: 3}]",
			"outputs[0].facility: type webhook has no such field"},
		{"outputs: [{name: a, type: syslog, url: 'tcp://x:1', gzip: true}]",
			"outputs[0].gzip"},
		{"outputs: [{name: a, url: 'http://x', batch: 0}]", "outputs[0].batch"},
		{"outputs: [{name: a, url: 'http://x', minSeverity: high}]",
			"outputs[0].minSeverity"},
		{"outputs: [{name: a, url: 'http://x', namespaces: [1]}]",
			"outputs[0].namespaces[0]"},
		{"outputs: [{name: a, type: alertmanager, url: 'http://x', activeFor: 1ms}]",
			"outputs[0].activeFor"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct output_list list = {.count = 1};
		struct pw_err err = PW_ERR_INIT;

		memcpy(list.items[0].name, "old", 4);
		if (read_text(&list, rows[i].text, &err) == 0 || !strstr(err.msg, rows[i].words))
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_equal(list.count, 1);
	}
}

static void what_cannot_work_is_refused_when_it_is_made(void **state)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"{name: a, url: 'ftp://x'}", "output a: url: expected http"},
		{"{name: a, url: 'http://x', certFile: /c}", "certFile and keyFile"},
		{"{name: a, url: 'http://x', headerFile: /nowhere/h}", "header file"},
		{"{name: a, url: 'http://x', hmacKeyFile: /nowhere/k}", "HMAC key file"},
		{"{name: a, url: 'http://x', format: slack, framing: array}", "framing"},
		{"{name: a, type: syslog, url: 'http://x'}", "udp://, tcp:// or tls://"},
		{"{name: a, type: syslog, url: 'udp://x'}", "udp://, tcp:// or tls://"},
		{"{name: a, type: syslog, url: 'udp://x:1/y'}", "udp://, tcp:// or tls://"},
		{"{name: a, type: syslog, url: 'udp://x:1', format: slack}", "format"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct output_list list = {.count = 0};
		struct output output;
		struct pw_err err = PW_ERR_INIT;
		char text[256];

		(void)snprintf(text, sizeof(text), "outputs: [%s]", rows[i].text);
		if (read_text(&list, text, &err) < 0)
			fail_msg("row %zu: %s", i, err.msg);
		if (outputs_make(&list.items[0], "c", spool_id, &output, &err) == 0 ||
			!strstr(err.msg, rows[i].words))
			fail_msg("row %zu: %s", i, err.msg);
	}
}

static void the_command_line_and_the_file_make_one_list(void **state)
{
	struct folder folder;
	char path[128];
	struct settings s = {.webhook_url = "http://hook/", .outputs = path, .cluster = "c"};
	struct output_list list;
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	folder_make(&folder);
	folder_write(&folder, "outputs", good);
	(void)snprintf(path, sizeof(path), "%s/outputs", folder.path);
	assert_int_equal(settings_outputs(&s, &list, &err), 0);
	assert_int_equal(list.count, 6);
	assert_string_equal(list.items[0].url, "http://hook/");
	s.outputs = "/nowhere/outputs";
	assert_true(settings_outputs(&s, &list, &err) < 0);
	assert_non_null(strstr(err.msg, "--outputs /nowhere/outputs"));
	pw_err_clear(&err);
	s.cluster = "";
	assert_true(settings_outputs(&s, &list, &err) < 0);
	assert_non_null(strstr(err.msg, "--cluster"));
	folder_remove(&folder);
}

static int make_all(void *ctx)
{
	const struct output_list *list = ctx;
	int r = 0;

	for (size_t i = 1; r == 0 && i < list->count; i++) {
		struct output output;
		struct pw_err err = PW_ERR_INIT;

		r = outputs_make(&list->items[i], "c", spool_id, &output, &err);
		if (r == 0)
			output.destroy(output.ctx);
	}
	return r;
}

static void running_out_of_memory_leaves_nothing_behind(void **state)
{
	struct output_list list = {.count = 0};
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	assert_int_equal(read_text(&list, good, &err), 0);
	assert_true(pw_oom_loop(make_all, &list) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_read_and_made),
		cmocka_unit_test(what_is_wrong_is_named_and_nothing_is_taken),
		cmocka_unit_test(what_cannot_work_is_refused_when_it_is_made),
		cmocka_unit_test(the_command_line_and_the_file_make_one_list),
		cmocka_unit_test(running_out_of_memory_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
