// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "common/testing/oom.h"
#include "policysync/policy_set.h"
#include <errno.h>

static struct crd_object *object(const char *kind, const char *meta, const char *spec)
{
	char text[2048];
	struct pw_json **docs = NULL;
	struct crd_object *o = NULL;
	struct pw_err err = PW_ERR_INIT;
	size_t count = 0;

	(void)snprintf(text, sizeof(text),
		"apiVersion: podward.dev/v1alpha1\nkind: %s\nmetadata: {%s}\nspec: {%s}\n", kind,
		meta, spec);
	assert_int_equal(pw_yaml_parse(pw_slice_str(text), &docs, &count, &err), 0);
	if (crd_parse(docs[0], &o, &err) < 0)
		fail_msg("%s", err.msg);
	pw_yaml_docs_free(docs, count);
	return o;
}

struct fixture {
	struct crd_object *o[4];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->o[0] = object("ClusterRuntimePolicy", "name: a", "mode: Audit");
	f->o[1] = object("RuntimePolicy", "name: a, namespace: n", "mode: Audit");
	f->o[2] = object("ClusterRuntimeExclusion", "name: e", "detectors: [x], reason: why");
	f->o[3] = object("SignatureSet", "name: s",
		"rules: [{id: r, title: t, condition: c, severity: Low}]");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < PW_COUNT(f->o); i++)
		crd_object_free(f->o[i]);
	free(f);
	return 0;
}

static struct policy_set *make(
	const struct crd_object *const *objects, size_t count, uint64_t serial)
{
	struct policy_set *set = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(policy_set_new(objects, count, serial, &set, &err), 0);
	return set;
}

static void equal_content_has_an_equal_revision(void **state)
{
	struct fixture *f = *state;
	const struct crd_object *one[] = {f->o[0], f->o[1], f->o[2], f->o[3]};
	const struct crd_object *two[] = {f->o[3], f->o[2], f->o[1], f->o[0]};
	struct policy_set *a = make(one, 4, 1), *b = make(two, 4, 2), *c = make(one, 3, 3),
			  *empty = make(one, 0, 4);

	assert_string_equal(policy_set_revision(a), policy_set_revision(b));
	assert_string_not_equal(policy_set_revision(a), policy_set_revision(c));
	assert_string_not_equal(policy_set_revision(c), policy_set_revision(empty));
	assert_int_equal(strlen(policy_set_revision(a)), 32);
	assert_int_equal(policy_set_serial(b), 2);
	policy_set_free(a);
	policy_set_free(b);
	policy_set_free(c);
	policy_set_free(empty);
}

static void a_changed_field_changes_the_revision(void **state)
{
	struct fixture *f = *state;
	struct crd_object *other = object("ClusterRuntimePolicy", "name: a", "mode: Enforce");
	const struct crd_object *one[] = {f->o[0]}, *two[] = {other};
	struct policy_set *a = make(one, 1, 1), *b = make(two, 1, 1);

	assert_string_not_equal(policy_set_revision(a), policy_set_revision(b));
	policy_set_free(a);
	policy_set_free(b);
	crd_object_free(other);
}

static void the_message_holds_every_object_of_its_kind(void **state)
{
	struct fixture *f = *state;
	const struct crd_object *all[] = {f->o[0], f->o[1], f->o[2], f->o[3]};
	struct policy_set *set = make(all, 4, 9);
	const Podward__V1__PolicySnapshot *m = policy_set_message(set);

	assert_int_equal(m->n_policies, 2);
	assert_int_equal(m->n_exclusions, 1);
	assert_int_equal(m->n_signature_sets, 1);
	assert_int_equal(m->serial, 9);
	assert_int_equal(m->revision.len, 32);
	policy_set_free(set);
}

static void a_set_that_does_not_fit_into_a_message_is_refused(void **state)
{
	struct crd_object *big[40];
	struct policy_set *set = NULL;
	struct pw_err err = PW_ERR_INIT;
	char meta[32], *spec = calloc(1, 64 << 10);
	size_t at;

	(void)state;
	assert_non_null(spec);
	at = (size_t)snprintf(spec, 100, "rules: [");
	for (int i = 0; i < 20; i++) {
		at += (size_t)snprintf(
			spec + at, 2000, "{id: r%d, title: t, severity: Low, condition: \"", i);
		memset(spec + at, 'x', 1500);
		at += 1500;
		at += (size_t)snprintf(spec + at, 10, "\"},");
	}
	(void)snprintf(spec + at, 10, "]");
	for (size_t i = 0; i < PW_COUNT(big); i++) {
		struct pw_buf text;
		struct pw_json **docs = NULL;
		size_t count = 0;

		(void)snprintf(meta, sizeof(meta), "name: s%zu", i);
		pw_buf_init(&text, 1 << 20);
		(void)pw_buf_addf(&text,
			"apiVersion: podward.dev/v1alpha1\nkind: SignatureSet\nmetadata: "
			"{%s}\nspec: {%s}\n",
			meta, spec);
		assert_int_equal(pw_yaml_parse(pw_buf_slice(&text), &docs, &count, &err), 0);
		assert_int_equal(crd_parse(docs[0], &big[i], &err), 0);
		pw_yaml_docs_free(docs, count);
		pw_buf_done(&text);
	}
	assert_int_equal(
		policy_set_new((const struct crd_object *const *)big, PW_COUNT(big), 1, &set, &err),
		-E2BIG);
	assert_non_null(strstr(err.msg, "all policy objects together"));
	for (size_t i = 0; i < PW_COUNT(big); i++)
		crd_object_free(big[i]);
	free(spec);
}

static int make_and_free(void *ctx)
{
	struct fixture *f = ctx;
	const struct crd_object *all[] = {f->o[0], f->o[1], f->o[2], f->o[3]};
	static const struct policy_problem problems[2];
	struct policy_set *set = NULL;
	struct pw_err err = PW_ERR_INIT;
	int r = policy_set_new(all, 4, 1, &set, &err);

	if (r < 0)
		return r;
	r = policy_set_add_problems(set, problems, 2);
	policy_set_free(set);
	return r;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	assert_true(pw_oom_loop(make_and_free, *state) >= 4);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(equal_content_has_an_equal_revision),
		T(a_changed_field_changes_the_revision),
		T(the_message_holds_every_object_of_its_kind),
		T(a_set_that_does_not_fit_into_a_message_is_refused),
		T(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
