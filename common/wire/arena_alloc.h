/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * protobuf-c allocator over an arena with a ceiling: unpacking hostile bytes cannot take more than
 * the arena's limit, and freeing is one reset. Thread: the arena's.
 */
#include "common/base/arena.h"
#include <protobuf-c/protobuf-c.h>

/* Valid as long as the arena. */
ProtobufCAllocator pw_arena_protobuf(struct pw_arena *a);
/* Unpacks into the arena; NULL when malformed or over the ceiling. Never call free_unpacked on it.
 */
ProtobufCMessage *pw_unpack(
	struct pw_arena *a, const ProtobufCMessageDescriptor *type, struct pw_slice bytes);
