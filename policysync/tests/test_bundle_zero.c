// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "policysync/bundle_dir.h"
#include "policysync/crd_json.h"
#include "policysync/defaults.h"

/* What the program brings along could be published as it is: one path for all objects. */
static void bundle_zero_passes_the_dry_run_of_bundles(void **state)
{
	struct bundle_manifest *m = calloc(1, sizeof(*m));
	struct pw_slice blobs[BUNDLE_OBJECTS];
	const struct bundle_caps none = {.kind_count = 0};
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	assert_non_null(m);
	for (size_t i = 0; i < defaults_file_count; i++) {
		struct bundle_object *o = &m->objects[m->object_count];
		struct pw_json **docs = NULL;
		char key[CRD_KEY_MAX];
		size_t count = 0;

		assert_int_equal(pw_yaml_parse(defaults_files[i].text, &docs, &count, &err), 0);
		crd_identify(docs[0], key);
		pw_yaml_docs_free(docs, count);
		assert_int_equal(sscanf(key, "%63[^/]/%253s", o->kind, o->name), 2);
		blobs[m->object_count++] = defaults_files[i].text;
	}
	if (bundle_check_objects(&(struct bundle){m, blobs}, &none, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(m->object_count >= 2);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bundle_zero_passes_the_dry_run_of_bundles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
