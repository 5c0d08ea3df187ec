/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Alerts as syslog messages (RFC 5424) over UDP, TCP or TLS; on streams each is counted in octets
 * (RFC 6587, 5425). The message is the short JSON form, OCSF or CEF. Syslog has no acknowledgement:
 * what the kernel took is delivered, so what a receiver loses in its own crash is lost here and
 * only here; what is sent twice has the same id. Thread: the output's. Ceilings: 64 KiB a message,
 * 8 KiB over UDP; a longer one goes without its lineage and its exclusion, and is refused when it
 * is still too long.
 */
#include "policysync/alert_format.h"

enum syslog_transport { SYSLOG_UDP, SYSLOG_TCP, SYSLOG_TLS };

struct syslog_settings {
	const char *address; /* "udp://host:514", "tcp://host:601", "tls://host:6514" */
	const char *ca_file, *cert_file, *key_file; /* NULL = the system's, none */
	struct alert_form form;                     /* podward, ocsf or cef */
	unsigned facility;                          /* 0–23; 16 = local0 */
};

/* ret gets send, cancel, destroy, ctx and max_rows. */
int output_syslog_new(const struct syslog_settings *settings, struct output *ret,
	struct pw_err *err) PW_MUST_CHECK;
/* One message without its octet count; for tests. -E2BIG when it does not fit in limit bytes. */
int output_syslog_format(struct pw_buf *out, const struct syslog_settings *settings,
	const struct output_item *item, size_t limit) PW_MUST_CHECK;
