/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Profiles out of and into the database of a policysync that does not run, as texts
 * (profile_yaml.h). An import takes the place of what was known of the group: the profile starts
 * over with a higher epoch, and what the text does not hold is gone, but for what a user removed. A
 * text that says what is known already changes nothing. Thread: the caller's. Ceiling: 64 MiB of
 * text.
 */
#include "common/base/buf.h"
#include "common/base/err.h"

/* -ENOENT when nothing is known of the pod group. */
int profile_command_export(const char *state_dir, const char *group, struct pw_buf *out,
	struct pw_err *err) PW_MUST_CHECK;
/* 1 = taken in, 0 = known already. */
int profile_command_import(
	const char *state_dir, struct pw_slice text, struct pw_err *err) PW_MUST_CHECK;
/* For the command line: to standard output, from a file. */
int profile_command_show(
	const char *state_dir, const char *group, struct pw_err *err) PW_MUST_CHECK;
int profile_command_load(const char *state_dir, const char *file, struct pw_err *err) PW_MUST_CHECK;
