/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JSON trees (door of jansson) and YAML into the same trees (door of libyaml in yaml.c): one
 * decoder for both forms. struct pw_json is jansson's json_t under our name.
 * Limits: depth 64, 1 MiB of text by default, no anchors or aliases in YAML (a bomb is refused),
 * duplicate keys refused, YAML 1.2 core tags (`no` is a string).
 * Thread: any; a tree has one owner.
 */
#include "common/base/buf.h"
#include "common/base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct pw_json; /* opaque; owned trees are freed with pw_json_free, children are borrowed */

int pw_json_parse(struct pw_slice text, struct pw_json **ret, struct pw_err *err) PW_MUST_CHECK;
/* The same with another ceiling, for answers of a server that we chose. */
int pw_json_parse_large(struct pw_slice text, size_t limit_bytes, struct pw_json **ret,
	struct pw_err *err) PW_MUST_CHECK;
/*
 * Every document of a YAML stream (JSON is YAML); those without content are left out. err carries
 * line and column. Free with pw_yaml_docs_free. Ceiling: 4,096 documents.
 */
int pw_yaml_parse(struct pw_slice text, struct pw_json ***ret_docs, size_t *ret_count,
	struct pw_err *err) PW_MUST_CHECK;
/* The same with another ceiling, for files that a person named. */
int pw_yaml_parse_large(struct pw_slice text, size_t limit_bytes, struct pw_json ***ret_docs,
	size_t *ret_count, struct pw_err *err) PW_MUST_CHECK;
/*
 * Lines (from 1) on which the items of the documents' outermost sequences start, one after the
 * other over all documents; at most max of them. For messages about a text that was parsed.
 */
size_t pw_yaml_item_lines(struct pw_slice text, uint32_t *lines, size_t max);
void pw_yaml_docs_free(struct pw_json **docs, size_t count);
void pw_json_free(struct pw_json *j); /* NULL is fine */
int pw_json_dump(
	const struct pw_json *j, struct pw_buf *out) PW_MUST_CHECK; /* compact, keys sorted */

enum pw_json_type {
	PW_JSON_NULL,
	PW_JSON_BOOL,
	PW_JSON_INT,
	PW_JSON_REAL,
	PW_JSON_TEXT,
	PW_JSON_ARRAY,
	PW_JSON_OBJECT
};
enum pw_json_type pw_json_type(const struct pw_json *j); /* NULL pointer = PW_JSON_NULL */
const char *pw_json_type_name(enum pw_json_type type);
struct pw_slice pw_json_text(const struct pw_json *j); /* empty when not text */
int64_t pw_json_int(const struct pw_json *j);
double pw_json_real(const struct pw_json *j); /* of any number; 0 otherwise */
bool pw_json_bool(const struct pw_json *j);
size_t pw_json_size(const struct pw_json *j); /* array items or object members */
const struct pw_json *pw_json_at(const struct pw_json *j, size_t index);
const struct pw_json *pw_json_get(const struct pw_json *j, const char *key); /* NULL when absent */
/*
 * Members of an object in file order: start with *cursor = NULL; NULL at the end. For whole
 * objects: pw_json_member walks from the start each time.
 */
const struct pw_json *pw_json_next(const struct pw_json *j, void **cursor, const char **ret_key);
/* Member number index of an object, in file order. */
const struct pw_json *pw_json_member(const struct pw_json *j, size_t index, const char **ret_key);

/*
 * Reader with a path: errors name the field ("spec.rules[3].action: expected text, got number").
 * Errors stick in err: the first wins, further reads return defaults, check once at the end. null
 * counts as absent. A key of NULL means the reader's own node, for items of an array.
 */
struct pw_json_reader {
	const struct pw_json *node;
	struct pw_err *err;
	char path[256];
};
void pw_reader_init(struct pw_json_reader *r, const struct pw_json *root, struct pw_err *err);
struct pw_json_reader pw_reader_field(
	const struct pw_json_reader *r, const char *key); /* node NULL when absent */
struct pw_json_reader pw_reader_item(const struct pw_json_reader *r, size_t index);
struct pw_slice pw_read_text(
	const struct pw_json_reader *r, const char *key, bool required, size_t max_len);
int64_t pw_read_int(const struct pw_json_reader *r, const char *key, int64_t min, int64_t max,
	int64_t default_value);
bool pw_read_bool(const struct pw_json_reader *r, const char *key, bool default_value);
uint64_t pw_read_duration(const struct pw_json_reader *r, const char *key, uint64_t default_ns);
/* Index of the text among choices (NULL-terminated), default_index when absent. */
int pw_read_choice(const struct pw_json_reader *r, const char *key, const char *const *choices,
	int default_index);
/* Array; returns count, items by pw_reader_item. Refuses more than max_items. */
size_t pw_read_array(const struct pw_json_reader *r, const char *key, size_t max_items,
	struct pw_json_reader *ret_array);
/* Every key must be in known (NULL-terminated); names the first unknown one. */
void pw_read_only(const struct pw_json_reader *r, const char *const *known);
