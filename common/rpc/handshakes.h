/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What became of connections before their first call, for the whole process. libgrpc tells nobody
 * why a handshake failed but its log: its lines are counted by the reason that OpenSSL gives in
 * them, or by who gave up. Thread: any.
 */
#include <stdint.h>

enum pw_handshake_failure {
	PW_HANDSHAKE_NO_CERTIFICATE,
	PW_HANDSHAKE_UNTRUSTED, /* foreign, self-signed, expired, not yet valid */
	PW_HANDSHAKE_PROTOCOL,  /* no TLS at all, or too old */
	PW_HANDSHAKE_TIMEOUT,   /* not done within the limit */
	PW_HANDSHAKE_CLOSED,    /* the peer hung up */
	PW_HANDSHAKE_OTHER,
	PW_HANDSHAKE_FAILURES
};

const char *pw_handshake_failure_name(enum pw_handshake_failure f);

struct pw_connection_stats {
	uint64_t accepted;
	uint64_t no_descriptor; /* dropped: none was left */
	uint64_t peer_limit;    /* dropped: its address held too many */
	uint64_t failed[PW_HANDSHAKE_FAILURES];
};

void pw_connection_stats(struct pw_connection_stats *ret);
/* loop.c: a line of libgrpc's log, of any severity. */
void pw_handshakes_note(const char *line);
