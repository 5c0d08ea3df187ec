/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reading of one custom resource into an arena: what crd_policy, crd_exclusion and crd_signature
 * share. Errors stick in the reader's err and start with the field's path; after the first one
 * every further read returns an empty value, so a caller checks once at the end. Thread: any.
 * Ceilings: said by each call.
 */
#include "common/base/arena.h"
#include "common/web/json.h"
#include "podward/v1/policy.pb-c.h"

/* "spec.rules[3].name: <format>". key NULL = the reader's own node. */
void crd_fail(const struct pw_json_reader *r, const char *key, int code, const char *format, ...)
	PW_PRINTF(4, 5);
/* True when an earlier read failed. */
bool crd_failed(const struct pw_json_reader *r);
/* Node of r must be an object (or absent, then false without an error unless required). */
bool crd_is_object(const struct pw_json_reader *r, bool required);
/* Opens r.key as an array; the number of items (0 when absent). Objects and texts alike. */
size_t crd_items(const struct pw_json_reader *r, const char *key, size_t max_items,
	struct pw_json_reader *ret_array);

/* A check of one text: NULL when fine, else what was expected ("a CIDR such as 10.0.0.0/8"). */
typedef const char *(*crd_check_fn)(struct pw_slice text);
const char *crd_check_glob(struct pw_slice text);
const char *crd_check_name(struct pw_slice text);  /* DNS-1123 subdomain */
const char *crd_check_label(struct pw_slice text); /* DNS-1123 label */
const char *crd_check_rule_id(struct pw_slice text);
const char *crd_check_mitre(struct pw_slice text);
const char *crd_check_cidr(struct pw_slice text);
const char *crd_check_kind(struct pw_slice text);
const char *crd_check_any(struct pw_slice text);
/* One line for people: not blank, no control bytes. */
const char *crd_check_line(struct pw_slice text);

struct crd_text_rule {
	size_t max_len;
	crd_check_fn check;
	bool required;
};
ProtobufCBinaryData crd_text(struct pw_arena *a, const struct pw_json_reader *r, const char *key,
	const struct crd_text_rule *rule);

struct crd_texts {
	size_t count;
	ProtobufCBinaryData *items;
};
struct crd_texts crd_text_list(struct pw_arena *a, const struct pw_json_reader *r, const char *key,
	size_t max_items, const struct crd_text_rule *rule);

/* Severity name -> value; SEVERITY_UNSPECIFIED when absent. */
Podward__V1__Severity crd_severity(const struct pw_json_reader *r, const char *key);
/* Dimension by the reader's own text; 0 and a failure at the reader when it is none. */
Podward__V1__Dimension crd_dimension(const struct pw_json_reader *r);
const char *crd_dimension_name(Podward__V1__Dimension dimension); /* NULL = none of ours */
/* RFC 3339 time -> ns since 1970; 0 when absent. */
int64_t crd_time(const struct pw_json_reader *r, const char *key);
/* spec.selector; NULL when absent. Namespaces are refused for namespaced kinds. */
Podward__V1__Selector *crd_selector(
	struct pw_arena *a, const struct pw_json_reader *spec, bool namespaced);
/* Zeroed array in the arena; NULL and a sticky -ENOMEM when it is full. */
void *crd_array(struct pw_arena *a, const struct pw_json_reader *r, size_t count, size_t size);
