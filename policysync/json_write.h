/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Writes JSON text straight into a buffer, without a tree: commas are placed here, strings are
 * escaped here, errors stick in the buffer. Names of members are literals. Not a reader. Thread:
 * any. Ceiling: that of the buffer.
 */
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "podward/v1/alert.pb-c.h"

struct json_writer {
	struct pw_buf *out;
	bool first; /* no comma before the next member or item */
};

#define JSON_WRITER(buf)  \
	{                 \
		buf, true \
	}

void json_key(struct json_writer *w, const char *name);
void json_open_object(struct json_writer *w, const char *name); /* name NULL = an item */
void json_close_object(struct json_writer *w);
void json_open_array(struct json_writer *w, const char *name);
void json_close_array(struct json_writer *w);
void json_text(struct json_writer *w, const char *name, const char *value);
void json_slice(struct json_writer *w, const char *name, struct pw_slice value);
/* Left out when empty. */
void json_bytes(struct json_writer *w, const char *name, ProtobufCBinaryData value);
void json_u64(struct json_writer *w, const char *name, uint64_t value);
void json_i64(struct json_writer *w, const char *name, int64_t value);
void json_bool(struct json_writer *w, const char *name, bool value);
void json_time(struct json_writer *w, const char *name, int64_t wall_ns); /* RFC 3339 */
