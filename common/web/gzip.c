/* SPDX-License-Identifier: Apache-2.0 */
#include "common/web/gzip.h"

#include "common/base/err.h"

#include <errno.h>
#include <limits.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* the largest window, with gzip's own header */
#define GZIP_MEMORY 8

int pw_gzip(struct pw_slice in, struct pw_buf *out)
{
	z_stream z = {0};
	uint8_t *room;
	size_t bound, before = out->len;
	int r;

	if (in.len > UINT_MAX)
		return -E2BIG;
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
		    Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	bound = deflateBound(&z, in.len);
	room = pw_buf_extend(out, bound);
	if (!room) {
		(void)deflateEnd(&z);
		return pw_buf_error(out);
	}
	z.next_in = (z_const Bytef *)(uintptr_t)in.ptr;
	z.avail_in = (uInt)in.len;
	z.next_out = room;
	z.avail_out = (uInt)bound;
	r = deflate(&z, Z_FINISH);
	out->len = before + (size_t)z.total_out;
	(void)deflateEnd(&z);
	/* The bound holds for one call; anything else is a mistake of ours. */
	pw_assert(r == Z_STREAM_END);
	return 0;
}
