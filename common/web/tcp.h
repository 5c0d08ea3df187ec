/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bytes over TCP or TLS to one peer (libcurl makes the connection, as for HTTP, so certificates are
 * checked by the same code), one thread, blocking: belongs on a thread of its own. Nothing is read
 * but the end of the connection. Limits: 10 s to connect, 30 s without progress.
 */
#include "common/base/err.h"
#include "common/base/slice.h"
#include <stdbool.h>

struct pw_tcp;

struct pw_tcp_target {
	const char *host_port; /* "log.example:6514", "[::1]:514" */
	bool tls;
	const char *ca_file;              /* NULL = the system's */
	const char *cert_file, *key_file; /* our own certificate (PEM), both or none */
};

/* Connects at the first send. target is borrowed until pw_tcp_free. */
int pw_tcp_new(
	const struct pw_tcp_target *target, struct pw_tcp **ret, struct pw_err *err) PW_MUST_CHECK;
void pw_tcp_free(struct pw_tcp *s);
/* All of it went to the peer's kernel, or an error and the connection is closed: what was sent of
 * it is unknown then. A connection that the peer ended meanwhile is made again first. */
int pw_tcp_send(struct pw_tcp *s, struct pw_slice data, struct pw_err *err) PW_MUST_CHECK;
/* Makes a running send, and every later one, return soon with -ECANCELED. Any thread. */
void pw_tcp_cancel(struct pw_tcp *s);
