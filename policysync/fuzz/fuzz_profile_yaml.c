// SPDX-License-Identifier: Apache-2.0
/* Profiles as texts: what is read is written, and read again the same. */
#include "common/base/alloc.h"
#include "policysync/profile_yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Podward__V1__ProfileDelta *one = NULL, *two = NULL;
	struct pw_err err = PW_ERR_INIT;
	struct pw_arena *a = NULL;
	pw_auto_buf first, second;

	pw_buf_init(&first, 16 << 20);
	pw_buf_init(&second, 16 << 20);
	if (pw_arena_new(4096, 64 << 20, &a) < 0)
		return 0;
	if (profile_yaml_read(pw_slice_of(data, size), a, &one, &err) == 0 &&
		profile_yaml_write(one, &first, &err) == 0) {
		pw_assert(profile_yaml_read(pw_buf_slice(&first), a, &two, &err) == 0);
		pw_assert(profile_yaml_write(two, &second, &err) == 0);
		pw_assert(pw_slice_eq(pw_buf_slice(&first), pw_buf_slice(&second)));
	}
	pw_arena_free(a);
	return 0;
}
