/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Glob patterns over bytes: * any run, ? one byte, [a-z] [!a-z] classes, \x the byte x itself.
 * The slash is an ordinary byte. Time is at most pattern length x text length, never exponential:
 * only the last star is ever tried again.
 * Thread: any.
 */
#include "common/base/err.h"
#include "common/base/slice.h"

bool pw_glob(struct pw_slice pattern, struct pw_slice text);
/* The longest run of bytes, within the pattern, that every text has which matches it; may be empty.
 */
struct pw_slice pw_glob_literal(struct pw_slice pattern);
/* Whole path components: pattern "/etc" covers "/etc" and "/etc/x", not "/etcetera". Globs per
 * component. */
bool pw_glob_path(struct pw_slice pattern, struct pw_slice path);
/* True when any of the globs matches; an empty list matches nothing. */
bool pw_glob_any(const struct pw_slice *globs, size_t count, struct pw_slice text);
/* A path without the slashes at its ends. */
struct pw_slice pw_glob_strip(struct pw_slice path);
