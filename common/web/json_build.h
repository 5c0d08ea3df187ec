/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Building of trees, for yaml.c: only json.c knows jansson. Every function that takes a child takes
 * it over, also on failure. Thread: any.
 */
#include "common/web/json.h"

#define JSON_DEPTH_MAX 64
#define JSON_TEXT_MAX  ((size_t)1024 * 1024)

struct pw_json *json_make_null(void);
struct pw_json *json_make_bool(bool value);
struct pw_json *json_make_int(int64_t value);
struct pw_json *json_make_real(double value);         /* finite */
struct pw_json *json_make_text(struct pw_slice utf8); /* NULL also when it is not UTF-8 */
struct pw_json *json_make_array(void);
struct pw_json *json_make_object(void);
int json_append_take(struct pw_json *array, struct pw_json *child);
/* -EEXIST when the key is there already. The key is NUL-terminated UTF-8. */
int json_set_take(struct pw_json *object, const char *key, struct pw_json *child);
