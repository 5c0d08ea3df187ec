/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Batches -> wire form (Podward__V1__EventBatch) for one stream. The encoder remembers which
 * strings, processes and containers the other end of this stream has been told; a new stream means
 * a new encoder (or encoder_reset), and definitions are sent again when first needed.
 * Thread: the stream's. Ceiling: 64 Ki strings, processes and containers each per epoch.
 */
#include "common/wire/batch.h"
#include "podward/v1/event.pb-c.h"

struct pw_encoder;
struct pw_arena;

int pw_encoder_new(struct pw_encoder **ret) PW_MUST_CHECK;
void pw_encoder_free(struct pw_encoder *e);
void pw_encoder_reset(struct pw_encoder *e); /* as on a new stream */
/*
 * Definitions the stream knows already are left out, parents go before their children, exited refs
 * the stream was never told are left out. A batch of another dict_epoch makes the encoder forget
 * all, as the other end does.
 * Fills *ret; its pointers live in the arena and in the batch, valid until either goes.
 * The definitions count as told, so the message must then be sent on the stream (or the encoder
 * reset). -ENOMEM (also the arena's ceiling), -ENOSPC (table full: start a new dict_epoch), -EINVAL
 * (not sealed). A failure changes nothing.
 */
int pw_encode_batch(struct pw_encoder *e, const struct pw_batch *b, struct pw_arena *arena,
	Podward__V1__EventBatch *ret) PW_MUST_CHECK;
