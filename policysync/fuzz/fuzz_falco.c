/* SPDX-License-Identifier: Apache-2.0 */
/* A Falco rule file, as it stands in spec.content of a SignatureSet. */
#include "policysync/falco_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Podward__V1__SignatureSet set = PODWARD__V1__SIGNATURE_SET__INIT;
	struct pw_err err = PW_ERR_INIT;
	struct pw_arena *arena = NULL;

	if (pw_arena_new(1 << 20, 16 << 20, &arena) < 0)
		return 0;
	if (falco_read(arena, pw_slice_of(data, size), &set, &err) < 0)
		pw_assert(err.msg[0] != '\0');
	else
		(void)protobuf_c_message_get_packed_size(&set.base);
	pw_arena_free(arena);
	return 0;
}
