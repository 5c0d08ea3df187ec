/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A baseline as bytes: a canonical encoding, so that equal baselines give equal bytes on every
 * machine, and its compressed form (door of zstd) for checkpoints and exports, named by its digest.
 * Reading is a trust boundary: what is not exactly what writing makes is refused and named, and the
 * baseline that is read into must be thrown away then. Thread: any; one owner of the baseline.
 * Ceilings: 64 MiB of canonical bytes, behaviours as the baseline allows.
 */
#include "analyzer/baseline.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/hash.h"

#define CHECKPOINT_BYTES ((size_t)64 << 20)

/* -ENOMEM, -E2BIG. */
int checkpoint_encode(const struct baseline *b, struct pw_buf *out) PW_MUST_CHECK;
/* Merges what the bytes hold. -EINVAL, -E2BIG, -ENOSPC (ceiling of the baseline), -ENOMEM. */
int checkpoint_decode(struct pw_slice bytes, struct baseline *b, struct pw_err *err) PW_MUST_CHECK;
struct pw_hash128 checkpoint_digest(struct pw_slice canonical);
/* Compressed, with the digest of what is inside in front. */
int checkpoint_pack(const struct baseline *b, struct pw_buf *out) PW_MUST_CHECK;
int checkpoint_unpack(struct pw_slice packed, struct baseline *b, struct pw_err *err) PW_MUST_CHECK;
