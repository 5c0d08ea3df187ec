/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A learned profile <-> custom resource RuntimeProfile: all of it as a packed ProfileDelta under
 * Zstandard and base64 for machines, and the first of each dimension for people. Whoever may write
 * an object in a namespace may say anything about groups of that namespace, and nothing about
 * others. Thread: any. Ceilings: PROFILE_JSON_DATA characters of data (what etcd takes),
 * PROFILE_JSON_UNPACKED bytes behind them, PROFILE_JSON_SHOWN texts of a dimension.
 */
#include "common/base/arena.h"
#include "common/web/json.h"
#include "podward/v1/profile.pb-c.h"

#define PROFILE_JSON_DATA     ((size_t)700 << 10)
#define PROFILE_JSON_UNPACKED ((size_t)32 << 20)
#define PROFILE_JSON_SHOWN    200

/* Namespace and name of the object of a pod group. -EINVAL when its key has not four parts. */
int profile_json_name(struct pw_slice group, char namespace[64], char name[254]);
/*
 * Body of an apply; version "" = it is not there yet; generalised: behaviours that profile_shrink
 * put templates for. -E2BIG when data is past its ceiling.
 */
int profile_json_write(const Podward__V1__ProfileDelta *whole, const char *version,
	size_t generalised, struct pw_buf *out, struct pw_err *err) PW_MUST_CHECK;
/* Merge-patch of its status; too_large = the last version stays as it is. */
int profile_json_status(
	const Podward__V1__ProfileState *state, bool too_large, struct pw_buf *out) PW_MUST_CHECK;
/* Into the arena. Everything is checked but the ceilings of the store. */
int profile_json_read(const struct pw_json *object, struct pw_arena *a,
	Podward__V1__ProfileDelta **ret, struct pw_err *err) PW_MUST_CHECK;
