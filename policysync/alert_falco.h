/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An alert as Falco's JSON output, one line: what falcosidekick takes and fans out. Every member
 * that falcosidekick demands has a value (output, priority, rule, time, output_fields). Thread:
 * any.
 */
#include "policysync/alert_json.h"

int alert_falco(struct pw_buf *out, const Podward__V1__Alert *alert, const struct alert_seen *seen,
	const char *cluster);
