/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The canonical form of an alert for other systems: an OCSF Detection Finding (class 2004) as one
 * line of JSON. finding_info.uid is the alert's id, so a receiver can drop repeats; what OCSF has
 * no place for is under unmapped.podward. Required members, types and values are checked in a test
 * against a reduced JSON schema (tests/ocsf_2004.schema.json). Thread: any.
 * Source: the schema at https://github.com/ocsf/ocsf-schema, 1.5.
 */
#include "policysync/alert_json.h"

int alert_ocsf(struct pw_buf *out, const Podward__V1__Alert *alert, const struct alert_seen *seen,
	const char *cluster); /* errors stick in out */
