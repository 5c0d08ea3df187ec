/* SPDX-License-Identifier: Apache-2.0 */
#include "common/web/json_build.h"

#include "common/base/escape.h"

#include <errno.h>
#include <jansson.h>

static json_t *tree(struct pw_json *j)
{
	return (json_t *)j;
}

static const json_t *const_tree(const struct pw_json *j)
{
	return (const json_t *)j;
}

static struct pw_json *wrap(json_t *j)
{
	return (struct pw_json *)j;
}

/*
 * Nesting is measured before parsing: jansson's own limit is set when it is built (2,048).
 * Returns the offset at which the limit is passed, or the length.
 */
static size_t depth_passed_at(struct pw_slice text)
{
	bool quoted = false;
	size_t depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '[' || c == '{') && ++depth > JSON_DEPTH_MAX)
			return i;
		else if (!quoted && (c == ']' || c == '}') && depth)
			depth--;
	}
	return text.len;
}

static int parse_failed(const json_error_t *why, struct pw_err *err)
{
	char shown[200];

	if (json_error_code(why) == json_error_out_of_memory)
		return pw_err_set(err, -ENOMEM, "JSON: out of memory");
	return pw_err_set(err, -EINVAL, "JSON line %d, column %d: %s", why->line, why->column,
		pw_escape_to(pw_slice_str(why->text), shown, sizeof(shown)));
}

int pw_json_parse_large(
	struct pw_slice text, size_t limit_bytes, struct pw_json **ret, struct pw_err *err)
{
	json_error_t why;
	size_t at;
	json_t *j;

	if (text.len > limit_bytes)
		return pw_err_set(err, -E2BIG, "JSON: %zu bytes, at most %zu are read", text.len,
			limit_bytes);
	at = depth_passed_at(text);
	if (at < text.len)
		return pw_err_set(
			err, -EINVAL, "JSON byte %zu: nested deeper than %d", at, JSON_DEPTH_MAX);
	j = json_loadb(text.len ? (const char *)text.ptr : "", text.len,
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (!j)
		return parse_failed(&why, err);
	*ret = wrap(j);
	return 0;
}

int pw_json_parse(struct pw_slice text, struct pw_json **ret, struct pw_err *err)
{
	return pw_json_parse_large(text, JSON_TEXT_MAX, ret, err);
}

void pw_json_free(struct pw_json *j)
{
	json_decref(tree(j));
}

static int append_piece(const char *piece, size_t len, void *ctx)
{
	return pw_buf_add(ctx, piece, len) < 0 ? -1 : 0;
}

int pw_json_dump(const struct pw_json *j, struct pw_buf *out)
{
	if (!j)
		return pw_buf_add_str(out, "null");
	if (json_dump_callback(const_tree(j), append_piece, out,
		    JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) == 0)
		return 0;
	if (!pw_buf_error(out))
		out->error = -ENOMEM; /* jansson's own memory */
	return pw_buf_error(out);
}

enum pw_json_type pw_json_type(const struct pw_json *j)
{
	static const enum pw_json_type types[] = {
		[JSON_OBJECT] = PW_JSON_OBJECT,
		[JSON_ARRAY] = PW_JSON_ARRAY,
		[JSON_STRING] = PW_JSON_TEXT,
		[JSON_INTEGER] = PW_JSON_INT,
		[JSON_REAL] = PW_JSON_REAL,
		[JSON_TRUE] = PW_JSON_BOOL,
		[JSON_FALSE] = PW_JSON_BOOL,
		[JSON_NULL] = PW_JSON_NULL,
	};

	return j ? types[json_typeof(const_tree(j))] : PW_JSON_NULL;
}

const char *pw_json_type_name(enum pw_json_type type)
{
	static const char *const names[] = {
		[PW_JSON_NULL] = "null",
		[PW_JSON_BOOL] = "true or false",
		[PW_JSON_INT] = "a whole number",
		[PW_JSON_REAL] = "a number",
		[PW_JSON_TEXT] = "text",
		[PW_JSON_ARRAY] = "a list",
		[PW_JSON_OBJECT] = "an object",
	};

	return names[type];
}

struct pw_slice pw_json_text(const struct pw_json *j)
{
	if (pw_json_type(j) != PW_JSON_TEXT)
		return pw_slice_of(NULL, 0);
	return pw_slice_of(json_string_value(const_tree(j)), json_string_length(const_tree(j)));
}

int64_t pw_json_int(const struct pw_json *j)
{
	return pw_json_type(j) == PW_JSON_INT ? json_integer_value(const_tree(j)) : 0;
}

double pw_json_real(const struct pw_json *j)
{
	return j ? json_number_value(const_tree(j)) : 0;
}

bool pw_json_bool(const struct pw_json *j)
{
	return j && json_is_true(const_tree(j));
}

size_t pw_json_size(const struct pw_json *j)
{
	if (pw_json_type(j) == PW_JSON_ARRAY)
		return json_array_size(const_tree(j));
	return pw_json_type(j) == PW_JSON_OBJECT ? json_object_size(const_tree(j)) : 0;
}

const struct pw_json *pw_json_at(const struct pw_json *j, size_t index)
{
	return pw_json_type(j) == PW_JSON_ARRAY ? wrap(json_array_get(const_tree(j), index)) : NULL;
}

const struct pw_json *pw_json_get(const struct pw_json *j, const char *key)
{
	return pw_json_type(j) == PW_JSON_OBJECT ? wrap(json_object_get(const_tree(j), key)) : NULL;
}

const struct pw_json *pw_json_next(const struct pw_json *j, void **cursor, const char **ret_key)
{
	json_t *object = (json_t *)(uintptr_t)j; /* iterating changes nothing */

	if (pw_json_type(j) != PW_JSON_OBJECT)
		return NULL;
	*cursor = *cursor ? json_object_iter_next(object, *cursor) : json_object_iter(object);
	if (!*cursor)
		return NULL;
	*ret_key = json_object_iter_key(*cursor);
	return wrap(json_object_iter_value(*cursor));
}

const struct pw_json *pw_json_member(const struct pw_json *j, size_t index, const char **ret_key)
{
	const struct pw_json *value;
	void *cursor = NULL;
	const char *key;

	for (size_t i = 0; (value = pw_json_next(j, &cursor, &key)); i++) {
		if (i < index)
			continue;
		*ret_key = key;
		return value;
	}
	return NULL;
}

struct pw_json *json_make_null(void)
{
	return wrap(json_null());
}

struct pw_json *json_make_bool(bool value)
{
	return wrap(json_boolean(value));
}

struct pw_json *json_make_int(int64_t value)
{
	return wrap(json_integer(value));
}

struct pw_json *json_make_real(double value)
{
	return wrap(json_real(value));
}

struct pw_json *json_make_text(struct pw_slice utf8)
{
	return wrap(json_stringn(utf8.len ? (const char *)utf8.ptr : "", utf8.len));
}

struct pw_json *json_make_array(void)
{
	return wrap(json_array());
}

struct pw_json *json_make_object(void)
{
	return wrap(json_object());
}

int json_append_take(struct pw_json *array, struct pw_json *child)
{
	return json_array_append_new(tree(array), tree(child)) == 0 ? 0 : -ENOMEM;
}

int json_set_take(struct pw_json *object, const char *key, struct pw_json *child)
{
	if (json_object_get(tree(object), key)) {
		json_decref(tree(child));
		return -EEXIST;
	}
	return json_object_set_new(tree(object), key, tree(child)) == 0 ? 0 : -ENOMEM;
}
