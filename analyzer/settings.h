/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Settings of podward-analyzer: one table, read once at start, immutable afterwards.
 * Thread: main.
 */
#include "common/base/config.h"
#include "common/rpc/security.h"

#define SETTINGS_LISTEN_MAX 8u

struct settings {
	const char *name;
	const char *listen; /* addresses, comma between */
	const char *policysync;
	const char *advertise; /* NULL = it shares with nobody */
	const char *metrics_listen;
	uint64_t shards; /* 0 = by processors */
	uint64_t groups;
	uint64_t profile_flush_ns, drain_ns;
	uint64_t report_bytes;
	uint64_t log_level, log_format;
	struct pw_security security;
};

/* The addresses of one process, cut out of settings.listen. */
struct settings_listen {
	char text[512];
	const char *items[SETTINGS_LISTEN_MAX];
	size_t count;
};

extern const struct pw_config_spec settings_spec;

/* What the table cannot say: addresses, and which of them need certificates. */
int settings_check(const struct settings *s, struct settings_listen *ret_listen,
	struct pw_err *err) PW_MUST_CHECK;
