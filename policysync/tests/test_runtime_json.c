// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "common/testing/oom.h"
#include "policysync/runtime_json.h"
#include <errno.h>

#define ID "8dfafdbc3a40e1b2c3d4e5f60718293a4b5c6d7e8f90123456789abcdef01234"

static void containers_get_their_pod_group(void **state)
{
	static const struct {
		const char *text, *group, *name;
	} rows[] = {
		{"[{\"Id\":\"" ID "\",\"Names\":[\"/web\"]}]", "docker/Container/web/web", "web"},
		{"[{\"Id\":\"" ID "\",\"Names\":[\"web\"],\"Labels\":{}}]",
			"docker/Container/web/web", "web"},
		{"[{\"Id\":\"" ID "\",\"Names\":[]}]", "docker/Container/8dfafdbc3a40/8dfafdbc3a40",
			"8dfafdbc3a40"},
		{"[{\"Id\":\"" ID "\",\"Names\":7,\"Labels\":[1]}]",
			"docker/Container/8dfafdbc3a40/8dfafdbc3a40", "8dfafdbc3a40"},
		{"[{\"Id\":\"" ID
		 "\",\"Names\":[\"/shop-front-1\"],\"Labels\":{\"com.docker.compose.project\":"
		 "\"shop\",\"com.docker.compose.service\":\"front\"}}]",
			"docker/Compose/shop/front", "shop-front-1"},
		{"[{\"Id\":\"" ID
		 "\",\"Names\":[\"/a\"],\"Labels\":{\"com.docker.compose.project\":\"shop\"}}]",
			"docker/Container/a/a", "a"},
		{"[{\"Id\":\"" ID "\",\"Names\":[\"/a/b\\n*\\u001b[31m\"]}]",
			"docker/Container/a_b____31m/a_b____31m", "a_b____31m"},
		{"[{\"Id\":\"" ID "\",\"Names\":[\"/\\u00e4\"]}]", "docker/Container/__/__", "__"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct runtime_list *l = NULL;
		struct pw_err err = PW_ERR_INIT;

		if (runtime_json_parse(pw_slice_str(rows[i].text), "docker", &l, &err) < 0)
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_equal(l->count, 1);
		assert_string_equal(l->items[0].group, rows[i].group);
		assert_string_equal(l->items[0].name, rows[i].name);
		assert_string_equal(l->items[0].id, ID);
		runtime_list_free(l);
	}
}

static void entries_without_a_valid_id_are_left_out_and_counted(void **state)
{
	static const char text[] =
		"[{\"Id\":\"../../"
		"etc\"},{\"Id\":7},{},3,null,{\"Id\":\"ABCDEFABCDEF\"},{\"Id\":\"abc\"},"
		"{\"Id\":\"" ID "0\"},{\"Id\":\"abcdefabcdef\"}]";
	struct runtime_list *l = NULL;
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	assert_int_equal(runtime_json_parse(pw_slice_str(text), "podman", &l, &err), 0);
	assert_int_equal(l->count, 1);
	assert_int_equal(l->refused, 8);
	assert_int_equal(l->full, 0);
	assert_string_equal(l->items[0].group, "podman/Container/abcdefabcdef/abcdefabcdef");
	runtime_list_free(l);
}

static void an_answer_that_is_no_list_is_refused(void **state)
{
	static const char *const rows[] = {
		"", "{}", "[", "[{]", "null", "\"x\"", "{\"message\":\"no\"}"};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct runtime_list *l = NULL;
		struct pw_err err = PW_ERR_INIT;

		assert_true(runtime_json_parse(pw_slice_str(rows[i]), "docker", &l, &err) < 0);
		assert_null(l);
		assert_true(err.msg[0] != '\0');
	}
}

#define PODMAN_EVENT(id, attributes)                                                        \
	"{\"status\":\"create\",\"id\":\"" id "\",\"from\":\"localhost/shop:1\",\"Type\":"  \
	"\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" id                       \
	"\",\"Attributes\":{\"containerExitCode\":\"0\",\"image\":\"localhost/"             \
	"shop:1\"," attributes ",\"podId\":\"\"}},\"scope\":\"local\",\"time\":1795469790," \
	"\"timeNano\":1795469790778502986}\n"
#define DOCKER_EVENT(id, attributes)                                                         \
	"{\"status\":\"start\",\"id\":\"" id "\",\"from\":\"nginx\",\"Type\":\"container\"," \
	"\"Action\":\"start\",\"Actor\":{\"ID\":\"" id "\",\"Attributes\":{" attributes      \
	"}},\"scope\":\"local\",\"time\":1795469790,\"timeNano\":1795469790778502986}\n"
#define COMPOSE "\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":\"front\","

static void events_name_containers_as_lists_do(void **state)
{
	static const struct {
		const char *text, *engine, *group, *name, *image;
	} rows[] = {
		{PODMAN_EVENT(ID, "\"name\":\"web\""), "podman", "podman/Container/web/web", "web",
			"localhost/shop:1"},
		{PODMAN_EVENT(ID, COMPOSE "\"name\":\"shop_front_1\""), "podman",
			"podman/Compose/shop/front", "shop_front_1", "localhost/shop:1"},
		{DOCKER_EVENT(ID, "\"image\":\"nginx:1.25\",\"name\":\"web\""), "docker",
			"docker/Container/web/web", "web", "nginx:1.25"},
		{DOCKER_EVENT(ID, COMPOSE "\"image\":\"nginx\",\"name\":\"shop-front-1\""),
			"docker", "docker/Compose/shop/front", "shop-front-1", "nginx"},
		{DOCKER_EVENT(ID, "\"name\":\"a/b\\n*\""), "docker", "docker/Container/a_b__/a_b__",
			"a_b__", ""},
		{DOCKER_EVENT(ID, "\"name\":7,\"image\":[1]"), "docker",
			"docker/Container/8dfafdbc3a40/8dfafdbc3a40", "8dfafdbc3a40", ""},
		{"\r\n" DOCKER_EVENT(ID, "\"name\":\"web\"") "\r\n", "docker",
			"docker/Container/web/web", "web", ""},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct runtime_list *l = NULL;
		struct pw_err err = PW_ERR_INIT;

		if (runtime_json_parse_events(
			    pw_slice_str(rows[i].text), rows[i].engine, &l, &err) < 0)
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_equal(l->count, 1);
		assert_int_equal(l->refused, 0);
		assert_string_equal(l->items[0].group, rows[i].group);
		assert_string_equal(l->items[0].name, rows[i].name);
		assert_string_equal(l->items[0].image, rows[i].image);
		assert_string_equal(l->items[0].id, ID);
		runtime_list_free(l);
	}
}

static void bad_events_are_left_out_and_counted(void **state)
{
	static const struct {
		const char *text;
		size_t count, refused;
		bool ok;
	} rows[] = {
		{"", 0, 0, true},
		{"\n\n", 0, 0, true},
		{"nonsense", 0, 1, false},
		{"[]\n7\nnull", 0, 3, false},
		{"[" DOCKER_EVENT(ID, "\"name\":\"web\"") "]", 0, 0, false},
		{"{\"message\":\"no\"}", 0, 0, true},
		{"{\"Type\":\"image\",\"Actor\":{\"ID\":\"x\"}}", 0, 0, true},
		{"{\"Type\":\"container\",\"Actor\":7}", 0, 1, true},
		{DOCKER_EVENT("abcdefabcdef", "\"name\":\"web\""), 0, 1, true},
		{DOCKER_EVENT("../../etc", "\"name\":\"web\""), 0, 1, true},
		{DOCKER_EVENT(ID, "\"name\":\"a\"") "{\"Type\":\"conta", 1, 1, true},
		{"{\n" DOCKER_EVENT(ID, "\"name\":\"a\"") DOCKER_EVENT(ID, "\"name\":\"b\""), 2, 1,
			true},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct runtime_list *l = NULL;
		struct pw_err err = PW_ERR_INIT;
		int r = runtime_json_parse_events(pw_slice_str(rows[i].text), "docker", &l, &err);

		if ((r == 0) != rows[i].ok)
			fail_msg("row %zu: %d %s", i, r, err.msg);
		assert_int_equal(l != NULL, rows[i].ok);
		if (l && (l->count != rows[i].count || l->refused != rows[i].refused))
			fail_msg(
				"row %zu: %zu taken, %zu refused", i, l->count, (size_t)l->refused);
		runtime_list_free(l);
	}
}

static void events_beyond_the_ceiling_are_counted(void **state)
{
	static const char line[] = "{\"Type\":\"container\",\"Actor\":{\"ID\":\"" ID "\"}}\n";
	struct pw_buf text;
	struct runtime_list *l = NULL;
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	pw_buf_init(&text, 1 << 20);
	for (size_t i = 0; i < RUNTIME_CONTAINERS + 3; i++)
		assert_int_equal(pw_buf_add_str(&text, line), 0);
	assert_int_equal(runtime_json_parse_events(pw_buf_slice(&text), "docker", &l, &err), 0);
	assert_int_equal(l->count, RUNTIME_CONTAINERS);
	assert_int_equal(l->full, 3);
	assert_int_equal(l->refused, 0);
	runtime_list_free(l);
	pw_buf_done(&text);
}

static void the_engine_is_told_by_its_components(void **state)
{
	(void)state;
	assert_string_equal(runtime_json_engine(pw_slice_str(
				    "{\"Components\":[{\"Name\":\"Podman Engine\"}]}")),
		"podman");
	assert_string_equal(
		runtime_json_engine(pw_slice_str("{\"Components\":[{\"Name\":\"Engine\"}]}")),
		"docker");
	assert_string_equal(runtime_json_engine(pw_slice_str("junk")), "docker");
}

static int parse_and_free(void *ctx)
{
	struct runtime_list *l = NULL;
	struct pw_err err = PW_ERR_INIT;
	int r = runtime_json_parse(pw_slice_str(ctx), "docker", &l, &err);

	runtime_list_free(l);
	return r;
}

static int parse_events_and_free(void *ctx)
{
	struct runtime_list *l = NULL;
	struct pw_err err = PW_ERR_INIT;
	int r = runtime_json_parse_events(pw_slice_str(ctx), "docker", &l, &err);
	/* A line there was no memory for is left out and counted: as good as an error. */
	bool complete = r == 0 && l->count == 1;

	assert_true(r < 0 || l->count + l->refused == 1);
	runtime_list_free(l);
	return complete ? 0 : -ENOMEM;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	static char event[] = DOCKER_EVENT(ID, "\"name\":\"web\"");
	static char text[] = "[{\"Id\":\"" ID "\",\"Names\":[\"/web\"]}]";

	(void)state;
	assert_true(pw_oom_loop(parse_and_free, text) >= 2);
	assert_true(pw_oom_loop(parse_events_and_free, event) >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(containers_get_their_pod_group),
		cmocka_unit_test(entries_without_a_valid_id_are_left_out_and_counted),
		cmocka_unit_test(an_answer_that_is_no_list_is_refused),
		cmocka_unit_test(events_name_containers_as_lists_do),
		cmocka_unit_test(bad_events_are_left_out_and_counted),
		cmocka_unit_test(events_beyond_the_ceiling_are_counted),
		cmocka_unit_test(the_engine_is_told_by_its_components),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
