// SPDX-License-Identifier: Apache-2.0
#include "policysync/json_write.h"
#include "common/base/escape.h"

void json_key(struct json_writer *w, const char *name)
{
	if (!w->first)
		(void)pw_buf_add_byte(w->out, ',');
	w->first = false;
	if (name)
		(void)pw_buf_addf(w->out, "\"%s\":", name);
}

static void open_with(struct json_writer *w, const char *name, uint8_t bracket)
{
	json_key(w, name);
	(void)pw_buf_add_byte(w->out, bracket);
	w->first = true;
}

static void close_with(struct json_writer *w, uint8_t bracket)
{
	(void)pw_buf_add_byte(w->out, bracket);
	w->first = false;
}

void json_open_object(struct json_writer *w, const char *name)
{
	open_with(w, name, '{');
}

void json_close_object(struct json_writer *w)
{
	close_with(w, '}');
}

void json_open_array(struct json_writer *w, const char *name)
{
	open_with(w, name, '[');
}

void json_close_array(struct json_writer *w)
{
	close_with(w, ']');
}

void json_slice(struct json_writer *w, const char *name, struct pw_slice value)
{
	json_key(w, name);
	(void)pw_escape_json(w->out, value);
}

void json_text(struct json_writer *w, const char *name, const char *value)
{
	json_slice(w, name, pw_slice_str(value));
}

void json_bytes(struct json_writer *w, const char *name, ProtobufCBinaryData value)
{
	if (value.len > 0)
		json_slice(w, name, pw_slice_of(value.data, value.len));
}

void json_u64(struct json_writer *w, const char *name, uint64_t value)
{
	json_key(w, name);
	(void)pw_buf_addf(w->out, "%llu", (unsigned long long)value);
}

void json_i64(struct json_writer *w, const char *name, int64_t value)
{
	json_key(w, name);
	(void)pw_buf_addf(w->out, "%lld", (long long)value);
}

void json_bool(struct json_writer *w, const char *name, bool value)
{
	json_key(w, name);
	(void)pw_buf_add_str(w->out, value ? "true" : "false");
}

void json_time(struct json_writer *w, const char *name, int64_t wall_ns)
{
	char text[PW_WALL_TEXT_SIZE];

	pw_wall_format((struct pw_wall){wall_ns}, text);
	json_text(w, name, text);
}
