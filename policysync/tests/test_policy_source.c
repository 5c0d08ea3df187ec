// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "policysync/policy_source.h"
#include <errno.h>

#define DOC(mode)                                                                         \
	"apiVersion: podward.dev/v1alpha1\nkind: ClusterRuntimePolicy\nmetadata: {name: " \
	"default}\n"                                                                      \
	"spec: {mode: " mode "}\n"

struct fixture {
	struct folder folder;
	struct pw_loop *loop;
	struct policy_source *source;
	unsigned changes;
};

static void on_change(void *ctx)
{
	((struct fixture *)ctx)->changes++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pw_err err = PW_ERR_INIT;

	assert_non_null(f);
	folder_make(&f->folder);
	assert_int_equal(pw_loop_new(&f->loop, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	policy_source_stop(f->source);
	pw_loop_free(f->loop);
	folder_remove(&f->folder);
	free(f);
	return 0;
}

static int start(struct fixture *f, struct pw_err *err)
{
	struct policy_source_settings s = {.dir = f->folder.path, .on_change = on_change, .ctx = f};

	return policy_source_start(f->loop, &s, &f->source, err);
}

static void text_of_revision(struct fixture *f, char out[33], size_t *problems)
{
	struct pw_snapshot_ref *ref = pw_snapshot_get(policy_source_snapshot(f->source));
	const struct policy_set *set;

	assert_non_null(ref);
	set = pw_snapshot_value(ref);
	(void)snprintf(out, 33, "%s", policy_set_revision(set));
	(void)policy_set_problems(set, problems);
	pw_snapshot_put(ref);
}

/* Steps the loop until the number of changes is reached. */
static void wait_changes(struct fixture *f, unsigned changes)
{
	for (int i = 0; i < 1000 && f->changes < changes; i++)
		pw_loop_step(f->loop, 20);
	assert_int_equal(f->changes, changes);
}

static void a_changed_file_gives_a_new_revision(void **state)
{
	struct fixture *f = *state;
	struct pw_err err = PW_ERR_INIT;
	char before[33], after[33];
	size_t problems = 0;

	assert_int_equal(start(f, &err), 0);
	text_of_revision(f, before, &problems);
	assert_int_equal(problems, 0);
	folder_write(&f->folder, "a.yaml", DOC("Audit"));
	wait_changes(f, 1);
	text_of_revision(f, after, &problems);
	assert_string_not_equal(before, after);
	/* A wrong file: the same revision, with the problem. */
	folder_write(&f->folder, "a.yaml", DOC("Adit"));
	wait_changes(f, 2);
	text_of_revision(f, before, &problems);
	assert_string_equal(before, after);
	assert_int_equal(problems, 1);
	/* The same again changes nothing. */
	policy_source_reload(f->source);
	assert_int_equal(f->changes, 2);
}

static void an_unreadable_folder_is_an_error_at_start_and_none_later(void **state)
{
	struct fixture *f = *state;
	struct pw_err err = PW_ERR_INIT;
	char revision[33];
	size_t problems;

	assert_int_equal(rmdir(f->folder.path), 0);
	assert_int_equal(start(f, &err), -ENOENT);
	assert_non_null(strstr(err.msg, f->folder.path));
	assert_null(f->source);
	assert_int_equal(mkdir(f->folder.path, 0700), 0);
	pw_err_clear(&err);
	assert_int_equal(start(f, &err), 0);
	assert_int_equal(rmdir(f->folder.path), 0);
	policy_source_reload(f->source);
	text_of_revision(f, revision, &problems);
	assert_int_equal(f->changes, 0);
	/* Back again, with a file: it is found and watched. */
	assert_int_equal(mkdir(f->folder.path, 0700), 0);
	folder_write(&f->folder, "a.yaml", DOC("Audit"));
	policy_source_reload(f->source);
	assert_int_equal(f->changes, 1);
	folder_write(&f->folder, "a.yaml", DOC("Disabled"));
	wait_changes(f, 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_changed_file_gives_a_new_revision),
		T(an_unreadable_folder_is_an_error_at_start_and_none_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
