/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/compress.h"

#include <errno.h>
#include <zstd.h>

int pw_zstd_pack(struct pw_slice bytes, int level, struct pw_buf *out)
{
	size_t bound = ZSTD_compressBound(bytes.len), before = out->len, n;
	void *at = pw_buf_extend(out, bound);

	if (!at)
		return pw_buf_error(out);
	n = ZSTD_compress(at, bound, bytes.len ? bytes.ptr : (const uint8_t *)"", bytes.len, level);
	if (ZSTD_isError(n))
		return -ENOMEM;
	out->len = before + n;
	return 0;
}

static int unpack_stream(ZSTD_DStream *stream, struct pw_slice packed, struct pw_buf *out)
{
	ZSTD_inBuffer in = {packed.ptr, packed.len, 0};
	uint8_t chunk[16384];
	size_t left = 1;

	while (left > 0) {
		ZSTD_outBuffer piece = {chunk, sizeof(chunk), 0};
		size_t read_before = in.pos;

		left = ZSTD_decompressStream(stream, &piece, &in);
		if (ZSTD_isError(left))
			return -EBADMSG;
		if (pw_buf_add(out, chunk, piece.pos) < 0)
			return pw_buf_error(out);
		if (left > 0 && piece.pos == 0 && in.pos == read_before)
			return -EBADMSG; /* cut off */
	}
	return in.pos == packed.len ? 0 : -EBADMSG;
}

int pw_zstd_unpack(struct pw_slice packed, struct pw_buf *out)
{
	ZSTD_DStream *stream;
	int r;

	if (packed.len == 0)
		return -EBADMSG;
	stream = ZSTD_createDStream();
	if (!stream)
		return -ENOMEM;
	r = unpack_stream(stream, packed, out);
	(void)ZSTD_freeDStream(stream);
	return r;
}
