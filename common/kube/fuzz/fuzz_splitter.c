/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes in any pieces: the same objects come out whatever the pieces are. */
#include "common/kube/splitter.h"

#include "common/base/hash.h"

struct seen {
	uint64_t hash, count;
};

static int on_object(void *ctx, struct pw_slice text)
{
	struct seen *seen = ctx;

	seen->hash = pw_hash64(text, seen->hash);
	seen->count++;
	return 0;
}

static struct seen split(enum pw_splitter_form form, struct pw_slice text, size_t piece)
{
	struct seen seen = {0, 0};
	struct pw_splitter s;
	int r = 0;

	pw_splitter_init(&s, form, on_object, &seen);
	for (size_t at = 0; r == 0 && at < text.len; at += piece)
		r = pw_splitter_feed(&s, pw_slice_sub(text, at, at + piece));
	pw_splitter_done(&s);
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_slice text = {data, size};

	if (size == 0)
		return 0;
	for (int form = PW_SPLITTER_WATCH; form <= PW_SPLITTER_LIST; form++) {
		struct seen whole = split((enum pw_splitter_form)form, text, size);
		struct seen bytes = split((enum pw_splitter_form)form, text, 1);

		pw_assert(whole.hash == bytes.hash && whole.count == bytes.count);
	}
	return 0;
}
