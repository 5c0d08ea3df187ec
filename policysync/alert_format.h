/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The forms in which alerts leave, one row each, and how several make one body: a line each, a JSON
 * array, or only one at a time. A form that its receiver takes in one way only has only that
 * framing. Thread: any.
 */
#include "common/base/err.h"
#include "policysync/output.h"

enum alert_format {
	ALERT_OCSF, /* the canonical one */
	ALERT_PODWARD,
	ALERT_FALCO,
	ALERT_ECS,
	ALERT_CLOUDEVENTS,
	ALERT_SLACK,
	ALERT_ELASTICSEARCH, /* body of _bulk: create with the alert's id, so repeats are no doubles
			      */
	ALERT_CEF,
	ALERT_FORMATS
};
enum alert_framing { ALERT_FRAMING_DEFAULT, ALERT_LINES, ALERT_ARRAY, ALERT_SINGLE };

extern const char *const alert_format_names[ALERT_FORMATS + 1]; /* NULL-terminated */
extern const char *const alert_framing_names[];

struct alert_form {
	enum alert_format format;
	enum alert_framing framing;
	const char *cluster; /* name of the cluster; not NULL */
};

/* Fills in the default framing; refuses one that the format's receivers do not take. */
int alert_form_check(struct alert_form *form, struct pw_err *err) PW_MUST_CHECK;
const char *alert_form_content_type(const struct alert_form *form);
/* One alert, without a newline behind it. Errors stick in out. */
int alert_format_one(
	struct pw_buf *out, const struct alert_form *form, const struct output_item *item);
int alert_format_body(struct pw_buf *out, const struct alert_form *form,
	const struct output_item *items, size_t count);
