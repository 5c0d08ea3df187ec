/* SPDX-License-Identifier: Apache-2.0 */
#include "common/web/json.h"

#include "common/base/clock.h"
#include "common/base/escape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void pw_reader_init(struct pw_json_reader *r, const struct pw_json *root, struct pw_err *err)
{
	*r = (struct pw_json_reader){.node = root, .err = err};
}

/* Absent and null are the same, as everywhere in Kubernetes objects. */
static bool is_absent(const struct pw_json_reader *r)
{
	return pw_json_type(r->node) == PW_JSON_NULL;
}

static const char *path_of(const struct pw_json_reader *r)
{
	return r->path[0] ? r->path : "document";
}

/* path of the parent and a part behind it; what does not fit is cut off. */
static void set_path(
	struct pw_json_reader *r, const struct pw_json_reader *parent, const char *part)
{
	size_t used = strlen(parent->path), more = strlen(part);

	if (!used && part[0] == '.')
		part++, more--;
	if (more > sizeof(r->path) - 1 - used)
		more = sizeof(r->path) - 1 - used;
	memcpy(r->path, parent->path, used);
	memcpy(r->path + used, part, more);
	r->path[used + more] = '\0';
}

static void expect(const struct pw_json_reader *r, const char *what)
{
	if (is_absent(r))
		(void)pw_err_set(r->err, -EINVAL, "%s: is required", path_of(r));
	else
		(void)pw_err_set(r->err, -EINVAL, "%s: expected %s, got %s", path_of(r), what,
			pw_json_type_name(pw_json_type(r->node)));
}

struct pw_json_reader pw_reader_field(const struct pw_json_reader *r, const char *key)
{
	struct pw_json_reader field = {.err = r->err};
	char part[100];

	if (!key)
		return *r;
	part[0] = '.';
	(void)pw_escape_to(pw_slice_str(key), part + 1, sizeof(part) - 1);
	set_path(&field, r, part);
	if (!is_absent(r) && pw_json_type(r->node) != PW_JSON_OBJECT)
		expect(r, "an object");
	else
		field.node = pw_json_get(r->node, key);
	return field;
}

struct pw_json_reader pw_reader_item(const struct pw_json_reader *r, size_t index)
{
	struct pw_json_reader item = {.err = r->err, .node = pw_json_at(r->node, index)};
	char part[32];

	(void)snprintf(part, sizeof(part), "[%zu]", index);
	set_path(&item, r, part);
	return item;
}

struct pw_slice pw_read_text(
	const struct pw_json_reader *r, const char *key, bool required, size_t max_len)
{
	struct pw_json_reader field = pw_reader_field(r, key);
	struct pw_slice text = pw_json_text(field.node);

	if (is_absent(&field) && !required)
		return pw_slice_of(NULL, 0);
	if (pw_json_type(field.node) != PW_JSON_TEXT) {
		expect(&field, "text");
		return pw_slice_of(NULL, 0);
	}
	if (text.len > max_len) {
		(void)pw_err_set(r->err, -EINVAL, "%s: %zu bytes, at most %zu are allowed",
			path_of(&field), text.len, max_len);
		return pw_slice_of(NULL, 0);
	}
	if (required && !text.len)
		(void)pw_err_set(r->err, -EINVAL, "%s: must not be empty", path_of(&field));
	return text;
}

int64_t pw_read_int(const struct pw_json_reader *r, const char *key, int64_t min, int64_t max,
	int64_t default_value)
{
	struct pw_json_reader field = pw_reader_field(r, key);
	int64_t value = pw_json_int(field.node);

	if (is_absent(&field))
		return default_value;
	if (pw_json_type(field.node) != PW_JSON_INT) {
		expect(&field, "a whole number");
		return default_value;
	}
	if (value < min || value > max) {
		(void)pw_err_set(r->err, -ERANGE,
			"%s: %" PRId64 " is not between %" PRId64 " and %" PRId64, path_of(&field),
			value, min, max);
		return default_value;
	}
	return value;
}

bool pw_read_bool(const struct pw_json_reader *r, const char *key, bool default_value)
{
	struct pw_json_reader field = pw_reader_field(r, key);

	if (is_absent(&field))
		return default_value;
	if (pw_json_type(field.node) == PW_JSON_BOOL)
		return pw_json_bool(field.node);
	expect(&field, "true or false");
	return default_value;
}

uint64_t pw_read_duration(const struct pw_json_reader *r, const char *key, uint64_t default_ns)
{
	struct pw_json_reader field = pw_reader_field(r, key);
	char text[40], shown[60];
	struct pw_slice s = pw_json_text(field.node);
	uint64_t ns;

	if (is_absent(&field))
		return default_ns;
	if (pw_json_type(field.node) == PW_JSON_INT && pw_json_int(field.node) >= 0)
		(void)snprintf(text, sizeof(text), "%" PRId64, pw_json_int(field.node));
	else if (pw_json_type(field.node) == PW_JSON_TEXT && s.len < sizeof(text))
		(void)snprintf(text, sizeof(text), "%.*s", PW_SLICE_ARG(s));
	else {
		expect(&field, "a duration such as 90s, 15m or 24h");
		return default_ns;
	}
	if (pw_duration_parse(text, &ns) == 0)
		return ns;
	(void)pw_err_set(r->err, -EINVAL, "%s: \"%s\" is not a duration such as 90s, 15m or 24h",
		path_of(&field), pw_escape_to(pw_slice_str(text), shown, sizeof(shown)));
	return default_ns;
}

static void refuse_choice(const struct pw_json_reader *field, const char *const *choices)
{
	char list[200] = "", shown[60];
	size_t used = 0;

	for (size_t i = 0; choices[i] && used < sizeof(list); i++) {
		int wrote = snprintf(
			list + used, sizeof(list) - used, "%s%s", i ? ", " : "", choices[i]);

		used += wrote > 0 ? (size_t)wrote : 0;
	}
	(void)pw_err_set(field->err, -EINVAL, "%s: \"%s\" is not one of %s", path_of(field),
		pw_escape_to(pw_json_text(field->node), shown, sizeof(shown)), list);
}

int pw_read_choice(const struct pw_json_reader *r, const char *key, const char *const *choices,
	int default_index)
{
	struct pw_json_reader field = pw_reader_field(r, key);

	if (is_absent(&field))
		return default_index;
	if (pw_json_type(field.node) != PW_JSON_TEXT) {
		expect(&field, "text");
		return default_index;
	}
	for (int i = 0; choices[i]; i++)
		if (pw_slice_eq_str(pw_json_text(field.node), choices[i]))
			return i;
	refuse_choice(&field, choices);
	return default_index;
}

size_t pw_read_array(const struct pw_json_reader *r, const char *key, size_t max_items,
	struct pw_json_reader *ret_array)
{
	struct pw_json_reader field = pw_reader_field(r, key);
	size_t count = pw_json_size(field.node);

	*ret_array = field;
	if (is_absent(&field))
		return 0;
	if (pw_json_type(field.node) != PW_JSON_ARRAY) {
		expect(&field, "a list");
		return 0;
	}
	if (count <= max_items)
		return count;
	(void)pw_err_set(r->err, -E2BIG, "%s: %zu items, at most %zu are allowed", path_of(&field),
		count, max_items);
	return 0;
}

static bool is_known(const char *key, const char *const *known)
{
	for (size_t i = 0; known[i]; i++)
		if (strcmp(key, known[i]) == 0)
			return true;
	return false;
}

void pw_read_only(const struct pw_json_reader *r, const char *const *known)
{
	void *cursor = NULL;
	const char *key;

	if (is_absent(r))
		return;
	if (pw_json_type(r->node) != PW_JSON_OBJECT) {
		expect(r, "an object");
		return;
	}
	while (pw_json_next(r->node, &cursor, &key)) {
		struct pw_json_reader field;

		if (is_known(key, known))
			continue;
		field = pw_reader_field(r, key);
		(void)pw_err_set(r->err, -EINVAL, "%s: unknown field", path_of(&field));
		return;
	}
}
