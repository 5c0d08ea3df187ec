/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Texts of behaviours in the one form in which they are compared. Parts of a path that are random
 * by construction get a name instead: process ids below /proc, numbers of terminals, uuids, digests
 * of 32 hexadecimal digits and more, names by mkstemp. What merely happens to vary is left alone:
 * that is seen by comparing containers (generalise.h). Arguments of a program become their shape.
 * Thread: any. Ceiling: BEHAVIOUR_TEXT_BYTES; what is longer is cut.
 */
#include "common/base/slice.h"

#define BEHAVIOUR_TEXT_BYTES  4096u
#define BEHAVIOUR_SHAPE_BYTES 512u

/* The slice itself when nothing is random in it, else a text in out (BEHAVIOUR_TEXT_BYTES). */
struct pw_slice behaviour_path(struct pw_slice path, uint8_t *out);
/* Same for one name without slashes, as of a memory file or a DNS label. */
struct pw_slice behaviour_name(struct pw_slice name, uint8_t *out);
/* The form of a name, for putting findings together: runs of digits, and of eight and more
 * hexadecimal digits, become '#'. */
struct pw_slice behaviour_form(struct pw_slice name, uint8_t out[BEHAVIOUR_TEXT_BYTES]);
/*
 * Arguments joined by NUL -> flag names with the class of what follows: "-c <text>", "--port=<n>",
 * "-o <path>". Runs of one class are told once. The first argument is the program and is left out.
 */
struct pw_slice behaviour_shape(struct pw_slice args, uint8_t out[BEHAVIOUR_SHAPE_BYTES]);
