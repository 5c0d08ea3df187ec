// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "common/testing/oom.h"
#include "policysync/policy_dir.h"
#include <errno.h>

#define DOC(name, mode)                                                                        \
	"apiVersion: podward.dev/v1alpha1\nkind: ClusterRuntimePolicy\nmetadata: {name: " name \
	"}\nspec: {mode: " mode "}\n"
#define DISABLED PODWARD__V1__POLICY_MODE__POLICY_MODE_DISABLED
#define AUDIT    PODWARD__V1__POLICY_MODE__POLICY_MODE_AUDIT
#define ENFORCE  PODWARD__V1__POLICY_MODE__POLICY_MODE_ENFORCE

struct fixture {
	struct folder folder;
	struct policy_dir *dir;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pw_err err = PW_ERR_INIT;

	assert_non_null(f);
	folder_make(&f->folder);
	assert_int_equal(policy_dir_new(f->folder.path, &f->dir, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	policy_dir_free(f->dir);
	folder_remove(&f->folder);
	free(f);
	return 0;
}

static void load(struct fixture *f)
{
	struct pw_err err = PW_ERR_INIT;

	if (policy_dir_load(f->dir, &err) < 0)
		fail_msg("%s", err.msg);
}

/* Mode of a policy in force, -1 when it is not there. */
static int mode_of(struct fixture *f, const char *name)
{
	struct policy_set *set = NULL;
	struct pw_err err = PW_ERR_INIT;
	const Podward__V1__PolicySnapshot *m;
	int mode = -1;

	assert_int_equal(policy_dir_make_set(f->dir, 1, &set, &err), 0);
	m = policy_set_message(set);
	for (size_t i = 0; i < m->n_policies; i++)
		if (pw_slice_eq_str(
			    pw_slice_of(m->policies[i]->name.data, m->policies[i]->name.len), name))
			mode = (int)m->policies[i]->mode;
	policy_set_free(set);
	return mode;
}

static void expect_problem(
	struct fixture *f, const char *file, const char *object, const char *field)
{
	size_t count = 0;
	const struct policy_problem *list = policy_dir_problems(f->dir, &count);

	assert_int_equal(count, 1);
	assert_string_equal(list[0].file, file);
	assert_string_equal(list[0].object, object);
	assert_string_equal(list[0].field, field);
	assert_true(list[0].message[0] != '\0');
}

static void without_files_the_defaults_are_in_force(void **state)
{
	struct fixture *f = *state;

	load(f);
	assert_int_equal(mode_of(f, "default"), ENFORCE);
	folder_write(&f->folder, "x.yaml", DOC("default", "Audit"));
	folder_write(&f->folder, "x.txt", DOC("ignored", "Audit"));
	load(f);
	assert_int_equal(mode_of(f, "default"), AUDIT);
	assert_int_equal(mode_of(f, "ignored"), -1);
}

static void a_bad_document_is_refused_alone_and_its_previous_version_stays(void **state)
{
	struct fixture *f = *state;

	folder_write(&f->folder, "a.yaml", DOC("one", "Audit") "---\n" DOC("two", "Audit"));
	load(f);
	folder_write(&f->folder, "a.yaml", DOC("one", "Adit") "---\n" DOC("two", "Disabled"));
	load(f);
	assert_int_equal(mode_of(f, "one"), AUDIT);
	assert_int_equal(mode_of(f, "two"), DISABLED);
	expect_problem(f, "a.yaml", "ClusterRuntimePolicy/one", "spec.mode");
	folder_write(&f->folder, "a.yaml", DOC("two", "Disabled"));
	load(f);
	assert_int_equal(mode_of(f, "one"), -1);
}

static void a_bad_document_that_overrides_a_default_leaves_the_default(void **state)
{
	struct fixture *f = *state;

	folder_write(&f->folder, "a.yaml", DOC("default", "Adit"));
	load(f);
	assert_int_equal(mode_of(f, "default"), ENFORCE);
	expect_problem(f, "a.yaml", "ClusterRuntimePolicy/default", "spec.mode");
}

static void a_file_that_is_no_yaml_keeps_all_of_its_objects(void **state)
{
	struct fixture *f = *state;

	folder_write(&f->folder, "a.yaml", DOC("one", "Audit") "---\n" DOC("two", "Audit"));
	folder_write(&f->folder, "b.yml", DOC("three", "Audit"));
	load(f);
	folder_write(&f->folder, "a.yaml", "spec: [unclosed\n");
	folder_write(&f->folder, "b.yml", DOC("three", "Disabled"));
	load(f);
	assert_int_equal(mode_of(f, "one"), AUDIT);
	assert_int_equal(mode_of(f, "two"), AUDIT);
	assert_int_equal(mode_of(f, "three"), DISABLED);
	expect_problem(f, "a.yaml", "", "");
	/* And once more: what was kept is kept again. */
	load(f);
	assert_int_equal(mode_of(f, "one"), AUDIT);
}

static void a_document_without_a_name_takes_nothing_away(void **state)
{
	struct fixture *f = *state;

	folder_write(&f->folder, "a.yaml", DOC("one", "Audit") "---\n" DOC("two", "Audit"));
	load(f);
	folder_write(&f->folder, "a.yaml", "kind: 7\n---\n" DOC("two", "Disabled"));
	load(f);
	assert_int_equal(mode_of(f, "one"), AUDIT);
	assert_int_equal(mode_of(f, "two"), DISABLED);
	expect_problem(f, "a.yaml", "", "apiVersion");
}

static void the_first_of_two_equal_names_counts(void **state)
{
	struct fixture *f = *state;

	folder_write(&f->folder, "b.yaml", DOC("one", "Disabled"));
	folder_write(&f->folder, "a.yaml", DOC("one", "Audit"));
	load(f);
	assert_int_equal(mode_of(f, "one"), AUDIT);
	expect_problem(f, "b.yaml", "ClusterRuntimePolicy/one", "");
}

static void what_is_no_file_is_named(void **state)
{
	struct fixture *f = *state;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/d.yaml", f->folder.path);
	assert_int_equal(mkdir(path, 0700), 0);
	load(f);
	expect_problem(f, "d.yaml", "", "");
	assert_int_equal(rmdir(path), 0);
}

static void a_folder_that_went_away_keeps_the_old_state(void **state)
{
	struct fixture *f = *state;
	struct pw_err err = PW_ERR_INIT;
	char path[128];

	folder_write(&f->folder, "a.yaml", DOC("one", "Audit"));
	load(f);
	(void)snprintf(path, sizeof(path), "%s/a.yaml", f->folder.path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(f->folder.path), 0);
	assert_int_equal(policy_dir_load(f->dir, &err), -ENOENT);
	assert_non_null(strstr(err.msg, f->folder.path));
	assert_int_equal(mode_of(f, "one"), AUDIT);
}

static void hostile_files_are_refused(void **state)
{
	struct fixture *f = *state;

	folder_write(&f->folder, "a.yaml", "a: &x [1,1,1,1]\nb: [*x,*x,*x]\n");
	load(f);
	expect_problem(f, "a.yaml", "", "");
}

static int load_again(void *ctx)
{
	struct fixture *f = ctx;
	struct policy_dir *dir = NULL;
	struct policy_set *set = NULL;
	struct pw_err err = PW_ERR_INIT;
	int r = policy_dir_new(f->folder.path, &dir, &err);

	if (r == 0)
		r = policy_dir_load(dir, &err);
	if (r == 0)
		r = policy_dir_make_set(dir, 1, &set, &err);
	policy_set_free(set);
	policy_dir_free(dir);
	return r;
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	struct fixture *f = *state;

	folder_write(&f->folder, "a.yaml", DOC("one", "Audit") "---\n" DOC("two", "Adit"));
	assert_true(pw_oom_loop(load_again, f) > 20);
}

static void a_bundle_lies_over_the_defaults_and_below_the_folder(void **state)
{
	struct fixture *f = *state;
	struct folder base;
	struct pw_err err = PW_ERR_INIT;

	folder_make(&base);
	folder_write(&base, "000-x.yaml", DOC("default", "Audit"));
	folder_write(&base, "001-x.yaml", DOC("both", "Audit"));
	folder_write(&f->folder, "a.yaml", DOC("both", "Disabled"));
	assert_int_equal(policy_dir_load_base(f->dir, "/nowhere/objects", &err), 0);
	assert_int_equal(mode_of(f, "default"), ENFORCE);
	assert_int_equal(policy_dir_load_base(f->dir, base.path, &err), 0);
	load(f);
	assert_int_equal(mode_of(f, "default"), AUDIT);
	assert_int_equal(mode_of(f, "both"), DISABLED);
	folder_write(&base, "001-x.yaml", DOC("both", "Sideways"));
	assert_int_equal(policy_dir_load_base(f->dir, base.path, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "001-x.yaml: spec.mode"));
	assert_int_equal(mode_of(f, "default"), AUDIT);
	folder_remove(&base);
	assert_int_equal(policy_dir_load_base(f->dir, base.path, &err), 0);
	assert_int_equal(mode_of(f, "default"), ENFORCE);
	assert_int_equal(mode_of(f, "both"), DISABLED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(without_files_the_defaults_are_in_force),
		T(a_bad_document_is_refused_alone_and_its_previous_version_stays),
		T(a_bad_document_that_overrides_a_default_leaves_the_default),
		T(a_file_that_is_no_yaml_keeps_all_of_its_objects),
		T(a_document_without_a_name_takes_nothing_away),
		T(the_first_of_two_equal_names_counts),
		T(what_is_no_file_is_named),
		T(a_folder_that_went_away_keeps_the_old_state),
		T(hostile_files_are_refused),
		T(a_bundle_lies_over_the_defaults_and_below_the_folder),
		T(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
