/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A batch as bytes that stand alone (protobuf EventBatch of a fresh encoder, with everything that
 * a stream may leave out) and back. Not the way to an analyzer: that is common/wire/decode.h.
 * Thread: the owner's. Ceiling: KEEP_BATCH_MAX bytes a batch, 64 MiB to unpack one.
 */
#include "common/base/buf.h"
#include "common/wire/batch.h"

#define KEEP_BATCH_MAX (4u << 20)

struct pw_arena;
struct pw_encoder;

/* An arena that is large enough for either direction. */
int keep_batch_arena(struct pw_arena **ret) PW_MUST_CHECK;
/* Appends the batch, sealed or not. -ENOMEM, -E2BIG, -ENOSPC (encoder). */
int keep_batch_encode(struct pw_encoder *e, struct pw_arena *arena, const struct pw_batch *b,
	struct pw_buf *out) PW_MUST_CHECK;
/* -EBADMSG: not such a batch; -ENOMEM. One that has a number comes back sealed. */
int keep_batch_decode(
	struct pw_arena *arena, struct pw_slice bytes, struct pw_batch **ret) PW_MUST_CHECK;
