// SPDX-License-Identifier: Apache-2.0
/* Objects of an API server that says anything: readers refuse or give texts that end. */
#include "policysync/kube_object.h"
#include "policysync/pod_json.h"
#include "policysync/profile_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_json *j = NULL;
	struct pod *pod = NULL;
	struct pod_parent *parent = NULL;
	struct kube_object *o = NULL;
	Podward__V1__ProfileDelta *whole = NULL;
	struct pw_arena *a = NULL;
	pw_auto_buf out;

	pw_buf_init(&out, 64 << 10);
	if (pw_json_parse(pw_slice_of(data, size), &j, NULL) < 0)
		return 0;
	if (pod_read(j, &pod) == 0)
		for (size_t i = 0; i < pod->container_count; i++)
			pw_assert(strlen(pod->containers[i].id) <= 64 && pod->containers[i].name);
	if (pod_parent_read(j, &parent) == 0)
		pw_assert(strlen(parent->uid) > 0);
	if (kube_object_read(j, &o) == 0) {
		pw_assert(o->key[0] && (o->object || o->problem[0]));
		(void)kube_status_write(&o->status, o->version, &out);
	}
	if (pw_arena_new(4096, 8 << 20, &a) == 0)
		(void)(profile_json_read(j, a, &whole, NULL) == 0);
	pw_arena_free(a);
	free(pod);
	free(parent);
	kube_object_free(o);
	pw_json_free(j);
	return 0;
}
