// SPDX-License-Identifier: Apache-2.0
/* The canonical JSON form of an alert, and what a terminal shows. */
#include "fixture.h"

#include "common/testing/oom.h"
#include "common/web/json.h"
#include "policysync/output_stdout.h"
#include "podward/v1/event.pb-c.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

static Podward__V1__AlertProcess actor, parent;
static Podward__V1__AlertProcess *lineage[] = {&actor, &parent};
static struct numbered_alert made;
static ProtobufCBinaryData mitre[1];

static struct output_item full_item(void)
{
	struct output_item item = {.seen = {3, {1700000060ll * 1000000000}}, .n = 7};
	Podward__V1__Alert *a = &made.alert;

	alert_make(&made, 0, PODWARD__V1__SEVERITY__SEVERITY_HIGH);
	podward__v1__alert_process__init(&actor);
	podward__v1__alert_process__init(&parent);
	actor.pid = 42;
	actor.exe = text_of("/bin/cat");
	actor.args = (ProtobufCBinaryData){16, (uint8_t *)"cat\0/etc/shadow"};
	actor.flags = PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_INIT |
		      PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_UPPER_LAYER;
	parent.pid = 1;
	parent.exe = text_of("/bin/sh");
	a->lineage = lineage;
	a->n_lineage = 2;
	a->event_kind = PODWARD__V1__EVENT_KIND__EVENT_KIND_OPEN;
	a->object = text_of("/etc/shadow");
	a->aux = PODWARD__V1__FILE_ACCESS__FILE_ACCESS_READ;
	a->ret = -13;
	a->container_id = text_of("8dfafdbc3a40e1b2");
	mitre[0] = text_of("T1003.008");
	a->mitre = mitre;
	a->n_mitre = 1;
	a->nearest = text_of("file.read /bin/cat /etc/passwd");
	a->exclusion = text_of("kind: RuntimeExclusion\n");
	item.alert = a;
	return item;
}

static void the_json_form_is_stable(void **state)
{
	static const char want[] =
		"{\"id\":\"00000000000000000000000000000000\",\"time\":\"2023-11-14T22:13:20."
		"000Z\","
		"\"lastSeen\":\"2023-11-14T22:14:20.000Z\",\"count\":3,\"severity\":\"High\","
		"\"title\":\"Program with the name of a crypto miner started\","
		"\"reason\":\"xmrig is the name of a known miner\","
		"\"decidedBy\":\"sig/default/"
		"miner.process\",\"engine\":\"signature\",\"mode\":\"Alert\","
		"\"podGroup\":\"shop/Deployment/cart/"
		"server\",\"container\":{\"id\":\"8dfafdbc3a40e1b2\"},"
		"\"event\":{\"kind\":\"open\",\"object\":\"/etc/"
		"shadow\",\"access\":[\"read\"],\"result\":-13},"
		"\"lineage\":[{\"pid\":42,\"exe\":\"/bin/cat\",\"command\":\"cat "
		"/etc/shadow\",\"uid\":0,"
		"\"flags\":[\"init\",\"not-of-the-image\"]},{\"pid\":1,\"exe\":\"/bin/"
		"sh\",\"uid\":0}],"
		"\"mitre\":[\"T1003.008\"],\"nearest\":\"file.read /bin/cat /etc/passwd\","
		"\"exclusion\":\"kind: RuntimeExclusion\\u000a\"}";
	struct output_item item = full_item();
	struct pw_json *parsed = NULL;
	struct pw_err err = PW_ERR_INIT;
	struct pw_buf out;

	(void)state;
	pw_buf_init(&out, 1 << 20);
	assert_int_equal(alert_json(&out, item.alert, &item.seen), 0);
	assert_string_equal(pw_buf_text(&out), want);
	assert_int_equal(pw_json_parse(pw_buf_slice(&out), &parsed, &err), 0);
	pw_json_free(parsed);
	pw_buf_done(&out);
}

static void hostile_bytes_stay_harmless_in_both_forms(void **state)
{
	static uint8_t bytes[300];
	struct output_item item = full_item();
	struct pw_buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i % 255 + 1); /* no path and no argument holds a NUL */
	made.alert.object = made.alert.reason = made.alert.title = made.alert.pod_group =
		(ProtobufCBinaryData){sizeof(bytes), bytes};
	actor.args = actor.exe = made.alert.object;
	for (int form = OUTPUT_COMPACT; form <= OUTPUT_JSON; form++) {
		size_t lines = 0;

		pw_buf_init(&out, 1 << 20);
		assert_int_equal(
			output_stdout_format(&out, &item, (enum output_form)form, false), 0);
		for (size_t i = 0; i < out.len; i++) {
			lines += out.data[i] == '\n';
			if (out.data[i] != '\n' && (out.data[i] < 0x20 || out.data[i] == 0x7f))
				fail_msg("form %d: byte %02x", form, out.data[i]);
		}
		assert_int_equal(lines, form == OUTPUT_JSON ? 1 : 3);
		if (form == OUTPUT_JSON) {
			struct pw_json *parsed = NULL;
			struct pw_err err = PW_ERR_INIT;

			assert_int_equal(pw_json_parse(pw_buf_slice(&out), &parsed, &err), 0);
			pw_json_free(parsed);
		}
		pw_buf_done(&out);
	}
}

static void the_compact_form_says_what_matters(void **state)
{
	static const char *const words[] = {"2023-11-14T22:13:20.000Z", "High", "×3",
		"/bin/cat ← /bin/sh", "open /etc/shadow", "xmrig is the name",
		"sig/default/miner.process", "T1003.008", "shop/Deployment/cart/server",
		"(8dfafdbc3a40)"};
	struct output_item item = full_item();
	struct pw_buf out;

	(void)state;
	pw_buf_init(&out, 1 << 20);
	assert_int_equal(output_stdout_format(&out, &item, OUTPUT_COMPACT, false), 0);
	for (size_t i = 0; i < PW_COUNT(words); i++)
		if (!strstr(pw_buf_text(&out), words[i]))
			fail_msg("no \"%s\" in:\n%s", words[i], pw_buf_text(&out));
	assert_null(strchr(pw_buf_text(&out), 0x1b));
	pw_buf_clear(&out);
	assert_int_equal(output_stdout_format(&out, &item, OUTPUT_COMPACT, true), 0);
	assert_non_null(strchr(pw_buf_text(&out), 0x1b));
	pw_buf_done(&out);
}

static bool writes_colour(enum output_color color)
{
	struct output_item item = full_item();
	struct output output;
	struct pw_err err = PW_ERR_INIT;
	char text[4096] = "";
	uint32_t wait_ms;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(output_stdout_new(fds[1], OUTPUT_COMPACT, color, &output), 0);
	assert_int_equal(output.send(output.ctx, &item, 1, &wait_ms, &err), OUTPUT_DONE);
	output.destroy(output.ctx);
	(void)close(fds[1]);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	(void)close(fds[0]);
	return strchr(text, 0x1b) != NULL;
}

static void colour_is_for_terminals_unless_asked_for(void **state)
{
	(void)state;
	assert_false(writes_colour(OUTPUT_COLOR_AUTO));
	assert_true(writes_colour(OUTPUT_COLOR_ALWAYS));
	assert_false(writes_colour(OUTPUT_COLOR_NEVER));
}

static void a_closed_reader_is_tried_again_later(void **state)
{
	struct output_item item = full_item();
	struct output output;
	struct pw_err err = PW_ERR_INIT;
	uint32_t wait_ms;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	(void)close(fds[0]);
	assert_int_equal(output_stdout_new(fds[1], OUTPUT_JSON, OUTPUT_COLOR_NEVER, &output), 0);
	assert_int_equal(output.send(output.ctx, &item, 1, &wait_ms, &err), OUTPUT_RETRY);
	assert_true(err.msg[0] != '\0');
	output.destroy(output.ctx);
	(void)close(fds[1]);
}

static int send_to_null(void *ctx)
{
	const struct output_item *item = ctx;
	struct output output;
	struct pw_err err = PW_ERR_INIT;
	enum output_result result;
	uint32_t wait_ms;
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int r = output_stdout_new(fd, OUTPUT_COMPACT, OUTPUT_COLOR_NEVER, &output);

	if (r == 0) {
		result = output.send(output.ctx, item, 1, &wait_ms, &err);
		r = result == OUTPUT_DONE ? 0 : result == OUTPUT_RETRY ? err.code : -EINVAL;
		output.destroy(output.ctx);
	}
	(void)close(fd);
	return r;
}

static void running_out_of_memory_is_tried_again_later(void **state)
{
	struct output_item item = full_item();

	(void)state;
	assert_true(pw_oom_loop(send_to_null, &item) >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_json_form_is_stable),
		cmocka_unit_test(hostile_bytes_stay_harmless_in_both_forms),
		cmocka_unit_test(the_compact_form_says_what_matters),
		cmocka_unit_test(colour_is_for_terminals_unless_asked_for),
		cmocka_unit_test(a_closed_reader_is_tried_again_later),
		cmocka_unit_test(running_out_of_memory_is_tried_again_later),
	};

	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	(void)sigaction(SIGPIPE, &ignore, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
