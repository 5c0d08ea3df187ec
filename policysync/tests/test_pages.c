// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "common/web/json.h"
#include "policysync/pages.h"
#include "policysync/policy_dir.h"
#include "policysync/spool.h"

struct fixture {
	struct folder folder;
	struct pw_snapshot *policies;
	struct pages *pages;
	struct pw_page table[PAGES_COUNT];
};

static void destroy_set(void *set)
{
	policy_set_free(set);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct policy_dir *dir = NULL;
	struct policy_set *set = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_non_null(f);
	folder_make(&f->folder);
	assert_int_equal(pw_snapshot_new(destroy_set, &f->policies), 0);
	assert_int_equal(policy_dir_new(NULL, &dir, &err), 0);
	assert_int_equal(policy_dir_make_set(dir, 7, &set, &err), 0);
	assert_int_equal(pw_snapshot_publish(f->policies, set), 0);
	policy_dir_free(dir);
	assert_int_equal(pages_new(f->folder.path, f->policies, &f->pages), 0);
	pages_table(f->pages, f->table);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pages_free(f->pages);
	pw_snapshot_free(f->policies);
	folder_remove(&f->folder);
	free(f);
	return 0;
}

static void fill_spool(struct fixture *f, uint64_t count)
{
	static const struct spool_limits limits = {256 << 20, 7ull * 86400 * PW_NS_PER_S};
	struct store *store = NULL;
	struct spool *spool = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(store_open(f->folder.path, &store, &err), 0);
	assert_int_equal(spool_new(store, &limits, &spool, &err), 0);
	assert_int_equal(store_begin(store, &err), 0);
	assert_int_equal(spool_output_add(spool, "webhook", &err), 0);
	for (uint64_t i = 1; i <= count; i++) {
		struct numbered_alert a;
		struct pw_buf body;

		alert_make(&a, i, PODWARD__V1__SEVERITY__SEVERITY_HIGH);
		alert_pack(&a.alert, &body);
		assert_int_equal(spool_add(spool, &a.alert, pw_buf_slice(&body), &err), 1);
		pw_buf_done(&body);
	}
	assert_int_equal(store_commit(store, &err), 0);
	spool_free(spool);
	store_close(store);
}

/* The page as a tree, which must be valid JSON with this status. */
static struct pw_json *page(struct fixture *f, size_t index, int status, size_t limit)
{
	struct pw_json *root = NULL;
	struct pw_err err = PW_ERR_INIT;
	const char *type = NULL;
	struct pw_buf body;

	pw_buf_init(&body, limit);
	assert_int_equal(f->table[index].fn(f->table[index].ctx, &body, &type), status);
	assert_string_equal(type, "application/json");
	if (pw_json_parse(pw_buf_slice(&body), &root, &err) < 0)
		fail_msg("%s: %s", f->table[index].path, err.msg);
	pw_buf_done(&body);
	return root;
}

static void alerts_are_listed_newest_first_as_far_as_they_fit(void **state)
{
	struct fixture *f = *state;
	struct pw_json *root;

	fill_spool(f, 1200);
	root = page(f, 0, 200, 1 << 20);
	assert_int_equal(pw_json_size(root), PAGES_ALERTS);
	assert_true(pw_slice_eq_str(pw_json_text(pw_json_get(pw_json_at(root, 0), "id")),
		"b0040000000000000000000000000000"));
	pw_json_free(root);
	root = page(f, 0, 200, 10000);
	assert_in_range(pw_json_size(root), 5, 100);
	pw_json_free(root);
}

static void the_status_tells_policy_spool_and_outputs(void **state)
{
	struct fixture *f = *state;
	struct pw_json *root;
	const struct pw_json *output;

	fill_spool(f, 3);
	root = page(f, 2, 200, 1 << 20);
	assert_int_equal(pw_json_int(pw_json_get(pw_json_get(root, "policy"), "serial")), 7);
	assert_int_equal(pw_json_int(pw_json_get(pw_json_get(root, "spool"), "alerts")), 3);
	output = pw_json_at(pw_json_get(root, "outputs"), 0);
	assert_true(pw_slice_eq_str(pw_json_text(pw_json_get(output, "name")), "webhook"));
	assert_int_equal(pw_json_int(pw_json_get(output, "lag")), 3);
	pw_json_free(root);
}

static void the_policies_are_listed_by_kind_and_name(void **state)
{
	struct fixture *f = *state;
	struct pw_json *root = page(f, 1, 200, 1 << 20);
	const struct pw_json *objects = pw_json_get(root, "objects");

	assert_int_equal(pw_json_size(objects), 2);
	assert_true(pw_slice_eq_str(
		pw_json_text(pw_json_get(pw_json_at(objects, 0), "kind")), "ClusterRuntimePolicy"));
	assert_true(pw_slice_eq_str(
		pw_json_text(pw_json_get(pw_json_at(objects, 1), "kind")), "SignatureSet"));
	pw_json_free(root);
}

static void without_a_database_the_page_says_so(void **state)
{
	struct fixture *f = *state;

	pw_json_free(page(f, 0, 503, 1 << 20));
	pw_json_free(page(f, 2, 503, 1 << 20));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(alerts_are_listed_newest_first_as_far_as_they_fit),
		T(the_status_tells_policy_spool_and_outputs),
		T(the_policies_are_listed_by_kind_and_name),
		T(without_a_database_the_page_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
