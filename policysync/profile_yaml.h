/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A learned profile <-> a text that a person can read, edit and keep: kind RuntimeProfile with one
 * line for each behaviour. Written and read again it is the same, byte for byte. A line needs
 * dimension and object; what else is known of it may be left out. Not the custom resource of
 * profile_json.h, which the API server must be able to hold. Thread: any. Ceilings:
 * PROFILE_YAML_BYTES of text, PROFILE_ENTRIES behaviours.
 */
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "podward/v1/profile.pb-c.h"

#define PROFILE_YAML_BYTES ((size_t)64 << 20)

int profile_yaml_write(const Podward__V1__ProfileDelta *whole, struct pw_buf *out,
	struct pw_err *err) PW_MUST_CHECK;
/* Into the arena. An error names the field. Behaviours have their keys. */
int profile_yaml_read(struct pw_slice text, struct pw_arena *a, Podward__V1__ProfileDelta **ret,
	struct pw_err *err) PW_MUST_CHECK;
