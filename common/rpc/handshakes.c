/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rpc/handshakes.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/rpc/accept_guard.h"

static _Atomic uint64_t failed[PW_HANDSHAKE_FAILURES];

const char *pw_handshake_failure_name(enum pw_handshake_failure f)
{
	static const char *const names[PW_HANDSHAKE_FAILURES] = {
		"no_certificate", "untrusted", "protocol", "timeout", "closed", "other"};

	return names[f];
}

/*
 * Source: ssl/ssl_err.c of OpenSSL 3.0 for the words; those of the last three are libgrpc's, in
 * src/core/lib/transport/handshaker.cc and security/transport/security_handshaker.cc.
 */
static enum pw_handshake_failure reason_of(const char *line)
{
	static const struct {
		const char *words;
		enum pw_handshake_failure reason;
	} rows[] = {
		{"did not return a certificate", PW_HANDSHAKE_NO_CERTIFICATE},
		{"certificate verify failed", PW_HANDSHAKE_UNTRUSTED},
		{"unknown ca", PW_HANDSHAKE_UNTRUSTED},
		{"unsupported protocol", PW_HANDSHAKE_PROTOCOL},
		{"wrong version number", PW_HANDSHAKE_PROTOCOL},
		{"http request", PW_HANDSHAKE_PROTOCOL},
		{"https proxy request", PW_HANDSHAKE_PROTOCOL},
		{"no shared cipher", PW_HANDSHAKE_PROTOCOL},
		{"record layer", PW_HANDSHAKE_PROTOCOL},
		{"unexpected message", PW_HANDSHAKE_PROTOCOL},
		{"length mismatch", PW_HANDSHAKE_PROTOCOL},
		{"length too short", PW_HANDSHAKE_PROTOCOL},
		{"packet length too long", PW_HANDSHAKE_PROTOCOL},
		{"bad ", PW_HANDSHAKE_PROTOCOL},
		{"Handshake timed out", PW_HANDSHAKE_TIMEOUT},
		{"Handshake read failed", PW_HANDSHAKE_CLOSED},
		{"Handshake write failed", PW_HANDSHAKE_CLOSED},
	};

	for (size_t i = 0; i < PW_COUNT(rows); i++)
		if (strstr(line, rows[i].words))
			return rows[i].reason;
	return PW_HANDSHAKE_OTHER;
}

void pw_handshakes_note(const char *line)
{
	static const char start[] = "Security handshake failed";

	if (strncmp(line, start, sizeof(start) - 1) == 0)
		(void)atomic_fetch_add_explicit(&failed[reason_of(line)], 1, memory_order_relaxed);
}

void pw_connection_stats(struct pw_connection_stats *ret)
{
	ret->accepted = pw_accept_guard_accepted();
	ret->no_descriptor = pw_accept_guard_dropped();
	ret->peer_limit = pw_accept_guard_crowded();
	for (size_t i = 0; i < PW_HANDSHAKE_FAILURES; i++)
		ret->failed[i] = atomic_load_explicit(&failed[i], memory_order_relaxed);
}
