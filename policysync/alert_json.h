/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The canonical JSON form of an alert, one line, fields in a fixed order; what every output and the
 * page /v1/alerts show. Fields without a value are left out, except those that every alert has.
 * Thread: any.
 */
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "podward/v1/alert.pb-c.h"

/* What the spool knows beside the alert itself. */
struct alert_seen {
	uint64_t count; /* events so far, at least 1 */
	struct pw_wall last;
};

int alert_json(struct pw_buf *out, const Podward__V1__Alert *alert,
	const struct alert_seen *seen); /* errors stick in out */
const char *alert_severity_name(
	Podward__V1__Severity severity); /* "High"; "Unspecified" when unknown */
void alert_id_hex(const Podward__V1__Alert *alert, char out[33]);
/* Arguments joined by NUL, shown with blanks between. Appended unescaped. */
int alert_command(struct pw_buf *out, ProtobufCBinaryData args);
/* "connect", "open" …; "" when unknown. */
const char *alert_event_name(uint32_t kind);
