// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "common/testing/oom.h"
#include "policysync/kube_policies.h"
#include <errno.h>

struct fixture {
	struct pw_loop *loop;
	struct kube_policies *k;
	size_t changes;
	struct kube_status status; /* last one that should be written */
	char key[CRD_KEY_MAX];
	size_t writes;
};

static void on_change(void *ctx)
{
	struct fixture *f = ctx;

	f->changes++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct kube_policies_settings s = {.on_change = on_change, .ctx = f};

	assert_non_null(f);
	assert_int_equal(pw_loop_new(&f->loop, NULL), 0);
	assert_int_equal(kube_policies_new(f->loop, &s, &f->k, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kube_policies_free(f->k);
	pw_loop_free(f->loop);
	free(f);
	return 0;
}

static void put(
	struct fixture *f, const char *kind, const char *name, int generation, const char *spec)
{
	char text[2048];
	struct pw_json *j = NULL;
	struct kube_object *o = NULL;
	struct pw_err err = PW_ERR_INIT;

	(void)snprintf(text, sizeof(text),
		"{\"apiVersion\":\"podward.dev/"
		"v1alpha1\",\"kind\":\"%s\",\"metadata\":{\"name\":\"%s\","
		"\"generation\":%d,\"resourceVersion\":\"%d\"},\"spec\":{%s}}",
		kind, name, generation, generation + 100, spec);
	if (pw_json_parse(pw_slice_str(text), &j, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(kube_object_read(j, &o), 0);
	pw_json_free(j);
	kube_policies_put_take(f->k, o);
}

/* Until the gathering is over: a change is seen, or nothing happens for a while. */
static void settle(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		pw_loop_step(f->loop, KUBE_POLICIES_GATHER_MS / 4);
}

static bool write_status(
	void *ctx, const char *key, const char *version, const struct kube_status *status)
{
	struct fixture *f = ctx;

	(void)version;
	(void)snprintf(f->key, sizeof(f->key), "%s", key);
	f->status = *status;
	f->writes++;
	return true;
}

static void stale(struct fixture *f)
{
	kube_policies_each_stale(f->k, write_status, f);
	kube_policies_written(f->k, f->key);
}

static size_t published(struct fixture *f, char revision[33])
{
	struct pw_snapshot_ref *ref = pw_snapshot_get(kube_policies_snapshot(f->k));
	size_t count = 0;

	if (ref) {
		count = policy_set_object_count(pw_snapshot_value(ref));
		memcpy(revision, policy_set_revision(pw_snapshot_value(ref)), 33);
	}
	pw_snapshot_put(ref);
	return count;
}

static void nothing_is_published_before_everything_was_listed(void **state)
{
	struct fixture *f = *state;
	char revision[33] = "";

	put(f, "ClusterRuntimePolicy", "a", 1, "\"mode\":\"Audit\"");
	settle(f);
	assert_int_equal(published(f, revision), 0);
	kube_policies_set_synced(f->k);
	settle(f);
	assert_int_equal(f->changes, 1);
	assert_int_equal(published(f, revision), 3); /* with the two defaults */
}

static void a_refused_object_leaves_the_version_before_in_force(void **state)
{
	struct fixture *f = *state;
	char before[33] = "", after[33] = "";

	kube_policies_set_synced(f->k);
	put(f, "ClusterRuntimePolicy", "a", 1, "\"mode\":\"Audit\"");
	settle(f);
	(void)published(f, before);
	put(f, "ClusterRuntimePolicy", "a", 2, "\"mode\":\"Off\"");
	settle(f);
	assert_int_equal(published(f, after), 3);
	assert_string_equal(before, after);
	stale(f);
	assert_false(f->status.conditions[KUBE_ACCEPTED].holds);
	assert_int_equal(f->status.conditions[KUBE_ACCEPTED].generation, 2);
	assert_non_null(strstr(f->status.conditions[KUBE_ACCEPTED].message, "spec.mode"));
	assert_int_equal(f->status.conditions[KUBE_PROGRAMMED].generation, 1);
	put(f, "ClusterRuntimePolicy", "a", 3, "\"mode\":\"Enforce\"");
	settle(f);
	stale(f);
	assert_true(f->status.conditions[KUBE_ACCEPTED].holds);
	(void)published(f, after);
	assert_string_not_equal(before, after);
}

static void an_object_takes_the_place_of_a_default_and_gives_it_back(void **state)
{
	struct fixture *f = *state;
	char plain[33] = "", over[33] = "", again[33] = "";

	kube_policies_set_synced(f->k);
	settle(f);
	assert_int_equal(published(f, plain), 2);
	put(f, "ClusterRuntimePolicy", "default", 1, "\"mode\":\"Audit\"");
	settle(f);
	assert_int_equal(published(f, over), 2);
	assert_string_not_equal(plain, over);
	kube_policies_remove(f->k, "ClusterRuntimePolicy/default");
	settle(f);
	assert_int_equal(published(f, again), 2);
	assert_string_equal(plain, again);
}

static void programmed_needs_every_analyzer(void **state)
{
	static const struct {
		size_t count;
		uint64_t serials[2];
		bool holds;
		const char *reason, *analyzers;
	} rows[] = {
		{0, {0, 0}, false, "NoAnalyzer", "0/0"},
		{1, {0, 0}, false, "Pending", "0/1"},
		{2, {1, 0}, false, "Pending", "1/2"},
		{2, {1, 1}, true, "InForce", "2/2"},
		{2, {1, 7}, true, "InForce", "2/2"},
	};
	struct fixture *f = *state;

	kube_policies_set_synced(f->k);
	put(f, "ClusterRuntimePolicy", "a", 1, "\"mode\":\"Audit\"");
	settle(f);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		struct publish_progress progress = {.analyzer_count = rows[i].count};

		memcpy(progress.serials, rows[i].serials, sizeof(rows[i].serials));
		kube_policies_set_progress(f->k, &progress);
		stale(f);
		assert_int_equal(f->status.conditions[KUBE_PROGRAMMED].holds, rows[i].holds);
		assert_string_equal(f->status.conditions[KUBE_PROGRAMMED].reason, rows[i].reason);
		assert_string_equal(f->status.analyzers, rows[i].analyzers);
	}
}

static void what_an_analyzer_says_of_an_object_is_in_its_status(void **state)
{
	struct publish_progress progress = {.analyzer_count = 1,
		.serials = {1},
		.problem_count = 1,
		.problems = {{"SignatureSet/s", "spec.rules[0].condition", "column 3"}}};
	struct fixture *f = *state;

	kube_policies_set_synced(f->k);
	put(f, "SignatureSet", "s", 1,
		"\"rules\":[{\"id\":\"r\",\"title\":\"t\",\"condition\":\"c\",\"severity\":\"Low\"}"
		"]");
	settle(f);
	kube_policies_set_progress(f->k, &progress);
	stale(f);
	assert_string_equal(f->key, "SignatureSet/s");
	assert_string_equal(f->status.conditions[KUBE_PROGRAMMED].reason, "AnalyzerRefused");
	assert_string_equal(
		f->status.conditions[KUBE_PROGRAMMED].message, "spec.rules[0].condition: column 3");
}

static void a_status_that_is_right_is_not_written_again(void **state)
{
	struct fixture *f = *state;
	struct kube_object *o = NULL;
	struct pw_json *j = NULL;
	char text[4096];
	pw_auto_buf body;

	kube_policies_set_synced(f->k);
	put(f, "ClusterRuntimePolicy", "a", 1, "\"mode\":\"Audit\"");
	settle(f);
	stale(f);
	assert_int_equal(f->writes, 1);
	/* What was written comes back by the watch. */
	pw_buf_init(&body, 4096);
	assert_int_equal(kube_status_write(&f->status, "101", &body), 0);
	(void)snprintf(text, sizeof(text),
		"{\"apiVersion\":\"podward.dev/"
		"v1alpha1\",\"kind\":\"ClusterRuntimePolicy\",\"metadata\":"
		"{\"name\":\"a\",\"generation\":1},\"spec\":{\"mode\":\"Audit\"},%s",
		strstr(pw_buf_text(&body), "\"status\":{\"observed"));
	assert_int_equal(pw_json_parse(pw_slice_str(text), &j, NULL), 0);
	assert_int_equal(kube_object_read(j, &o), 0);
	pw_json_free(j);
	assert_true(kube_status_is_same(&o->status, &f->status));
	kube_policies_put_take(f->k, o);
	settle(f);
	stale(f);
	assert_int_equal(f->writes, 1);
	assert_int_equal(f->changes, 1);
}

static void paths_follow_from_keys(void **state)
{
	static const struct {
		const char *key, *path;
	} rows[] = {
		{"RuntimePolicy/n/a", "/apis/podward.dev/v1alpha1/namespaces/n/runtimepolicies/a"},
		{"SignatureSet/s.x", "/apis/podward.dev/v1alpha1/signaturesets/s.x"},
		{"Other/a", NULL},
		{"", NULL},
		{"RuntimePolicy", NULL},
	};
	char path[256];

	(void)state;
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		int r = kube_object_path(rows[i].key, path, sizeof(path));

		assert_int_equal(r, rows[i].path ? 0 : -EINVAL);
		if (rows[i].path)
			assert_string_equal(path, rows[i].path);
	}
	assert_int_equal(kube_object_path("RuntimePolicy/n/a", path, 10), -ENAMETOOLONG);
}

static int read_once(void *ctx)
{
	struct kube_object *o = NULL;
	int r = kube_object_read(ctx, &o);

	kube_object_free(o);
	return r;
}

static void running_out_of_memory_is_an_error_not_a_refusal(void **state)
{
	struct pw_json *j = NULL;

	(void)state;
	assert_int_equal(
		pw_json_parse(PW_SLICE_LIT("{\"apiVersion\":\"podward.dev/v1alpha1\",\"kind\":"
					   "\"ClusterRuntimePolicy\",\"metadata\":{\"name\":\"a\"},"
					   "\"spec\":{\"mode\":\"Audit\"}}"),
			&j, NULL),
		0);
	assert_true(pw_oom_loop(read_once, j) > 2);
	pw_json_free(j);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_published_before_everything_was_listed),
		TEST(a_refused_object_leaves_the_version_before_in_force),
		TEST(an_object_takes_the_place_of_a_default_and_gives_it_back),
		TEST(programmed_needs_every_analyzer),
		TEST(what_an_analyzer_says_of_an_object_is_in_its_status),
		TEST(a_status_that_is_right_is_not_written_again),
		TEST(paths_follow_from_keys),
		TEST(running_out_of_memory_is_an_error_not_a_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
