/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an event means to a baseline: one or more behaviours (dimension, actor, object), each with a
 * stable 64-bit key. Failed file operations are no behaviour; a connection or a use of privilege
 * that was tried is one. Random parts of names are replaced (behaviour_text.h), so that they do not
 * make a new behaviour each run. Texts are cut at 4,096 bytes (PATH_MAX).
 * Thread: any; a set belongs to its caller.
 */
#include "analyzer/behaviour_text.h"
#include "common/wire/decode.h"
#include "podward/v1/profile.pb-c.h"

#define BEHAVIOUR_MAX        4u
#define BEHAVIOUR_DIMENSIONS 16u /* 1 … 15 in use */
#define BEHAVIOUR_ALL        ((1u << BEHAVIOUR_DIMENSIONS) - 2u)

struct behaviour {
	uint64_t key;
	uint32_t dimension; /* Dimension */
	struct pw_slice actor, object;
};

struct behaviour_set {
	struct behaviour items[BEHAVIOUR_MAX];
	uint32_t count, wanted;
	uint8_t actor_text[BEHAVIOUR_TEXT_BYTES + 64];
	uint8_t object_text[3][BEHAVIOUR_TEXT_BYTES + 64];
	uint8_t shape_text[BEHAVIOUR_SHAPE_BYTES];
};

/* dimensions: a bit (1 << dimension) for each that is wanted. Slices live as long as event and set.
 */
void behaviour_of(const struct pw_event *e, uint32_t dimensions, struct behaviour_set *ret);
/* For the files beside this one: adds unless unwanted, empty or full. */
void behaviour_add(struct behaviour_set *set, uint32_t dimension, struct pw_slice actor,
	struct pw_slice object);
/* XXH3-64 with seed 0 over: dimension (1 byte), actor, a NUL, object. */
uint64_t behaviour_key(uint32_t dimension, struct pw_slice actor, struct pw_slice object);
const char *behaviour_dimension_name(uint32_t dimension); /* "exec", "file.read" … */
/* Executable that acts: for an exec the parent's, else the process's own. */
struct pw_slice behaviour_actor(const struct pw_event *e);
