/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The settings that say how the three programs trust each other, the same in all of them, and the
 * rule that follows: an address off this machine's sockets needs certificates; plain text is for
 * unix sockets, and for loopback when it is asked for.
 * Thread: main, at start.
 */
#include "common/base/config.h"
#include "common/base/clock.h"
#include "common/rpc/tls.h"

struct pw_security {
	const char *ca, *cert, *key, *domain;
	bool insecure;
	/* of a program that serves */
	bool shared_certificates;
	uint64_t connection_age_ns; /* 0 = never ended */
};

/* Rows for a program's table; at = offsetof(struct settings, security). */
#define PW_SECURITY_SETTINGS(at)                                                                   \
	{"tls-ca", PW_SETTING_TEXT, (at) + offsetof(struct pw_security, ca), NULL, 0, 0, NULL,     \
		"FILE", "Authorities (PEM) whose certificates the others may have"},               \
		{"tls-cert", PW_SETTING_TEXT, (at) + offsetof(struct pw_security, cert), NULL, 0,  \
			0, NULL, "FILE",                                                           \
			"Our certificate (PEM), then those that lead to the authority; read "      \
			"again "                                                                   \
			"when it changes"},                                                        \
		{"tls-key", PW_SETTING_TEXT, (at) + offsetof(struct pw_security, key), NULL, 0, 0, \
			NULL, "FILE", "Its private key (PEM)"},                                    \
		{"tls-domain", PW_SETTING_TEXT, (at) + offsetof(struct pw_security, domain),       \
			PW_TLS_DOMAIN, 0, 0, NULL, "NAME",                                         \
			"Trust domain: names in certificates are spiffe://NAME/ROLE/… or "       \
			"….ROLE.NAME"},                                                            \
	{                                                                                          \
		"insecure", PW_SETTING_BOOL, (at) + offsetof(struct pw_security, insecure),        \
			"false", 0, 0, NULL, NULL,                                                 \
			"Plain text on loopback addresses; instead of certificates"                \
	}

/* The rows after those, for a program that serves. */
#define PW_SECURITY_SERVER_SETTINGS(at)                                                          \
	{"tls-shared-certificates", PW_SETTING_BOOL,                                             \
		(at) + offsetof(struct pw_security, shared_certificates), "false", 0, 0, NULL,   \
		NULL,                                                                            \
		"Take a certificate that names only a role for every node or replica of it"},    \
	{                                                                                        \
		"tls-connection-age", PW_SETTING_DURATION,                                       \
			(at) + offsetof(struct pw_security, connection_age_ns), "1h", 0,         \
			7 * 24 * 3600 * PW_NS_PER_S, NULL, "DURATION",                           \
			"After about this a peer must connect anew and show a certificate that " \
			"is still good; 0 = never"                                               \
	}

/* The three files belong together, and not with --insecure. */
int pw_security_check(const struct pw_security *s, struct pw_err *err) PW_MUST_CHECK;
/* A listener or target; err names the flag. */
int pw_security_check_address(const struct pw_security *s, const char *flag, const char *address,
	struct pw_err *err) PW_MUST_CHECK;
/* *ret is NULL without files. */
int pw_security_open(
	const struct pw_security *s, struct pw_tls **ret, struct pw_err *err) PW_MUST_CHECK;
/* For struct pw_server_limits. Without certificates 0: a new connection would prove nothing new. */
uint32_t pw_security_age_ms(const struct pw_security *s);
/* unix:…, unix-abstract:… */
bool pw_address_is_unix(const char *address);
