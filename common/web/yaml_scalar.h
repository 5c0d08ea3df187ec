/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a plain scalar means: YAML 1.2 core schema. Thread: any. */
#include "common/web/json.h"

/* The value, or NULL: *ret_why says why it is refused, or stays NULL when memory ran out. */
struct pw_json *yaml_plain_value(struct pw_slice text, const char **ret_why);
