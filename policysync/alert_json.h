/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Podward's own short JSON form of an alert, one line, fields in a fixed order; for stdout, the
 * page /v1/alerts and syslog. The form for other systems is OCSF (alert_ocsf.h). Fields without a
 * value are left out, except those that every alert has. Here too: names and parts that every form
 * needs. Thread: any.
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
const char *alert_engine_name(Podward__V1__Engine engine);

/* An alert taken apart; slices into the alert. Parts that it does not have are empty. */
struct alert_parts {
	char id[33];
	struct pw_slice namespace_, kind, workload, container; /* of the pod group */
	struct pw_slice actor;                                 /* its executable's last component */
	const Podward__V1__AlertProcess *process;              /* NULL = unknown */
	bool is_file, is_connection, is_address;               /* object is a path; a peer; of IP */
	uint16_t port;
	const char *protocol; /* "tcp", "udp" or NULL */
	bool is_audit;
};
void alert_parts(const Podward__V1__Alert *alert, struct alert_parts *ret);
struct pw_slice alert_basename(ProtobufCBinaryData path);
