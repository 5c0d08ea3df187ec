/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign text through escape, num and duration; what must hold for any bytes is asserted. */
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/escape.h"
#include "common/base/num.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_escapes(struct pw_slice s)
{
	pw_auto_buf shown;
	pw_auto_buf json;
	char fixed[40];

	pw_buf_init(&shown, s.len * 12 + 16);
	pw_buf_init(&json, s.len * 12 + 16);
	pw_assert(pw_escape(&shown, s, s.len * 12 + 1) == 0);
	pw_assert(pw_escape_json(&json, s) == 0);
	pw_assert(pw_utf8_valid(pw_buf_slice(&shown)) && pw_utf8_valid(pw_buf_slice(&json)));
	for (size_t i = 0; i < shown.len; i++)
		pw_assert(shown.data[i] >= 0x20 && shown.data[i] != 0x7f);
	for (size_t i = 0; i < json.len; i++)
		pw_assert(json.data[i] >= 0x20);
	for (size_t room = 0; room <= sizeof(fixed); room++) {
		(void)pw_escape_to(s, fixed, room);
		pw_assert(
			room == 0 || (strlen(fixed) < room && pw_utf8_valid(pw_slice_str(fixed))));
	}
}

static void check_numbers(struct pw_slice s)
{
	uint64_t value;
	int64_t number;

	if (pw_num_u64(s, 1000, &value) == 0)
		pw_assert(value <= 1000);
	if (pw_num_i64(s, -5, 5, &number) == 0)
		pw_assert(number >= -5 && number <= 5);
	if (pw_num_hex(s, UINT64_MAX, &value) == 0)
		pw_assert(s.len > 0);
	if (pw_num_size(s, 1 << 20, &value) == 0)
		pw_assert(value <= 1 << 20);
}

/* A duration that was shown in full reads back as the same one. */
static void check_duration(struct pw_slice s)
{
	pw_auto_free char *text = pw_memdupz(s.ptr, s.len);
	char shown[80];
	uint64_t ns, again;

	if (!text || pw_duration_parse(text, &ns) < 0)
		return;
	pw_duration_format(ns, shown, sizeof(shown));
	pw_assert(pw_duration_parse(shown, &again) == 0);
	pw_assert(again == ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_slice s = pw_slice_of(data, size);

	check_escapes(s);
	check_numbers(s);
	check_duration(s);
	return 0;
}
