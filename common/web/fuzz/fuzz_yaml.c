/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML to tree to JSON and back: what the YAML door lets in, the JSON door writes, reads again and
 * writes the same. The bytes also go through the JSON door directly.
 */
#include "common/base/escape.h"
#include "common/web/json.h"

#include <string.h>

#define OUT_MAX ((size_t)16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct pw_json *j)
{
	pw_auto_buf first;
	pw_auto_buf second;
	struct pw_err err = PW_ERR_INIT;
	struct pw_json *again;

	pw_buf_init(&first, OUT_MAX);
	pw_buf_init(&second, OUT_MAX);
	pw_assert(pw_json_dump(j, &first) == 0);
	pw_assert(pw_utf8_valid(pw_buf_slice(&first)));
	if (first.len > 1 << 20)
		return; /* escaped text may be longer than what is read */
	pw_assert(pw_json_parse(pw_buf_slice(&first), &again, &err) == 0);
	pw_assert(pw_json_dump(again, &second) == 0);
	pw_assert(pw_slice_eq(pw_buf_slice(&first), pw_buf_slice(&second)));
	pw_json_free(again);
}

static void check_error(const struct pw_err *err)
{
	pw_assert(err->code < 0 && err->msg[0]);
	for (const char *c = err->msg; *c; c++)
		pw_assert((unsigned char)*c >= 0x20 && *c != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_json **docs, *j;
	size_t count;

	if (pw_yaml_parse(pw_slice_of(data, size), &docs, &count, &err) == 0) {
		for (size_t i = 0; i < count; i++)
			check_round_trip(docs[i]);
		pw_yaml_docs_free(docs, count);
	} else {
		check_error(&err);
	}
	pw_err_clear(&err);
	if (pw_json_parse(pw_slice_of(data, size), &j, &err) == 0) {
		check_round_trip(j);
		pw_json_free(j);
	} else {
		check_error(&err);
	}
	return 0;
}
