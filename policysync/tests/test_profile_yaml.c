// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "common/testing/oom.h"
#include "policysync/profile_command.h"
#include "policysync/profile_whole.h"
#include "policysync/profile_yaml.h"
#include <errno.h>

#define FLAG(x) ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_##x)
#define GROUP   "shop/Deployment/web/app"
#define HEAD                                                              \
	"apiVersion: podward.dev/v1alpha1\nkind: RuntimeProfile\nspec:\n" \
	"  podGroup: \"" GROUP "\"\n"

/* What a person writes: the lines alone. */
static const char plain[] = HEAD
	"  behaviours:\n"
	"  - {dimension: exec, actor: /bin/sh, object: /bin/cat}\n"
	"  - {dimension: file.read, actor: /bin/cat, object: \"/etc/a b\"}\n"
	"  - {dimension: file.read, actor: /bin/cat, object: /etc/x, seen: [startup]}\n"
	"  - {dimension: file.create, objectBase64: \"L3RtcC//\", seen: [steady, template], names: "
	"7, seenIn: 3}\n"
	"  - {dimension: dns, actor: /bin/cat, object: \"m\\u00fcller.example\", first: \"-5\","
	" containers: [\"0000002a\", \"ffffffff\"], versions: [\"00000000deadbeef\"]}\n"
	"  - {dimension: dns, object: gone.example, seen: [removed], first: "
	"\"-9223372036854775808\"}\n"
	"  - {dimension: exec, object: /x, seen: [candidate, grave], first: "
	"\"1795571047770113348\","
	" key: \"0123456789abcdef\"}\n";

static int read_text(
	const char *text, struct pw_arena *a, Podward__V1__ProfileDelta **ret, struct pw_err *err)
{
	return profile_yaml_read(pw_slice_str(text), a, ret, err);
}

static void a_text_comes_back_byte_by_byte(void **state)
{
	Podward__V1__ProfileDelta *one = NULL, *two = NULL;
	struct pw_err err = PW_ERR_INIT;
	struct pw_arena *a = NULL;
	pw_auto_buf first, second;

	(void)state;
	pw_buf_init(&first, 1 << 20);
	pw_buf_init(&second, 1 << 20);
	assert_int_equal(pw_arena_new(4096, 8 << 20, &a), 0);
	if (read_text(plain, a, &one, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(one->n_behaviours, 7);
	assert_int_equal(one->behaviours[3]->object.len, 6);
	assert_int_equal(one->behaviours[3]->object.data[5], 0xff);
	assert_int_equal(one->behaviours[4]->first_wall_ns, -5);
	assert_true(one->behaviours[5]->first_wall_ns == INT64_MIN);
	assert_true(one->behaviours[6]->key == 0x0123456789abcdefull);
	assert_int_equal(one->behaviours[0]->flags, FLAG(STEADY));
	assert_int_equal(profile_yaml_write(one, &first, &err), 0);
	assert_int_equal(profile_yaml_read(pw_buf_slice(&first), a, &two, &err), 0);
	assert_int_equal(profile_yaml_write(two, &second, &err), 0);
	assert_true(pw_slice_eq(pw_buf_slice(&first), pw_buf_slice(&second)));
	pw_arena_free(a);
}

static void bad_texts_are_refused_with_the_field(void **state)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"kind: Secret\n", "kind"},
		{"kind: RuntimeProfile\n", "spec: missing"},
		{"kind: RuntimeProfile\nspec: {}\n", "spec.podGroup"},
		{HEAD "  behaviours: 7\n", "spec.behaviours"},
		{HEAD "  colour: red\n", "colour"},
		{HEAD "  state: \"@@\"\n", "spec.state"},
		{HEAD "  state: \"CgFh\"\n", "of another pod group"},
		{HEAD "  behaviours:\n  - {object: /x}\n", "spec.behaviours[0].dimension: missing"},
		{HEAD "  behaviours:\n  - {dimension: taste, object: /x}\n", "dimension"},
		{HEAD "  behaviours:\n  - {dimension: exec}\n",
			"spec.behaviours[0].object: missing"},
		{HEAD "  behaviours:\n  - {dimension: exec, object: /x, seen: [often]}\n",
			"seen[0]"},
		{HEAD "  behaviours:\n  - {dimension: exec, object: /x, first: \"soon\"}\n",
			"first"},
		{HEAD "  behaviours:\n  - {dimension: exec, object: /x, first: "
		      "\"9223372036854775808\"}\n",
			"first"},
		{HEAD "  behaviours:\n  - {dimension: exec, object: /x, containers: [\"2a\"]}\n",
			"8 hexadecimal"},
		{HEAD "  behaviours:\n  - {dimension: exec, object: /x, key: "
		      "\"0123456789abcdef\"}\n",
			"spec.behaviours[0].key"},
		{HEAD "  behaviours:\n  - {dimension: exec, object: /x, objectBase64: \"L3g=\"}\n",
			"objectBase64: beside object"},
		{HEAD "---\nkind: RuntimeProfile\n", "one document"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		Podward__V1__ProfileDelta *whole = NULL;
		struct pw_err err = PW_ERR_INIT;
		struct pw_arena *a = NULL;

		assert_int_equal(pw_arena_new(4096, 8 << 20, &a), 0);
		assert_true(read_text(rows[i].text, a, &whole, &err) < 0);
		assert_null(whole);
		if (!strstr(err.msg, rows[i].words))
			fail_msg("%s: %s", rows[i].words, err.msg);
		pw_arena_free(a);
	}
}

/* Of the group: whether it holds this text, and how often it started over. */
static bool holds(const char *dir, const char *words, unsigned *ret_lines)
{
	struct pw_err err = PW_ERR_INIT;
	pw_auto_buf out;

	pw_buf_init(&out, 1 << 20);
	if (profile_command_export(dir, GROUP, &out, &err) < 0)
		fail_msg("%s", err.msg);
	*ret_lines = 0;
	for (size_t i = 0; i < out.len; i++)
		*ret_lines += out.data[i] == '\n';
	return strstr(pw_buf_text(&out), words) != NULL;
}

static void export_edit_import_is_the_profile_from_then_on(void **state)
{
	struct folder folder;
	struct pw_err err = PW_ERR_INIT;
	pw_auto_buf one, two;
	unsigned lines;
	char *edited, *at;

	(void)state;
	folder_make(&folder);
	pw_buf_init(&one, 1 << 20);
	pw_buf_init(&two, 1 << 20);
	assert_int_equal(profile_command_export(folder.path, GROUP, &one, &err), -ENOENT);
	pw_err_clear(&err);
	assert_int_equal(profile_command_import(folder.path, pw_slice_str(plain), &err), 1);
	assert_int_equal(profile_command_export(folder.path, GROUP, &one, &err), 0);
	/* The same again changes nothing, here and in an empty place. */
	assert_int_equal(profile_command_import(folder.path, pw_buf_slice(&one), &err), 0);
	assert_int_equal(profile_command_export(folder.path, GROUP, &two, &err), 0);
	assert_true(pw_slice_eq(pw_buf_slice(&one), pw_buf_slice(&two)));
	/* A line that was taken out is gone, one that was added is there. */
	edited = strdup(pw_buf_text(&one));
	at = strstr(edited, "/etc/x");
	assert_non_null(at);
	memcpy(at, "/etc/y", 6);
	assert_true(holds(folder.path, "/etc/x", &lines));
	assert_int_equal(lines, 13);
	assert_int_equal(profile_command_import(folder.path, pw_slice_str(edited), &err), 1);
	assert_false(holds(folder.path, "/etc/x", &lines));
	assert_true(holds(folder.path, "/etc/y", &lines));
	assert_int_equal(lines, 13);
	free(edited);
	folder_remove(&folder);
}

static void an_import_that_is_refused_changes_nothing(void **state)
{
	struct folder folder;
	struct pw_err err = PW_ERR_INIT;
	unsigned lines;

	(void)state;
	folder_make(&folder);
	assert_int_equal(profile_command_import(folder.path, pw_slice_str(plain), &err), 1);
	assert_true(profile_command_import(folder.path,
			    PW_SLICE_LIT(HEAD "  behaviours:\n  - {dimension: exec}\n"), &err) < 0);
	assert_true(holds(folder.path, "/etc/x", &lines));
	assert_int_equal(lines, 13);
	folder_remove(&folder);
}

static int read_once(void *ctx)
{
	Podward__V1__ProfileDelta *whole = NULL;
	struct pw_err err = PW_ERR_INIT;
	struct pw_arena *a = NULL;
	pw_auto_buf out;
	int r = pw_arena_new(4096, 8 << 20, &a);

	(void)ctx;
	pw_buf_init(&out, 1 << 20);
	if (r == 0)
		r = read_text(plain, a, &whole, &err);
	if (r == 0)
		r = profile_yaml_write(whole, &out, &err);
	pw_arena_free(a);
	return r;
}

static void it_survives_lack_of_memory(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(read_once, NULL) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_comes_back_byte_by_byte),
		cmocka_unit_test(bad_texts_are_refused_with_the_field),
		cmocka_unit_test(export_edit_import_is_the_profile_from_then_on),
		cmocka_unit_test(an_import_that_is_refused_changes_nothing),
		cmocka_unit_test(it_survives_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
