/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a record: decoded or refused, and what is decoded can be shown. */
#include "collector/decode.h"
#include "common/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct pw_slice s, const uint8_t *data, size_t size)
{
	if (s.len > 0)
		pw_assert(s.ptr >= data && s.ptr + s.len <= data + size);
}

static void check(const uint8_t *data, size_t size)
{
	struct event e;
	struct pw_buf out;

	if (decode(data, size, &e) != DECODE_OK)
		return;
	check_inside(e.comm, data, size);
	if (e.type == EVENT_EXEC) {
		check_inside(e.exec.exe, data, size);
		check_inside(e.exec.args, data, size);
		check_inside(e.exec.cwd, data, size);
		check_inside(e.exec.filename, data, size);
		check_inside(e.exec.env, data, size);
	}
	if (event_is_call(e.type)) {
		check_inside(e.call.base, data, size);
		check_inside(e.call.path, data, size);
		check_inside(e.call.base2, data, size);
		check_inside(e.call.path2, data, size);
		check_inside(e.call.text, data, size);
		check_inside(e.call.data, data, size);
	}
	pw_buf_init(&out, 1 << 20);
	pw_assert(event_describe(&e, &out) == 0);
	pw_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t fixed[ABI_RECORD_MAX];
	uint32_t len = (uint32_t)size;

	check(data, size);
	/* The same with a head that tells the truth, to get beyond it. */
	if (size < sizeof(len) || size > sizeof(fixed))
		return 0;
	memcpy(fixed, data, size);
	memcpy(fixed, &len, sizeof(len));
	check(fixed, size);
	return 0;
}
