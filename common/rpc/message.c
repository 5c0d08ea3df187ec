/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/message.h"

#include "common/base/escape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>

#include "common/base/slice.h"
#include "common/rpc/server.h"
#include "common/wire/arena_alloc.h"

int pw_message_encode(const ProtobufCMessage *msg, grpc_byte_buffer **ret)
{
	size_t len = protobuf_c_message_get_packed_size(msg);
	uint8_t *bytes;
	grpc_slice slice;

	if (len > PW_RPC_MESSAGE_MAX)
		return -EMSGSIZE;
	bytes = pw_alloc0(1, len > 0 ? len : 1);
	if (!bytes)
		return -ENOMEM;
	(void)protobuf_c_message_pack(msg, bytes);
	slice = grpc_slice_new(bytes, len, free);
	*ret = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return 0;
}

/* Joins the pieces in memory of ours: gRPC's own join aborts when memory is short. */
static int message_join(grpc_byte_buffer *buffer, uint8_t **ret)
{
	size_t len = grpc_byte_buffer_length(buffer), at = 0;
	uint8_t *bytes = pw_alloc0(1, len > 0 ? len : 1);
	grpc_byte_buffer_reader reader;
	grpc_slice slice;

	if (!bytes)
		return -ENOMEM;
	if (!grpc_byte_buffer_reader_init(&reader, buffer)) {
		free(bytes);
		return -EBADMSG;
	}
	while (grpc_byte_buffer_reader_next(&reader, &slice)) {
		memcpy(bytes + at, GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice));
		at += GRPC_SLICE_LENGTH(slice);
		grpc_slice_unref(slice);
	}
	grpc_byte_buffer_reader_destroy(&reader);
	*ret = bytes;
	return 0;
}

static int message_unpack(struct pw_arena *a, const ProtobufCMessageDescriptor *type,
	struct pw_slice bytes, const ProtobufCMessage **ret)
{
	uint64_t refused;
	ProtobufCMessage *msg;

	pw_arena_reset(a);
	refused = pw_arena_refused(a);
	msg = pw_unpack(a, type, bytes);
	if (!msg)
		return pw_arena_refused(a) > refused ? -E2BIG : -EBADMSG;
	*ret = msg;
	return 0;
}

int pw_message_decode(struct pw_arena *a, const ProtobufCMessageDescriptor *type,
	grpc_byte_buffer *buffer, const ProtobufCMessage **ret)
{
	grpc_slice_buffer *slices = &buffer->data.raw.slice_buffer;
	pw_auto_free uint8_t *joined = NULL;
	int r;

	/* We offer no compression: a small message must not become a big one. */
	if (buffer->type != GRPC_BB_RAW || buffer->data.raw.compression != GRPC_COMPRESS_NONE)
		return -EBADMSG;
	if (slices->count == 1)
		return message_unpack(a, type,
			pw_slice_of(GRPC_SLICE_START_PTR(slices->slices[0]),
				GRPC_SLICE_LENGTH(slices->slices[0])),
			ret);
	r = message_join(buffer, &joined);
	if (r < 0)
		return r;
	return message_unpack(a, type, pw_slice_of(joined, slices->length), ret);
}

const char *pw_message_text(grpc_slice text, char *out, size_t size)
{
	return pw_escape_to(
		pw_slice_of(GRPC_SLICE_START_PTR(text), GRPC_SLICE_LENGTH(text)), out, size);
}

int pw_message_status(int r, const ProtobufCMessageDescriptor *type, char *detail, size_t size)
{
	if (r == -EBADMSG) {
		(void)snprintf(detail, size, "cannot unpack %s", type->name);
		return PW_RPC_INVALID_ARGUMENT;
	}
	(void)snprintf(detail, size, "no memory to unpack %s", type->name);
	return PW_RPC_RESOURCE_EXHAUSTED;
}

const ProtobufCMethodDescriptor *pw_message_method(
	const ProtobufCServiceDescriptor *service, const char *name)
{
	return protobuf_c_service_descriptor_get_method_by_name(service, name);
}

char *pw_message_path(const ProtobufCServiceDescriptor *service, const char *method)
{
	size_t size = strlen(service->name) + strlen(method) + 3;
	char *path = pw_alloc0(1, size);

	if (path)
		(void)snprintf(path, size, "/%s/%s", service->name, method);
	return path;
}

const char *pw_rpc_status_name(int status)
{
	static const char *const names[] = {"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT",
		"DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
		"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"};

	if (status < 0 || (size_t)status >= PW_COUNT(names))
		return "UNKNOWN";
	return names[status];
}
