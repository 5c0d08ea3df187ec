/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a baseline, plain and packed: what is read is written again and must be read the same.
 */
#include "analyzer/checkpoint.h"
#include "common/base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct baseline *b)
{
	struct baseline *back = NULL;
	struct pw_err err = PW_ERR_INIT;
	pw_auto_buf one, two;

	pw_buf_init(&one, CHECKPOINT_BYTES);
	pw_buf_init(&two, CHECKPOINT_BYTES);
	if (baseline_new(1000, &back) == 0 && checkpoint_encode(b, &one) == 0) {
		pw_assert(checkpoint_decode(pw_buf_slice(&one), back, &err) == 0);
		pw_assert(checkpoint_encode(back, &two) == 0);
		pw_assert(pw_slice_eq(pw_buf_slice(&one), pw_buf_slice(&two)));
	}
	baseline_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct baseline *b = NULL;
	struct pw_err err = PW_ERR_INIT;
	struct pw_slice bytes = pw_slice_of(data, size);

	for (int packed = 0; packed < 2; packed++) {
		int r;

		if (baseline_new(1000, &b) < 0)
			return 0;
		r = packed ? checkpoint_unpack(bytes, b, &err) : checkpoint_decode(bytes, b, &err);
		if (r == 0)
			write_again(b);
		else
			pw_assert(err.msg[0] != '\0');
		baseline_free(PW_TAKE(b));
	}
	return 0;
}
