/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * protobuf-c messages in and out of gRPC byte buffers, for the files of this folder only.
 * Ceilings: PW_RPC_MESSAGE_MAX bytes out, the transport's limit and the arena's in.
 * Thread: any; the arena's for decoding.
 */
#include "common/base/arena.h"
#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>

#define PW_RPC_MESSAGE_MAX (1u << 20)

/* -EMSGSIZE, -ENOMEM. The buffer is the caller's (grpc_byte_buffer_destroy). */
int pw_message_encode(const ProtobufCMessage *msg, grpc_byte_buffer **ret) PW_MUST_CHECK;
/*
 * Resets the arena and unpacks into it; the message is valid until the next one.
 * -EBADMSG malformed or compressed, -E2BIG over the arena's ceiling, -ENOMEM.
 */
int pw_message_decode(struct pw_arena *a, const ProtobufCMessageDescriptor *type,
	grpc_byte_buffer *bytes, const ProtobufCMessage **ret) PW_MUST_CHECK;
/* Text that the peer or the library gave, escaped. Returns out. */
const char *pw_message_text(grpc_slice text, char *out, size_t size);
/* gRPC status and words for a result of pw_message_decode, "cannot unpack podward.v1.X". */
int pw_message_status(int r, const ProtobufCMessageDescriptor *type, char *detail, size_t size);
/* NULL when the service has no such method. */
const ProtobufCMethodDescriptor *pw_message_method(
	const ProtobufCServiceDescriptor *service, const char *name);
/* "/podward.v1.CollectService/Stream" in memory of its own; NULL when out of memory. */
char *pw_message_path(const ProtobufCServiceDescriptor *service, const char *method);
