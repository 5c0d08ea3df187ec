/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire/arena_alloc.h"

static void *arena_protobuf_alloc(void *data, size_t size)
{
	return pw_arena_alloc(data, size);
}

/* One reset frees everything; protobuf-c calls this for its scratch memory too. */
static void arena_protobuf_free(void *data, void *pointer)
{
	(void)data;
	(void)pointer;
}

ProtobufCAllocator pw_arena_protobuf(struct pw_arena *a)
{
	return (ProtobufCAllocator){
		.alloc = arena_protobuf_alloc,
		.free = arena_protobuf_free,
		.allocator_data = a,
	};
}

ProtobufCMessage *pw_unpack(
	struct pw_arena *a, const ProtobufCMessageDescriptor *type, struct pw_slice bytes)
{
	ProtobufCAllocator allocator = pw_arena_protobuf(a);

	return protobuf_c_message_unpack(type, &allocator, bytes.len, bytes.ptr);
}
