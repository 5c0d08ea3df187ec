/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An event written down as JSON, field by field, as an event of the analyzer: for conformance
 * vectors and rule tests. Ancestors by "proc.aname[n]". Unknown keys are refused.
 * Thread: any. Ceiling: LAB_ANCESTORS ancestors.
 */
#include "common/web/json.h"
#include "common/wire/decode.h"

#define LAB_ANCESTORS 16u

struct lab_event {
	struct pw_event event;
	struct pw_process processes[LAB_ANCESTORS + 1]; /* the process, its parent … */
	struct pw_container container;
	struct pw_buf args;
};

/* Texts point into the JSON tree, which must live as long. -EINVAL names the key. */
int lab_event_read(
	const struct pw_json *j, struct lab_event *ret, struct pw_err *err) PW_MUST_CHECK;
void lab_event_done(struct lab_event *e);
