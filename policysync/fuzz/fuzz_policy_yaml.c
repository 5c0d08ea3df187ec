// SPDX-License-Identifier: Apache-2.0
/* YAML text of a policy file -> custom resources -> a policy set, as policy_dir does it. */
#include "policysync/policy_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_object(const struct crd_object *object)
{
	struct pw_err err = PW_ERR_INIT;
	struct policy_set *set = NULL;

	pw_assert(object->key[0] != '\0');
	pw_assert(object->packed.len <= CRD_PACKED_MAX);
	pw_assert(policy_set_new(&object, 1, 1, &set, &err) == 0);
	policy_set_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_json **docs = NULL;
	size_t count = 0;
	char key[CRD_KEY_MAX];

	if (pw_yaml_parse(pw_slice_of(data, size), &docs, &count, &err) < 0) {
		pw_assert(err.msg[0] != '\0');
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		struct crd_object *object = NULL;

		pw_err_clear(&err);
		crd_identify(docs[i], key);
		if (crd_parse(docs[i], &object, &err) == 0)
			check_object(object);
		else
			pw_assert(err.msg[0] != '\0' && object == NULL);
		crd_object_free(object);
	}
	pw_yaml_docs_free(docs, count);
	return 0;
}
