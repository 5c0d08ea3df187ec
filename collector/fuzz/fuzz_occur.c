/* SPDX-License-Identifier: Apache-2.0 */
/* Any record that decodes becomes something comparable, with texts that lie in its own buffers. */
#include "collector/decode.h"
#include "collector/occur.h"
#include "common/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct pw_slice s, const struct pw_buf *b)
{
	if (s.len > 0)
		pw_assert(s.ptr == b->data && s.len == b->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t record[ABI_RECORD_MAX];
	struct program program = {.cwd = PW_SLICE_LIT("/work")};
	struct image image = {.program = &program, .pid_in_ns = 7};
	struct occurrence o = {.image = &image};
	uint32_t len = (uint32_t)size;
	struct occur x;
	struct event e;

	if (size < sizeof(len) || size > sizeof(record))
		return 0;
	memcpy(record, data, size);
	memcpy(record, &len, sizeof(len)); /* a head that tells the truth, to get beyond it */
	if (decode(record, size, &e) != DECODE_OK)
		return 0;
	pw_buf_init(&x.object, 1 << 16);
	pw_buf_init(&x.object2, 1 << 16);
	occur_fill(&x, &e, &o);
	pw_assert(o.kind == (uint8_t)event_wire_kind(e.type));
	check_inside(o.object, &x.object);
	check_inside(o.object2, &x.object2);
	pw_buf_done(&x.object);
	pw_buf_done(&x.object2);
	return 0;
}
