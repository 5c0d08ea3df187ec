/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An alert as a document of the Elastic Common Schema 8, one line of JSON; event.id is the alert's
 * id. Thread: any. Source: https://www.elastic.co/guide/en/ecs/8.11/.
 */
#include "policysync/alert_json.h"

int alert_ecs(struct pw_buf *out, const Podward__V1__Alert *alert, const struct alert_seen *seen,
	const char *cluster);
