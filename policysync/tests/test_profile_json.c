// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "common/base/compress.h"
#include "common/testing/oom.h"
#include "policysync/profile_json.h"
#include <errno.h>

#define COUNT 300

struct profile {
	Podward__V1__ProfileState state;
	Podward__V1__ProfileDelta whole;
	Podward__V1__Behaviour behaviours[COUNT], *list[COUNT];
	char objects[COUNT][64];
};

static ProtobufCBinaryData bytes_text(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static void make(struct profile *p, const char *group)
{
	podward__v1__profile_state__init(&p->state);
	podward__v1__profile_delta__init(&p->whole);
	p->state.pod_group = bytes_text(group);
	p->state.generation = 3;
	p->state.epoch = 2;
	p->state.phase = PODWARD__V1__PROFILE_PHASE__PROFILE_PHASE_PROTECTED;
	for (size_t i = 0; i < COUNT; i++) {
		podward__v1__behaviour__init(&p->behaviours[i]);
		(void)snprintf(p->objects[i], sizeof(p->objects[i]), "/file-%zu\xff\"", i);
		p->behaviours[i].dimension = PODWARD__V1__DIMENSION__DIMENSION_FILE_READ;
		p->behaviours[i].object = bytes_text(p->objects[i]);
		p->behaviours[i].key = i;
		p->list[i] = &p->behaviours[i];
	}
	p->whole.state = &p->state;
	p->whole.behaviours = p->list;
	p->whole.n_behaviours = COUNT;
}

static void what_is_written_is_read_again(void **state)
{
	static struct profile p;
	struct pw_err err = PW_ERR_INIT;
	Podward__V1__ProfileDelta *back = NULL;
	struct pw_json *j = NULL;
	struct pw_arena *a = NULL;
	pw_auto_buf body;

	(void)state;
	make(&p, "shop/Deployment/web/app");
	pw_buf_init(&body, 1 << 20);
	assert_int_equal(pw_arena_new(4096, 8 << 20, &a), 0);
	assert_int_equal(profile_json_write(&p.whole, "77", 0, &body, &err), 0);
	if (pw_json_parse(pw_buf_slice(&body), &j, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(pw_json_int(pw_json_get(pw_json_get(j, "spec"), "epoch")), 2000003);
	assert_int_equal(
		pw_json_size(pw_json_get(pw_json_get(j, "spec"), "fileRead")), PROFILE_JSON_SHOWN);
	if (profile_json_read(j, a, &back, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(back->n_behaviours, COUNT);
	assert_int_equal(back->state->generation, 3);
	assert_memory_equal(back->behaviours[299]->object.data, p.objects[299], 11);
	pw_json_free(j);
	pw_arena_free(a);
}

static void names_are_unique_and_valid(void **state)
{
	static const struct {
		const char *group, *name;
	} rows[] = {
		{"n/Deployment/web/app", "deployment-web-app-"},
		{"n/Pod/a_b.c/x", "pod-a-b-c-x-"},
		{"n/Deployment/web-app/x", "deployment-web-app-x-"},
		{"n/Deployment/web/app-x", "deployment-web-app-x-"},
	};
	char namespace[64], name[254], last[254] = "";

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		assert_int_equal(
			profile_json_name(pw_slice_str(rows[i].group), namespace, name), 0);
		assert_string_equal(namespace, "n");
		assert_int_equal(strncmp(name, rows[i].name, strlen(rows[i].name)), 0);
		assert_int_equal(strlen(name), strlen(rows[i].name) + 8);
		assert_string_not_equal(name, last);
		memcpy(last, name, sizeof(last));
	}
	assert_int_equal(profile_json_name(PW_SLICE_LIT("a/b/c"), namespace, name), -EINVAL);
	assert_int_equal(profile_json_name(PW_SLICE_LIT("a/b/c/d/e"), namespace, name), -EINVAL);
	assert_int_equal(profile_json_name(PW_SLICE_LIT("//c/d"), namespace, name), -EINVAL);
}

static void what_an_attacker_may_write_is_refused(void **state)
{
	static const struct {
		const char *object, *says;
	} rows[] = {
		{"{}", "spec.podGroup"},
		{"{\"metadata\":{\"namespace\":\"a\"},\"spec\":{\"podGroup\":\"b/D/w/c\"}}",
			"another namespace"},
		{"{\"metadata\":{\"namespace\":\"a\"},\"spec\":{\"podGroup\":\"a/D/w/c\"}}",
			"spec.exact"},
		{"{\"metadata\":{\"namespace\":\"a\"},\"spec\":{\"podGroup\":\"a/D/w/"
		 "c\",\"exact\":{"
		 "\"encoding\":\"zstd+protobuf\",\"data\":\"%\"}}}",
			"spec.exact.data"},
		{"{\"metadata\":{\"namespace\":\"a\"},\"spec\":{\"podGroup\":\"a/D/w/"
		 "c\",\"exact\":{"
		 "\"encoding\":\"zstd+protobuf\",\"data\":\"AAAA\"}}}",
			"spec.exact.data"},
	};

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct pw_err err = PW_ERR_INIT;
		Podward__V1__ProfileDelta *back = NULL;
		struct pw_json *j = NULL;
		struct pw_arena *a = NULL;

		assert_int_equal(pw_arena_new(4096, 8 << 20, &a), 0);
		assert_int_equal(pw_json_parse(pw_slice_str(rows[i].object), &j, &err), 0);
		assert_true(profile_json_read(j, a, &back, &err) < 0);
		if (!strstr(err.msg, rows[i].says))
			fail_msg("row %zu: %s", i, err.msg);
		pw_json_free(j);
		pw_arena_free(a);
	}
}

static void a_profile_of_another_group_inside_is_refused(void **state)
{
	static struct profile p;
	static char text[512 << 10];
	struct pw_err err = PW_ERR_INIT;
	Podward__V1__ProfileDelta *back = NULL;
	struct pw_json *j = NULL;
	struct pw_arena *a = NULL;
	pw_auto_buf body;
	char *at;

	(void)state;
	make(&p, "shop/Deployment/web/app");
	pw_buf_init(&body, 1 << 20);
	assert_int_equal(pw_arena_new(4096, 8 << 20, &a), 0);
	assert_int_equal(profile_json_write(&p.whole, "", 0, &body, &err), 0);
	(void)snprintf(text, sizeof(text), "%s", pw_buf_text(&body));
	at = strstr(text, "\"podGroup\":\"shop/Deployment/web");
	assert_non_null(at);
	memcpy(at, "\"podGroup\":\"shop/Deployment/wex", 31);
	assert_int_equal(pw_json_parse(pw_slice_str(text), &j, &err), 0);
	assert_int_equal(profile_json_read(j, a, &back, &err), -EINVAL);
	pw_json_free(j);
	pw_arena_free(a);
}

static void packed_bytes_never_grow_past_the_ceiling(void **state)
{
	static uint8_t zeros[1 << 20];
	pw_auto_buf packed;
	pw_auto_buf out;

	(void)state;
	pw_buf_init(&packed, 2 << 20);
	pw_buf_init(&out, 1000);
	assert_int_equal(pw_zstd_pack(pw_slice_of(zeros, sizeof(zeros)), 3, &packed), 0);
	assert_true(packed.len < 1000);
	assert_int_equal(pw_zstd_unpack(pw_buf_slice(&packed), &out), -E2BIG);
	pw_buf_clear(&out);
	assert_int_equal(pw_zstd_unpack(pw_slice_sub(pw_buf_slice(&packed), 0, 5), &out), -EBADMSG);
	assert_int_equal(pw_zstd_unpack(PW_SLICE_LIT("no"), &out), -EBADMSG);
	assert_int_equal(pw_zstd_unpack(PW_SLICE_LIT(""), &out), -EBADMSG);
}

static int write_once(void *ctx)
{
	struct pw_err err = PW_ERR_INIT;
	pw_auto_buf body;

	pw_buf_init(&body, 1 << 20);
	return profile_json_write(ctx, "", 0, &body, &err);
}

static void running_out_of_memory_is_an_error(void **state)
{
	static struct profile p;

	(void)state;
	make(&p, "shop/Deployment/web/app");
	assert_true(pw_oom_loop(write_once, &p.whole) > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(names_are_unique_and_valid),
		cmocka_unit_test(what_an_attacker_may_write_is_refused),
		cmocka_unit_test(a_profile_of_another_group_inside_is_refused),
		cmocka_unit_test(packed_bytes_never_grow_past_the_ceiling),
		cmocka_unit_test(running_out_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
